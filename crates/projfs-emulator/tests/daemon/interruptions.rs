//! Callers that give up (projfs.md L5).

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::provider::{Running, start, tree};
use super::support::{Daemon, wait_until};

/// A program that waits for data that is held back.
fn waiting_reader(provider: &Running, file: &std::path::Path) -> (Child, i32) {
    let before = provider.provider.data.lock().unwrap().len();
    let child = Command::new("cat").arg(file).stdout(Stdio::null()).spawn().unwrap();
    wait_until("the data is asked for", || provider.provider.data.lock().unwrap().len() > before);
    let command = provider.provider.data.lock().unwrap()[before];
    (child, command)
}

#[test]
fn a_killed_reader_cancels_its_command() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    provider.hold();
    let (mut child, command) = waiting_reader(&provider, &root.join("a.txt"));
    child.kill().unwrap();
    wait_until("the command is cancelled", || {
        provider.provider.cancelled.lock().unwrap().contains(&command)
    });
    wait_until("the reader is gone", || child.try_wait().unwrap().is_some());
    provider.release();
    assert_eq!(Command::new("cat").arg(root.join("a.txt")).output().unwrap().stdout, b"alpha");
}

#[test]
fn an_interrupted_reader_cancels_its_command() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    provider.hold();
    let (mut child, command) = waiting_reader(&provider, &root.join("a.txt"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    wait_until("the command is cancelled", || {
        provider.provider.cancelled.lock().unwrap().contains(&command)
    });
    wait_until("the reader is gone", || child.try_wait().unwrap().is_some());
}

#[test]
fn a_reader_that_gives_up_takes_nothing_from_another() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    provider.hold();
    let (mut impatient, _) = waiting_reader(&provider, &root.join("a.txt"));
    let mut patient = Command::new("cat");
    let patient = patient.arg(root.join("a.txt")).stdout(Stdio::piped()).spawn().unwrap();
    let control = daemon.control();
    let opened = projfs_emulator::contract::Notification::FileOpened;
    let mut opens = 0;
    wait_until("both have the file open", || {
        opens += control
            .take_trace()
            .unwrap()
            .iter()
            .filter(|one| matches!(one.command.request, projfs_emulator::link::Request::Notify { notification, .. } if notification == opened))
            .count();
        opens >= 2
    });
    impatient.kill().unwrap();
    wait_until("the impatient one is gone", || impatient.try_wait().unwrap().is_some());
    provider.release();
    assert_eq!(patient.wait_with_output().unwrap().stdout, b"alpha");
}
