//! What is measured, and how.
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]
#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::null_provider::{NullProvider, Shape};

const FILES: u32 = 10_000;
const LARGE: u32 = 256 << 20;
/// Each figure is the best of so many: the machine's own noise only adds.
const ROUNDS: u32 = 3;

/// What was measured, per `count` things.
struct Row {
    what: &'static str,
    ours: Duration,
    limit: &'static str,
    plain: Duration,
    count: u32,
}

impl Row {
    fn print(&self) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(self.count);
        let ratio = self.ours.as_secs_f64() / self.plain.as_secs_f64();
        let (ours, plain) = (each(self.ours), each(self.plain));
        println!("| {} | {ours:.1} | {} | {plain:.1} | {ratio:.1} |", self.what, self.limit);
    }
}

fn time(mut work: impl FnMut()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

/// The best of several rounds.
fn best(mut round: impl FnMut() -> Duration) -> Duration {
    (0..ROUNDS).map(|_| round()).min().unwrap()
}

fn daemon() -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_projfs-emulator"))
        .args(["serve", "--until-eof"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

/// A folder as the null provider shows it, on the plain file system.
fn plain_folder(folder: &Path) {
    fs::create_dir(folder.join("many")).unwrap();
    for file in 0..FILES {
        fs::write(folder.join(format!("many/{file:06}")), "x").unwrap();
    }
}

fn list(folder: &Path) -> u32 {
    u32::try_from(fs::read_dir(folder.join("many")).unwrap().count()).unwrap()
}

fn stat_all(folder: &Path) {
    for file in 0..FILES {
        fs::metadata(folder.join(format!("many/{file:06}"))).unwrap();
    }
}

fn stat_missing(folder: &Path) {
    for file in 0..FILES {
        fs::metadata(folder.join(format!("many/missing {file}"))).unwrap_err();
    }
}

fn read_all(path: &Path) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer).unwrap() > 0 {}
}

/// One byte there and back, as often as there are files.
fn round_trips() -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let echo = std::thread::spawn(move || {
        let mut byte = [0];
        while far.read_exact(&mut byte).is_ok() {
            far.write_all(&byte).unwrap();
        }
    });
    let taken = best(|| {
        time(|| {
            let mut byte = [0];
            for _ in 0..FILES {
                near.write_all(&byte).unwrap();
                near.read_exact(&mut byte).unwrap();
            }
        })
    });
    drop(near);
    echo.join().unwrap();
    taken
}

/// A file made with a few bytes of extended attribute, as a placeholder is.
fn make_files(folder: &Path) -> Duration {
    fs::create_dir(folder.join("made")).unwrap();
    let taken = time(|| {
        for file in 0..FILES {
            let path = folder.join(format!("made/{file:06}"));
            let made = File::create(path).unwrap();
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::fsetxattr(&made, "user.own_cost", &[0; 400], flags).unwrap();
        }
    });
    fs::remove_dir_all(folder.join("made")).unwrap();
    taken
}

fn write_and_sync(path: &Path) -> Duration {
    let piece = vec![0xA5; 1 << 20];
    time(|| {
        let mut file = File::create(path).unwrap();
        for _ in 0..LARGE >> 20 {
            file.write_all(&piece).unwrap();
        }
    })
}

/// A fresh root with a null provider.
struct Projected {
    folder: tempfile::TempDir,
    provider: Option<NullProvider>,
}

impl Projected {
    fn start(negative_path_cache: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape { files: FILES, large: LARGE, negative_path_cache };
        let provider = NullProvider::start(folder.path().to_str().unwrap(), shape).unwrap();
        Self { folder, provider: Some(provider) }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Projected {
    fn drop(&mut self) {
        drop(self.provider.take());
        let address = std::env::var("PROJFS_EMULATOR").unwrap();
        let control = projfs_emulator::control::Client::connect(address).unwrap();
        control.detach(self.folder.path().to_str().unwrap()).unwrap();
    }
}

fn rows(plain: &Path) -> Vec<Row> {
    let trips = round_trips();
    let mut rows = Vec::new();
    let mut row = |what, ours, limit, plain, count| {
        rows.push(Row { what, ours, limit, plain, count });
    };
    let ours = best(|| {
        let projected = Projected::start(false);
        assert_eq!(list(projected.path()), FILES);
        time(|| assert_eq!(list(projected.path()), FILES))
    });
    let plain_list = best(|| time(|| assert_eq!(list(plain), FILES)));
    row("an entry of a listing", ours, "plain listing", plain_list, FILES);
    let projected = Projected::start(false);
    let virtual_stat = best(|| {
        let projected = Projected::start(false);
        time(|| stat_all(projected.path()))
    });
    row(
        "a placeholder (stat of a virtual file)",
        virtual_stat,
        "loopback round trip",
        trips,
        FILES,
    );
    let made = best(|| make_files(plain));
    row("the same", virtual_stat, "plain file with an attribute made", made, FILES);
    let missing = best(|| time(|| stat_missing(projected.path())));
    row("a lookup of a missing name", missing, "loopback round trip", trips, FILES);
    let plain_missing = best(|| time(|| stat_missing(plain)));
    let cached = Projected::start(true);
    stat_missing(cached.path());
    let cached = best(|| time(|| stat_missing(cached.path())));
    row("the same, in the negative path cache", cached, "plain lookup", plain_missing, FILES);
    stat_all(projected.path());
    let again = best(|| time(|| stat_all(projected.path())));
    row("a stat of a placeholder", again, "plain stat", best(|| time(|| stat_all(plain))), FILES);
    let hydrated = best(|| {
        let projected = Projected::start(false);
        time(|| read_all(&projected.path().join("large")))
    });
    let written = best(|| write_and_sync(&plain.join("large")));
    row("a hydrated MiB", hydrated, "plain write", written, LARGE >> 20);
    let large = projected.path().join("large");
    read_all(&large);
    let hot = best(|| time(|| read_all(&large)));
    let plain_read = best(|| time(|| read_all(&plain.join("large"))));
    row("a MiB of a hydrated file", hot, "plain read", plain_read, LARGE >> 20);
    rows
}

/// Prints the table.
pub(super) fn run() {
    let (mut child, address) = daemon();
    // SAFETY: before any other thread is there.
    unsafe { std::env::set_var("PROJFS_EMULATOR", &address) };
    let plain = tempfile::tempdir().unwrap();
    plain_folder(plain.path());
    println!("| what | us | limit | us | ratio |\n|---|---|---|---|---|");
    for row in rows(plain.path()) {
        row.print();
    }
    drop(child.stdin.take());
    child.wait().unwrap();
}
