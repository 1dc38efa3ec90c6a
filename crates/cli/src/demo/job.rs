//! A job as studios have them: many small files, textures, geometry caches, a few large volumes.
//!
//! Contents are pseudo-random and the same in every run. They do not compress and no two are
//! equal, so that neither a file system nor the store can cheat.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::CliError;
use crate::interrupt::Interrupt;

/// Bytes that are made and written at a time.
const PIECE_BYTES: usize = 1 << 18;

/// The things with textures, and the one that the camera sees.
const TEXTURED: [&str; 6] = ["hero", "harbour", "market", "v\u{e9}lo", "\u{68ee}", "sky"];
const VISIBLE: &str = "market";
/// The frame that is rendered.
const FRAME: u32 = 1002;

/// What the renderer of one frame does with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Reads it whole: the scene, what the camera sees, this frame of the caches.
    Whole,
    /// Reads its header, then some slices.
    Slices,
    /// Does not touch it.
    Unread,
}

/// One file of the job.
#[derive(Debug)]
pub(crate) struct JobFile {
    /// Relative to the job's folder.
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) role: Role,
}

/// All files of a job; `scale` 1.0 is 2,000 files and about 480 MiB.
pub(crate) fn plan(scale: f64) -> Vec<JobFile> {
    let count = |full: u32| ((f64::from(full) * scale).round() as u32).max(2);
    let mut random = Random::new(0x00c0_ffee);
    let mut files = Vec::new();
    let mut add = |path: String, role, size: u64| {
        files.push(JobFile { path: path.into(), size, role });
    };
    add("scenes/shot_010.ma".into(), Role::Whole, 3 << 20);
    add("scenes/Szene_\u{dc}bersicht.c4d".into(), Role::Unread, 2 << 20);
    add("scenes/\u{7b2c}01\u{8a71}_\u{591c}.hip".into(), Role::Unread, 1 << 20);
    add("notes/\u{1f600} read me first.txt".into(), Role::Whole, 412);
    add("notes/to be written.txt".into(), Role::Whole, 0);
    for index in 0..count(600) {
        let asset = TEXTURED.get(index as usize % TEXTURED.len()).copied().unwrap_or_default();
        let path = format!("textures/{asset}/{asset}_basecolor.{}.tx", 1001 + index / 6);
        let role = if asset == VISIBLE { Role::Whole } else { Role::Unread };
        add(path, role, 20_000 + random.below(100_000));
    }
    for index in 0..count(600) {
        let frame = 1001 + index / 8;
        let path = format!("cache/geo/crowd_{:02}/frame.{frame:04}.abc", index % 8);
        let role = if frame == FRAME { Role::Whole } else { Role::Unread };
        add(path, role, 40_000 + random.below(120_000));
    }
    for (index, mib) in [104u32, 112, 120].into_iter().enumerate() {
        let bytes = (f64::from(mib) * scale * f64::from(1 << 20)) as u64;
        add(format!("cache/vol/smoke.{:04}.vdb", 1001 + index), Role::Slices, bytes + 4321);
    }
    for index in 0..count(792) {
        let path = format!("assets/set_{:02}/part_{index:04}/look.usda", index % 24);
        add(path, Role::Unread, 300 + random.below(16_000));
    }
    files
}

/// Writes all files below `root`.
pub(crate) fn write(root: &Path, files: &[JobFile], interrupt: &Interrupt) -> Result<(), CliError> {
    let mut seed = 1;
    for file in files {
        interrupt.check()?;
        let path = root.join(&file.path);
        seed += 1;
        write_file(&path, file.size, seed)
            .map_err(|error| CliError::caused(format!("write '{}'", path.display()), &error))?;
    }
    Ok(())
}

fn write_file(path: &Path, size: u64, seed: u64) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut random = Random::new(seed);
    let mut writer = BufWriter::with_capacity(PIECE_BYTES, File::create(path)?);
    let mut piece = vec![0; PIECE_BYTES.min(size as usize)];
    let mut left = size;
    while left > 0 {
        let wanted = (piece.len() as u64).min(left) as usize;
        let part = piece.get_mut(..wanted).unwrap_or_default();
        random.fill(part);
        writer.write_all(part)?;
        left -= wanted as u64;
    }
    writer.flush()
}

/// Xorshift64*: fast, and good enough to look random.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Zero would stay zero for ever.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_mut(8) {
            let random = self.next().to_le_bytes();
            word.copy_from_slice(random.get(..word.len()).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_full_job_is_as_documented() {
        let files = plan(1.0);
        assert_eq!(files.len(), 2000);
        let bytes: u64 = files.iter().map(|file| file.size).sum();
        assert!((440 << 20..520 << 20).contains(&bytes), "{bytes}");
        let large = files.iter().filter(|file| file.size > 100 << 20).count();
        assert_eq!(large, 3);
        let paths: HashSet<_> = files.iter().map(|file| &file.path).collect();
        assert_eq!(paths.len(), files.len());
    }

    #[test]
    fn contents_are_the_same_in_every_run_and_differ_between_files() {
        let content = |seed| {
            let mut bytes = vec![0; 1003];
            Random::new(seed).fill(&mut bytes);
            bytes
        };
        assert_eq!(content(7), content(7));
        let all: HashSet<_> = (0..3000).map(content).collect();
        assert_eq!(all.len(), 3000);
    }
}
