//! Reading: all bytes, in any order, by anybody, without one reader delaying another.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::process::Command;

use rusty_attachments_testkit::volume::{Tree, pattern};

use crate::fixture::{Mounted, Running, eventually, within_patience};

const MIB: usize = 1 << 20;

#[test]
fn every_byte_arrives_in_any_order() {
    let mounted = Mounted::new(Tree::new().pattern("file", 10 * MIB as u64 + 123));
    let mut file = File::open(mounted.path("file")).unwrap();
    let mut piece = vec![0; 70_001];
    for offset in [10 * MIB - 70_001, 0, 4_095, 5 * MIB + 1, 128 * 1024 - 5] {
        file.read_exact_at(&mut piece, offset as u64).unwrap();
        assert_eq!(piece, pattern(offset as u64, piece.len()), "at {offset}");
    }
    assert_eq!(file.read_at(&mut piece, 10 * MIB as u64 + 100).unwrap(), 23);
    assert_eq!(file.read_at(&mut piece, 10 * MIB as u64 + 123).unwrap(), 0);
    assert_eq!(file.read_at(&mut piece, 1 << 40).unwrap(), 0);
    let mut whole = Vec::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_end(&mut whole).unwrap();
    assert!(whole == pattern(0, 10 * MIB + 123));
}

#[test]
fn the_kernel_keeps_what_it_has_read() {
    use std::sync::atomic::Ordering;
    let mounted = Mounted::new(Tree::new().pattern("file", 4 * MIB as u64));
    mounted.printed("cat file > /dev/null");
    let reads = mounted.volume.counts.reads.load(Ordering::Relaxed);
    assert!(reads > 0);
    mounted.printed("cat file file file > /dev/null");
    assert_eq!(mounted.volume.counts.reads.load(Ordering::Relaxed), reads);
}

#[test]
fn the_kernel_asks_for_large_pieces() {
    use std::sync::atomic::Ordering;
    let mounted = Mounted::new(Tree::new().pattern("file", 64 * MIB as u64));
    mounted.printed("cat file > /dev/null");
    let reads = mounted.volume.counts.reads.load(Ordering::Relaxed);
    let root = rustix::process::geteuid().is_root();
    assert!(!root || reads <= 64 * 3, "{reads} requests for 64 MiB");
}

#[test]
fn sixteen_readers_read_sixteen_files() {
    let tree = (0..16).fold(Tree::new(), |tree, number| {
        tree.pattern(format!("file-{number}").as_str(), (3 * MIB + number) as u64)
    });
    let mounted = Mounted::new(tree);
    std::thread::scope(|scope| {
        for number in 0..16 {
            let path = mounted.path(format!("file-{number}"));
            scope.spawn(move || {
                assert!(std::fs::read(path).unwrap() == pattern(0, 3 * MIB + number));
            });
        }
    });
}

#[test]
fn a_cold_read_delays_nothing_else() {
    let tree = Tree::new().pattern("cold", 8 * MIB as u64).file("warm", "warm").directory("folder");
    let mounted = Mounted::new(tree);
    let gate = mounted.volume.gate("cold");
    // More than there are threads that take requests.
    let readers: Vec<_> = (0..32)
        .map(|number: u64| {
            let path = mounted.path("cold");
            std::thread::spawn(move || {
                let mut piece = [0; 512];
                let offset = number * 250_000;
                File::open(path).unwrap().read_exact_at(&mut piece, offset).unwrap();
                assert_eq!(piece.to_vec(), pattern(offset, 512));
            })
        })
        .collect();
    gate.wait_for(17);
    let root = mounted.root().to_path_buf();
    within_patience("other work goes on", move || {
        assert_eq!(std::fs::read(root.join("warm")).unwrap(), b"warm");
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 3);
        assert_eq!(root.join("cold").metadata().unwrap().len(), 8 * MIB as u64);
        assert!(!root.join("missing").exists());
        assert!(rustix::fs::statfs(&root).is_ok());
    });
    assert!(gate.waiting() >= 17);
    gate.open();
    for reader in readers {
        reader.join().unwrap();
    }
}

#[test]
fn a_reader_that_is_killed_leaves_the_mount_well() {
    let mounted = Mounted::new(Tree::new().pattern("cold", MIB as u64).file("warm", "warm"));
    let gate = mounted.volume.gate("cold");
    let mut reader = Running::start("cat", &["cold".as_ref()], mounted.root());
    gate.wait_for(1);
    // The kernel may hold the dying process until its read is answered.
    reader.0.kill().unwrap();
    assert_eq!(std::fs::read(mounted.path("warm")).unwrap(), b"warm");
    gate.open();
    reader.kill();
    gate.wait_for_none();
    assert!(std::fs::read(mounted.path("cold")).unwrap() == pattern(0, MIB));
    mounted.mount().unmount().unwrap();
}

#[test]
fn files_can_be_mapped() {
    let mounted = Mounted::new(Tree::new().pattern("file", 3 * MIB as u64 + 5));
    let program = "import mmap,sys\nf=open(sys.argv[1],'rb')\n\
                   m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)\n\
                   n=len(m)//8\n\
                   assert len(m)==3*1024*1024+5\n\
                   assert all(int.from_bytes(m[8*i:8*i+8],'little')==8*i for i in range(0,n,97))\n";
    let output =
        Command::new("python3").args(["-c", program]).arg(mounted.path("file")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn programs_run_if_they_may() {
    let script = "#!/bin/sh\necho \"ran with $1\"\n";
    let mounted = Mounted::new(Tree::new().executable("tool", script).file("plain", script));
    assert_eq!(mounted.printed("./tool it"), "ran with it\n");
    let refused = Command::new(mounted.path("plain")).output().unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(13));
}

#[test]
fn copies_are_exact() {
    let tree = Tree::new()
        .pattern("in/a", 2 * MIB as u64 + 1)
        .executable("in/deep/tool", "#!/bin/sh\n")
        .file("in/empty", "")
        .link("in/link", "a");
    let mounted = Mounted::new(tree);
    let target = crate::fixture::scratch();
    let out = target.path().join("out");
    mounted.printed(&format!("cp -a in '{}' && diff -r in '{0}'", out.display()));
    let list = "find . -mindepth 1 -printf '%P %s %m %T@ %l\\n' | grep -v ^deep\\ | sort";
    let copied = crate::fixture::shell_in(&out, list);
    let original = crate::fixture::shell_in(&mounted.path("in"), list);
    assert_eq!(copied.stdout, original.stdout);
    assert!(!copied.stdout.is_empty());
    // `cp -a` made read-only folders.
    crate::fixture::shell_in(target.path(), "chmod -R u+w .");
}

#[test]
fn an_unmount_waits_for_no_store() {
    let mut mounted = Mounted::new(Tree::new().pattern("cold", MIB as u64));
    let gate = mounted.volume.gate("cold");
    let mut reader = Running::start("cat", &["cold".as_ref()], mounted.root());
    gate.wait_for(1);
    mounted.end();
    eventually("the reader is told", || reader.0.try_wait().unwrap().is_some());
    gate.wait_for_none();
}
