//! The queue of close notifications.

use super::*;
use crate::engine::session::closes::ROOM;
use crate::knobs::Closes as Knob;

fn closed(path: &str) -> Event {
    event(Notification::ClosedNoModification, path)
}

/// Paths of the notifications that the provider got since the last call.
fn delivered(stage: &Stage) -> String {
    let asked = std::mem::take(&mut *stage.provider.asked.lock());
    asked.iter().map(|command| command.path.to_string()).collect()
}

/// Closes these, one after the other.
fn close_all(stage: &Stage, paths: &[&str]) {
    for path in paths {
        let closed = stage.close(closed(path));
        while closed.take().is_none() {
            assert!(stage.scheduler.step(), "a close waits");
        }
    }
}

#[test]
fn closes_are_delivered_one_after_the_other_in_their_order() {
    for seed in 0..100 {
        let stage = Stage::silent(&Scheduler::seeded(seed));
        close_all(&stage, &["a", "b", "c"]);
        for path in ["a", "b", "c"] {
            assert!(stage.scheduler.run_until_idle().is_err());
            assert_eq!(delivered(&stage), path, "the others wait for its answer");
            let id = stage.shared.trace.take()[0].command.id;
            stage.complete(id, HResult::OK).unwrap();
        }
        stage.scheduler.run_until_idle().unwrap();
    }
}

#[test]
fn a_close_does_not_wait_for_the_provider() {
    let stage = Stage::silent(&Scheduler::seeded(0));
    let closed = stage.close(closed("a"));
    assert!(stage.scheduler.run_until_idle().is_err());
    assert_eq!(closed.take(), Some(()));
    assert_eq!(stage.traced(), ["Notify ClosedNoModification a"]);
}

#[test]
fn an_error_in_answer_to_a_close_breaks_a_rule_and_the_next_comes() {
    let stage = Stage::new(&Scheduler::seeded(0), request(), |_| {
        Some((HResult::ACCESS_DENIED, Reply::None))
    });
    close_all(&stage, &["a", "b"]);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(delivered(&stage), "ab");
    assert_eq!(stage.broken(), ["K4", "K4"]);
}

#[test]
fn held_closes_go_out_when_they_are_released() {
    let stage = Stage::willing(&Scheduler::seeded(5));
    stage.set_knobs(|knobs| knobs.closes.held = true);
    close_all(&stage, &["a", "b"]);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(delivered(&stage), "");
    let releasing = stage.clone();
    let released = stage.scheduler.spawn("release", async move {
        releasing.session.closes.release(&releasing.shared).await;
        delivered(&releasing)
    });
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(released.take().unwrap(), "ab");
    close_all(&stage, &["c"]);
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(delivered(&stage), "", "still held");
}

#[test]
fn shuffled_closes_keep_the_order_of_each_path() {
    let shuffled = |seed| {
        let stage = Stage::willing(&Scheduler::seeded(0));
        stage.set_knobs(|knobs| {
            knobs.seed = seed;
            knobs.closes = Knob { held: true, shuffled: true, ..Knob::default() };
        });
        close_all(&stage, &["a", "b", "c", "d"]);
        stage.close(event(Notification::ClosedFileDeleted, "a"));
        stage.scheduler.run_until_idle().unwrap();
        let releasing = stage.clone();
        stage.scheduler.spawn("release", async move {
            releasing.session.closes.release(&releasing.shared).await;
        });
        stage.scheduler.run_until_idle().unwrap();
        let traced = stage.traced();
        let place = |line: &str| traced.iter().position(|traced| traced == line).unwrap();
        let (closed, deleted) =
            ("Notify ClosedNoModification a -> OK", "Notify ClosedFileDeleted a -> OK");
        assert!(place(closed) < place(deleted), "{traced:?}");
        delivered(&stage)
    };
    let orders: std::collections::BTreeSet<_> = (0..40).map(shuffled).collect();
    assert!(orders.len() > 10, "{orders:?}");
    assert_eq!(shuffled(7), shuffled(7));
}

