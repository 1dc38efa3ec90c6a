//! A rig that is mounted, and unmounted whatever happens to the test.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use rusty_attachments_testkit::Job;
use rusty_attachments_testkit::rig::Rig;
use rusty_attachments_vfs::VolumeOptions;
use rusty_attachments_vfs_fuse::{FuseMount, MountOptions, mount};
use tempfile::TempDir;

// Fields are dropped in this order: first the mount, then the folder beneath it.
pub(crate) struct Mounted {
    mount: Option<FuseMount>,
    pub(crate) rig: Rig,
    folder: TempDir,
}

impl Mounted {
    pub(crate) fn new(rig: Rig) -> Self {
        let folder = tempfile::Builder::new().prefix("rusty-bad-").tempdir().unwrap();
        let (volume, executor) = (Arc::clone(&rig.volume), Arc::clone(&rig.executor));
        let mount = mount(volume, executor, folder.path(), &MountOptions::default())
            .expect("these tests need /dev/fuse and the right to mount");
        Self { mount: Some(mount), rig, folder }
    }

    pub(crate) fn of_bytes(bytes: &[u8], options: VolumeOptions) -> Self {
        Self::new(Rig::of_bytes(bytes, options))
    }

    pub(crate) fn of_job(job: &Job, options: VolumeOptions) -> Self {
        Self::new(Rig::of_job(job, options))
    }

    pub(crate) fn path(&self, name: impl AsRef<std::path::Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads the first bytes of the file called `f`, past the kernel's caches of failed reads.
    pub(crate) fn first_bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; 1000];
        let read = File::open(self.path("f"))?.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        Ok(bytes)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What hangs in a fault would keep the mount busy.
        self.rig.faults.disarm_all();
        drop(self.mount.take());
    }
}
