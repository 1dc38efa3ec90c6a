//! Hydration and conversion, with a scripted provider, one step at a time.

mod conversions;
mod properties;
mod writes;

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::flights::{Place, Seats};
use crate::contract::{FileState, HResult, Wide};
use crate::engine::stage::{Act, HYDRATED, Stage, info, is_data, version};
use crate::engine::store::{Item, ItemId};
use crate::knobs::Knobs;
use crate::link::Reply;

/// What the provider does for GetFileData, and completes it with.
fn on_data(stage: &Stage, answer: impl Fn(&Act) -> HResult + Copy + Send + Sync + 'static) {
    stage.provider.does(is_data, move |act| async move {
        let result = answer(&act);
        act.complete(result, Reply::None);
    });
}

fn hydrate(stage: &Stage, path: &str) -> Result<(), HResult> {
    let item = stage.item(path).id;
    stage.run(|root, caller| async move { root.hydrate(&caller, item).await })
}

fn lower(stage: &Stage, path: &str) -> Vec<u8> {
    lower_of(stage, &stage.item(path))
}

fn lower_of(stage: &Stage, item: &Item) -> Vec<u8> {
    let mut content = vec![0; usize::try_from(item.basic.size).unwrap()];
    stage.root.store.data(item.id).unwrap().read_exact_at(&mut content, 0).unwrap();
    content
}

#[test]
fn a_read_asks_once_for_all_of_the_file_and_hydrates_it() {
    let stage = Stage::projecting(&["a.txt"]);
    stage.item("a.txt");
    assert_eq!(stage.item("a.txt").state, FileState::PLACEHOLDER);
    stage.trace();
    assert_eq!(stage.read("a.txt").unwrap(), "a.txt");
    assert_eq!(stage.read("a.txt").unwrap(), "a.txt");
    assert_eq!(stage.trace(), ["GetFileData a.txt 0+5 -> OK"]);
    assert_eq!(stage.item("a.txt").state, HYDRATED);
}

#[test]
fn readers_at_the_same_time_ask_once() {
    let stage = Stage::projecting(&["a"]);
    let item = stage.item("a").id;
    stage.trace();
    let readers: Vec<_> = (0..10)
        .map(|_| stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await }))
        .collect();
    stage.scheduler.run_until_idle().unwrap();
    assert!(readers.iter().all(|reader| reader.take() == Some(Ok(()))));
    assert_eq!(stage.trace(), ["GetFileData a 0+1 -> OK"]);
}

#[test]
fn a_reader_who_comes_just_after_the_end_does_not_ask_again() {
    let stage = Stage::projecting(&["a"]);
    stage.read("a").unwrap();
    stage.trace();
    let item = stage.item("a").id;
    // It saw a placeholder, then the hydration landed, then it took the free place.
    let late = stage.run(|root, caller| async move { root.fetch_if_needed(&caller, item).await });
    assert_eq!((late, stage.trace()), (Ok(()), Vec::new()));
}

#[test]
fn who_waits_gets_the_same_error_and_the_next_read_asks_again() {
    let stage = Stage::projecting(&["a"]);
    let item = stage.item("a").id;
    stage.trace();
    stage.provider.fails(is_data, HResult::FILE_NOT_AVAILABLE);
    let readers: Vec<_> = (0..3)
        .map(|_| stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await }))
        .collect();
    stage.scheduler.run_until_idle().unwrap();
    for reader in readers {
        assert_eq!(reader.take(), Some(Err(HResult::FILE_NOT_AVAILABLE)));
    }
    assert_eq!(stage.trace(), ["GetFileData a 0+1 -> FILE_NOT_AVAILABLE"]);
    assert_eq!(stage.item("a").state, FileState::PLACEHOLDER);
    stage.provider.behave();
    assert_eq!(stage.read("a").unwrap(), "a");
}

#[test]
fn a_waiter_takes_over_when_the_reader_who_asked_is_gone() {
    let stage = Stage::projecting(&["a"]);
    let item = stage.item("a").id;
    stage.trace();
    stage.provider.hangs(is_data);
    let first = stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await });
    stage.scheduler.settle();
    let second = stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await });
    stage.scheduler.settle();
    stage.provider.behave();
    first.cancel();
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!((first.take(), second.take()), (None, Some(Ok(()))));
    assert_eq!(stage.provider.cancelled().len(), 1);
    assert_eq!(stage.trace(), ["GetFileData a 0+1", "GetFileData a 0+1 -> OK"]);
}

#[test]
fn whoever_gives_up_whenever_the_others_get_the_data() {
    for seed in 0..200 {
        let stage = Stage::empty(Knobs { seed, ..Knobs::default() });
        stage.provider.project_file("a", &[b'x'; 1300]);
        stage.knobs(|knobs| knobs.data_range = 512);
        stage.start(|_| {});
        let file = stage.item("a");
        let item = file.id;
        let mut readers: Vec<_> = (0..4)
            .map(|_| stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await }))
            .collect();
        for _ in 0..2 {
            for _ in 0..stage.scheduler.choose(12) {
                stage.scheduler.step();
            }
            readers.swap_remove(stage.scheduler.choose(readers.len())).cancel();
        }
        stage.scheduler.run_until_idle().unwrap();
        assert!(readers.iter().all(|reader| reader.take() == Some(Ok(()))), "seed {seed}");
        assert_eq!(lower_of(&stage, &file), [b'x'; 1300], "seed {seed}");
        assert_eq!(stage.item("a").state, HYDRATED);
    }
}

