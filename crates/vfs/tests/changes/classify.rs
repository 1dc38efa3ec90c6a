//! What one operation looks like in the change list.

use rusty_attachments_model::{ContentHash, PathRef};
use rusty_attachments_testkit::volume::{ReferenceVolume, Tree};
use rusty_attachments_vfs::changes::{
    Base, ChangeKind, ChangeSet, Conflict, FileStamp, LocalContent, LocalFile, LocalState,
    NameRule, VolumeBase, classify, conflicts,
};
use rusty_attachments_vfs::{ContentIdentity, NodeKind};

use crate::world::{hashed, identity};

fn volume() -> std::sync::Arc<ReferenceVolume> {
    Tree::new()
        .file("scene.ma", "scene")
        .executable("bin/tool", "tool")
        .file("bin/notes.txt", "notes")
        .file("bin/deep/x", "x")
        .with("link", rusty_attachments_testkit::volume::Entry::Symlink { target: b"bin".to_vec() })
        .build()
}

fn file(bytes: &[u8]) -> LocalFile {
    LocalFile {
        stamp: FileStamp { size: bytes.len() as u64, mtime_ns: 7 },
        executable: None,
        content: hashed(bytes),
        renamed_from: None,
        derived_from: None,
    }
}

fn set(states: &[(&str, LocalState)]) -> ChangeSet {
    let mut set = ChangeSet::new(NameRule::Exact);
    states.iter().for_each(|(path, state)| set.set((*path).into(), Some(state.clone())));
    set
}

/// The lines, as `kind path`.
fn told(states: &[(&str, LocalState)]) -> Vec<String> {
    told_of(&set(states))
}

fn told_of(set: &ChangeSet) -> Vec<String> {
    let lines = classify(set, &VolumeBase(&*volume())).into_iter();
    lines
        .map(|line| match line.kind {
            ChangeKind::Renamed { from } => format!("Renamed {from} -> {}", line.path),
            kind => format!("{kind:?} {}", line.path),
        })
        .collect()
}

#[test]
fn what_equals_the_base_is_not_told() {
    let same = LocalFile { executable: Some(true), ..file(b"tool") };
    let states = [
        ("bin", LocalState::Directory),
        ("bin/tool", LocalState::File(same)),
        ("link", LocalState::Symlink { target: b"bin".to_vec() }),
        ("never/was", LocalState::Deleted),
        ("scene.ma", LocalState::File(file(b"scene"))),
    ];
    assert_eq!(told(&states), Vec::<String>::new());
}

#[test]
fn an_atomic_save_is_one_modification_of_the_target() {
    let mut set = set(&[("scene.ma.tmp", LocalState::File(file(b"new")))]);
    // The rename over the target, as a look at both paths tells it.
    set.set("scene.ma.tmp".into(), None);
    let saved = LocalFile { derived_from: Some(identity(b"scene")), ..file(b"new") };
    set.set("scene.ma".into(), Some(LocalState::File(saved)));
    assert_eq!(told_of(&set), ["Modified scene.ma"]);
}

#[test]
fn changes_of_kind_tell_the_path_and_what_is_below() {
    let states = [
        ("bin", LocalState::File(file(b"now a file"))),
        ("scene.ma", LocalState::Directory),
        ("scene.ma/in it", LocalState::File(file(b"new"))),
        ("link", LocalState::Directory),
    ];
    assert_eq!(
        told(&states),
        [
            "Deleted bin/deep/x",
            "Deleted bin/deep",
            "Deleted bin/notes.txt",
            "Deleted bin/tool",
            "Modified bin",
            "Modified link",
            "Modified scene.ma",
            "Added scene.ma/in it",
        ]
    );
}

#[test]
fn a_folder_that_is_gone_tells_what_was_in_it_and_stays_so_when_made_anew() {
    let whole = told(&[("bin", LocalState::Deleted)]);
    let gone =
        ["Deleted bin/deep/x", "Deleted bin/deep", "Deleted bin/notes.txt", "Deleted bin/tool"];
    assert_eq!(whole[..4], gone);
    assert_eq!(whole[4..], ["Deleted bin"]);

    let made_anew = [("bin", LocalState::Deleted), ("bin", LocalState::Directory)];
    assert_eq!(told(&made_anew), gone);
    let mut one_by_one = set(&[
        ("bin/deep/x", LocalState::Deleted),
        ("bin/deep", LocalState::Deleted),
        ("bin/notes.txt", LocalState::Deleted),
        ("bin/tool", LocalState::Deleted),
    ]);
    assert_eq!(told_of(&one_by_one), gone);
    one_by_one.set("bin".into(), Some(LocalState::Deleted));
    assert_eq!(told_of(&one_by_one), whole);
    assert_eq!(one_by_one.len(), 1, "what is below goes without saying");
    one_by_one.set("bin".into(), None);
    assert_eq!(told_of(&one_by_one), Vec::<String>::new());
}

