//! `proofmark presign`: a URL that carries its signature, for tickets and for tools that cannot sign.

use std::process::ExitCode;

use super::args::PresignArgs;
use super::{Context, Failure, output};
use crate::config::load_vendor;
use crate::model::VendorId;
use crate::run::{NamedVendor, access};
use crate::wire::sigv4::{Header, Scope, presign};

/// Prints the URL. Whoever has it can send the request until it runs out.
pub fn main(context: &Context, args: &PresignArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let id = VendorId::from(args.vendor.as_str());
    let file = load_vendor(&root, &id)?;
    let access = access(&root, &NamedVendor { id, file })?;
    let (base, host, target) =
        split(&args.url).ok_or_else(|| Failure::usage(format!("{}: expected http://HOST/PATH or https://HOST/PATH", args.url)))?;
    let mut headers: Vec<Header> = vec![("host".to_owned(), host.as_bytes().to_vec())];
    for header in &args.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| Failure::usage(format!("-H {header:?}: expected \"Name: value\"")))?;
        headers.push((name.trim().to_ascii_lowercase(), value.trim().as_bytes().to_vec()));
    }
    let scope = Scope::now(&access.region, "s3");
    let target = presign(&args.method, target, &headers, &access.credentials, &scope, &args.expires.to_string());
    output::print(&format!("{base}{target}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// `https://host/path?query` -> `https://host`, `host`, `/path?query`, byte for byte: a URL library would tidy the path up.
fn split(url: &str) -> Option<(&str, &str, &str)> {
    let start = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).map(|rest| url.len() - rest.len())?;
    let end = start + url[start..].find('/')?;
    (end > start).then(|| (&url[..end], &url[start..end], &url[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_without_being_changed() {
        assert_eq!(split("http://h:9000/b//k/../x?a=%2f"), Some(("http://h:9000", "h:9000", "/b//k/../x?a=%2f")));
        assert_eq!((split("ftp://h/x"), split("https://h"), split("https:///x")), (None, None, None));
    }
}
