//! The integration tests: one binary, one module per subject.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bad_input;
mod cases;
mod cases_engine;
mod cases_real;
mod clean;
mod clean_real;
mod cli;
mod expected;
mod failure;
mod failure_real;
mod lies;
mod load;
mod load_pace;
mod load_prefix;
mod load_server;
mod mutants;
mod proxy;
mod proxy_bytes;
mod proxy_real;
mod proxy_throttle;
mod real;
mod report;
mod resilience;
mod resilience_real;
mod resume;
mod sandbox;
mod site;
mod support;
mod tidy;
mod turns;
mod use_bucket;
mod wire;
mod wire_fake;
mod wire_real;
mod wire_tls;
