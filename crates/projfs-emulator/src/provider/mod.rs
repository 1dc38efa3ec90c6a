//! The library's side: what `ProjectedFSLib.dll` is to a provider.
//!
//! [`Library`] is a table of the nineteen functions (projfs.md B), which is how a provider takes
//! them on Linux; the `projfs-emulator-library` package exports the same ones from a shared
//! library. Which driver answers is said by [`serve_root`] or by the environment variable
//! [`DRIVER_VARIABLE`].
//!
//! * `functions`: the C functions: decode, check, ask the driver. `arguments` and
//!   `placeholder_info` read what the provider points to.
//! * `context`: a running instance. `handles`: the opaque pointers that stand for things.
//! * `callbacks`: commands become callbacks, callbacks' answers become completions; the memory
//!   that callbacks see. `pool`: the threads that run them.
//! * `entries`: what a Get fills in. `aligned`: buffers for content.
//! * `misuse`: where broken rules go. `drivers`: which driver a path belongs to.
//!
//! Whatever a provider passes is checked before it is used, and handles are never followed; bad
//! memory can of course not be told from good.
#![expect(unsafe_code, reason = "the edge to C: pointers of the provider are read and written")]

mod aligned;
mod arguments;
mod callbacks;
mod context;
mod drivers;
mod entries;
mod functions;
mod handles;
#[cfg(target_os = "linux")]
mod local;
mod mappings;
mod memory;
mod misuse;
mod placeholder_info;
mod pool;
mod process;
mod table;

pub use drivers::{DRIVER_VARIABLE, RootGuard, serve_root};
#[cfg(target_os = "linux")]
pub use local::LocalDriver;
pub use table::{Library, table};
