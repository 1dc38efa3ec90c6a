//! Providers and daemons that come and go (projfs.md M9 to M13).

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use projfs_emulator::contract::HResult;
use rustix::process::Signal;

use super::provider::{start, tree};
use super::support::{Daemon, mounts_below, wait_until};

/// Reads in another process: its text, or what it complains about.
fn read(path: &Path) -> Result<String, String> {
    let output = Command::new("cat").arg(path).env("LC_ALL", "C").output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(complaint)
    }
}

fn list(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_root_without_its_provider_has_what_is_on_disk() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let files = tree(&[("hydrated", b"alpha"), ("placeholder", b"beta"), ("virtual", b"gamma")]);
    let provider = start(daemon.address(), &root, files.clone()).unwrap();
    assert_eq!(read(&root.join("hydrated")).unwrap(), "alpha");
    std::fs::metadata(root.join("placeholder")).unwrap();
    std::fs::write(root.join("local"), "mine").unwrap();

    // The connection is lost, as when the process dies (M9).
    drop(provider);
    let control = daemon.control();
    wait_until("the provider's end is known", || control.roots().unwrap()[0].provider.is_none());
    assert_eq!(read(&root.join("hydrated")).unwrap(), "alpha");
    assert_eq!(read(&root.join("local")).unwrap(), "mine");
    assert!(read(&root.join("placeholder")).unwrap_err().contains("Input/output error"));
    assert!(read(&root.join("virtual")).unwrap_err().contains("Input/output error"));
    assert_eq!(list(&root), ["hydrated", "local", "placeholder"]);
    std::fs::write(root.join("local"), "still mine").unwrap();

    let provider = start(daemon.address(), &root, files).unwrap();
    assert_eq!(list(&root), ["hydrated", "local", "placeholder", "virtual"]);
    assert_eq!(read(&root.join("placeholder")).unwrap(), "beta");
    assert_eq!(read(&root.join("virtual")).unwrap(), "gamma");
    assert_eq!(read(&root.join("local")).unwrap(), "still mine");
    provider.stop();
}

#[test]
fn one_root_has_one_provider() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[])).unwrap();
    let second = start(daemon.address(), &root, tree(&[]));
    assert_eq!(second.err(), Some(HResult::ALREADY_INITIALIZED));
    provider.stop();
    start(daemon.address(), &root, tree(&[])).unwrap().stop();
}

#[test]
fn a_daemon_that_is_told_to_end_unmounts() {
    let mut daemon = Daemon::start(&[]);
    let roots = [daemon.root("one"), daemon.root("two")];
    let providers = roots
        .each_ref()
        .map(|root| start(daemon.address(), root, tree(&[("a.txt", b"alpha")])).unwrap());
    assert_eq!(read(&roots[0].join("a.txt")).unwrap(), "alpha");
    assert_eq!(mounts_below(daemon.outside()).len(), 2);
    // One of them is in use, and somebody waits for data.
    let used = std::fs::File::open(&roots[1]).unwrap();
    providers[1].hold();
    let mut waiting = Command::new("cat").arg(roots[1].join("a.txt")).spawn().unwrap();
    wait_until("the data is asked for", || !providers[1].provider.data.lock().unwrap().is_empty());
    assert!(daemon.terminate().success());
    assert_eq!(mounts_below(daemon.outside()), [] as [&Path; 0]);
    assert!(!waiting.wait().unwrap().success());
    drop(used);
}

#[test]
fn a_daemon_unmounts_whoever_interrupts_it() {
    for signal in [Signal::INT, Signal::HUP] {
        let mut daemon = Daemon::start(&[]);
        let _provider = start(daemon.address(), &daemon.root("root"), tree(&[])).unwrap();
        assert!(daemon.end_by(signal).success(), "{signal:?}");
        assert_eq!(mounts_below(daemon.outside()), [] as [&Path; 0]);
    }
}

#[test]
fn roots_are_marked_again_while_they_are_mounted() {
    let daemon = Daemon::start(&[]);
    let roots: Vec<_> = (0..12).map(|number| daemon.root(&number.to_string())).collect();
    for _ in 0..2 {
        std::thread::scope(|scope| {
            for root in &roots {
                scope.spawn(|| start(daemon.address(), root, tree(&[])).unwrap().stop());
            }
        });
    }
    assert_eq!(daemon.control().roots().unwrap().len(), roots.len());
}

#[test]
fn a_root_that_somebody_else_unmounted_is_mounted_again() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap().stop();
    rustix::mount::unmount(&root, rustix::mount::UnmountFlags::empty()).unwrap();
    let again = || start(daemon.address(), &root, tree(&[("a.txt", b"alpha")]));
    // The daemon learns of it a moment later.
    wait_until("it is mounted again", || {
        drop(again());
        !mounts_below(&root).is_empty()
    });
    assert_eq!(mounts_below(&root), [root.as_path()]);
    wait_until("it can be started", || again().is_ok());
}

#[test]
fn a_root_may_be_spelled_by_a_link() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let link = daemon.outside().join("link");
    std::os::unix::fs::symlink(&root, &link).unwrap();
    let provider = start(daemon.address(), &link, tree(&[("a.txt", b"alpha")])).unwrap();
    assert_eq!(read(&root.join("a.txt")).unwrap(), "alpha");
    assert_eq!(mounts_below(&root), [root.as_path()]);
    provider.stop();
    start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap().stop();
    let control = daemon.control();
    control.detach(root.to_str().unwrap()).unwrap();
    assert_eq!(mounts_below(&root), [] as [&Path; 0]);
}

#[test]
fn a_daemon_that_is_killed_can_be_followed_by_another() {
    let mut daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let files = tree(&[("hydrated", b"alpha"), ("virtual", b"beta")]);
    let provider = start(daemon.address(), &root, files.clone()).unwrap();
    assert_eq!(read(&root.join("hydrated")).unwrap(), "alpha");
    std::fs::write(root.join("local"), "mine").unwrap();
    std::fs::remove_file(root.join("virtual")).unwrap();
    daemon.kill();
    drop(provider);
    let dead = std::fs::read_dir(&root).unwrap_err();
    assert_eq!(dead.kind(), ErrorKind::NotConnected);

    daemon.restart();
    let provider = start(daemon.address(), &root, files).unwrap();
    assert_eq!(list(&root), ["hydrated", "local"]);
    assert_eq!(read(&root.join("local")).unwrap(), "mine");
    assert_eq!(read(&root.join("hydrated")).unwrap(), "alpha");
    assert_eq!(mounts_below(&root), [root.as_path()]);
    provider.stop();
}

#[test]
fn a_detached_root_is_a_folder_again() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    std::fs::write(root.join("local"), "mine").unwrap();
    let control = daemon.control();
    control.detach(root.to_str().unwrap()).unwrap();
    assert_eq!(mounts_below(&root), [] as [&Path; 0]);
    assert_eq!(std::fs::read(root.join("local")).unwrap(), b"mine");
    assert_eq!(control.roots().unwrap(), []);
    assert_eq!(control.detach(root.to_str().unwrap()), Err(HResult::PATH_NOT_FOUND));
    drop(provider);
}

#[test]
fn what_another_daemon_has_mounted_is_refused() {
    let (one, other) = (Daemon::start(&[]), Daemon::start(&[]));
    let root = one.root("root");
    let _provider = start(one.address(), &root, tree(&[])).unwrap();
    let refused = start(other.address(), &root, tree(&[]));
    assert_eq!(refused.err(), Some(HResult::VIRTUALIZATION_INVALID_OPERATION));
}
