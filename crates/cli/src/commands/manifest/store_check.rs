//! Whether a store holds what a manifest refers to: objects expire, and uploads break off.
//!
//! Asks for sizes only, a bounded number of objects at a time.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use rusty_attachments_model::{Content, ContentHash, File, Manifest};
use rusty_attachments_storage::{StorageClient, StorageError, cas};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::json_path;
use crate::app::Context;
use crate::args::StoreArgs;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::store::{StoreSettings, io_runtime, store_error};

/// Questions to the store at a time.
const QUESTIONS_MAX: usize = 64;

/// A store to ask.
#[derive(Debug)]
pub(super) struct StoreCheck {
    runtime: Runtime,
    interrupt: Interrupt,
    client: Arc<dyn StorageClient>,
}

/// An object that is not as the manifest says.
#[derive(Debug, Serialize)]
pub(super) struct Missing {
    path: String,
    hash: String,
    /// Bytes that the manifest states, and that the store has.
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_size: Option<u64>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, hash, size, .. } = self;
        match self.stored_size {
            None => write!(f, "'{path}': object {hash} is not in the store"),
            Some(stored) => {
                write!(f, "'{path}': object {hash} has {stored} bytes in the store, not {size}")
            }
        }
    }
}

impl StoreCheck {
    pub(super) fn open(context: &Context, args: &StoreArgs) -> Result<Self, CliError> {
        let settings = StoreSettings::resolve(&context.config, args)?;
        let runtime = io_runtime()?;
        let interrupt = Interrupt::listen(runtime.handle())?;
        let client = runtime.block_on(interrupt.guard(settings.open()))??;
        Ok(Self { runtime, interrupt, client })
    }

    /// Every object that the store lacks, with one of the files that need it.
    pub(super) fn missing(
        &self,
        context: &Context,
        manifest: &Manifest,
    ) -> Result<Vec<Missing>, CliError> {
        let mut objects = HashMap::new();
        for (path, file) in manifest.files() {
            each_object(&file, |hash, size| {
                objects.entry((hash, size)).or_insert(path);
            });
        }
        let progress = Progress::start(&context.output, "check", objects.len() as u64, 0);
        let asking = stream::iter(objects)
            .map(|((hash, size), path)| async move {
                (path, hash, size, cas::head(self.client.as_ref(), hash).await)
            })
            .buffer_unordered(QUESTIONS_MAX);
        let mut missing = Vec::new();
        let mut collect = std::pin::pin!(asking);
        while let Some((path, hash, size, answer)) =
            self.runtime.block_on(self.interrupt.guard(collect.next()))?
        {
            progress.add_file();
            let stored_size = match answer {
                Ok(info) if info.size == size => continue,
                Ok(info) => Some(info.size),
                Err(StorageError::NotFound { .. }) => None,
                Err(error) => {
                    return Err(store_error(format!("ask the store for '{path}'"), &error));
                }
            };
            let hash = hash.to_string();
            missing.push(Missing { path: json_path(path), hash, size, stored_size });
        }
        missing.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(missing)
    }
}

/// The objects of a file, with their sizes. An empty file needs none to be read.
fn each_object(file: &File<'_>, mut tell: impl FnMut(ContentHash, u64)) {
    match file.content {
        _ if file.size == 0 => {}
        Content::Whole(hash) => tell(hash, file.size),
        Content::Chunked { chunk_size, hashes } => {
            let mut left = file.size;
            for hash in hashes {
                let size = left.min(chunk_size);
                tell(*hash, size);
                left -= size;
            }
        }
    }
}
