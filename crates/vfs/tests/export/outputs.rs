//! What an export tells, stores and leaves alone.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::UNIX_EPOCH;

use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder, PathBuf,
    PathRef,
};
use rusty_attachments_storage::{LocalStore, Payload, StorageClient, cas};
use rusty_attachments_testkit::rig::noise;
use rusty_attachments_vfs::ContentIdentity;
use rusty_attachments_vfs::changes::{
    ChangeKind, FileStamp, LocalContent, LocalFile, LocalState, NameRule,
};
use rusty_attachments_vfs::export::{
    ExportError, ExportFormat, HELD_BYTES_MAX, ManifestTarget, OutputPlace, OutputSelection,
    SkipReason,
};

use crate::setup::{OLD, Rig, file_entry, identity, place, set_time};

fn paths(manifest: &Manifest) -> Vec<String> {
    manifest.entries().map(|entry| entry.path.to_string()).collect()
}

#[test]
fn new_and_modified_files_are_told_and_stored_whatever_their_names() {
    let mut rig = Rig::new();
    rig.options.threads = 4;
    let large = noise((9 << 20) + 1, 7);
    let files: [(&[u8], &[u8]); 8] = [
        (b"out/.hidden/.sidecar", b"dot"),
        (b"out/empty", b""),
        (b"out/frame.0001.exr", b"frame"),
        (b"out/copy of frame", b"frame"),
        ("out/\u{1F600} caf\u{e9}".as_bytes(), b"emoji"),
        (b"out/bad\xff\xc3\x28.bin", b"not UTF-8"),
        (b"out/large.bin", &large),
        (b"scene/input.ma", b"changed input"),
    ];
    for (name, bytes) in files {
        rig.add(name, bytes);
    }
    rig.note("out", ChangeKind::Added, LocalState::Directory);
    rig.note("scene/gone.ma", ChangeKind::Deleted, LocalState::Deleted);
    let report = rig.export().unwrap();
    assert_eq!(report.skipped, []);
    assert_eq!((report.tally.objects_uploaded, report.tally.objects_present), (7, 0));

    let exported = report.manifest.unwrap();
    let key = "Manifests/farm-1/queue-2/job-3/step-4/task-4-0/\
               2023-11-14T22:13:20.123456Z_sessionaction-5-1/";
    let key = format!("{key}{}_output", ContentHash::of(b"/mnt/job"));
    assert_eq!(exported.keys, std::slice::from_ref(&key));
    let root = [("asset-root".to_owned(), "/mnt/job".to_owned())];
    assert_eq!(rig.memory.metadata(&key).unwrap(), root);
    let stored = rig.object(&key).unwrap();
    assert_eq!(exported.hash, ContentHash::of(&stored));
    let manifest = Manifest::decode_bytes(&stored).unwrap();
    assert_eq!(manifest.format(), Format::V2023);
    assert_eq!(manifest.encode().as_bytes(), stored, "canonical");
    assert_eq!(manifest.len(), files.len());
    for (name, bytes) in files {
        let path = PathBuf::from_unix(name);
        let Some(Entry { kind: EntryKind::File(file), .. }) = manifest.get(path.as_ref()) else {
            panic!("{path} is missing");
        };
        assert_eq!(rig.content(file.content).as_deref(), Some(bytes), "{path}");
        assert_eq!(file.mtime_us, OLD.as_micros() as i64, "{path}");
    }
    rig.check_store();
    let total = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    assert_eq!(*rig.events.begun.lock(), Some((8, total)));
    assert_eq!(rig.events.files.load(Ordering::Relaxed), 8);
    assert_eq!(rig.events.bytes.load(Ordering::Relaxed), total);
}