#[test]
fn one_at_a_time_does_the_work_on_threads_too() {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let (seats, working) = (Arc::new(Seats::default()), Arc::new(AtomicBool::new(false)));
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let (seats, working) = (seats.clone(), working.clone());
            threads.spawn(async move {
                for round in 0..500 {
                    match seats.take(ItemId(2)) {
                        Place::First(seat) => {
                            assert!(!working.swap(true, Ordering::SeqCst));
                            tokio::task::yield_now().await;
                            working.store(false, Ordering::SeqCst);
                            if (worker + round) % 3 > 0 {
                                seat.land(Ok(())).unwrap();
                            }
                        }
                        Place::Later(flight) => drop(flight.end().await),
                    }
                }
            })
        })
        .collect();
    threads.block_on(async {
        for worker in workers {
            worker.await.unwrap();
        }
    });
    assert!(matches!(seats.take(ItemId(2)), Place::First(_)));
}

#[test]
fn what_a_failed_hydration_wrote_is_dropped() {
    let stage = Stage::projecting(&[]);
    stage.provider.project_file("a", &[b'x'; 1024]);
    on_data(&stage, |act| {
        act.data(0, &[b'?'; 512]).unwrap();
        HResult::ACCESS_DENIED
    });
    assert_eq!(hydrate(&stage, "a"), Err(HResult::ACCESS_DENIED));
    assert_eq!(stage.item("a").state, FileState::PLACEHOLDER);
    assert_eq!(lower(&stage, "a"), [0; 1024]);
    assert_eq!(stage.root.store.item(stage.item("a").id).unwrap().basic.size, 1024);
    stage.provider.behave();
    assert_eq!(stage.read("a").unwrap(), "x".repeat(1024));
}

#[test]
fn what_a_given_up_hydration_wrote_is_dropped() {
    let stage = Stage::projecting(&[]);
    stage.provider.project_file("a", &[b'x'; 1024]);
    let file = stage.item("a");
    let item = file.id;
    stage.provider.does(is_data, |act| async move { act.data(512, &[b'?'; 512]).unwrap() });
    let reader = stage.spawn(|root, caller| async move { root.hydrate(&caller, item).await });
    stage.scheduler.settle();
    assert_eq!(lower_of(&stage, &file)[512..], [b'?'; 512]);
    reader.cancel();
    assert_eq!(lower(&stage, "a"), [0; 1024]);
    assert_eq!(stage.item("a").state, FileState::PLACEHOLDER);
}

#[test]
fn a_failed_hydration_can_leave_a_half_file_that_counts_as_whole() {
    let stage = Stage::projecting(&[]);
    stage.provider.project_file("a", &[b'x'; 1024]);
    stage.knobs(|knobs| knobs.leave_partial_hydration = true);
    on_data(&stage, |act| {
        act.data(0, &[b'x'; 512]).unwrap();
        HResult::ACCESS_DENIED
    });
    assert_eq!(hydrate(&stage, "a"), Err(HResult::ACCESS_DENIED));
    assert_eq!(stage.item("a").state, HYDRATED);
    assert_eq!(hydrate(&stage, "a"), Ok(()));
    assert_eq!(lower(&stage, "a"), [[b'x'; 512], [0; 512]].concat());
}

#[test]
fn success_without_all_of_the_data_is_a_broken_rule() {
    let stage = Stage::projecting(&[]);
    stage.provider.project_file("a", &[b'x'; 1000]);
    on_data(&stage, |act| {
        act.data(0, &[b'x'; 512]).unwrap();
        HResult::OK
    });
    assert_eq!(hydrate(&stage, "a"), Err(HResult::INTERNAL_ERROR));
    assert_eq!(stage.broken(), ["J9"]);
    assert_eq!(stage.item("a").state, FileState::PLACEHOLDER);
    assert_eq!(lower(&stage, "a"), [0; 1000]);
    stage.lenient();
    assert_eq!(hydrate(&stage, "a"), Ok(()));
    assert_eq!(stage.broken(), ["J9"]);
    assert_eq!(stage.item("a").state, HYDRATED);
    assert_eq!(lower(&stage, "a"), [vec![b'x'; 512], vec![0; 488]].concat());
}

#[test]
fn large_files_are_asked_for_in_aligned_pieces() {
    let stage = Stage::projecting(&[]);
    stage.provider.project_file("a", &[b'x'; 1300]);
    stage.knobs(|knobs| knobs.data_range = 600);
    stage.item("a");
    stage.trace();
    assert_eq!(stage.read("a").unwrap(), "x".repeat(1300));
    assert_eq!(
        stage.trace(),
        [
            "GetFileData a 0+512 -> OK",
            "GetFileData a 512+512 -> OK",
            "GetFileData a 1024+276 -> OK"
        ]
    );
}

