//! Mounting, watching and unmounting through the real binary.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};
use support::mounts::{Foreground, PATIENCE, is_running, is_stopped, of_mount, wait_until};
use support::{Machine, Run, manifest};

/// A machine with a job in a store, and a mount point that is unmounted whatever happens.
struct Job {
    machine: Machine,
}

impl Job {
    fn new() -> Self {
        let machine = Machine::new();
        machine.file("job/scene.ma", "scene".repeat(10_000));
        machine.file("job/tex/\u{fc}ber.tx", vec![42; 300_000]);
        machine.file("job/empty", "");
        machine.folder("mnt");
        let args = ["snapshot", "job", "--store", "store", "-o", "job.manifest", "-q"];
        machine.run(args).ok();
        Self { machine }
    }

    fn mount_point(&self) -> PathBuf {
        self.machine.path("mnt")
    }

    fn mount(&self, args: &[&str]) -> Run {
        let all = ["mount", "job.manifest", "mnt", "--store", "store", "--json"];
        self.machine.run([&all, args].concat())
    }

    /// Mounts in the background and gives the process that serves.
    #[track_caller]
    fn mounted(&self) -> Pid {
        let run = self.mount(&[]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let pid = run.record("mount/1")["pid"].as_i64().unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    #[track_caller]
    fn is_whole(&self) {
        for name in ["scene.ma", "tex/\u{fc}ber.tx", "empty"] {
            let source = fs::read(self.machine.path("job").join(name)).unwrap();
            assert!(fs::read(self.mount_point().join(name)).unwrap() == source, "{name}");
        }
    }

    #[track_caller]
    fn is_unmounted(&self) {
        assert_eq!(fs::read_dir(self.mount_point()).unwrap().count(), 0);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains(self.mount_point().to_str().unwrap()), "{mounts}");
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.machine.command().args(["unmount", "--lazy", "mnt"]).output();
    }
}

fn foreground(job: &Job) -> Foreground {
    Foreground::start(&job.machine, &["job.manifest", "mnt", "--store", "store"])
}

#[test]
fn a_snapshot_mounts_in_the_background_and_reads_back_equal() {
    let job = Job::new();
    let pid = job.mounted();
    job.is_whole();
    let status = job.machine.run(["status", "--json"]);
    let record = of_mount(&status, &job.mount_point());
    assert_eq!(record["state"], "serving");
    assert_eq!(record["report"]["pid"], pid.as_raw_nonzero().get());
    assert!(record["report"]["stats"]["store_bytes"].as_u64().unwrap() >= 350_000);
    let text = job.machine.run(["status"]).ok();
    assert!(text.contains("serving") && text.contains("from the store"), "{text}");

    let cache = job.machine.run(["cache", "show", "--json"]).record("cache/1");
    assert_eq!(cache["objects"], 2, "the empty file needs no object");
    let verified = job.machine.run(["cache", "verify", "--json"]).record("cache-verify/1");
    assert_eq!((verified["intact"].as_u64(), verified["corrupt"].as_u64()), (Some(2), Some(0)));

    job.machine.run(["unmount", "mnt"]).ok();
    job.is_unmounted();
    wait_until("the end of the background process", || !is_running(pid));
    let pruned = job.machine.run(["cache", "prune", "--to", "0", "--json"]).record("cache-prune/1");
    assert_eq!(
        (pruned["removed"].as_u64(), pruned["remaining_bytes"].as_u64()),
        (Some(2), Some(0))
    );
}

#[test]
fn signals_unmount_a_foreground_mount() {
    for signal in [Signal::INT, Signal::TERM] {
        let job = Job::new();
        let mut mount = foreground(&job);
        job.is_whole();
        mount.signal(signal);
        assert_eq!(mount.code(), Some(0), "{signal:?}");
        job.is_unmounted();
    }
}

#[test]
fn a_signal_frees_the_folder_even_while_a_file_is_open() {
    let job = Job::new();
    let mut mount = foreground(&job);
    let file = fs::File::open(job.mount_point().join("scene.ma")).unwrap();
    mount.signal(Signal::TERM);
    wait_until("the unmount", || fs::read_dir(job.mount_point()).is_ok_and(|d| d.count() == 0));
    drop(file);
    assert_eq!(mount.code(), Some(0));
    job.is_unmounted();
}

#[test]
fn an_unmount_from_outside_ends_a_foreground_mount() {
    let job = Job::new();
    let mut mount = foreground(&job);
    job.machine.run(["unmount", "mnt"]).ok();
    assert_eq!(mount.code(), Some(0));
    job.is_unmounted();
}

#[test]
fn a_killed_mount_is_told_and_cleared_by_the_next() {
    let job = Job::new();
    let pid = job.mounted();
    kill_process(pid, Signal::KILL).unwrap();
    wait_until("the death of the mount", || !is_running(pid));
    let status = job.machine.run(["status", "--json"]);
    let record = of_mount(&status, &job.mount_point());
    assert_eq!(record["state"], "stale");
    let fix = record["fix"].as_str().unwrap();
    assert_eq!(fix, format!("rusty-attachments unmount '{}'", job.mount_point().display()));
    let doctor = job.machine.run(["doctor"]);
    assert!(doctor.text().contains(fix), "{}", doctor.text());

    job.mounted();
    job.is_whole();
    job.machine.run(["unmount", "mnt"]).ok();
    job.is_unmounted();
}

#[test]
fn a_mount_that_does_not_answer_hangs_nobody() {
    let job = Job::new();
    let pid = job.mounted();
    kill_process(pid, Signal::STOP).unwrap();
    wait_until("the stop of all threads", || is_stopped(pid));
    let start = Instant::now();
    let status = job.machine.run(["status", "--json", "--timeout", "200ms"]);
    let told = of_mount(&status, &job.mount_point());
    kill_process(pid, Signal::CONT).unwrap();
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(told["state"], "silent");
    assert!(told["fix"].as_str().unwrap().ends_with(" --lazy"));
    job.machine.run(["unmount", "mnt"]).ok();
}

#[test]
fn a_mount_that_fails_in_the_background_says_why_and_leaves_nothing() {
    let job = Job::new();
    let machine = &job.machine;
    let mount = |args: &[&str]| machine.run([&["mount"], args].concat());
    mount(&["none.manifest", "mnt", "--store", "store"]).fails(2, &["read 'none.manifest'"]);
    mount(&["job.manifest", "nowhere", "--store", "store"])
        .fails(2, &["nowhere", "does not exist"]);
    mount(&["job.manifest", "job.manifest", "--store", "store"]).fails(2, &["not a folder"]);
    mount(&["job.manifest", "job", "--store", "store"]).fails(2, &["not empty"]);
    mount(&["job.manifest", "mnt", "--store", "nowhere"]).fails(3, &["store", "nowhere"]);
    mount(&["job.manifest", "mnt", "--store", "http://x"]).fails(2, &["http://x", "s3://"]);
    mount(&["job.manifest", "mnt"]).fails(3, &["no store is named"]);
    machine.file("bad.manifest", manifest(&["../x"]));
    mount(&["bad.manifest", "mnt", "--store", "store"]).fails(1, &["bad.manifest", "../x"]);
    machine.file("cache-file", "");
    mount(&["job.manifest", "mnt", "--store", "store", "--cache-dir", "cache-file"])
        .fails(1, &["cache"]);
    mount(&["job.manifest", "mnt", "--store", "store", "--memory", "1KiB"]).fails(1, &["memory"]);
    assert_eq!(mount(&["job.manifest"]).code, 2);
    assert_eq!(mount(&["job.manifest", "mnt", "--store", "store", "--verify", "never"]).code, 2);
    job.is_unmounted();

    job.mounted();
    job.mount(&[]).fails_as_json(1, &["is mounted there"]);
    let file = fs::File::open(job.mount_point().join("scene.ma")).unwrap();
    machine.run(["unmount", "mnt"]).fails(1, &["in use by process"]);
    drop(file);
    machine.run(["unmount", "mnt"]).ok();
    machine.run(["unmount", "mnt"]).fails(1, &["nothing is mounted there"]);
    machine.run(["unmount", "/proc"]).fails(1, &["not one of ours"]);
}

#[test]
fn several_manifests_are_one_folder_and_diffs_apply() {
    let job = Job::new();
    let machine = &job.machine;
    machine.file("more/scene.ma", "a newer scene");
    machine.file("more/new.txt", "new");
    machine.run(["snapshot", "more", "--store", "store", "-q"]).ok();
    let args = ["mount", "job.manifest", "more.manifest", "mnt", "--store", "store", "--no-cache"];
    machine.run(args).ok();
    let read = |name: &str| fs::read_to_string(job.mount_point().join(name));
    assert_eq!(read("scene.ma").unwrap(), "a newer scene");
    assert_eq!(read("new.txt").unwrap(), "new");
    assert_eq!(read("empty").unwrap(), "");
    machine.run(["unmount", "mnt"]).ok();

    let v2025 = ["--store", "store", "--format", "v2025", "-q", "-o"];
    machine.run([&["snapshot", "job"], &v2025[..], &["old"]].concat()).ok();
    machine.run([&["snapshot", "more"], &v2025[..], &["new"]].concat()).ok();
    machine.run(["manifest", "diff", "old", "new", "-o", "d"]).ok();
    machine.run(["mount", "d", "mnt", "--store", "store"]).fails(1, &["diff"]);
    machine.run(["mount", "old", "mnt", "--diff", "d", "--store", "store"]).ok();
    assert_eq!(read("scene.ma").unwrap(), "a newer scene");
    assert!(read("empty").is_err());
    machine.run(["unmount", "mnt"]).ok();
    machine.run(["mount", "new", "mnt", "--diff", "d", "--store", "store"]).fails(1, &["'d'"]);
    machine.run(["manifest", "compose", "old", "d", "-o", "composed"]).ok();
    assert_eq!(machine.run(["manifest", "diff", "composed", "new"]).ok(), "");
}

#[test]
fn a_missing_object_fails_its_readers_and_is_in_the_log() {
    let job = Job::new();
    let log = job.machine.path("mount.log");
    fs::remove_dir_all(job.machine.path("store/Data")).unwrap();
    job.mount(&["--log-file", "mount.log", "--read-timeout", "5s"]).ok();
    fs::read(job.mount_point().join("scene.ma")).unwrap_err();
    wait_until("the log line", || {
        fs::read_to_string(&log).is_ok_and(|text| text.contains("scene.ma"))
    });
    let record = of_mount(&job.machine.run(["status", "--json"]), &job.mount_point());
    assert!(record["report"]["stats"]["failed_reads"].as_u64().unwrap() >= 1);
    job.machine.run(["unmount", "mnt"]).ok();
}

#[test]
fn doctor_names_what_is_missing() {
    let machine = Machine::new();
    machine.folder("store");
    let run = machine.run(["doctor", "--json", "--store", "store"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let state = |run: &Run, check: &str| {
        let records = run.records();
        records.into_iter().find(|record| record["check"] == check).unwrap()["state"].clone()
    };
    for check in ["device", "fusermount3", "mounts", "cache", "store"] {
        assert_eq!(state(&run, check), "ok", "{check}");
    }
    machine.file("file", "");
    let run = machine.run(["doctor", "--json", "--store", "none", "--cache-dir", "file"]);
    assert_eq!(run.code, 3);
    assert_eq!(state(&run, "store"), "failed");
    assert_eq!(state(&run, "cache"), "failed");
    assert!(run.records().iter().all(|r| r["state"] == "ok" || r["fix"].is_string()));
}

#[test]
fn damaged_cache_objects_are_found() {
    let job = Job::new();
    job.mounted();
    job.is_whole();
    job.machine.run(["unmount", "mnt"]).ok();
    let mut folders = vec![job.machine.path(".cache/rusty-attachments/v1/objects")];
    let mut damaged = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if damaged == 0 {
                let mut bytes = fs::read(&entry).unwrap();
                bytes[0] ^= 1;
                fs::remove_file(&entry).unwrap();
                fs::write(&entry, bytes).unwrap();
                damaged += 1;
            }
        }
    }
    assert_eq!(damaged, 1);
    let run = job.machine.run(["cache", "verify", "--json"]);
    assert_eq!(run.code, 1);
    let record = run.record("cache-verify/1");
    assert_eq!((record["corrupt"].as_u64(), record["intact"].as_u64()), (Some(1), Some(1)));
    assert_eq!(job.machine.run(["cache", "verify", "-q"]).code, 0, "it was dropped");
}

#[test]
fn the_demo_checks_itself_and_leaves_nothing() {
    let machine = Machine::new();
    let run = machine.run(["demo", "--size", "0.02", "--json"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let record = run.record("demo/1");
    assert_eq!(record["verified"], true);
    assert_eq!(
        (&record["projfs"]["changes"], &record["projfs"]["outputs"]),
        (&5.into(), &3.into())
    );
    assert_eq!(record["listed_files"], record["files"]);
    assert_eq!(record["list_fetched_bytes"], 0);
    assert!(record["read_bytes"].as_u64() <= record["fetched_bytes"].as_u64());
    assert_eq!(fs::read_dir(machine.path("tmp")).unwrap().count(), 0);
    let text = machine.run(["demo", "--size", "0.01", "-q"]).ok();
    assert!(text.contains("Nothing is left behind"), "{text}");

    let kept = machine.run(["demo", "--size", "0.01", "--json", "--keep", "-q"]).record("demo/1");
    let kept = PathBuf::from(kept["kept"].as_str().unwrap());
    let valid = machine.run(["manifest", "validate", kept.join("job.manifest").to_str().unwrap()]);
    assert_eq!(valid.code, 0);
    assert_eq!(machine.run(["demo", "--size", "99"]).code, 2);
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let machine = Machine::new();
    let mut child = machine
        .command()
        .args(["demo", "--size", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Its folder shows that it has begun; the full job takes much longer than this test.
    let tmp = machine.path("tmp");
    wait_until("the start of the demo", || fs::read_dir(&tmp).unwrap().count() > 0);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    wait_until("the end of the demo", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("interrupted by a signal"), "{stderr}");
    assert_eq!(fs::read_dir(&tmp).unwrap().count(), 0);
}

#[test]
fn an_interrupted_start_leaves_no_mount() {
    let job = Job::new();
    // The parent dies before the child's verdict: the child must not serve a mount that nobody
    // knows of.
    let parent = job
        .machine
        .command()
        .args(["mount", "job.manifest", "mnt", "--store", "store"])
        .env("RUSTY_ATTACHMENTS_BACKGROUND_CHILD", "1")
        .stdout(closed_pipe())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = parent;
    wait_until("the end of the child", || child.try_wait().unwrap().is_some());
    assert_ne!(child.wait().unwrap().code(), Some(0));
    job.is_unmounted();
}

/// The writing end of a pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let mut sleeper = Command::new("true").stdin(Stdio::piped()).spawn().unwrap();
    let pipe = sleeper.stdin.take().unwrap();
    sleeper.wait().unwrap();
    pipe.into()
}
