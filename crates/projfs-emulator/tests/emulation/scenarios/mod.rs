//! The scenarios of `projfs.md S`: an operation, and what must come of it. One test each, named by
//! its number; what has no test is in `docs/projfs-emulator.md`, with the reason.

mod attributes;
mod content;
mod deletions;
mod lifecycle;
mod links;
mod listings;
mod names;
mod notifications;
mod paths;
mod renames;
mod restarts;
mod vetoes;
