//! Mounting and unmounting: what is refused and why, who keeps a mount busy, how it ends.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusty_attachments_testkit::volume::Tree;
use rusty_attachments_vfs_fuse::{
    FuseError, FuseMount, Holder, MountOptions, list_mounts, mount, unmount_path,
};

use crate::fixture::{Mounted, PATIENCE, Running, executor, scratch, within_patience};

fn tree() -> Tree {
    Tree::new().file("file", "bytes").directory("folder")
}

fn try_mount(point: &Path) -> Result<FuseMount, FuseError> {
    mount(tree().build(), executor(), point, &MountOptions::default())
}

fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let named = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm"));
    tasks.filter_map(|task| named(task).ok()).filter(|name| name.starts_with("fuse")).count()
}

#[test]
fn bad_mount_points_are_told_apart() {
    let scratch = scratch();
    let missing = scratch.path().join("missing");
    let error = try_mount(&missing).unwrap_err();
    assert!(matches!(error, FuseError::MountPointMissing { .. }), "{error}");
    assert!(error.to_string().contains("missing") && error.to_string().contains("create"));

    let file = scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = try_mount(&file).unwrap_err();
    assert!(matches!(error, FuseError::MountPointNotDirectory { .. }), "{error}");
    let error = try_mount(&file.join("below")).unwrap_err();
    assert!(matches!(error, FuseError::MountPointNotDirectory { .. }), "{error}");

    let error = try_mount(scratch.path()).unwrap_err();
    assert!(matches!(error, FuseError::MountPointNotEmpty { .. }), "{error}");
    let options = MountOptions { allow_nonempty: true, ..MountOptions::default() };
    let over = mount(tree().build(), executor(), scratch.path(), &options).unwrap();
    assert!(!file.metadata().unwrap().is_dir());
    assert_eq!(std::fs::read(&file).unwrap(), b"bytes");
    over.unmount().unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"");
    assert!(!error.is_environment());
}

#[test]
fn a_place_is_mounted_once() {
    let mounted = Mounted::new(tree());
    let error = try_mount(mounted.root()).unwrap_err();
    assert!(matches!(error, FuseError::AlreadyMounted { .. }), "{error}");
    assert!(error.to_string().contains("rusty-attachments:mount"), "{error}");
    let error = try_mount(Path::new("/proc")).unwrap_err();
    assert!(matches!(error, FuseError::AlreadyMounted { .. }), "{error}");
}

#[test]
fn a_mount_in_use_stays_and_names_its_users() {
    let mounted = Mounted::new(tree());
    let sleeper = Running::start("sleep", &["600".as_ref()], &mounted.path("folder"));
    let open = File::open(mounted.path("file")).unwrap();
    let error = mounted.mount().unmount().unwrap_err();
    let FuseError::Busy { holders, .. } = &error else { panic!("{error}") };
    let pids: Vec<_> = holders
        .iter()
        .map(|holder| match holder {
            Holder::Process { pid, .. } => *pid,
            Holder::Mount(path) => panic!("{}", path.display()),
        })
        .collect();
    assert!(pids.contains(&sleeper.0.id()) && pids.contains(&std::process::id()), "{pids:?}");
    assert!(error.to_string().contains(&format!("process {} (sleep)", sleeper.0.id())), "{error}");
    let error = unmount_path(mounted.root(), false).unwrap_err();
    assert!(matches!(error, FuseError::Busy { .. }), "{error}");
    // It goes on as if nothing had happened.
    assert_eq!(std::fs::read(mounted.path("file")).unwrap(), b"bytes");
    drop((open, sleeper));
    mounted.mount().unmount().unwrap();
    assert!(!mounted.path("file").exists());
}

#[test]
fn a_mount_inside_keeps_a_mount_busy() {
    let mounted = Mounted::new(tree());
    let inner = try_mount(&mounted.path("folder"));
    // The folder is not writable, so only root gets this far.
    let Ok(inner) = inner else { return assert!(!rustix::process::geteuid().is_root()) };
    let error = mounted.mount().unmount().unwrap_err();
    assert!(error.to_string().contains("the mount at"), "{error}");
    inner.unmount().unwrap();
    mounted.mount().unmount().unwrap();
}

