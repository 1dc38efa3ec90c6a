//! Which store a command uses, and how its failures are told.

use std::path::Path;
use std::sync::Arc;

use rusty_attachments_storage::{
    OpenOptions, StorageClient, StorageError, StoreUrl, StoreUrlError, open_store,
};
use tokio::runtime::{Builder, Runtime};

use crate::args::StoreArgs;
use crate::config::{self, Config};
use crate::error::CliError;
use crate::files::absolute;

/// The store's address and how to reach it, from all layers of settings.
#[derive(Clone, Debug)]
pub(crate) struct StoreSettings {
    url: StoreUrl,
    options: OpenOptions,
}

impl StoreSettings {
    /// Takes flags first, then the environment and the file.
    pub(crate) fn resolve(config: &Config, args: &StoreArgs) -> Result<Self, CliError> {
        let name = config.optional(config::STORE, args.store.clone())?.ok_or_else(|| {
            CliError::environment("open the store", "no store is named").advise(
                "Pass --store s3://bucket/rootPrefix or --store FOLDER, or set 'store' in the \
                 configuration file.",
            )
        })?;
        let url: StoreUrl = name
            .parse()
            .map_err(|error: StoreUrlError| CliError::usage("open the store", error.to_string()))?;
        // A mount in the background leaves the working folder.
        let url = match url {
            StoreUrl::Folder(folder) => StoreUrl::Folder(absolute(&folder)?),
            bucket @ StoreUrl::S3 { .. } => bucket,
        };
        let options = OpenOptions {
            profile: config.optional(config::PROFILE, args.profile.clone())?,
            region: config.optional(config::REGION, args.region.clone())?,
            endpoint: config.optional(config::ENDPOINT_URL, args.endpoint_url.clone())?,
            ..OpenOptions::default()
        };
        Ok(Self { url, options })
    }

    /// The store's name.
    pub(crate) const fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// The folder that the store is, if it is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.url.folder()
    }

    /// The same store, made when it is opened if it is a folder that does not exist.
    #[must_use]
    pub(crate) fn creating(mut self) -> Self {
        self.options.create = true;
        self
    }

    /// Opens the store.
    pub(crate) async fn open(&self) -> Result<Arc<dyn StorageClient>, CliError> {
        let opened = self.try_open().await;
        opened.map_err(|error| store_error(format!("open the store '{}'", self.url), &error))
    }

    /// The same with the store's own error.
    pub(crate) async fn try_open(&self) -> Result<Arc<dyn StorageClient>, StorageError> {
        open_store(&self.url, &self.options).await
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
