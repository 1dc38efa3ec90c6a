//! Programs that use a root: this one, started again. The provider itself must not (projfs.md K12).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::table::time;

/// With this argument, the program is one of those that act.
pub(crate) const ARGUMENT: &str = "act";

/// Listings at least, however soon the end comes.
const LISTINGS: usize = 100;

/// What such a program does; it says in seconds how long the slowest of it took.
pub(crate) fn run(what: &str, folder: &Path) {
    let slowest = match what {
        "read" => read_first_bytes(folder),
        "list" => list_until_told(folder),
        _ => panic!("'{what}' is nothing that can be done"),
    };
    println!("{slowest}");
}

/// Reads the first byte of all files of a folder, all at once.
fn read_first_bytes(folder: &Path) -> f64 {
    let files: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let together = &Barrier::new(files.len());
    thread::scope(|scope| {
        let readers: Vec<_> = files
            .iter()
            .map(|file| {
                scope.spawn(move || {
                    together.wait();
                    time(|| File::open(file).unwrap().read_exact(&mut [0]).unwrap()).seconds
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).fold(0.0, f64::max)
    })
}

/// Lists a folder again and again, until the input ends.
fn list_until_told(folder: &Path) -> f64 {
    let told = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ = io::stdin().read(&mut [0]);
            told.store(true, Ordering::Relaxed);
        });
        let list = || time(|| assert!(fs::read_dir(folder).unwrap().count() > 0)).seconds;
        list();
        // The first one builds what is shared by the others.
        println!("listing");
        let (mut slowest, mut count) = (0.0_f64, 0);
        while count < LISTINGS || !told.load(Ordering::Relaxed) {
            slowest = slowest.max(list());
            count += 1;
        }
        slowest
    })
}

/// Such a program, running.
pub(crate) struct Actor {
    child: Child,
    output: io::Lines<io::BufReader<std::process::ChildStdout>>,
}

impl Actor {
    pub(crate) fn start(what: &str, folder: &Path) -> Self {
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args([ARGUMENT, what]).arg(folder);
        let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = io::BufRead::lines(io::BufReader::new(child.stdout.take().unwrap()));
        Self { child, output }
    }

    /// What it says next.
    pub(crate) fn says(&mut self) -> String {
        self.output.next().unwrap().unwrap()
    }

    /// Ends its input, and gives what took longest, in milliseconds.
    pub(crate) fn slowest(mut self) -> f64 {
        drop(self.child.stdin.take());
        let seconds: f64 = self.says().parse().unwrap();
        assert!(self.child.wait().unwrap().success());
        seconds * 1e3
    }
}
