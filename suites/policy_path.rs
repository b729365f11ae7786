//! Suite `policy_path`: no spelling of a path gets around a policy for a prefix.

use proofmark::case::{Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;

use super::policy::{allowed, anonymous, anonymous_at, impose, open, statement};

const SECRET: &[u8] = b"the secret of private/k";

/// Spellings that a careless server takes for `private/k`; what follows the bucket's name, as it is sent.
const SPELLINGS: [(&str, &str); 12] = [
    ("dot_dot", "public/../private/k"),
    ("encoded_dots", "public/%2e%2e/private/k"),
    ("encoded_slash", "public/..%2fprivate/k"),
    ("encoded_slashes", "public%2f..%2fprivate%2fk"),
    ("encoded_twice", "public/%252e%252e/private/k"),
    ("encoded_twice_slash", "public/..%252fprivate/k"),
    ("many_dots", "public/../public/../private/k"),
    ("slashes_and_dots", "public//../../private/k"),
    ("backslash", "public/..%5cprivate/k"),
    ("dot", "./private/k"),
    ("double_slash", "/private/k"),
    ("inner_double_slash", "private//k"),
];

/// The suite.
pub fn suite() -> Suite {
    let source = "S3 user guide, Naming objects: a key is compared byte for byte, and paths are not normalised";
    copies(writes(reads(Suite::new("policy_path").source(source))))
}

fn reads(mut suite: Suite) -> Suite {
    for (id, spelling) in SPELLINGS {
        let rule = format!("Where only public/* may be read, {spelling} does not give what stands in private/k.");
        let case = move |fx: Fixture| async move {
            fx.put("public/k", b"public").await?;
            fx.put("private/k", SECRET).await?;
            impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/public/*"])]).await?;
            allowed(&fx, "GetObject", "public/k", "").await?;
            let got = anonymous_at(&fx, "GetObject", spelling).send().await;
            expect::refused_as(got, &[(400, ""), (403, ""), (404, "")])
        };
        suite = open(suite.core(&format!("get_object/allow_and_{id}"), &["POL-09"], &rule, case));
        let rule = format!("Where private/* may not be read, {spelling} does not give what stands in private/k.");
        let case = move |fx: Fixture| async move {
            fx.put("public/k", b"public").await?;
            fx.put("private/k", SECRET).await?;
            let allow = statement(&fx, "Allow", &["s3:GetObject"], &["/*"]);
            impose(&fx, &[allow, statement(&fx, "Deny", &["s3:GetObject"], &["/private/*"])]).await?;
            allowed(&fx, "GetObject", "public/k", "").await?;
            let got = anonymous_at(&fx, "GetObject", spelling).send().await;
            expect::refused_as(got, &[(400, ""), (403, ""), (404, "")])
        };
        suite = open(suite.core(&format!("get_object/deny_and_{id}"), &["POL-09"], &rule, case));
    }
    suite
}

fn writes(mut suite: Suite) -> Suite {
    for (id, spelling) in SPELLINGS {
        for (operation, action) in [("PutObject", "s3:PutObject"), ("DeleteObject", "s3:DeleteObject")] {
            let name = if operation == "PutObject" { "put_object" } else { "delete_object" };
            let rule = format!("Where {action} is allowed on public/* only, {spelling} does not change private/k.");
            let case = move |fx: Fixture| async move {
                fx.put("public/k", b"public").await?;
                fx.put("private/k", SECRET).await?;
                impose(&fx, &[statement(&fx, "Allow", &[action], &["/public/*"])]).await?;
                allowed(&fx, operation, "public/k", "").await?;
                // A server may store or delete a key that is spelled like this: what counts is what it does not touch.
                let sent = anonymous_at(&fx, operation, spelling).body(if operation == "PutObject" { "new" } else { "" }).send().await;
                if let Ok(answer) = &sent
                    && answer.status >= 500
                {
                    return expect::ok(sent).map(drop);
                }
                fx.holds("private/k", SECRET).await.class(UnsafeIgnore)
            };
            suite = open(suite.core(&format!("{name}/allow_and_{id}"), &["POL-09"], &rule, case));
        }
    }
    suite
}

/// Copy sources that a careless server takes for `private/k`.
const SOURCES: [(&str, &str); 5] = [
    ("dot_dot", "public/../private/k"),
    ("encoded_dots", "public/%2e%2e/private/k"),
    ("encoded_slash", "public/..%2fprivate/k"),
    ("encoded_twice", "public/%252e%252e/private/k"),
    ("double_slash", "/private/k"),
];

fn copies(mut suite: Suite) -> Suite {
    for (id, spelling) in SOURCES {
        let rule = format!("Where only public/* may be read, a copy from {spelling} does not give what stands in private/k.");
        let case = move |fx: Fixture| async move {
            fx.put("public/k", b"public").await?;
            fx.put("private/k", SECRET).await?;
            impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject", "s3:PutObject"], &["/public/*"])]).await?;
            allowed(&fx, "GetObject", "public/k", "").await?;
            let source = format!("/{}/{spelling}", fx.bucket());
            let copy = anonymous(&fx, "CopyObject", "public/copy", "").header("x-amz-copy-source", source);
            expect::refused_as(copy.send().await, &[(400, ""), (403, ""), (404, "")])
        };
        suite = open(suite.core(&format!("copy_object/allow_and_{id}"), &["POL-09"], &rule, case));
    }
    suite
}
