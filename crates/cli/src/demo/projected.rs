//! The demo's second half: the job as on Windows, on the emulator of ProjFS, changed and exported.
//!
//! The mount is a process of its own, because ProjFS asks nobody about what the process that
//! serves a root does there itself.

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Serialize;

use super::Demo;
use crate::error::{CliError, chain};

/// What the artist writes.
const FRAME_BYTES: usize = 1 << 20;
/// What `changes` must tell after [`work_as_an_artist`].
const CHANGES: [&str; 5] = [
    "D scenes/Szene_\u{dc}bersicht.c4d",
    "A renders",
    "A renders/frame.1002.exr",
    "M scenes/shot_010.ma",
    "R scenes/\u{7b2c}01\u{8a71}_\u{591c}.hip -> scenes/shot_011.hip",
];

/// The result, all times in seconds.
#[derive(Debug, Serialize)]
pub(super) struct ProjFsRecord {
    mount_seconds: f64,
    changes: u64,
    export_seconds: f64,
    /// Files in the output manifest.
    outputs: u64,
}

/// A mount in a process of its own, ended whatever happens.
struct Mount<'a> {
    folder: &'a Path,
    root: PathBuf,
}

impl Demo {
    /// Mounts the job, works in it, exports that, and checks what is told of it.
    pub(super) fn use_projfs(&self) -> Result<ProjFsRecord, CliError> {
        let mount = Mount { folder: &self.folder, root: self.subfolder("projected")? };
        let ((), mount_seconds) = self.step("mounted it as on Windows (emulated)", || {
            let store = ["--store", "store", "--no-cache", "--projfs-emulator"];
            mount.run(&[&["mount", "job.manifest", "projected"], &store[..]].concat()).map(drop)
        })?;
        self.step("saved, renamed, deleted and rendered in it", || {
            work_as_an_artist(&mount.root).map_err(|error| {
                CliError::caused(format!("work in '{}'", mount.root.display()), &error)
            })
        })?;
        let changes = mount.run(&["changes", "projected"])?;
        // The last line is their number.
        let mut told: Vec<_> = changes.lines().collect();
        told.pop();
        let is_told = |line: &&str| told.contains(line);
        if told.len() != CHANGES.len() || !CHANGES.iter().all(is_told) {
            let reason = format!("these are not the changes that were made: {changes}");
            return Err(CliError::runtime("trust the mount", reason));
        }
        self.show(&changes)?;
        let (_, export_seconds) = self.step("exported the new and changed files", || {
            mount.run(&["export", "projected", "--store", "store", "-o", "outputs.manifest", "-q"])
        })?;
        let manifest = mount.run(&["manifest", "show", "outputs.manifest"])?;
        self.show(&manifest)?;
        self.step("unmounted", || mount.run(&["unmount", "projected"]))?;
        // The first line is the summary.
        let outputs = manifest.lines().count().saturating_sub(1) as u64;
        Ok(ProjFsRecord { mount_seconds, changes: told.len() as u64, export_seconds, outputs })
    }

    /// What a command printed, set in.
    fn show(&self, text: &str) -> Result<(), CliError> {
        if self.output.is_json() {
            return Ok(());
        }
        text.lines().try_for_each(|line| self.output.line(format_args!("    {line}")))
    }
}

/// Changes some of everything, as programs do: the frame is saved under another name first.
fn work_as_an_artist(root: &Path) -> io::Result<()> {
    let scenes = root.join("scenes");
    let mut scene = fs::OpenOptions::new().append(true).open(scenes.join("shot_010.ma"))?;
    scene.write_all(b"// a late idea\n")?;
    drop(scene);
    fs::rename(scenes.join("\u{7b2c}01\u{8a71}_\u{591c}.hip"), scenes.join("shot_011.hip"))?;
    fs::remove_file(scenes.join("Szene_\u{dc}bersicht.c4d"))?;
    let renders = root.join("renders");
    fs::create_dir(&renders)?;
    fs::write(renders.join("frame.tmp"), vec![7; FRAME_BYTES])?;
    fs::rename(renders.join("frame.tmp"), renders.join("frame.1002.exr"))
}

impl Mount<'_> {
    /// Runs this program in the demo's folder, which is also where it keeps everything.
    fn run(&self, args: &[&str]) -> Result<String, CliError> {
        let action = || format!("run 'rusty-attachments {}'", args.join(" "));
        let output = self
            .command(args)
            .and_then(|mut command| command.output())
            .map_err(|error| CliError::runtime(action(), chain(&error)))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(CliError::runtime(action(), String::from_utf8_lossy(&output.stderr).trim()))
    }

    fn command(&self, args: &[&str]) -> io::Result<Command> {
        let mut command = Command::new(env::current_exe()?);
        let state = self.folder.join("state");
        command
            .args(args)
            .current_dir(self.folder)
            .env("XDG_STATE_HOME", &state)
            .env("TMPDIR", self.folder)
            .env("RUSTY_ATTACHMENTS_CONFIG", "/dev/null")
            .stdin(Stdio::null());
        Ok(command)
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        // Fails if the demo has unmounted it, or never mounted it.
        let _ = self.run(&["unmount", "projected"]);
    }
}
