//! The integration tests: one binary, one module per subject.

mod cases;
mod failure;
mod failure_real;
mod load;
mod load_server;
mod wire_real;
