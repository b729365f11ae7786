//! The suites on real servers, each started here: what they find is known, so a suite that stops finding it is seen.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proofmark::case::{self, Guard};
use proofmark::config::{Root, load_vendor};
use proofmark::model::{CaseRecord, FailureClass, VendorId};
use proofmark::store::RunDir;
use proofmark::wire::{Access, Link};

use crate::cases::suites;
use crate::wire_fake::{KEY, SECRET};
use crate::wire_real::{minio, versitygw};

/// All cases that are not slow.
fn cases() -> Vec<case::Case> {
    case::cases(&suites::all()).into_iter().filter(|case| !case.info.slow).collect()
}

/// Runs all suites as the vendor's file describes it, on the server at `port`.
fn run(vendor: &str, port: u16, directory: &Path) -> BTreeMap<String, CaseRecord> {
    let (id, root) = (VendorId::from(vendor), Root::new(env!("CARGO_MANIFEST_DIR")));
    let file = load_vendor(&root, &id).unwrap();
    let variable = |name: &str| match name {
        name if name.contains("_ALT_") => None,
        name if name.ends_with("_ENDPOINT") => Some(format!("http://127.0.0.1:{port}")),
        name if name.ends_with("_ACCESS_KEY") => Some(KEY.to_owned()),
        _ => Some(SECRET.to_owned()),
    };
    let access = Access::resolve(&id, &file, root.path(), &variable).unwrap();
    let sink = Arc::new(RunDir::create(directory.join("run")).unwrap().vendor(&id).unwrap());
    let link = Link::open(id, Arc::new(file), access, sink, 1, "pm-00000001-").unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let logfile = Some(directory.join("log").display().to_string());
    let arguments = libtest_mimic::Arguments { logfile, test_threads: Some(8), ..libtest_mimic::Arguments::default() };
    let records = Mutex::new(BTreeMap::new());
    let seen = |record: &CaseRecord| drop(records.lock().unwrap().insert(record.case.id.to_string(), record.clone()));
    case::run(&link, &Guard::new(link.clone()), &cases(), arguments, runtime.handle(), &seen).unwrap();
    records.into_inner().unwrap()
}

/// No case sends more than it announces, and these deviations are found. All other verdicts are held by `expected`.
fn judge(records: &BTreeMap<String, CaseRecord>, known: &[(&str, FailureClass)]) {
    let shown = |record: &CaseRecord| format!("{} {:?} {:?}", record.case.id, record.reason, record.deviation);
    for case in cases() {
        let (record, most) = (&records[case.info.id.as_str()], case.most_requests);
        assert!(record.requests <= u64::from(record.attempts) * most, "{}: {} requests, declared {most}", case.info.id, record.requests);
    }
    for (case, class) in known {
        assert_eq!(records[*case].class, Some(*class), "{}", shown(&records[*case]));
    }
}

#[test]
#[ignore = "needs lab servers: tests/run runs it"]
fn the_suites_find_what_is_known_of_minio() {
    let directory = tempfile::tempdir().unwrap();
    let server = minio(directory.path(), |command| command);
    let known = [
        ("pagination::list_objects_v2/key_behind_prefix", FailureClass::WrongEffect),
        ("delete::delete_objects/wrong_md5", FailureClass::UnsafeIgnore),
        ("checksum::put_object/crc32_wrong", FailureClass::WrongCode),
    ];
    let records = run("minio", server.port, directory.path());
    judge(&records, &known);
    // A ticket's line shows the vendor the same answer again.
    let record = &records["object_name::put_object/key_with_inner_double_slash"];
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(record.curl.as_deref().unwrap());
    let folder = Path::new(env!("CARGO_BIN_EXE_proofmark")).parent().unwrap();
    shell.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())).current_dir(env!("CARGO_MANIFEST_DIR"));
    shell.env("MINIO_ENDPOINT", format!("http://127.0.0.1:{}", server.port)).env("MINIO_ACCESS_KEY", KEY).env("MINIO_SECRET_KEY", SECRET);
    let sent = shell.output().unwrap();
    let answer = String::from_utf8_lossy(&sent.stdout);
    assert!(answer.contains(" 400 ") && answer.contains("XMinioInvalidObjectName"), "{answer}");
}

#[test]
#[ignore = "needs lab servers: tests/run runs it"]
fn the_suites_find_what_is_known_of_versitygw() {
    let directory = tempfile::tempdir().unwrap();
    let server = versitygw(directory.path());
    let known = [
        ("copy::copy_object/source_with_question_mark", FailureClass::WrongEffect),
        ("object_name::put_object/key_with_dot_dot_segment", FailureClass::WrongEffect),
        ("lock::put_object_retention/extend", FailureClass::WrongCode),
    ];
    judge(&run("versitygw", server.port, directory.path()), &known);
}
