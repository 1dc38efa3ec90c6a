//! What the store promises, on a real lower directory.

mod killed;
mod model;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::contract::attributes as flags;

fn open(folder: &Path) -> Store {
    Store::open(OwnedFd::from(File::open(folder).unwrap())).unwrap()
}

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    (folder, store)
}

fn info(directory: bool, size: u64) -> PlaceholderInfo {
    let basic = BasicInfo {
        directory,
        size,
        creation: 130_000_000_000_000_000,
        access: 131_000_000_000_000_000,
        write: 132_000_000_000_000_000,
        change: 133_000_000_000_000_000,
        attributes: 0,
    };
    let mut info = PlaceholderInfo { basic, ..PlaceholderInfo::default() };
    info.version.content[0] = 7;
    info
}

fn add_placeholder(store: &Store, parent: ItemId, name: &str, info: &PlaceholderInfo) -> Item {
    let (name, instance) = (Wide::from(name), Guid([9; 16]));
    store.add_placeholder(parent, &name, NewPlaceholder { info, instance, origin: &name }).unwrap()
}

fn add_file(store: &Store, parent: ItemId, name: &str) -> Item {
    store.add_full(parent, &Wide::from(name), NewFull::File { attributes: 0 }).unwrap()
}

fn add_directory(store: &Store, parent: ItemId, name: &str) -> Item {
    store.add_full(parent, &Wide::from(name), NewFull::Directory { attributes: 0 }).unwrap()
}

fn find(store: &Store, name: &str) -> Option<Item> {
    store.find(ItemId::ROOT, &Wide::from(name)).unwrap().map(|found| found.item)
}

fn names(store: &Store, directory: ItemId) -> Vec<String> {
    let children = store.children(directory).unwrap();
    children.into_iter().map(|found| found.name.to_string()).collect()
}

#[test]
fn a_placeholder_is_the_same_after_the_driver_started_again() {
    let (folder, store) = store();
    let mut given = info(false, 5000);
    given.basic.attributes = flags::HIDDEN | flags::OFFLINE | flags::NORMAL;
    given.extended = vec![(b"LABEL".to_vec(), b"x".to_vec()), (b"projfs".to_vec(), vec![])];
    given.streams = vec![Wide::from("s")];
    given.security = vec![1, 2, 3];
    let made = add_placeholder(&store, ItemId::ROOT, "Data.bin", &given);
    drop(store);

    let store = open(folder.path());
    let item = find(&store, "dATA.BIN").unwrap();
    assert_eq!(item.basic, BasicInfo { attributes: flags::HIDDEN, ..given.basic }, "E16");
    assert_eq!(item.basic, made.basic);
    assert_eq!(*item.version, given.version);
    assert_eq!(item.origin, Wide::from("Data.bin"));
    assert_eq!((item.state, item.instance), (FileState::PLACEHOLDER, Guid([9; 16])));
    assert_eq!((item.renamed, item.names, item.allocated), (false, 1, 0));
    let mut extended = store.extended(item.id).unwrap();
    extended.sort();
    assert_eq!(extended, given.extended);
    let lower = fs::metadata(folder.path().join("Data.bin")).unwrap();
    assert_eq!(lower.len(), 5000);
    assert_eq!(names(&store, ItemId::ROOT), ["Data.bin"]);
}

#[test]
fn times_that_are_not_given_become_now() {
    let (_folder, store) = store();
    let before = super::super::nt_time::now();
    let item = add_placeholder(&store, ItemId::ROOT, "a", &PlaceholderInfo::default());
    for time in [item.basic.creation, item.basic.access, item.basic.write, item.basic.change] {
        assert!(time >= before, "{time} is before {before}");
    }
}

#[test]
fn a_file_that_becomes_full_shows_its_times_and_attributes_until_it_is_written() {
    let (folder, store) = store();
    let mut given = info(false, 4);
    given.basic.attributes = flags::HIDDEN;
    let id = add_placeholder(&store, ItemId::ROOT, "a", &given).id;
    store.data(id).unwrap().as_ref().write_all(b"data").unwrap();
    store.set_state(id, FileState::PLACEHOLDER | FileState::HYDRATED).unwrap();
    assert_eq!(store.item(id).unwrap().basic, BasicInfo { attributes: 2, ..given.basic }, "J16");
    store.set_state(id, FileState::FULL).unwrap();
    drop(store);

    let store = open(folder.path());
    let item = find(&store, "a").unwrap();
    assert_eq!((item.state, &item.origin), (FileState::FULL, &Wide::default()));
    assert_eq!(*item.version, VersionInfo::default());
    assert_eq!((item.basic.attributes, item.basic.size), (flags::HIDDEN, 4));
    assert_eq!(item.basic.creation, given.basic.creation);
    assert_eq!(item.basic.write, given.basic.write);
    let file = store.data(item.id).unwrap();
    rustix::io::pwrite(&*file, b"more", 4).unwrap();
    let now = store.item(item.id).unwrap().basic;
    assert_eq!(now.size, 8);
    assert!(now.write > given.basic.write);
    assert_eq!(now.creation, given.basic.creation);
}

