//! Object stores for job attachments, and where the CAS keeps things in them.
//!
//! [`StorageClient`] is the one trait that a store implements. The crate brings a local folder, a
//! memory store and S3 (feature `s3`). Keys are relative to the store's root (for S3: below
//! `bucket/rootPrefix`), and [`cas`] is the one place that builds them.
//!
//! This crate refuses to know about mounts, trees or caches, and never checks the hash of what it
//! reads: who asks for an object by hash verifies what arrives.
#![forbid(unsafe_code)]

pub mod cas;
mod client;
mod counting;
mod error;
mod key;
mod local;
mod memory;
mod retrying;
#[cfg(feature = "s3")]
mod s3;
mod throttled;
mod url;

pub use async_trait::async_trait;
pub use client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
pub use counting::{CountingStore, Counts};
pub use error::StorageError;
pub use key::{check_key, check_prefix};
pub use local::LocalStore;
pub use memory::MemoryStore;
pub use retrying::{RetryPolicy, RetryingStore};
#[cfg(feature = "s3")]
pub use s3::{S3Credentials, S3Options, S3Store};
pub use throttled::{Throttle, ThrottledStore};
pub use url::{OpenOptions, StoreUrl, StoreUrlError, open_store};
