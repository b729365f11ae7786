//! Suite `client`: the request shapes of SDK generations. What they are stands in `shapes`; a case is one operation of one generation.

use std::time::Duration;

use proofmark::case::values::{encode_path, encode_query, md5_base64, percent_decoded};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::Corrupt;
use proofmark::units::Bytes;
use proofmark::wire::sigv4::aws_chunked::Body;
use proofmark::wire::{Answer, Chunks, Message, Payload, RawRequest};

use super::shapes::{Algorithm, GENERATIONS, Generation, HttpChunks, Sum, Upload};

/// What clients wait for `100 Continue` before they send the body all the same.
const PATIENCE: Duration = Duration::from_secs(1);
const SIZE: Bytes = Bytes(200_001);

/// The suite.
pub fn suite() -> Suite {
    let mut suite =
        Suite::new("client").source("Requests of the clients themselves, and the sources of botocore, the AWS SDKs, aws-c-s3, minio-go and rclone");
    for generation in GENERATIONS {
        suite = deletes(reads(uploads(suite, generation), generation), generation);
    }
    suite
}

impl Generation {
    /// A request as this client begins it. `query` has no `?`.
    fn request(&self, fx: &Fixture, operation: &str, method: &str, path: &str, query: &str) -> RawRequest {
        let joined = [query, &if self.x_id && HAVE_X_ID.contains(&operation) { format!("x-id={operation}") } else { String::new() }];
        let joined = joined.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
        let target = if joined.is_empty() { path.to_owned() } else { format!("{path}?{joined}") };
        let mut unsigned = self.unsigned.to_vec();
        if !["PutObject", "UploadPart", "DeleteObjects", "CompleteMultipartUpload"].contains(&operation) {
            unsigned.push("content-length");
        }
        let request = fx.raw().request(method, fx.bucket(), &target).operation(operation).unsigned(&unsigned).header("User-Agent", self.agent);
        let request = self.always.iter().fold(request, |request, (name, value)| request.header(name, value));
        if self.signs_bodies { request } else { request.payload(Payload::Unsigned) }
    }
    /// The same for an object below the case's prefix.
    fn object(&self, fx: &Fixture, operation: &str, method: &str, name: &str, query: &str) -> RawRequest {
        self.request(fx, operation, method, &encode_path(&fx.key(name)), query)
    }
    /// With the bytes of an object.
    fn upload(&self, request: RawRequest, body: &[u8]) -> RawRequest {
        let request = self.upload_headers.iter().fold(request, |request, (name, value)| request.header(name, value)).body(body);
        let request = if self.expects_continue { request.expect_continue(PATIENCE) } else { request };
        match self.upload {
            Upload::Signed(sum) => self.sum(request.payload(Payload::Signed), sum, body),
            Upload::Unsigned(sum) => self.sum(request.payload(Payload::Unsigned), sum, body),
            Upload::SignedChunks { size, announced, trailer } => {
                let chunks = Chunks::signed(size);
                let (chunks, request) = match trailer {
                    Some(algorithm) => (chunks.trailer(&algorithm.header(), &algorithm.of(body)), self.named(request, algorithm)),
                    None => (chunks, request),
                };
                let request = request.payload(Payload::Chunks(chunks));
                if announced { request } else { request.without("Content-Encoding") }
            }
            Upload::Trailer { size, algorithm, http_chunks } => {
                let chunks = Chunks::unsigned(size, &algorithm.header(), &algorithm.of(body));
                let request = self.named(request, algorithm).payload(Payload::Chunks(chunks));
                match http_chunks {
                    HttpChunks::None => request,
                    HttpChunks::Whole => request.header("Transfer-Encoding", "chunked").tamper(|message| rechunk(message, false)),
                    HttpChunks::Lines => request.header("Transfer-Encoding", "chunked").tamper(|message| rechunk(message, true)),
                }
            }
        }
    }
    fn named(&self, request: RawRequest, algorithm: Algorithm) -> RawRequest {
        if self.names_algorithm { request.header("x-amz-sdk-checksum-algorithm", algorithm.name()) } else { request }
    }
    fn sum(&self, request: RawRequest, sum: Sum, body: &[u8]) -> RawRequest {
        match sum {
            Sum::None => request,
            Sum::Md5 => request.header("Content-MD5", md5_base64(body)),
            Sum::Header(algorithm) => self.named(request, algorithm).header(&algorithm.header(), algorithm.of(body)),
        }
    }
    /// The root element of an XML body.
    fn root(&self, name: &str) -> String {
        if self.names_namespace { format!("<{name} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">") } else { format!("<{name}>") }
    }
    /// The catalogue rows of its uploads.
    fn upload_rows(&self) -> Vec<&'static str> {
        let mut rows = match self.upload {
            Upload::Trailer { .. } => vec!["STR-03", "CKS-07"],
            Upload::SignedChunks { trailer: Some(_), .. } => vec!["STR-04", "CKS-07"],
            Upload::SignedChunks { announced: true, .. } => vec!["STR-01"],
            Upload::SignedChunks { .. } => vec!["STR-02"],
            Upload::Signed(Sum::Header(_)) => vec!["CKS-01", "CKS-07"],
            Upload::Signed(_) => vec!["SIG-01"],
            Upload::Unsigned(_) => vec!["SIG-02"],
        };
        if self.x_id {
            rows.push("PRO-17");
        }
        if self.expects_continue {
            rows.push("PRO-07");
        }
        if self.always.iter().any(|(name, _)| *name == "Accept-Encoding") && !self.unsigned.contains(&"accept-encoding") {
            rows.push("SIG-28");
        }
        rows
    }
}

/// The operations that SDKs with `x-id` append it to.
const HAVE_X_ID: [&str; 4] = ["PutObject", "GetObject", "UploadPart", "CopyObject"];

/// Wraps an aws-chunked body into HTTP chunks: all of it at once, or one for each line and each piece of data.
fn rechunk(message: &mut Message, lines: bool) {
    let pieces = match Body::decode(&message.body) {
        Ok(body) if lines => lined(&body),
        _ => vec![std::mem::take(&mut message.body)],
    };
    let mut coded = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        coded.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        coded.extend_from_slice(piece);
        coded.extend_from_slice(b"\r\n");
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    message.body = coded;
}

fn lined(body: &Body) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for chunk in &body.chunks {
        pieces.push(format!("{:x}\r\n", chunk.data.len()).into_bytes());
        if !chunk.data.is_empty() {
            pieces.push(chunk.data.clone());
            pieces.push(b"\r\n".to_vec());
        }
    }
    pieces.extend(body.trailers.iter().map(|(name, value)| format!("{name}:{value}\r\n").into_bytes()));
    pieces.push(b"\r\n".to_vec());
    pieces
}

