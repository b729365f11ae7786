//! `proofmark calibrate`: what this client can do at most, layer by layer, and `serve-null`, the server that it is measured against.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};

use super::args_load::{CalibrateArgs, ServeNullArgs};
use super::{Context, Failure, output, runtime};
use crate::config::{Operation, PayloadMode, Secret, Vendor};
use crate::load::{Climb, NULL_SEED, NullServer, Rung, RungKind, climb, cores};
use crate::model::VendorId;
use crate::store::RunDir;
use crate::units::Bytes;
use crate::wire::{Access, Link};

const MIB_16: u64 = 16 << 20;
/// What is climbed: operation, size, payload and rungs.
pub(super) const CLIMBS: [(Operation, u64, PayloadMode, &[RungKind]); 5] = [
    (Operation::GetObject, 4096, PayloadMode::CachedSigned, &[RungKind::Raw, RungKind::Http, RungKind::SigV4, RungKind::Tls, RungKind::Verify]),
    (Operation::HeadObject, 4096, PayloadMode::CachedSigned, &[RungKind::Raw, RungKind::Http, RungKind::SigV4, RungKind::Tls]),
    (
        Operation::GetObject,
        MIB_16,
        PayloadMode::CachedSigned,
        &[RungKind::Raw, RungKind::Http, RungKind::SigV4, RungKind::Discard, RungKind::Tls, RungKind::Verify],
    ),
    (Operation::PutObject, MIB_16, PayloadMode::CachedSigned, &[RungKind::Raw, RungKind::Http, RungKind::SigV4, RungKind::Tls]),
    (Operation::PutObject, MIB_16, PayloadMode::Unsigned, &[RungKind::Raw, RungKind::SigV4]),
];

/// A null server in a process of its own.
struct Served {
    child: Child,
    url: String,
    certificate: String,
}

impl Served {
    fn start(tls: bool) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::internal(format!("the null server: {error}"));
        let mut command = Command::new(std::env::current_exe().map_err(failed)?);
        command.arg("serve-null").stdin(Stdio::piped()).stdout(Stdio::piped());
        if tls {
            command.arg("--tls");
        }
        let mut child = command.spawn().map_err(failed)?;
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(|| Failure::internal("the null server has no output"))?).lines();
        let url = lines.next().transpose().map_err(failed)?.ok_or_else(|| Failure::internal("the null server ended at once"))?;
        let mut certificate = String::new();
        for line in lines.take_while(|line| line.as_ref().is_ok_and(|line| line != "ready")) {
            certificate.push_str(&line.map_err(failed)?);
            certificate.push('\n');
        }
        Ok(Self { child, url, certificate })
    }
    /// CPU time that it has used so far, as the kernel's accounting has it (in hundredths of a second).
    fn cpu(&self) -> Option<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // After the name, which may hold spaces, user and system time are the 12th and 13th field.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
        Some(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It also ends by itself when its standard input closes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until standard input closes.
pub fn serve(args: &ServeNullArgs) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| Failure::internal(format!("the null server: {error}"));
    let (config, certificate) = if args.tls { tls().map(|(config, pem)| (Some(config), pem))? } else { (None, String::new()) };
    let server = NullServer::bind(config).map_err(failed)?;
    let scheme = if args.tls { "https" } else { "http" };
    output::print(&format!("{scheme}://{}\n{certificate}ready\n", server.address().map_err(failed)?))?;
    std::thread::spawn(move || server.serve());
    std::io::stdin().read_to_end(&mut Vec::new()).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

fn tls() -> Result<(Arc<rustls::ServerConfig>, String), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::internal(format!("a certificate for the null server: {error}"));
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(|error| failed(&error))?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(|error| failed(&error))?;
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = builder.with_safe_default_protocol_versions().map_err(|error| failed(&error))?.with_no_client_auth().with_single_cert(chain, key);
    Ok((Arc::new(config.map_err(|error| failed(&error))?), made.cert.pem()))
}

