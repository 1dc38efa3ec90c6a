use std::panic::catch_unwind;

use tempfile::TempDir;

use super::*;

fn written() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    AwkwardTree::default().write_to(folder.path()).unwrap();
    folder
}

/// Whether the suite finds what was done to one of two equal folders.
fn finds(change: impl FnOnce(&Path)) -> bool {
    let (shown, expected) = (written(), written());
    change(shown.path());
    catch_unwind(|| folder_conformance(shown.path(), expected.path())).is_err()
}

#[test]
fn equal_folders_conform() {
    assert!(!finds(|_| ()));
    let (shown, expected) = (written(), written());
    folder_conformance_of_first_readers(shown.path(), expected.path());
}

#[test]
fn one_byte_is_found() {
    assert!(finds(|shown| {
        let large = shown.join("large.bin");
        let modified = fs::metadata(&large).unwrap().modified().unwrap();
        let mut bytes = fs::read(&large).unwrap();
        bytes[1_000_000] ^= 1;
        fs::write(&large, bytes).unwrap();
        fs::File::options().write(true).open(&large).unwrap().set_modified(modified).unwrap();
    }));
}

#[test]
fn one_microsecond_is_found() {
    assert!(finds(|shown| {
        let file = fs::File::options().write(true).open(shown.join("one byte")).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified + Duration::from_micros(1)).unwrap();
    }));
}

#[test]
fn missing_and_added_names_are_found() {
    assert!(finds(|shown| fs::remove_dir(shown.join("nothing here")).unwrap()));
    assert!(finds(|shown| drop(fs::File::create(shown.join("nested/only/folders/f")).unwrap())));
}