fn uploads(suite: Suite, shape: &'static Generation) -> Suite {
    let (rule, multipart) =
        (format!("PutObject as {} sends it stores the body.", shape.name), format!("A multipart upload as {} sends it stores the body.", shape.name));
    let suite = leveled(suite, &format!("put_object/{}", shape.id), &shape.upload_rows(), &rule, shape, move |fx| async move {
        let body = fx.random_bytes(SIZE);
        expect::ok(shape.upload(shape.object(&fx, "PutObject", "PUT", "k", ""), &body).send().await)?;
        stored(&fx, &body).await
    });
    let rows: &[&str] = if matches!(shape.upload, Upload::Trailer { .. }) { &["STR-19", "MPU-04"] } else { &["MPU-04"] };
    leveled(suite, &format!("upload_part/{}", shape.id), rows, &multipart, shape, move |fx| async move {
        let body = fx.random_bytes(SIZE);
        let create = shape.object(&fx, "CreateMultipartUpload", "POST", "k", "uploads");
        let create = shape.create.iter().fold(create, |request, (name, value)| request.header(name, value)).send().await;
        let id = expect::some("UploadId", expect::ok(create)?.element("UploadId"))?;
        let query = format!("partNumber=1&uploadId={}", encode_query(&id));
        let part = expect::ok(shape.upload(shape.object(&fx, "UploadPart", "PUT", "k", &query), &body).send().await)?;
        let xml = completion(shape, &part)?;
        let complete = shape.object(&fx, "CompleteMultipartUpload", "POST", "k", &format!("uploadId={}", encode_query(&id)));
        let done = expect::ok(complete.header("Content-Type", "application/xml").body(xml).send().await)?;
        expect::that("CompleteMultipartUpload", done.code().is_none(), "no error in its 200", done.code())?;
        stored(&fx, &body).await
    })
}

/// The completion's XML, with the part's checksum where the client repeats what the server answered.
fn completion(shape: &Generation, part: &Answer) -> Checked<String> {
    let etag = expect::some("ETag", part.header("etag"))?.replace('"', "&quot;");
    let sums = [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme].map(|algorithm| {
        let value = part.header(&algorithm.header()).filter(|_| shape.lists_part_sums);
        value.map(|value| format!("<Checksum{0}>{value}</Checksum{0}>", algorithm.name())).unwrap_or_default()
    });
    let root = shape.root("CompleteMultipartUpload");
    Ok(format!("{root}<Part>{}<ETag>{etag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>", sums.concat()))
}

/// Claims that the object is `body` without any framing. Whether `aws-chunked` is kept as its Content-Encoding is suite `streaming`'s.
async fn stored(fx: &Fixture, body: &[u8]) -> Checked {
    fx.holds("k", body).await?;
    let head = expect::ok(fx.head_object("k").send().await)?;
    expect::eq("Content-Length", head.content_length(), i64::try_from(body.len()).ok())
}

