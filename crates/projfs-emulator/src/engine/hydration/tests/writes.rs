//! What PrjWriteFileData takes.

use std::sync::Arc;

use parking_lot::Mutex;

use super::super::streams::{Refusal, Streams};
use super::{Stage, hydrate, on_data};
use crate::contract::{Guid, HResult, Result};
use crate::engine::stage::{Act, is_data};
use crate::link::Reply;

/// What a provider's writes gave, of which the last one completes the command.
fn write(size: usize, alignment: u32, writes: &'static [(u64, usize)]) -> (Vec<HResult>, Stage) {
    let stage = Stage::projecting(&[]);
    stage.provider.project_file("a", &vec![b'x'; size]);
    stage.knobs(|knobs| knobs.write_alignment = alignment);
    stage.item("a");
    let results = Arc::new(Mutex::new(Vec::new()));
    let seen = results.clone();
    stage.provider.does(is_data, move |act| {
        let seen = seen.clone();
        async move {
            for (offset, length) in writes {
                seen.lock().push(act.data(*offset, &vec![b'x'; *length]).into());
            }
            let last = seen.lock().last().copied().unwrap();
            act.complete(last, Reply::None);
        }
    });
    let _ = hydrate(&stage, "a");
    let results = results.lock().clone();
    (results, stage)
}

#[test]
fn writes_must_be_aligned_but_at_the_end() {
    let misaligned = HResult::OFFSET_ALIGNMENT_VIOLATION;
    let whole: &[(u64, usize)] = &[(0, 1000)];
    for (writes, result) in [
        (whole, HResult::OK),
        (&[(512, 488), (0, 512)], HResult::OK),
        (&[(0, 488), (488, 512)], misaligned),
        (&[(1, 512)], misaligned),
        (&[(512, 100)], misaligned),
    ] {
        let (results, stage) = write(1000, 512, writes);
        assert_eq!(results.last(), Some(&result), "{writes:?}");
        let broken = stage.broken();
        assert_eq!(broken.is_empty(), result.is_ok(), "{writes:?}");
        assert!(broken.iter().all(|rule| rule == "J5"));
    }
    let (results, stage) = write(8192, 4096, &[(0, 512)]);
    assert_eq!((results, stage.broken()), (vec![misaligned], vec!["J5".to_owned()]));
}

#[test]
fn writes_must_have_data_and_end_within_the_file() {
    for writes in [&[(0, 0)], &[(0, 1024)], &[(1024, 1)], &[(u64::MAX - 511, 512)]] {
        let (results, stage) = write(1000, 512, writes);
        assert_eq!(results, [HResult::INVALID_ARGUMENT], "{writes:?}");
        assert_eq!(stage.broken(), Vec::<String>::new());
    }
}

/// Runs a hydration; gives its command.
fn answered(stage: &Stage) -> Act {
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    stage.provider.does(is_data, move |act| {
        *keeps.lock() = Some(act.clone());
        act.do_right()
    });
    hydrate(stage, "a").unwrap();
    stage.provider.behave();
    kept.lock().take().unwrap()
}

#[test]
fn a_stream_that_wants_nothing_refuses_and_writing_on_is_a_broken_rule() {
    let stage = Stage::projecting(&["a"]);
    let act = answered(&stage);
    assert_eq!(act.data(0, b"b"), Err(HResult::HANDLE));
    assert_eq!(stage.broken(), Vec::<String>::new());
    assert_eq!(act.data(0, b"b"), Err(HResult::HANDLE));
    assert_eq!(stage.broken(), ["J6"]);
    assert_eq!(stage.read("a").unwrap(), "a");
}

#[test]
fn several_writes_may_be_refused_at_once_but_not_without_end() {
    let stage = Stage::projecting(&["a"]);
    let act = answered(&stage);
    let mut writes = (0..).map(|chunk| act.data(chunk * 512, b"b"));
    assert!(writes.by_ref().take(64).all(|refused| refused == Err(HResult::HANDLE)));
    assert_eq!(stage.broken(), Vec::<String>::new());
    assert_eq!(writes.next(), Some(Err(HResult::HANDLE)));
    assert_eq!(stage.broken(), ["J6"]);
}

#[test]
fn a_reader_who_is_gone_takes_the_stream_along() {
    let stage = Stage::projecting(&["a"]);
    let item = stage.item("a").id;
    let kept = Arc::new(Mutex::new(None));
    let keeps = kept.clone();
    stage.provider.does(is_data, move |act| {
        *keeps.lock() = Some(act);
        async {}
    });
    let reader = stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await });
    stage.scheduler.settle();
    reader.cancel();
    let act = kept.lock().take().unwrap();
    assert_eq!(act.data(0, b"a"), Err(HResult::HANDLE));
    // Harmless (L4).
    act.complete(HResult::HANDLE, Reply::None);
    drop(act);
    stage.provider.behave();
    assert_eq!(stage.read("a").unwrap(), "a");
}

#[test]
fn no_write_lands_after_a_stream_was_closed() {
    let stage = Stage::projecting(&["a"]);
    let item = stage.item("a").id;
    let (session, file) = (stage.root.session().unwrap(), stage.root.store.data(item).unwrap());
    let streams = Streams::default();
    let stream = streams.open(&session, 1, 512, file);
    assert!(streams.close(&stream));
    // A call that found the stream before.
    assert_eq!(stream.write(0, b"?"), Err(Refusal::Closed));
    assert!(stream.is_untouched());
    assert_eq!(stage.read("a").unwrap(), "a");
}

#[test]
fn other_identifiers_are_no_streams() {
    let stage = Stage::projecting(&["a"]);
    on_data(&stage, |act| {
        let write =
            |id: Guid| -> Result<()> { act.root.write_file_data(&act.session, id, 0, b"a") };
        assert_eq!(write(act.command.file), Err(HResult::HANDLE));
        assert_eq!(write(Guid::default()), Err(HResult::HANDLE));
        write(act.command.stream).into()
    });
    hydrate(&stage, "a").unwrap();
    assert_eq!(stage.broken(), ["J3", "J3"]);
}

#[test]
fn a_stream_is_of_the_session_that_was_asked() {
    let stage = Stage::projecting(&["a"]);
    let item = stage.item("a").id;
    stage.provider.does(is_data, |act| async move {
        let other = act.root.session().unwrap();
        let written = act.root.write_file_data(&other, act.command.stream, 0, b"a");
        assert_eq!(written, Err(HResult::HANDLE));
        act.complete(HResult::HANDLE, Reply::None);
    });
    let reader = stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await });
    // The command is sent, but the provider has not looked at it.
    stage.scheduler.step();
    let asked = stage.root.session().unwrap();
    stage.start(|_| {});
    assert!(!Arc::ptr_eq(&asked, &stage.root.session().unwrap()));
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(reader.take(), Some(Err(HResult::HANDLE)));
}
