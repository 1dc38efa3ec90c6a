//! The scheduler itself.

use std::collections::BTreeSet;

use tokio::sync::{Mutex as AsyncMutex, Notify, oneshot};
use tokio::task::yield_now;

use super::*;

/// Appends letters in turns with others.
fn writers(scheduler: &Scheduler, letters: &[char]) -> String {
    let written = Arc::new(Mutex::new(String::new()));
    for letter in letters.iter().copied() {
        let written = written.clone();
        scheduler.spawn(&letter.to_string(), async move {
            written.lock().push(letter);
            yield_now().await;
            written.lock().push(letter);
        });
    }
    scheduler.run_until_idle().unwrap();
    std::mem::take(&mut *written.lock())
}

#[test]
fn a_seed_fixes_the_order_and_seeds_differ() {
    let order = |seed| writers(&Scheduler::seeded(seed), &['a', 'b', 'c']);
    for seed in 0..20 {
        assert_eq!(order(seed), order(seed));
    }
    let orders: BTreeSet<_> = (0..50).map(order).collect();
    assert!(orders.len() > 10, "{orders:?}");
}

#[test]
fn every_order_is_explored_exactly_once() {
    let mut orders = Vec::new();
    let explored = explore(1000, |scheduler| orders.push(writers(scheduler, &['a', 'b']))).unwrap();
    // Two letters twice each, in any order: 4 over 2.
    assert_eq!(explored, Explored { runs: 6, complete: true });
    let distinct: BTreeSet<_> = orders.iter().collect();
    assert_eq!(distinct.len(), 6, "{orders:?}");
}

#[test]
fn exploring_stops_at_its_bound() {
    let explored = explore(5, |scheduler| drop(writers(scheduler, &['a', 'b']))).unwrap();
    assert_eq!(explored, Explored { runs: 5, complete: false });
    let explored = explore(6, |scheduler| drop(writers(scheduler, &['a', 'b']))).unwrap();
    assert_eq!(explored, Explored { runs: 6, complete: true });
}

#[test]
fn a_failed_run_can_be_repeated() {
    let failed = explore(1000, |scheduler| {
        let order = writers(scheduler, &['a', 'b']);
        assert_ne!(order, "abba", "met abba");
    })
    .unwrap_err();
    assert!(failed.message.contains("met abba"), "{failed}");
    assert_eq!(writers(&Scheduler::replaying(&failed.choices), &['a', 'b']), "abba");
}

#[test]
fn a_tests_own_choices_are_explored_too() {
    let mut seen = Vec::new();
    let explored = explore(100, |scheduler| {
        seen.push((scheduler.choose(2), scheduler.choose(3), scheduler.choose(1)));
    });
    assert_eq!(explored.unwrap(), Explored { runs: 6, complete: true });
    assert_eq!(seen, [(0, 0, 0), (0, 1, 0), (0, 2, 0), (1, 0, 0), (1, 1, 0), (1, 2, 0)]);
}

#[test]
fn a_deadlock_names_the_tasks_that_are_in_it() {
    let deadlocks = |scheduler: &Scheduler| {
        let (a, b) = (Arc::new(AsyncMutex::new(())), Arc::new(AsyncMutex::new(())));
        for (name, first, second) in [("there", a.clone(), b.clone()), ("back", b, a)] {
            scheduler.spawn(name, async move {
                let _first = first.lock_owned().await;
                yield_now().await;
                let _second = second.lock_owned().await;
            });
        }
        scheduler.spawn("bystander", yield_now());
        scheduler.run_until_idle().err()
    };
    let mut found = Vec::new();
    explore(10_000, |scheduler| found.extend(deadlocks(scheduler))).unwrap();
    assert!(!found.is_empty());
    for deadlock in found {
        assert_eq!(deadlock.tasks, ["there", "back"]);
    }
}

