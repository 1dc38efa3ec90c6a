//! A job of a million files in a process that may take little memory.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use support::Machine;

const FOLDERS: usize = 1_000;
const FILES: usize = 1_000;

/// Private memory, in bytes, that the process may have: the document is about 140 MB, and beside it
/// stand the manifest's table and then the tree.
const DATA_MAX: u64 = 640 << 20;

/// A manifest of a million files, sorted as the official tools write it.
fn million() -> String {
    let mut text = String::with_capacity(150 << 20);
    text.push_str(r#"{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":["#);
    for folder in 0..FOLDERS {
        for file in 0..FILES {
            let size = folder * FILES + file;
            let comma = if size == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}{{"hash":"{size:032x}","mtime":1700000000000000,"path":"shots/sh{folder:04}/tex_{file:04}.exr","size":{size}}}"#
            )
            .unwrap();
        }
    }
    text.push_str(r#"],"totalSize":499999500000}"#);
    text
}

/// Unmounts whatever happens.
struct Mounted<'a>(&'a Machine);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = self.0.command().args(["unmount", "mnt", "--lazy"]).output();
    }
}

#[test]
fn a_million_files_are_mounted_in_little_memory() {
    let machine = Machine::new();
    machine.file("job.manifest", million());
    machine.folder("mnt");
    machine.folder("store");
    let bare = machine.command();
    let mut command = Command::new("prlimit");
    command.arg(format!("--data={DATA_MAX}")).arg(bare.get_program());
    command.args([
        "mount",
        "job.manifest",
        "mnt",
        "--store",
        "store",
        "--memory",
        "64MiB",
        "--json",
    ]);
    command.env_clear().current_dir(machine.path(""));
    command.envs(bare.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let run = machine.finish(&mut command);
    let _mounted = Mounted(&machine);
    assert_eq!(run.code, 0, "{}", run.stderr);

    let shots = machine.path("mnt/shots");
    assert_eq!(fs::read_dir(&shots).unwrap().count(), FOLDERS);
    for folder in [0, 500, 999] {
        let listed = fs::read_dir(shots.join(format!("sh{folder:04}"))).unwrap();
        assert_eq!(listed.count(), FILES);
    }
    let file = fs::metadata(shots.join("sh0123/tex_0456.exr")).unwrap();
    assert_eq!((file.size(), file.mtime()), (123_456, 1_700_000_000));

    let pid = run.record("mount/1")["pid"].as_u64().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib << 10 < DATA_MAX, "the peak was {peak}");
}