#[test]
fn deletions_can_be_told_twice() {
    let stage = Stage::willing(&Scheduler::seeded(0));
    stage.set_knobs(|knobs| knobs.closes.duplicate_deleted = true);
    let deleted = event(Notification::ClosedFileDeleted, "a");
    stage.close(Event { modified: true, ..deleted });
    stage.scheduler.run_until_idle().unwrap();
    close_all(&stage, &["b"]);
    stage.scheduler.run_until_idle().unwrap();
    let deleted = "Notify ClosedFileDeleted a (modified) -> OK";
    assert_eq!(stage.traced(), [deleted, deleted, "Notify ClosedNoModification b -> OK"]);
}

#[test]
fn a_deletion_tells_of_modifications_only_who_is_told_of_those() {
    let deleted = NotifyMask::CLOSED_FILE_DELETED;
    for (mask, directory, expected) in [
        (
            deleted | NotifyMask::CLOSED_FILE_MODIFIED,
            false,
            "Notify ClosedFileDeleted a (modified)",
        ),
        (
            deleted | NotifyMask::CLOSED_FILE_MODIFIED,
            true,
            "Notify ClosedFileDeleted a (directory)",
        ),
        (deleted, false, "Notify ClosedFileDeleted a"),
    ] {
        let notifications = Some(vec![NotificationMapping { root: Wide::default(), mask }]);
        let request = StartRequest { notifications, ..request() };
        let stage =
            Stage::new(&Scheduler::seeded(0), request, |_| Some((HResult::OK, Reply::None)));
        let closed = event(Notification::ClosedFileDeleted, "a");
        stage.close(Event { modified: true, directory, ..closed });
        stage.scheduler.run_until_idle().unwrap();
        assert_eq!(stage.traced(), [format!("{expected} -> OK")]);
    }
}

#[test]
fn a_modification_can_get_lost_where_only_the_size_was_set() {
    for (drop_modified_after_truncate, truncated_only, notification, sent) in [
        (true, true, Notification::ClosedFileModified, false),
        (true, false, Notification::ClosedFileModified, true),
        (false, true, Notification::ClosedFileModified, true),
        (true, true, Notification::ClosedFileDeleted, true),
    ] {
        let stage = Stage::willing(&Scheduler::seeded(0));
        stage.set_knobs(|knobs| {
            knobs.closes.drop_modified_after_truncate = drop_modified_after_truncate;
        });
        stage.close(Event { truncated_only, ..event(notification, "a") });
        stage.scheduler.run_until_idle().unwrap();
        assert_eq!(stage.asked().len(), usize::from(sent), "{notification:?}");
    }
}

#[test]
fn the_wish_to_be_told_is_that_of_the_moment_of_the_close() {
    let stage = Stage::willing(&Scheduler::seeded(0));
    stage.set_knobs(|knobs| knobs.closes.held = true);
    let item = Some(crate::engine::ItemId(7));
    stage.session.mappings.replace(crate::engine::ItemId(7), NotifyMask::PRE_DELETE);
    stage.close(Event { item, ..closed("a") });
    stage.scheduler.run_until_idle().unwrap();
    stage.session.forget_mask(crate::engine::ItemId(7));
    stage.close(Event { item, ..closed("b") });
    stage.scheduler.run_until_idle().unwrap();
    stage.stop();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(delivered(&stage), "b");
}

#[test]
fn a_full_queue_makes_closes_wait() {
    let stage = Stage::willing(&Scheduler::seeded(0));
    stage.set_knobs(|knobs| knobs.closes.held = true);
    for _ in 0..ROOM {
        let closed = stage.close(closed("a"));
        assert!(stage.scheduler.step());
        assert_eq!(closed.take(), Some(()));
    }
    let waiting = stage.close(closed("b"));
    assert_eq!(stage.scheduler.run_until_idle().unwrap_err().tasks, ["close"]);
    let releasing = stage.clone();
    stage.scheduler.spawn("release", async move {
        releasing.session.closes.release(&releasing.shared).await;
    });
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(waiting.take(), Some(()));
    assert_eq!(stage.asked().len(), ROOM);
    stage.stop();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(stage.asked().len(), ROOM + 1);
}

#[test]
fn who_waits_for_room_goes_on_when_the_provider_dies() {
    let stage = Stage::willing(&Scheduler::seeded(0));
    stage.set_knobs(|knobs| knobs.closes.held = true);
    for _ in 0..=ROOM {
        stage.close(closed("a"));
        stage.scheduler.step();
    }
    stage.session.end();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(stage.asked().len(), 0);
}
