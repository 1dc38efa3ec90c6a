//! Files that are not what their name says, folders that cannot be trusted, stamps that lie.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::{CacheError, CacheLookup, DiskCache};

use crate::setup::{all_bytes, cache, hit, is_miss, limits, object, path_of, private_dir};

const SIZE: usize = 3_000_000;

/// Whatever lies under the hash is rejected or at least not verified; then the cache takes the
/// true object and serves it.
fn rejected(cache: &Arc<DiskCache>, hash: ContentHash, bytes: &[u8], what: &str) {
    let found = cache.lookup(hash, bytes.len() as u64);
    assert!(matches!(found, CacheLookup::Rejected(_)), "{what}: {found:?}");
    assert!(is_miss(cache, hash, bytes.len()), "{what} stays");
    assert!(cache.store(hash, bytes).unwrap(), "{what}");
    let mut back = vec![0; bytes.len()];
    hit(cache, hash, bytes.len()).read_verified(&mut back).unwrap();
    assert_eq!(back, bytes, "{what}");
}

fn mkfifo(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap();
}

#[test]
fn what_cannot_be_the_object_is_removed() {
    let (temp, cache) = cache();
    let outside = temp.path().join("outside");
    type Plant<'a> = (&'a str, &'a dyn Fn(&Path, &[u8]));
    let plants: [Plant<'_>; 8] = [
        ("a truncated file", &|path, bytes| fs::write(path, &bytes[1..]).unwrap()),
        ("a longer file", &|path, bytes| fs::write(path, [bytes, b"x"].concat()).unwrap()),
        ("an empty file", &|path, _| fs::write(path, "").unwrap()),
        ("a symlink", &|path, bytes| {
            fs::write(&outside, bytes).unwrap();
            symlink(&outside, path).unwrap();
        }),
        ("a hard link", &|path, bytes| {
            fs::write(&outside, bytes).unwrap();
            fs::hard_link(&outside, path).unwrap();
        }),
        ("a folder", &|path, _| fs::create_dir(path).unwrap()),
        ("a FIFO", &|path, _| mkfifo(path)),
        ("a file that others can write", &|path, bytes| {
            fs::write(path, bytes).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        }),
    ];
    for (seed, (what, plant)) in plants.into_iter().enumerate() {
        let (hash, bytes) = object(seed as u64, 5000);
        let path = path_of(temp.path(), hash);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        plant(&path, &bytes);
        rejected(&cache, hash, &bytes, what);
        if outside.exists() {
            assert_eq!(fs::read(&outside).unwrap(), bytes, "{what}: what is outside stays");
            fs::remove_file(&outside).unwrap();
        }
    }
}

#[test]
fn publishing_replaces_what_was_planted() {
    let (temp, cache) = cache();
    for (seed, folder) in [(1, true), (2, false)] {
        let (hash, bytes) = object(seed, 5000);
        let path = path_of(temp.path(), hash);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if folder {
            fs::create_dir(&path).unwrap()
        } else {
            symlink("/etc/passwd", &path).unwrap()
        }
        assert!(cache.store(hash, &bytes).unwrap());
        assert_eq!(all_bytes(&hit(&cache, hash, bytes.len())), bytes);
    }
}

#[test]
fn a_shelf_that_is_a_link_is_not_followed() {
    let (temp, cache) = cache();
    let (hash, bytes) = object(1, 5000);
    let elsewhere = private_dir();
    fs::write(elsewhere.path().join(hash.to_string()), &bytes).unwrap();
    symlink(elsewhere.path(), path_of(temp.path(), hash).parent().unwrap()).unwrap();
    assert!(!matches!(cache.lookup(hash, 5000), CacheLookup::Hit(_)));
    assert!(cache.store(hash, &bytes).is_err());
}

