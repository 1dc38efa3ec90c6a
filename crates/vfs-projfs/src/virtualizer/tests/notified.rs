//! What the root tells of changes, and what can be refused.

use std::sync::Arc;

use rusty_attachments_testkit::volume::Tree;

use super::rig::{Rig, Setup, units, wait_until};
use crate::callbacks::{Hint, Operation, OperationPolicy};

fn tree() -> Tree {
    Tree::new().file("a", "a\n").file("b", "b\n").file("folder/c", "c\n")
}

fn look(path: &str) -> Hint {
    Hint::Look(units(path))
}

#[track_caller]
fn told(rig: &Rig, hint: &Hint) {
    wait_until(&format!("{hint:?}"), || rig.hints.has(hint));
}

#[test]
fn whatever_changes_is_hinted_at() {
    let rig = Rig::new(tree());
    rig.says("echo new > new; mkdir made; ln a linked; echo more >> b; rm folder/c; mv a moved");
    for path in ["new", "made", "b", "folder\\c"] {
        told(&rig, &look(path));
    }
    told(&rig, &Hint::Linked { path: units("a"), link: units("linked") });
    told(&rig, &Hint::Renamed { from: units("a"), to: units("moved"), directory: false });
    rig.says("mv made made2");
    told(&rig, &Hint::Renamed { from: units("made"), to: units("made2"), directory: true });
}

#[test]
fn k19_an_atomic_save_is_hinted_at_by_its_rename() {
    let rig = Rig::new(tree());
    rig.says("echo saved > tmp && mv tmp a");
    told(&rig, &Hint::Renamed { from: units("tmp"), to: units("a"), directory: false });
    assert_eq!(rig.says("cat a"), "saved\n");
}

#[test]
fn k20_looking_and_reading_tells_nothing() {
    let rig = Rig::new(tree());
    rig.says("ls -lR; cat a b folder/c; stat folder");
    assert_eq!(rig.hints.all(), []);
    assert_eq!(rig.trace("Notify"), [""; 0]);
}

#[test]
fn without_a_policy_only_deletions_and_conversions_are_told_before_they_happen() {
    let rig = Rig::new(tree());
    rig.says("rm a; mv b c; echo x >> folder/c");
    let told = rig.trace("Notify Pre");
    let is_hint = |line: &String| line.contains("PreConvertToFull") || line.contains("PreDelete");
    assert!(told.iter().all(is_hint), "{told:?}");
}

/// Refuses everything, but what is done to paths that begin with `free`.
#[derive(Debug)]
struct Refuses;

impl OperationPolicy for Refuses {
    fn allows(&self, operation: &Operation<'_>, _projected: &dyn Fn(&[u16]) -> bool) -> bool {
        let (Operation::Delete { path, .. }
        | Operation::Rename { from: path, .. }
        | Operation::Link { path, .. }
        | Operation::Write { path }) = operation;
        path.starts_with(&units("free"))
    }
}

#[test]
fn t12_deletion_rename_link_and_first_write_can_be_refused() {
    let setup = Setup { policy: Some(Arc::new(Refuses)), ..Setup::default() };
    let rig = Rig::with(tree().file("free", "free\n"), setup);
    for command in ["rm a", "mv a c", "ln a c", "echo changed >> a"] {
        let complaint = rig.complains(command);
        let refused = ["denied", "not permitted"].iter().any(|word| complaint.contains(word));
        assert!(refused, "{command}: {complaint}");
    }
    assert_eq!(rig.says("cat a; ls"), "a\na\nb\nfolder\nfree\n");
    assert_eq!(rig.says("echo more >> free; cat free; rm free; ls"), "free\nmore\na\nb\nfolder\n");
    // What was refused is nothing to look at.
    assert!(!rig.hints.has(&look("a")));
}

#[test]
fn k10_the_other_side_of_the_border_is_an_empty_path() {
    let rig = Rig::new(tree());
    let outside = tempfile::tempdir().unwrap();
    let (from, to) = (outside.path().join("from"), outside.path().join("to"));
    std::fs::write(&from, "from outside\n").unwrap();
    let app = rig.app();
    app.move_in(&from, "came");
    told(&rig, &Hint::Renamed { from: vec![], to: units("came"), directory: false });
    app.move_out("folder\\c", &to);
    told(&rig, &Hint::Renamed { from: units("folder\\c"), to: vec![], directory: false });
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "c\n");
    assert_eq!(rig.says("cat came; ls folder"), "from outside\n");
}

#[test]
fn k6_a_projected_name_is_guarded_on_both_sides_of_a_rename() {
    use crate::callbacks::ProtectInputs;
    let setup = Setup { policy: Some(Arc::new(ProtectInputs)), ..Setup::default() };
    let rig = Rig::with(tree(), setup);
    for command in ["mv a moved", "echo x > own && mv own a", "rm folder/c", "echo x >> b"] {
        rig.complains(command);
    }
    assert_eq!(
        rig.says("cat a b folder/c own; mv own mine; ls"),
        "a\nb\nc\nx\na\nb\nfolder\nmine\n"
    );
}

#[test]
fn k9_a_deletion_is_hinted_at_when_the_name_is_gone() {
    let rig = Rig::new(tree());
    rig.says("rm a; rm -r folder");
    for path in ["a", "folder\\c", "folder"] {
        told(&rig, &look(path));
    }
}
