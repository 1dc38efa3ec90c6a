//! The small commands of `projfs-emulator`.

use std::process::{Command, Output};

use super::provider::{start, tree};
use super::support::Daemon;

fn emulator(daemon: &Daemon, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_projfs-emulator"));
    command.args(arguments).env("PROJFS_EMULATOR", daemon.address()).output().unwrap()
}

/// What a command prints; it must succeed.
#[track_caller]
fn says(daemon: &Daemon, arguments: &[&str]) -> String {
    let output = emulator(daemon, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn states_traces_and_settings_are_printed() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let file = root.join("a.txt");
    assert_eq!(std::fs::read(&file).unwrap(), b"alpha");
    assert_eq!(says(&daemon, &["state", file.to_str().unwrap()]), "placeholder hydrated\n");
    let roots = says(&daemon, &["state"]);
    assert!(roots.contains(root.to_str().unwrap()), "{roots}");
    assert!(roots.contains(&format!("process {}", std::process::id())), "{roots}");
    assert!(says(&daemon, &["trace"]).contains("GetFileData a.txt"));
    assert_eq!(says(&daemon, &["violations"]), "");
    assert!(says(&daemon, &["knobs", "entry_limit=3"]).contains("entry_limit=3\n"));
    assert_eq!(daemon.control().knobs().unwrap().entry_limit, Some(3));
    provider.stop();
    assert!(says(&daemon, &["state"]).contains("no provider"));
    says(&daemon, &["detach", root.to_str().unwrap()]);
    assert_eq!(says(&daemon, &["state"]), "");
}

#[test]
fn broken_rules_are_printed_and_make_the_command_fail() {
    let daemon = Daemon::start(&[]);
    let broken = projfs_emulator::Violation::new("F13", "names out of order");
    projfs_emulator::protocol::connect(daemon.address()).unwrap().report(broken);
    super::support::wait_until("the report has arrived", || {
        let output = emulator(&daemon, &["violations"]);
        !output.status.success() && output.stdout == b"F13: names out of order\n"
    });
    assert!(emulator(&daemon, &["violations"]).status.success());
}

#[test]
fn mistakes_are_explained() {
    let daemon = Daemon::start(&[]);
    let complaint = |arguments: &[&str]| {
        let output = emulator(&daemon, arguments);
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(complaint(&["detach", "/nowhere"]).contains("PATH_NOT_FOUND"));
    assert!(complaint(&["knobs", "stict=false"]).contains("strict"));
    assert!(complaint(&["state", "--at", "127.0.0.1:1"]).contains("projfs-emulator serve"));
}
