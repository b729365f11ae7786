//! Failure scenarios: a workload, a fault, and what must hold.
//!
//! The main type is [`FailureSpec`]; [`FailureSpec::estimate`] is what one repeat may send.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Estimate, Impact};
use crate::units::{Bytes, Span};

/// `scenarios/failure/<id>.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureSpec {
    /// Title for people.
    pub title: String,
    /// Short code, e.g. `F02`.
    pub code: String,
    /// What question it answers.
    pub about: String,
    /// What is done and how it is judged.
    pub probe: FailureProbe,
    /// What it does beyond its own prefix.
    #[serde(default)]
    pub impact: Impact,
    /// Sizes of the objects, used in turn; at least 72 B each, for bodies that say who wrote them.
    pub object_size: Vec<Bytes>,
    /// Writers, each with keys of its own beside the shared ones.
    pub concurrency: u32,
    /// Keys that each variation uses; for load under a fault, the keys that all writers share.
    pub keys: u32,
    /// Overwrites of each key by each writer, in an overwrite storm.
    #[serde(default = "default_writes")]
    pub writes: u32,
    /// Operations that are due each second under a fault, answered or not (an open loop).
    #[serde(default = "default_rate")]
    pub rate_per_s: f64,
    /// How long the client waits for an answer; after that the operation's effect is unknown.
    #[serde(default = "default_limit")]
    pub operation_limit: Span,
    /// For load under a fault: the hook that injects it and the hook that heals it (`kill`, `restart` or `pause`, `resume`).
    #[serde(default)]
    pub hooks: Vec<String>,
}

/// What a failure scenario does. Everything but load under a fault needs no hook and works on any vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureProbe {
    /// Uploads whose connection is closed before their body ended: the old value or nothing must remain.
    UploadCut,
    /// Uploads with a flipped bit under the right checksum: each must be refused and leave no trace.
    CorruptUpload,
    /// The same signed PUT, and the same CompleteMultipartUpload, twice at once: the object must survive.
    DuplicateRequest,
    /// Many writers on one key, readers in between, and races of conditional creates.
    OverwriteStorm,
    /// An open loop of reads, writes and deletes while a hook harms the server and another heals it.
    LoadUnderFault,
}

fn default_writes() -> u32 {
    8
}
fn default_rate() -> f64 {
    60.0
}
fn default_limit() -> Span {
    Span(std::time::Duration::from_secs(1))
}

/// Lengths of the phases of a failure scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureTiming {
    /// Before anything counts.
    pub warm_up: Span,
    /// Undisturbed load that recovery is compared with.
    pub baseline: Span,
    /// The fault is on.
    pub fault: Span,
    /// Longest watch for recovery after the heal.
    pub recovery: Span,
}

/// The least body that says who wrote it.
const LEAST_SIZE: u64 = 72;
/// Size of the first part of a multipart upload: the least that S3 allows.
pub const PART_SIZE: Bytes = Bytes::mib(5);
/// Variations of a corrupt upload: one per way to announce a checksum, on a fresh key and on one with an old value.
const CORRUPT_VARIATIONS: u64 = 8;

