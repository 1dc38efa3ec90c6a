//! Projections of what manifests are decoded to.

use rusty_attachments_model::{
    Content, ContentHash, Entry as ManifestEntry, EntryKind, File, Format, ManifestBuilder, PathRef,
};
use rusty_attachments_storage::MemoryStore;
use rusty_attachments_testkit::rig::{Rig, quiet};
use rusty_attachments_vfs::ContentIdentity;

use super::*;

fn file(content: Content<'_>, size: u64) -> EntryKind<'_> {
    EntryKind::File(File { size, mtime_us: 1_700_000_000_000_000, runnable: false, content })
}

fn rig(format: Format, entries: &[(&[u8], EntryKind<'_>)]) -> Rig {
    let mut builder = ManifestBuilder::new(format);
    for &(path, kind) in entries {
        builder.push(ManifestEntry { path: PathRef::from_wtf8(path), kind }).unwrap();
    }
    Rig::new(&builder.build().unwrap(), Arc::new(MemoryStore::new()), quiet(1 << 20))
}

fn projection(rig: &Rig) -> ManifestProjection {
    ManifestProjection::new(rig.volume.clone(), ProjectionOptions::default()).unwrap()
}

#[test]
fn folders_and_links_of_newer_manifests_are_shown() {
    let whole = Content::Whole(ContentHash::of(b"x"));
    let link = |target: &'static str| EntryKind::Symlink { target: target.into() };
    let rig = rig(
        Format::SNAPSHOT_2025,
        &[
            (b"out/empty", EntryKind::Directory),
            (b"scene/file", file(whole, 1)),
            (b"out/to_file", link("scene/file")),
            (b"to_folder", link("scene")),
        ],
    );
    let projection = projection(&rig);
    assert_eq!(
        paths(&projection),
        ["out/", "scene/", "to_folder", "scene/file", "out/empty/", "out/to_file"]
    );
    assert!(projection.report().is_clean());
    assert_eq!(listing(&projection, "out\\EMPTY").len(), 0);
    let kind = |path| at(&projection, path).unwrap().kind.clone();
    let link = |target: &str, directory| ProjectedKind::Symlink {
        target: units(target).into(),
        directory,
    };
    assert_eq!(kind("out\\to_file"), link("..\\scene\\file", false));
    assert_eq!(kind("to_folder"), link("scene", true));
}

#[test]
fn files_tell_their_content_whole_or_in_chunks() {
    let hashes = [ContentHash::of(b"1"), ContentHash::of(b"2")];
    let size = (256 << 20) + 1;
    let chunked = Content::Chunked { chunk_size: 256 << 20, hashes: &hashes };
    let whole = Content::Whole(ContentHash::of(b"x"));
    let rig =
        rig(Format::SNAPSHOT_2025, &[(b"big", file(chunked, size)), (b"small", file(whole, 1))]);
    let projection = projection(&rig);
    let content = |path| at(&projection, path).unwrap().content;
    assert_eq!(content("big"), Some(ContentIdentity::of(size, chunked)));
    assert_eq!(content("small"), Some(ContentIdentity::of(1, whole)));
    assert_eq!(at(&projection, "big").unwrap().size, size);
}

/// Predecessor A31: unpaired surrogates became '?', so files of one folder had one path.
#[test]
fn unpaired_surrogates_pass_unharmed() {
    let whole = file(Content::Whole(ContentHash::of(b"x")), 1);
    let rig = rig(
        Format::V2023,
        &[
            (b"\xed\xa0\xbd.txt", whole),
            (b"\xed\xb2\x80.txt", whole),
            ("\u{1F600}.txt".as_bytes(), whole),
        ],
    );
    let projection = projection(&rig);
    let listed: Vec<Vec<u16>> =
        listing(&projection, "").iter().map(|entry| entry.name.to_vec()).collect();
    let txt = |units: &[u16]| [units, &self::units(".txt")].concat();
    assert_eq!(listed, [txt(&[0xD83D]), txt(&[0xD83D, 0xDE00]), txt(&[0xDC80])]);
    for name in listed {
        let upper = [&name[..name.len() - 4], &self::units(".TXT")].concat();
        assert_eq!(projection.find(&upper).unwrap().unwrap().path, name);
    }
    assert!(projection.report().is_clean());
}
