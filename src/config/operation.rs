//! The S3 operations that the load engine sends.

use serde::{Deserialize, Serialize};

/// What a connection can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// GetObject, whole or a range.
    GetObject,
    /// PutObject.
    PutObject,
    /// HeadObject.
    HeadObject,
    /// DeleteObject, of objects that were written for it.
    DeleteObject,
    /// ListObjectsV2.
    #[serde(rename = "list_objects_v2")]
    ListObjectsV2,
    /// CreateMultipartUpload.
    CreateMultipartUpload,
    /// UploadPart.
    UploadPart,
    /// CompleteMultipartUpload.
    CompleteMultipartUpload,
    /// AbortMultipartUpload.
    AbortMultipartUpload,
    /// DeleteObjects: up to a thousand keys.
    DeleteObjects,
}

/// Name in snake case, name in camel case, HTTP method.
const FACTS: [(Operation, &str, &str, &str); 10] = [
    (Operation::GetObject, "get_object", "GetObject", "GET"),
    (Operation::PutObject, "put_object", "PutObject", "PUT"),
    (Operation::HeadObject, "head_object", "HeadObject", "HEAD"),
    (Operation::DeleteObject, "delete_object", "DeleteObject", "DELETE"),
    (Operation::ListObjectsV2, "list_objects_v2", "ListObjectsV2", "GET"),
    (Operation::CreateMultipartUpload, "create_multipart_upload", "CreateMultipartUpload", "POST"),
    (Operation::UploadPart, "upload_part", "UploadPart", "PUT"),
    (Operation::CompleteMultipartUpload, "complete_multipart_upload", "CompleteMultipartUpload", "POST"),
    (Operation::AbortMultipartUpload, "abort_multipart_upload", "AbortMultipartUpload", "DELETE"),
    (Operation::DeleteObjects, "delete_objects", "DeleteObjects", "POST"),
];

impl Operation {
    /// Every operation, in the order of the declaration.
    pub const ALL: [Operation; 10] = {
        let mut all = [Operation::GetObject; 10];
        let mut index = 0;
        while index < FACTS.len() {
            all[index] = FACTS[index].0;
            index += 1;
        }
        all
    };
    /// The SDK's snake case, as in ids and metric names.
    pub fn name(self) -> &'static str {
        FACTS[self as usize].1
    }
    /// The API's camel case, as in price cards and usage.
    pub fn camel(self) -> &'static str {
        FACTS[self as usize].2
    }
    /// The HTTP method.
    pub fn method(self) -> &'static str {
        FACTS[self as usize].3
    }
    /// Whether its body is an object's content, or a part of it.
    pub fn writes_content(self) -> bool {
        matches!(self, Operation::PutObject | Operation::UploadPart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_finds_its_own_facts() {
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, index);
            assert_eq!(FACTS[index].0, operation);
        }
    }
}
