//! The driver's side: what is on disk, what is projected, and which callbacks an operation makes.
//!
//! The engine speaks Windows: items are opened with access, sharing and a disposition, and
//! renamed, linked and deleted by handle. It knows no FUSE and no sockets. Callers are identified
//! by a [`Process`](crate::link::Process), so that tests can play any number of them.
//!
//! * [`Driver`]: the roots of one machine. [`Root`]: one of them, with or without a provider.
//! * `store`: items on disk, their states and names; the only part that touches files.
//! * `session`: the running provider: commands, cancellation, notifications, draining stop.
//! * `placeholders`, `hydration`, `enumeration`: the three kinds of questions to a provider.
//! * `operations`: what applications do, each in terms of the parts above.
//! * `updates`: what providers do to items that are on disk.
//!
//! Operations are futures: they wait only for the provider and for each other, and run on any
//! executor. Dropping one cancels its command (L5); what must happen after a point of no return
//! runs as a task of its own. Lower-directory system calls are made in place: they are local.

mod driver;
mod enumeration;
mod failure;
mod host_path;
mod hydration;
mod locks;
pub(crate) mod nt_time;
mod operations;
mod patience;
mod placeholders;
mod root;
mod runtime;
mod session;
#[cfg(test)]
mod stage;
mod store;
mod trace;
mod updates;
mod visible;
pub(crate) mod wtf8;

pub use driver::{Attach, Driver};
pub use enumeration::{Entry, Query};
pub use host_path::host_path;
pub use operations::{
    Access, Action, Attributes, BasicChange, Disposition, HandleId, Kind, Open, Opened, Share,
    Target,
};
pub use root::Root;
pub use runtime::{Runtime, Task, TokioRuntime};
pub use session::Session;
pub use store::ItemId;
pub use trace::{Trace, Traced};
pub use updates::Refused;