impl FailureSpec {
    /// What no single field shows: the field and what is wrong with it.
    ///
    /// # Errors
    /// When the probe cannot run with these values.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if self.object_size.is_empty() {
            return Err(("object_size", "expected at least one size".to_owned()));
        }
        if let Some(size) = self.object_size.iter().find(|size| size.0 < LEAST_SIZE) {
            return Err(("object_size", format!("{size} is too small: expected at least {LEAST_SIZE} B, for bodies that say who wrote them")));
        }
        if self.concurrency == 0 {
            return Err(("concurrency", "expected a number above 0".to_owned()));
        }
        if self.keys == 0 {
            return Err(("keys", "expected a number above 0".to_owned()));
        }
        if !(self.rate_per_s > 0.0 && self.rate_per_s.is_finite()) {
            return Err(("rate_per_s", "expected a number above 0".to_owned()));
        }
        if self.operation_limit.0.is_zero() {
            return Err(("operation_limit", "expected a time above 0 s".to_owned()));
        }
        let hooks: Vec<&str> = self.hooks.iter().map(String::as_str).collect();
        match (self.probe, hooks.as_slice()) {
            (FailureProbe::LoadUnderFault, ["kill", "restart"] | ["pause", "resume"]) if self.impact == Impact::Destructive => Ok(()),
            (FailureProbe::LoadUnderFault, ["kill", "restart"] | ["pause", "resume"]) => {
                Err(("impact", "hooks harm the server: expected \"destructive\"".to_owned()))
            }
            (FailureProbe::LoadUnderFault, _) => Err(("hooks", "expected [\"kill\", \"restart\"] or [\"pause\", \"resume\"]".to_owned())),
            (_, []) => Ok(()),
            _ => Err(("hooks", "only the probe \"load-under-fault\" calls hooks".to_owned())),
        }
    }

    /// An upper estimate of one repeat.
    pub fn estimate(&self, timing: &FailureTiming) -> Estimate {
        let (sizes, keys, writers) = (self.object_size.len() as u64, u64::from(self.keys), u64::from(self.concurrency));
        let largest = self.object_size.iter().map(|size| size.0).max().unwrap_or_default();
        let (objects, puts);
        let (mut gets, mut deletes, mut multipart, mut duration_s) = (0, 0, 0, 3.0);
        match self.probe {
            FailureProbe::UploadCut => {
                objects = sizes * 3 * keys;
                puts = objects * 2;
            }
            FailureProbe::CorruptUpload => {
                objects = sizes * CORRUPT_VARIATIONS * 2;
                puts = objects * 2;
            }
            FailureProbe::DuplicateRequest => {
                objects = keys * 2;
                puts = keys * 3;
                multipart = keys;
            }
            FailureProbe::OverwriteStorm => {
                objects = keys * 2;
                puts = keys * writers * (u64::from(self.writes) + 1);
                gets = puts;
            }
            FailureProbe::LoadUnderFault => {
                let seconds = [timing.warm_up, timing.baseline, timing.fault, timing.recovery].iter().map(|span| span.0.as_secs_f64()).sum::<f64>();
                let operations = (self.rate_per_s * seconds).ceil() as u64;
                (puts, gets, deletes) = (operations * 7 / 10, operations * 4 / 10, operations / 10);
                objects = operations * 45 / 100 + keys;
                duration_s += seconds;
            }
        }
        // Every key is looked at three times more when all is quiet: LIST, HEAD and GET; a disagreement is looked at again.
        let looks = objects * 2;
        let mut requests = BTreeMap::from([
            ("PutObject", puts),
            ("GetObject", gets + looks),
            ("HeadObject", looks),
            ("DeleteObject", deletes),
            ("ListObjectsV2", 4 + objects / 50),
            ("ListMultipartUploads", 2),
            ("CreateBucket", 1),
        ]);
        if self.probe == FailureProbe::UploadCut {
            requests.extend([("CreateMultipartUpload", 1), ("UploadPart", 1), ("ListParts", 1), ("AbortMultipartUpload", 1)]);
        }
        if multipart > 0 {
            requests.extend([("CreateMultipartUpload", multipart), ("UploadPart", multipart * 2), ("CompleteMultipartUpload", multipart * 3)]);
        }
        let part_bytes = multipart * (PART_SIZE.0 + largest);
        Estimate {
            requests: requests.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect(),
            upload_bytes: puts * largest + part_bytes,
            download_bytes: (gets + looks) * largest + part_bytes * 2,
            stored_bytes: objects * largest + part_bytes,
            buckets: 1,
            duration_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shipped() -> Vec<(String, FailureSpec)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/failure");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| (crate::config::stem(&file), crate::config::parse(&file).unwrap())).collect()
    }

    fn timing() -> FailureTiming {
        let span = |s| Span(std::time::Duration::from_secs(s));
        FailureTiming { warm_up: span(1), baseline: span(1), fault: span(2), recovery: span(10) }
    }

    #[test]
    fn every_shipped_scenario_is_valid_and_estimates_what_it_sends() {
        let shipped = shipped();
        assert_eq!(shipped.len(), 6);
        for (id, spec) in shipped {
            assert_eq!(spec.validate(), Ok(()), "{id}");
            let estimate = spec.estimate(&timing());
            assert!(estimate.requests["PutObject"] > 0 && estimate.upload_bytes > 0 && estimate.duration_s < 20.0, "{id}: {estimate:?}");
        }
    }

    #[test]
    fn values_that_no_probe_can_run_with_are_refused_by_field() {
        let spec = |id: &str| shipped().into_iter().find(|(known, _)| known == id).unwrap().1;
        let refused = |spec: FailureSpec| spec.validate().unwrap_err().0;
        assert_eq!(refused(FailureSpec { object_size: vec![], ..spec("upload-cut") }), "object_size");
        assert_eq!(refused(FailureSpec { object_size: vec![Bytes(71)], ..spec("upload-cut") }), "object_size");
        assert_eq!(refused(FailureSpec { keys: 0, ..spec("upload-cut") }), "keys");
        assert_eq!(refused(FailureSpec { concurrency: 0, ..spec("overwrite-storm") }), "concurrency");
        assert_eq!(refused(FailureSpec { rate_per_s: f64::NAN, ..spec("pause") }), "rate_per_s");
        assert_eq!(refused(FailureSpec { hooks: vec!["kill".to_owned()], ..spec("pause") }), "hooks");
        assert_eq!(refused(FailureSpec { hooks: vec!["kill".to_owned()], ..spec("upload-cut") }), "hooks");
        assert_eq!(refused(FailureSpec { impact: Impact::None, ..spec("pause") }), "impact");
    }
}
