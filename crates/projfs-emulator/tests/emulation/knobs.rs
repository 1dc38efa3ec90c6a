//! A correct provider lives with every setting: the same script, the same outcome, no broken rule.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use projfs_emulator::knobs::{Compare, Convert, DirectoryRename, Expression, Knobs, Unavailable};
use rustix::fs::OFlags;

use crate::support::actor::{Actor, Call, run};
use crate::support::provider::Options;
use crate::support::rig::Rig;
use crate::support::tree::{Tree, pattern_byte};

/// One setting that is not the default.
type Setting = (&'static str, fn(&mut Knobs));

const SETTINGS: &[Setting] = &[
    ("strict", |knobs| knobs.strict = false),
    ("hide_symlink_functions", |knobs| knobs.hide_symlink_functions = true),
    ("compare", |knobs| knobs.compare = Compare::LegacyLower),
    ("entry_bytes", |knobs| knobs.entry_bytes = 128),
    ("entry_limit", |knobs| knobs.entry_limit = Some(1)),
    ("expression null", |knobs| knobs.expression = Expression::Null),
    ("expression star", |knobs| knobs.expression = Expression::Star),
    ("filter_again", |knobs| knobs.filter_again = true),
    ("lose_ends", |knobs| knobs.lose_ends = 1),
    ("closes shuffled", |knobs| knobs.closes.shuffled = true),
    ("closes duplicate_deleted", |knobs| knobs.closes.duplicate_deleted = true),
    ("closes dropped", |knobs| knobs.closes.drop_modified_after_truncate = true),
    ("leave_partial_hydration", |knobs| knobs.leave_partial_hydration = true),
    ("data_range", |knobs| knobs.data_range = 4096),
    ("write_alignment", |knobs| knobs.write_alignment = 4096),
    ("ask_for_empty_files", |knobs| knobs.ask_for_empty_files = true),
    ("convert", |knobs| knobs.convert = Convert::AtFirstWrite),
    ("convert_on_overwrite", |knobs| knobs.convert_on_overwrite = true),
    ("query_before_deleted", |knobs| knobs.query_before_deleted = false),
    ("pre_rename", |knobs| knobs.pre_rename_of_placeholder_directories = true),
    ("refuse_offline_listing", |knobs| knobs.refuse_offline_listing = true),
    ("offline_delete", |knobs| knobs.offline_delete = false),
    ("pass_unlisted_codes", |knobs| knobs.pass_unlisted_codes = true),
    ("mark_after_boot", |knobs| knobs.mark_after_boot = true),
    ("directory_rename", |knobs| knobs.directory_rename = DirectoryRename::CrossDevice),
    ("unavailable", |knobs| knobs.unavailable = Unavailable::Stale),
    ("command_limit_ms", |knobs| knobs.command_limit_ms = Some(30_000)),
    ("seed", |knobs| knobs.seed = 4711),
];

fn projection() -> Tree {
    Tree::new()
        .text("docs/a.txt", "alpha")
        .text("docs/b.txt", "beta")
        .text("docs/File_", "underscore")
        .text("docs/Fileb", "letter")
        .text("docs/saved", "before")
        .text("empty", "")
        .pattern("deep/er/large", 300_001)
        .directory("nothing")
}

/// Programs and exact calls: everything that a day brings.
fn use_it(rig: &Rig) {
    let path = |name: &str| rig.path(name).to_str().unwrap().to_owned();
    let ran = run("cp", &["-r", &path("docs"), &path("copy")]);
    assert!(ran.success, "{}", ran.complaint);
    let mut actor = Actor::start();
    let flags = (OFlags::WRONLY | OFlags::APPEND).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("docs/a.txt"), flags }).ok();
    actor.call(Call::Write { slot: 0, offset: 0, data: b" and on".to_vec() }).ok();
    actor.call(Call::Close { slot: 0 }).ok();
    actor.call(Call::Truncate { path: rig.path("empty"), length: 3 }).ok();
    actor.call(Call::Unlink { path: rig.path("docs/b.txt") }).ok();
    let flags = (OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("docs/saved.tmp"), flags }).ok();
    actor.call(Call::Write { slot: 0, offset: 0, data: b"after".to_vec() }).ok();
    actor.call(Call::Close { slot: 0 }).ok();
    let (from, to) = (rig.path("docs/saved.tmp"), rig.path("docs/saved"));
    actor.call(Call::Rename { from, to, no_replace: false }).ok();
    let (from, to) = (rig.path("deep/er/large"), rig.path("large"));
    actor.call(Call::Rename { from, to, no_replace: true }).ok();
    actor.call(Call::RemoveDirectory { path: rig.path("nothing") }).ok();
}

/// Every file below a folder with its bytes; directories end with a slash.
fn everything(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below)).unwrap() {
            let path = below.join(entry.unwrap().file_name());
            let name = path.to_str().unwrap().to_owned();
            if folder.join(&path).is_dir() {
                found.insert(format!("{name}/"), Vec::new());
                folders.push(path);
            } else {
                found.insert(name, fs::read(folder.join(&path)).unwrap());
            }
        }
    }
    found
}

fn expected() -> BTreeMap<String, Vec<u8>> {
    let text = |(name, text): (&str, &str)| (name.to_owned(), text.as_bytes().to_vec());
    let mut expected: BTreeMap<_, _> = [
        ("copy/", ""),
        ("copy/a.txt", "alpha"),
        ("copy/b.txt", "beta"),
        ("copy/File_", "underscore"),
        ("copy/Fileb", "letter"),
        ("copy/saved", "before"),
        ("deep/", ""),
        ("deep/er/", ""),
        ("docs/", ""),
        ("docs/a.txt", "alpha and on"),
        ("docs/File_", "underscore"),
        ("docs/Fileb", "letter"),
        ("docs/saved", "after"),
        ("empty", "\0\0\0"),
    ]
    .into_iter()
    .map(text)
    .collect();
    expected.insert("large".to_owned(), (0..300_001).map(pattern_byte).collect());
    expected
}

/// The script, a restart, and what is there before and after it.
fn lives_with((name, change): Setting, asynchronous: bool) {
    let rig = Rig::with(change);
    let options = Options { asynchronous, negative_path_cache: asynchronous, ..Options::default() };
    let provider = rig.provide_with(projection(), options.clone());
    use_it(&rig);
    assert_eq!(everything(rig.root()), expected(), "{name}");
    provider.stop();
    let _provider = rig.provide_with(projection(), options);
    assert_eq!(everything(rig.root()), expected(), "{name}, after a restart");
}

#[test]
fn a_correct_provider_lives_with_every_setting() {
    for setting in SETTINGS {
        lives_with(*setting, false);
    }
}

#[test]
fn a_correct_provider_that_answers_later_lives_with_every_setting() {
    for setting in SETTINGS {
        lives_with(*setting, true);
    }
}
