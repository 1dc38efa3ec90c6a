//! The queue and the thread: nothing is lost, nothing hangs.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::disk::{ModelUpdater, wide};
use super::rig::{Rig, small};
use crate::callbacks::{Hint, HintSink};
use crate::error::ProjFsError;
use crate::tracking::queue::{Job, Queue, deadline};
use crate::tracking::remount::Updater;

/// Far longer than anything that works takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn look(path: &str) -> Job {
    Job::Look(path.into())
}

fn all(queue: &Queue) -> Vec<Job> {
    std::iter::from_fn(|| queue.try_next()).collect()
}

fn updater(rig: &Rig) -> Arc<dyn Updater> {
    Arc::new(ModelUpdater::new(&rig.disk))
}

#[test]
fn a_path_waits_once_in_its_newest_spelling() {
    let queue = Queue::new(100);
    for path in ["a/b", "c", "A/b", "a/B"] {
        queue.push(look(path));
    }
    assert_eq!(queue.len(), 2);
    assert_eq!(all(&queue), [look("a/B"), look("c")]);
    queue.push(look("c"));
    assert_eq!(all(&queue), [look("c")], "what is being done is looked at again");
}

#[test]
fn too_many_hints_become_their_folders() {
    let queue = Queue::new(40);
    for folder in 0..4 {
        for file in 0..100 {
            queue.push(look(&format!("job/out{folder}/{file}")));
        }
    }
    queue.push(look("top"));
    assert!(queue.len() <= 41, "{} wait", queue.len());
    let jobs = all(&queue);
    for folder in 0..4 {
        let below = Job::LookBelow(format!("job/out{folder}").as_str().into());
        assert!(jobs.contains(&below) || folder == 3, "{folder}: {jobs:?}");
    }
    assert!(jobs.contains(&look("top")));
}

#[test]
fn hints_everywhere_become_the_root_in_the_end() {
    let queue = Queue::new(8);
    for folder in 0..1000 {
        queue.push(look(&format!("{folder}/x")));
        assert!(queue.len() <= 9);
    }
    assert!(all(&queue).contains(&Job::LookBelow("".into())));
}

#[test]
fn lost_renames_are_said_first() {
    let queue = Queue::new(8);
    let renamed = |at: u32| Job::Renamed {
        from: format!("{at}").as_str().into(),
        to: format!("{at}.to").as_str().into(),
        directory: false,
    };
    (0..9).for_each(|at| queue.push(renamed(at)));
    assert_eq!(all(&queue).first(), Some(&Job::ForgotRenames));
}

/// Predecessor B24: a wake-up that is lost at the end hangs for ever.
#[test]
fn a_thousand_starts_and_stops_do_not_hang() {
    let rig = Rig::new(small());
    let updater = updater(&rig);
    for _ in 0..1000 {
        rig.tracker.start(Arc::clone(&updater)).unwrap();
        rig.look("d\\a");
        assert!(rig.tracker.stop(PATIENCE));
    }
    assert_eq!(rig.tracker.queued(), 0);
}

/// N6: whoever asks for changes gets all that was hinted at before.
#[test]
fn n6_a_drain_waits_for_what_was_hinted_before() {
    let rig = Rig::new(small());
    rig.tracker.start(updater(&rig)).unwrap();
    for round in 0..200 {
        let path = format!("d\\new{round}");
        rig.tell(rig.disk.write(&path, b"x"));
        assert!(rig.tracker.drain(PATIENCE));
        assert!(rig.state(&path).is_some(), "{path}");
    }
    let told = rig.tracker.changes(PATIENCE, &|| false).unwrap();
    assert_eq!(told.len(), 200);
    assert!(rig.tracker.stop(PATIENCE));
}

#[test]
fn hints_wait_for_the_start_and_across_a_stop() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("before", b"x"));
    assert!(!rig.tracker.drain(PATIENCE), "nobody works");
    rig.tracker.start(updater(&rig)).unwrap();
    assert!(rig.tracker.drain(PATIENCE));
    assert!(rig.state("before").is_some());
    assert!(rig.tracker.stop(PATIENCE));
    rig.tell(rig.disk.write("after", b"x"));
    assert_eq!(rig.tracker.queued(), 1);
    rig.tracker.start(updater(&rig)).unwrap();
    assert!(rig.tracker.stop(PATIENCE));
    assert!(rig.state("after").is_some());
}

#[test]
fn a_second_start_and_a_scan_while_it_runs_are_refused() {
    let rig = Rig::new(small());
    rig.tracker.start(updater(&rig)).unwrap();
    let again = rig.tracker.start(updater(&rig));
    assert!(matches!(again, Err(ProjFsError::AlreadyStarted { .. })));
    assert!(matches!(rig.tracker.scan(Vec::new()), Err(ProjFsError::AlreadyStarted { .. })));
    assert!(rig.tracker.stop(PATIENCE));
    rig.tracker.scan(Vec::new()).unwrap();
}

