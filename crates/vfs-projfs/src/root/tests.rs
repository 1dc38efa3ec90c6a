use tempfile::TempDir;

use super::*;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = resolve(folder.path()).unwrap();
    (folder, path)
}

#[track_caller]
fn refusal<T: std::fmt::Debug>(result: Result<T, ProjFsError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_root_has_one_spelling_whether_it_is_there_or_not() {
    let (_kept, folder) = folder();
    let spelled = folder.join("deep").join("..").join("root");
    assert_eq!(resolve(&folder.join("root")).unwrap(), folder.join("root"));
    assert_eq!(resolve(&folder.join("root").join(".")).unwrap(), folder.join("root"));
    fs::create_dir(folder.join("deep")).unwrap();
    fs::create_dir(folder.join("root")).unwrap();
    assert_eq!(resolve(&spelled).unwrap(), folder.join("root"));
    assert!(resolve(Path::new("some/root")).unwrap().is_absolute());
    assert!(resolve(Path::new("")).is_err());
}

#[cfg(unix)]
#[test]
fn links_to_a_root_are_the_root() {
    let (_kept, folder) = folder();
    std::os::unix::fs::symlink(&folder, folder.join("link")).unwrap();
    assert_eq!(resolve(&folder.join("link").join("root")).unwrap(), folder.join("root"));
}

#[test]
fn l8_our_own_folders_are_neither_in_the_root_nor_around_it() {
    let (_kept, folder) = folder();
    let root = folder.join("root");
    for (ours, how) in [
        (root.join("cache"), "around the cache_dir"),
        (root.clone(), "the same as the cache_dir"),
        (folder.clone(), "inside of the cache_dir"),
        (root.join("not").join("there"), "around the cache_dir"),
        (folder.join("x").join("..").join("root"), "the same as the cache_dir"),
    ] {
        let refused = refusal(check_place(&root, &[("cache_dir", &ours)]));
        assert!(refused.contains(how) && refused.contains("choose"), "{refused}");
    }
    // A name that only begins alike.
    check_place(&root, &[("cache_dir", &folder.join("root2"))]).unwrap();
}

#[test]
fn odd_places_are_refused() {
    let top = if cfg!(windows) { Path::new("C:\\") } else { Path::new("/") };
    assert!(refusal(check_place(top, &[])).contains("top of a drive"));
    assert!(refusal(check_place(Path::new("/jobs/a\0b"), &[])).contains("NUL"));
}

#[test]
fn m4_roots_are_not_nested() {
    let (_kept, folder) = folder();
    let other = folder.join("other");
    let inside = other.join("deep").join("root");
    // One that is not there any more is no hindrance.
    check_others(&inside, std::slice::from_ref(&other)).unwrap();
    fs::create_dir(&other).unwrap();
    let refused = refusal(check_others(&inside, std::slice::from_ref(&other)));
    assert!(refused.contains("inside of") && refused.contains("nested"), "{refused}");
    assert!(refusal(check_others(&folder, std::slice::from_ref(&other))).contains("around"));
    check_others(&folder.join("third"), &[other]).unwrap();
}

#[test]
fn a_folder_that_was_made_goes_again_unless_it_is_kept() {
    let (_kept, folder) = folder();
    let root = folder.join("root");
    drop(Prepared { made: make(&root).unwrap().then(|| root.clone()) });
    assert!(!root.exists());
    Prepared { made: make(&root).unwrap().then(|| root.clone()) }.keep();
    assert!(root.is_dir());
    assert!(!make(&root).unwrap());
    let refused = refusal(make(&root.join("a").join("b")));
    assert!(refused.contains("make it first"), "{refused}");
}