#[test]
fn a_rename_is_told_if_bytes_and_places_fit() {
    let moved = |content, from: &str| {
        LocalState::File(LocalFile { content, renamed_from: Some(from.into()), ..file(b"scene") })
    };
    let base = || LocalContent::Base(identity(b"scene"));
    let gone = || ("scene.ma", LocalState::Deleted);
    assert_eq!(
        told(&[gone(), ("new.ma", moved(base(), "scene.ma"))]),
        ["Renamed scene.ma -> new.ma"]
    );
    let rehashed = moved(hashed(b"scene"), "scene.ma");
    assert_eq!(told(&[gone(), ("new.ma", rehashed)]), ["Renamed scene.ma -> new.ma"]);
    // The old file is still there, or something else is.
    assert_eq!(told(&[("new.ma", moved(base(), "scene.ma"))]), ["Added new.ma"]);
    let replaced = ("scene.ma", LocalState::File(file(b"other")));
    assert_eq!(
        told(&[replaced, ("new.ma", moved(base(), "scene.ma"))]),
        ["Added new.ma", "Modified scene.ma"]
    );
    // Other bytes than the base has there.
    assert_eq!(
        told(&[gone(), ("new.ma", moved(hashed(b"other"), "scene.ma"))]),
        ["Added new.ma", "Deleted scene.ma"]
    );
    // Onto another file of the base.
    assert_eq!(
        told(&[gone(), ("bin/notes.txt", moved(base(), "scene.ma"))]),
        ["Modified bin/notes.txt", "Deleted scene.ma"]
    );
    // Two that claim the same origin.
    assert_eq!(
        told(&[gone(), ("b", moved(base(), "scene.ma")), ("a", moved(base(), "scene.ma"))]),
        ["Renamed scene.ma -> a", "Added b"]
    );
    // Out of a folder that is gone as a whole.
    let tool = LocalFile {
        content: LocalContent::Base(identity(b"tool")),
        renamed_from: Some("bin/tool".into()),
        ..file(b"tool")
    };
    let lines = told(&[("bin", LocalState::Deleted), ("tool", LocalState::File(tool))]);
    assert!(lines.contains(&"Renamed bin/tool -> tool".to_owned()), "{lines:?}");
    assert!(!lines.contains(&"Deleted bin/tool".to_owned()), "{lines:?}");
}

#[test]
fn execute_bits_count_where_the_system_has_them() {
    let tool = |executable| LocalState::File(LocalFile { executable, ..file(b"tool") });
    assert_eq!(told(&[("bin/tool", tool(None))]), Vec::<String>::new());
    assert_eq!(told(&[("bin/tool", tool(Some(false)))]), ["ModeChanged bin/tool"]);
    let unhashed = LocalFile { content: LocalContent::Unhashed, ..file(b"tool") };
    assert_eq!(told(&[("bin/tool", LocalState::File(unhashed))]), ["Unhashed bin/tool"]);
}

#[test]
fn content_that_was_hashed_in_other_chunks_is_not_guessed() {
    let hashes = || vec![ContentHash::of(b"sce"), ContentHash::of(b"ne")];
    let content = LocalContent::Hashed { chunk_size: 3, hashes: hashes() };
    let chunked = LocalFile { content, ..file(b"scene") };
    assert_eq!(told(&[("scene.ma", LocalState::File(chunked.clone()))]), ["Unhashed scene.ma"]);
    // Where nothing is to be compared, it is enough.
    assert_eq!(told(&[("new", LocalState::File(chunked))]), ["Added new"]);
    // A size that differs decides.
    let content = LocalContent::Hashed { chunk_size: 4, hashes: hashes() };
    let longer = LocalFile { content, ..file(b"longer") };
    assert_eq!(told(&[("scene.ma", LocalState::File(longer))]), ["Modified scene.ma"]);
    // One chunk is the whole.
    let content = LocalContent::Hashed { chunk_size: 9, hashes: vec![ContentHash::of(b"scene")] };
    let whole = LocalFile { content, ..file(b"scene") };
    assert_eq!(told(&[("scene.ma", LocalState::File(whole))]), Vec::<String>::new());
}

#[test]
fn conflicts_are_files_whose_base_moved_on() {
    let from = |bytes: &[u8]| Some(identity(bytes));
    let changed = |derived_from| LocalState::File(LocalFile { derived_from, ..file(b"mine") });
    let set = set(&[
        ("scene.ma", changed(from(b"older"))),
        ("bin/tool", changed(from(b"tool"))),
        ("bin/notes.txt", changed(None)),
        ("bin/gone", changed(from(b"gone"))),
        ("bin/new", changed(None)),
        ("bin/deep/x", LocalState::File(LocalFile { derived_from: None, ..file(b"x") })),
    ]);
    let conflict = |path: &str, derived_from: Option<ContentIdentity>, base| Conflict {
        path: path.into(),
        derived_from,
        base,
    };
    assert_eq!(
        conflicts(&set, &VolumeBase(&*volume())),
        [
            conflict("bin/gone", from(b"gone"), None),
            conflict("bin/notes.txt", None, from(b"notes")),
            conflict("scene.ma", from(b"older"), from(b"scene")),
        ]
    );
}

