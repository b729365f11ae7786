//! What a conformance case is written with: an id, the catalogue rows, one sentence and an async closure.
//!
//! The main types are [`Suite`], a builder, and [`Case`].

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Fixture;
use super::finding::{Checked, place};
use crate::model::{CaseId, CaseInfo, Impact, Level};

/// The deadline of an attempt at a case that says nothing else.
const DEADLINE: Duration = Duration::from_secs(30);

/// Most requests that a case sends in one attempt unless it says otherwise with [`Suite::sends`].
pub const MOST_REQUESTS: u64 = 40;

type Body = Arc<dyn Fn(Fixture) -> Pin<Box<dyn Future<Output = Checked> + Send>> + Send + Sync>;

/// Which bucket a case works in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BucketNeed {
    /// A prefix in the bucket that its suite's cases share.
    #[default]
    Shared,
    /// A bucket of its own, because it changes or counts on the state of the whole bucket.
    Own,
    /// A bucket of its own with object lock enabled at creation.
    OwnWithLock,
    /// The name of a bucket of its own, which the case itself creates.
    Name,
}

/// One checkable rule. Cheap to clone.
#[derive(Clone)]
pub struct Case {
    /// What is known of it without running it.
    pub info: CaseInfo,
    /// Which bucket it works in.
    pub bucket: BucketNeed,
    /// Whether it needs the vendor file's second credential.
    pub needs_alt: bool,
    /// Most requests of one attempt, for the plan.
    pub most_requests: u64,
    /// The deadline of one attempt.
    pub deadline: Duration,
    /// `suites/file.rs:line` of the case.
    pub location: String,
    body: Body,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.info.id).finish()
    }
}

impl Case {
    /// Runs the closure once.
    pub(super) fn start(&self, fixture: Fixture) -> Pin<Box<dyn Future<Output = Checked> + Send>> {
        (self.body)(fixture)
    }
}

/// A feature family and its cases, in the order of the report.
#[derive(Debug, Clone)]
pub struct Suite {
    name: &'static str,
    source: String,
    cases: Vec<Case>,
}

impl Suite {
    /// An empty suite; `name` is the part of the case ids before `::`.
    pub fn new(name: &'static str) -> Self {
        Self { name, source: "S3 API reference".to_owned(), cases: Vec::new() }
    }
    /// The suite's name.
    pub fn name(&self) -> &'static str {
        self.name
    }
    /// Its cases.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }
    /// Where the rules of the cases that follow come from.
    pub fn source(mut self, source: &str) -> Self {
        source.clone_into(&mut self.source);
        self
    }
    /// A case whose failure breaks ordinary clients or puts data at risk. `id` is `operation/behaviour` with the operation in
    /// the SDK's snake case; it must be seen on the wire. The level is the catalogue's level of the first row.
    #[track_caller]
    pub fn core<F, Fut>(self, id: &str, rows: &[&str], rule: &str, body: F) -> Self
    where
        F: Fn(Fixture) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        self.add(Level::Core, id, rows, rule, body)
    }
    /// A case that a widely used client or infrastructure tool needs.
    #[track_caller]
    pub fn common<F, Fut>(self, id: &str, rows: &[&str], rule: &str, body: F) -> Self
    where
        F: Fn(Fixture) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        self.add(Level::Common, id, rows, rule, body)
    }
    /// A case that one product family needs.
    #[track_caller]
    pub fn extended<F, Fut>(self, id: &str, rows: &[&str], rule: &str, body: F) -> Self
    where
        F: Fn(Fixture) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        self.add(Level::Extended, id, rows, rule, body)
    }
    /// A legacy or vendor-only case.
    #[track_caller]
    pub fn rare<F, Fut>(self, id: &str, rows: &[&str], rule: &str, body: F) -> Self
    where
        F: Fn(Fixture) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        self.add(Level::Rare, id, rows, rule, body)
    }
    #[track_caller]
    fn add<F, Fut>(mut self, level: Level, id: &str, rows: &[&str], rule: &str, body: F) -> Self
    where
        F: Fn(Fixture) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        let info = CaseInfo {
            id: CaseId(format!("{}::{id}", self.name)),
            rule: rule.to_owned(),
            rows: owned(rows),
            level,
            source: self.source.clone(),
            dependents: Vec::new(),
            impact: Impact::None,
            features: Vec::new(),
            slow: false,
        };
        let body: Body = Arc::new(move |fixture| Box::pin(body(fixture)));
        self.cases.push(Case {
            info,
            bucket: BucketNeed::Shared,
            needs_alt: false,
            deadline: DEADLINE,
            most_requests: MOST_REQUESTS,
            location: place(Location::caller()),
            body,
        });
        self
    }
    fn last(mut self, change: impl FnOnce(&mut Case)) -> Self {
        change(self.cases.last_mut().expect("a property follows the case that it belongs to"));
        self
    }
    /// The last case needs these optional features: it is unsupported, unsent, where the vendor does not claim them.
    pub fn needs(self, features: &[&str]) -> Self {
        self.last(|case| case.info.features = owned(features))
    }
    /// The last case does this beyond its own prefix and buckets.
    pub fn impact(self, impact: Impact) -> Self {
        self.last(|case| case.info.impact = impact)
    }
    /// Applications that break when the last case fails.
    pub fn dependents(self, applications: &[&str]) -> Self {
        self.last(|case| case.info.dependents = owned(applications))
    }
    /// The last case works in a bucket of its own, created before it starts.
    pub fn own_bucket(self) -> Self {
        self.last(|case| case.bucket = BucketNeed::Own)
    }
    /// The last case creates the bucket of its own itself: creation is what it is about.
    pub fn new_bucket(self) -> Self {
        self.last(|case| case.bucket = BucketNeed::Name)
    }
    /// The last case works in a bucket of its own with object lock; it needs the feature and leaves locked data for a while.
    pub fn lock_bucket(self) -> Self {
        self.needs(&["object-lock"]).impact(Impact::Irreversible).last(|case| case.bucket = BucketNeed::OwnWithLock)
    }
    /// The last case works in a bucket of its own and needs versioning; it switches that on itself with `fx.enable_versioning()`.
    pub fn versioned(self) -> Self {
        self.needs(&["versioning"]).own_bucket()
    }
    /// The last case sends so much that it may take longer than others.
    pub fn deadline(self, limit: Duration) -> Self {
        self.last(|case| case.deadline = limit)
    }
    /// The last case sends up to this many requests in one attempt; others send up to [`MOST_REQUESTS`].
    pub fn sends(self, most: u64) -> Self {
        self.last(|case| case.most_requests = most)
    }
    /// The last case waits for the vendor or searches for a limit: it runs only with `--slow` or where the profile asks for slow cases.
    pub fn slow(self) -> Self {
        self.last(|case| case.info.slow = true)
    }
    /// The last case needs a second credential.
    pub fn needs_alt(self) -> Self {
        self.last(|case| case.needs_alt = true)
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}
