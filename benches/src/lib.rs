//! A read-only S3 server that costs next to nothing, for measuring what reads through it.
//!
//! Objects are the files below a folder, whose first level are the buckets. Answers GET (with
//! ranges), HEAD and both LIST versions, path style, any signature. Bodies go out by `sendfile`.
//!
//! Refuses to be a server for anything else: nothing is authenticated, nothing is written, keys are
//! indexed once at the start, and it listens on loopback only. One thread serves one connection.
#![forbid(unsafe_code)]

mod bucket_listing;
mod http;
mod index;
mod server;

pub use index::Index;
pub use server::{Pace, serve};
