//! Mounts made by a user without privileges, through `fusermount3`.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rusty_attachments_testkit::volume::Tree;
use rusty_attachments_vfs_fuse::{FuseError, MountOptions, mount, unmount_path};

use crate::fixture::{Mounted, eventually, executor, scratch};
use crate::stale::another_process;

/// `nobody` on every distribution.
const NOBODY: u32 = 65534;

const INSIDE: &str = "RUSTY_ATTACHMENTS_TEST_INSIDE";

#[test]
fn users_mount_through_the_helper() {
    if !rustix::process::geteuid().is_root() {
        // Then all the other tests here went through the helper already.
        let point = scratch();
        let tree = Tree::new().file("file", "bytes");
        let mounted = mount(tree.build(), executor(), point.path(), &MountOptions::default());
        return mounted.unwrap().unmount().unwrap();
    }
    if std::env::var_os(INSIDE).is_some() {
        return mount_as_nobody();
    }
    // Where `/dev/fuse` is for root alone, users get one of their own, in a mount namespace that
    // nobody else sees.
    let script = "set -e; d=$(mktemp -d); trap 'umount /dev/fuse; rm -r $d' EXIT
        mknod $d/fuse c 10 229; chmod 666 $d/fuse; mount --bind $d/fuse /dev/fuse
        \"$0\" --exact unprivileged::users_mount_through_the_helper --nocapture";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn mount_as_nobody() {
    let point = scratch();
    chown(point.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    // The test program lies where only its owner may go.
    let copy = scratch();
    std::fs::set_permissions(copy.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = copy.path().join("serve");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let serve = || {
        let mut command = Command::new(&program);
        command.uid(NOBODY).gid(NOBODY).current_dir("/").env("TMPDIR", "/tmp");
        another_process(point.path(), command)
    };
    let mut child = serve();
    let told = as_nobody(&format!("cat {0}/file; stat -c ' %u %A' {0}", point.path().display()));
    assert_eq!(told, "bytes 65534 dr-xr-xr-x\n");
    // Not even root may look into the mount of a user, which is what owner-only means.
    let refused = std::fs::read(point.path().join("file")).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(13));
    let is_back = || point.path().metadata().is_ok_and(|found| found.mode() & 0o200 != 0);
    // The process unmounts by itself...
    drop(child.0.stdin.take());
    eventually("the process ends", || child.0.try_wait().unwrap().is_some());
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.0.wait().unwrap();
    assert!(status.success(), "{status}: {said}");
    assert!(is_back(), "{:?}", point.path().metadata());
    // ... or is killed and leaves that to others.
    let mut child = serve();
    child.kill();
    unmount_path(point.path(), false).unwrap();
    eventually("the folder is back", is_back);
}

fn as_nobody(command: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", command])
        .uid(NOBODY)
        .gid(NOBODY)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn others_see_a_mount_only_if_they_may() {
    if !rustix::process::geteuid().is_root() {
        let point = scratch();
        let options = MountOptions { allow_other: true, ..MountOptions::default() };
        let result = mount(Tree::new().build(), executor(), point.path(), &options);
        let refused = matches!(result, Err(FuseError::AllowOtherRefused));
        return assert!(refused || result.is_ok());
    }
    let tree = || Tree::new().file("file", "bytes");
    for allow_other in [false, true] {
        let options = MountOptions { allow_other, ..MountOptions::default() };
        let mounted = Mounted::with(tree(), &options);
        let parent = mounted.root().parent().unwrap().to_path_buf();
        assert!(parent.metadata().unwrap().mode() & 0o001 != 0, "{} is private", parent.display());
        let command = format!("cat {}/file 2>&1 || true", mounted.root().display());
        let told = as_nobody(&command);
        assert_eq!(told == "bytes", allow_other, "{told}");
        assert!(allow_other || told.contains("Permission denied"), "{told}");
    }
}
