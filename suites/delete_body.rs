//! Suite `delete_body`: what DeleteObjects reads in its XML, and what it demands to prove that it is whole.

use proofmark::case::values::{crc32_base64, encode_query, md5_base64};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongEffect;
use proofmark::wire::RawRequest;

/// `DeleteObjects` with exactly this body and no proof of it.
fn delete(fx: &Fixture, body: &str) -> RawRequest {
    fx.raw_bucket("DeleteObjects", "POST", "?delete").header("Content-Type", "application/xml").body(body)
}

/// The same with its digest.
pub fn delete_with_md5(fx: &Fixture, body: &str) -> RawRequest {
    delete(fx, body).header("Content-MD5", md5_base64(body.as_bytes()))
}

/// A body that names this key, written as it stands.
fn naming(key: &str) -> String {
    format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>{key}</Key></Object></Delete>")
}

/// The suite.
pub fn suite() -> Suite {
    entities(proofs(malformed(Suite::new("delete_body").source("S3 API reference, DeleteObjects"))))
}

/// Bodies that name no object. `{}` stands for the key of an object that must stay.
const MALFORMED: [(&str, &str); 6] = [
    ("empty_list", "<Delete></Delete>"),
    ("truncated", "<Delete><Object><Key>{}</Key>"),
    ("no_xml", "{}"),
    ("without_key", "<Delete><Object></Object></Delete>"),
    ("other_root", "<Remove><Object><Key>{}</Key></Object></Remove>"),
    ("crossed_elements", "<Delete><Object><Key>{}</Object></Key></Delete>"),
];

fn malformed(mut suite: Suite) -> Suite {
    for (name, body) in MALFORMED {
        let rule = format!("DeleteObjects with a body that is wrong ({}) answers 400 MalformedXML and deletes nothing.", name.replace('_', " "));
        suite = suite.common(&format!("delete_objects/{name}"), &["DEL-06"], &rule, move |fx| async move {
            fx.put("k", b"kept").await?;
            let answer = delete_with_md5(&fx, &body.replace("{}", &fx.key("k"))).send().await;
            fx.holds("k", b"kept").await.class(WrongEffect)?;
            expect::error(answer, 400, "MalformedXML")
        });
    }
    suite.common("delete_objects/no_body", &["DEL-06"], "DeleteObjects without a body answers 400.", async |fx| {
        let answer = delete_with_md5(&fx, "").send().await;
        expect::error_as(answer, &[(400, "MalformedXML"), (400, "MissingRequestBodyError")])
    })
}

fn proofs(suite: Suite) -> Suite {
    suite
        .extended(
            "delete_objects/no_md5_and_no_checksum",
            &["DEL-10"],
            "DeleteObjects with neither Content-MD5 nor a checksum answers 400 InvalidRequest and deletes nothing.",
            async |fx| {
                fx.put("k", b"kept").await?;
                expect::error(delete(&fx, &naming(&fx.key("k"))).send().await, 400, "InvalidRequest")?;
                fx.holds("k", b"kept").await
            },
        )
        .core("delete_objects/wrong_crc32", &["DEL-11"], "DeleteObjects with a wrong CRC32 answers 400 BadDigest and deletes nothing.", async |fx| {
            fx.put("k", b"kept").await?;
            let sent = delete(&fx, &naming(&fx.key("k"))).header("x-amz-checksum-crc32", crc32_base64(b"another body"));
            let sent = sent.header("x-amz-sdk-checksum-algorithm", "CRC32").send().await;
            expect::refused(sent, 400, "BadDigest")?;
            fx.holds("k", b"kept").await
        })
        .core("delete_objects/right_md5", &["DEL-11", "DEL-04"], "DeleteObjects with the right Content-MD5 deletes.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(delete_with_md5(&fx, &naming(&fx.key("k"))).send().await)?;
            fx.absent("k").await
        })
}

/// Keys, and how XML may write them.
const ENTITIES: [(&str, &str, &str); 10] = [
    ("ampersand", "a&b", "a&amp;b"),
    ("ampersand_by_number", "a&b", "a&#38;b"),
    ("ampersand_by_hexadecimal_number", "a&b", "a&#x26;b"),
    ("less_than", "a<b", "a&lt;b"),
    ("greater_than", "a>b", "a&gt;b"),
    ("quotation_mark", "a\"b", "a&quot;b"),
    ("apostrophe", "a'b", "a&apos;b"),
    ("line_feed", "a\nb", "a&#10;b"),
    ("tab", "a\tb", "a&#x9;b"),
    ("carriage_return", "a\rb", "a&#13;b"),
];

/// Claims that no object of that name is listed: a key that was not decoded is reported as deleted all the same.
async fn gone(fx: &Fixture, key: &str) -> Checked {
    let query = format!("?list-type=2&encoding-type=url&prefix={}", encode_query(&fx.key("")));
    let listed = expect::ok(fx.raw_bucket("ListObjectsV2", "GET", &query).send().await)?;
    expect::eq("listed keys", listed.text().matches("<Key>").count(), 1)?;
    fx.absent(key).await
}

fn entities(mut suite: Suite) -> Suite {
    for (name, key, written) in ENTITIES {
        let rule = format!("DeleteObjects deletes the key {key:?} that is written as `{written}`, and not the key `{written}`.");
        suite = suite.core(&format!("delete_objects/{name}"), &["DEL-12"], &rule, move |fx| async move {
            fx.put(key, b"x").await?;
            fx.put(written, b"kept").await?;
            let deleted = expect::ok(delete_with_md5(&fx, &naming(&fx.key(written))).send().await)?;
            expect::eq("Error", deleted.element("Error"), None)?;
            gone(&fx, key).await?;
            fx.holds(written, b"kept").await
        });
    }
    suite
}
