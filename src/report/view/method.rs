//! Section 11: how it was measured, and what that cannot say.

use serde::Serialize;

use super::columns::Source;
use crate::model::{Category, Kind};
use crate::report::number::{bytes, number, optional};
use crate::score::Scorecard;
use crate::store::Run;

/// A row of names and texts.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    pub name: &'static str,
    /// One text per run or vendor.
    pub values: Vec<String>,
}

/// Section 11.
#[derive(Debug, Clone, Serialize)]
pub struct Method {
    pub model_version: u32,
    pub model_hash: String,
    /// Ids of the runs: the columns of `run_facts`.
    pub runs: Vec<String>,
    pub run_facts: Vec<Fact>,
    /// Keys of the measured vendors: the columns of `vendor_facts`.
    pub vendors: Vec<String>,
    pub vendor_facts: Vec<Fact>,
    /// Category and weight as the profile gives it.
    pub weights: Vec<(&'static str, String)>,
    pub curves: Vec<CurveRow>,
    /// Title of the profile.
    pub profile: String,
    /// What the number of repeats allows to say.
    pub repeats: String,
    pub budget: String,
    pub coverage_min: String,
}

/// A curve as a row.
#[derive(Debug, Clone, Serialize)]
pub struct CurveRow {
    pub scenario: String,
    pub cell: String,
    pub metric: String,
    pub direction: &'static str,
    pub good: String,
    pub median: String,
    pub weight: String,
    /// Whether vendors are compared by it.
    pub decision: bool,
}

pub fn method(runs: &[Run], sources: &[Source<'_>], card: &Scorecard) -> Method {
    let measured: Vec<&Source<'_>> = sources.iter().filter(|source| source.column.measured).collect();
    let profile = runs.first().map(|run| &run.header.profile);
    let weights = profile.map(|profile| profile.weights);
    let weight = |category: Category| {
        let weights = weights?;
        Some(match category {
            Category::Compatibility => weights.compatibility,
            Category::Durability => weights.durability,
            Category::Performance => weights.performance,
            Category::Cost => weights.cost,
            Category::Operability => weights.operability,
        })
    };
    let curves = profile.map(|profile| profile.curves.as_slice()).unwrap_or_default();
    Method {
        model_version: card.model_version,
        model_hash: card.model_hash.clone(),
        runs: runs.iter().map(|run| run.header.run.to_string()).collect(),
        run_facts: run_facts(runs),
        vendors: measured.iter().map(|source| source.column.key.clone()).collect(),
        vendor_facts: vendor_facts(&measured),
        weights: Category::ALL.iter().filter_map(|category| Some((super::scorecard::title(*category), number(weight(*category)?)))).collect(),
        curves: curves
            .iter()
            .map(|curve| CurveRow {
                scenario: curve.scenario.to_string(),
                cell: curve.cell.clone(),
                metric: curve.metric.clone(),
                direction: curve.direction.name(),
                good: number(curve.good),
                median: number(curve.median),
                weight: number(curve.weight),
                decision: curve.decision,
            })
            .collect(),
        profile: profile.map(|profile| profile.title.clone()).unwrap_or_default(),
        repeats: repeats(profile.map_or(1, |profile| profile.repeats)),
        budget: profile.map(|profile| profile.cost.budget_usd_per_tb_month.normalize().to_string()).unwrap_or_default(),
        coverage_min: profile.map(|profile| crate::report::number::percent(profile.gates.coverage_min)).unwrap_or_default(),
    }
}

fn repeats(repeats: u32) -> String {
    match repeats {
        0 | 1 => "Each measurement was made once. One repeat has no interval: it shows what happened, not how much it varies, and differences \
                  between vendors cannot be told from chance."
            .to_owned(),
        n => format!(
            "Each measurement was made {n} times. Intervals are 95 % t intervals on the logarithms of the repeats{}.",
            if n < 4 { "; so few repeats can show large differences only" } else { "" }
        ),
    }
}

/// The name of a fact and how to read it off an item.
type Reader<T> = (&'static str, fn(&T) -> String);

fn facts<T>(items: &[T], rows: &[Reader<T>]) -> Vec<Fact> {
    rows.iter().map(|(name, fact)| Fact { name, values: items.iter().map(fact).collect() }).collect()
}

fn run_facts(runs: &[Run]) -> Vec<Fact> {
    facts(
        runs,
        &[
            ("started", |run| run.header.started_at.clone()),
            ("finished", |run| run.header.finished_at.clone().unwrap_or_else(|| "not finished: INCOMPLETE".to_owned())),
            ("profile", |run| run.header.profile_id.to_string()),
            ("seed", |run| run.header.seed.to_string()),
            ("command", |run| run.header.command.join(" ")),
            ("proofmark", |run| format!("{} ({} build)", run.header.tool_version, run.header.build_profile)),
            ("client host", |run| run.header.host.name.clone()),
            ("system", |run| run.header.host.system.clone()),
            ("CPU", |run| format!("{}, {} cores usable", run.header.host.cpu, run.header.host.cores)),
            ("memory", |run| bytes(run.header.host.memory_bytes)),
            ("client", |run| format!("{} of {}", run.header.client.index, run.header.client.of)),
        ],
    )
}

fn vendor_facts(sources: &[&Source<'_>]) -> Vec<Fact> {
    facts(
        sources,
        &[
            ("name", |source| source.column.title.clone()),
            ("version", |source| source.column.version.clone()),
            ("run", |source| source.column.run.clone()),
            ("state", |source| source.column.state.to_owned()),
            ("setting", |source| source.column.setting.to_owned()),
            ("deployment", |source| source.column.deployment.to_owned()),
            ("endpoints", |source| {
                let file = &source.vendor.record.file;
                let texts: Vec<String> = file.endpoints.iter().map(ToString::to_string).collect();
                if texts.is_empty() { file.serve.map(|_| "served by proofmark itself".to_owned()).unwrap_or_default() } else { texts.join(", ") }
            }),
            ("addresses", |source| source.vendor.record.probe.as_ref().map(|probe| probe.addresses.join(", ")).unwrap_or_default()),
            ("region", |source| source.vendor.record.file.region.clone()),
            ("standing faults", |source| match source.vendor.record.file.degrade.len() {
                0 => "none".to_owned(),
                count => format!("{count} rules between client and server"),
            }),
            ("clock skew in ms", |source| {
                source.vendor.record.probe.as_ref().and_then(|probe| probe.clock_skew_ms).map(|skew| skew.to_string()).unwrap_or_default()
            }),
            ("round trip in ms", |source| optional(source.vendor.record.probe.as_ref().and_then(|probe| probe.round_trip_ms))),
            ("requests", |source| source.vendor.usage.total().to_string()),
            ("bytes sent", |source| bytes(source.vendor.usage.upload_bytes)),
            ("bytes received", |source| bytes(source.vendor.usage.download_bytes)),
            ("highest client CPU in % of one core", |source| optional(client_cpu(source))),
            ("hidden retries", |_| "none".to_owned()),
        ],
    )
}

/// The busiest that the client was in a throughput cell.
fn client_cpu(source: &Source<'_>) -> Option<f64> {
    let loads = source.vendor.scenarios.iter().filter(|record| record.kind == Kind::Throughput).filter_map(|record| record.client_load.as_ref());
    loads.map(|load| load.cpu_percent).reduce(f64::max)
}