#[test]
fn a_local_file_has_no_record_until_it_is_out_of_the_ordinary() {
    let (folder, store) = store();
    let id = add_file(&store, ItemId::ROOT, "a").id;
    let lower = File::open(folder.path().join("a")).unwrap();
    assert_eq!(attributes::get(&lower, attributes::RECORD), Ok(None), "M5");
    let basic = store.item(id).unwrap().basic;
    assert_eq!(basic.attributes, flags::ARCHIVE);
    store.set_basic(id, BasicInfo { attributes: flags::READONLY, creation: 5, ..basic }).unwrap();
    drop(store);
    let store = open(folder.path());
    let item = find(&store, "a").unwrap();
    assert_eq!((item.basic.attributes, item.basic.creation), (flags::READONLY, 5));
    assert_eq!(item.basic.write, basic.write);
    store.set_basic(item.id, basic).unwrap();
    assert_eq!(attributes::get(&lower, attributes::RECORD), Ok(None));
}

#[test]
fn content_from_before_is_local_and_links_are_shown_as_links() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("Folder")).unwrap();
    fs::write(folder.path().join("Folder/file"), b"12345").unwrap();
    fs::hard_link(folder.path().join("Folder/file"), folder.path().join("other")).unwrap();
    std::os::unix::fs::symlink("to/where", folder.path().join("link")).unwrap();
    fs::write(folder.path().join("back\\slash"), b"").unwrap();
    fs::write(folder.path().join("OTHER"), b"").unwrap();
    rustix::net::bind(
        rustix::net::socket(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::STREAM,
            None,
        )
        .unwrap(),
        &rustix::net::SocketAddrUnix::new(folder.path().join("socket")).unwrap(),
    )
    .unwrap();

    let store = open(folder.path());
    assert_eq!(names(&store, ItemId::ROOT), ["Folder", "link", "OTHER"]);
    let link = find(&store, "LINK").unwrap();
    assert_eq!((link.link, link.directory), (Some(Wide::from("to/where")), false));
    let directory = find(&store, "folder").unwrap();
    assert!(directory.directory && directory.basic.attributes == flags::DIRECTORY);
    let file = store.find(directory.id, &Wide::from("FILE")).unwrap().unwrap().item;
    assert_eq!((file.state, file.basic.size), (FileState::FULL, 5));
    let from = (ItemId::ROOT, &Wide::from("link"));
    store.rename(from, (directory.id, &Wide::from("moved"))).unwrap();
    store.set_basic(link.id, BasicInfo { attributes: 1, ..link.basic }).unwrap();
    assert_eq!(store.set_extended(link.id, b"x", Some(b"y")), Err(HResult::NOT_SUPPORTED));
    assert!(folder.path().join("Folder/moved").is_symlink());
}

#[test]
fn a_hard_link_is_one_item_with_two_names() {
    let (folder, store) = store();
    let directory = add_placeholder(&store, ItemId::ROOT, "d", &info(true, 0)).id;
    let id = add_placeholder(&store, ItemId::ROOT, "a", &info(false, 3)).id;
    let long = "€".repeat(200);
    store.link(id, directory, &Wide::from(long.as_str())).unwrap();
    assert_eq!(store.item(id).unwrap().names, 2);
    drop(store);

    let store = open(folder.path());
    let directory = find(&store, "d").unwrap().id;
    let first = find(&store, "a").unwrap().id;
    let second = store.find(directory, &Wide::from(long.as_str())).unwrap().unwrap().item;
    assert_eq!((first, second.names), (second.id, 2));
    store.add_state(first, FileState::DIRTY).unwrap();
    store.remove(ItemId::ROOT, &Wide::from("a")).unwrap();
    let left = store.item(first).unwrap();
    assert_eq!((left.names, left.state), (1, FileState::PLACEHOLDER | FileState::DIRTY));
    assert_eq!(store.path(first).unwrap(), Wide::from(format!("d\\{long}").as_str()));
    let (name, root) = (Wide::from("x"), ItemId::ROOT);
    assert_eq!(store.link(directory, root, &name), Err(HResult::ACCESS_DENIED));
    assert_eq!(store.link(first, root, &Wide::from("D")), Err(HResult::FILE_EXISTS));
}

