//! The vocabulary of ProjFS, in types of our own: what both sides of every seam of this crate speak.
//! No behaviour, no operating system. Numbers are those of the Windows headers (projfs.md C and D).

mod guid;
mod hresult;
mod info;
mod notification;
pub mod operations;
mod state;
mod wide;

pub use guid::Guid;
pub use hresult::HResult;
pub use info::{BasicInfo, DirEntry, PlaceholderInfo, VersionInfo, attributes};
pub use notification::{Notification, NotificationMapping, NotifyMask};
pub use state::{FailureCauses, FileState, UpdateFlags};
pub use wide::Wide;

/// What a caller gets: a value, or the code that Windows would give.
pub type Result<T> = std::result::Result<T, HResult>;
