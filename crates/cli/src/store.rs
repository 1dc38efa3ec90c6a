//! Which store a command uses, and how its failures are told.

use std::path::PathBuf;
use std::sync::Arc;

use rusty_attachments_storage::{LocalStore, StorageClient, StorageError};
use tokio::runtime::{Builder, Runtime};

use crate::args::StoreArgs;
use crate::config::{self, Config};
use crate::error::CliError;

/// The store's address and how to reach it, from all layers of settings.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    address: String,
    profile: Option<String>,
    region: Option<String>,
    endpoint_url: Option<String>,
}

impl StoreSettings {
    /// Takes flags first, then the environment and the file.
    pub(crate) fn resolve(config: &Config, args: &StoreArgs) -> Result<Self, CliError> {
        let address = config.optional(config::STORE, args.store.clone())?.ok_or_else(|| {
            CliError::environment("open the store", "no store is named").advise(
                "Pass --store s3://bucket/rootPrefix or --store FOLDER, or set 'store' in the \
                 configuration file.",
            )
        })?;
        Ok(Self {
            address,
            profile: config.optional(config::PROFILE, args.profile.clone())?,
            region: config.optional(config::REGION, args.region.clone())?,
            endpoint_url: config.optional(config::ENDPOINT_URL, args.endpoint_url.clone())?,
        })
    }

    /// The address as it was given.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The folder that the store is, if it is one.
    pub(crate) fn local_folder(&self) -> Option<PathBuf> {
        (!self.address.starts_with("s3://")).then(|| PathBuf::from(&self.address))
    }

    /// Opens the store, which must exist.
    pub(crate) async fn open(&self) -> Result<Arc<dyn StorageClient>, CliError> {
        self.open_or(LocalStore::open).await
    }

    /// Opens the store; a folder is made if it is missing.
    pub(crate) async fn open_or_create(&self) -> Result<Arc<dyn StorageClient>, CliError> {
        self.open_or(LocalStore::create).await
    }

    async fn open_or(
        &self,
        open: impl FnOnce(PathBuf) -> Result<LocalStore, StorageError>,
    ) -> Result<Arc<dyn StorageClient>, CliError> {
        let failed = |error| store_error(format!("open the store '{}'", self.address), &error);
        match self.local_folder() {
            Some(folder) => Ok(Arc::new(open(folder).map_err(failed)?)),
            None => Err(CliError::environment("open the store", "no S3 here")),
        }
    }
}

/// A failed call to a store, with what to do about it.
pub(crate) fn store_error(action: impl AsRef<str>, error: &StorageError) -> CliError {
    let failed = CliError::caused(&action, error);
    match error {
        StorageError::Config { reason } => CliError::environment(action, reason)
            .advise("'rusty-attachments doctor --store STORE' checks it step by step."),
        StorageError::AccessDenied { .. } => {
            failed.advise("Check --profile, and that its role may use this bucket and its key.")
        }
        StorageError::Offline { .. } => {
            failed.advise("Check the network, --region and --endpoint-url.")
        }
        StorageError::Throttled { .. } => failed.advise("Try again later."),
        StorageError::Io { out_of_space: true, .. } => failed.advise("Make room on that disk."),
        _ => failed,
    }
}

/// A runtime for commands that talk to a store without mounting it.
pub(crate) fn io_runtime() -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::caused("start the I/O threads", &error))
}
