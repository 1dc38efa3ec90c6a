//! The disk cache: content-addressed files shared by all mounts and jobs of a worker.
//!
//! It owns a directory with one file per object, published atomically under the object's hash, and
//! the promise that the directory stays private, bounded in bytes and free of half-written files,
//! with any number of processes using it and after a kill at any instant. A file's name proves
//! nothing: bytes are hashed on the way in, and on the way out unless a stamp ([`CachedObject`])
//! says that this very file was hashed and has not changed since.
//!
//! It refuses to fetch anything and knows no store. Everything here blocks: call it from threads
//! that may, never from a runtime's workers. All types are shared between threads freely.
//!
//! ```text
//! <dir>/v1/objects/ab/<hash>         published objects, by the first two digits of their hash
//! <dir>/v1/partial/<hash>-<pid>-<n>  files being filled; each is locked by who fills it
//! <dir>/v1/usage                     the byte count that all processes share
//! <dir>/v1/evict.lock                held by the one process that evicts
//! ```

mod disk;
mod error;
mod eviction;
mod extents;
mod layout;
mod ledger;
mod object;
mod os;
mod partial;
mod space;
mod staged;
mod stamp;
mod stats;
mod verification;

pub use disk::{CacheLimits, CacheLookup, DiskCache};
pub use error::CacheError;
pub use eviction::PruneReport;
pub use layout::CacheUsage;
pub use object::CachedObject;
pub use partial::PartialObject;
pub use stats::CacheStats;
pub use verification::{VerifyProgress, VerifyReport};
