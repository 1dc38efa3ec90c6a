//! Layer 0: what every mount front end shares.
//!
//! A front end sees this crate through one narrow trait, [`Volume`]. Behind it stand the tree of a
//! manifest, verified content from the CAS, one memory budget and the disk cache.
//!
//! This crate refuses to name an operating system's mount API, and does no I/O to answer lookups,
//! attributes or listings.
#![forbid(unsafe_code)]

mod cache;
pub mod changes;
mod content;
mod error;
mod executor;
pub mod export;
mod manifest_volume;
mod pool;
mod siblings;
mod stats;
mod sync;
mod trace;
mod tree;
mod volume;

pub use cache::{
    CacheError, CacheLimits, CacheLookup, CacheStats, CacheUsage, CachedObject, DiskCache,
    PartialObject, PruneReport, VerifyProgress, VerifyReport,
};
pub use content::{ContentOptions, VerifyPolicy};
pub use error::{VfsError, VfsErrorKind};
pub use executor::{
    AsyncExecutor, Canceller, ExecutorConfig, ExecutorError, ExecutorStats, Ticket,
};
pub use manifest_volume::{CacheOptions, ManifestVolume, VolumeOptions};
pub use pool::{Block, BlockKey, MemoryPool, PoolError, PoolStats, Reservation};
pub use stats::{Counter, Stats};
pub use trace::{Touch, Trace};
pub use tree::{FileContent, INodeManager, TreeError};
pub use volume::{
    Attributes, Authority, COPY_PIECE_BYTES, Change, ContentIdentity, DirectoryListing,
    InvalidationWatcher, ListedEntry, NodeId, NodeKind, Outcome, ReadData, Usage, Volume,
};