#[test]
fn an_unlinked_item_stays_usable_while_it_is_held() {
    let (folder, store) = store();
    let id = add_placeholder(&store, ItemId::ROOT, "a", &info(false, 3)).id;
    store.hold(id);
    store.bury(ItemId::ROOT, &Wide::from("a")).unwrap();
    assert_eq!(find(&store, "a").unwrap().state, FileState::TOMBSTONE);
    store.data(id).unwrap().as_ref().write_all(b"abc").unwrap();
    store.add_state(id, FileState::HYDRATED).unwrap();
    store.set_state(id, FileState::FULL).unwrap();
    store.set_extended(id, b"E", Some(b"1")).unwrap();
    let mut read = String::new();
    let mut file = &*store.data(id).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_string(&mut read).unwrap();
    assert_eq!(read, "abc");
    let item = store.item(id).unwrap();
    assert_eq!((item.names, item.basic.size), (0, 3));
    assert_eq!((store.place(id), store.path(id)), (None, None));
    store.release(id);
    assert!(store.item(id).is_none());
    assert_eq!(fs::metadata(folder.path().join("a")).unwrap().len(), 0);
}

#[test]
fn a_removed_directory_that_is_held_takes_no_children() {
    let (_folder, store) = store();
    let id = add_directory(&store, ItemId::ROOT, "d").id;
    store.add_tombstone(id, &Wide::from("t")).unwrap();
    store.hold(id);
    store.remove(ItemId::ROOT, &Wide::from("d")).unwrap();
    assert!(store.item(id).unwrap().directory);
    assert_eq!(names(&store, id), Vec::<String>::new());
    let made = store.add_full(id, &Wide::from("x"), NewFull::File { attributes: 0 });
    assert_eq!(made.map(|item| item.id), Err(HResult::PATH_NOT_FOUND));
}

#[test]
fn a_corrupt_record_fails_what_needs_it_and_nothing_else() {
    let (folder, store) = store();
    add_placeholder(&store, ItemId::ROOT, "bad", &info(false, 9));
    add_placeholder(&store, ItemId::ROOT, "good", &info(false, 9));
    drop(store);
    let lower = File::open(folder.path().join("bad")).unwrap();
    let good = attributes::get(&lower, attributes::RECORD).unwrap().unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        attributes::set(&lower, attributes::RECORD, &bytes).unwrap();
        let store = open(folder.path());
        let found = store.find(ItemId::ROOT, &Wide::from("bad")).map(|_| ());
        assert_eq!(found, Err(HResult::VIRTUALIZATION_METADATA_CORRUPT), "byte {at}");
    }
    attributes::set(&lower, attributes::RECORD, &good[..good.len() - 1]).unwrap();
    let store = open(folder.path());
    let listed = store.children(ItemId::ROOT).unwrap();
    assert_eq!(listed.len(), 2, "it is listed all the same");
    let id = listed[0].item.id;
    assert_eq!(store.data(id).map(|_| ()), Err(HResult::VIRTUALIZATION_METADATA_CORRUPT));
    let changed = store.set_state(id, FileState::FULL);
    assert_eq!(changed, Err(HResult::VIRTUALIZATION_METADATA_CORRUPT));
    assert_eq!(find(&store, "good").unwrap().basic.size, 9);
    store.remove(ItemId::ROOT, &Wide::from("bad")).unwrap();
    assert!(find(&store, "bad").is_none());
}

#[test]
fn dropped_data_is_asked_for_again() {
    let (folder, store) = store();
    let id = add_placeholder(&store, ItemId::ROOT, "a", &info(false, 3)).id;
    store.data(id).unwrap().as_ref().write_all(b"abc").unwrap();
    store.add_state(id, FileState::HYDRATED | FileState::DIRTY).unwrap();
    store.drop_data(id, 3).unwrap();
    assert_eq!(store.item(id).unwrap().state, FileState::PLACEHOLDER | FileState::DIRTY);
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), [0; 3]);
}

#[test]
fn hydrated_files_have_their_size_however_little_was_written() {
    let (folder, store) = store();
    let id = add_placeholder(&store, ItemId::ROOT, "a", &info(false, 3)).id;
    store.drop_data(id, 0).unwrap();
    store.add_state(id, FileState::HYDRATED).unwrap();
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), [0; 3], "J9");
}

