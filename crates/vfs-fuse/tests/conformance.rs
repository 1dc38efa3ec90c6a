//! What every front end shows, through FUSE, as ordinary programs find it.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::path::Path;
use std::sync::Arc;

use rusty_attachments_model::Manifest;
use rusty_attachments_storage::MemoryStore;
use rusty_attachments_testkit::Job;
use rusty_attachments_testkit::folder_conformance::{
    AwkwardTree, folder_conformance, folder_conformance_of_first_readers,
};
use rusty_attachments_testkit::rig::{Rig, block_on};
use rusty_attachments_vfs::VolumeOptions;
use rusty_attachments_vfs_fuse::{MountOptions, mount};

/// Mounts, checks, unmounts.
fn mounted(manifest: &Manifest, store: MemoryStore, check: impl FnOnce(&Path)) {
    let rig = Rig::new(manifest, Arc::new(store), VolumeOptions::default());
    let folder = tempfile::Builder::new().prefix("rusty-fuse-").tempdir().unwrap();
    let (volume, executor) = (Arc::clone(&rig.volume), Arc::clone(&rig.executor));
    let mounted = mount(volume, executor, folder.path(), &MountOptions::default())
        .expect("these tests need /dev/fuse and the right to mount");
    check(folder.path());
    drop(mounted);
}

#[test]
fn awkward_trees_are_shown_as_a_plain_folder_is() {
    let (tree, store) = (AwkwardTree::default(), MemoryStore::new());
    block_on(tree.fill(&store)).unwrap();
    let plain = tempfile::tempdir().unwrap();
    tree.write_to(plain.path()).unwrap();
    mounted(&tree.manifest(), store, |shown| folder_conformance(shown, plain.path()));
}

#[test]
fn jobs_are_shown_as_a_plain_folder_is() {
    let (job, store) = (Job::builder().unicode(false).build(), MemoryStore::new());
    block_on(job.fill(&store)).unwrap();
    let plain = tempfile::tempdir().unwrap();
    job.write_to(plain.path()).unwrap();
    mounted(&job.manifest(), store, |shown| folder_conformance(shown, plain.path()));
}

#[test]
fn many_readers_may_be_the_first() {
    let (job, store) = (Job::builder().unicode(false).seed(2).build(), MemoryStore::new());
    block_on(job.fill(&store)).unwrap();
    let plain = tempfile::tempdir().unwrap();
    job.write_to(plain.path()).unwrap();
    mounted(&job.manifest(), store, |shown| {
        folder_conformance_of_first_readers(shown, plain.path());
    });
}
