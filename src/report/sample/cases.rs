//! Cases of the sample: each verdict and each failure class at least once.

use super::HOSTILE;
use crate::model::{CaseInfo, CaseRecord, Deviation, FailureClass, Impact, Level, Measure, Verdict};

/// Id, rule, level, and the verdicts of `steady`, `hasty` and `halfway`.
type Row = (&'static str, &'static str, Level, [Outcome; 3]);

#[derive(Clone, Copy)]
enum Outcome {
    Is(Verdict),
    Fails(FailureClass),
    Absent,
}
use Outcome::{Absent, Fails, Is};

const ROWS: &[Row] = &[
    (
        "object::put_object/read_after_write",
        "A PUT object reads back byte for byte.",
        Level::Core,
        [Is(Verdict::Pass), Is(Verdict::Pass), Is(Verdict::Pass)],
    ),
    (
        "object::put_object/user_metadata",
        "User metadata comes back as it was sent.",
        Level::Core,
        [Is(Verdict::Pass), Fails(FailureClass::Corrupt), Is(Verdict::Pass)],
    ),
    (
        "object::get_object/absent_key",
        "An absent key answers 404 NoSuchKey.",
        Level::Core,
        [Is(Verdict::Pass), Fails(FailureClass::WrongCode), Is(Verdict::Pass)],
    ),
    (
        "object::get_object/range",
        "A range answers 206 with exactly those bytes.",
        Level::Core,
        [Is(Verdict::Pass), Is(Verdict::Pass), Fails(FailureClass::WrongEffect)],
    ),
    (
        "conditional::put_object/if_none_match",
        "If-None-Match: * does not overwrite.",
        Level::Common,
        [Is(Verdict::Pass), Fails(FailureClass::UnsafeIgnore), Absent],
    ),
    (
        "conditional::get_object/if_modified_since",
        "An unchanged object answers 304.",
        Level::Common,
        [Is(Verdict::Variant), Is(Verdict::Pass), Absent],
    ),
    (
        "listing::list_objects_v2/start_after",
        "Keys up to start-after are left out.",
        Level::Common,
        [Is(Verdict::Pass), Fails(FailureClass::WrongEffect), Absent],
    ),
    (
        "listing::list_objects_v2/thousand_keys",
        "1001 keys come in two pages.",
        Level::Core,
        [Is(Verdict::Pass), Fails(FailureClass::Timeout), Absent],
    ),
    (
        "multipart::complete_multipart_upload/twice",
        "A second Complete leaves the object intact.",
        Level::Core,
        [Is(Verdict::Pass), Fails(FailureClass::Crash), Absent],
    ),
    (
        "multipart::upload_part_copy/range",
        "A part is copied from a range.",
        Level::Extended,
        [Is(Verdict::Unsupported), Is(Verdict::Unsupported), Absent],
    ),
    (
        "lock::put_object_retention/compliance",
        "A locked version cannot be deleted.",
        Level::Extended,
        [Is(Verdict::Untested), Is(Verdict::Untested), Absent],
    ),
    (
        "policy::put_bucket_policy/deny_wins",
        "An explicit deny wins over an allow.",
        Level::Common,
        [Is(Verdict::Unresolved), Is(Verdict::Pass), Absent],
    ),
];

fn measures() -> Vec<Measure> {
    let unknown =
        Measure { value: None, ..Measure::new("object_size_bytes_max", "bytes", 0.0, 3).noted("at least 5 GiB: the budget ended the search") };
    vec![Measure::new("page_keys_max", "keys", 1000.0, 12), Measure::share("lost_keys_share", 1, 200), unknown]
}

/// The cases of one of the three vendors.
pub fn cases(vendor: &str) -> Vec<CaseRecord> {
    let column = ["steady", "hasty", "halfway"].iter().position(|name| *name == vendor).unwrap_or(0);
    ROWS.iter().filter_map(|(id, rule, level, outcomes)| record(id, rule, *level, outcomes[column])).collect()
}

fn record(id: &str, rule: &str, level: Level, outcome: Outcome) -> Option<CaseRecord> {
    let (verdict, class) = match outcome {
        Is(verdict) => (verdict, None),
        Fails(class) => (Verdict::Fail, Some(class)),
        Absent => return None,
    };
    let fails = class.is_some();
    let reason = match verdict {
        Verdict::Pass | Verdict::Fail => None,
        Verdict::Variant => Some("200 with the object, as the older documentation has it".to_owned()),
        Verdict::Unsupported => Some("501 NotImplemented".to_owned()),
        Verdict::Unresolved => Some(format!("throttled twice: {HOSTILE}")),
        Verdict::Untested => Some("not permitted: impact irreversible".to_owned()),
    };
    Some(CaseRecord {
        case: CaseInfo {
            id: id.into(),
            rule: rule.to_owned(),
            rows: vec!["PUT-07".to_owned()],
            level,
            source: "S3 API reference".to_owned(),
            dependents: vec!["backup tools".to_owned()],
            impact: Impact::None,
            features: Vec::new(),
            slow: false,
        },
        verdict,
        class,
        deviation: fails.then(|| Deviation {
            claim: "body".to_owned(),
            expected: "status 404, code NoSuchKey".to_owned(),
            observed: HOSTILE.to_owned(),
            location: "suites/object.rs:14".to_owned(),
        }),
        reason,
        attempts: if class == Some(FailureClass::Crash) { 2 } else { 1 },
        requests: 3,
        operations: Default::default(),
        measures: if id.ends_with("thousand_keys") { measures() } else { Vec::new() },
        duration_ms: 12.5,
        evidence: fails.then(|| format!("evidence/{}.json", id.replace([':', '/'], "-"))),
        request_id: fails.then(|| "17F3-ABC".to_owned()),
        curl: (class == Some(FailureClass::WrongCode)).then(|| format!("curl -i -X GET 'http://127.0.0.1:9000/b/k' # {HOSTILE}")),
        client: "1/1".into(),
    })
}
