use rusty_attachments_model::{ContentHash, Entry, EntryKind, Format, Manifest, ManifestBuilder};
use tempfile::TempDir;

use super::*;

fn cache() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn manifest(file: &str) -> Manifest {
    let text = format!(
        r#"{{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[
            {{"hash":"99aa06d3014798d86001c324468d497f","mtime":0,"path":"{file}","size":0}}
        ],"totalSize":0}}"#
    );
    Manifest::decode(&text).unwrap()
}

fn first_path(manifest: &Manifest) -> String {
    manifest.entries().next().unwrap().path.to_string()
}

#[test]
fn m2_a_root_keeps_its_identity_and_others_have_others() {
    let cache = cache();
    let begin = |root: &str| {
        let mut state = RootState::open(cache.path(), Path::new(root)).unwrap();
        let was_known = state.is_known();
        state.keep();
        (state.instance_id(), was_known)
    };
    let (first, was_known) = begin("/jobs/one");
    assert!(!was_known);
    assert_eq!(begin("/jobs/one"), (first, true));
    assert_ne!(begin("/jobs/two").0, first);
    assert_ne!(first, 0);
}

#[test]
fn an_identity_that_marked_nothing_is_forgotten() {
    let cache = cache();
    let root = Path::new("/jobs/one");
    drop(RootState::open(cache.path(), root).unwrap());
    assert!(!RootState::open(cache.path(), root).unwrap().is_known());
    assert!(other_roots(cache.path(), Path::new("/jobs")).is_empty());
}

#[test]
fn a_root_is_locked_while_its_state_is_open() {
    let cache = cache();
    let root = Path::new("/jobs/one");
    let state = RootState::open(cache.path(), root).unwrap();
    let refused = RootState::open(cache.path(), root).unwrap_err().to_string();
    assert!(refused.contains("/jobs/one") && refused.contains("started already"), "{refused}");
    RootState::open(cache.path(), Path::new("/jobs/two")).unwrap();
    drop(state);
    RootState::open(cache.path(), root).unwrap();
}

#[test]
fn a_root_is_free_after_its_stop_though_a_starting_process_has_a_copy_of_the_lock() {
    let cache = cache();
    let root = Path::new("/jobs/one");
    let state = RootState::open(cache.path(), root).unwrap();
    let copy = state.lock.try_clone().unwrap();
    drop(state);
    RootState::open(cache.path(), root).unwrap();
    drop(copy);
}

#[test]
fn other_roots_are_known() {
    let cache = cache();
    for root in ["/jobs/one", "/jobs/two"] {
        RootState::open(cache.path(), Path::new(root)).unwrap().keep();
    }
    assert_eq!(other_roots(cache.path(), Path::new("/jobs/one")), [PathBuf::from("/jobs/two")]);
    assert!(other_roots(&cache.path().join("none"), Path::new("/")).is_empty());
}

#[test]
fn a_damaged_record_is_refused_by_name() {
    let cache = cache();
    let root = Path::new("/jobs/one");
    let mut state = RootState::open(cache.path(), root).unwrap();
    state.keep();
    let record = Record::path(&state.folder);
    drop(state);
    for damage in ["", "{}", "{\"schema\":1}", "\u{0}"] {
        fs::write(&record, damage).unwrap();
        let refused = RootState::open(cache.path(), root).unwrap_err().to_string();
        assert!(refused.contains(record.to_str().unwrap()), "{refused}");
        assert!(refused.contains("delete"), "{refused}");
        assert_eq!(fs::read_to_string(&record).unwrap(), damage, "it must not be overwritten");
    }
    let newer = r#"{"schema":"rusty-attachments/projfs-root/2","root":"/jobs/one",
        "instance":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#;
    fs::write(&record, newer).unwrap();
    let refused = RootState::open(cache.path(), root).unwrap_err().to_string();
    assert!(refused.contains("another version"), "{refused}");
}

#[test]
fn manifests_stay_noted_until_the_disk_is_up_to_date() {
    let cache = cache();
    let open = || RootState::open(cache.path(), Path::new("/jobs/one")).unwrap();
    let (a, b, c) = (manifest("a"), manifest("b"), manifest("c"));
    let names = |showing: &Showing| {
        let mut names: Vec<_> = showing.before.iter().map(first_path).collect();
        names.sort();
        names
    };
    assert!(names(&open().shown().begin(&a).unwrap()).is_empty());
    // Killed on the way from one to another, twice: placeholders may be of all three.
    assert_eq!(names(&open().shown().begin(&b).unwrap()), ["a"]);
    let state = open();
    let showing = state.shown().begin(&c).unwrap();
    assert_eq!(names(&showing), ["a", "b"]);
    state.shown().settle(&showing).unwrap();
    drop(state);
    assert!(names(&open().shown().begin(&c).unwrap()).is_empty());
    assert_eq!(names(&open().shown().begin(&a).unwrap()), ["c"]);
}

#[test]
fn manifests_that_could_not_be_replaced_are_bounded() {
    let cache = cache();
    let state = RootState::open(cache.path(), Path::new("/jobs/one")).unwrap();
    for number in 0..40 {
        let showing = state.shown().begin(&manifest(&format!("f{number}"))).unwrap();
        assert!(showing.before.len() <= 16, "{}", showing.before.len());
    }
}

#[test]
fn manifests_of_2025_are_kept_whole() {
    let cache = cache();
    let state = RootState::open(cache.path(), Path::new("/jobs/one")).unwrap();
    let mut builder = ManifestBuilder::new(Format::SNAPSHOT_2025);
    let empty = Entry { path: "empty".into(), kind: EntryKind::Directory };
    builder.push(empty).unwrap();
    let before = builder.build().unwrap();
    state.shown().begin(&before).unwrap();
    let showing = state.shown().begin(&manifest("a")).unwrap();
    assert_eq!(showing.before[0].encode(), before.encode());
}

#[test]
fn a_damaged_manifest_is_refused_by_name() {
    let cache = cache();
    let state = RootState::open(cache.path(), Path::new("/jobs/one")).unwrap();
    state.shown().begin(&manifest("a")).unwrap();
    let name = ContentHash::of(manifest("a").encode().as_bytes()).to_string();
    let kept = state.folder.join("shown").join(name).with_extension("manifest");
    fs::write(&kept, manifest("x").encode()).unwrap();
    let refused = state.shown().begin(&manifest("b")).unwrap_err().to_string();
    assert!(refused.contains(kept.to_str().unwrap()) && refused.contains("delete"), "{refused}");
}

#[cfg(unix)]
#[test]
fn c14_folders_are_private_and_those_of_others_are_refused() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    let cache = cache();
    let state = RootState::open(&cache.path().join("new"), Path::new("/jobs/one")).unwrap();
    assert_eq!(fs::metadata(&state.folder).unwrap().mode() & 0o777, 0o700);
    let shared = cache.path().join("shared");
    fs::create_dir_all(shared.join("roots")).unwrap();
    fs::set_permissions(shared.join("roots"), fs::Permissions::from_mode(0o777)).unwrap();
    let refused = RootState::open(&shared, Path::new("/jobs/one")).unwrap_err().to_string();
    assert!(refused.contains("may write to it"), "{refused}");
    let planted = cache.path().join("planted");
    fs::create_dir_all(&planted).unwrap();
    symlink(shared, planted.join("roots")).unwrap();
    let refused = RootState::open(&planted, Path::new("/jobs/one")).unwrap_err().to_string();
    assert!(refused.contains("it is no folder"), "{refused}");
}
