//! The journal: what is in it survives, and what is not whole is not believed.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use rusty_attachments_vfs::changes::{Journal, JournalError};
use tempfile::TempDir;

const VERSION: u32 = 7;

fn open(path: &Path) -> Result<(Journal, Vec<Vec<u8>>, u64), JournalError> {
    let (journal, replayed) = Journal::open(path, VERSION)?;
    let records = replayed.records().map(<[u8]>::to_vec).collect();
    Ok((journal, records, replayed.torn_bytes))
}

/// A journal of these records, and the size of the file after each of them, from none on.
fn written(records: &[Vec<u8>]) -> (TempDir, PathBuf, Vec<u64>) {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("journal");
    let (journal, found, _) = open(&path).unwrap();
    assert!(found.is_empty());
    let mut sizes = vec![journal.size()];
    for record in records {
        journal.append(record).unwrap();
        sizes.push(journal.size());
    }
    drop(journal);
    assert_eq!(fs::metadata(&path).unwrap().len(), *sizes.last().unwrap());
    (temp, path, sizes)
}

fn records() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_journal_cut_anywhere_has_all_whole_records_and_takes_more(records in records()) {
        let (temp, path, sizes) = written(&records);
        let bytes = fs::read(&path).unwrap();
        for cut in 0..=bytes.len() {
            let path = temp.path().join(format!("cut-{cut}"));
            fs::write(&path, &bytes[..cut]).unwrap();
            let Some(whole) = sizes.iter().rposition(|&size| size <= cut as u64) else {
                // Not even the head: it is written before the journal gets its name.
                let is_refused = matches!(open(&path), Err(JournalError::NotAJournal { .. }));
                prop_assert!(is_refused);
                continue;
            };
            let (journal, found, torn_bytes) = open(&path).unwrap();
            prop_assert_eq!(&found[..], &records[..whole]);
            prop_assert_eq!(torn_bytes, cut as u64 - sizes[whole]);
            journal.append(b"after the crash").unwrap();
            drop(journal);
            let (_, found, torn_bytes) = open(&path).unwrap();
            prop_assert_eq!(&found[..whole], &records[..whole]);
            prop_assert_eq!(&found[whole..], [b"after the crash".to_vec()]);
            prop_assert_eq!(torn_bytes, 0);
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error_or_a_dropped_tail(records in records(), bit in 0..8u8) {
        let (temp, path, sizes) = written(&records);
        let bytes = fs::read(&path).unwrap();
        let path = temp.path().join("flipped");
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1 << bit;
            fs::write(&path, &flipped).unwrap();
            let hit = sizes.iter().rposition(|&size| size <= place as u64);
            match (open(&path), hit) {
                (Err(JournalError::NotAJournal { .. }), None) => {}
                (Err(JournalError::Damaged { offset, records: before, .. }), Some(hit)) => {
                    prop_assert!(hit + 1 < records.len());
                    prop_assert_eq!((offset, before), (sizes[hit], hit));
                    prop_assert_eq!(fs::read(&path).unwrap(), flipped, "nothing was changed");
                }
                (Ok((_, found, torn_bytes)), Some(hit)) => {
                    prop_assert_eq!(hit + 1, records.len(), "only the last record can be torn");
                    prop_assert_eq!(&found[..], &records[..hit]);
                    prop_assert_eq!(torn_bytes, bytes.len() as u64 - sizes[hit]);
                }
                (result, hit) => prop_assert!(false, "{place} in {hit:?}: {result:?}"),
            }
        }
    }

    #[test]
    fn a_tail_of_anything_is_dropped(
        records in records(),
        tail in prop_oneof![
            prop::collection::vec(any::<u8>(), 1..200),
            (1..5000usize).prop_map(|zeros| vec![0; zeros]),
        ],
    ) {
        let (_temp, path, _) = written(&records);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(&tail);
        fs::write(&path, &bytes).unwrap();
        let (_, found, torn_bytes) = open(&path).unwrap();
        prop_assert_eq!(found, records);
        prop_assert_eq!(torn_bytes, tail.len() as u64);
    }
}

