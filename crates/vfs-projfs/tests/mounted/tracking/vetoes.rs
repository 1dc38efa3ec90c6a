//! `--protect-inputs`: other programs cannot change what the manifest has.

use std::sync::Arc;

use projfs_emulator::contract::operations::{Access, ItemId, Open, Target};
use rusty_attachments_vfs_projfs::ProtectInputs;

use super::{SMALL, setup};
use crate::support::manifests::files;
use crate::support::projected::Projected;

fn guarded() -> Projected {
    setup(files(SMALL)).policy(Arc::new(ProtectInputs)).start()
}

/// S68, K5, K8.
#[test]
fn s68_inputs_cannot_be_deleted_renamed_or_written_by_others() {
    let machine = guarded();
    machine.set(|knobs| knobs.convert_on_overwrite = true);
    for refused in [
        "rm d/a",
        "rm -r d",
        "mv d/a d/other",
        "mv top d/top",
        "echo more >> d/a",
        ": > d/b",
        "echo more >> D/A",
        "ln d/a other",
    ] {
        assert!(!machine.run(refused).status.success(), "{refused}");
    }
    assert_eq!(machine.sh("cat d/a d/b d/deep/c top"), "alphabravocharliex");
    assert_eq!(machine.told(), [""; 0]);
}

/// T9, U2: where Windows does not ask before it cuts a file, that cannot be refused, but is told.
#[test]
fn t9_a_file_that_is_cut_without_a_question_is_told() {
    let machine = guarded();
    assert!(machine.run(": > d/b").status.success());
    assert_eq!(machine.told(), ["M d/b"]);
}

/// S69, K6: what would be replaced sends no PRE_DELETE.
#[test]
fn s69_inputs_cannot_be_replaced() {
    let machine = guarded();
    machine.sh("echo new > d/new; mkdir out");
    for refused in ["mv d/new d/a", "mv d/new top", "mv -T out d/a"] {
        assert!(!machine.run(refused).status.success(), "{refused}");
    }
    let outside = machine.folder().join("outside");
    std::fs::write(&outside, "outside").unwrap();
    let app = machine.app();
    let to = |path: &str| Target { from: ItemId::ROOT, path: path.into() };
    assert!(app.move_in(outside.to_str().unwrap(), to("d\\a"), true).is_err());
    app.move_in(outside.to_str().unwrap(), to("d\\fresh"), false).unwrap();
    let opened = app.open_path("d\\a", Open::existing(Access::DELETE)).unwrap();
    assert!(app.move_out(opened.handle, machine.folder().join("a").to_str().unwrap()).is_err());
    app.close(opened.handle).unwrap();
    assert_eq!(machine.sh("cat d/a top"), "alphax");
    assert_eq!(machine.told(), ["A d/fresh", "A d/new", "A out"]);
}

/// S70: what users make is theirs.
#[test]
fn s70_new_files_are_free() {
    let machine = guarded();
    machine.sh("echo 1 > d/new; echo 2 >> d/new; mv d/new d/newer; rm d/newer; mkdir -p o/p; mv o q; rm -r q");
    machine.sh("echo kept > d/kept; touch d/a");
    assert_eq!(machine.told(), ["A d/kept"]);
}