#[test]
fn time_passes_only_when_nobody_can_go_on() {
    for seed in 0..20 {
        let scheduler = Scheduler::seeded(seed);
        let order = Arc::new(Mutex::new(Vec::new()));
        for seconds in [3, 1, 2] {
            let (order, of_task) = (order.clone(), scheduler.clone());
            let nap = scheduler.sleep(Duration::from_secs(seconds));
            scheduler.spawn("sleeper", async move {
                nap.await;
                order.lock().push((seconds, of_task.now().as_secs()));
            });
        }
        let (busy_order, busy_scheduler) = (order.clone(), scheduler.clone());
        scheduler.spawn("busy", async move {
            for _ in 0..10 {
                yield_now().await;
            }
            busy_order.lock().push((0, busy_scheduler.now().as_secs()));
        });
        scheduler.run_until_idle().unwrap();
        assert_eq!(*order.lock(), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    }
}

#[test]
fn settling_lets_no_time_pass() {
    let scheduler = Scheduler::seeded(0);
    let nap = scheduler.sleep(Duration::from_secs(5));
    let sleeper = scheduler.spawn("sleeper", nap);
    let other = scheduler.spawn("other", yield_now());
    scheduler.settle();
    assert_eq!((sleeper.take(), other.take()), (None, Some(())));
    assert_eq!(scheduler.now(), Duration::ZERO);
}

#[test]
fn time_does_not_pass_for_a_sleep_that_was_dropped() {
    let scheduler = Scheduler::seeded(0);
    let nap = scheduler.sleep(Duration::from_secs(5));
    let sleeper = scheduler.spawn("sleeper", nap);
    assert!(scheduler.step());
    sleeper.cancel();
    scheduler.run_until_idle().unwrap();
    assert_eq!(scheduler.now(), Duration::ZERO);
}

#[test]
fn a_cancelled_task_is_dropped_where_it_stands() {
    let scheduler = Scheduler::seeded(0);
    let (sender, receiver) = oneshot::channel::<()>();
    let waiting = scheduler.spawn("waiting", receiver);
    assert_eq!(scheduler.run_until_idle(), Err(Deadlock { tasks: vec!["waiting".to_owned()] }));
    waiting.cancel();
    assert!(sender.is_closed());
    assert!(waiting.take().is_none());
    scheduler.run_until_idle().unwrap();
}

#[test]
fn a_task_can_cancel_itself() {
    let scheduler = Scheduler::seeded(0);
    let (own, dropped) = (Arc::new(Mutex::new(None::<Handle<()>>)), Arc::new(()));
    let (of_task, held) = (own.clone(), dropped.clone());
    let handle = scheduler.spawn("own", async move {
        let _held = held;
        of_task.lock().take().unwrap().cancel();
        std::future::pending::<()>().await;
    });
    *own.lock() = Some(handle);
    scheduler.run_until_idle().unwrap();
    assert_eq!(Arc::strong_count(&dropped), 1);
}

#[test]
fn a_wake_during_its_own_poll_is_not_lost() {
    let scheduler = Scheduler::seeded(0);
    let notify = Arc::new(Notify::new());
    let (of_task, other) = (notify.clone(), scheduler.clone());
    let waiting = scheduler.spawn("waiting", async move {
        let notified = of_task.notified();
        let mut notified = std::pin::pin!(notified);
        notified.as_mut().enable();
        let notify = of_task.clone();
        other.spawn("waking", async move { notify.notify_waiters() });
        notified.await;
        1
    });
    scheduler.run_until_idle().unwrap();
    assert_eq!(waiting.take(), Some(1));
}

#[test]
fn abandoned_tasks_are_freed_even_if_they_hold_the_scheduler() {
    let scheduler = Scheduler::seeded(0);
    let weak = Arc::downgrade(&scheduler.state);
    let held = scheduler.clone();
    scheduler.spawn("holder", async move {
        std::future::pending::<()>().await;
        drop(held);
    });
    assert!(scheduler.run_until_idle().is_err());
    scheduler.abandon();
    drop(scheduler);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_task_that_is_woken_twice_is_polled_once() {
    let scheduler = Scheduler::seeded(0);
    let polls = Arc::new(Mutex::new(0));
    let counter = polls.clone();
    let task = std::future::poll_fn(move |context| {
        let mut polls = counter.lock();
        *polls += 1;
        if *polls == 1 {
            context.waker().wake_by_ref();
            context.waker().wake_by_ref();
        }
        std::task::Poll::<()>::Pending
    });
    scheduler.spawn("task", task);
    assert!(scheduler.run_until_idle().is_err());
    assert_eq!(*polls.lock(), 2);
    scheduler.abandon();
}
