//! A fresh root on an emulator in this process, and the provider that projects into it.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use rusty_attachments_model::Manifest;
use rusty_attachments_storage::StorageClient;
use rusty_attachments_vfs_projfs::emulator::Emulator;
use rusty_attachments_vfs_projfs::{ProjFsOptions, ProjFsWriteOptions, WritableProjFs};

use crate::null_provider::{NullProvider, NullTree};

/// Threads of each provider, all of which may be active: what [`ProjFsOptions`] takes on a machine
/// of two processors.
pub(crate) const THREADS: u32 = 5;

/// Who answers.
pub(crate) enum Provider<'a> {
    Ours(&'a Manifest, &'a Arc<dyn StorageClient>),
    Null(&'a Arc<NullTree>),
}

/// A root that is projected into until this is dropped. Nothing of it is on disk at first.
pub(crate) struct Root {
    pub(crate) path: PathBuf,
    // In the order in which they end.
    _provider: Box<dyn Any>,
    _emulator: Emulator,
    _folder: tempfile::TempDir,
}

impl Root {
    pub(crate) fn start(provider: &Provider<'_>) -> Self {
        let folder = tempfile::Builder::new().prefix("front-end-").tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("root");
        std::fs::create_dir(&path).unwrap();
        let emulator = Emulator::serve(&path).unwrap();
        let running: Box<dyn Any> = match provider {
            Provider::Ours(manifest, store) => {
                let mut options = ProjFsOptions::new(path.clone());
                (options.pool_threads, options.concurrent_threads) = (THREADS, THREADS);
                let state = folder.path().join("state");
                let write_options = ProjFsWriteOptions::default().with_cache_dir(state);
                let vfs = WritableProjFs::new(manifest, Arc::clone(store), options, write_options);
                let vfs = vfs.unwrap();
                vfs.start().unwrap();
                Box::new(vfs)
            }
            Provider::Null(tree) => {
                Box::new(NullProvider::start(path.to_str().unwrap(), tree).unwrap())
            }
        };
        Self { path, _provider: running, _emulator: emulator, _folder: folder }
    }
}
