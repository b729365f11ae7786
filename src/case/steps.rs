//! The fixture's helpers that prepare and that look: see [`Fixture`] for the difference.

use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, CompletedPart, VersioningConfiguration};
use bytes::Bytes;

use super::expect::{ok_at, other_bytes};
use super::finding::{Checked, Finding, deviation};
use super::{Answer, Fixture, Refusal};
use crate::model::FailureClass;

/// The next bytes of a body. One that ends in order and does not match its own checksum is other data than was stored.
async fn next_piece(place: &'static Location<'static>, body: &mut ByteStream) -> Checked<Option<Bytes>> {
    let piece = body.next().await.transpose().map_err(|error| super::answer::broken_body(&error));
    ok_at(place, piece).map_err(|finding| finding.with_class(FailureClass::Corrupt))
}

async fn all_pieces(place: &'static Location<'static>, mut body: ByteStream) -> Checked<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(piece) = next_piece(place, &mut body).await? {
        all.extend_from_slice(&piece);
    }
    Ok(all)
}

impl Fixture {
    /// Judges a preparation: a refusal decides nothing about the rule.
    ///
    /// # Errors
    /// Unresolved, with the step's name; refusals that say "not supported" and trouble stay what they are.
    #[track_caller]
    pub fn set_up<A: Answer>(&self, step: &str, answer: A) -> Checked<A::Value> {
        ok_at(Location::caller(), answer).map_err(|finding| finding.in_set_up(step))
    }
    /// Prepares an object below the own prefix; returns its ETag as sent.
    #[track_caller]
    pub fn put(&self, name: &str, body: &[u8]) -> impl Future<Output = Checked<String>> + Send + use<> {
        let (here, key, body, place) = (self.clone(), self.key(name), body.to_vec(), Location::caller());
        async move {
            let step = format!("PutObject {key}");
            let sent = here.s3().put_object().bucket(here.bucket()).key(key).body(body.into()).send().await;
            let put = ok_at(place, sent).map_err(|finding| finding.in_set_up(&step))?;
            Ok(put.e_tag.unwrap_or_default())
        }
    }
    /// Reads an object below the own prefix: judged, not a preparation.
    #[track_caller]
    pub fn get(&self, name: &str) -> impl Future<Output = Checked<Vec<u8>>> + Send + use<> {
        let (here, key, place) = (self.clone(), self.key(name), Location::caller());
        async move {
            let got = ok_at(place, here.s3().get_object().bucket(here.bucket()).key(key).send().await)?;
            all_pieces(place, got.body).await
        }
    }
    /// Claims that the object below the own prefix reads back as `expected`: lost or other data is `corrupt`.
    #[track_caller]
    pub fn holds(&self, name: &str, expected: &[u8]) -> impl Future<Output = Checked> + Send + use<> {
        let (here, key, expected, place) = (self.clone(), self.key(name), expected.to_vec(), Location::caller());
        let claim = format!("body of {name}");
        async move {
            let got = ok_at(place, here.s3().get_object().bucket(here.bucket()).key(key).send().await);
            let mut body = got.map_err(|finding| finding.with_class(FailureClass::Corrupt))?.body;
            // Piece by piece: large bodies of many cases do not fit in memory twice.
            let (mut length, mut difference) = (0, None);
            while let Some(piece) = next_piece(place, &mut body).await? {
                let rest = expected.get(length..).unwrap_or_default();
                if difference.is_none() && !rest.starts_with(&piece) {
                    let same = piece.iter().zip(rest).take_while(|(a, b)| a == b).count();
                    difference = Some(length + same);
                }
                length += piece.len();
            }
            match difference.or_else(|| (length < expected.len()).then_some(length)) {
                None => Ok(()),
                Some(at) => other_bytes(place, &claim, length, expected.len(), at),
            }
        }
    }
    /// Claims that there is no object of that name below the own prefix.
    #[track_caller]
    pub fn absent(&self, name: &str) -> impl Future<Output = Checked> + Send + use<> {
        let (here, key, place) = (self.clone(), self.key(name), Location::caller());
        async move {
            let claim = format!("object {key}");
            match here.s3().head_object().bucket(here.bucket()).key(key).send().await.settle() {
                Err(Refusal::Answered { status: 404, .. }) => Ok(()),
                Ok(_) => Err(Finding::Broken(FailureClass::WrongEffect, deviation(place, &claim, "absent".to_owned(), "present".to_owned()))),
                refused => ok_at(place, refused).map(drop),
            }
        }
    }
    /// The whole body of a streamed answer.
    #[track_caller]
    pub fn collect(&self, body: ByteStream) -> impl Future<Output = Checked<Vec<u8>>> + Send + use<> {
        all_pieces(Location::caller(), body)
    }
    /// Repeats `probe` until its claims hold or `limit` is over; then the last finding stands. For effects that a vendor may
    /// document as eventual, never for what S3 guarantees at once.
    ///
    /// # Errors
    /// With the last finding.
    pub async fn eventually<F, Fut>(&self, limit: Duration, probe: F) -> Checked
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Checked>,
    {
        let started = Instant::now();
        loop {
            match probe().await {
                Err(Finding::Broken(..)) if started.elapsed() < limit => tokio::time::sleep(Duration::from_millis(200)).await,
                settled => return settled,
            }
        }
    }

    /// Prepares versioning in the case's own bucket.
    #[track_caller]
    pub fn enable_versioning(&self) -> impl Future<Output = Checked> + Send + use<> {
        let (here, place) = (self.clone(), Location::caller());
        async move {
            let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let sent = here.s3().put_bucket_versioning().bucket(here.bucket()).versioning_configuration(enabled).send().await;
            ok_at(place, sent).map(drop).map_err(|finding| finding.in_set_up("PutBucketVersioning"))
        }
    }
    /// Prepares another bucket of this run.
    #[track_caller]
    pub fn other_bucket(&self, number: u32) -> impl Future<Output = Checked<String>> + Send + use<> {
        let (here, place) = (self.clone(), Location::caller());
        async move {
            let name = here.new_bucket_name(number)?;
            let sent = here.create_bucket(&name).send().await;
            ok_at(place, sent).map_err(|finding| finding.in_set_up("CreateBucket"))?;
            Ok(name)
        }
    }
    /// Prepares a multipart upload below the own prefix; returns its id.
    #[track_caller]
    pub fn start_upload(&self, name: &str) -> impl Future<Output = Checked<String>> + Send + use<> {
        let (here, key, place) = (self.clone(), self.key(name), Location::caller());
        async move {
            let sent = here.s3().create_multipart_upload().bucket(here.bucket()).key(key).send().await;
            let created = ok_at(place, sent).map_err(|finding| finding.in_set_up("CreateMultipartUpload"))?;
            created.upload_id.ok_or_else(|| Finding::Unresolved("set-up: CreateMultipartUpload: no upload id".to_owned()))
        }
    }
    /// Prepares a part; returns it as the completion lists it.
    #[track_caller]
    pub fn upload_part(&self, name: &str, id: &str, number: i32, body: &[u8]) -> impl Future<Output = Checked<CompletedPart>> + Send + use<> {
        let (here, key, id, body, place) = (self.clone(), self.key(name), id.to_owned(), body.to_vec(), Location::caller());
        async move {
            let part = here.s3().upload_part().bucket(here.bucket()).key(key).upload_id(id).part_number(number).body(body.into()).send().await;
            let part = ok_at(place, part).map_err(|finding| finding.in_set_up("UploadPart"))?;
            Ok(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build())
        }
    }
}
