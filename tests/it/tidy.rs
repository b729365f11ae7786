//! What keeps the project easy to change: the layer rule, the size budgets, files that all load, no leftovers of the workshop.

use std::path::{Path, PathBuf};

use crate::site::files_below;

/// Each module of the engine and the modules that it may use, itself left out. `cli` may use all.
const LAYERS: [(&str, &[&str]); 14] = [
    ("units", &[]),
    ("model", &["units"]),
    ("config", &["units", "model"]),
    ("store", &["units", "model", "config"]),
    ("cost", &["units", "model", "config", "store"]),
    ("check", &["units", "model", "config", "store"]),
    ("score", &["units", "model", "config", "store", "cost", "check"]),
    ("report", &["units", "model", "config", "store", "cost", "check", "score"]),
    ("wire", &["units", "model", "config", "store"]),
    ("load", &["units", "model", "config", "store", "wire"]),
    ("case", &["units", "model", "config", "store", "wire"]),
    ("lab", &["units", "model", "config", "store", "wire"]),
    ("scenario", &["units", "model", "config", "store", "check", "wire", "load", "case", "lab"]),
    ("run", &["units", "model", "config", "store", "cost", "wire", "load", "case", "lab", "scenario"]),
];
const LINES_MAX: usize = 400;
const FORBIDDEN: [&str; 8] = ["/work/", "/root/", "TODO", "FIXME", "XXX", "chatbot", "language model", "todo!("];

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let below = files_below(&project().join(folder));
    let rust = below.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    rust.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The module of `src/` that a file belongs to.
fn module(file: &Path) -> String {
    let relative = file.strip_prefix(project().join("src")).unwrap();
    relative.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The modules of the engine that a source text names through `crate::`, wherever it does.
fn used(text: &str) -> Vec<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split("crate::").skip(1).map(name).collect::<Vec<_>>()).filter(|name| !name.is_empty()).collect()
}

/// `module -> module` of every use that goes upwards.
fn upward(module: &str, text: &str) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else { return Vec::new() };
    let is_layer = |name: &String| name == "cli" || LAYERS.iter().any(|(layer, _)| layer == name);
    let bad = used(text).into_iter().filter(|name| is_layer(name) && name != module && !allowed.contains(&name.as_str()));
    bad.map(|name| format!("{module} -> {name}")).collect()
}

#[test]
fn no_module_uses_one_above_it() {
    let found: Vec<String> = sources("src").iter().flat_map(|(file, text)| upward(&module(file), text)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn an_upward_use_would_be_found() {
    assert_eq!(upward("wire", "use crate::run::Stop;"), ["wire -> run"]);
    assert_eq!(upward("report", "    crate::wire::clean(link)"), ["report -> wire"]);
    assert!(upward("run", "use crate::wire::Link;\n// use crate::cli").is_empty());
}

#[test]
fn every_module_of_the_engine_has_its_layer() {
    let lib = std::fs::read_to_string(project().join("src/lib.rs")).unwrap();
    for name in lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(name == "cli" || LAYERS.iter().any(|(layer, _)| *layer == name), "{name} stands in no layer");
    }
}

#[test]
fn suites_use_nothing_of_the_engine_but_the_case_layer() {
    for (file, text) in sources("suites") {
        let named = text.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| line.split("proofmark::").skip(1));
        for rest in named {
            let allowed = ["case", "check", "model", "units", "wire", "config::Secret", "{"].iter().any(|part| rest.starts_with(part));
            assert!(allowed, "{}: proofmark::{rest}", file.display());
        }
    }
}

#[test]
fn no_source_file_is_longer_than_400_lines() {
    for (file, text) in ["src", "suites", "tests"].into_iter().flat_map(sources) {
        assert!(text.lines().count() <= LINES_MAX, "{} has {} lines", file.display(), text.lines().count());
    }
}

#[test]
fn every_source_file_says_what_it_is() {
    for (file, text) in ["src", "suites", "tests"].into_iter().flat_map(sources) {
        assert!(text.starts_with("//!"), "{} has no header", file.display());
    }
}

#[test]
fn every_suite_is_mounted() {
    let mounted = std::fs::read_to_string(project().join("suites/mod.rs")).unwrap();
    for (file, text) in sources("suites") {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        if text.contains("pub fn suite()") {
            assert!(mounted.contains(&format!("{stem}::suite,")), "suites/{stem}.rs is not in suites/mod.rs");
        }
    }
}

#[test]
fn nothing_of_the_workshop_is_left() {
    let texts =
        ["src", "suites", "tests", "scenarios", "vendors", "report-templates"].into_iter().flat_map(|folder| files_below(&project().join(folder)));
    for file in texts.filter(|file| !file.ends_with("tests/it/tidy.rs")) {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for word in FORBIDDEN {
            assert!(!text.contains(word), "{} says {word:?}", file.display());
        }
    }
}
