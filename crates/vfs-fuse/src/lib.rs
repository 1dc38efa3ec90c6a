//! Linux front end: a [`Volume`](rusty_attachments_vfs::Volume) mounted through FUSE.
//!
//! Two folders, two concerns. `filesystem` answers what the kernel asks, one file per family of
//! requests; it knows nothing of how the mount came to be. `mount` makes, watches and ends mounts;
//! it knows nothing of files. [`mount()`] joins them.
//!
//! Requests are taken by a few threads of their own. What a volume answers at once is replied at
//! once; what needs the store is replied from the executor, so that one cold read delays no other
//! request. No lock is held while a volume is asked or a reply is sent.
//!
//! On other systems than Linux this crate is empty.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod errno;
mod error;
mod filesystem;
mod health;
mod mount;
mod names;
mod options;

pub use error::{FuseError, Holder};
pub use filesystem::STATUS_FILE;
pub use health::MountStats;
pub use mount::{FuseMount, MountEntry, list_mounts, mount, unmount_path};
pub use options::{MountOptions, UnrepresentableNames};