/// Predecessor B25: a panic ended the thread, and nobody noticed.
#[test]
fn a_panic_is_tried_once_more_then_told_and_ends_nothing() {
    let rig = Rig::new(small());
    rig.tracker.start(updater(&rig)).unwrap();
    rig.disk.panic_next(1);
    rig.tell(rig.disk.write("once", b"x"));
    assert!(rig.tracker.drain(PATIENCE));
    assert!(rig.state("once").is_some(), "the second look went well");
    assert_eq!(rig.tracker.failures(), Vec::<String>::new());

    rig.disk.panic_next(2);
    // One hint: a second one could be looked at after the panics.
    rig.disk.write("twice", b"x").unwrap();
    rig.look("twice");
    assert!(rig.tracker.drain(PATIENCE));
    let failures = rig.tracker.failures();
    assert!(failures[0].contains("twice") && failures[0].contains("defect"), "{failures:?}");

    rig.tell(rig.disk.write("later", b"x"));
    let told = rig.tracker.changes(PATIENCE, &|| false).unwrap();
    assert_eq!(told.len(), 3, "the next look found what the panic hid");
    assert!(rig.tracker.stop(PATIENCE));
}

#[test]
fn what_cannot_be_looked_at_is_told_with_its_path() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("d\\bad", b"x"));
    rig.tracker.start(updater(&rig)).unwrap();
    assert!(rig.tracker.drain(PATIENCE));
    rig.disk.panic_next(u32::MAX);
    let error = rig.tracker.changes(PATIENCE, &|| false).unwrap_err().to_string();
    assert!(error.contains("root\\"), "{error}");
    rig.disk.panic_next(0);
    assert_eq!(rig.tracker.changes(PATIENCE, &|| false).unwrap().len(), 1);
    assert!(rig.tracker.stop(PATIENCE));
}

#[test]
fn an_impatient_drain_ends_and_says_so() {
    let rig = Rig::new(small());
    rig.look("d\\a");
    let begun = Instant::now();
    assert!(!rig.tracker.drain(Duration::ZERO));
    assert!(begun.elapsed() < PATIENCE);
    let error = rig.tracker.changes(Duration::ZERO, &|| false).unwrap_err();
    assert!(matches!(error, ProjFsError::Lagging { .. }));
}

#[test]
fn many_threads_hint_and_nothing_is_lost() {
    let rig = Rig::with(small(), false, 50);
    rig.tracker.start(updater(&rig)).unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let rig = &rig;
            scope.spawn(move || {
                for index in 0..100 {
                    rig.tell(rig.disk.write(&format!("{worker}-{index}"), b"x"));
                }
            });
        }
    });
    let told = rig.tracker.changes(PATIENCE, &|| false).unwrap();
    assert_eq!(told.len(), 400);
    assert!(rig.tracker.stop(PATIENCE));
}

#[test]
fn a_job_for_later_is_done_when_it_is_due() {
    let queue = Arc::new(Queue::new(10));
    assert!(queue.open());
    queue.push_later(Duration::from_millis(30), look("later"));
    queue.push(look("now"));
    assert_eq!(queue.next(), Some(look("now")));
    assert_eq!(queue.next(), Some(look("later")));
    queue.close();
    assert_eq!(queue.next(), None);
    queue.left();
    assert!(queue.await_left(deadline(Duration::ZERO)));
}

/// J10, H9: whoever met wrong bytes still has the file open.
#[test]
fn j10_a_placeholder_that_is_no_good_is_deleted_once_nobody_has_it_open() {
    let rig = Rig::new(small());
    rig.disk.read("d\\a").unwrap();
    rig.tracker.take(Hint::Repair(wide("d\\a")));
    let mut updater = ModelUpdater::new(&rig.disk);
    updater.open = vec!["D\\A".to_owned()];
    rig.tracker.push(Job::Repair { path: "d/a".into(), attempt: 0 });
    rig.tracker.work_off(&updater, 1);
    assert_eq!(*updater.calls.lock(), ["delete d\\a"]);
    assert!(rig.disk.is_on_disk("d\\a"));
    updater.open.clear();
    rig.tracker.push(Job::Repair { path: "d/a".into(), attempt: 1 });
    rig.tracker.work_off(&updater, 1);
    assert!(!rig.disk.is_on_disk("d\\a"), "it is virtual again");
}

#[test]
fn what_a_user_wrote_is_never_repaired_away() {
    let rig = Rig::new(small());
    rig.tell(rig.disk.write("d\\a", b"mine"));
    let updater = ModelUpdater::new(&rig.disk);
    rig.tracker.push(Job::Repair { path: "d/a".into(), attempt: 0 });
    rig.tracker.work_off(&updater, usize::MAX);
    assert!(updater.calls.lock().is_empty());
    assert_eq!(rig.told(), ["M d/a"]);
}
