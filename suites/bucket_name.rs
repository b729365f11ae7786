//! Suite `bucket_name`: which names a bucket may have, and which it may not.
//!
//! Every bucket that this suite creates has the run's prefix where its rule allows that, so that the clean-up finds it. What cannot
//! carry it is made of the run's random digits, looked for before, and deleted again by the case itself.

use proofmark::case::values::encode_query;
use proofmark::case::{Answer as _, Checked, Fixture, Suite, expect};
use proofmark::units::Bytes;
use proofmark::wire::{Answer, WireError};

/// A name: the run's prefix and `tail`.
fn own(fx: &Fixture, tail: &str) -> String {
    format!("{}{}-{tail}", fx.link().prefix, digits(fx))
}

/// Random hexadecimal digits of this case.
fn digits(fx: &Fixture) -> String {
    fx.random_bytes(Bytes(4)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request for the bucket, addressed by path: a name that is no host name cannot stand in a host.
async fn bucket(fx: &Fixture, operation: &str, method: &str, name: &str) -> Result<Answer, WireError> {
    let region = &fx.link().access.region;
    let body = match method {
        // us-east-1 is the one region that must not be named.
        "PUT" if region != "us-east-1" => {
            format!("<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>")
        }
        _ => String::new(),
    };
    fx.raw().exact(method, &format!("/{}", encode_query(name))).operation(operation).body(body).send().await
}

/// Ends the case where somebody has a bucket of that name: it must not be touched.
async fn is_free(fx: &Fixture, name: &str) -> Checked {
    match bucket(fx, "HeadBucket", "HEAD", name).await.settle() {
        Ok(_) => expect::untested(format!("a bucket {name} is there already")),
        Err(_) => Ok(()),
    }
}

/// Deletes a bucket that the clean-up would not find.
async fn undo(fx: &Fixture, name: &str) {
    if !name.starts_with(&fx.link().prefix) {
        let _ = bucket(fx, "DeleteBucket", "DELETE", name).await;
    }
}

/// Claims that no bucket of that name can be created.
async fn invalid(fx: &Fixture, name: &str) -> Checked {
    is_free(fx, name).await?;
    let created = bucket(fx, "CreateBucket", "PUT", name).await;
    undo(fx, name).await;
    expect::error(created, 400, "InvalidBucketName")
}

/// The same for a rule that not every source has: a bucket that is created is a variant.
async fn invalid_for_some(fx: &Fixture, name: &str, variant: &str) -> Checked {
    is_free(fx, name).await?;
    let created = bucket(fx, "CreateBucket", "PUT", name).await;
    undo(fx, name).await;
    if created.as_ref().is_ok_and(|answer| answer.status == 200) {
        return expect::variant(variant);
    }
    expect::error(created, 400, "InvalidBucketName")
}

/// Claims that a bucket of that name can be created, found and listed.
async fn valid(fx: &Fixture, name: &str) -> Checked {
    is_free(fx, name).await?;
    let created = bucket(fx, "CreateBucket", "PUT", name).await;
    let found = bucket(fx, "HeadBucket", "HEAD", name).await;
    let listed = bucket(fx, "ListObjects", "GET", name).await;
    undo(fx, name).await;
    expect::ok(created)?;
    expect::ok(found)?;
    expect::ok(listed).map(drop)
}

/// The suite.
pub fn suite() -> Suite {
    valid_names(reserved(forms(characters(lengths(Suite::new("bucket_name").source("S3 user guide, General purpose bucket naming rules"))))))
}

fn lengths(mut suite: Suite) -> Suite {
    for (name, length) in [("one_character", 1), ("two_characters", 2)] {
        let rule = format!("A bucket name of {length} characters answers 400 InvalidBucketName.");
        suite = suite
            .common(&format!("create_bucket/{name}"), &["BKT-07"], &rule, move |fx| async move {
                let name: String = digits(&fx).chars().take(length).collect();
                invalid(&fx, &name).await
            })
            .new_bucket();
    }
    for length in [64_usize, 100, 255] {
        let rule = format!("A bucket name of {length} characters answers 400 InvalidBucketName.");
        suite = suite
            .common(&format!("create_bucket/length_{length}"), &["BKT-07"], &rule, move |fx| async move {
                let start = own(&fx, "");
                let name = format!("{start}{}", "x".repeat(length - start.len()));
                invalid(&fx, &name).await
            })
            .new_bucket();
    }
    for length in [60_usize, 61, 62, 63] {
        let rule = format!("A bucket name of {length} characters is valid.");
        suite = suite
            .common(&format!("create_bucket/length_{length}"), &["BKT-08"], &rule, move |fx| async move {
                let start = own(&fx, "");
                let name = format!("{start}{}", "x".repeat(length - start.len()));
                valid(&fx, &name).await
            })
            .new_bucket();
    }
    suite
}

/// Names with a character that none may have: case, behind the run's prefix.
const CHARACTERS: [(&str, &str); 7] = [
    ("upper_case", "Upper"),
    ("underscore", "under_score"),
    ("space", "a b"),
    ("exclamation_mark", "a!b"),
    ("plus", "a+b"),
    ("percent", "a%b"),
    ("umlaut", "a\u{e4}b"),
];

/// Names that begin with what none may begin with.
const STARTS: [(&str, &str); 4] =
    [("starts_with_hyphen", "-"), ("starts_with_dot", "."), ("starts_with_underscore", "_"), ("starts_with_upper_case", "Z")];

fn characters(mut suite: Suite) -> Suite {
    for (name, tail) in CHARACTERS {
        let rule = format!("A bucket name that contains `{tail}` answers 400 InvalidBucketName.");
        suite = suite
            .common(&format!("create_bucket/{name}"), &["BKT-09"], &rule, move |fx| async move { invalid(&fx, &own(&fx, tail)).await })
            .new_bucket();
    }
    for (name, start) in STARTS {
        let rule = format!("A bucket name that starts with `{start}` answers 400 InvalidBucketName.");
        suite = suite
            .common(&format!("create_bucket/{name}"), &["BKT-09"], &rule, move |fx| async move {
                let name = format!("{start}pm{}", digits(&fx));
                invalid(&fx, &name).await
            })
            .new_bucket();
    }
    suite
}

fn forms(mut suite: Suite) -> Suite {
    for (name, tail) in [("ends_with_hyphen", "a-"), ("ends_with_dot", "a."), ("two_dots", "a..b")] {
        let rule = format!("A bucket name that ends like `{tail}` answers 400 InvalidBucketName.");
        suite = suite
            .extended(&format!("create_bucket/{name}"), &["BKT-10"], &rule, move |fx| async move { invalid(&fx, &own(&fx, tail)).await })
            .new_bucket();
    }
    for (name, tail) in [("dot_hyphen", "a.-b"), ("hyphen_dot", "a-.b")] {
        let rule = format!("A bucket name that ends like `{tail}` answers 400 InvalidBucketName.");
        suite = suite
            .extended(&format!("create_bucket/{name}"), &["BKT-10"], &rule, move |fx| async move {
                invalid_for_some(&fx, &own(&fx, tail), "200: today's naming rules no longer forbid a dot beside a hyphen").await
            })
            .new_bucket();
    }
    suite
        .extended(
            "create_bucket/ipv4_address",
            &["BKT-11"],
            "A bucket name that looks like an IPv4 address answers 400 InvalidBucketName.",
            async |fx| {
                let bytes = fx.random_bytes(Bytes(3));
                invalid(&fx, &format!("10.{}.{}.{}", bytes[0], bytes[1], bytes[2])).await
            },
        )
        .new_bucket()
}

/// Starts and ends of names that AWS keeps for itself.
const RESERVED: [(&str, &str, &str); 8] = [
    ("prefix_xn", "xn--", ""),
    ("prefix_sthree", "sthree-", ""),
    ("prefix_amzn_s3_demo", "amzn-s3-demo-", ""),
    ("suffix_s3alias", "", "-s3alias"),
    ("suffix_ol_s3", "", "--ol-s3"),
    ("suffix_mrap", "", ".mrap"),
    ("suffix_x_s3", "", "--x-s3"),
    ("suffix_table_s3", "", "--table-s3"),
];

fn reserved(mut suite: Suite) -> Suite {
    for (name, start, end) in RESERVED {
        let rule = format!("A bucket name with the reserved `{start}{end}` answers 400 InvalidBucketName.");
        suite = suite
            .rare(&format!("create_bucket/reserved_{name}"), &["BKT-12"], &rule, move |fx| async move {
                let name = if start.is_empty() { format!("{}{end}", own(&fx, "a")) } else { format!("{start}pm{}", digits(&fx)) };
                invalid_for_some(&fx, &name, "200: the name is reserved for products that only AWS has").await
            })
            .new_bucket();
    }
    suite
}

fn valid_names(mut suite: Suite) -> Suite {
    for (name, tail) in [("with_dot", "a.b"), ("with_hyphens", "a-b--c"), ("digit_behind_dot", "a.0b"), ("ends_with_digit", "a9")] {
        let rule = format!("A bucket name that ends like `{tail}` is valid.");
        suite = suite
            .common(&format!("create_bucket/{name}"), &["BKT-13"], &rule, move |fx| async move { valid(&fx, &own(&fx, tail)).await })
            .new_bucket();
    }
    suite
        .common("create_bucket/leading_digit", &["BKT-13"], "A bucket name that starts with a digit is valid.", async |fx| {
            let name = format!("0pm{}{}", digits(&fx), digits(&fx));
            valid(&fx, &name).await
        })
        .new_bucket()
        .common("create_bucket/shortest_name", &["BKT-13", "BKT-07"], "A bucket name of 3 characters is valid.", async |fx| {
            let name: String = format!("p{}", digits(&fx)).chars().take(3).collect();
            is_free(&fx, &name).await?;
            let created = bucket(&fx, "CreateBucket", "PUT", &name).await;
            // Short names are taken by somebody on a vendor with a global name space.
            if created.as_ref().is_ok_and(|answer| answer.code().as_deref() == Some("BucketAlreadyExists")) {
                return Ok(());
            }
            undo(&fx, &name).await;
            expect::ok(created).map(drop)
        })
        .new_bucket()
}