/// Where the ladder's files are while it is climbed.
pub(super) struct Workshop(PathBuf);

impl Workshop {
    /// A directory of this process.
    pub(super) fn new() -> Self {
        Self(std::env::temp_dir().join(format!("proofmark-calibrate-{}", std::process::id())))
    }
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A link to the null server.
fn link(served: &Served, workshop: &Path) -> Result<Link, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::internal(format!("the null server: {error}"));
    let mut text = format!(
        "title = 'null'\ndeployment = 'self-run'\nendpoints = ['{}']\n[credentials]\naccess_key_env = 'KEY'\nsecret_key_env = 'SECRET'\n",
        served.url
    );
    let sink = RunDir::create(workshop)?.vendor(&VendorId::from("null"))?;
    let pem = workshop.join("null.pem");
    if !served.certificate.is_empty() {
        std::fs::write(&pem, &served.certificate).map_err(|error| failed(&error))?;
        text = format!("ca_file = '{}'\n{text}", pem.display());
    }
    let vendor: Vendor = toml::from_str(&text).map_err(|error| failed(&error))?;
    let id = VendorId::from("null");
    // The server does not look at signatures; the client makes them all the same.
    let access = Access::resolve(&id, &vendor, workshop, &|_| Some(Secret::new("null").expose().to_owned())).map_err(|error| failed(&error))?;
    Link::open(id, Arc::new(vendor), access, Arc::new(sink), NULL_SEED, "null-").map_err(|error| failed(&error))
}

/// One line of the ladder.
pub(super) struct Line {
    pub(super) operation: Operation,
    pub(super) size: u64,
    pub(super) payload: PayloadMode,
    pub(super) rung: Rung,
    /// CPU time of the server over the rung.
    pub(super) server_cpu: Option<Duration>,
}

impl Line {
    /// Requests per second that the machine's cores could do if client and server did nothing but their own work, each core all the time.
    fn bound(&self) -> Option<f64> {
        let both = self.rung.cpu + self.server_cpu?;
        (self.rung.requests > 0).then(|| f64::from(cores()) * self.rung.requests as f64 / both.as_secs_f64())
    }
    fn name(&self) -> String {
        let payload = if self.operation == Operation::PutObject { format!(" {}", self.payload.name()) } else { String::new() };
        format!("{} {}{payload}", self.operation.name(), Bytes(self.size))
    }
}

/// Climbs every ladder and prints what each rung costs.
pub fn main(context: &Context, args: &CalibrateArgs) -> Result<ExitCode, Failure> {
    if let Some(vendor) = &args.vendor {
        return super::calibrate_vendor::main(context, args, vendor);
    }
    let workshop = Workshop::new();
    let (plain, secure) = (Served::start(false)?, Served::start(true)?);
    let links = (link(&plain, &workshop.path().join("plain"))?, link(&secure, &workshop.path().join("tls"))?);
    let lines = runtime()?.block_on(async {
        let mut lines = Vec::new();
        for (operation, size, payload, kinds) in CLIMBS {
            for kind in kinds {
                let (served, link) = if *kind == RungKind::Tls { (&secure, &links.1) } else { (&plain, &links.0) };
                let plan = plan(args, operation, size, payload);
                let before = served.cpu();
                let rung = climb(link, &plan, *kind).await.map_err(|error| Failure::internal(error.to_string()))?;
                // The warm-up is in the server's time, too: it is taken as even.
                let share = rung.wall.as_secs_f64() / (rung.wall + Duration::from_millis(300)).as_secs_f64();
                let server_cpu = served.cpu().zip(before).map(|(after, before)| (after - before).mul_f64(share));
                lines.push(Line { operation, size, payload, rung, server_cpu });
            }
        }
        Ok::<_, Failure>(lines)
    })?;
    show(&lines, args.json)
}

