//! Operations at the same time, in orders drawn by lot.

use std::sync::Arc;

use super::fixture::*;
use crate::contract::operations::*;
use crate::contract::{FileState, HResult, Result};
use crate::engine::root::Root;
use crate::engine::store::Store;
use crate::link::Process;

const SEEDS: u64 = 40;

/// Opens, does something with the handle, and closes.
async fn with_handle<F: Future<Output = Result<()>>>(
    root: &Arc<Root>,
    caller: &Process,
    path: &str,
    how: Open,
    act: impl FnOnce(HandleId) -> F,
) -> Result<()> {
    let handle = root.open(caller, &at(path), how).await?.handle;
    let done = act(handle).await;
    root.close(handle).await?;
    done
}

async fn delete(root: &Arc<Root>, caller: &Process, path: &str) -> Result<()> {
    let act = |handle| root.set_disposition(handle, true);
    with_handle(root, caller, path, Open::existing(Access::DELETE), act).await
}

async fn rename(
    root: &Arc<Root>,
    caller: &Process,
    from: &str,
    to: &str,
    replace: bool,
) -> Result<()> {
    let to = at(to);
    let act = |handle| root.rename(handle, &to, replace);
    with_handle(root, caller, from, Open::existing(Access::DELETE), act).await
}

async fn make(root: &Arc<Root>, caller: &Process, path: &str, kind: Kind) -> Result<()> {
    let how = Open { access: Access::empty(), ..create(kind) };
    with_handle(root, caller, path, how, async |_| Ok(())).await
}

#[test]
fn a_directory_goes_or_gets_a_child() {
    for seed in 0..SEEDS {
        let rig = Rig::seeded(&["d\\"], seed);
        let removing = rig.spawn(async |root, caller| delete(&root, &caller, "d").await);
        let making = rig.spawn(async |root, caller| make(&root, &caller, "d\\f", Kind::File).await);
        rig.scheduler.run_until_idle().unwrap();
        let (removed, made) = (removing.take().unwrap(), making.take().unwrap());
        match (rig.state("d"), rig.state("d\\f")) {
            (TOMBSTONE, None) => assert!(removed.is_ok() && made.is_err(), "seed {seed}"),
            // Made after the check and before the close: the directory survives its deletion.
            (DIRTY, FULL) => assert!(made.is_ok(), "seed {seed}"),
            states => panic!("seed {seed}: {states:?}, {removed:?}, {made:?}"),
        }
    }
}

#[test]
fn of_two_renames_to_one_name_one_succeeds() {
    for seed in 0..SEEDS {
        let rig = Rig::seeded(&["f", "g"], seed);
        let renames = ["f", "g"].map(|from| {
            rig.spawn(async move |root, caller| rename(&root, &caller, from, "H", false).await)
        });
        rig.scheduler.run_until_idle().unwrap();
        let mut outcomes = renames.map(|rename| rename.take().unwrap());
        outcomes.sort_unstable_by_key(Result::is_err);
        assert_eq!(outcomes, [Ok(()), Err(HResult::ALREADY_EXISTS)], "seed {seed}");
    }
}

#[test]
fn directories_do_not_end_in_each_other() {
    for seed in 0..SEEDS {
        let rig = Rig::seeded(&[], seed);
        rig.make_directory("a");
        rig.make_directory("b");
        let renames = [("a", "b\\a"), ("b", "a\\b")].map(|(from, to)| {
            rig.spawn(async move |root, caller| rename(&root, &caller, from, to, false).await)
        });
        rig.scheduler.run_until_idle().unwrap();
        let outcomes = renames.map(|rename| rename.take().unwrap());
        let moved = [rig.state("b\\a"), rig.state("a\\b")].map(|state| state.is_some());
        assert_eq!(moved, outcomes.map(|outcome| outcome.is_ok()), "seed {seed}");
        assert!(moved[0] != moved[1], "seed {seed}");
    }
}

#[test]
fn a_reader_beside_a_deletion_reads_or_finds_nothing() {
    for seed in 0..SEEDS {
        let rig = Rig::seeded(&["f"], seed);
        let deleting = rig.spawn(async |root, caller| delete(&root, &caller, "f").await);
        let reading = rig.spawn(async |root, caller| {
            let handle = root.open(&caller, &at("f"), Open::existing(Access::READ)).await?.handle;
            let content = root.read(handle, 0, 10).await;
            root.close(handle).await?;
            content
        });
        rig.scheduler.run_until_idle().unwrap();
        assert_eq!(deleting.take().unwrap(), Ok(()));
        match reading.take().unwrap() {
            Ok(content) => assert_eq!(content, b"f"),
            Err(HResult::FILE_NOT_FOUND | HResult::DELETE_PENDING) => {}
            Err(code) => panic!("seed {seed}: {code}"),
        }
        assert_eq!(rig.state("f"), TOMBSTONE);
    }
}

