//! Programs read a projected folder on a good day and on bad ones.

mod contents;
mod readers;

use std::sync::Arc;
use std::time::Duration;

use projfs_emulator::knobs::Knobs;
use rusty_attachments_vfs::Volume;
use rusty_attachments_vfs_projfs::ProjFsOptions;

use crate::support::projected::{Projected, Setup};

/// So few threads that one download at a time would be felt by everybody (projfs.md L1), and stops
/// that do not wait for long.
fn narrow(options: &mut ProjFsOptions) {
    (options.pool_threads, options.concurrent_threads) = (2, 2);
    options.stop_patience = Duration::from_millis(200);
}

fn projected_of(volume: Arc<dyn Volume>, knobs: Knobs) -> Projected {
    Setup::volume(volume).knobs(knobs).options(narrow).start()
}
