//! A newer manifest in a folder that was used.

use projfs_emulator::contract::operations::{Access, Open, Share};

use super::showing;
use crate::support::programs::keep_doing;

#[test]
fn t16_h10_m24_names_that_were_not_there_show_when_a_manifest_has_them() {
    let mut folder = showing(&[("a", "alpha")]);
    for missing in ["cat b", "cat docs/c", "stat docs"] {
        assert!(!folder.run(missing).status.success());
    }
    folder.show(&[("a", "alpha"), ("b", "beta"), ("docs/c", "gamma")]);
    assert_eq!(folder.sh("cat b docs/c"), "betagamma");
}

#[test]
fn t20_m18_m20_what_is_stale_is_updated_or_goes_from_the_inside_out() {
    let mut folder = showing(&[
        ("gone/deep/a", "a"),
        ("gone/deep/b", "b"),
        ("gone/c", "c"),
        ("longer", "1"),
        ("same", "same"),
    ]);
    folder.sh("cat gone/deep/a gone/c longer same; stat gone/deep/b; rm gone/deep/b");
    folder.show(&[("longer", "12345"), ("same", "same"), ("new", "new")]);
    let report = folder.vfs().remount_report().unwrap();
    assert!(report.failed.is_empty() && report.conflicts.is_empty(), "{report:?}");
    assert_eq!(report.updated, 1);
    assert_eq!(
        folder.sh("ls; cat longer same; stat -c %s longer"),
        "longer\nnew\nsame\n12345same5\n"
    );
    assert!(folder.changes().is_empty());
    // Nothing is done twice.
    folder.show(&[("longer", "12345"), ("same", "same"), ("new", "new")]);
    assert!(folder.vfs().remount_report().is_none());
}

#[test]
fn m19_what_users_changed_outlives_the_manifest() {
    let before = [("both", "1"), ("mine", "1"), ("docs/theirs", "1"), ("docs/gone", "1")];
    let mut folder = showing(&before);
    folder.sh("printf edited > both; printf edited > mine; printf new > docs/new; rm docs/theirs");
    folder.changes();
    folder.show(&[("both", "2"), ("mine", "1"), ("docs/theirs", "2")]);
    assert_eq!(folder.sh("cat both mine docs/new; ls docs"), "editededitednewnew\n");
    let report = folder.vfs().remount_report().unwrap();
    let conflicts: Vec<_> = report.conflicts.iter().map(|it| it.path.to_string()).collect();
    assert_eq!(conflicts, ["both", "docs/theirs"]);
    assert_eq!(folder.changes(), ["A docs/new", "D docs/theirs", "M both", "M mine"]);
}

#[test]
fn m21_n9_what_is_open_is_told_and_tried_again() {
    let mut folder = showing(&[("open", "1"), ("other", "1")]);
    folder.sh("cat open other");
    let app = folder.app();
    // Does not let others delete it.
    let how = Open { share: Share::READ | Share::WRITE, ..Open::existing(Access::READ) };
    let held = app.open_path("open", how).unwrap().handle;
    let newer = [("open", "22"), ("other", "22")];
    folder.show(&newer);
    let report = folder.vfs().remount_report().unwrap();
    assert_eq!(report.updated, 1, "{report:?}");
    assert_eq!(report.failed.len(), 1, "{report:?}");
    assert_eq!(report.failed[0].0, "open");
    app.close(held).unwrap();
    folder.show(&newer);
    let report = folder.vfs().remount_report().unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
    assert_eq!(folder.sh("cat open other"), "2222");
}

#[test]
fn m13_old_content_is_served_to_what_was_renamed() {
    let mut folder = showing(&[("a", "first"), ("b", "b")]);
    folder.sh("stat a; mv a kept");
    folder.changes();
    folder.show(&[("a", "second"), ("b", "b")]);
    assert_eq!(folder.sh("cat kept"), "first");
}

#[test]
fn a6_a8_the_same_folder_serves_one_manifest_after_the_other() {
    let versions = ["one", "three", "seventeen", ""];
    let mut folder = showing(&[("file", "zero")]);
    for text in versions {
        folder.sh("cat file");
        folder.show(&[("file", text)]);
        assert_eq!(folder.sh("cat file"), text);
        assert!(folder.changes().is_empty());
    }
}

/// The emulator reports what is called from a callback that must not be; Windows would hang.
#[test]
fn t19_l8_what_calls_back_is_called_from_no_callback() {
    let name = |number: u32| format!("folder {}/file {number}", number % 3);
    let names: Vec<_> = (0..30).map(name).collect();
    let version = |text: &'static str| -> Vec<(&str, &str)> {
        // Some files are gone in each version.
        names
            .iter()
            .map(|name| (name.as_str(), text))
            .filter(|(name, _)| !name.ends_with(text))
            .collect()
    };
    let mut folder = showing(&version("0"));
    let mut busy = keep_doing(&folder.root(), "while :; do ls -lR; cat */*; done");
    for text in ["1", "2", "3"] {
        folder.sh("cat */* > /dev/null || true");
        folder.show(&version(text));
        assert_eq!(folder.sh("cat 'folder 0/file 0'"), text);
        folder.changes();
    }
    busy.kill().unwrap();
    busy.wait().unwrap();
}

#[test]
fn m22_a_link_of_a_user_is_told_not_followed_and_outlives_a_manifest() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("far"), "far").unwrap();
    let mut folder = showing(&[("docs/a", "alpha"), ("replaced", "1")]);
    folder.sh(&format!(
        "ln -s '{}' docs/out; rm replaced; ln -s docs/a replaced",
        outside.path().display()
    ));
    let expected = ["A docs/out", "M replaced"];
    assert_eq!(folder.changes(), expected);
    folder.show(&[("docs/a", "alpha"), ("replaced", "2")]);
    assert_eq!(folder.changes(), expected);
    assert_eq!(folder.sh("readlink replaced; cat docs/out/far"), "docs/a\nfar");
    assert!(outside.path().join("far").exists());
}

/// Windows does nothing for content that it knows, whatever its time is by now.
#[test]
fn m18_a_manifest_that_differs_only_in_times_is_shown_and_reads_nothing() {
    let mut folder = showing(&[("read", "alpha"), ("seen", "beta")]);
    folder.sh("cat read; stat seen");
    folder.show_at(|_, _| 1_700_000_000_000_000);
    assert_eq!(folder.sh("stat -c '%Y %s' read seen"), "1700000000 5\n1700000000 4\n");
    folder.show_at(|_, _| 1_700_000_000_000_000);
    assert!(folder.changes().is_empty());
    assert!(!folder.is_hydrated("seen"), "nobody has read it");
    assert_eq!(folder.sh("cat read seen"), "alphabeta");
}
