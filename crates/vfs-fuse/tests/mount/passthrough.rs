//! Files that the kernel reads by itself, and the fall back to those that it cannot.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::atomic::Ordering;

use rusty_attachments_testkit::volume::{Tree, pattern};
use rusty_attachments_vfs_fuse::MountOptions;

use crate::fixture::Mounted;

const SIZE: usize = 3 << 20;

fn local_copy(bytes: &[u8]) -> File {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file.reopen().unwrap()
}

/// Whether this machine can do it at all: Linux 6.9 and privileges.
fn possible() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut parts = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (parts.next().unwrap(), parts.next().unwrap());
    version >= (6, 9) && rustix::process::geteuid().is_root()
}

fn mounted(options: &MountOptions) -> Mounted {
    let tree = Tree::new().pattern("large", SIZE as u64).pattern("small", 5000);
    let mounted = Mounted::with(tree, options);
    mounted.volume.set_local_file("large", local_copy(&pattern(0, SIZE)));
    mounted.volume.set_local_file("small", local_copy(&pattern(0, 5000)));
    mounted
}

fn reads(mounted: &Mounted) -> u64 {
    mounted.volume.counts.reads.load(Ordering::Relaxed)
}

#[test]
fn the_kernel_reads_large_local_files_by_itself() {
    let mounted = mounted(&MountOptions::default());
    assert!(std::fs::read(mounted.path("large")).unwrap() == pattern(0, SIZE));
    if possible() {
        assert_eq!((reads(&mounted), mounted.mount().stats().passthrough_opens), (0, 1));
    }
    // Several at once share the backing file, and the last closes it.
    let mut open: Vec<_> = (0..20).map(|_| File::open(mounted.path("large")).unwrap()).collect();
    for file in &mut open {
        let mut whole = Vec::new();
        file.read_to_end(&mut whole).unwrap();
        assert!(whole == pattern(0, SIZE));
    }
    drop(open);
    assert_eq!(mounted.printed("cmp large large && wc -c < large").trim(), SIZE.to_string());
    if possible() {
        assert_eq!(reads(&mounted), 0);
    }
    assert!(std::fs::read(mounted.path("small")).unwrap() == pattern(0, 5000));
    assert!(reads(&mounted) > 0);
    mounted.mount().unmount().unwrap();
}

#[test]
fn passthrough_files_can_be_mapped() {
    let mounted = mounted(&MountOptions::default());
    let program = "import mmap\nf=open('large','rb')\n\
                   m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)\n\
                   assert int.from_bytes(m[1<<20:(1<<20)+8],'little')==1<<20\n";
    let output = std::process::Command::new("python3")
        .args(["-c", program])
        .current_dir(mounted.root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn open_files_keep_their_way_of_being_read() {
    let tree = Tree::new().pattern("large", SIZE as u64);
    let mounted = Mounted::new(tree);
    let mut first = File::open(mounted.path("large")).unwrap();
    let mut piece = vec![0; 1000];
    first.read_exact(&mut piece).unwrap();
    // The content becomes complete while the file is open through the page cache.
    mounted.volume.set_local_file("large", local_copy(&pattern(0, SIZE)));
    assert!(std::fs::read(mounted.path("large")).unwrap() == pattern(0, SIZE));
    assert_eq!(mounted.mount().stats().passthrough_opens, 0);
    drop(first);
    if possible() {
        // The last close is told to us after it was told to the process.
        crate::fixture::eventually("the file is passed through", || {
            assert!(std::fs::read(mounted.path("large")).unwrap() == pattern(0, SIZE));
            mounted.mount().stats().passthrough_opens > 0
        });
    }
}

#[test]
fn many_threads_open_and_close_at_once() {
    let mounted = mounted(&MountOptions { passthrough_min_bytes: 1, ..MountOptions::default() });
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let mut piece = vec![0; 5000];
                    let mut file = File::open(mounted.path("small")).unwrap();
                    file.read_exact(&mut piece).unwrap();
                    assert!(piece == pattern(0, 5000));
                }
            });
        }
    });
}

#[test]
fn a_local_file_of_another_size_is_not_trusted() {
    let mounted = Mounted::new(Tree::new().pattern("large", SIZE as u64));
    mounted.volume.set_local_file("large", local_copy(&pattern(0, SIZE - 1)));
    assert!(std::fs::read(mounted.path("large")).unwrap() == pattern(0, SIZE));
    assert_eq!(mounted.mount().stats().passthrough_opens, 0);
}

#[test]
fn without_passthrough_files_are_not_even_opened_twice() {
    let mounted = mounted(&MountOptions { passthrough: false, ..MountOptions::default() });
    for _ in 0..3 {
        assert!(std::fs::read(mounted.path("large")).unwrap() == pattern(0, SIZE));
        assert!(std::fs::read(mounted.path("small")).unwrap() == pattern(0, 5000));
    }
    assert_eq!(mounted.mount().stats().passthrough_opens, 0);
    mounted.mount().unmount().unwrap();
}

#[test]
fn a_backing_file_that_the_kernel_refuses_is_read_the_other_way() {
    // A file of another FUSE mount is one layer too deep.
    let below = Mounted::new(Tree::new().pattern("large", SIZE as u64));
    let mounted = Mounted::new(Tree::new().pattern("large", SIZE as u64));
    mounted.volume.set_local_file("large", File::open(below.path("large")).unwrap());
    for _ in 0..2 {
        assert!(std::fs::read(mounted.path("large")).unwrap() == pattern(0, SIZE));
    }
    assert_eq!(mounted.mount().stats().passthrough_opens, 0);
}
