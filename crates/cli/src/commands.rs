//! One module per command: it reads its arguments, calls the libraries, prints the result.

pub(crate) mod cache;
pub(crate) mod changes;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod manifest;
pub(crate) mod mount;
pub(crate) mod snapshot;
pub(crate) mod status;
pub(crate) mod unmount;