/// Names to fight for: projected files and directories, local ones, and those below.
const NAMES: [&str; 8] = ["a", "b", "d", "d\\a", "d\\b", "l", "l\\a", "L\\B"];

/// Something that applications do, drawn by lot.
async fn anything(root: &Arc<Root>, caller: &Process, lot: &mut fastrand::Rng) -> Result<()> {
    let name = NAMES[lot.usize(..NAMES.len())];
    let other = NAMES[lot.usize(..NAMES.len())];
    let read = Open::existing(Access::READ);
    match lot.u8(..9) {
        0 => delete(root, caller, name).await,
        1 => rename(root, caller, name, other, false).await,
        2 => rename(root, caller, name, other, true).await,
        3 => make(root, caller, name, Kind::File).await,
        4 => make(root, caller, name, Kind::Directory).await,
        5 => {
            let write = async |handle| root.write(handle, 1, b"written").await;
            with_handle(root, caller, name, Open::existing(Access::WRITE), write).await
        }
        6 => {
            let how = overwrite(Disposition::OverwriteIf);
            with_handle(root, caller, name, how, async |_| Ok(())).await
        }
        7 => {
            let other = at(other);
            let link = async |handle| root.link(handle, &other).await;
            with_handle(root, caller, name, read, link).await
        }
        _ => {
            let read_all = async |handle| root.read(handle, 0, 100).await.map(drop);
            with_handle(root, caller, name, read, read_all).await
        }
    }
}

/// Every path that is on disk, with its state.
fn on_disk(store: &Store) -> Vec<(String, FileState)> {
    let mut found = Vec::new();
    let mut rest = vec![(String::new(), ItemId::ROOT)];
    while let Some((path, directory)) = rest.pop() {
        for child in store.children(directory).unwrap() {
            let below = format!("{path}\\{}", child.name);
            if child.item.directory {
                rest.push((below.clone(), child.item.id));
            }
            found.push((below, child.item.state));
        }
    }
    found.sort_unstable_by(|one: &(String, FileState), other| one.0.cmp(&other.0));
    found
}

#[test]
fn whatever_applications_do_at_once_stays_consistent() {
    for seed in 0..SEEDS {
        let rig = Rig::seeded(&["a", "b", "d\\", "d\\a", "d\\b"], seed);
        rig.make_directory("l");
        rig.make("l\\a", "local");
        let applications: Vec<_> = (0..4)
            .map(|number| {
                rig.spawn(async move |root, caller| {
                    let mut lot = fastrand::Rng::with_seed(seed << 8 | number);
                    for _ in 0..12 {
                        // Most fail, and may.
                        let _ = anything(&root, &caller, &mut lot).await;
                    }
                })
            })
            .collect();
        rig.scheduler.run_until_idle().unwrap();
        assert!(applications.iter().all(|application| application.take().is_some()));
        let lines = rig.callbacks();
        let count = |wanted: &[&str]| {
            let is = |line: &&String| wanted.iter().any(|start| line.starts_with(start));
            lines.iter().filter(is).count()
        };
        let opened = count(&["Notify FileOpened", "Notify NewFile", "Notify FileOverwritten"]);
        assert_eq!(opened, count(&["Notify Closed"]), "seed {seed}");
        assert!(rig.root.handles.is_empty(), "seed {seed}");
        let folder = std::fs::File::open(rig.folder()).unwrap();
        let again = Store::open(folder.into()).unwrap();
        assert_eq!(on_disk(&rig.root.store), on_disk(&again), "seed {seed}");
    }
}

#[test]
fn applications_that_end_in_the_middle_leave_nothing_open() {
    for seed in 0..SEEDS {
        let rig = Rig::seeded(&["a", "b", "d\\", "d\\a", "d\\b"], seed);
        rig.make_directory("l");
        let mut lot = fastrand::Rng::with_seed(seed);
        for number in 0..40 {
            let application = rig.spawn(async move |root, caller| {
                let mut lot = fastrand::Rng::with_seed(seed << 8 | number);
                let _ = anything(&root, &caller, &mut lot).await;
            });
            for _ in 0..lot.usize(..25) {
                rig.scheduler.step();
            }
            application.cancel();
        }
        rig.scheduler.run_until_idle().unwrap();
        // Handles that an application got and did not close are closed by its end; here, they stay.
        rig.close_all();
        let folder = std::fs::File::open(rig.folder()).unwrap();
        let again = Store::open(folder.into()).unwrap();
        assert_eq!(on_disk(&rig.root.store), on_disk(&again), "seed {seed}");
        for name in NAMES {
            let _ = rig.rename_path(name, "taken", false);
        }
        assert!(rig.root.handles.is_empty(), "seed {seed}");
    }
}
