//! The usual files, and looks at what is left of them.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use rusty_attachments_model::Manifest;
use rusty_attachments_vfs_projfs::{
    ProjFsError, ProjFsOptions, ProjFsWriteOptions, WritableProjFs,
};

use crate::support::machine::Machine;
use crate::support::manifests::{self, Texts, at_once, files};
use crate::support::programs::{run, sh};

pub(super) const FILES: Texts<'_> = &[
    ("a.txt", "alpha"),
    ("docs/b.txt", "beta"),
    ("docs/deep/c.txt", "gamma"),
    ("edit.me", "before"),
    ("z.txt", "omega"),
];

impl Machine {
    /// A manifest of files whose content is in the store.
    pub(super) fn manifest(&self, texts: Texts<'_>) -> Manifest {
        let files = files(texts);
        manifests::store(self.folder(), &files);
        manifests::manifest(&files, at_once)
    }

    /// A projection of the usual files to the usual place.
    pub(super) fn vfs(&self) -> WritableProjFs {
        self.vfs_of(FILES, &self.root(), &self.cache()).unwrap()
    }

    pub(super) fn vfs_of(
        &self,
        texts: Texts<'_>,
        root: &Path,
        cache: &Path,
    ) -> Result<WritableProjFs, ProjFsError> {
        let options = ProjFsOptions::new(root.to_owned()).with_worker_threads(2);
        let write_options = ProjFsWriteOptions::default().with_cache_dir(cache.to_owned());
        let files = files(texts);
        let store = Arc::new(manifests::store(self.folder(), &files));
        let manifest = manifests::manifest(&files, at_once);
        WritableProjFs::new(&manifest, store, options, write_options)
    }
}

/// Whether a file of the root can be read.
pub(super) fn reads(root: &Path, file: &str) -> bool {
    run(root, &format!("cat {file}")).status.success()
}

/// What is in a folder of ours below, whatever is mounted over it: names and times.
pub(super) fn snapshot(folder: &Path) -> String {
    sh(folder, "find . -printf '%p %y %s %T@\\n' | sort")
}

/// An exclusive look at a lock: whether nobody has it.
pub(super) fn is_free(lock: &Path) -> bool {
    File::open(lock).unwrap().try_lock().is_ok()
}
