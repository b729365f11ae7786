//! One page of either listing API, as the suites `listing` and `pagination` look at it: names without the case's own prefix.

use aws_sdk_s3::types::{CommonPrefix, EncodingType, Object};
use proofmark::case::values::percent_decoded;
use proofmark::case::{Checked, Fixture, expect};

/// Both APIs, for loops over variations.
pub const API: [Api; 2] = [Api::V1, Api::V2];

/// ListObjects or ListObjectsV2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// ListObjects.
    V1,
    /// ListObjectsV2.
    V2,
}

/// What to ask for; `prefix` is below the case's own prefix.
#[derive(Debug, Clone, Default)]
pub struct Query<'a> {
    /// `prefix`.
    pub prefix: &'a str,
    /// `delimiter`.
    pub delimiter: Option<&'a str>,
    /// `max-keys`.
    pub max_keys: Option<i32>,
    /// `encoding-type`.
    pub encoding: Option<EncodingType>,
    /// Where to go on: the previous page's `next`.
    pub next: Option<String>,
}

/// What was answered.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Keys, without the case's prefix; decoded where the page says that they are encoded.
    pub keys: Vec<String>,
    /// Keys as the page spells them.
    pub spelled: Vec<String>,
    /// Common prefixes, as the keys are shown.
    pub prefixes: Vec<String>,
    /// `IsTruncated`.
    pub is_truncated: bool,
    /// `EncodingType`.
    pub encoding: Option<String>,
    /// V2: the continuation token; V1: NextMarker, or the last key where there is none.
    pub next: Option<String>,
}

fn non_empty(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

impl Api {
    /// The case id of a behaviour that both have.
    pub fn id(self, behaviour: &str) -> String {
        format!("{}/{behaviour}", if self == Api::V1 { "list_objects" } else { "list_objects_v2" })
    }
    /// One page.
    pub async fn page(self, fx: &Fixture, query: Query<'_>) -> Checked<Page> {
        let prefix = non_empty(fx.key(query.prefix));
        let delimiter = query.delimiter.map(str::to_owned);
        if self == Api::V2 {
            let list = fx.s3().list_objects_v2().bucket(fx.bucket()).set_prefix(prefix).set_delimiter(delimiter);
            let list = list.set_max_keys(query.max_keys).set_encoding_type(query.encoding).set_continuation_token(query.next);
            let page = expect::ok(list.send().await)?;
            let next = page.next_continuation_token().map(str::to_owned);
            return Ok(shown(fx, page.contents(), page.common_prefixes(), page.is_truncated(), page.encoding_type(), next));
        }
        let list = fx.s3().list_objects().bucket(fx.bucket()).set_prefix(prefix).set_delimiter(delimiter);
        let list = list.set_max_keys(query.max_keys).set_encoding_type(query.encoding).set_marker(query.next);
        let page = expect::ok(list.send().await)?;
        let last = page.contents().last().and_then(|object| object.key());
        let next = page.next_marker().or(last).filter(|_| page.is_truncated() == Some(true)).map(str::to_owned);
        Ok(shown(fx, page.contents(), page.common_prefixes(), page.is_truncated(), page.encoding_type(), next))
    }
    /// Every page of a walk, `max_keys` entries each; ends the case when the walk does not end.
    pub async fn walk(self, fx: &Fixture, query: Query<'_>) -> Checked<Vec<Page>> {
        let mut pages: Vec<Page> = Vec::new();
        let mut next = None;
        loop {
            let page = self.page(fx, Query { next: next.take(), ..query.clone() }).await?;
            next.clone_from(&page.next);
            let is_last = !page.is_truncated;
            pages.push(page);
            if is_last {
                return Ok(pages);
            }
            expect::that("the next page", next.is_some(), "a token or marker, because the page is truncated", &next)?;
            expect::that("the walk", pages.len() < 200, "an end", "200 pages")?;
        }
    }
    /// Claims 404 NoSuchBucket.
    pub async fn missing_bucket(self, fx: &Fixture) -> Checked {
        match self {
            Api::V1 => expect::error(fx.s3().list_objects().bucket(fx.missing_bucket()).send().await, 404, "NoSuchBucket"),
            Api::V2 => expect::error(fx.s3().list_objects_v2().bucket(fx.missing_bucket()).send().await, 404, "NoSuchBucket"),
        }
    }
}

fn shown(
    fx: &Fixture,
    contents: &[Object],
    prefixes: &[CommonPrefix],
    is_truncated: Option<bool>,
    encoding: Option<&EncodingType>,
    next: Option<String>,
) -> Page {
    let is_encoded = encoding == Some(&EncodingType::Url);
    let own = |name: &str| {
        let name = if is_encoded { decoded(name) } else { name.to_owned() };
        name.strip_prefix(fx.prefix()).unwrap_or(&name).to_owned()
    };
    Page {
        keys: contents.iter().filter_map(|object| object.key()).map(own).collect(),
        spelled: contents.iter().filter_map(|object| object.key()).map(str::to_owned).collect(),
        prefixes: prefixes.iter().filter_map(|prefix| prefix.prefix()).map(own).collect(),
        is_truncated: is_truncated.unwrap_or_default(),
        encoding: encoding.map(|encoding| encoding.as_str().to_owned()),
        next,
    }
}

/// Decodes a name of an encoded page as clients do: a plus stands for a space there.
fn decoded(name: &str) -> String {
    percent_decoded(&name.replace('+', " "))
}
