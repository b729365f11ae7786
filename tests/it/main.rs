//! The integration tests: one binary, one module per subject.

mod cases;
mod wire_real;
mod load;
mod load_server;