#[test]
fn a_lazy_unmount_serves_those_who_are_still_there() {
    let mounted = Mounted::new(Tree::new().pattern("file", 1 << 20));
    let open = File::open(mounted.path("file")).unwrap();
    mounted.mount().unmount_lazy().unwrap();
    assert!(!mounted.path("file").exists());
    assert!(mounted.mount().is_running());
    let mut piece = [0; 8];
    std::os::unix::fs::FileExt::read_exact_at(&open, &mut piece, 800_000).unwrap();
    assert_eq!(u64::from_le_bytes(piece), 800_000);
    drop(open);
    assert!(mounted.mount().wait_timeout(PATIENCE));
    mounted.mount().wait().unwrap();
    mounted.mount().unmount().unwrap();
}

#[test]
fn dropping_a_busy_mount_ends_it_with_its_threads() {
    let mut mounted = Mounted::new(Tree::new().pattern("file", 1 << 20));
    let open = File::open(mounted.path("file")).unwrap();
    let root = mounted.root().to_path_buf();
    mounted.end();
    let mut piece = [0; 8];
    assert!(std::os::unix::fs::FileExt::read_exact_at(&open, &mut piece, 800_000).is_err());
    assert_eq!(std::fs::read_dir(root).unwrap().count(), 0);
}

#[test]
fn unmounting_from_outside_ends_the_session() {
    let mounted = Mounted::new(tree());
    assert!(!mounted.mount().wait_timeout(Duration::ZERO));
    unmount_path(mounted.root(), false).unwrap();
    assert!(mounted.mount().wait_timeout(PATIENCE));
    mounted.mount().wait().unwrap();
    // And a second time does no harm, nor to what is mounted there next.
    let next = try_mount(mounted.root()).unwrap();
    mounted.mount().unmount().unwrap();
    assert_eq!(std::fs::read(mounted.path("file")).unwrap(), b"bytes");
    next.unmount().unwrap();
}

#[test]
fn a_mount_whose_connection_is_cut_is_cleared() {
    if !rustix::process::geteuid().is_root() {
        // Only root can cut it without a file system that this machine may not have.
        return assert!(unmount_path(Path::new("/proc"), false).is_err());
    }
    let mounted = Mounted::new(tree());
    let open = File::open(mounted.path("file")).unwrap();
    let cut = rustix::mount::unmount(mounted.root(), rustix::mount::UnmountFlags::FORCE);
    assert_eq!(cut, Err(rustix::io::Errno::BUSY));
    assert!(mounted.mount().wait_timeout(PATIENCE));
    assert!(list_mounts().unwrap().iter().all(|entry| entry.mount_point != mounted.root()));
    drop(open);
    mounted.mount().unmount().unwrap();
}

#[test]
fn what_is_not_ours_is_not_unmounted() {
    let error = unmount_path(Path::new("/proc"), false).unwrap_err();
    assert!(matches!(error, FuseError::NotOurs { .. }), "{error}");
    let empty = scratch();
    let error = unmount_path(empty.path(), true).unwrap_err();
    assert!(matches!(error, FuseError::NotMounted { .. }), "{error}");
    let error = unmount_path(&empty.path().join("missing"), true).unwrap_err();
    assert!(matches!(error, FuseError::NotMounted { .. }), "{error}");
}

#[test]
fn mounts_are_listed() {
    let options = MountOptions { label: "job 1".into(), ..MountOptions::default() };
    let mounted = Mounted::with(tree(), &options);
    let listed = list_mounts().unwrap();
    let ours = listed.iter().find(|entry| entry.mount_point == mounted.root()).unwrap();
    assert_eq!((ours.source.to_str(), ours.stale), (Some("rusty-attachments:job 1"), false));
    mounted.mount().unmount().unwrap();
    assert!(list_mounts().unwrap().iter().all(|entry| entry.mount_point != mounted.root()));
}

#[test]
fn a_hundred_mounts_leave_nothing_behind() {
    within_patience("mounting again and again", || {
        let point = scratch();
        let volume = tree().build();
        let executor = executor();
        for round in 0..100 {
            let mounted =
                mount(volume.clone(), executor.clone(), point.path(), &MountOptions::default());
            let mounted = mounted.unwrap();
            assert_eq!(std::fs::read(point.path().join("file")).unwrap(), b"bytes");
            if round % 2 == 0 {
                mounted.unmount().unwrap();
            }
        }
        drop(executor);
        // The volume is ours alone again: no task or thread kept it.
        assert_eq!(std::sync::Arc::strong_count(&volume), 1);
    });
    // Other tests mount too; what leaks a thread a round would show as hundreds.
    assert!(threads() < 300);
}
