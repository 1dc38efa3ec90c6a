//! Mounts whose process was killed: recognised, cleared, and only those.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rusty_attachments_testkit::volume::Tree;
use rusty_attachments_vfs_fuse::{FuseError, MountOptions, list_mounts, mount, unmount_path};

use tempfile::TempDir;

use crate::fixture::{PATIENCE, Running, executor, scratch};

const POINT: &str = "RUSTY_ATTACHMENTS_TEST_MOUNT_POINT";

/// Mounts and unmounts. Started again by the tests below, with a place to mount at, it serves
/// until it is killed or its input ends.
#[test]
fn serves_until_its_input_ends() {
    let given = std::env::var_os(POINT);
    // Whoever is killed cleans nothing up.
    let own = given.is_none().then(scratch);
    let point = own.as_ref().map_or_else(|| Path::new(given.as_ref().unwrap()), TempDir::path);
    let tree = Tree::new().file("file", "bytes").directory("folder");
    let mounted = mount(tree.build(), executor(), point, &MountOptions::default()).unwrap();
    if given.is_some() {
        std::io::stderr().write_all(b"R").unwrap();
        let _ = std::io::stdin().read(&mut [0]);
    }
    assert_eq!(std::fs::read(point.join("file")).unwrap(), b"bytes");
    mounted.unmount().unwrap();
}

/// Another process that serves a mount at `point`.
pub(crate) fn another_process(point: &Path, mut command: Command) -> Running {
    command.args(["--exact", "stale::serves_until_its_input_ends", "--nocapture", "--quiet"]);
    command.env(POINT, point);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut ready = [0];
    child.0.stderr.as_mut().unwrap().read_exact(&mut ready).unwrap();
    if ready != *b"R" {
        let mut said = String::new();
        child.0.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
        panic!("the process did not mount: {}{said}", ready[0] as char);
    }
    child
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

fn stale(point: &Path) -> Option<bool> {
    let listed = list_mounts().unwrap();
    listed.into_iter().find(|entry| entry.mount_point == point).map(|entry| entry.stale)
}

#[test]
fn the_mount_of_a_killed_process_is_recognised_and_cleared() {
    let point = scratch();
    let mut child = another_process(point.path(), this_program());
    assert_eq!(stale(point.path()), Some(false));
    // The kernel now knows the attributes of the root, which it would answer from memory.
    point.path().metadata().unwrap();
    let error = mount(Tree::new().build(), executor(), point.path(), &MountOptions::default());
    assert!(matches!(error, Err(FuseError::AlreadyMounted { .. })));
    child.kill();
    assert_eq!(stale(point.path()), Some(true));
    let tree = Tree::new().file("next", "next");
    let mounted = mount(tree.build(), executor(), point.path(), &MountOptions::default()).unwrap();
    assert_eq!(std::fs::read(point.path().join("next")).unwrap(), b"next");
    mounted.unmount().unwrap();
    assert_eq!(stale(point.path()), None);
    assert_eq!(std::fs::read_dir(point.path()).unwrap().count(), 0);
}

#[test]
fn a_dead_mount_can_be_unmounted_even_while_it_is_used() {
    let point = scratch();
    let mut child = another_process(point.path(), this_program());
    let _open = std::fs::File::open(point.path().join("folder")).unwrap();
    child.kill();
    unmount_path(point.path(), false).unwrap();
    assert_eq!(stale(point.path()), None);
}

#[test]
fn the_mount_of_a_living_process_is_left_alone() {
    let point = scratch();
    let mut child = another_process(point.path(), this_program());
    assert_eq!(std::fs::read(point.path().join("file")).unwrap(), b"bytes");
    drop(child.0.stdin.take());
    let deadline = std::time::Instant::now() + PATIENCE;
    let status = loop {
        assert!(std::time::Instant::now() < deadline);
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    assert!(status.success());
    assert_eq!(stale(point.path()), None);
}