#[test]
fn a_reset_item_is_as_new() {
    let (folder, store) = store();
    let id = add_file(&store, ItemId::ROOT, "a").id;
    store.data(id).unwrap().as_ref().write_all(b"local").unwrap();
    store.set_extended(id, b"OLD", Some(b"1")).unwrap();
    let mut given = info(false, 2);
    given.extended = vec![(b"NEW".to_vec(), b"2".to_vec())];
    let origin = Wide::from("a");
    let new = NewPlaceholder { info: &given, instance: Guid([1; 16]), origin: &origin };
    store.reset(id, new.clone()).unwrap();
    let item = store.item(id).unwrap();
    assert_eq!((item.state, item.basic), (FileState::PLACEHOLDER, given.basic));
    assert_eq!(store.extended(id).unwrap(), given.extended);
    assert_eq!(fs::read(folder.path().join("a")).unwrap(), [0; 2]);
    let directory = add_directory(&store, ItemId::ROOT, "d").id;
    assert_eq!(store.reset(directory, new), Err(HResult::INVALID_ARGUMENT));
}

#[test]
fn the_mark_of_a_root_is_kept() {
    let (folder, store) = store();
    assert!(!is_marked(File::open(folder.path()).unwrap()));
    let given = PlaceholderInfo { basic: store.item(ItemId::ROOT).unwrap().basic, ..info(true, 0) };
    let given = PlaceholderInfo { version: info(true, 0).version, ..given };
    let (instance, origin) = (Guid([3; 16]), Wide::default());
    store.reset(ItemId::ROOT, NewPlaceholder { info: &given, instance, origin: &origin }).unwrap();
    drop(store);
    let store = open(folder.path());
    let root = store.item(ItemId::ROOT).unwrap();
    assert!(is_marked(File::open(folder.path()).unwrap()));
    assert_eq!((root.instance, root.state), (instance, FileState::PLACEHOLDER));
    assert_eq!(*root.version, given.version);
    assert!(root.directory);
    assert_eq!(store.path(ItemId::ROOT), Some(Wide::default()));
}

#[test]
fn leftovers_of_a_killed_driver_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join(".projfs/7")).unwrap();
    fs::write(folder.path().join(".projfs/7/tombstone"), b"").unwrap();
    fs::write(folder.path().join(".projfs/8"), b"half").unwrap();
    let store = open(folder.path());
    assert_eq!(fs::read_dir(folder.path().join(".projfs")).unwrap().count(), 0);
    assert_eq!(names(&store, ItemId::ROOT), Vec::<String>::new());
}

#[test]
fn a_tree_that_a_killed_driver_was_moving_in_is_not_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join(".projfs/0/a/b")).unwrap();
    let store = open(folder.path());
    add_file(&store, ItemId::ROOT, "x");
    assert!(folder.path().join(".projfs/0/a/b").exists());
    assert_eq!(names(&store, ItemId::ROOT), ["x"]);
}

#[test]
fn an_item_is_found_while_the_directory_above_it_moves() {
    let (_folder, store) = store();
    let directory = add_directory(&store, ItemId::ROOT, "d0").id;
    let file = add_file(&store, directory, "file").id;
    std::thread::scope(|scope| {
        let mover = scope.spawn(|| {
            for turn in 0..300 {
                let (from, to) = (format!("d{turn}"), format!("d{}", turn + 1));
                let from = (ItemId::ROOT, &Wide::from(from.as_str()));
                store.rename(from, (ItemId::ROOT, &Wide::from(to.as_str()))).unwrap();
            }
        });
        while !mover.is_finished() {
            assert!(store.item(file).is_some());
            assert_eq!(names(&store, directory), ["file"]);
            store.set_extended(file, b"X", Some(b"1")).unwrap();
        }
    });
}

#[test]
fn bits_that_two_threads_add_are_both_kept() {
    let (_folder, store) = store();
    for turn in 0..50 {
        let id = add_placeholder(&store, ItemId::ROOT, &format!("f{turn}"), &info(false, 1)).id;
        std::thread::scope(|scope| {
            scope.spawn(|| store.add_state(id, FileState::DIRTY).unwrap());
            scope.spawn(|| store.add_state(id, FileState::HYDRATED).unwrap());
        });
        let all = FileState::PLACEHOLDER | FileState::HYDRATED | FileState::DIRTY;
        assert_eq!(store.item(id).unwrap().state, all);
    }
}
