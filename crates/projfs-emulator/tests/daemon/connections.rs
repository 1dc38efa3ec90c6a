//! What strangers may send: the daemon says no, and goes on for the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;

use super::support::Daemon;

fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(daemon.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Everything that the daemon says to these bytes, until it hangs up. Its greeting is always first.
fn answer(daemon: &Daemon, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(daemon);
    // It may hang up before it has read all.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Ok(_) => said,
        // It hung up with bytes unread: that is no time out.
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            said
        }
    }
}

/// Magic and version, as the daemon sends them.
fn greeting(daemon: &Daemon) -> [u8; 12] {
    let mut greeting = [0; 12];
    connect(daemon).read_exact(&mut greeting).unwrap();
    greeting
}

#[test]
fn another_version_is_told_ours_and_left() {
    let daemon = Daemon::start(&[]);
    let ours = greeting(&daemon);
    let mut theirs = ours;
    theirs[8] += 1;
    assert_eq!(answer(&daemon, &theirs), ours);
    assert!(daemon.control().knobs().is_ok());
}

#[test]
fn a_message_that_is_too_long_ends_the_connection() {
    let daemon = Daemon::start(&[]);
    let mut bytes = greeting(&daemon).to_vec();
    bytes.extend(u32::MAX.to_le_bytes());
    assert_eq!(answer(&daemon, &bytes), greeting(&daemon));
    assert!(daemon.control().knobs().is_ok());
}

#[test]
fn garbage_ends_its_own_connection_only() {
    let daemon = Daemon::start(&[]);
    let control = daemon.control();
    let greeting = greeting(&daemon);
    // A hello as a provider, process 1 without a program.
    let hello = [3, 0, 0, 0, 0, 1, 0];
    proptest!(ProptestConfig::with_cases(64), |(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        greeted in 0..3,
    )| {
        let known: &[u8] = match greeted {
            0 => &[],
            1 => &greeting,
            _ => &[&greeting[..], &hello].concat(),
        };
        answer(&daemon, &[known, &bytes].concat());
        prop_assert!(control.knobs().is_ok());
    });
}

#[test]
fn only_this_machine_is_served() {
    let output = Command::new(env!("CARGO_BIN_EXE_projfs-emulator"))
        .args(["serve", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("127.0.0.1"));
}

#[test]
fn a_port_that_is_taken_is_explained() {
    let daemon = Daemon::start(&[]);
    let output = Command::new(env!("CARGO_BIN_EXE_projfs-emulator"))
        .args(["serve", "--listen", daemon.address()])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("port 0 takes one that is free"), "{complaint}");
}

#[test]
fn the_ready_file_has_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready");
    let mut child = Command::new(env!("CARGO_BIN_EXE_projfs-emulator"))
        .args(["serve", "--until-eof", "--ready-file"])
        .arg(&file)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    super::support::wait_until("the daemon is ready", || file.exists());
    let address = std::fs::read_to_string(&file).unwrap();
    let asked = Command::new(env!("CARGO_BIN_EXE_projfs-emulator"))
        .args(["knobs", "strict=false", "--at", address.trim()])
        .output()
        .unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(String::from_utf8_lossy(&asked.stdout).contains("strict=false\n"));
    assert!(!file.exists());
}
