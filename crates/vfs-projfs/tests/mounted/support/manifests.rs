//! Manifests of a few texts, and a store that has them.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder,
};
use rusty_attachments_storage::{LocalStore, Payload, StorageClient, cas};
use rusty_attachments_testkit::rig::block_on;

/// Paths with slashes, and texts.
pub(crate) type Texts<'a> = &'a [(&'a str, &'a str)];

/// The same, to be kept.
pub(crate) type Files = BTreeMap<String, String>;

pub(crate) fn files(texts: Texts<'_>) -> Files {
    texts.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

/// When a path with a text was written last, in microseconds.
pub(crate) type Mtime = fn(&str, &str) -> i64;

/// One time for all: only the content tells texts apart.
pub(crate) fn at_once(_: &str, _: &str) -> i64 {
    1
}

/// Another time for each text and place, as real files have.
pub(crate) fn one_by_one(path: &str, text: &str) -> i64 {
    let hash = ContentHash::of([path, "\0", text].concat().as_bytes());
    let bytes = hash.as_bytes();
    1_700_000_000_000_000 + i64::from(u16::from_le_bytes([bytes[0], bytes[1]])) * 5_000_000
}

pub(crate) fn manifest(files: &Files, mtime_us: Mtime) -> Manifest {
    let mut builder = ManifestBuilder::new(Format::V2023);
    for (path, text) in files {
        let kind = EntryKind::File(File {
            size: text.len() as u64,
            mtime_us: mtime_us(path, text),
            runnable: false,
            content: Content::Whole(ContentHash::of(text.as_bytes())),
        });
        builder.push(Entry { path: path.as_str().into(), kind }).unwrap();
    }
    builder.build().unwrap()
}

/// The store in a folder, with the content of these files.
pub(crate) fn store(folder: &Path, files: &Files) -> LocalStore {
    let store = LocalStore::create(folder.join("store")).unwrap();
    for text in files.values() {
        let payload = Payload::Bytes(Bytes::from(text.clone().into_bytes()));
        block_on(store.put(&cas::object_key(ContentHash::of(text.as_bytes())), payload)).unwrap();
    }
    store
}