#[test]
fn a_newer_base_is_compared_with_the_same_states() {
    let set = set(&[
        ("bin/tool", LocalState::Deleted),
        ("scene.ma", LocalState::File(file(b"mine"))),
        ("new", LocalState::File(file(b"output"))),
    ]);
    let newer = Tree::new().file("scene.ma", "mine").file("new", "other").build();
    let lines = classify(&set, &VolumeBase(&*newer));
    let lines: Vec<_> = lines.iter().map(|line| (line.path.to_string(), &line.kind)).collect();
    assert_eq!(lines, [("new".to_owned(), &ChangeKind::Modified)]);
}

#[test]
fn any_volume_is_a_base() {
    let volume = volume();
    let base = VolumeBase(&*volume);
    let kind = |path: &str| base.entry(path.into()).map(|entry| entry.kind);
    assert_eq!(kind(""), Some(NodeKind::Directory));
    assert_eq!(kind("bin/deep"), Some(NodeKind::Directory));
    assert_eq!(kind("link"), Some(NodeKind::Symlink));
    assert_eq!(kind("bin/none"), None);
    assert_eq!(kind("scene.ma/none"), None);
    assert_eq!(kind("/bin"), None);
    let tool = base.entry("bin/tool".into()).unwrap();
    assert_eq!((tool.content, tool.executable), (Some(identity(b"tool")), true));
    assert_eq!(base.link_target("link".into()).as_deref(), Some(&b"bin"[..]));
    assert_eq!(base.link_target("bin".into()), None);
    let mut names: Vec<_> = base.names("bin".into()).iter().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["deep", "notes.txt", "tool"]);
    assert!(base.names("scene.ma".into()).is_empty() && base.names("none".into()).is_empty());
}

fn upper(name: PathRef<'_>) -> Vec<u8> {
    name.as_wtf8().to_ascii_uppercase()
}

#[test]
fn names_that_differ_by_case_are_one_where_the_rule_says_so() {
    let mut set = ChangeSet::new(NameRule::Folded(upper));
    let new = LocalState::File(file(b"new"));
    set.set("Out/A.exr".into(), Some(new.clone()));
    set.set("OUT".into(), Some(LocalState::Directory));
    set.set("out/a.EXR".into(), Some(new.clone()));
    set.set("out-2".into(), Some(LocalState::Directory));
    let paths = |set: &ChangeSet| set.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(&set), ["OUT", "out/a.EXR", "out-2"], "the latest spelling is kept");
    assert_eq!(set.get("oUt/a.exr".into()), Some(&new));
    assert_eq!(set.below("out".into()).count(), 1);

    set.rename_tree("out".into(), "Out".into());
    assert_eq!(paths(&set), ["Out", "Out/a.EXR", "out-2"], "only the spelling changes");
    set.rename_tree("OUT".into(), "Beauty".into());
    assert_eq!(paths(&set), ["Beauty", "Beauty/a.EXR", "out-2"]);
    set.set("BEAUTY".into(), Some(LocalState::Deleted));
    assert_eq!(paths(&set), ["BEAUTY", "out-2"]);
    assert!(set.is_gone("beauty/A.exr".into()) && !set.is_gone("beauty-".into()));
}

#[test]
fn a_renamed_folder_carries_its_files_along() {
    let mut set = set(&[
        ("new", LocalState::Directory),
        ("new/sub", LocalState::Directory),
        ("new/sub/f", LocalState::File(file(b"f"))),
        ("new.txt", LocalState::File(file(b"t"))),
    ]);
    set.rename_tree("new".into(), "new/sub/below itself".into());
    assert_eq!(set.len(), 4);
    set.rename_tree("new".into(), "bin/moved".into());
    assert_eq!(
        told_of(&set),
        ["Added bin/moved", "Added bin/moved/sub", "Added bin/moved/sub/f", "Added new.txt"]
    );
    assert_eq!(set.get("new".into()), None, "nothing of the base was there");
    // In the place of a file that had been changed: what that file came from counts on.
    let changed = LocalFile { derived_from: Some(identity(b"scene")), ..file(b"mine") };
    set.set("scene.ma".into(), Some(LocalState::File(changed)));
    set.rename_tree("new.txt".into(), "scene.ma".into());
    let Some(LocalState::File(moved)) = set.get("scene.ma".into()) else { panic!("{set:?}") };
    assert_eq!(moved.derived_from, Some(identity(b"scene")));
}
