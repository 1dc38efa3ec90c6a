//! Which driver a path belongs to: one in this process that serves it, else the one that the
//! environment names.

use std::env;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::contract::{HResult, Result, Wide};
use crate::link::Driver;
use crate::protocol;

/// Where the driver listens, such as `127.0.0.1:4711`, if it is not in this process.
pub const DRIVER_VARIABLE: &str = "PROJFS_EMULATOR";

static SERVED: RwLock<Vec<Served>> = RwLock::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(1);
static REMOTE: OnceLock<Arc<dyn Driver>> = OnceLock::new();

#[derive(Debug)]
struct Served {
    number: u64,
    root: Wide,
    driver: Arc<dyn Driver>,
}

/// Why the environment gives no driver.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoDriver {
    /// Nobody said where one is.
    #[error("{DRIVER_VARIABLE} is not set: it says where the daemon listens, as 127.0.0.1:4711")]
    NotSet,
    /// What was said is not a place.
    #[error("{DRIVER_VARIABLE} is '{value}' instead of an address with a port, as 127.0.0.1:4711")]
    NoAddress {
        /// What it is set to.
        value: String,
    },
    /// There is none.
    #[error("where {DRIVER_VARIABLE} says: {0}")]
    NotThere(#[from] io::Error),
}

/// Ends [`serve_root`] when dropped. Instances that run go on with their driver.
#[derive(Debug)]
#[must_use = "the folder is served until this is dropped"]
pub struct RootGuard {
    number: u64,
}

/// Lets `driver`, in this process, answer for roots at or below the folder `root`, which is
/// spelled as the provider will spell it. The innermost served folder decides.
pub fn serve_root(root: &Wide, driver: Arc<dyn Driver>) -> RootGuard {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    SERVED.write().push(Served { number, root: trimmed(root), driver });
    RootGuard { number }
}

impl Drop for RootGuard {
    fn drop(&mut self) {
        let mut served = SERVED.write();
        let place = served.iter().position(|served| served.number == self.number);
        let removed = place.map(|place| served.swap_remove(place));
        drop(served);
        // Here and not under the lock: it may be the driver's last owner.
        drop(removed);
    }
}

/// The driver for a full path.
///
/// # Errors
/// VIRTUALIZATION_UNAVAILABLE if nobody serves it.
pub(super) fn driver_for(path: &Wide) -> Result<Arc<dyn Driver>> {
    let innermost = {
        let served = SERVED.read();
        let around = served.iter().filter(|served| contains(&served.root, path));
        around.max_by_key(|served| served.root.units().len()).map(|served| served.driver.clone())
    };
    match innermost {
        Some(driver) => Ok(driver),
        None => remote().map_err(|error| {
            tracing::error!("no driver for '{path}': none in this process serves it, and {error}");
            HResult::VIRTUALIZATION_UNAVAILABLE
        }),
    }
}

/// The one driver that this process has to do with; `None` if there are several or none.
pub(super) fn only_one() -> Option<Arc<dyn Driver>> {
    let served = SERVED.read();
    let first = served.first().map(|served| &served.driver).or_else(|| REMOTE.get())?;
    let mut others = served.iter().map(|served| &served.driver).chain(REMOTE.get());
    others.all(|other| Arc::ptr_eq(first, other)).then(|| first.clone())
}

/// The driver that the environment names; the connection is kept.
pub(super) fn remote() -> std::result::Result<Arc<dyn Driver>, NoDriver> {
    if let Some(driver) = REMOTE.get() {
        return Ok(driver.clone());
    }
    let value = env::var(DRIVER_VARIABLE).map_err(|_| NoDriver::NotSet)?;
    let address: SocketAddr = value.parse().map_err(|_| NoDriver::NoAddress { value })?;
    let driver = protocol::connect(address)?;
    // Another thread may have been faster; all use the same connection.
    Ok(REMOTE.get_or_init(|| driver).clone())
}

fn is_separator(unit: u16) -> bool {
    unit == u16::from(b'\\') || unit == u16::from(b'/')
}

fn trimmed(path: &Wide) -> Wide {
    let kept =
        path.units().iter().rposition(|unit| !is_separator(*unit)).map_or(0, |last| last + 1);
    Wide::new(path.units().iter().take(kept).copied().collect())
}

fn contains(root: &Wide, path: &Wide) -> bool {
    let rest = path.units().strip_prefix(root.units());
    rest.is_some_and(|rest| rest.first().is_none_or(|unit| is_separator(*unit)))
}