#[test]
fn an_object_that_memory_does_not_hold_is_staged_and_only_if_it_is_absent() {
    let mut rig = Rig::new();
    let size = HELD_BYTES_MAX + 3;
    let file = rig.write("out/huge", b"");
    let path = rig.root().join("out/huge");
    fs::File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
    rig.note("out/huge", ChangeKind::Unhashed, LocalState::File(file));
    let staging = rig.folder.path().join("staging");
    rig.options.staging = staging.clone();
    let error = rig.export().unwrap_err();
    assert!(matches!(&error, ExportError::Stage { .. }), "{error:?}");
    assert!(error.to_string().contains("staging"), "{error}");
    assert_eq!(rig.counts().puts, 0);

    fs::create_dir(&staging).unwrap();
    let report = rig.export().unwrap();
    assert_eq!(report.tally.bytes_uploaded, size);
    assert_eq!(fs::read_dir(&staging).unwrap().count(), 0, "nothing is left behind");
    rig.check_store();
    fs::remove_dir(&staging).unwrap();
    assert_eq!(rig.export().unwrap().tally.objects_present, 1);
}

#[test]
fn only_selected_folders_are_outputs() {
    let mut rig = Rig::new();
    for name in ["out/a", "out/deep/b", "outside", "out-2/c", "other/d"] {
        rig.add(name, name.as_bytes());
    }
    let folders = ["out".into(), "other/d".into()];
    let selection = OutputSelection::new(&folders, NameRule::Exact);
    rig.options.format = ExportFormat::Outputs(selection);
    let report = rig.export().unwrap();
    assert_eq!(paths(&report.manifest.unwrap().manifest), ["other/d", "out/a", "out/deep/b"]);
    assert_eq!(report.tally.objects_uploaded, 3, "nothing else is stored");
}

