//! Object stores for job attachments, and where the CAS keeps things in them.
//!
//! [`StorageClient`] is the one trait that a store implements. The crate brings a local folder, a
//! memory store and S3 (feature `s3`). Keys are relative to the store's root (for S3: below
//! `bucket/rootPrefix`), and [`cas`] is the one place that builds them.
//!
//! This crate refuses to know about mounts, trees or caches, and never checks content hashes: who
//! asks for an object by hash verifies what arrives.
#![forbid(unsafe_code)]

pub mod cas;
mod client;
mod error;
mod memory;

pub use client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
pub use error::StorageError;
pub use memory::MemoryStore;
