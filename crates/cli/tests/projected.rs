//! Mounts with ProjFS, on its emulator, through the real binary: what other processes change there
//! is told, exported, and survives.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::mounts::{Foreground, PATIENCE, is_running, is_stopped, of_mount, wait_until};
use support::{Machine, Run, manifest};

/// A machine with a job in a store, and a root that is unmounted whatever happens.
struct Job {
    machine: Machine,
}

const MOUNT: [&str; 6] = ["mount", "job.manifest", "mnt", "--store", "store", "--projfs-emulator"];

impl Job {
    fn new() -> Self {
        let machine = Machine::new();
        machine.file("job/scene.ma", "scene");
        machine.file("job/tex/wood.tx", vec![42; 300_000]);
        machine.file("job/old.txt", "old");
        machine.folder("mnt");
        let args = ["snapshot", "job", "--store", "store", "-o", "job.manifest", "-q"];
        machine.run(args).ok();
        Self { machine }
    }

    fn root(&self) -> PathBuf {
        self.machine.path("mnt")
    }

    fn mount(&self, args: &[&str]) -> Run {
        self.machine.run([&MOUNT[..], &["--json"], args].concat())
    }

    #[track_caller]
    fn mounted(&self) -> Pid {
        let run = self.mount(&[]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        let pid = run.record("mount/1")["pid"].as_i64().unwrap();
        Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
    }

    /// Runs a script of a shell in the root: another process than the one that serves it.
    #[track_caller]
    fn act(&self, script: &str) -> String {
        let output =
            Command::new("sh").args(["-ec", script]).current_dir(self.root()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `changes` prints, without the last line.
    #[track_caller]
    fn changes(&self) -> Vec<String> {
        let text = self.machine.run(["changes", "mnt"]).ok();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.pop().unwrap();
        lines
    }
}

impl Drop for Job {
    /// Ends what a test that failed has left, also what does not answer any more.
    fn drop(&mut self) {
        let Ok(notes) = fs::read_dir(self.machine.path(".local/state/rusty-attachments/mounts"))
        else {
            return;
        };
        for note in notes.flatten().filter_map(|note| fs::read(note.path()).ok()) {
            let Ok(note) = serde_json::from_slice::<Value>(&note) else { continue };
            let pid = note["pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
            if let (Some(pid), Some(root)) = (pid, note["root"].as_str()) {
                let _ = kill_process(pid, Signal::KILL);
                wait_until("the end of the mount", || !is_running(pid));
                let _ = self.machine.command().args(["unmount", root]).output();
            }
        }
    }
}

#[test]
fn what_other_programs_change_is_told_exported_and_mounts_again() {
    let job = Job::new();
    let pid = job.mounted();
    assert_eq!(job.act("ls; cat scene.ma"), "old.txt\nscene.ma\ntex\nscene");
    let none = job.machine.run(["changes", "mnt"]).ok();
    assert!(none.starts_with("nothing in ") && none.contains("differs"), "{none}");
    assert_eq!(job.machine.run(["changes", "--json"]).record("changes/1")["changes"], 0);
    let none = job.machine.run(["export", "mnt", "--store", "out", "-o", "none"]).ok();
    assert!(none.contains("no manifest is written"), "{none}");
    assert!(!job.machine.path("none").exists());

    job.act("printf ' more' >> scene.ma; mv tex/wood.tx tex/oak.tx; rm old.txt");
    job.act(
        "mkdir renders; printf frame > renders/.hidden.exr; printf frame > t; mv t renders/1.exr",
    );
    assert_eq!(
        job.changes(),
        [
            "D old.txt",
            "A renders",
            "A renders/.hidden.exr",
            "A renders/1.exr",
            "M scene.ma",
            "R tex/wood.tx -> tex/oak.tx",
        ]
    );
    let records = job.machine.run(["changes", "mnt", "--json"]).records();
    assert_eq!(records[5]["from"], "tex/wood.tx");
    assert_eq!(records[4]["size"], 10);

    let export = ["export", "mnt", "--store", "out", "--json", "-q", "--outputs", "renders"];
    let args = [&export[..], &["-o", "outputs", "--diff", "diff"]].concat();
    let record = job.machine.run(args).record("export/1");
    assert_eq!(record["outputs"]["entries"], 2, "{record}");
    assert!(record["objects_uploaded"].as_u64() >= Some(3), "{record}");
    let shown = job.machine.run(["manifest", "show", "outputs"]).ok();
    assert!(shown.contains("renders/.hidden.exr") && !shown.contains("scene.ma"), "{shown}");
    // Roots do not tell cases apart (projfs.md G9), so the folder may be spelled otherwise.
    let export = ["export", "mnt", "--store", "out", "--json", "-q", "--outputs", "Renders"];
    let again = job.machine.run([&export[..], &["-o", "outputs2"]].concat()).record("export/1");
    assert_eq!(again["objects_uploaded"], 0, "{again}");
    assert_eq!(again["outputs"]["manifest_hash"], record["outputs"]["manifest_hash"]);
    let slip = job.machine.run(["export", "mnt", "--store", "out", "--outputs", "rendres"]);
    assert!(slip.code == 0 && slip.stderr.contains("no folder 'rendres'"), "{}", slip.stderr);
    job.machine.run(["unmount", "mnt"]).ok();
    wait_until("the end of the background process", || !is_running(pid));

    job.machine.run(["manifest", "compose", "job.manifest", "diff", "-o", "now"]).ok();
    let check = ["manifest", "validate", "now", "outputs", "--check-store", "--store", "out"];
    job.machine.run(check).ok();
    job.machine.folder("seen");
    let seen = job.machine.run(["mount", "now", "seen", "--store", "out", "--json"]);
    let seen = seen.record("mount/1")["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let seen = seen.and_then(Pid::from_raw).unwrap();
    let read = |name: &str| fs::read(job.machine.path("seen").join(name));
    assert_eq!(read("scene.ma").unwrap(), b"scene more");
    assert_eq!(read("renders/1.exr").unwrap(), b"frame");
    assert_eq!(read("tex/oak.tx").unwrap(), vec![42; 300_000]);
    read("old.txt").unwrap_err();
    job.machine.run(["unmount", "seen"]).ok();
    wait_until("the end of the other background process", || !is_running(seen));
}

#[test]
fn outputs_go_where_deadline_cloud_looks_for_them() {
    let job = Job::new();
    job.mounted();
    job.act("printf frame > 1.exr");
    let ids = "--farm-id farm-1 --queue-id queue-2 --job-id job-3 --step-id step-4 --task-id \
               task-5 --session-action-id sessionaction-6 --started 2025-05-22T22:17:03.409012Z \
               --asset-root /mnt/job";
    let args = ["export", "mnt", "--store", "out", "--json"];
    let args: Vec<_> = args.into_iter().chain(ids.split_whitespace()).collect();
    let record = job.machine.run(&args).record("export/1");
    let key = record["outputs"]["keys"][0].as_str().unwrap();
    let folder = "Manifests/farm-1/queue-2/job-3/step-4/task-5/\
                  2025-05-22T22:17:03.409012Z_sessionaction-6/";
    assert!(key.starts_with(folder) && key.ends_with("_output"), "{key}");
    let stored = job.machine.run(["manifest", "show", &format!("out/{key}")]).ok();
    assert!(stored.contains("1.exr"), "{stored}");
    // All ids or none.
    assert_eq!(job.machine.run(["export", "mnt", "--store", "out", "--job-id", "job-3"]).code, 2);
    let inside = ["export", "mnt", "--store", "out", "-o", "mnt/outputs"];
    job.machine.run(inside).fails(2, &["part of the export", "--manifest"]);
    job.machine.run(["export", "mnt", "--store", "out", "--outputs", ".."]).fails(2, &["root"]);
}

#[test]
fn written_files_are_in_the_store_before_they_are_exported() {
    let job = Job::new();
    assert_eq!(job.mount(&["--upload-on-close"]).code, 0);
    job.act("printf changed > scene.ma; mkdir renders; printf frame > renders/1.exr");
    let uploads = || {
        let status = job.machine.run(["status", "--json"]);
        of_mount(&status, &job.root())["report"]["uploads"].clone()
    };
    // Who of two threads with the same object counts it as uploaded is not certain.
    let is_stored = |content: &[u8]| {
        let objects = fs::read_dir(job.machine.path("store/Data")).unwrap();
        let mut contents = objects.map(|object| fs::read(object.unwrap().path()));
        contents.any(|found| found.is_ok_and(|found| found == content))
    };
    wait_until("the upload", || {
        is_stored(b"changed") && is_stored(b"frame") && uploads()["pending"] == 0
    });
    let export = ["export", "mnt", "--store", "store", "-o", "outputs", "--json", "-q"];
    let record = job.machine.run(export).record("export/1");
    assert_eq!((&record["objects_uploaded"], &record["objects_present"]), (&0.into(), &2.into()));
    let text = job.machine.run(["status"]).ok();
    assert!(text.contains("of written files, 0 pending"), "{text}");
    // What is written last is uploaded before the mount has ended.
    job.act("printf late > late.txt");
    job.machine.run(["unmount", "mnt"]).ok();
    job.machine.file("late/late.txt", "late");
    let late = ["snapshot", "late", "--store", "store", "-o", "late.manifest", "--json", "-q"];
    assert_eq!(job.machine.run(late).record("snapshot/1")["objects_present"], 1);
}

#[test]
fn a_killed_mount_loses_nothing() {
    let job = Job::new();
    let pid = job.mounted();
    job.act("cat tex/wood.tx > /dev/null; rm old.txt; printf new > new.txt; mv scene.ma s.ma");
    let before = job.changes();
    assert_eq!(before, ["A new.txt", "D old.txt", "R scene.ma -> s.ma"]);
    kill_process(pid, Signal::KILL).unwrap();
    wait_until("the death of the mount", || !is_running(pid));

    let record = of_mount(&job.machine.run(["status", "--json"]), &job.root());
    assert_eq!(record["state"], "stale");
    let fix = record["fix"].as_str().unwrap();
    assert_eq!(fix, format!("rusty-attachments unmount '{}'", job.root().display()));
    job.machine.run(["changes", "mnt"]).fails(3, &["its process is gone", "Mount it again"]);
    job.machine.run(["export", "mnt", "--store", "out"]).fails(3, &["Mount it again"]);

    job.mounted();
    assert_eq!(job.changes(), before);
    assert_eq!(job.act("cat new.txt s.ma; ls"), "newscenenew.txt\ns.ma\ntex\n");
    job.machine.run(["unmount", "mnt"]).ok();
    assert!(!job.machine.run(["status"]).ok().contains(job.root().to_str().unwrap()));
}

#[test]
fn the_root_of_a_killed_mount_is_freed_by_an_unmount() {
    let job = Job::new();
    let pid = job.mounted();
    kill_process(pid, Signal::KILL).unwrap();
    wait_until("the death of the mount", || !is_running(pid));
    job.machine.run(["unmount", "mnt"]).ok();
    fs::read_dir(job.root()).unwrap();
    job.machine.run(["unmount", "mnt"]).fails(1, &["nothing is mounted there"]);
}

#[test]
fn what_changed_is_kept_between_mounts() {
    let job = Job::new();
    job.mounted();
    job.act("printf changed > scene.ma");
    job.machine.run(["unmount", "mnt"]).ok();
    assert_eq!(fs::read_to_string(job.root().join("scene.ma")).unwrap(), "changed");
    job.machine.run(["changes", "mnt"]).fails(2, &["nothing is mounted there", "Mount it again"]);
    // Nobody looks while this happens.
    fs::write(job.root().join("late.txt"), "late").unwrap();
    job.mounted();
    assert_eq!(job.changes(), ["A late.txt", "M scene.ma"]);
}

#[test]
fn a_newer_manifest_updates_what_nobody_changed() {
    let job = Job::new();
    job.mounted();
    job.act("cat tex/wood.tx old.txt > /dev/null; printf mine > scene.ma");
    job.machine.run(["unmount", "mnt"]).ok();
    job.machine.file("job/scene.ma", "their scene");
    job.machine.file("job/tex/wood.tx", "their wood");
    fs::remove_file(job.machine.path("job/old.txt")).unwrap();
    let args = ["snapshot", "job", "--store", "store", "-o", "job.manifest", "-q"];
    job.machine.run(args).ok();
    let run = job.mount(&[]);
    let remount = &run.record("mount/1")["remount"];
    assert_eq!(remount["conflicts"][0], "scene.ma", "{remount}");
    assert!(run.stderr.contains("yours stays"), "{}", run.stderr);
    assert_eq!(job.act("cat tex/wood.tx; ls; cat scene.ma"), "their woodscene.ma\ntex\nmine");
}

#[test]
fn signals_end_a_foreground_mount() {
    for signal in [Signal::INT, Signal::TERM] {
        let job = Job::new();
        let args = ["job.manifest", "mnt", "--store", "store", "--projfs-emulator"];
        let mut mount = Foreground::start(&job.machine, &args);
        job.act("printf new > new.txt; exec 3> held.txt; printf x >&3");
        mount.signal(signal);
        assert_eq!(mount.code(), Some(0), "{signal:?}");
        assert_eq!(fs::read_to_string(job.root().join("new.txt")).unwrap(), "new");
        assert!(!job.machine.run(["status"]).ok().contains(job.root().to_str().unwrap()));
    }
}

#[test]
fn an_unmount_from_outside_ends_a_foreground_mount() {
    let job = Job::new();
    let args = ["job.manifest", "mnt", "--store", "store", "--projfs-emulator"];
    let mut mount = Foreground::start(&job.machine, &args);
    job.machine.run(["unmount", "mnt"]).ok();
    assert_eq!(mount.code(), Some(0));
}

#[test]
fn several_mounts_are_told_apart() {
    let job = Job::new();
    let other = job.machine.folder("other");
    job.machine.run(["changes"]).fails(2, &["no root is mounted", "Mount one"]);
    job.mounted();
    job.machine
        .run(["mount", "job.manifest", "other", "--store", "store", "--projfs-emulator"])
        .ok();
    job.act("printf new > new.txt");
    let status = job.machine.run(["status", "--json"]);
    for (root, dirty) in [(job.root(), 1), (other.clone(), 0)] {
        let record = of_mount(&status, &root);
        assert_eq!(record["state"], "serving", "{record}");
        assert_eq!(record["report"]["counts"]["dirty_paths"], dirty, "{record}");
        assert!(record["report"]["stats"]["callbacks"].is_object(), "{record}");
    }
    let text = job.machine.run(["status"]).ok();
    assert!(text.contains("virtual") && text.contains("1 dirty"), "{text}");
    job.machine.run(["changes"]).fails(2, &["2 roots are mounted", "other", "Name one"]);
    // The working folder decides.
    let mut command = job.machine.command();
    let here = job.machine.finish(command.arg("changes").current_dir(job.root())).ok();
    assert!(here.starts_with("A new.txt\n1 change in "), "{here}");
    job.machine.run(["unmount", "other"]).ok();
    assert_eq!(job.changes(), ["A new.txt"]);
    assert_eq!(job.machine.run(["changes"]).ok(), here);
}

#[test]
fn a_mount_that_does_not_answer_hangs_nobody() {
    let job = Job::new();
    let pid = job.mounted();
    kill_process(pid, Signal::STOP).unwrap();
    wait_until("the stop of all threads", || is_stopped(pid));
    let start = std::time::Instant::now();
    let status = job.machine.run(["status", "--json", "--timeout", "200ms"]);
    let told = of_mount(&status, &job.root());
    kill_process(pid, Signal::CONT).unwrap();
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(told["state"], "silent");
    assert_eq!(told["fix"], format!("kill -9 {}", pid.as_raw_nonzero()));
}

#[test]
fn an_interrupted_export_ends_at_once_and_says_so() {
    let job = Job::new();
    let pid = job.mounted();
    job.act("printf new > new.txt");
    // Looking at the disk, it would wait for itself, and such waits cannot be stopped.
    assert_eq!(job.changes(), ["A new.txt"]);
    kill_process(pid, Signal::STOP).unwrap();
    wait_until("the stop of all threads", || is_stopped(pid));
    let mut command = job.machine.command();
    command.args(["export", "mnt", "--store", "out", "-o", "outputs"]);
    let mut child = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    wait_until("the handler of signals", || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & 2 != 0
    });
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    wait_until("the end of the export", || child.try_wait().unwrap().is_some());
    kill_process(pid, Signal::CONT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("interrupted by a signal"), "{stderr}");
    assert!(!job.machine.path("outputs").exists());
    job.machine.run(["export", "mnt", "--store", "out", "-o", "outputs"]).ok();
}

#[test]
fn roots_and_flags_that_make_no_sense_are_refused() {
    let job = Job::new();
    job.mount(&["--allow-other"]).fails_as_json(2, &["--allow-other", "FUSE"]);
    job.mount(&["--verify", "before-read"]).fails_as_json(2, &["--verify"]);
    let fuse = ["mount", "job.manifest", "mnt", "--store", "store"];
    for flag in ["--strict-names", "--protect-inputs", "--state-dir=s", "--upload-on-close"] {
        let run = job.machine.run([&fuse[..], &[flag]].concat());
        run.fails(2, &[flag.split('=').next().unwrap(), "ProjFS"]);
    }
    let at = |root: &str| {
        let args = ["mount", "job.manifest", root, "--store", "store", "--projfs-emulator"];
        job.machine.run(args)
    };
    at("job").fails(2, &["job", "empty"]);
    at("job.manifest").fails(2, &["job.manifest", "folder"]);
    at("no/where").fails(2, &["where"]);
    let state = job.root().join("state");
    job.mount(&["--state-dir", state.to_str().unwrap()]).fails_as_json(2, &["state"]);
    job.mounted();
    assert_ne!(job.mount(&[]).code, 0);
    job.machine.run(["unmount", "mnt", "--lazy"]).fails(2, &["--lazy"]);
    assert!(job.changes().is_empty());
}

#[test]
fn names_that_windows_cannot_have_are_told() {
    let job = Job::new();
    job.machine.file("odd", manifest(&["a:b", "Read.me", "README", "read.ME", "fine"]));
    let args = ["mount", "odd", "mnt", "--store", "store", "--projfs-emulator"];
    let strict = job.machine.run([&args[..], &["--strict-names"]].concat());
    strict.fails(2, &["a:b", "--strict-names"]);
    let run = job.machine.run([&args[..], &["--json"]].concat());
    let record = run.record("mount/1");
    let names = record["names"].as_array().unwrap();
    assert_eq!(names.len(), 2, "{record}");
    assert!(run.stderr.contains("'a:b' is not shown"), "{}", run.stderr);
    assert_eq!(job.act("ls"), "README\nRead.me\nfine\n");
}

#[test]
fn protected_inputs_stay_and_new_files_are_free() {
    let job = Job::new();
    assert_eq!(job.mount(&["--protect-inputs"]).code, 0);
    for refused in
        ["rm old.txt", "printf x >> scene.ma", "mv old.txt o", "printf x > n; mv n old.txt"]
    {
        let status = Command::new("sh")
            .args(["-ec", refused])
            .current_dir(job.root())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(!status.success(), "{refused}");
    }
    job.act("rm -f n; mkdir renders; printf frame > renders/1.exr; mv renders/1.exr renders/2.exr");
    assert_eq!(job.changes(), ["A renders", "A renders/2.exr"]);
}
