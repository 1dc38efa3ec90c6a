//! What all tests here stand on: folders, what serves them, what is shown, and programs in them.

pub(crate) mod machine;
pub(crate) mod manifests;
pub(crate) mod programs;
pub(crate) mod projected;

use std::time::Duration;

/// Far longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
