//! A driver that is killed at any moment leaves the items as they were before the change that it
//! was making, or as they are after it.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use fastrand::Rng;

use super::super::*;
use super::{info, open};

/// The folder in which the process to be killed makes changes, and the seed of these.
const FOLDER: &str = "PROJFS_TEST_STORE_FOLDER";
const SEED: &str = "PROJFS_TEST_STORE_SEED";

/// Changes that one process makes if it lives.
const CHANGES: usize = 4000;

/// Which of them has been made is told in lines that begin with this.
const MADE: &str = "made ";

/// Names without variants in case: to change the spelling of what a tombstone hides is a step of
/// its own.
fn name(random: &mut Rng) -> Wide {
    let long = "€".repeat(90);
    let all = ["a", "b", "c", "d", "e/f", long.as_str()];
    Wide::from(random.choice(all).unwrap())
}

fn directory(store: &Store, random: &mut Rng) -> ItemId {
    let mut found = vec![ItemId::ROOT];
    for child in store.children(ItemId::ROOT).unwrap() {
        if child.item.directory && child.item.link.is_none() {
            found.push(child.item.id);
        }
    }
    random.choice(found).unwrap()
}

/// Makes a change drawn by lot; one that cannot be made is none.
fn change(store: &Store, random: &mut Rng) {
    let (parent, name) = (directory(store, random), self::name(random));
    let (to, new_name) = (directory(store, random), self::name(random));
    let item = store.find(parent, &name).unwrap().map(|found| found.item);
    let is_file = item.as_ref().is_some_and(|item| !item.directory && item.link.is_none());
    let id = item.as_ref().map_or(ItemId::ROOT, |item| item.id);
    let target = store.find(to, &new_name).unwrap().map(|found| found.item);
    let outcome = match random.u8(0..16) {
        0..=2 => {
            let mut given = info(random.bool(), 3);
            given.extended = vec![(b"E".to_vec(), vec![random.u8(..)])];
            let new = NewPlaceholder { info: &given, instance: Guid([1; 16]), origin: &name };
            store.add_placeholder(parent, &name, new).map(|_| ())
        }
        3 => store.add_full(parent, &name, NewFull::File { attributes: 2 }).map(|_| ()),
        4 => store.add_full(parent, &name, NewFull::Directory { attributes: 2 }).map(|_| ()),
        5 => {
            let kind = NewFull::Link { target: new_name, directory: random.bool() };
            store.add_full(parent, &name, kind).map(|_| ())
        }
        6 => store.add_tombstone(parent, &name),
        7 => store.remove(parent, &name),
        8 | 9 => store.bury(parent, &name),
        // To replace a directory, or a tombstone by a directory, takes two steps.
        10 | 11 if is_file => store.rename((parent, &name), (to, &new_name)),
        12 if target.is_some_and(|target| target.state == FileState::TOMBSTONE) => {
            store.rename_hiding((parent, &name), (to, &new_name))
        }
        13 if is_file => store.link(id, to, &new_name),
        14 if is_file => {
            let hydrated = FileState::PLACEHOLDER | FileState::HYDRATED;
            if item.is_some_and(|item| item.state == FileState::PLACEHOLDER) {
                let file = store.data(id).unwrap();
                rustix::io::pwrite(&*file, b"abc", 0).unwrap();
                store.set_state(id, hydrated)
            } else {
                store.set_state(id, FileState::FULL)
            }
        }
        15 if id != ItemId::ROOT => match item {
            Some(Item { state: FileState::TOMBSTONE, .. }) | None => Ok(()),
            Some(item) => {
                let attributes = random.choice([0, 1, 2]).unwrap();
                store.set_basic(id, BasicInfo { attributes, ..item.basic })
            }
        },
        _ => Ok(()),
    };
    let _ = outcome;
}

/// Everything that counts, in lines. Not whether a placeholder was renamed: that is noted before
/// the rename (E10, SAW_PRE_RENAME).
fn told(store: &Store, directory: ItemId, path: &str, lines: &mut Vec<String>) {
    for Found { name, item } in store.children(directory).unwrap() {
        let path = format!("{path}\\{name}");
        let mut data = [0; 4];
        let has_data = item.state == FileState::FULL || item.state.contains(FileState::HYDRATED);
        let mut length = 0;
        if has_data && !item.directory && item.link.is_none() {
            length = rustix::io::pread(&*store.data(item.id).unwrap(), &mut data, 0).unwrap();
        }
        lines.push(format!(
            "{path} {:?} {} {:?} {:x} {:?} {:?} {:?}",
            item.state,
            item.basic.size,
            item.link,
            item.basic.attributes,
            item.origin,
            store.extended(item.id).unwrap(),
            &data[..length],
        ));
        if item.directory && item.link.is_none() {
            told(store, item.id, &path, lines);
        }
    }
}

fn all(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    told(store, ItemId::ROOT, "", &mut lines);
    lines
}

/// Does nothing unless it runs in the process that the next test kills.
#[test]
fn a_process_changes_items_until_it_is_killed() {
    let (Ok(folder), Ok(seed)) = (env::var(FOLDER), env::var(SEED)) else { return };
    let store = open(Path::new(&folder));
    let mut random = Rng::with_seed(seed.parse().unwrap());
    for number in 1..=CHANGES {
        change(&store, &mut random);
        rustix::io::write(std::io::stdout(), format!("\n{MADE}{number}\n").as_bytes()).unwrap();
    }
}

#[test]
fn what_a_killed_driver_leaves_is_before_or_after_a_change() {
    for seed in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Rng::with_seed(1000 + seed);
        let enough = random.usize(1..150);
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["a_process_changes_items_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut made = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            if let Some(number) = line.unwrap().strip_prefix(MADE) {
                made = number.parse().unwrap();
            }
            if made == enough {
                // It goes on until the signal arrives; what it made till then comes yet.
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(made >= enough, "the process made {made} changes only");
        let left = all(&open(folder.path()));

        let untouched = tempfile::tempdir().unwrap();
        let store = open(untouched.path());
        let mut random = Rng::with_seed(seed);
        (0..made).for_each(|_| change(&store, &mut random));
        let before = all(&store);
        change(&store, &mut random);
        let after = all(&store);
        assert!(
            left == before || left == after,
            "seed {seed}, after {made} changes:\nleft {left:#?}\nbefore {before:#?}\n\
             after {after:#?}",
        );
    }
}
