//! Answers: at once, later, before the callback returns; once each; cancelled or not (projfs.md L).

use std::ptr::null_mut;
use std::sync::{Arc, mpsc};
use std::thread;

use parking_lot::Mutex;
use projfs_emulator::contract::HResult;
use projfs_emulator::link::{Completion, Reply, Request};

use crate::fake::{Call, Fake, serve};
use crate::script::{Asked, Running, Shown, What, complete, indifferent, library, start};

const DATA: Request = Request::GetFileData { offset: 4096, length: 100 };

fn rules(expected: &str) -> Vec<String> {
    vec![expected.to_owned()]
}

/// A provider that answers later; shows the numbers of the commands that it has.
fn pending(fake: &Fake) -> (Running, Arc<Shown<Vec<i32>>>) {
    let asked = Shown::<Vec<i32>>::new();
    let noted = asked.clone();
    let running = start(fake, move |ask: Asked| {
        noted.change(|asked| asked.push(ask.data().CommandId));
        HResult::IO_PENDING
    });
    (running, asked)
}

#[test]
fn what_a_callback_returns_is_the_answer() {
    let fake = serve();
    let running = start(&fake, |asked| match asked.what {
        What::Data { offset: 4096, length: 100 } => HResult::FILE_NOT_AVAILABLE,
        What::Placeholder => HResult::FILE_NOT_FOUND,
        _ => HResult::OK,
    });
    let answer = fake.ask(DATA);
    let (id, result) = (1, HResult::FILE_NOT_AVAILABLE);
    assert_eq!(answer, Completion { id, result, reply: Reply::None });
    assert_eq!(fake.ask(Request::GetPlaceholderInfo).result, HResult::FILE_NOT_FOUND);
    assert_eq!(fake.ask(Request::QueryFileName).result, HResult::OK);
    drop(running);
}

#[test]
fn a_callback_can_be_answered_later() {
    let fake = serve();
    let (running, asked) = pending(&fake);
    let id = fake.play(DATA);
    asked.wait_until(|asked| *asked == [id]);
    assert!(!fake.is_answered(id));
    let code = complete(&library(), running.handle, id, HResult::ACCESS_DENIED);
    assert_eq!((code, fake.answer_to(id).result), (HResult::OK, HResult::ACCESS_DENIED));
    drop(running);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn a_callback_can_be_answered_before_it_returns() {
    let fake = serve();
    let running = start(&fake, |asked| {
        let id = asked.data().CommandId;
        assert_eq!(complete(&library(), asked.handle(), id, HResult::HANDLE_EOF), HResult::OK);
        HResult::IO_PENDING
    });
    assert_eq!(fake.ask(DATA).result, HResult::HANDLE_EOF);
    drop(running);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn an_answered_callback_returns_io_pending() {
    let fake = serve();
    let running = start(&fake, |asked| {
        let id = asked.data().CommandId;
        complete(&library(), asked.handle(), id, HResult::HANDLE_EOF);
        HResult::OK
    });
    assert_eq!(fake.ask(DATA).result, HResult::HANDLE_EOF);
    drop(running);
    assert_eq!(fake.rules(), rules("L2"));
}

#[test]
fn a_command_is_completed_once() {
    let fake = serve();
    let (running, asked) = pending(&fake);
    let id = fake.play(DATA);
    asked.wait_until(|asked| *asked == [id]);
    assert_eq!(complete(&library(), running.handle, id, HResult::OK), HResult::OK);
    let again = complete(&library(), running.handle, id, HResult::ACCESS_DENIED);
    assert_eq!((again, fake.rules()), (HResult::INVALID_ARGUMENT, rules("L2")));
    assert_eq!(fake.answer_to(id).result, HResult::OK);
    drop(running);
}

#[test]
fn a_command_that_returned_is_not_completed() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let id = fake.ask(DATA).id;
    let code = complete(&library(), running.handle, id, HResult::OK);
    assert_eq!((code, fake.rules()), (HResult::INVALID_ARGUMENT, rules("L2")));
    drop(running);
}

#[test]
fn only_pending_commands_are_completed() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let code = complete(&library(), running.handle, 77, HResult::OK);
    assert_eq!((code, fake.rules()), (HResult::INVALID_ARGUMENT, rules("L4")));
    drop(running);
}

#[test]
fn pending_is_no_answer() {
    let fake = serve();
    let (running, asked) = pending(&fake);
    let id = fake.play(DATA);
    asked.wait_until(|asked| *asked == [id]);
    let code = complete(&library(), running.handle, id, HResult::IO_PENDING);
    assert_eq!((code, fake.rules()), (HResult::INVALID_ARGUMENT, rules("L2")));
    assert_eq!(complete(&library(), running.handle, id, HResult::OK), HResult::OK);
    drop(running);
}

