//! The first request of a mount: what kernel and front end can do for each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fuser::{InitFlags, KernelConfig};
use rustix::thread::CapabilitySet;

use crate::options::MountOptions;

/// One request carries at most so many bytes: the kernel's own limit (`fs.fuse.max_pages_limit`).
const MAX_REQUEST: u32 = 1 << 20;

/// Read-ahead requests in flight at once. The kernel's default of 12 starves the 16 parallel
/// readers that a render makes.
const MAX_BACKGROUND: u16 = 128;

/// What was agreed with the kernel.
#[derive(Debug)]
pub(super) struct Negotiated {
    readahead: u32,
    passthrough: AtomicBool,
    stateless_open: bool,
}

impl Negotiated {
    pub(super) fn wanted(options: &MountOptions) -> Self {
        Self {
            readahead: options.readahead_bytes.max(1),
            passthrough: AtomicBool::new(options.passthrough && may_pass_through()),
            stateless_open: false,
        }
    }

    /// Whether files may be handed to the kernel.
    pub(super) fn passthrough(&self) -> bool {
        self.passthrough.load(Ordering::Relaxed)
    }

    /// Gives passthrough up for the life of the mount.
    pub(super) fn no_passthrough(&self) {
        self.passthrough.store(false, Ordering::Relaxed);
    }

    /// Whether the kernel shall not ask to open files at all: bytes never change, so without
    /// passthrough an open tells nothing, and a small file costs one round trip instead of three.
    pub(super) const fn stateless_open(&self) -> bool {
        self.stateless_open
    }

    pub(super) fn negotiate(&mut self, config: &mut KernelConfig) {
        let offered = config.capabilities();
        // Every listing brings the attributes along, not only those that the kernel guesses will
        // need them (`READDIRPLUS_AUTO`): `find` takes twice as long for it, 2 microseconds an
        // entry, but whatever then opens or stats what it found saves a request of 25 each.
        let useful = InitFlags::FUSE_ASYNC_READ
            | InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_CACHE_SYMLINKS
            | InitFlags::FUSE_MAX_PAGES;
        let _ = config.add_capabilities(useful & offered);
        // Depth 1: files on a real file system can be passed through, and this mount may still be
        // the lower layer of an overlay.
        let passed = self.passthrough()
            && config.set_max_stack_depth(1).is_ok()
            && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok();
        if !passed {
            self.no_passthrough();
        }
        self.stateless_open = !passed && offered.contains(InitFlags::FUSE_NO_OPEN_SUPPORT);
        // Refused values come back as the nearest that is taken.
        let _ =
            config.set_max_readahead(self.readahead).or_else(|most| config.set_max_readahead(most));
        let _ = config.set_max_write(MAX_REQUEST).or_else(|most| config.set_max_write(most));
        let _ = config.set_max_background(MAX_BACKGROUND);
        // Manifests count in microseconds.
        let _ = config.set_time_granularity(Duration::from_micros(1));
    }
}

/// Registering a backing file takes this capability, whatever the kernel offers at the start.
fn may_pass_through() -> bool {
    rustix::thread::capabilities(None)
        .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN))
}
