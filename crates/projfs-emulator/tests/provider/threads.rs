//! The pool: so many threads, so many of them active (projfs.md L1, R12).

use std::sync::Arc;

use projfs_emulator::contract::HResult;
use projfs_emulator::link::Request;
use windows_sys::Win32::Storage::ProjectedFileSystem::PRJ_STARTVIRTUALIZING_OPTIONS;

use crate::fake::{Call, Fake, serve};
use crate::script::{Running, Shown, What, library, start_with, write_placeholder};

/// A provider whose callbacks wait for the gate; shows how many run.
fn gated(fake: &Fake, pool: u32, concurrent: u32) -> (Running, Arc<Shown<u32>>, Arc<Shown<bool>>) {
    let (count, gate) = (Shown::<u32>::new(), Shown::<bool>::new());
    let (counts, opens) = (count.clone(), gate.clone());
    let options = PRJ_STARTVIRTUALIZING_OPTIONS {
        PoolThreadCount: pool,
        ConcurrentThreadCount: concurrent,
        ..Default::default()
    };
    let running = start_with(fake, &options, move |asked| {
        counts.change(|count| *count += 1);
        if matches!(asked.what, What::Placeholder) {
            // Held by the driver.
            return write_placeholder(&library(), asked.handle(), "a");
        }
        opens.wait_until(|open| *open);
        HResult::OK
    });
    (running, count, gate)
}

/// Plays more callbacks than can run; gives how many do.
fn most_at_once(pool: u32, concurrent: u32) -> u32 {
    let fake = serve();
    let (running, count, gate) = gated(&fake, pool, concurrent);
    let expected = pool.min(concurrent);
    let ids: Vec<_> = (0..2 * expected).map(|_| fake.play(Request::QueryFileName)).collect();
    let most = count.wait_until(|count| *count >= expected);
    gate.change(|open| *open = true);
    ids.into_iter().for_each(|id| drop(fake.answer_to(id)));
    drop(running);
    most
}

#[test]
fn no_more_callbacks_run_than_may_be_active() {
    assert_eq!(most_at_once(4, 2), 2);
}

#[test]
fn no_more_callbacks_run_than_there_are_threads() {
    assert_eq!(most_at_once(3, 8), 3);
}

#[test]
fn a_callback_that_waits_in_a_function_gives_its_place() {
    let fake = serve();
    let (running, count, gate) = gated(&fake, 2, 1);
    fake.hold(true);
    let waits = fake.play(Request::GetPlaceholderInfo);
    fake.wait_for_call(|call| matches!(call, Call::Placeholder(..)));
    let other = fake.play(Request::QueryFileName);
    count.wait_until(|count| *count == 2);
    gate.change(|open| *open = true);
    assert_eq!(fake.answer_to(other).result, HResult::OK);
    assert!(!fake.is_answered(waits));
    fake.hold(false);
    assert_eq!(fake.answer_to(waits).result, HResult::OK);
    drop(running);
}

#[test]
fn all_threads_in_callbacks_hold_up_the_others() {
    let fake = serve();
    let (running, count, gate) = gated(&fake, 1, 1);
    fake.hold(true);
    let waits = fake.play(Request::GetPlaceholderInfo);
    fake.wait_for_call(|call| matches!(call, Call::Placeholder(..)));
    let other = fake.play(Request::QueryFileName);
    // There is a place, but no thread.
    assert_eq!(count.get(), 1);
    gate.change(|open| *open = true);
    fake.hold(false);
    assert_eq!(fake.answer_to(waits).result, HResult::OK);
    assert_eq!(fake.answer_to(other).result, HResult::OK);
    drop(running);
}
