//! The library's side against a driver that plays commands and notes calls: the C functions as a
//! provider calls them, the callbacks as it gets them.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]
#![expect(unsafe_code, reason = "calls C functions, is called by C callbacks")]

mod commands;
mod content;
mod fake;
mod items;
mod layouts;
mod lifecycle;
mod listing;
#[cfg(target_os = "linux")]
mod local;
mod memory;
mod notifications;
mod script;
mod table;
mod threads;
