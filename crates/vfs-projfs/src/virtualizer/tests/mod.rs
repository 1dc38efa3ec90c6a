//! The virtualizer on the emulator, acted on by other processes.

mod contents;
mod enumerating;
mod lifecycle;
mod looking;
mod misuse;
mod notified;
mod rig;
