//! What the fuzz targets do with their input. `tests/fuzz.rs` runs the same code on every build.

use rusty_attachments_model::{
    Content, ContentHash, EntryKind, Kind, Manifest, PathRef, PathStyle, UnnamedParent,
};

/// Decodes, and checks what everyone who uses a manifest relies on.
pub(crate) fn decode(bytes: &[u8]) {
    let Ok(manifest) = Manifest::decode_bytes(bytes) else { return };
    let entries: Vec<_> = manifest.entries().collect();
    assert!(entries.is_sorted_by(|a, b| a.path.cmp_utf16(b.path).is_lt()), "sorted, all different");
    for entry in &entries {
        assert_safe(entry.path, manifest.style());
        assert_eq!(manifest.get(entry.path).as_ref(), Some(entry));
        match entry.kind {
            EntryKind::Symlink { target } => assert_safe(target, manifest.style()),
            EntryKind::File(file) => {
                assert!(i64::try_from(file.size).is_ok());
                if let Content::Chunked { chunk_size, hashes } = file.content {
                    assert_eq!(file.size.div_ceil(chunk_size), hashes.len() as u64);
                }
            }
            EntryKind::DeletedFile | EntryKind::DeletedDirectory => {
                assert_eq!(manifest.kind(), Kind::Diff);
            }
            EntryKind::Directory => {}
        }
    }
    assert!(i64::try_from(manifest.total_file_bytes()).is_ok());
    assert_eq!(manifest.check_tree(), Ok(()));
    let alone = manifest.kind() == Kind::Snapshot && manifest.style() == PathStyle::Relative;
    assert_eq!(manifest.ensure_mountable().is_ok(), alone);
}

/// Encodes what decodes, and decodes that again.
pub(crate) fn round_trip(bytes: &[u8]) {
    let Ok(manifest) = Manifest::decode_bytes(bytes) else { return };
    let text = manifest.encode();
    assert!(text.bytes().all(|byte| (0x20..0x7F).contains(&byte)), "printable ASCII");
    let again = Manifest::decode(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(again.encode(), text);
    // Encoding names every folder; nothing else changes.
    let others = |manifest: &Manifest| -> Vec<String> {
        let entries = manifest.entries().filter(|entry| entry.kind != EntryKind::Directory);
        entries.map(|entry| format!("{entry:?}")).collect()
    };
    assert_eq!(others(&again), others(&manifest));
    if manifest.kind() == Kind::Snapshot {
        let hash = manifest.hash();
        let diff = manifest.diff(&again, hash).expect("the same format");
        assert!(diff.entries().all(|entry| entry.kind == EntryKind::Directory), "{diff:?}");
        let composed = manifest.compose(hash, &diff, UnnamedParent::Refuse).expect("its own diff");
        assert_eq!(others(&composed), others(&manifest));
        let _ = manifest.to_v2023();
    } else {
        let empty = Manifest::decode(&text.replace("-diff-", "-snapshot-"));
        let _ = empty
            .and_then(|empty| empty.compose(ContentHash::EMPTY, &manifest, UnnamedParent::Accept));
    }
}

fn assert_safe(path: PathRef<'_>, style: PathStyle) {
    let bytes = path.as_wtf8();
    assert!(path.is_well_formed());
    assert!(!bytes.contains(&0));
    let inner = match style {
        PathStyle::Relative => bytes,
        PathStyle::Absolute => bytes.strip_prefix(b"/").unwrap_or(bytes),
    };
    for component in inner.split(|&byte| byte == b'/') {
        assert!(!matches!(component, b"" | b"." | b".."), "{path}");
    }
}
