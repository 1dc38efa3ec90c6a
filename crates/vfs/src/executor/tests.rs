//! Behaviour of the whole executor with real threads, and schedules of its locks under shuttle.

#[cfg(not(feature = "shuttle"))]
mod real {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier, mpsc};
    use std::thread;
    use std::time::{Duration, Instant};

    use crate::error::{VfsError, VfsErrorKind};
    use crate::executor::{AsyncExecutor, ExecutorConfig, ExecutorError};

    /// Longer than anything here takes: only a hang reaches it.
    const LONG: Duration = Duration::from_secs(60);
    /// For what is meant to run out.
    const SHORT: Duration = Duration::from_millis(30);

    fn executor(max_in_flight: usize) -> Arc<AsyncExecutor> {
        let config = ExecutorConfig {
            worker_threads: 2,
            max_blocking_threads: 4,
            default_timeout: Some(LONG),
            max_in_flight,
        };
        Arc::new(AsyncExecutor::new(config).unwrap())
    }

    /// A future that never ends, and reports when it is dropped.
    fn endless() -> (impl Future<Output = ()> + Send, mpsc::Receiver<()>) {
        struct Report(mpsc::Sender<()>);
        impl Drop for Report {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let (sender, receiver) = mpsc::channel();
        let report = Report(sender);
        let future = async move {
            let _report = report;
            pending::<()>().await;
        };
        (future, receiver)
    }

    #[test]
    fn many_threads_get_their_own_answers() {
        let executor = executor(3);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        thread::scope(|scope| {
            for caller in 0..8u64 {
                let (executor, now, most) = (&executor, &now, &most);
                scope.spawn(move || {
                    for round in 0..200 {
                        let (now, most) = (Arc::clone(now), Arc::clone(most));
                        let answer = executor.block_on(async move {
                            most.fetch_max(
                                now.fetch_add(1, Ordering::SeqCst) + 1,
                                Ordering::SeqCst,
                            );
                            tokio::task::yield_now().await;
                            now.fetch_sub(1, Ordering::SeqCst);
                            caller * 1000 + round
                        });
                        assert_eq!(answer.unwrap(), caller * 1000 + round);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
        assert_eq!(executor.shutdown(LONG).map_err(|e| e.to_string()), Ok(()));
        assert_eq!(executor.stats().running, 0);
    }

    #[test]
    fn a_timeout_drops_the_task() {
        let executor = executor(1);
        let (future, dropped) = endless();
        let error = executor.block_on_timeout(future, SHORT).unwrap_err();
        assert!(matches!(error, ExecutorError::TimedOut(limit) if limit == SHORT), "{error}");
        dropped.recv_timeout(LONG).unwrap();
        assert_eq!(executor.stats().timeouts, 1);
        assert_eq!(VfsError::from(error).kind(), VfsErrorKind::TimedOut);
    }

    #[test]
    fn a_timeout_needs_nobody_who_waits() {
        let executor = executor(1);
        let (future, dropped) = endless();
        let ticket = executor.submit_within(future, Some(SHORT)).unwrap();
        dropped.recv_timeout(LONG).unwrap();
        assert!(matches!(ticket.wait(), Err(ExecutorError::TimedOut(_))));
        assert_eq!(executor.stats().timeouts, 1);
    }

    #[test]
    fn time_spent_queueing_counts() {
        let executor = executor(1);
        let (future, _dropped) = endless();
        let first = executor.submit(future).unwrap();
        let began = Instant::now();
        let error = executor.block_on_timeout(async {}, SHORT).unwrap_err();
        assert!(matches!(error, ExecutorError::TimedOut(_)), "{error}");
        assert!(began.elapsed() >= SHORT);
        first.cancel();
        executor.block_on(async {}).unwrap();
    }

    #[test]
    fn waiting_late_is_measured_from_the_submission() {
        let executor = executor(4);
        let (future, _dropped) = endless();
        let ticket = executor.submit(future).unwrap();
        let limit = SHORT * 10;
        thread::sleep(limit);
        let began = Instant::now();
        let error = ticket.wait_timeout(limit).unwrap_err();
        assert!(matches!(error, ExecutorError::TimedOut(_)), "{error}");
        assert!(began.elapsed() < limit, "waited a second time");
    }

    #[test]
    fn a_result_that_is_there_is_given_even_late() {
        let executor = executor(4);
        let (sender, receiver) = mpsc::channel();
        let ticket = executor
            .submit(async move {
                let _ = sender.send(());
                7
            })
            .unwrap();
        receiver.recv_timeout(LONG).unwrap();
        while executor.stats().running > 0 {
            thread::yield_now();
        }
        assert_eq!(ticket.wait_timeout(Duration::ZERO).unwrap(), 7);
    }

    #[test]
    fn cancel_ends_one_and_no_other() {
        let executor = executor(4);
        let ((first, first_dropped), (second, second_dropped)) = (endless(), endless());
        let ticket = executor.submit(first).unwrap();
        let other = executor.submit(second).unwrap();
        let canceller = ticket.canceller();
        let waiter = thread::spawn(move || ticket.wait());
        canceller.cancel();
        canceller.cancel();
        assert!(matches!(waiter.join().unwrap(), Err(ExecutorError::Cancelled)));
        first_dropped.recv_timeout(LONG).unwrap();
        assert!(second_dropped.try_recv().is_err());
        drop(other);
        second_dropped.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn a_panic_is_told_as_such_and_touches_nothing_else() {
        let executor = executor(4);
        let ticket = executor.submit(async { 5 }).unwrap();
        let error = executor.block_on(async { panic!("number {}", 9) }).unwrap_err();
        assert!(matches!(&error, ExecutorError::Panicked(text) if text == "number 9"), "{error}");
        assert_eq!(VfsError::from(error).kind(), VfsErrorKind::Internal);
        let error = executor.block_on(executor.spawn_blocking(|| panic!("disk"))).unwrap();
        assert!(matches!(&error, Err(ExecutorError::Panicked(text)) if text == "disk"));
        executor.spawn(async { panic!("lost") }).unwrap();
        assert_eq!(ticket.wait().unwrap(), 5);
        executor.shutdown(LONG).unwrap();
        assert_eq!(executor.stats().panics, 3);
    }

    #[test]
    fn its_own_threads_are_refused_unless_they_may_block() {
        let executor = executor(4);
        let inner = Arc::clone(&executor);
        let refused = executor
            .block_on(async move { (inner.block_on(async {}).err(), inner.shutdown(LONG).err()) });
        let (Some(blocked), Some(shut)) = refused.unwrap() else { panic!("not refused") };
        assert!(matches!(blocked, ExecutorError::OnExecutorThread));
        assert!(matches!(shut, ExecutorError::OnExecutorThread));

        let inner = Arc::clone(&executor);
        let lent = executor.spawn_blocking(move || inner.block_on(async { 3 }));
        assert_eq!(executor.block_on(lent).unwrap().unwrap().unwrap(), 3);
    }

    #[test]
    fn it_lives_inside_another_runtime() {
        let outer = tokio::runtime::Builder::new_current_thread().build().unwrap();
        outer.block_on(async {
            let executor = executor(4);
            assert_eq!(executor.block_on(async { 1 }).unwrap(), 1);
            executor.shutdown(LONG).unwrap();
            executor.start().unwrap();
            assert_eq!(executor.block_on(async { 2 }).unwrap(), 2);
            drop(executor);
        });
    }

    #[test]
    fn shutdown_lets_work_end_and_takes_no_more() {
        let executor = executor(4);
        let (go, gone) = tokio::sync::oneshot::channel();
        let ticket = executor.submit(gone).unwrap();
        let inner = Arc::clone(&executor);
        let shutdown = thread::spawn(move || inner.shutdown(LONG));
        while !matches!(executor.spawn(async {}), Err(ExecutorError::ShutDown)) {
            thread::yield_now();
        }
        assert!(matches!(executor.block_on(async {}), Err(ExecutorError::ShutDown)));
        assert!(matches!(executor.handle(), Err(ExecutorError::ShutDown)));
        go.send(11).unwrap();
        assert_eq!(ticket.wait().unwrap(), Ok(11));
        shutdown.join().unwrap().unwrap();
        executor.shutdown(LONG).unwrap();

        executor.start().unwrap();
        executor.start().unwrap();
        assert_eq!(executor.block_on(async { 12 }).unwrap(), 12);
    }

    #[test]
    fn shutdown_answers_those_whose_task_never_yields() {
        let executor = executor(1);
        let (release, stuck) = mpsc::channel::<()>();
        let ticket = executor.submit(async move { stuck.recv() }).unwrap();
        let waiter = thread::spawn(move || ticket.wait().map(|_| ()));
        let inner = Arc::clone(&executor);
        let outside = thread::spawn(move || inner.block_on(async {}));
        let error = executor.shutdown(SHORT).unwrap_err();
        assert!(matches!(error, ExecutorError::CutShort { tasks: 1, .. }), "{error}");
        assert!(matches!(waiter.join().unwrap(), Err(ExecutorError::ShutDown)));
        assert!(matches!(outside.join().unwrap(), Err(ExecutorError::ShutDown)));
        executor.start().unwrap();
        executor.block_on(async {}).unwrap();
        drop(release);
    }

    #[test]
    fn dropping_it_cancels_and_waits_for_nothing() {
        let executor = executor(4);
        let (future, dropped) = endless();
        let ticket = executor.submit(future).unwrap();
        let (release, stuck) = mpsc::channel::<()>();
        executor.spawn(async move { _ = stuck.recv() }).unwrap();
        drop(executor);
        assert!(matches!(ticket.wait(), Err(ExecutorError::ShutDown)));
        dropped.recv_timeout(LONG).unwrap();
        drop(release);
    }

    #[test]
    fn dropping_it_on_its_own_thread_is_harmless() {
        let executor = executor(4);
        let inner = Arc::clone(&executor);
        let (sender, receiver) = mpsc::channel();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        executor
            .spawn(async move {
                let _ = gone.await;
                drop(inner);
                let _ = sender.send(());
            })
            .unwrap();
        drop(executor);
        drop(go);
        receiver.recv_timeout(LONG).unwrap();
    }

    #[test]
    fn no_start_and_stop_loses_a_waiter() {
        let executor = executor(2);
        for _ in 0..100 {
            let barrier = Arc::new(Barrier::new(4));
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    let (executor, barrier) = (Arc::clone(&executor), Arc::clone(&barrier));
                    thread::spawn(move || {
                        barrier.wait();
                        match executor.block_on(async { 1 }) {
                            Ok(1) | Err(ExecutorError::ShutDown) => {}
                            other => panic!("{other:?}"),
                        }
                    })
                })
                .collect();
            barrier.wait();
            executor.shutdown(LONG).unwrap();
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            executor.start().unwrap();
        }
    }
}

#[cfg(feature = "shuttle")]
mod shuttle_schedules {
    use std::sync::Arc;

    use shuttle::thread;

    use crate::executor::ExecutorError;
    use crate::executor::gate::{Gate, Pending};
    use crate::executor::ticket::Slot;
    use crate::sync::explore;

    #[test]
    fn shuttle_every_waiter_gets_exactly_one_verdict() {
        explore(|| {
            let slot = Slot::<u32>::new();
            let task = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.settle(Ok(1)))
            };
            let canceller = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.settle(Err(ExecutorError::Cancelled)))
            };
            let result = slot.wait(None);
            let won = (task.join().unwrap(), canceller.join().unwrap());
            match result {
                Some(Ok(1)) => assert_eq!(won, (true, false)),
                Some(Err(ExecutorError::Cancelled)) => assert_eq!(won, (false, true)),
                other => panic!("{other:?}"),
            }
            assert!(slot.wait(None).is_none());
        });
    }

    #[test]
    fn shuttle_nobody_waits_for_ever_at_a_gate_that_closes() {
        explore(|| {
            let gate = Gate::new(1);
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    let gate = Arc::clone(&gate);
                    thread::spawn(move || {
                        let slot = Slot::<()>::new();
                        let Ok(pass) = gate.enter(None, Arc::clone(&slot) as Arc<dyn Pending>)
                        else {
                            return false;
                        };
                        thread::yield_now();
                        slot.settle(Ok(()));
                        drop(pass);
                        true
                    })
                })
                .collect();
            let background = gate.enter_unbounded();
            gate.close();
            drop(background);
            assert_eq!(gate.wait_idle(None), 0);
            assert!(gate.enter_unbounded().is_err());
            gate.fail_pending(&ExecutorError::ShutDown);
            for worker in workers {
                worker.join().unwrap();
            }
            assert_eq!(gate.running(), 0);
        });
    }

    #[test]
    fn shuttle_a_place_goes_to_someone_who_waits() {
        explore(|| {
            let gate = Gate::new(1);
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    let gate = Arc::clone(&gate);
                    thread::spawn(move || {
                        let slot = Slot::<()>::new();
                        drop(gate.enter(None, slot).unwrap_or_else(|_| panic!("closed")));
                    })
                })
                .collect();
            workers.into_iter().for_each(|worker| worker.join().unwrap());
            assert_eq!(gate.wait_idle(None), 0);
        });
    }
}
