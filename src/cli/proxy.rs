//! `proofmark proxy`: the fault proxy alone, for other tools.

use std::process::ExitCode;

use super::args::ProxyArgs;
use super::{Context, Failure, output, runtime, signals};
use crate::config::{DegradeRule, load_vendor};
use crate::model::VendorId;
use crate::run::{NamedVendor, Stop, access};
use crate::wire::proxy::{ProxyCounts, RuleFile, Upstream, serve_alone};

/// Serves until it is interrupted, then says how often each rule fired.
pub fn main(context: &Context, args: &ProxyArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let rules = args.rules.iter().map(|text| rule(text)).collect::<Result<Vec<DegradeRule>, Failure>>()?;
    let id = VendorId::from(args.vendor.as_str());
    let file = load_vendor(&root, &id)?;
    let access = access(&root, &NamedVendor { id, file })?;
    let mut upstream = Upstream::of(&access);
    upstream.endpoints = args.upstream.clone().map_or(upstream.endpoints, |endpoint| vec![endpoint]);
    let credentials = std::iter::once(access.credentials).chain(access.alt).collect();
    runtime()?.block_on(async {
        let stop = Stop::default();
        signals::watch(stop.clone()).map_err(|error| Failure::internal(format!("signal handlers: {error}")))?;
        // A reader that went away is told nothing; the proxy serves on.
        let started = |proxy: &crate::wire::proxy::Proxy| drop(output::write(&format!("{}\n", proxy.endpoint())));
        let served = serve_alone(args.listen, upstream, credentials, RuleFile { rules }, started, stop.wait()).await;
        let counts = served.map_err(|error| Failure::usage(format!("--listen {}: {error}", args.listen)))?;
        output::print(&counted(&counts))?;
        Ok(ExitCode::SUCCESS)
    })
}

fn rule(text: &str) -> Result<DegradeRule, Failure> {
    #[derive(serde::Deserialize)]
    struct Holder {
        rule: DegradeRule,
    }
    let parsed: Result<Holder, _> = toml::from_str(&format!("rule = {{ {text} }}"));
    parsed.map(|holder| holder.rule).map_err(|error| Failure::usage(format!("--rule {text:?}: {}", error.message())))
}

fn counted(counts: &ProxyCounts) -> String {
    let mut text = format!("{} connections, {} requests, {} upstream errors\n", counts.connections, counts.requests, counts.upstream_errors);
    for rule in &counts.rules {
        text.push_str(&format!("{:?}: fired {} of {} times\n", rule.rule.fault, rule.fired, rule.matched));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_the_inside_of_an_inline_table() {
        assert_eq!(rule("every = 3, fault = { status = { status = 503, code = \"SlowDown\" } }").unwrap().every, 3);
        assert!(rule("evry = 3").unwrap_err().to_string().contains("evry"));
    }
}
