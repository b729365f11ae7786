//! Corrupting faults between client and server are caught by named cases and gates, and without them those pass.
//!
//! The vendors are the embedded server behind the fault proxy, so that nothing but the fault differs.

use std::collections::BTreeMap;

use crate::sandbox::{Evaluation, Sandbox};

const LIES: [(&str, &str); 3] = [
    ("flips-a-byte", "[[degrade]]\nfault = { flip-request-byte = { at = \"7 B\" } }\noperations = [\"PutObject\"]"),
    ("drops-metadata", "[[degrade]]\nfault = { remove-request-header = { name = \"x-amz-meta-*\" } }"),
    ("swallows-puts", "[[degrade]]\nfault = { swallow = {} }\noperations = [\"PutObject\"]"),
];

fn evaluation() -> (Sandbox, Evaluation) {
    let sandbox = Sandbox::new();
    for (id, lie) in LIES {
        sandbox.vendor_like(id, "embedded", lie);
    }
    // 10: gates are not met, which is what this is about.
    let mut arguments = vec!["--profile", "demo", "--vendor", "embedded"];
    for (id, _) in LIES {
        arguments.extend(["--vendor", id]);
    }
    let evaluation = sandbox.run(&arguments, &[10]);
    (sandbox, evaluation)
}

fn caught<'a>(honest: &'a BTreeMap<String, String>, lying: &BTreeMap<String, String>, good: &str, bad: &str) -> Vec<&'a str> {
    honest
        .iter()
        .filter(|(name, verdict)| *verdict == good && lying.get(*name).is_some_and(|now| now == bad))
        .map(|(name, _)| name.as_str())
        .collect()
}

#[test]
#[ignore = "several whole evaluations: tests/run runs it"]
fn corrupting_faults_make_named_cases_and_gates_fail() {
    let (_sandbox, evaluation) = evaluation();
    let (honest_cases, honest_gates) = (evaluation.verdicts("embedded"), evaluation.gates("embedded"));
    for (id, case, gate) in [
        ("flips-a-byte", "object::put_object/read_after_write", Some("F10 no_torn_read")),
        ("drops-metadata", "metadata::put_object/user_metadata", Some("F02 metadata_kept")),
        ("swallows-puts", "object::put_object/read_after_write", Some("F10 no_acked_loss")),
    ] {
        let cases = caught(&honest_cases, &evaluation.verdicts(id), "pass", "fail");
        let gates = caught(&honest_gates, &evaluation.gates(id), "met", "not_met");
        assert!(cases.contains(&case), "{id} is not caught by {case}, only by {cases:?}");
        assert!(gate.is_none_or(|gate| gates.contains(&gate)), "{id} is not caught by {gate:?}, only by {gates:?}");
    }
}
