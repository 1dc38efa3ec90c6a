//! Row by row through the contract's transition table (projfs.md E'), and what else operations owe
//! to applications and providers.

mod across;
mod cancelled;
mod changing;
mod closing;
mod deleting;
mod fixture;
mod opening;
mod races;
mod renaming;
mod sharing;
mod stopped;
