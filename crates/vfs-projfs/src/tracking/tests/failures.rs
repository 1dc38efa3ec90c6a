//! What could not be looked at is not forgotten.

use std::sync::Arc;
use std::time::Duration;

use super::disk::ModelUpdater;
use super::rig::{Rig, small};

/// Far longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn many_failures_put_everything_in_question_and_lose_nothing() {
    let rig = Rig::new(small());
    rig.disk.fail(true);
    for number in 0..1_100 {
        rig.tell(rig.disk.write(&format!("d\\out{number}"), b"1"));
    }
    rig.work(usize::MAX);
    assert!(!rig.tracker.failures().is_empty());
    rig.disk.fail(false);
    assert_eq!(rig.told().len(), 1_100);
    rig.check();
}

#[test]
fn both_paths_of_a_rename_are_looked_at_again() {
    let rig = Rig::new(small());
    rig.disk.panic_next(2);
    rig.tell(rig.disk.rename("d\\a", "moved"));
    rig.work(1);
    assert_eq!(rig.tracker.failures().len(), 2);
    rig.check();
}

#[test]
fn the_end_tells_what_could_not_be_noted() {
    let rig = Rig::new(small());
    rig.tracker.start(Arc::new(ModelUpdater::new(&rig.disk))).unwrap();
    rig.disk.panic_next(2);
    rig.tell(rig.disk.write("once", b"x"));
    rig.tracker.finish(PATIENCE).unwrap();
    assert!(rig.state("once").is_some(), "it was looked at once more");

    rig.disk.fail(true);
    rig.tell(rig.disk.write("never", b"x"));
    let error = rig.tracker.finish(PATIENCE).unwrap_err().to_string();
    assert!(error.contains("fails now"), "{error}");
    rig.disk.fail(false);
    assert!(rig.tracker.stop(PATIENCE));
}
