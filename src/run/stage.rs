//! A vendor made ready to be measured: its server started where that is ours to do, its keys read, standing faults in between.
//!
//! The main type is [`Stage`]. What it started it stops; a server that was up before stays up.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::tariff::tariff_of;
use super::{NamedVendor, RunError, draw_seed, setting_of};
use crate::config::{Cap, ConfigError, CredentialNames, Phase, Root, Secret, Serve, Vendor, error_at};
use crate::lab::{Embedded, Hooked, LabError, Server};
use crate::model::{Setting, VendorId};
use crate::store::VendorSink;
use crate::wire::proxy::Proxy;
use crate::wire::{Access, AccessError, Link};

const EMBEDDED_KEY: &str = "PROOFMARK_EMBEDDED_ACCESS_KEY";
const EMBEDDED_SECRET: &str = "PROOFMARK_EMBEDDED_SECRET_KEY";

/// What every vendor of a run shares.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Where the project's folders are.
    pub root: Root,
    /// The run's seed.
    pub seed: u64,
    /// The run's prefix.
    pub prefix: String,
    /// What the command line allows it to send.
    pub cap: Cap,
}

/// A vendor made ready.
#[derive(Debug)]
pub struct Stage {
    /// What measurements talk through; the vendor's standing faults are in it.
    pub link: Link,
    /// The same without the standing faults, for clean-up.
    pub direct: Link,
    /// Its server, where its life is ours to control.
    pub server: Option<Arc<Server>>,
    /// What the result is judged under.
    pub setting: Setting,
    /// What the reader of the result should know, in sentences.
    pub notes: Vec<String>,
    faults: Option<Proxy>,
    started: Option<Hooked>,
}

/// How a vendor is reached, before anything is sent to it.
struct Reach {
    vendor: Vendor,
    environment: BTreeMap<String, String>,
    server: Option<Server>,
    started: Option<Hooked>,
}

impl Stage {
    /// Starts what has to be started and prepares the connection; sends nothing to the vendor itself.
    ///
    /// # Errors
    /// When a server does not start, or a variable or file that the vendor file names is not there.
    pub async fn open(shared: &Shared, vendor: &NamedVendor, sink: Arc<VendorSink>) -> Result<Self, RunError> {
        let reach = Reach::prepare(shared, vendor).await?;
        let access = reach.access(shared, &vendor.id)?;
        let (setting, note) = setting_of(&vendor.file, &access.endpoints);
        let mut server = reach.server;
        if server.is_none()
            && let Some(hooked) = Hooked::of(&shared.root, &vendor.id, &vendor.file)
        {
            // Keys that the user set may name another server than the script's: then its hooks are not for this vendor.
            let mut is_own = !access.endpoints.is_empty();
            for endpoint in &access.endpoints {
                is_own &= hooked.serves(endpoint).await;
            }
            server = is_own.then_some(Server::Hooked(hooked));
        }
        let server = server.map(Arc::new);
        let direct = Link::open(vendor.id.clone(), Arc::new(reach.vendor), access.clone(), sink, shared.seed, shared.prefix.as_str())?;
        if let Some(card) = &vendor.file.pricing {
            direct.meter.set_tariff(tariff_of(card));
        }
        let faults = match vendor.file.degrade.as_slice() {
            [] => None,
            rules => Some(Proxy::before(&access, rules.to_vec()).await.map_err(|error| RunError::Usage(format!("the fault proxy: {error}")))?),
        };
        let link = faults.as_ref().map_or_else(|| direct.clone(), |proxy| direct.via(proxy.endpoint()));
        Ok(Self { link, direct, server, setting, notes: note.into_iter().collect(), faults, started: reach.started })
    }

    /// Tells the standing faults which phase begins.
    pub fn set_phase(&self, phase: Phase) {
        if let Some(faults) = &self.faults {
            faults.set_phase(phase);
        }
    }

    /// Stops what was started.
    ///
    /// # Errors
    /// When a lab server does not stop.
    pub async fn close(self) -> Result<(), LabError> {
        drop(self.faults);
        drop(self.server);
        match self.started {
            Some(hooked) => hooked.down().await,
            None => Ok(()),
        }
    }
}

