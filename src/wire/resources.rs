//! Buckets and prefixes that the run creates: journalled before the request, created once.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use serde::{Deserialize, Serialize};

use super::{Link, Recorder, WireError};
use crate::store::{StoreError, VendorSink};

/// Something that the run may have created: one line of `resources.jsonl`, written before the request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Resource {
    /// A bucket of the run's own.
    Bucket {
        /// Its name; it starts with the run's prefix.
        name: String,
    },
    /// An object whose key no list may show as it is: not UTF-8, or with characters that XML does not hold.
    Object {
        /// Its bucket.
        bucket: String,
        /// Its key, percent-encoded as it was sent.
        path: String,
    },
    /// Keys and uploads below a prefix of a bucket that is not the run's own.
    Prefix {
        /// The bucket.
        bucket: String,
        /// Start of the keys; it starts with the run's prefix.
        prefix: String,
    },
}

/// Where keys may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// The bucket.
    pub bucket: String,
    /// What every key must start with; empty in a bucket of the run's own.
    pub prefix: String,
    /// Whether the bucket is the run's own.
    pub owned: bool,
}

/// A space that could not be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ResourceError {
    /// The run directory does not take the journal entry; nothing was sent.
    #[error("{0}")]
    Journal(std::sync::Arc<StoreError>),
    /// `use_bucket` is set: the account may not create buckets.
    #[error("use_bucket is set: no bucket is created")]
    NoBuckets,
    /// The request did not get a complete answer, or the budget does not allow it.
    #[error("CreateBucket {bucket}: {source}")]
    Wire {
        /// The bucket.
        bucket: String,
        /// What happened.
        source: WireError,
    },
    /// The server refused.
    #[error("CreateBucket {bucket}: {status} {code}")]
    Refused {
        /// The bucket.
        bucket: String,
        /// HTTP status.
        status: u16,
        /// S3 error code.
        code: String,
    },
}

impl Link {
    /// A place for keys that all callers with this label share. The bucket is created at the first call.
    ///
    /// # Errors
    /// When it cannot be journalled or created; the next call tries again.
    pub async fn space(&self, label: &str) -> Result<Space, ResourceError> {
        let cell = {
            let mut spaces = self.spaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            spaces.entry(label.to_owned()).or_default().clone()
        };
        cell.get_or_try_init(|| self.make_space(label)).await.cloned()
    }
    async fn make_space(&self, label: &str) -> Result<Space, ResourceError> {
        match &self.vendor.use_bucket {
            Some(bucket) => {
                let space = Space { bucket: bucket.clone(), prefix: format!("{}{label}/", self.prefix), owned: false };
                self.journal(&Resource::Prefix { bucket: bucket.clone(), prefix: space.prefix.clone() })?;
                Ok(space)
            }
            None => Ok(Space { bucket: self.create_bucket(label).await?, prefix: String::new(), owned: true }),
        }
    }
    /// The name of a bucket that the caller creates itself; it is journalled now.
    ///
    /// # Errors
    /// In `use_bucket` mode, and when it cannot be journalled.
    pub fn new_bucket(&self, label: &str) -> Result<String, ResourceError> {
        if self.vendor.use_bucket.is_some() {
            return Err(ResourceError::NoBuckets);
        }
        let name = bucket_name(&self.prefix, label);
        self.journal(&Resource::Bucket { name: name.clone() })?;
        Ok(name)
    }
    /// Creates a bucket of the run's own and returns its name.
    ///
    /// # Errors
    /// As [`Link::new_bucket`], and when the server refuses or cannot be reached.
    pub async fn create_bucket(&self, label: &str) -> Result<String, ResourceError> {
        let bucket = self.new_bucket(label)?;
        let region = &self.access.region;
        // us-east-1 is the one region that must not be named.
        let place = (region != "us-east-1").then(|| BucketLocationConstraint::from(region.as_str()));
        let place = place.map(|place| CreateBucketConfiguration::builder().location_constraint(place).build());
        let sent = self.sdk(&Recorder::new()).create_bucket().bucket(&bucket).set_create_bucket_configuration(place).send().await;
        let Err(error) = sent else { return Ok(bucket) };
        let code = error.code().unwrap_or_default().to_owned();
        if code == "BucketAlreadyOwnedByYou" {
            return Ok(bucket);
        }
        Err(match (error.raw_response(), WireError::find(&error)) {
            (_, Some(source)) => ResourceError::Wire { bucket, source: source.clone() },
            (response, None) => ResourceError::Refused { bucket, status: response.map_or(0, |response| response.status().as_u16()), code },
        })
    }
    /// Remembers an object that is about to be put, because no list may show its key as it is. `path` is percent-encoded.
    ///
    /// # Errors
    /// When it cannot be journalled.
    pub fn unlisted(&self, bucket: &str, path: &str) -> Result<(), ResourceError> {
        self.journal(&Resource::Object { bucket: bucket.to_owned(), path: path.to_owned() })
    }
    fn journal(&self, resource: &Resource) -> Result<(), ResourceError> {
        self.sink.resource(resource).map_err(|error| ResourceError::Journal(std::sync::Arc::new(error)))
    }
}

fn journalled(sink: &VendorSink) -> impl Iterator<Item = Resource> {
    let text = std::fs::read_to_string(sink.path().join("resources.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>().into_iter()
}

/// The buckets that the journal of a vendor's directory names, whether they were created or not.
pub fn journalled_buckets(sink: &VendorSink) -> Vec<String> {
    journalled(sink).filter_map(|entry| if let Resource::Bucket { name } = entry { Some(name) } else { None }).collect()
}

/// Bucket and percent-encoded key of the objects that the journal names, whether they were stored or not.
pub(super) fn journalled_objects(sink: &VendorSink) -> Vec<(String, String)> {
    journalled(sink).filter_map(|entry| if let Resource::Object { bucket, path } = entry { Some((bucket, path)) } else { None }).collect()
}

/// Lower case letters, digits, hyphens, and dots where the label has them; at most 63 characters.
fn bucket_name(prefix: &str, label: &str) -> String {
    let plain: String = label.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' }).collect();
    let mut name = format!("{prefix}{plain}");
    name.truncate(63);
    name.trim_end_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_are_valid_whatever_the_label_is() {
        assert_eq!(bucket_name("pm-1a2b3c4d-", "Put_Object"), "pm-1a2b3c4d-put-object");
        assert_eq!(bucket_name("pm-1a2b3c4d-", &"x".repeat(99)).len(), 63);
        assert_eq!(bucket_name("pm-1a2b3c4d-", "a_"), "pm-1a2b3c4d-a");
        assert_eq!(bucket_name("pm-1a2b3c4d-", "a.b."), "pm-1a2b3c4d-a.b");
    }
}