#[test]
fn records_that_hold_records_are_not_taken_for_them() {
    let inner = vec![b"inner".to_vec(), b"second".to_vec()];
    let (_temp, path, _) = written(&inner);
    let outer = fs::read(&path).unwrap();
    // The bytes of whole records, in the torn end of another journal.
    let (_temp, path, sizes) = written(&[b"first".to_vec(), outer]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let (_, found, torn_bytes) = open(&path).unwrap();
    assert_eq!(found, [b"first"]);
    assert_eq!(torn_bytes, sizes[2] - sizes[1] - 1);
}

#[test]
fn messages_name_the_file_the_place_and_what_to_do() {
    let (_temp, path, sizes) = written(&[b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    let text = |error: JournalError| {
        let text = error.to_string();
        assert!(text.contains(&path.display().to_string()), "{text}");
        text
    };
    let held = open(&path).unwrap();
    let second = open(&path).unwrap_err();
    assert!(matches!(second, JournalError::InUse { .. }));
    assert!(text(second).contains("in use"));
    for size in [0, 64 * 1024 * 1024 + 1] {
        let refused = held.0.append(&vec![1; size]).unwrap_err();
        assert!(matches!(refused, JournalError::RecordSize { .. }), "{refused}");
    }
    drop(held);
    let version = text(Journal::open(&path, VERSION + 1).unwrap_err());
    assert!(version.contains("version 7") && version.contains("version 8"), "{version}");

    let mut bytes = fs::read(&path).unwrap();
    bytes[sizes[1] as usize + 17] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let damaged = text(open(&path).unwrap_err());
    assert!(damaged.contains(&format!("damaged at byte {}, after 1 whole", sizes[1])), "{damaged}");
    assert!(damaged.contains(&format!("cut it to {} bytes", sizes[1])), "{damaged}");
    // What the message says helps.
    fs::File::options().write(true).open(&path).unwrap().set_len(sizes[1]).unwrap();
    assert_eq!(open(&path).unwrap().1, [b"one"]);
}

#[test]
fn the_largest_record_is_kept() {
    let largest: Vec<u8> = (0..64u32 << 20).map(|i| (i % 251) as u8).collect();
    let (_temp, path, _) = written(&[largest.clone(), b"next".to_vec()]);
    let (_, found, _) = open(&path).unwrap();
    assert!(found[0] == largest && found[1] == b"next");
}

#[test]
fn compaction_replaces_all_records_at_once() {
    let (_temp, path, sizes) = written(&vec![b"many and long".to_vec(); 50]);
    let (journal, ..) = open(&path).unwrap();
    journal.compact(&mut [b"few".to_vec(), b"short".to_vec()].into_iter()).unwrap();
    assert!(journal.size() < sizes[5]);
    journal.append(b"later").unwrap();
    journal.sync().unwrap();
    // One that cannot be completed changes nothing.
    let mut broken = [b"ok".to_vec(), Vec::new()].into_iter();
    assert!(matches!(journal.compact(&mut broken), Err(JournalError::RecordSize { .. })));
    journal.append(b"last").unwrap();
    drop(journal);
    assert_eq!(open(&path).unwrap().1, [&b"few"[..], b"short", b"later", b"last"]);
    let names = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(names, 2, "the journal and its lock");
}

#[test]
fn what_a_killed_compaction_left_is_cleared() {
    let (_temp, path, _) = written(&[b"one".to_vec()]);
    let left = path.with_file_name("journal.new");
    fs::write(&left, b"half a journal").unwrap();
    let (_journal, found, _) = open(&path).unwrap();
    assert_eq!(found, [b"one"]);
    assert!(!left.exists());
}

#[test]
fn many_append_sync_and_compact_at_once() {
    const THREADS: u32 = 8;
    const EACH: u32 = 200;
    let (_temp, path, _) = written(&[]);
    let (journal, ..) = open(&path).unwrap();
    // Compaction must say everything: appends are told to it under the same lock.
    let kept = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (journal, kept) = (&journal, &kept);
            scope.spawn(move || {
                for index in 0..EACH {
                    let record = [thread.to_le_bytes(), index.to_le_bytes()].concat();
                    let mut kept = kept.lock().unwrap();
                    journal.append(&record).unwrap();
                    kept.push(record);
                    if index % 50 == 49 {
                        journal.compact(&mut kept.iter().cloned()).unwrap();
                    }
                    drop(kept);
                    journal.sync().unwrap();
                }
            });
        }
    });
    drop(journal);
    let kept = kept.into_inner().unwrap();
    assert_eq!(kept.len(), (THREADS * EACH) as usize);
    assert_eq!(open(&path).unwrap().1, kept);
}

#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_temp, path, _) = written(&[b"one".to_vec()]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
}
