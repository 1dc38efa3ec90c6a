//! Errors arrive as the numbers that `docs/errors.md` promises, and nothing else breaks.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use rusty_attachments_testkit::volume::{Tree, pattern};
use rusty_attachments_vfs::VfsErrorKind;

use crate::fixture::{Mounted, eventually};

const KINDS: [(VfsErrorKind, i32); 15] = [
    (VfsErrorKind::NotFound, 2),
    (VfsErrorKind::NotDirectory, 20),
    (VfsErrorKind::IsDirectory, 21),
    (VfsErrorKind::InvalidNode, 22),
    (VfsErrorKind::ReadOnly, 30),
    (VfsErrorKind::ContentMissing, 61),
    (VfsErrorKind::AccessDenied, 13),
    (VfsErrorKind::Throttled, 16),
    (VfsErrorKind::Offline, 113),
    (VfsErrorKind::Corrupt, 5),
    (VfsErrorKind::OutOfSpace, 28),
    (VfsErrorKind::OutOfMemory, 12),
    (VfsErrorKind::TimedOut, 110),
    (VfsErrorKind::Cancelled, 4),
    (VfsErrorKind::Internal, 5),
];

fn read_error(mounted: &Mounted, name: &str) -> Option<i32> {
    // Not `read_to_end`, which tries again when it is interrupted.
    File::open(mounted.path(name)).unwrap().read(&mut [0; 100]).unwrap_err().raw_os_error()
}

#[test]
fn each_kind_of_failure_has_its_number_and_passes() {
    let tree = KINDS
        .iter()
        .fold(Tree::new(), |tree, (kind, _)| tree.pattern(format!("{kind:?}").as_str(), 300_000));
    let mounted = Mounted::new(tree);
    for (kind, errno) in KINDS {
        let name = format!("{kind:?}");
        mounted.volume.fail(&name, kind);
        assert_eq!(read_error(&mounted, &name), Some(errno), "{kind:?}");
    }
    assert!(mounted.mount().stats().failed_reads >= KINDS.len() as u64);
    // A failure is not remembered: the next reader gets the bytes.
    for (kind, _) in KINDS {
        let name = format!("{kind:?}");
        mounted.volume.heal(&name);
        assert!(std::fs::read(mounted.path(&name)).unwrap() == pattern(0, 300_000));
    }
}

#[test]
fn failures_that_come_late_have_their_numbers_too() {
    let mounted = Mounted::new(Tree::new().pattern("file", 300_000));
    let gate = mounted.volume.gate("file");
    mounted.volume.fail("file", VfsErrorKind::ContentMissing);
    let path = mounted.path("file");
    let reader = std::thread::spawn(move || File::open(path).unwrap().read(&mut [0; 100]));
    gate.wait_for(1);
    gate.open();
    assert_eq!(reader.join().unwrap().unwrap_err().raw_os_error(), Some(61));
}

#[test]
fn a_short_answer_is_an_error_and_not_a_truncated_file() {
    let mounted = Mounted::new(Tree::new().pattern("file", 300_000));
    mounted.volume.answer_short("file", 1000);
    assert_eq!(read_error(&mounted, "file"), Some(5));
    assert_eq!(mounted.path("file").metadata().unwrap().len(), 300_000);
    mounted.volume.heal("file");
    assert!(std::fs::read(mounted.path("file")).unwrap() == pattern(0, 300_000));
}

#[test]
fn a_panic_in_a_handler_fails_that_request_only() {
    let tree = Tree::new().pattern("bad", 10_000).pattern("late", 10_000).file("good", "good");
    let mounted = Mounted::new(tree);
    mounted.volume.panic_on_read("bad");
    // More often than there are threads to lose.
    for _ in 0..20 {
        assert_eq!(read_error(&mounted, "bad"), Some(5));
    }
    // The reply goes out before the panic has been counted.
    eventually("all are counted", || mounted.mount().stats().panics >= 20);
    let gate = mounted.volume.gate("late");
    mounted.volume.panic_on_read("late");
    gate.open();
    assert_eq!(read_error(&mounted, "late"), Some(5));
    assert_eq!(std::fs::read(mounted.path("good")).unwrap(), b"good");
    assert_eq!(
        mounted.executor().stats().panics,
        0,
        "panics are caught where they can be answered"
    );
}

#[test]
fn a_mapped_file_that_fails_ends_its_reader_and_not_the_mount() {
    let mounted = Mounted::new(Tree::new().pattern("file", 300_000).file("good", "good"));
    mounted.volume.fail("file", VfsErrorKind::Corrupt);
    let program = "import mmap\nf=open('file','rb')\n\
                   m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)\nm[0]\n";
    let output = std::process::Command::new("python3")
        .args(["-c", program])
        .current_dir(mounted.root())
        .output()
        .unwrap();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(output.status.signal(), Some(7), "{output:?}");
    assert_eq!(std::fs::read(mounted.path("good")).unwrap(), b"good");
}

#[test]
fn bytes_that_turn_out_wrong_are_taken_back_from_the_kernel() {
    let mounted = Mounted::new(Tree::new().pattern("file", 300_000).pattern("other", 300_000));
    let open = File::open(mounted.path("file")).unwrap();
    assert!(std::fs::read(mounted.path("file")).unwrap() == pattern(0, 300_000));
    assert!(std::fs::read(mounted.path("other")).unwrap() == pattern(0, 300_000));
    mounted.volume.fail("file", VfsErrorKind::Corrupt);
    mounted.volume.fail("other", VfsErrorKind::Corrupt);
    // The kernel keeps what it has...
    assert!(std::fs::read(mounted.path("file")).unwrap() == pattern(0, 300_000));
    mounted.volume.invalidate("file");
    // ... until it is told otherwise.
    eventually("the pages are gone", || {
        open.read_at(&mut [0; 100], 0).is_err_and(|error| error.raw_os_error() == Some(5))
    });
    assert!(std::fs::read(mounted.path("other")).unwrap() == pattern(0, 300_000));
    drop(open);
    mounted.mount().unmount().unwrap();
    mounted.volume.invalidate("file");
}

#[test]
fn offsets_beyond_any_file_do_no_harm() {
    let mounted = Mounted::new(Tree::new().file("file", "x"));
    let file = File::open(mounted.path("file")).unwrap();
    assert_eq!(file.read_at(&mut [0; 10], i64::MAX as u64 - 10).unwrap(), 0);
}
