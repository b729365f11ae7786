//! Suite `encryption_copy`: copies between all kinds of server-side encryption.

use proofmark::case::values::encode_query;
use proofmark::case::{Answer, Checked, Finding, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::wire::{self, RawRequest};

use super::customer_key;
use super::encryption::MODE;

/// A kind of encryption.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Plain,
    Aes256,
    Kms,
    Customer,
}

const MODES: [Mode; 4] = [Mode::Plain, Mode::Aes256, Mode::Kms, Mode::Customer];

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Mode::Plain => "plain",
            Mode::Aes256 => "aes256",
            Mode::Kms => "kms",
            Mode::Customer => "customer_key",
        }
    }
    fn feature(self) -> Option<&'static str> {
        match self {
            Mode::Plain => None,
            Mode::Aes256 => Some("encryption"),
            Mode::Kms => Some("sse-kms"),
            Mode::Customer => Some("sse-c"),
        }
    }
    /// A request that asks for it.
    fn asked(self, request: RawRequest, key: &[u8]) -> RawRequest {
        match self {
            Mode::Plain => request,
            Mode::Aes256 => request.header(MODE, "AES256"),
            Mode::Kms => request.header(MODE, "aws:kms"),
            Mode::Customer => customer_key::raw(request, "", key),
        }
    }
    /// A request for what is stored so.
    fn opened(self, request: RawRequest, kind: &str, key: &[u8]) -> RawRequest {
        if self == Mode::Customer { customer_key::raw(request, kind, key) } else { request }
    }
    /// Claims that an answer says so. A vendor may encrypt what nobody asked it to.
    fn is_said(self, answer: &wire::Answer) -> Checked {
        match self {
            Mode::Plain => Ok(()),
            Mode::Aes256 => expect::eq(MODE, answer.header(MODE), Some("AES256")).class(UnsafeIgnore),
            Mode::Kms => expect::eq(MODE, answer.header(MODE), Some("aws:kms")).class(UnsafeIgnore),
            Mode::Customer => {
                let algorithm = "x-amz-server-side-encryption-customer-algorithm";
                expect::eq(algorithm, answer.header(algorithm), Some("AES256")).class(UnsafeIgnore)
            }
        }
    }
}

const BODY: &[u8] = b"a body that is copied from one kind of encryption to another";

/// The suite.
pub fn suite() -> Suite {
    let mut suite = Suite::new("encryption_copy").source("S3 API reference, CopyObject and UploadPartCopy: server-side encryption");
    for from in MODES {
        for to in MODES {
            let rule = format!("A copy from {} to {} has the same bytes and the encryption that was asked for.", from.word(), to.word());
            let id = format!("copy_object/{}_to_{}", from.word(), to.word());
            let features: Vec<&str> = [from, to].into_iter().filter_map(Mode::feature).collect();
            suite = suite.extended(&id, &["SSE-15"], &rule, move |fx| async move { copied(&fx, from, to).await }).needs(&features);
            let rule =
                format!("A part copied from {} into an upload with {} has the same bytes and the upload's encryption.", from.word(), to.word());
            let id = format!("upload_part_copy/{}_to_{}", from.word(), to.word());
            suite = suite.extended(&id, &["SSE-15"], &rule, move |fx| async move { part_copied(&fx, from, to).await }).needs(&features);
        }
    }
    suite
}

/// Prepares the source.
async fn source(fx: &Fixture, from: Mode, key: &[u8]) -> Checked {
    if from == Mode::Customer {
        return customer_key::store(fx, "k", BODY, key).await.map(drop).map_err(|finding| finding.in_set_up("PutObject with a key"));
    }
    let put = from.asked(fx.raw_object("PutObject", "PUT", "k", "").body(BODY), key).send().await.settle();
    let put = fx.set_up("PutObject of the source", put)?;
    from.is_said(&put).map_err(|_| Finding::Unsupported(format!("{} is accepted and not confirmed", from.word())))
}

/// Judges the copy.
async fn judge(fx: &Fixture, to: Mode, key: &[u8]) -> Checked {
    let got = expect::ok(to.opened(fx.raw_object("GetObject", "GET", "copy", ""), "", key).send().await)?;
    expect::bytes("body", &got.body, BODY)?;
    to.is_said(&got)
}

/// A vendor that takes no customers' keys over plain HTTP refuses the target as it refuses a source.
async fn control(fx: &Fixture, to: Mode, key: &[u8]) -> Checked {
    if to == Mode::Customer {
        customer_key::store(fx, "control", b"x", key).await?;
    }
    Ok(())
}

async fn copied(fx: &Fixture, from: Mode, to: Mode) -> Checked {
    let (old, new) = (customer_key::key(fx), customer_key::key(fx));
    source(fx, from, &old).await?;
    control(fx, to, &new).await?;
    let copy = fx.raw_object("CopyObject", "PUT", "copy", "").header("x-amz-copy-source", fx.source("k"));
    expect::ok(to.asked(from.opened(copy, "copy-source-", &old), &new).send().await)?;
    judge(fx, to, &new).await
}

async fn part_copied(fx: &Fixture, from: Mode, to: Mode) -> Checked {
    let (old, new) = (customer_key::key(fx), customer_key::key(fx));
    source(fx, from, &old).await?;
    control(fx, to, &new).await?;
    let created = to.asked(fx.raw_object("CreateMultipartUpload", "POST", "copy", "?uploads"), &new).send().await;
    let id = expect::some("UploadId", fx.set_up("CreateMultipartUpload", created)?.element("UploadId"))?;
    let query = format!("?partNumber=1&uploadId={}", encode_query(&id));
    let copy = fx.raw_object("UploadPartCopy", "PUT", "copy", &query).header("x-amz-copy-source", fx.source("k"));
    let part = to.opened(from.opened(copy, "copy-source-", &old), "", &new).send().await.settle();
    let tag = expect::some("ETag", expect::ok(part)?.element("ETag"))?;
    let list = format!("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>");
    let complete = fx.raw_object("CompleteMultipartUpload", "POST", "copy", &format!("?uploadId={}", encode_query(&id)));
    let done = expect::ok(to.opened(complete, "", &new).body(list).send().await)?;
    expect::some("ETag of the completion", done.element("ETag"))?;
    judge(fx, to, &new).await
}
