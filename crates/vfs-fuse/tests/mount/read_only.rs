//! Every change is refused, as a read-only file system does it.

use rusty_attachments_testkit::volume::Tree;

use crate::fixture::Mounted;

#[test]
fn changes_are_refused() {
    let mounted = Mounted::new(Tree::new().file("file", "bytes").directory("folder"));
    for command in [
        "touch file",
        "touch new",
        ": > file",
        "echo >> file",
        "rm -f file",
        "mkdir new",
        "rmdir folder",
        "mv file other",
        "mv file folder/",
        "ln file hard",
        "ln -s file soft",
        "chmod 777 file",
        "chown 1:1 file",
        "truncate -s 1 file",
        "mknod pipe p",
        "dd if=/dev/zero of=file conv=notrunc count=1",
    ] {
        let output = mounted.shell(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command} succeeded");
        assert!(said.contains("Read-only file system"), "{command}: {said}");
    }
    let set =
        rustix::fs::setxattr(mounted.path("file"), "user.x", b"1", rustix::fs::XattrFlags::empty());
    assert_eq!(set, Err(rustix::io::Errno::ROFS));
    assert_eq!(mounted.printed("cat file; ls"), "bytesfile\nfolder\n");
}

#[test]
fn programs_that_sync_and_lock_what_they_read_are_content() {
    let mounted = Mounted::new(Tree::new().file("file", "bytes"));
    let file = std::fs::File::open(mounted.path("file")).unwrap();
    file.sync_all().unwrap();
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared).unwrap();
    std::fs::File::open(mounted.root()).unwrap().sync_all().unwrap();
    assert!(rustix::fs::access(mounted.path("file"), rustix::fs::Access::READ_OK).is_ok());
    let end = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(0)).unwrap();
    assert_eq!(end, 5);
}

#[test]
fn the_mount_says_what_it_is() {
    let mounted = Mounted::new(Tree::new().file("file", "bytes"));
    let root = mounted.root().display();
    let told = mounted.printed(&format!("findmnt -n -o FSTYPE,SOURCE,OPTIONS '{root}'"));
    assert!(told.starts_with("fuse.rusty-attachments rusty-attachments:mount "), "{told}");
    for option in ["ro", "nosuid", "nodev", "noatime", "default_permissions"] {
        let options = told.split_whitespace().nth(2).unwrap();
        assert!(options.split(',').any(|found| found == option), "{told} lacks {option}");
    }
    assert!(!told.contains("allow_other"), "{told}");
}