#[test]
fn wrong_bytes_of_the_right_size_are_found_by_hashing() {
    let (temp, cache) = cache();
    for (size, whole) in [(5000, true), (5000, false), (SIZE, false)] {
        let ((hash, bytes), (_, wrong)) = (object(1, size), object(2, size));
        let path = path_of(temp.path(), hash);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &wrong).unwrap();
        let found = hit(&cache, hash, size);
        assert!(!found.is_verified());
        let result = if whole { found.read_verified(&mut vec![0; size]) } else { found.verify() };
        assert!(matches!(result, Err(CacheError::Corrupt { .. })));
        assert!(!path.exists(), "wrong bytes go");
        assert!(cache.store(hash, &bytes).unwrap());
        hit(&cache, hash, size).verify().unwrap();
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_is_cut_while_open_is_found() {
    let (temp, cache) = cache();
    let (hash, bytes) = object(1, SIZE);
    cache.store(hash, &bytes).unwrap();
    let found = hit(&cache, hash, SIZE);
    let file = OpenOptions::new().write(true).open(path_of(temp.path(), hash)).unwrap();
    file.set_len(10).unwrap();
    assert!(matches!(found.verify(), Err(CacheError::Corrupt { .. })));
    assert!(is_miss(&cache, hash, SIZE));
}

#[test]
fn a_stamp_ends_with_any_change_of_the_file() {
    let (temp, cache) = cache();
    let (hash, bytes) = object(1, SIZE);
    assert!(cache.store(hash, &bytes).unwrap());
    let path = path_of(temp.path(), hash);
    assert!(hit(&cache, hash, SIZE).is_verified());
    // Use and permissions change nothing.
    drop(fs::read(&path).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(hit(&cache, hash, SIZE).is_verified());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();

    let touched = File::open(&path).unwrap();
    touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let found = hit(&cache, hash, SIZE);
    assert!(!found.is_verified());
    found.verify().unwrap();
    assert!(found.is_verified());
    assert!(hit(&cache, hash, SIZE).is_verified(), "verifying stamps it anew");

    let mut wrong = bytes.clone();
    wrong[SIZE - 1] ^= 1;
    fs::write(&path, &wrong).unwrap();
    let found = hit(&cache, hash, SIZE);
    assert!(!found.is_verified());
    assert!(matches!(found.verify(), Err(CacheError::Corrupt { .. })));
}

#[test]
fn a_copied_stamp_is_worth_nothing() {
    let (temp, cache) = cache();
    let (hash, bytes) = object(1, SIZE);
    assert!(cache.store(hash, &bytes).unwrap());
    let (path, copy) = (path_of(temp.path(), hash), temp.path().join("copy"));
    let copied = Command::new("cp").arg("-a").args([&path, &copy]).status().unwrap();
    assert!(copied.success());
    let mut value = [0; 256];
    let attribute = "user.rusty-attachments.verified";
    assert!(rustix::fs::getxattr(&copy, attribute, &mut value[..]).is_ok(), "cp kept it");
    fs::rename(&copy, &path).unwrap();
    assert!(!hit(&cache, hash, SIZE).is_verified());
}

#[test]
fn verify_hashes_everything_and_removes_what_is_wrong() {
    let (temp, cache) = cache();
    let sizes = [10, 5000, SIZE, SIZE + 1];
    let objects: Vec<_> = (0..).zip(sizes).map(|(seed, size)| object(seed, size)).collect();
    for (hash, bytes) in &objects {
        assert!(cache.store(*hash, bytes).unwrap());
    }
    let bad = path_of(temp.path(), objects[2].0);
    let mtime = fs::metadata(&bad).unwrap().modified().unwrap();
    let mut wrong = objects[2].1.clone();
    wrong[0] ^= 1;
    fs::write(&bad, wrong).unwrap();
    // The disk's own errors do not change the time, so the stamp still looks right.
    File::open(&bad).unwrap().set_modified(mtime).unwrap();
    fs::write(bad.with_file_name("note"), "not ours").unwrap();

    let mut steps = Vec::new();
    let report = cache.verify(&mut |progress| steps.push(*progress)).unwrap();
    assert_eq!((report.intact, report.corrupt, report.foreign), (3, 1, 1), "{report:?}");
    assert_eq!((steps.len(), steps[3].total_objects), (4, 4));
    assert_eq!(steps[3].bytes, (10 + 5000 + SIZE + 1) as u64);
    assert!(report.problems[0].to_string().contains(&objects[2].0.to_string()));
    assert!(!bad.exists());
    assert!(bad.with_file_name("note").exists());
}

#[test]
fn folders_that_others_control_are_refused() {
    let temp = private_dir();
    let refused = |path: &Path, word: &str| {
        let error = DiskCache::open(path, limits(1 << 20)).unwrap_err();
        assert!(matches!(error, CacheError::Unusable { .. }), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    };
    let real = temp.path().join("real");
    fs::create_dir(&real).unwrap();
    let link = temp.path().join("link");
    symlink(&real, &link).unwrap();
    refused(&link, "symbolic link");
    refused(&temp.path().join("link/"), "symbolic link");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o770)).unwrap();
    refused(&real, "chmod go-w");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o702)).unwrap();
    refused(&real, "chmod go-w");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o755)).unwrap();
    DiskCache::open(&real, limits(1 << 20)).unwrap();
    symlink(&real, real.join("v1/other")).unwrap();
    fs::rename(real.join("v1/objects"), real.join("v1/moved")).unwrap();
    fs::rename(real.join("v1/other"), real.join("v1/objects")).unwrap();
    refused(&real, "symbolic link");

    let file = temp.path().join("file");
    fs::write(&file, "").unwrap();
    refused(&file, "no folder");
    if rustix::process::geteuid().is_root() {
        let theirs = temp.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        std::os::unix::fs::chown(&theirs, Some(12345), None).unwrap();
        refused(&theirs, "another user");
    }
}

#[test]
fn everything_is_private() {
    let temp = private_dir();
    let dir = temp.path().join("a/b");
    let cache = DiskCache::open(&dir, limits(1 << 20)).unwrap();
    let (hash, bytes) = object(1, 100);
    cache.store(hash, &bytes).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let object = path_of(&dir, hash);
    for folder in ["", "v1", "v1/objects", "v1/partial"].map(|name| dir.join(name)) {
        assert_eq!(mode(&folder), 0o700, "{folder:?}");
    }
    assert_eq!(mode(object.parent().unwrap()), 0o700);
    assert_eq!(mode(&object), 0o600);
    assert!(dir.join("v1/CACHEDIR.TAG").exists());
}
