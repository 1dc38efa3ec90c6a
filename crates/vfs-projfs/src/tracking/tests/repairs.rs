//! Repairs wait, once for each path, and can be taken back.

use std::time::Duration;

use crate::tracking::queue::{Job, Queue};

fn repair(path: &str, attempt: u32) -> Job {
    Job::Repair { path: path.into(), attempt }
}

#[test]
fn a_repair_waits_once_and_is_taken_back_with_all_its_attempts() {
    let queue = Queue::new(100);
    for job in [repair("a", 0), repair("a", 0), repair("a", 1), repair("b", 0), repair("b", 0)] {
        queue.push_later(Duration::ZERO, job);
    }
    queue.forget_repairs("a".into());
    queue.forget_repairs("c".into());
    // What waits the longest would come first.
    queue.push_later(Duration::from_millis(1), repair("d", 0));
    assert_eq!(queue.next(), Some(repair("b", 0)));
    assert_eq!(queue.next(), Some(repair("d", 0)));
}
