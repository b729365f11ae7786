//! The page in a real browser: no console error, no request but its own file, screenshots at three widths and without scripts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use proofmark::report::{self, sample};
use tempfile::TempDir;

/// Screenshots are kept here; the environment variable names another place.
fn screenshots() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| super::root().join("target"), PathBuf::from);
    std::env::var_os("PROOFMARK_SCREENSHOTS").map_or_else(|| target.join("report-screenshots"), PathBuf::from)
}

/// Runs Chromium headless with a fresh profile and no name that resolves.
fn chromium(page: &Path, arguments: &[String]) -> Output {
    let profile = TempDir::new().unwrap();
    let flags = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update \
                 --disable-sync --hide-scrollbars --enable-logging=stderr";
    let output = Command::new("chromium")
        .args(flags.split_whitespace())
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--host-resolver-rules=MAP * ~NOTFOUND")
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .output()
        .expect("chromium is on the PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn rendered(out: &Path) -> PathBuf {
    report::render(&sample::full(), &super::templates(), out).unwrap();
    out.join("report.html")
}

/// What the page wrote to the console.
fn console(output: &Output) -> Vec<String> {
    String::from_utf8_lossy(&output.stderr).lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect()
}

/// Addresses that the page asked for, from Chromium's own log. (The browser's own attempts to reach its maker stand there too, but not as of a file.)
fn requested(log: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let of_the_page = text.lines().filter(|line| line.contains("\"network_isolation_key\":\"file://"));
    of_the_page.filter_map(|line| line.split_once("\"url\":\"")?.1.split('"').next().map(str::to_owned)).collect()
}

/// Opens a page with the network off: no console error, no request but its own file. Keeps a screenshot as `<name>.png`.
pub fn opens_cleanly(page: &Path, name: &str) {
    let out = TempDir::new().unwrap();
    let log = out.path().join("net.json");
    let output = chromium(page, &["--dump-dom".to_owned(), format!("--log-net-log={}", log.display())]);
    assert_eq!(console(&output), Vec::<String>::new());
    let dom = String::from_utf8_lossy(&output.stdout);
    assert!(dom.contains("class=\"js\""), "the script ran, so its hash is right");
    assert_eq!(requested(&log), Vec::<String>::new());
    std::fs::create_dir_all(screenshots()).unwrap();
    let shot = screenshots().join(format!("{name}.png"));
    chromium(page, &["--window-size=1440,3000".to_owned(), format!("--screenshot={}", shot.display())]);
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn the_page_opens_without_network_console_error_or_request() {
    let out = TempDir::new().unwrap();
    opens_cleanly(&rendered(out.path()), "sample");
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn foreign_content_would_be_noticed() {
    let out = TempDir::new().unwrap();
    let page = rendered(out.path());
    let log = out.path().join("net.json");
    let arguments = ["--dump-dom".to_owned(), format!("--log-net-log={}", log.display())];
    let foreign = std::fs::read_to_string(&page).unwrap().replace("</main>", "</main><script>1</script><img src=\"https://example.com/x.png\">");
    std::fs::write(&page, &foreign).unwrap();
    assert!(!console(&chromium(&page, &arguments)).is_empty(), "the policy's refusals are seen on the console");
    std::fs::write(&page, foreign.replace("Content-Security-Policy", "x")).unwrap();
    chromium(&page, &arguments);
    assert!(requested(&log).iter().any(|url| url.contains("example.com")), "without the policy the request is seen in the log");
}

#[test]
#[ignore = "needs Chromium: tests/run runs it"]
fn the_page_is_readable_at_every_width_and_without_scripts() {
    let out = TempDir::new().unwrap();
    let page = rendered(out.path());
    let shots = screenshots();
    std::fs::create_dir_all(&shots).unwrap();
    // Chromium takes no screenshot with scripts disabled altogether, so the policy forbids them.
    let silent = out.path().join("silent.html");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, after) = text.split_once("script-src 'sha256-").unwrap();
    std::fs::write(&silent, format!("{before}script-src 'none'; x '{after}")).unwrap();
    let dom = chromium(&silent, &["--dump-dom".to_owned()]).stdout;
    assert!(!String::from_utf8_lossy(&dom).contains("class=\"js\""), "no script ran");
    for (name, file, width, extra) in [
        ("1440", &page, 1440, None),
        ("768", &page, 768, None),
        ("390", &page, 390, None),
        ("1440-dark", &page, 1440, Some("--blink-settings=preferredColorScheme=0".to_owned())),
        ("1440-no-script", &silent, 1440, None),
    ] {
        let shot = shots.join(format!("report-{name}.png"));
        let mut arguments = vec![format!("--window-size={width},9000"), format!("--screenshot={}", shot.display())];
        arguments.extend(extra);
        chromium(file, &arguments);
        assert!(std::fs::metadata(&shot).unwrap().len() > 50_000, "{} shows something", shot.display());
    }
}