fn reads(suite: Suite, shape: &'static Generation) -> Suite {
    let is_ranged = shape.get.iter().any(|(name, _)| *name == "Range");
    let rows: &[&str] = if is_ranged { &["GET-09", "CKS-10"] } else { &["GET-01", "CKS-26"] };
    let rule = format!("GetObject as {} sends it answers the body, and no checksum that contradicts it.", shape.name);
    let suite = leveled(suite, &format!("get_object/{}", shape.id), rows, &rule, shape, move |fx| async move {
        let body = fx.random_bytes(SIZE);
        fx.put("k", &body).await?;
        let get = shape.object(&fx, "GetObject", "GET", "k", "");
        let got = expect::ok(shape.get.iter().fold(get, |request, (name, value)| request.header(name, value)).send().await)?;
        let due = if is_ranged { &body[..65536] } else { &body[..] };
        valid(&got, due)
    });
    let rule = format!("ListObjectsV2 as {} sends it lists the keys.", shape.name);
    let suite = leveled(suite, &format!("list_objects_v2/{}", shape.id), &["LST-07"], &rule, shape, move |fx| async move {
        fx.put("dir/a b+c", b"x").await?;
        let query = format!("{}&prefix={}", shape.list, encode_query(&fx.key("dir/")));
        let list = expect::ok(shape.request(&fx, "ListObjectsV2", "GET", "", &query).send().await)?;
        let key = list.element("Key").unwrap_or_default();
        // Clients that asked for encoding-type=url decode a plus to a space, as botocore and minio-go do.
        let is_encoded = shape.list.contains("encoding-type=url") && list.element("EncodingType").as_deref() == Some("url");
        let key = if is_encoded { percent_decoded(&key.replace('+', " ")) } else { key };
        expect::eq("Key", key, fx.key("dir/a b+c"))
    });
    if !shape.x_id {
        return suite;
    }
    let rule = format!("HeadObject as {} sends it answers the object's headers.", shape.name);
    let suite = leveled(suite, &format!("head_object/{}", shape.id), &["GET-02", "SIG-28"], &rule, shape, move |fx| async move {
        fx.put("k", b"12345").await?;
        let head = expect::ok(shape.object(&fx, "HeadObject", "HEAD", "k", "").send().await)?;
        expect::eq("Content-Length", head.header("content-length"), Some("5"))
    });
    let rule = format!("CopyObject as {} sends it copies the object.", shape.name);
    leveled(suite, &format!("copy_object/{}", shape.id), &["CPY-01", "PRO-17"], &rule, shape, move |fx| async move {
        fx.put("from", b"12345").await?;
        let copy = shape.object(&fx, "CopyObject", "PUT", "k", "").header("x-amz-copy-source", fx.source("from"));
        expect::ok(copy.send().await)?;
        fx.holds("k", b"12345").await
    })
}

/// What a client accepts: the bytes, and no checksum header that is not theirs.
fn valid(got: &Answer, due: &[u8]) -> Checked {
    let is_appended = got.header("x-amz-transfer-encoding") == Some("append-md5");
    let end = if is_appended { got.body.len().saturating_sub(16) } else { got.body.len() };
    expect::bytes("body", &got.body[..end], due)?;
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
        // A composite checksum says nothing of the whole, so that clients pass it over.
        if let Some(value) = got.header(&algorithm.header()).filter(|value| !value.contains('-')) {
            expect::eq(&algorithm.header(), value, algorithm.of(due)).class(Corrupt)?;
        }
    }
    Ok(())
}

fn deletes(suite: Suite, shape: &'static Generation) -> Suite {
    let Some(sum) = shape.delete else { return suite };
    let row = if sum == Sum::Md5 { "DEL-04" } else { "DEL-09" };
    let rule = format!("DeleteObjects as {} sends it deletes the keys.", shape.name);
    leveled(suite, &format!("delete_objects/{}", shape.id), &[row], &rule, shape, move |fx| async move {
        fx.put("one", b"x").await?;
        fx.put("two", b"x").await?;
        let keys = ["one", "two"].map(|name| format!("<Object><Key>{}</Key></Object>", fx.key(name))).concat();
        let xml = format!("{}{keys}</Delete>", shape.root("Delete"));
        let delete = shape.request(&fx, "DeleteObjects", "POST", "", "delete");
        let delete = shape.sum(delete, sum, xml.as_bytes()).header("Content-Type", "application/xml").body(xml);
        expect::ok(delete.send().await)?;
        fx.absent("one").await?;
        fx.absent("two").await
    })
}

/// A case of the generation. All its first rows are core.
fn leveled<F, Fut>(suite: Suite, id: &str, rows: &[&str], rule: &str, shape: &Generation, body: F) -> Suite
where
    F: Fn(Fixture) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Checked> + Send + 'static,
{
    suite.core(id, rows, rule, body).dependents(&[shape.name])
}
