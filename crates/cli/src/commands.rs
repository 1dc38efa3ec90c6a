//! One module per command: it reads its arguments, calls the libraries, prints the result.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod manifest;
pub(crate) mod snapshot;
