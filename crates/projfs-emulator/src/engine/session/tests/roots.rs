//! Notifications of a root, which knows its items.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::*;
use crate::contract::{Guid, PlaceholderInfo};
use crate::engine::root::Root;
use crate::engine::store::{ItemId, NewFull, NewPlaceholder, Store};

/// A root whose provider is that of the stage, if there is one.
fn root(stage: &Stage, folder: &tempfile::TempDir, running: bool) -> Arc<Root> {
    let directory = OwnedFd::from(File::open(folder.path()).unwrap());
    Arc::new_cyclic(|this| Root {
        path: "C:\\root".into(),
        instance: Guid([9; 16]),
        this: this.clone(),
        store: Store::open(directory).unwrap(),
        session: Mutex::new(running.then(|| stage.session.clone())),
        names: Default::default(),
        handles: Default::default(),
        negative: Default::default(),
        questions: Default::default(),
        flights: Default::default(),
        enumerations: Default::default(),
        shared: stage.shared.clone(),
    })
}

#[test]
fn a_notification_carries_the_identity_and_version_of_its_item() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::willing(&Scheduler::seeded(0));
    let root = root(&stage, &folder, true);
    let mut info = PlaceholderInfo::default();
    info.version.content[0] = 7;
    let name = Wide::from("a");
    let new = NewPlaceholder { info: &info, instance: root.instance, origin: &name };
    let placeholder = root.store.add_placeholder(ItemId::ROOT, &name, new).unwrap();
    let full = NewFull::File { attributes: 0 };
    let local = root.store.add_full(ItemId::ROOT, &"b".into(), full).unwrap();
    let items = [Some(&placeholder), Some(&local), None];
    for item in items {
        let item = item.map(|item| item.id);
        let (root, opened) = (root.clone(), event(Notification::FileOpened, "a"));
        stage.scheduler.spawn("open", async move {
            root.notify(&application(), Event { item, ..opened }).await.unwrap();
            let closed = event(Notification::ClosedNoModification, "a");
            root.notify_close(&application(), Event { item, ..closed }).await;
        });
        stage.scheduler.run_until_idle().unwrap();
    }
    let asked = stage.provider.asked.lock();
    let carried: Vec<_> =
        asked.iter().map(|command| (command.file, command.version.as_deref().copied())).collect();
    let of_placeholder = (placeholder.file, Some(info.version));
    let (of_local, of_none) = ((local.file, None), (Guid::default(), None));
    assert_eq!(carried, [of_placeholder, of_placeholder, of_local, of_local, of_none, of_none]);
}

#[test]
fn without_a_provider_nothing_is_told_and_nothing_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::willing(&Scheduler::seeded(0));
    let root = root(&stage, &folder, false);
    let told = stage.scheduler.spawn("delete", async move {
        let told = root.notify(&application(), event(Notification::PreDelete, "a")).await;
        root.notify_close(&application(), event(Notification::ClosedFileDeleted, "a")).await;
        root.release_closes().await;
        told
    });
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(told.take(), Some(Ok(())));
    assert_eq!(stage.asked(), [0; 0]);
}

#[test]
fn what_a_root_holds_back_it_releases() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::willing(&Scheduler::seeded(0));
    stage.set_knobs(|knobs| knobs.closes.held = true);
    let root = root(&stage, &folder, true);
    let closing = root.clone();
    stage.scheduler.spawn("close", async move {
        let closed = event(Notification::ClosedFileDeleted, "a");
        closing.notify_close(&application(), closed).await;
    });
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(stage.traced(), [""; 0]);
    stage.scheduler.spawn("release", async move { root.release_closes().await });
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(stage.traced(), ["Notify ClosedFileDeleted a -> OK"]);
}
