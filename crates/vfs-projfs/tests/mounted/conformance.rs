//! What every front end shows, through ProjFS, as ordinary programs find it; and a large folder.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, File, Format, Manifest, ManifestBuilder,
};
use rusty_attachments_storage::MemoryStore;
use rusty_attachments_testkit::Job;
use rusty_attachments_testkit::folder_conformance::{
    AwkwardTree, folder_conformance, folder_conformance_of_first_readers,
};
use rusty_attachments_testkit::rig::block_on;

use crate::support::projected::Setup;

/// Projects, checks, and asserts that nothing changed by that and no rule was broken.
fn projected(manifest: Manifest, store: MemoryStore, check: impl FnOnce(&Path)) {
    let projected = Setup::manifest(manifest, Arc::new(store)).start();
    check(&projected.root());
    assert_eq!(projected.told(), [""; 0]);
}

#[test]
fn awkward_trees_are_shown_as_a_plain_folder_is() {
    let (tree, store) = (AwkwardTree::default(), MemoryStore::new());
    block_on(tree.fill(&store)).unwrap();
    let plain = tempfile::tempdir().unwrap();
    tree.write_to(plain.path()).unwrap();
    projected(tree.manifest(), store, |shown| folder_conformance(shown, plain.path()));
}

#[test]
fn jobs_are_shown_as_a_plain_folder_is() {
    let (job, store) = (Job::builder().unicode(false).build(), MemoryStore::new());
    block_on(job.fill(&store)).unwrap();
    let plain = tempfile::tempdir().unwrap();
    job.write_to(plain.path()).unwrap();
    projected(job.manifest(), store, |shown| folder_conformance(shown, plain.path()));
}

#[test]
fn many_readers_may_be_the_first() {
    let (job, store) = (Job::builder().unicode(false).seed(2).build(), MemoryStore::new());
    block_on(job.fill(&store)).unwrap();
    let plain = tempfile::tempdir().unwrap();
    job.write_to(plain.path()).unwrap();
    projected(job.manifest(), store, |shown| {
        folder_conformance_of_first_readers(shown, plain.path());
    });
}

/// F9, F13: many hundred Gets, none of which may lose or double a name.
#[test]
fn f9_a_hundred_thousand_entries_of_one_folder_are_listed() {
    let names: Vec<String> = (0..100_000).map(|frame| format!("frame.{frame:06}.exr")).collect();
    let mut builder = ManifestBuilder::new(Format::V2023);
    for name in &names {
        let content = Content::Whole(ContentHash::EMPTY);
        let file = File { size: 0, mtime_us: 1, runnable: false, content };
        let path = format!("frames/{name}");
        builder.push(Entry { path: path.as_str().into(), kind: EntryKind::File(file) }).unwrap();
    }
    projected(builder.build().unwrap(), MemoryStore::new(), |shown| {
        // Neither sorted nor looked at: one listing and nothing else.
        let listed =
            Command::new("ls").args(["-1U", "frames"]).current_dir(shown).output().unwrap();
        assert!(listed.status.success(), "{listed:?}");
        let listed = String::from_utf8(listed.stdout).unwrap();
        let mut listed: Vec<&str> = listed.lines().collect();
        assert_eq!(listed.len(), names.len());
        listed.sort_unstable();
        assert!(listed.iter().zip(&names).all(|(is, should)| is == should));
    });
}
