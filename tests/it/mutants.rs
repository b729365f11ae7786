//! The proof that the suites can fail: the catalogue of mutants, and a sample of it on a real server.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proofmark::case;
use proofmark::config::{Root, load_mutants};
use proofmark::model::CaseId;
use proofmark::wire::operation;

use crate::cases::suites;
use crate::wire_fake::{KEY, SECRET};
use crate::wire_real::minio;

/// Least share of the sampled mutants that is caught.
const CAUGHT_PERCENT: u32 = 95;
/// Most cases whose verdict changes without a mutant in three runs, beside those that are known to vary.
const MOST_UNSTABLE: usize = 5;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The areas of the catalogue.
fn areas() -> BTreeSet<String> {
    let text = std::fs::read_to_string(project().join("suites/catalogue.csv")).unwrap();
    text.lines().skip(1).filter_map(|line| line.rsplit(',').next()).map(str::to_owned).collect()
}

#[test]
fn there_are_mutants_of_every_area_and_they_touch_known_operations() {
    let mutants = load_mutants(&Root::new(project())).unwrap();
    let single = mutants.iter().filter(|mutant| !mutant.is_of_family()).count();
    assert!(single >= 150, "{single} mutants that stand alone");
    let known = operation::names();
    let cases: BTreeSet<CaseId> = case::list(&suites::all()).into_iter().map(|info| info.id).collect();
    for mutant in &mutants {
        let unknown: Vec<&String> = mutant.operations.iter().filter(|name| !known.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", mutant.id);
        let absent: Vec<_> = mutant.noticed_by.iter().filter(|id| !cases.contains(id)).collect();
        assert!(absent.is_empty(), "{}: no such cases: {absent:?}", mutant.id);
    }
    let touched: BTreeSet<String> = mutants.iter().flat_map(|mutant| mutant.areas.clone()).collect();
    assert_eq!(touched, areas(), "each area has a mutant, and no mutant another area");
}

/// A sample as a user runs it. The whole table is for `tests/run --full`.
#[test]
#[ignore = "needs lab servers: tests/run runs it"]
fn a_sample_of_the_mutants_is_caught_on_minio() {
    let directory = tempfile::tempdir().unwrap();
    let server = minio(directory.path(), |command| command);
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofmark"));
    command.args(["mutants", "--vendor", "minio", "--sample", "80", "--seed", "7", "--out"]).arg(directory.path());
    command.env("MINIO_ENDPOINT", format!("http://127.0.0.1:{}", server.port)).env("MINIO_ACCESS_KEY", KEY).env("MINIO_SECRET_KEY", SECRET);
    let output = command.arg("--root").arg(project()).stdin(Stdio::null()).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    keep(&run_of(directory.path()));
    assert!([Some(0), Some(10)].contains(&output.status.code()), "{text}");
    let caught = text.lines().find_map(|line| line.split_once(" mutants are caught")).expect("the rate is printed").0;
    let (caught, judged) = caught.rsplit_once(" of ").map(|(caught, judged)| (caught.trim().parse::<u32>(), judged.parse::<u32>())).unwrap();
    let (caught, judged) = (caught.unwrap(), judged.unwrap());
    assert!(judged >= 40 && caught * 100 >= judged * CAUGHT_PERCENT, "{text}");
    let varying = crate::expected::varying("minio");
    let unstable: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("unstable: ")).filter(|id| !varying.contains(*id)).collect();
    // MinIO forgets now and then, under load, that a new bucket has object lock; those cases then catch nothing here.
    assert!(unstable.len() <= MOST_UNSTABLE, "verdicts that change without a mutant: {unstable:?}");
    println!("{text}");
}

fn run_of(directory: &Path) -> PathBuf {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.join("mutants.csv").exists()).expect("the run wrote its tables")
}

/// Copies the tables to where `tests/run` collects what the tests made.
fn keep(run: &Path) {
    let Some(artefacts) = std::env::var_os("PROOFMARK_ARTEFACTS").map(PathBuf::from) else { return };
    std::fs::create_dir_all(&artefacts).unwrap();
    for name in ["mutants.csv", "cases-mutants.csv", "mutants.md"] {
        std::fs::copy(run.join(name), artefacts.join(name)).unwrap();
    }
}
