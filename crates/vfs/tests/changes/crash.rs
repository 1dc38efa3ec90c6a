//! Processes that are killed, and disks that are full.
//!
//! A test that needs another process starts itself again with `CHILD` set.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusty_attachments_vfs::changes::{
    ChangeStore, FileStamp, Journal, JournalError, LocalContent, LocalFile, LocalState, NameRule,
};

const CHILD: &str = "CHANGES_TEST_CHILD";

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Kills its process when dropped, so that a failed test leaves none behind.
struct Killed(Child);

impl Killed {
    fn start(test: &str, folder: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, folder)
            .stdout(Stdio::piped())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits for `count` acknowledgements, kills the process, and gives all that it ever sent.
    fn kill_after(mut self, count: usize) -> Vec<u64> {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let number = |line: std::io::Result<String>| {
            Some(line.unwrap().strip_prefix("kept ")?.parse::<u64>().unwrap())
        };
        let mut kept: Vec<_> = lines.by_ref().filter_map(number).take(count).collect();
        assert_eq!(kept.len(), count);
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        kept.extend(lines.filter_map(number));
        kept
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One write, so that a line is whole or not there.
fn acknowledge(number: u64) {
    std::io::stdout().write_all(format!("kept {number}\n").as_bytes()).unwrap();
}

fn numbers(folder: &Path) -> (Journal, Vec<u64>) {
    let (journal, replayed) = Journal::open(&folder.join("journal"), 1).unwrap();
    let number = |record: &[u8]| u64::from_le_bytes(*record.first_chunk().unwrap());
    let numbers = replayed.records().map(number).collect();
    (journal, numbers)
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    if let Some(folder) = child_folder() {
        let (journal, found) = numbers(&folder);
        println!();
        for number in found.len() as u64.. {
            // Of many sizes, some over many pages.
            let mut record = vec![0; 8 + (number % 9 * number % 9000) as usize];
            record[..8].copy_from_slice(&number.to_le_bytes());
            journal.append(&record).unwrap();
            acknowledge(number);
        }
    }
    let temp = tempfile::tempdir().unwrap();
    let mut before = 0;
    for round in 0..8 {
        let child = Killed::start("crash::what_was_acknowledged_survives_kill_9", temp.path());
        let kept = child.kill_after(20 + round * 37);
        let (_journal, found) = numbers(temp.path());
        assert!(found.iter().copied().eq(0..found.len() as u64), "in order, and none twice");
        assert_eq!(kept[0], before, "begins where the last one was killed");
        assert!(found.len() as u64 > *kept.last().unwrap(), "{} {:?}", found.len(), kept.last());
        before = found.len() as u64;
    }
}

#[test]
fn a_kill_during_compaction_loses_nothing() {
    const PATHS: u64 = 400;
    let path = |number: u64| format!("folder/file-{:03}", number % PATHS);
    let state = |number: u64| {
        let stamp = FileStamp { size: number, mtime_ns: i128::from(number) };
        let content = LocalContent::Unhashed;
        let file =
            LocalFile { stamp, executable: None, content, renamed_from: None, derived_from: None };
        LocalState::File(file)
    };
    let last = |store: &ChangeStore| {
        let sizes = store.states().into_iter().map(|(_, state)| match state {
            LocalState::File(file) => file.stamp.size,
            other => panic!("{other:?}"),
        });
        sizes.max()
    };
    if let Some(folder) = child_folder() {
        let store = ChangeStore::open(&folder, NameRule::Exact).unwrap();
        println!();
        for number in last(&store).map_or(0, |last| last + 1).. {
            store.set(path(number).as_str().into(), Some(state(number))).unwrap();
            acknowledge(number);
        }
    }
    let temp = tempfile::tempdir().unwrap();
    for round in 0..8 {
        let child = Killed::start("crash::a_kill_during_compaction_loses_nothing", temp.path());
        let kept = child.kill_after(1000 + round * 731);
        let store = ChangeStore::open(temp.path(), NameRule::Exact).unwrap();
        let last = last(&store).unwrap();
        assert!(last >= *kept.last().unwrap());
        for number in last.saturating_sub(PATHS - 1)..=last {
            assert_eq!(store.get(path(number).as_str().into()), Some(state(number)));
        }
        assert_eq!(store.len() as u64, PATHS.min(last + 1));
        assert!(store.journal_size() < 256 * 1024, "it was compacted");
    }
}

/// Files of this process may have 64 KiB: its parent's shell said so.
fn fill(folder: &Path) {
    let (journal, _) = Journal::open(&folder.join("journal"), 1).unwrap();
    let mut number = 0u64;
    let full = loop {
        let mut record = vec![1; 5000];
        record[..8].copy_from_slice(&number.to_le_bytes());
        match journal.append(&record) {
            Ok(()) => number += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(full, JournalError::Io { action: "append to", .. }), "{full}");
    assert_eq!(journal.size(), fs::metadata(folder.join("journal")).unwrap().len());
    // There is room for small records still, and then for what compaction frees.
    journal.append(&number.to_le_bytes()).unwrap();
    let mut too_much = (0..).map(|_: u64| vec![1; 5000]);
    assert!(matches!(journal.compact(&mut too_much), Err(JournalError::Io { .. })));
    assert!(!folder.join("journal.new").exists());
    let mut few = (0..=number).map(|number| number.to_le_bytes().to_vec());
    journal.compact(&mut few).unwrap();
    journal.append(&(number + 1).to_le_bytes()).unwrap();
    journal.sync().unwrap();
}

#[test]
fn a_full_disk_refuses_the_record_and_keeps_the_journal() {
    if let Some(folder) = child_folder() {
        return fill(&folder);
    }
    let temp = tempfile::tempdir().unwrap();
    // A write over the limit is refused only if its signal is ignored.
    let script = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
    let status = Command::new("/bin/sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::a_full_disk_refuses_the_record_and_keeps_the_journal"])
        .env(CHILD, temp.path())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let (_journal, found) = numbers(temp.path());
    assert!(found.len() > 12 && found.iter().copied().eq(0..found.len() as u64), "{found:?}");
}
