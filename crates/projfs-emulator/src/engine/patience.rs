//! How long a provider's own calls wait for what an operation holds: that operation may be waiting
//! for the same provider, which would never end (projfs.md L8).

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::root::Root;
use crate::contract::{HResult, Result};

/// The longest that a provider's call waits.
const PATIENCE: Duration = Duration::from_secs(10);

impl Root {
    /// Waits for something that an operation holds, for ten seconds.
    ///
    /// # Errors
    /// SHARING_VIOLATION after that.
    pub(super) async fn patiently<T>(&self, wait: impl Future<Output = T>) -> Result<T> {
        match select(pin!(wait), self.shared.runtime.sleep(PATIENCE)).await {
            Either::Left((had, _)) => Ok(had),
            Either::Right(_) => Err(HResult::SHARING_VIOLATION),
        }
    }
}