#[test]
fn selected_folders_are_found_as_the_volume_finds_names() {
    let upper = |name: PathRef<'_>| name.as_wtf8().to_ascii_uppercase();
    let folders = ["RENDERS/left".into()];
    let mut rig = Rig::new();
    for name in ["Renders/Left/a", "Renders/Left-2/b", "renders/left/c", "Renders/d"] {
        rig.add(name, name.as_bytes());
    }
    for (names, found) in [
        (NameRule::Folded(upper), Some(vec!["Renders/Left/a", "renders/left/c"])),
        (NameRule::Exact, None),
    ] {
        let selection = OutputSelection::new(&folders, names);
        rig.options.format = ExportFormat::Outputs(selection);
        let exported = rig.export().unwrap().manifest;
        let found = found.map(|paths| paths.into_iter().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(exported.map(|exported| paths(&exported.manifest)), found, "{names:?}");
    }
}

#[test]
fn without_changes_there_is_no_manifest() {
    let mut rig = Rig::new();
    rig.note("scene/input.ma", ChangeKind::Deleted, LocalState::Deleted);
    rig.note("empty folder", ChangeKind::Added, LocalState::Directory);
    assert!(rig.export().unwrap().manifest.is_none());
    assert_eq!(rig.counts().puts, 0);
    rig.changes.clear();
    let target = rig.diff_in_chunks_of(4);
    assert!(rig.export().unwrap().manifest.is_none());
    assert!(!target.exists());
}

#[test]
fn the_same_export_again_uploads_nothing_and_names_the_same() {
    let mut rig = Rig::new();
    for index in 0..20 {
        rig.add(format!("out/{index}"), format!("{}", index % 7).as_bytes());
    }
    let first = rig.export().unwrap();
    assert_eq!(first.tally.objects_uploaded, 7, "equal files are one object");
    let puts = rig.counts().puts;
    assert_eq!(puts, 8);
    let second = rig.export().unwrap();
    assert_eq!(rig.counts().puts, puts);
    assert_eq!((second.tally.objects_uploaded, second.tally.objects_present), (0, 7));
    let (first, second) = (first.manifest.unwrap(), second.manifest.unwrap());
    assert_eq!((first.hash, first.keys), (second.hash, second.keys));
}

#[test]
fn what_is_hashed_already_is_not_read_where_the_store_has_it() {
    let mut rig = Rig::new();
    let mut file = rig.write("out/a", b"new bytes");
    // Bytes that the stamp does not tell: whoever read the file would find them.
    let told = b"old bytes";
    let hash = ContentHash::of(told);
    let payload = Payload::Bytes(told.to_vec().into());
    rig.runtime.block_on(rig.memory.put(&cas::object_key(hash), payload)).unwrap();
    file.content = LocalContent::Hashed { chunk_size: 1 << 20, hashes: vec![hash] };
    rig.note("out/a", ChangeKind::Added, LocalState::File(file.clone()));
    let report = rig.export().unwrap();
    assert_eq!((report.tally.objects_present, report.tally.objects_uploaded), (1, 0));
    let manifest = report.manifest.unwrap().manifest;
    let kind = manifest.get("out/a".into()).unwrap().kind;
    assert!(matches!(kind, EntryKind::File(File { content: Content::Whole(h), .. }) if h == hash));

    // With another stamp the hashes say nothing.
    set_time(&rig.root().join("out/a"), UNIX_EPOCH);
    let report = rig.export().unwrap();
    let manifest = report.manifest.unwrap().manifest;
    let EntryKind::File(file) = manifest.get("out/a".into()).unwrap().kind else { panic!() };
    assert_eq!(rig.content(file.content).unwrap(), b"new bytes");
    assert_eq!(file.mtime_us, 0);
}

#[test]
fn hashes_are_reported_once_nobody_can_write_under_the_same_stamp() {
    let mut rig = Rig::new();
    rig.add("out/old", b"old");
    rig.add("out/fresh", b"fresh");
    let now = std::time::SystemTime::now();
    set_time(&rig.root().join("out/fresh"), now);
    rig.export().unwrap();
    let hashed = rig.events.hashed.lock();
    let [(path, stamp, content)] = hashed.as_slice() else { panic!("{hashed:?}") };
    assert_eq!(path.to_string(), "out/old");
    assert_eq!(stamp.mtime_us(), OLD.as_micros() as i64);
    let hashes = vec![ContentHash::of(b"old")];
    assert_eq!(*content, LocalContent::Hashed { chunk_size: 0, hashes });
}

fn renamed(rig: &Rig, bytes: &[u8]) -> LocalFile {
    let stamp = FileStamp { size: bytes.len() as u64, mtime_ns: 5_000_999 };
    let content = LocalContent::Base(identity(bytes));
    let renamed_from = Some("scene/input.ma".into());
    let _ = rig;
    LocalFile { stamp, executable: None, content, renamed_from, derived_from: None }
}

#[test]
fn a_renamed_file_is_not_read_unless_the_store_lost_it() {
    let mut rig = Rig::new();
    let from = "scene/input.ma".into();
    let state = LocalState::File(renamed(&rig, b"input"));
    rig.note("out/renamed", ChangeKind::Renamed { from }, state);
    // Not even under its current key: an old uploader stored it.
    let legacy = cas::legacy_object_key(ContentHash::of(b"input"));
    rig.runtime
        .block_on(rig.memory.put(&legacy, Payload::Bytes(b"input".to_vec().into())))
        .unwrap();
    let report = rig.export().unwrap();
    assert_eq!(rig.files.opens.load(Ordering::Relaxed), 0);
    let manifest = report.manifest.unwrap().manifest;
    let EntryKind::File(file) = manifest.get("out/renamed".into()).unwrap().kind else { panic!() };
    assert_eq!((file.content, file.mtime_us), (Content::Whole(ContentHash::of(b"input")), 5000));

    let mut rig = Rig::new();
    let state = LocalState::File(renamed(&rig, b"input"));
    rig.write("out/renamed", b"input");
    rig.note("out/renamed", ChangeKind::Renamed { from: "scene/input.ma".into() }, state);
    assert_eq!(rig.export().unwrap().tally.objects_uploaded, 1);
    rig.check_store();
}

#[test]
fn an_unhashed_file_with_the_bases_bytes_is_no_change() {
    let mut rig = Rig::new();
    let file = rig.write("scene/input.ma", b"input");
    rig.note("scene/input.ma", ChangeKind::Unhashed, LocalState::File(file));
    assert!(rig.export().unwrap().manifest.is_none());
    rig.diff_in_chunks_of(2);
    assert!(rig.export().unwrap().manifest.is_none(), "though a diff would chunk it");
    fs::write(rig.root().join("scene/input.ma"), "inpuT").unwrap();
    assert!(rig.export().unwrap().manifest.is_some());
}

/// A v2025 base with a file in chunks of four bytes.
fn chunked_base(rig: &mut Rig, bytes: &[u8]) -> Vec<ContentHash> {
    let hashes: Vec<_> = bytes.chunks(4).map(ContentHash::of).collect();
    let mut builder = ManifestBuilder::new(Format::SNAPSHOT_2025).with_chunk_size(4);
    let content = Content::Chunked { chunk_size: 4, hashes: &hashes };
    let file = File { size: bytes.len() as u64, mtime_us: 1, runnable: true, content };
    builder.push(Entry { path: "big".into(), kind: EntryKind::File(file) }).unwrap();
    rig.base = builder.build().unwrap();
    hashes
}

#[test]
fn chunks_of_the_base_are_compared_as_chunks_and_told_as_the_format_can() {
    let mut rig = Rig::new();
    chunked_base(&mut rig, b"0123456789");
    let file = rig.write("big", b"0123456789");
    rig.note("big", ChangeKind::Unhashed, LocalState::File(file.clone()));
    assert!(rig.export().unwrap().manifest.is_none(), "v2023 hashes it whole, and yet sees it");
    assert_eq!((rig.counts().puts, rig.events.hashed.lock().len()), (0, 0));

    // Made executable: only a diff can tell.
    rig.changes.clear();
    let bit = LocalFile { executable: Some(false), ..file.clone() };
    rig.note("big", ChangeKind::Unhashed, LocalState::File(bit));
    assert!(rig.export().unwrap().manifest.is_none());
    rig.diff_in_chunks_of(1 << 20);
    let diff = rig.export().unwrap().manifest.unwrap().manifest;
    let EntryKind::File(told) = diff.get("big".into()).unwrap().kind else { panic!() };
    assert!(!told.runnable);
    assert_eq!(diff.chunk_size(), Some(4), "the base's, not ours");

    // Renamed: a diff takes the chunks as they are, a v2023 manifest needs it whole.
    rig.changes.clear();
    let content = Content::Chunked {
        chunk_size: 4,
        hashes: &b"0123456789".chunks(4).map(ContentHash::of).collect::<Vec<_>>(),
    };
    let moved = LocalFile {
        content: LocalContent::Base(ContentIdentity::of(10, content)),
        renamed_from: Some("big".into()),
        ..rig.write("moved", b"0123456789")
    };
    rig.note("moved", ChangeKind::Renamed { from: "big".into() }, LocalState::File(moved));
    let opens = rig.files.opens.load(Ordering::Relaxed);
    let diff = rig.export().unwrap().manifest.unwrap().manifest;
    assert_eq!(rig.files.opens.load(Ordering::Relaxed), opens, "its chunks are stored");
    let EntryKind::File(told) = diff.get("moved".into()).unwrap().kind else { panic!() };
    assert!(told.runnable, "the old path's bit counts");
    assert_eq!(told.content, content);
    assert_eq!(diff.get("big".into()).unwrap().kind, EntryKind::DeletedFile);
    rig.options.format = ExportFormat::Outputs(OutputSelection::default());
    let outputs = rig.export().unwrap().manifest.unwrap().manifest;
    let EntryKind::File(told) = outputs.get("moved".into()).unwrap().kind else { panic!() };
    assert_eq!(told.content, Content::Whole(ContentHash::of(b"0123456789")));
    assert_eq!(rig.content(told.content).unwrap(), b"0123456789");
}

#[test]
fn large_files_of_a_diff_are_stored_in_chunks() {
    let mut rig = Rig::new();
    rig.add("large", b"0123456789");
    rig.add("small", b"0123");
    let target = rig.diff_in_chunks_of(4);
    let report = rig.export().unwrap();
    assert_eq!(report.tally.objects_uploaded, 3, "0123 is a chunk and a file");
    let exported = report.manifest.unwrap();
    let written = fs::read(&target).unwrap();
    assert_eq!((exported.files, exported.keys), (vec![target], vec![]));
    assert_eq!(ContentHash::of(&written), exported.hash);
    let diff = Manifest::decode_bytes(&written).unwrap();
    assert_eq!(diff.parent_hash(), Some(rig.base.hash()));
    let EntryKind::File(file) = diff.get("large".into()).unwrap().kind else { panic!() };
    assert!(
        matches!(file.content, Content::Chunked { chunk_size: 4, hashes } if hashes.len() == 3)
    );
    assert_eq!(rig.content(file.content).unwrap(), b"0123456789");
}

#[test]
fn links_stand_for_the_files_of_the_job_that_they_lead_to() {
    let mut rig = Rig::new();
    let input = cas::object_key(ContentHash::of(b"input"));
    rig.runtime.block_on(rig.memory.put(&input, Payload::Bytes(b"input".to_vec().into()))).unwrap();
    rig.add("out/new", b"new");
    rig.note("out/folder", ChangeKind::Added, LocalState::Directory);
    let links = [
        ("out/to new", "./new"),
        ("out/to input", "../scene/input.ma"),
        ("out/to link", "to new"),
        ("out/through", "scenes/input.ma"),
        ("out/scenes", "../scene"),
        ("out/dangling", "nowhere"),
        ("out/folder link", "folder"),
        ("out/absolute", "/etc/passwd"),
        ("out/above", "../../etc/passwd"),
        ("out/root", ".."),
        ("out/circle", "circle"),
    ];
    for (path, target) in links {
        let target = target.as_bytes().to_vec();
        rig.note(path, ChangeKind::Added, LocalState::Symlink { target });
    }
    let report = rig.export().unwrap();
    let manifest = report.manifest.unwrap().manifest;
    for (path, bytes) in [
        ("out/to new", "new"),
        ("out/to link", "new"),
        ("out/to input", "input"),
        ("out/through", "input"),
    ] {
        let Some(EntryKind::File(file)) = manifest.get(path.into()).map(|entry| entry.kind) else {
            panic!("{path} is missing: {:?}", paths(&manifest));
        };
        assert_eq!(rig.content(file.content).unwrap(), bytes.as_bytes(), "{path}");
    }
    assert_eq!(manifest.len(), 5);
    let mut skipped: Vec<_> =
        report.skipped.iter().map(|skipped| (skipped.path.to_string(), skipped.reason)).collect();
    skipped.sort_by(|a, b| a.0.cmp(&b.0));
    let (leaves, no_file) = (SkipReason::LinkLeavesRoot, SkipReason::LinkToNoFile);
    let expected = [
        ("out/above", leaves),
        ("out/absolute", leaves),
        ("out/circle", no_file),
        ("out/dangling", no_file),
        ("out/folder link", no_file),
        ("out/root", leaves),
        ("out/scenes", no_file),
    ];
    assert_eq!(skipped, expected.map(|(path, reason)| (path.to_owned(), reason)));
}

#[test]
fn a_link_that_took_a_files_place_is_not_followed() {
    let mut rig = Rig::new();
    rig.add("out/secret", b"x");
    fs::remove_file(rig.root().join("out/secret")).unwrap();
    symlink("/etc/hostname", rig.root().join("out/secret")).unwrap();
    let error = rig.export().unwrap_err();
    assert!(matches!(&error, ExportError::Read { .. }), "{error:?}");
    assert!(error.to_string().contains("out/secret"), "{error}");
    assert_eq!(rig.counts().puts, 0);
}

#[test]
fn a_file_that_is_gone_by_now_is_skipped_and_told_as_deleted() {
    let mut rig = Rig::new();
    rig.add("out/stays", b"stays");
    rig.add("out/temporary", b"x");
    rig.add("scene/input.ma", b"changed");
    rig.note("out/link", ChangeKind::Added, LocalState::Symlink { target: b"temporary".to_vec() });
    fs::remove_file(rig.root().join("out/temporary")).unwrap();
    fs::remove_file(rig.root().join("scene/input.ma")).unwrap();
    let report = rig.export().unwrap();
    assert_eq!(paths(&report.manifest.unwrap().manifest), ["out/stays"]);
    assert_eq!(report.skipped.len(), 3, "{:?}", report.skipped);
    rig.diff_in_chunks_of(4);
    let diff = rig.export().unwrap().manifest.unwrap().manifest;
    assert_eq!(diff.get("scene/input.ma".into()).unwrap().kind, EntryKind::DeletedFile);
    assert!(diff.get("out/temporary".into()).is_none());
}

#[test]
fn wrong_places_show_before_anything_is_uploaded() {
    let mut rig = Rig::new();
    rig.add("out/a", b"a");
    let unfit = OutputPlace { job: "a/b".to_owned(), ..place() };
    rig.options.targets = vec![ManifestTarget::Queue(unfit)];
    let error = rig.export().unwrap_err();
    assert!(matches!(&error, ExportError::Place { .. }), "{error:?}");
    rig.diff_in_chunks_of(4);
    rig.options.targets = vec![ManifestTarget::Queue(place())];
    let error = rig.export().unwrap_err();
    assert!(error.to_string().contains("official tools read no v2025 diff"), "{error}");
    assert_eq!((rig.counts().heads, rig.counts().puts), (0, 0));
}

#[test]
fn a_folder_is_a_store_to_export_to() {
    let mut rig = Rig::new();
    rig.add("out/a", b"a");
    let folder = rig.folder.path().join("store");
    let store = LocalStore::create(&folder).unwrap();
    let report = rig.export_to(Arc::new(store), rig.runtime.handle().clone()).unwrap();
    let key = report.manifest.unwrap().keys.pop().unwrap();
    assert!(folder.join(key).is_file());
    assert_eq!(fs::read(folder.join(cas::object_key(ContentHash::of(b"a")))).unwrap(), b"a");
}

#[test]
fn the_execute_bit_is_the_notes_or_the_bases() {
    let mut rig = Rig::new();
    let mut builder = ManifestBuilder::new(Format::SNAPSHOT_2025);
    builder.push(file_entry("tool", b"#!", true)).unwrap();
    rig.base = builder.build().unwrap();
    let file = rig.write("tool", b"#!changed");
    rig.note("tool", ChangeKind::Modified, LocalState::File(file.clone()));
    let other = LocalFile { executable: Some(true), ..rig.write("other", b"other") };
    rig.note("other", ChangeKind::Added, LocalState::File(other));
    rig.add("plain", b"plain");
    rig.diff_in_chunks_of(100);
    let diff = rig.export().unwrap().manifest.unwrap().manifest;
    let runnable = |path: &str| match diff.get(PathRef::from(path)).unwrap().kind {
        EntryKind::File(file) => file.runnable,
        kind => panic!("{kind:?}"),
    };
    assert!(runnable("tool") && runnable("other") && !runnable("plain"));
    let name = std::ffi::OsStr::from_bytes(b"tool");
    assert!(rig.root().join(name).exists());
}
