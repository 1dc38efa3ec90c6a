//! Of some things nobody outside knows how Windows has them (projfs.md U): the same programs run
//! with each setting, and must be told of in the same way.
//!
//! U9 and U10 have no knob: nothing here turns full folders into placeholders, and short names are
//! never asked for.

use std::sync::Arc;

use projfs_emulator::contract::operations::{Access, Open, Query};
use projfs_emulator::knobs::{Convert, Knobs};
use rusty_attachments_vfs_projfs::ProtectInputs;

use super::setup;
use crate::support::manifests::{Texts, files};
use crate::support::projected::Projected;

type Setting = fn(&mut Knobs, bool);

const JOB: Texts<'_> = &[
    ("d/append", "alpha"),
    ("d/cut", "bravo"),
    ("d/deep/saved", "charlie"),
    ("d/read", "delta"),
    ("empty/only", "echo"),
    ("gone", "foxtrot"),
    ("moved", "golf"),
];

/// A projection with one knob set from the start.
fn machine(set: Setting, on: bool, protected: bool) -> Projected {
    let mut knobs = Knobs::default();
    set(&mut knobs, on);
    let setup = setup(files(JOB)).knobs(knobs);
    if protected { setup.policy(Arc::new(ProtectInputs)).start() } else { setup.start() }
}

/// Runs everything with the knob off and on.
fn holds(set: Setting) {
    for on in [false, true] {
        changes_are_exact(set, on);
        inputs_are_protected(set, on);
    }
}

const CHANGES: [&str; 6] =
    ["A d/new", "D gone", "M d/append", "M d/cut", "M d/deep/saved", "R moved > d/found"];

const NAMES: &str = ".\n./d\n./d/append\n./d/cut\n./d/deep\n./d/deep/saved\n./d/found\n./d/new\n\
                     ./d/read\n./empty\n./empty/only\n";

fn changes_are_exact(set: Setting, on: bool) {
    let mut machine = machine(set, on, false);
    assert_eq!(machine.sh("ls -A d; cat d/read"), "append\ncut\ndeep\nread\ndelta");
    assert_eq!(matching(&machine, "*e*"), ["append", "deep", "read"]);
    // T20: not even where it is asked about.
    assert!(!machine.run("mv d/deep d/other").status.success());
    assert!(!machine.run("mv empty d/empty").status.success());
    assert_eq!(machine.told(), [""; 0]);

    machine.sh("printf more >> d/append; printf cut > d/cut; echo new > d/new; mv moved d/found");
    machine.sh("rm gone; printf saved > .saved.tmp; mv .saved.tmp d/deep/saved");
    let is_as_left = |machine: &Projected| {
        assert_eq!(machine.changes(), CHANGES, "{on}");
        assert_eq!(machine.sh("find . | sort"), NAMES, "{on}");
        let texts = machine.sh("cat d/append d/cut d/deep/saved d/found d/new d/read");
        assert_eq!(texts, "alphamorecutsavedgolfnew\ndelta", "{on}");
        machine.check();
    };
    is_as_left(&machine);
    // M12: whether or not that may be deleted meanwhile, it is projected again.
    machine.restart(|machine| drop(machine.run("ls -R > /dev/null; rm d/read; ls empty")));
    is_as_left(&machine);
}

fn inputs_are_protected(set: Setting, on: bool) {
    let machine = machine(set, on, true);
    for refused in [
        "rm gone",
        "mv moved d/found",
        "mv d/deep d/other",
        "printf more >> d/append",
        "printf saved > tmp; mv tmp d/deep/saved",
        "rm -r empty",
    ] {
        assert!(!machine.run(refused).status.success(), "{refused}, {on}");
    }
    // K4, U2: only some versions ask before a file is cut.
    let asks = machine.control().knobs().unwrap().convert_on_overwrite;
    assert_eq!(machine.run("printf cut > d/cut").status.success(), !asks);
    machine.sh("rm tmp; echo new > d/new; mv d/new d/newer");
    let cut = (!asks).then_some("M d/cut");
    let expected: Vec<_> = ["A d/newer"].into_iter().chain(cut).collect();
    assert_eq!(machine.changes(), expected, "{on}");
    let texts = machine.sh("cat d/append d/deep/saved d/read empty/only gone moved");
    assert_eq!(texts, "alphacharliedeltaechofoxtrotgolf", "{on}");
    machine.check();
}

/// What a program finds that asks Windows for a pattern.
fn matching(machine: &Projected, pattern: &str) -> Vec<String> {
    let app = machine.app();
    let folder = app.open_path("d", Open::existing(Access::READ)).unwrap();
    let mut query = Query {
        expression: Some(pattern.into()),
        restart: false,
        single_entry: false,
        buffer: 4096,
        on_disk_only: false,
    };
    let mut names = Vec::new();
    loop {
        let entries = app.query_directory(folder.handle, query.clone()).unwrap_or_default();
        if entries.is_empty() {
            break;
        }
        names.extend(entries.iter().map(|entry| entry.name.to_string()));
        query.expression = None;
    }
    app.close(folder.handle).unwrap();
    names.retain(|name| name != "." && name != "..");
    names
}

#[test]
fn u1_files_become_full_at_open_or_at_the_first_write() {
    holds(|knobs, on| knobs.convert = if on { Convert::AtFirstWrite } else { Convert::AtOpen });
}

#[test]
fn u2_conversion_is_asked_for_overwrites_or_not() {
    holds(|knobs, on| knobs.convert_on_overwrite = on);
}

#[test]
fn u3_names_are_asked_for_before_or_after_the_deletion_is_told() {
    holds(|knobs, on| knobs.query_before_deleted = on);
}

#[test]
fn u4_renames_of_projected_folders_are_asked_for_or_not() {
    holds(|knobs, on| knobs.pre_rename_of_placeholder_directories = on);
}

#[test]
fn u5_listings_while_stopped_fail_or_not() {
    holds(|knobs, on| knobs.refuse_offline_listing = on);
}

#[test]
fn u6_what_is_on_disk_may_be_deleted_while_stopped_or_not() {
    holds(|knobs, on| knobs.offline_delete = on);
}

#[test]
fn u7_codes_that_are_not_listed_pass_or_not() {
    holds(|knobs, on| knobs.pass_unlisted_codes = on);
}

#[test]
fn u8_entries_are_filtered_again_or_not() {
    holds(|knobs, on| knobs.filter_again = on);
}

#[test]
fn u1_to_u8_all_of_them_at_once() {
    holds(|knobs, on| {
        knobs.convert = if on { Convert::AtFirstWrite } else { Convert::AtOpen };
        knobs.convert_on_overwrite = on;
        knobs.query_before_deleted = !on;
        knobs.pre_rename_of_placeholder_directories = on;
        knobs.refuse_offline_listing = on;
        knobs.offline_delete = !on;
        knobs.pass_unlisted_codes = on;
        knobs.filter_again = on;
    });
}