#[test]
fn a_provider_may_write_more_than_it_is_asked_for() {
    let stage = Stage::projecting(&[]);
    stage.provider.project_file("a", &[b'x'; 1300]);
    stage.knobs(|knobs| knobs.data_range = 512);
    on_data(&stage, |act| act.data(0, &[b'x'; 1300]).into());
    stage.item("a");
    stage.trace();
    assert_eq!(stage.read("a").unwrap(), "x".repeat(1300));
    assert_eq!(stage.trace(), ["GetFileData a 0+512 -> OK"]);
}

#[test]
fn empty_files_are_asked_for_on_demand_only() {
    let stage = Stage::projecting(&[]);
    stage.provider.project_file("a", b"");
    stage.item("a");
    stage.trace();
    assert_eq!(stage.read("a").unwrap(), "");
    assert_eq!(stage.trace(), Vec::<String>::new());
    stage.knobs(|knobs| knobs.ask_for_empty_files = true);
    assert_eq!(stage.read("a").unwrap(), "");
    assert_eq!(stage.trace(), ["GetFileData a 0+0 -> OK"]);
    assert_eq!(stage.item("a").state, HYDRATED);
}

#[test]
fn times_stay_and_nothing_is_notified() {
    let stage = Stage::projecting(&[]);
    stage.stop();
    stage.start(|request| request.notifications = Some(Vec::new()));
    stage.provider.project("a");
    let before = stage.item("a").basic;
    assert_eq!(before, info(Some(1), "a").basic);
    stage.trace();
    stage.read("a").unwrap();
    assert_eq!(stage.item("a").basic, before);
    assert_eq!(stage.trace(), ["GetFileData a 0+1 -> OK"]);
}

#[test]
fn a_renamed_placeholder_is_asked_for_by_its_old_path_and_version() {
    let stage = Stage::projecting(&["docs\\", "docs\\old"]);
    let (docs, item) = (stage.item("docs").id, stage.item("docs\\old"));
    stage.root.store.rename((docs, &"old".into()), (docs, &"new".into())).unwrap();
    stage.trace();
    hydrate(&stage, "docs\\new").unwrap();
    assert_eq!(lower(&stage, "docs\\new"), b"docs\\old");
    let asked = stage.root.shared.trace.take();
    assert_eq!(asked[0].command.path, Wide::from("docs\\old"));
    assert_eq!(*asked[0].command.version.clone().unwrap(), version("docs\\old"));
    assert_eq!(asked[0].command.file, item.file);
}

#[test]
fn content_that_is_not_found_under_its_old_path_is_a_broken_rule() {
    let stage = Stage::projecting(&["a", "b"]);
    for code in [HResult::FILE_NOT_FOUND, HResult::PATH_NOT_FOUND] {
        stage.provider.fails(is_data, code);
        // What the backing store has lost may be said so.
        assert_eq!(hydrate(&stage, "a"), Err(code));
    }
    let root = crate::engine::ItemId::ROOT;
    stage.item("b");
    stage.root.store.rename((root, &"b".into()), (root, &"new".into())).unwrap();
    for (code, broken) in [
        (HResult::FILE_NOT_FOUND, vec!["J3"]),
        (HResult::PATH_NOT_FOUND, vec!["J3"]),
        (HResult::FILE_NOT_AVAILABLE, vec![]),
    ] {
        stage.provider.fails(is_data, code);
        assert_eq!(hydrate(&stage, "new"), Err(code));
        assert_eq!(stage.broken(), broken, "{code}");
    }
}

#[test]
fn each_hydration_has_a_stream_of_its_own() {
    let stage = Stage::projecting(&["a"]);
    stage.provider.fails(is_data, HResult::ACCESS_DENIED);
    stage.item("a");
    stage.trace();
    hydrate(&stage, "a").unwrap_err();
    hydrate(&stage, "a").unwrap_err();
    let asked = stage.root.shared.trace.take();
    assert_ne!(asked[0].command.stream, asked[1].command.stream);
}

#[test]
fn without_a_provider_only_what_is_hydrated_can_be_read() {
    let stage = Stage::projecting(&["a", "b"]);
    stage.item("a");
    stage.read("b").unwrap();
    stage.stop();
    assert_eq!(hydrate(&stage, "a"), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
    assert_eq!(stage.read("b").unwrap(), "b");
}

#[test]
fn a_change_of_metadata_during_the_hydration_stays() {
    let stage = Stage::projecting(&["a"]);
    let item = stage.item("a").id;
    on_data(&stage, move |act| {
        act.root.store.add_state(item, FileState::DIRTY).unwrap();
        act.data(0, b"a").into()
    });
    stage.read("a").unwrap();
    assert_eq!(stage.item("a").state, HYDRATED | FileState::DIRTY);
}