/// What one rung of a ladder sends to the null server.
fn plan(args: &CalibrateArgs, operation: Operation, size: u64, payload: PayloadMode) -> Climb {
    let (bucket, prefix) = (format!("null-{size}"), "calibrate/".to_owned());
    Climb { operation, size, bucket, prefix, concurrency: args.concurrency, duration: args.duration.0, seed: NULL_SEED, payload }
}

pub(super) fn show(lines: &[Line], is_json: bool) -> Result<ExitCode, Failure> {
    if is_json {
        let document = json!({ "cores": cores(), "rungs": lines.iter().map(document).collect::<Vec<_>>() });
        let text = serde_json::to_string_pretty(&document).map_err(|error| Failure::internal(error.to_string()))?;
        output::print(&format!("{text}\n"))?;
    } else {
        output::print(&table(lines))?;
    }
    let failed: u64 = lines.iter().map(|line| line.rung.failed).sum();
    if failed > 0 {
        return Err(Failure::internal(format!("{failed} requests of the ladder failed: its figures say nothing")));
    }
    Ok(ExitCode::SUCCESS)
}

fn document(line: &Line) -> Value {
    let rung = &line.rung;
    let server = line.server_cpu.filter(|_| rung.requests > 0).map(|cpu| cpu.as_secs_f64() * 1e6 / rung.requests as f64);
    json!({
        "operation": line.operation.name(), "size_bytes": line.size, "payload": line.payload.name(), "rung": rung.kind.name(),
        "requests": rung.requests, "failed": rung.failed, "requests_s": rung.requests_s(),
        "throughput_mib_s": rung.payload_bytes as f64 / (1u64 << 20) as f64 / rung.wall.as_secs_f64(),
        "client_cpu_us_per_request": rung.cpu_us_per_request(), "client_cpu_s_per_gib": rung.cpu_s_per_gib(),
        "server_cpu_us_per_request": server, "bound_requests_s": line.bound(),
        "achieved_share_of_bound": line.bound().map(|bound| rung.requests_s() / bound),
    })
}

fn table(lines: &[Line]) -> String {
    let mut text = String::new();
    let number = |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
    let heads = ["rung", "requests/s", "MiB/s", "client us/request", "client s/GiB", "to raw", "server us/request", "bound/s", "achieved"];
    let mut names: Vec<String> = lines.iter().map(Line::name).collect();
    names.dedup();
    for name in names {
        let own: Vec<&Line> = lines.iter().filter(|line| line.name() == name).collect();
        let raw = own.iter().find(|line| line.rung.kind == RungKind::Raw).and_then(|line| line.rung.cpu_us_per_request());
        let mut rows = vec![heads.map(str::to_owned).to_vec()];
        for line in &own {
            let rung = &line.rung;
            let cost = rung.cpu_us_per_request();
            let server = line.server_cpu.filter(|_| rung.requests > 0).map(|cpu| cpu.as_secs_f64() * 1e6 / rung.requests as f64);
            rows.push(vec![
                rung.kind.name().to_owned(),
                number(Some(rung.requests_s()), 0),
                number(Some(rung.payload_bytes as f64 / (1u64 << 20) as f64 / rung.wall.as_secs_f64()), 0),
                number(cost, 1),
                number(rung.cpu_s_per_gib().filter(|_| line.size >= 1 << 20), 3),
                number(cost.zip(raw).map(|(cost, raw)| cost / raw), 2),
                number(server, 1),
                number(line.bound(), 0),
                number(line.bound().map(|bound| 100.0 * rung.requests_s() / bound), 0) + " %",
            ]);
        }
        text.push_str(&format!("{name}\n{}\n", output::table(&rows)));
    }
    text.push_str(&format!(
        "Client and server share {} cores: \"bound\" is what these could do if they were busy all the time, \"to raw\" the client's CPU per request against the bare sockets.\n",
        cores()
    ));
    text
}