impl Reach {
    async fn prepare(shared: &Shared, NamedVendor { id, file }: &NamedVendor) -> Result<Self, RunError> {
        let mut vendor = file.clone();
        vendor.budget = vendor.budget.capped(shared.cap);
        let mut reach = Self { vendor, environment: BTreeMap::new(), server: None, started: None };
        if file.serve == Some(Serve::Embedded) {
            reach.serve(shared, id).await?;
        } else if is_startable(file)
            && let Some(hooked) = Hooked::of(&shared.root, id, file)
        {
            let up = hooked.up().await?;
            reach.environment = up.environment;
            reach.started = up.by_us.then_some(hooked);
        }
        Ok(reach)
    }

    async fn serve(&mut self, shared: &Shared, id: &VendorId) -> Result<(), RunError> {
        let (key, secret) = (format!("embedded-{:013x}", draw_seed()), format!("{:013x}{:013x}{:013x}", draw_seed(), draw_seed(), draw_seed()));
        let embedded = Embedded::start(&data_directory(&shared.prefix, id), &key, &Secret::new(secret.as_str())).await?;
        self.vendor.endpoints = vec![embedded.endpoint()];
        self.vendor.credentials = Some(CredentialNames {
            access_key_env: EMBEDDED_KEY.to_owned(),
            secret_key_env: EMBEDDED_SECRET.to_owned(),
            session_token_env: None,
            refresh_command: None,
            alt: None,
        });
        self.environment = BTreeMap::from([(EMBEDDED_KEY.to_owned(), key), (EMBEDDED_SECRET.to_owned(), secret)]);
        self.server = Some(Server::Embedded(embedded));
        Ok(())
    }

    fn access(&self, shared: &Shared, id: &VendorId) -> Result<Access, RunError> {
        resolve(&shared.root, id, &self.vendor, &self.environment).map_err(RunError::Config)
    }
}

fn resolve(root: &Root, id: &VendorId, vendor: &Vendor, environment: &BTreeMap<String, String>) -> Result<Access, ConfigError> {
    let read = |name: &str| environment.get(name).cloned().or_else(|| std::env::var(name).ok());
    Access::resolve(id, vendor, &root.vendors(), &read).map_err(|error| located(root, id, error))
}

/// How a vendor that is up already is reached.
///
/// # Errors
/// With file, line and field, when a variable or file that the vendor file names is not there.
pub fn access(root: &Root, vendor: &NamedVendor) -> Result<Access, ConfigError> {
    resolve(root, &vendor.id, &vendor.file, &BTreeMap::new())
}

/// Whether a lab server has to be up before it can be reached: its script serves it, and the user has not pointed to another one.
fn is_startable(vendor: &Vendor) -> bool {
    let is_set = |name: &String| std::env::var(name).is_ok_and(|value| !value.is_empty());
    vendor.lifecycle.is_some() && !vendor.endpoints_env.as_ref().is_some_and(is_set)
}

/// Checks, without starting or sending anything, that a vendor's variables and files are there.
///
/// # Errors
/// With file, line and field.
pub fn check_access(root: &Root, vendor: &NamedVendor) -> Result<(), ConfigError> {
    let file = &vendor.file;
    let refreshes = file.credentials.as_ref().is_some_and(|names| names.refresh_command.is_some());
    if !file.is_measurable() || file.serve.is_some() || is_startable(file) || refreshes {
        return Ok(());
    }
    resolve(root, &vendor.id, file, &BTreeMap::new()).map(drop)
}

/// The error with the file and line that its reader has to look at.
fn located(root: &Root, id: &VendorId, error: AccessError) -> ConfigError {
    let file = root.vendors().join(format!("{id}.toml"));
    match error {
        AccessError::MissingVariable { field, name, .. } => {
            let message = format!("the environment variable {name} is not set: export {name}=...");
            error_at(&file, &field, &name, message)
        }
        AccessError::Invalid { field, message, .. } => {
            let key = field.rsplit('.').next().unwrap_or_default().to_owned();
            error_at(&file, &field, &key, message)
        }
    }
}

/// Where the embedded server keeps its data: below the system's temporary directory, by the run's prefix.
pub fn data_directory(prefix: &str, vendor: &VendorId) -> PathBuf {
    std::env::temp_dir().join(format!("proofmark-{prefix}{vendor}"))
}
