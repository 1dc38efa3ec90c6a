//! `reader`: reads files in one pattern and prints one JSON line: seconds, bytes, reads.
//!
//! The same program reads every mount, so that only the mounts differ. It looks at no byte.
#![expect(clippy::print_stdout, reason = "the measurement is this program's result")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use clap::{Parser, Subcommand};

/// What `cat` and most renderers ask for at a time, or more.
const SEQUENTIAL_BYTES: usize = 1024 * 1024;
const RANDOM_BYTES: usize = 4096;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    pattern: Pattern,
}

#[derive(Debug, Subcommand)]
enum Pattern {
    /// Opens a file and reads one piece of it
    Piece {
        file: PathBuf,
        #[arg(long, default_value_t = 0)]
        offset: u64,
        #[arg(long, default_value_t = RANDOM_BYTES)]
        bytes: usize,
    },
    /// Reads files from start to end, each by one of the threads
    Files {
        /// The folder that the listed paths are relative to
        folder: PathBuf,
        /// A file with one path a line
        list: PathBuf,
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
    /// Reads a file in as many equal parts as there are threads, each from start to end
    Parts {
        file: PathBuf,
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
    /// Reads 4 KiB at pseudo-random places, the same in every run
    Random {
        file: PathBuf,
        #[arg(long, default_value_t = 1000)]
        count: u64,
    },
    /// Asks for the attributes of the listed files
    Stat { folder: PathBuf, list: PathBuf },
}

/// What was read.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    bytes: u64,
    reads: u64,
}

impl Count {
    const fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, reads: self.reads + other.reads }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let pattern = Arguments::parse().pattern;
    let list = match &pattern {
        Pattern::Files { folder, list, .. } | Pattern::Stat { folder, list } => {
            fs::read_to_string(list)?.lines().map(|line| folder.join(line)).collect()
        }
        _ => Vec::new(),
    };
    let started = Instant::now();
    let count = match &pattern {
        Pattern::Piece { file, offset, bytes } => {
            File::open(file)?.read_exact_at(&mut vec![0; *bytes], *offset)?;
            Count { bytes: *bytes as u64, reads: 1 }
        }
        Pattern::Files { threads, .. } => read_files(&list, *threads)?,
        Pattern::Parts { file, threads } => read_parts(file, *threads as u64)?,
        Pattern::Random { file, count } => read_random(&File::open(file)?, *count)?,
        Pattern::Stat { .. } => stat(&list)?,
    };
    let seconds = started.elapsed().as_secs_f64();
    let Count { bytes, reads } = count;
    println!("{}", serde_json::json!({ "seconds": seconds, "bytes": bytes, "reads": reads }));
    Ok(())
}

/// Runs `work` on as many threads and adds up what they read.
fn on_threads(
    threads: usize,
    work: impl Fn(usize) -> io::Result<Count> + Sync,
) -> io::Result<Count> {
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
        running.into_iter().try_fold(Count::default(), |sum, thread| {
            let read = thread.join().map_err(|_| io::Error::other("a reading thread panicked"))?;
            Ok(sum.plus(read?))
        })
    })
}

fn read_files(files: &[PathBuf], threads: usize) -> io::Result<Count> {
    let next = AtomicUsize::new(0);
    on_threads(threads, |_| {
        let mut buffer = vec![0; SEQUENTIAL_BYTES];
        let mut count = Count::default();
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut file = File::open(file)?;
            loop {
                let read = file.read(&mut buffer)?;
                if read == 0 {
                    break;
                }
                count.bytes += read as u64;
            }
            count.reads += 1;
        }
        Ok(count)
    })
}

fn read_parts(path: &Path, threads: u64) -> io::Result<Count> {
    let part = fs::metadata(path)?.len().div_ceil(threads);
    on_threads(threads as usize, |thread| {
        let file = File::open(path)?;
        let mut buffer = vec![0; SEQUENTIAL_BYTES];
        let (mut at, end) = (thread as u64 * part, (thread as u64 + 1) * part);
        let mut count = Count::default();
        while at < end {
            let wanted = (end - at).min(buffer.len() as u64) as usize;
            let read = file.read_at(&mut buffer[..wanted], at)?;
            if read == 0 {
                break;
            }
            at += read as u64;
            count = count.plus(Count { bytes: read as u64, reads: 1 });
        }
        Ok(count)
    })
}

fn read_random(file: &File, reads: u64) -> io::Result<Count> {
    let blocks = (file.metadata()?.len() / RANDOM_BYTES as u64).max(1);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut buffer = [0; RANDOM_BYTES];
    let mut bytes = 0;
    for _ in 0..reads {
        // xorshift64: the same places in every run, no two alike for long.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes += file.read_at(&mut buffer, state % blocks * RANDOM_BYTES as u64)? as u64;
    }
    Ok(Count { bytes, reads })
}

fn stat(files: &[PathBuf]) -> io::Result<Count> {
    for file in files {
        fs::metadata(file)?;
    }
    Ok(Count { bytes: 0, reads: files.len() as u64 })
}
