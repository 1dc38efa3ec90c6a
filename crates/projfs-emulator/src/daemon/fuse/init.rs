//! The first request of a mount: what kernel and adapter do for each other.

use std::time::Duration;

use fuser::{InitFlags, KernelConfig};

/// Reads ahead that may be in flight at once. Each may wait for a provider, and none may keep
/// another file from being read.
const BACKGROUND: u16 = 4096;

/// Bytes of one request at most.
const REQUEST: u32 = 1 << 20;

/// What Windows times are counted in.
const TICK: Duration = Duration::from_nanos(100);

pub(super) fn negotiate(config: &mut KernelConfig) {
    // Not readdirplus: a listing must not make placeholders (E2, R3). Opening with O_TRUNC must
    // be one request, since it is another notification than an open (T9).
    let useful = InitFlags::FUSE_ASYNC_READ
        | InitFlags::FUSE_ATOMIC_O_TRUNC
        | InitFlags::FUSE_AUTO_INVAL_DATA
        | InitFlags::FUSE_PARALLEL_DIROPS;
    let offered = config.capabilities();
    let _ = config.add_capabilities(useful & offered);
    // Values that are refused stay as they were.
    let _ = config.set_max_write(REQUEST);
    let _ = config.set_max_background(BACKGROUND);
    let _ = config.set_time_granularity(TICK);
}
