//! What is projected: files with their bytes, as a manifest and in a store.

use bytes::Bytes;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder,
};
use rusty_attachments_storage::{Payload, StorageClient, cas};
use rusty_attachments_testkit::rig::{block_on, noise};

/// Paths with slashes, and what is in the files.
pub(crate) struct Job {
    pub(crate) files: Vec<(String, Bytes)>,
}

impl Job {
    /// Files of one byte.
    pub(crate) fn of_names(names: impl Iterator<Item = String>) -> Self {
        Self { files: names.map(|name| (name, Bytes::from_static(b"x"))).collect() }
    }

    /// Files of so many bytes, each another content.
    pub(crate) fn of_bytes(names: impl Iterator<Item = String>, bytes: usize) -> Self {
        let file = |(seed, name)| (name, noise(bytes, seed).into());
        Self { files: (1..).zip(names).map(file).collect() }
    }

    pub(crate) fn manifest(&self) -> Manifest {
        let mut builder = ManifestBuilder::new(Format::V2023);
        for (path, bytes) in &self.files {
            let content = Content::Whole(ContentHash::of(bytes));
            let size = bytes.len() as u64;
            let file = File { size, mtime_us: 1, runnable: false, content };
            let entry = Entry { path: path.as_str().into(), kind: EntryKind::File(file) };
            builder.push(entry).unwrap();
        }
        builder.build().unwrap()
    }

    pub(crate) fn fill(&self, store: &dyn StorageClient) {
        block_on(async {
            for (_, bytes) in &self.files {
                let key = cas::object_key(ContentHash::of(bytes));
                store.put(&key, Payload::Bytes(bytes.clone())).await.unwrap();
            }
        });
    }

    pub(crate) fn bytes(&self) -> usize {
        self.files.iter().map(|(_, bytes)| bytes.len()).sum()
    }
}
