//! Suite `part_number`: reading one part of an object by its number.

use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::wire::{Answer, WireError};

use super::range::two_parts;

const FIRST: usize = 5 << 20;

async fn part(fx: &Fixture, method: &str, number: &str) -> Result<Answer, WireError> {
    let operation = if method == "HEAD" { "HeadObject" } else { "GetObject" };
    fx.raw_object(operation, method, "k", &format!("?partNumber={number}")).send().await
}

/// Claims status 206 and the place of the part in the object.
fn placed(answer: &Answer, from: usize, to: usize, total: usize) -> Checked {
    expect::eq("status", answer.status, 206)?;
    expect::eq("Content-Range", answer.header("content-range"), Some(format!("bytes {from}-{}/{total}", to - 1).as_str()))?;
    expect::eq("Content-Length", answer.header("content-length"), Some((to - from).to_string().as_str()))
}

/// A part that is not there: AWS answers 416, older sources 400.
fn not_there(answer: Result<Answer, WireError>) -> Checked {
    match answer {
        Ok(answer) if answer.status == 400 && answer.code().as_deref() == Some("InvalidPart") => expect::variant("400 InvalidPart"),
        Ok(answer) if answer.status == 400 && answer.code().as_deref() == Some("InvalidPartNumber") => expect::variant("400 InvalidPartNumber"),
        Ok(answer) if answer.status == 416 && answer.code().as_deref() == Some("InvalidRange") => expect::variant("416 InvalidRange"),
        other => expect::error(other, 416, "InvalidPartNumber"),
    }
}

/// The suite.
pub fn suite() -> Suite {
    wrong(single(multipart(Suite::new("part_number").source("S3 API reference, GetObject and HeadObject, partNumber"))))
}

fn multipart(mut suite: Suite) -> Suite {
    for (name, number) in [("first_part", 1), ("last_part", 2)] {
        let rule = format!("partNumber={number} answers 206 with the bytes and the place of that part.");
        suite = suite
            .extended(&format!("get_object/{name}"), &["GET-19"], &rule, move |fx| async move {
                let body = two_parts(&fx).await?;
                let (from, to) = if number == 1 { (0, FIRST) } else { (FIRST, body.len()) };
                let got = expect::ok(part(&fx, "GET", &number.to_string()).await)?;
                placed(&got, from, to, body.len())?;
                expect::bytes("body", &got.body, &body[from..to])
            })
            .dependents(&["SDK transfer managers", "aws-cli"]);
        let rule = format!("HEAD with partNumber={number} answers 206 with the length and the place of that part.");
        suite = suite.extended(&format!("head_object/{name}"), &["GET-19"], &rule, move |fx| async move {
            let body = two_parts(&fx).await?;
            let (from, to) = if number == 1 { (0, FIRST) } else { (FIRST, body.len()) };
            placed(&expect::ok(part(&fx, "HEAD", &number.to_string()).await)?, from, to, body.len())
        });
    }
    for (operation, method) in [("get_object", "GET"), ("head_object", "HEAD")] {
        let rule = format!("{method} with partNumber tells the number of parts in x-amz-mp-parts-count.");
        suite = suite.extended(&format!("{operation}/parts_count"), &["GET-19"], &rule, move |fx| async move {
            two_parts(&fx).await?;
            let got = expect::ok(part(&fx, method, "2").await)?;
            expect::eq("x-amz-mp-parts-count", got.header("x-amz-mp-parts-count"), Some("2"))
        });
    }
    suite.extended("get_object/etag_of_whole_object", &["GET-19"], "The ETag of a part's answer is that of the whole object.", async |fx| {
        two_parts(&fx).await?;
        let head = fx.set_up("HeadObject", fx.head_object("k").send().await)?;
        let got = expect::ok(part(&fx, "GET", "2").await)?;
        expect::eq("ETag", got.header("etag"), head.e_tag()).class(WrongCode)
    })
}

fn single(mut suite: Suite) -> Suite {
    for (operation, method) in [("get_object", "GET"), ("head_object", "HEAD")] {
        let rule = format!("{method} with partNumber=1 of an object without parts answers 206 with the whole object's place.");
        suite = suite
            .extended(&format!("{operation}/single_put"), &["GET-20"], &rule, move |fx| async move {
                fx.put("k", b"0123456789").await?;
                let got = expect::ok(part(&fx, method, "1").await)?;
                placed(&got, 0, 10, 10)?;
                if method == "GET" { expect::bytes("body", &got.body, b"0123456789") } else { Ok(()) }
            })
            .dependents(&["TransferManager v2"]);
    }
    suite.extended("get_object/single_put_has_no_count", &["GET-20"], "An object without parts has no x-amz-mp-parts-count.", async |fx| {
        fx.put("k", b"0123456789").await?;
        let got = expect::ok(part(&fx, "GET", "1").await)?;
        expect::eq("x-amz-mp-parts-count", got.header("x-amz-mp-parts-count"), None::<&str>)
    })
}

/// Part numbers that no part can have.
const INVALID: [(&str, &str); 5] = [("zero", "0"), ("negative", "-1"), ("letters", "abc"), ("fraction", "1.5"), ("beyond_10000", "10001")];

fn wrong(mut suite: Suite) -> Suite {
    suite = suite
        .extended("get_object/behind_last_part", &["GET-21"], "A partNumber behind the last part answers 416 InvalidPartNumber.", async |fx| {
            two_parts(&fx).await?;
            not_there(part(&fx, "GET", "3").await)
        })
        .dependents(&["SDK parallel download"])
        .extended(
            "get_object/second_part_of_single_put",
            &["GET-21"],
            "partNumber=2 of an object without parts answers 416 InvalidPartNumber.",
            async |fx| {
                fx.put("k", b"0123456789").await?;
                not_there(part(&fx, "GET", "2").await)
            },
        )
        .extended("head_object/behind_last_part", &["GET-21"], "HEAD with a partNumber behind the last part answers 416.", async |fx| {
            fx.put("k", b"0123456789").await?;
            match part(&fx, "HEAD", "2").await {
                Ok(answer) if answer.status == 400 => expect::variant("400"),
                other => expect::status(other, 416),
            }
        });
    for (name, number) in INVALID {
        let rule = format!("partNumber={number} answers 400 InvalidArgument.");
        suite = suite.extended(&format!("get_object/{name}"), &["GET-22"], &rule, move |fx| async move {
            fx.put("k", b"0123456789").await?;
            expect::error(part(&fx, "GET", number).await, 400, "InvalidArgument")
        });
    }
    for (operation, method) in [("get_object", "GET"), ("head_object", "HEAD")] {
        let rule = format!("{method} with both partNumber and Range answers 400 InvalidRequest.");
        suite = suite.rare(&format!("{operation}/with_range"), &["GET-23"], &rule, move |fx| async move {
            fx.put("k", b"0123456789").await?;
            let api = if method == "HEAD" { "HeadObject" } else { "GetObject" };
            let answer = fx.raw_object(api, method, "k", "?partNumber=1").header("Range", "bytes=0-3").send().await;
            let code = if method == "HEAD" { "" } else { "InvalidRequest" };
            expect::error(answer, 400, code)
        });
    }
    suite
}