#[test]
fn a_pending_command_is_answered_while_the_stop_waits() {
    let fake = serve();
    let (mut running, asked) = pending(&fake);
    let id = fake.play(DATA);
    asked.wait_until(|asked| *asked == [id]);
    let handle = running.handle.addr();
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| running.stop());
        fake.wait_for_call(|call| *call == Call::Stop);
        assert!(!stopping.is_finished());
        let handle = std::ptr::without_provenance_mut(handle);
        assert_eq!(complete(&library(), handle, id, HResult::OK), HResult::OK);
    });
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn a_cancelled_command_is_told_while_its_callback_runs() {
    let fake = serve();
    let cancelled = Shown::<Vec<i32>>::new();
    let began = Shown::<bool>::new();
    let (own_cancelled, own_began) = (cancelled.clone(), began.clone());
    let running = start(&fake, move |asked| {
        let id = asked.data().CommandId;
        if matches!(asked.what, What::Cancel) {
            own_cancelled.change(|cancelled| cancelled.push(id));
        } else {
            own_began.change(|began| *began = true);
            // Goes on when it is cancelled, which only another thread can tell it.
            own_cancelled.wait_until(|cancelled| cancelled.contains(&id));
        }
        HResult::OK
    });
    let id = fake.play(DATA);
    began.wait_until(|began| *began);
    fake.cancel(id);
    cancelled.wait_until(|cancelled| *cancelled == [id]);
    drop(running);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn completing_a_cancelled_command_is_harmless() {
    let fake = serve();
    let asked = Shown::<Vec<(i32, bool)>>::new();
    let noted = asked.clone();
    let running = start(&fake, move |ask| {
        let cancel = matches!(ask.what, What::Cancel);
        noted.change(|asked| asked.push((ask.data().CommandId, cancel)));
        HResult::IO_PENDING
    });
    let id = fake.play(DATA);
    asked.wait_until(|asked| *asked == [(id, false)]);
    fake.cancel(id);
    asked.wait_until(|asked| *asked == [(id, false), (id, true)]);
    assert_eq!(complete(&library(), running.handle, id, HResult::OK), HResult::OK);
    drop(running);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn a_command_cancelled_before_its_callback_is_never_heard_of() {
    let fake = serve();
    let asked = Shown::<Vec<i32>>::new();
    let (noted, gate) = (asked.clone(), Shown::<bool>::new());
    let opens = gate.clone();
    let options = windows_sys::Win32::Storage::ProjectedFileSystem::PRJ_STARTVIRTUALIZING_OPTIONS {
        PoolThreadCount: 1,
        ConcurrentThreadCount: 1,
        NotificationMappings: null_mut(),
        ..Default::default()
    };
    let running = crate::script::start_with(&fake, &options, move |ask| {
        noted.change(|asked| asked.push(ask.data().CommandId));
        opens.wait_until(|open| *open);
        HResult::OK
    });
    let first = fake.play(DATA);
    asked.wait_until(|asked| *asked == [first]);
    let second = fake.play(DATA);
    fake.cancel(second);
    gate.change(|open| *open = true);
    let third = fake.ask(DATA).id;
    drop(running);
    assert_eq!(asked.get(), [first, third]);
}

/// A provider that hands its commands to a thread, which answers them at once: before the callback
/// has returned, meanwhile, or after.
fn racing(fake: &Fake) -> (Running, thread::JoinHandle<Vec<HResult>>) {
    let (sender, receiver) = mpsc::channel::<(usize, i32)>();
    let sender = Mutex::new(sender);
    let running = start(fake, move |asked| {
        if !matches!(asked.what, What::Cancel) {
            sender.lock().send((asked.handle().addr(), asked.data().CommandId)).unwrap();
        }
        HResult::IO_PENDING
    });
    let answer = |(handle, id)| {
        let handle = std::ptr::without_provenance_mut(handle);
        complete(&library(), handle, id, HResult::ACCESS_DENIED)
    };
    let answering = thread::spawn(move || receiver.into_iter().map(answer).collect());
    (running, answering)
}

#[test]
fn answers_race_with_returns() {
    let fake = serve();
    let (running, answering) = racing(&fake);
    let ids: Vec<_> = (0..1000).map(|_| fake.play(DATA)).collect();
    for id in ids {
        assert_eq!(fake.answer_to(id).result, HResult::ACCESS_DENIED);
    }
    drop(running);
    assert!(answering.join().unwrap().into_iter().all(HResult::is_ok));
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn answers_race_with_cancellations() {
    let fake = serve();
    let (running, answering) = racing(&fake);
    for _ in 0..1000 {
        let id = fake.play(DATA);
        fake.cancel(id);
    }
    let last = fake.play(DATA);
    assert_eq!(fake.answer_to(last).result, HResult::ACCESS_DENIED);
    drop(running);
    // Cancelled ones may be answered after the stop; nothing else may be wrong.
    let late = answering.join().unwrap().into_iter().filter(|code| !code.is_ok()).count();
    assert_eq!(fake.rules(), vec!["M8"; late]);
}
