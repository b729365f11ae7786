//! One look at what came back, whichever client asked: the SDK's result or a raw answer.
//!
//! The main type is [`Answer`].

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::byte_stream::error::Error as ByteStreamError;

use super::finding::Trouble;
use crate::wire::{self, Failure, WireError};

/// What came back instead of success.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// An HTTP answer that is an error.
    Answered {
        /// HTTP status.
        status: u16,
        /// S3 error code; empty where the answer has none (HEAD).
        code: String,
    },
    /// A success status whose content cannot be read as the operation's answer.
    Unreadable {
        /// HTTP status.
        status: u16,
        /// What the client said.
        detail: String,
    },
    /// No complete answer, although the request reached the server.
    Broken(Trouble, String),
    /// The request never reached the server: refused connection, name resolution, budget, or our own mistake.
    NotSent(String),
}

impl Refusal {
    /// Short text for a deviation: `404 NoSuchKey`.
    pub fn describe(&self) -> String {
        match self {
            Refusal::Answered { status, code } if code.is_empty() => format!("{status} without a code"),
            Refusal::Answered { status, code } => format!("{status} {code}"),
            Refusal::Unreadable { status, detail } => format!("{status} with an unreadable answer: {detail}"),
            Refusal::Broken(_, detail) | Refusal::NotSent(detail) => detail.clone(),
        }
    }
}

/// Anything that an `expect` function can judge.
pub trait Answer {
    /// What success carries.
    type Value;
    /// Success or what came back instead.
    ///
    /// # Errors
    /// With what came back instead of success.
    fn settle(self) -> Result<Self::Value, Refusal>;
}

impl<T, E: ProvideErrorMetadata + Error + Send + Sync + 'static> Answer for Result<T, SdkError<E, HttpResponse>> {
    type Value = T;
    fn settle(self) -> Result<T, Refusal> {
        self.map_err(|error| refusal(&error))
    }
}

/// An answer that was looked at already.
impl<T> Answer for Result<T, Refusal> {
    type Value = T;
    fn settle(self) -> Self {
        self
    }
}

/// A raw answer: 2xx is success.
impl Answer for Result<wire::Answer, WireError> {
    type Value = wire::Answer;
    fn settle(self) -> Result<wire::Answer, Refusal> {
        match self {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(answer),
            Ok(answer) => Err(Refusal::Answered { status: answer.status, code: answer.code().unwrap_or_default() }),
            Err(error) => Err(undelivered(&error)),
        }
    }
}

fn refusal<E: ProvideErrorMetadata + Error + Send + Sync + 'static>(error: &SdkError<E, HttpResponse>) -> Refusal {
    let answered = |status, code: Option<&str>| Refusal::Answered { status, code: code.unwrap_or_default().to_owned() };
    match (WireError::find(error), error) {
        (Some(wire), _) => undelivered(wire),
        (None, SdkError::ServiceError(service)) => match (service.raw().status().as_u16(), service.err().code()) {
            // Without a code it is no error body in a 200, but an answer that does not have the operation's shape.
            (status @ ..300, None) => Refusal::Unreadable { status, detail: "not the operation's XML".to_owned() },
            (status, code) => answered(status, code),
        },
        (None, SdkError::ResponseError(response)) => match response.raw().status().as_u16() {
            status @ 300.. => answered(status, None),
            status => Refusal::Unreadable { status, detail: chain(error) },
        },
        (None, SdkError::TimeoutError(_)) => Refusal::Broken(Trouble::NoAnswer, chain(error)),
        (None, other) => Refusal::NotSent(chain(other)),
    }
}

/// What a broken exchange means: whose trouble it is, and whether the request may have reached the server.
pub(super) fn undelivered(error: &WireError) -> Refusal {
    let detail = error.to_string();
    match error.failure {
        Failure::Reset | Failure::ClosedEarly | Failure::Truncated => Refusal::Broken(Trouble::Reset, detail),
        Failure::Timeout => Refusal::Broken(Trouble::NoAnswer, detail),
        Failure::Malformed => Refusal::Unreadable { status: 0, detail },
        _ => Refusal::NotSent(detail),
    }
}

/// A body that ended before its announced length, or that the SDK's own checks refuse.
pub(super) fn broken_body(error: &ByteStreamError) -> Refusal {
    WireError::find(error).map_or_else(|| Refusal::Unreadable { status: 200, detail: chain(error) }, undelivered)
}

/// The error and its sources on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in std::iter::successors(Some(error), |&inner| inner.source()).map(ToString::to_string) {
        if parts.last() != Some(&part) {
            parts.push(part);
        }
    }
    parts.join(": ")
}
