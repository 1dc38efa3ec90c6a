//! The pool against a model without locks or chains, and schedules of it under shuttle.

use rusty_attachments_model::ContentHash;

use super::BlockKey;

fn key(number: u8) -> BlockKey {
    BlockKey { object: ContentHash::from_bytes([number; 16]), index: u32::from(number) }
}

#[cfg(not(feature = "shuttle"))]
mod real {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread;

    use super::key;
    use crate::error::{VfsError, VfsErrorKind};
    use crate::pool::{Block, MemoryPool, PoolError, Reservation};

    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("has to wait"),
        }
    }

    #[test]
    fn a_block_is_found_until_its_memory_is_needed() {
        let pool = MemoryPool::new(100);
        let first = now(pool.reserve(60)).unwrap().insert(key(1), vec![1; 60]);
        assert!(pool.try_reserve(60).is_none(), "pinned blocks must stay");
        drop(first);
        assert_eq!(&*pool.get(&key(1)).unwrap(), &[1; 60]);
        let second = now(pool.reserve(60)).unwrap();
        assert!(pool.get(&key(1)).is_none());
        assert_eq!((pool.stats().used, pool.stats().evictions), (60, 1));
        drop(second);
        assert_eq!(pool.stats().used, 0);
    }

    #[test]
    fn what_can_never_fit_is_refused_with_both_sizes() {
        let pool = MemoryPool::new(100);
        let error = now(pool.reserve(101)).unwrap_err();
        assert_eq!(error, PoolError { bytes: 101, budget: 100 });
        assert!(error.to_string().contains("101") && error.to_string().contains("100"));
        assert_eq!(VfsError::from(error).kind(), VfsErrorKind::OutOfMemory);
        assert!(pool.try_reserve(101).is_none());
        assert_eq!(now(pool.reserve(100)).unwrap().bytes(), 100);
    }

    #[test]
    fn shared_bytes_keep_the_block_pinned() {
        let pool = MemoryPool::new(10);
        let shared = now(pool.reserve(10)).unwrap().insert(key(1), vec![7; 10]).into_shared();
        assert!(pool.try_reserve(1).is_none());
        assert_eq!((*shared).as_ref(), &[7; 10]);
        drop(shared);
        assert!(pool.try_reserve(10).is_some());
    }

    #[test]
    fn a_buffer_becomes_a_block_without_a_copy() {
        let pool = MemoryPool::new(1 << 20);
        let reservation = now(pool.reserve(5000)).unwrap();
        let mut buffer = reservation.buffer();
        assert_eq!(buffer.capacity(), 5000);
        buffer.resize(4000, 1);
        let address = buffer.as_ptr();
        let block = reservation.insert(key(1), buffer);
        assert_eq!(block.as_ptr(), address);
        assert_eq!(pool.stats().used, 5000, "the capacity is what costs memory");
    }

    #[test]
    #[cfg(not(debug_assertions))]
    fn a_buffer_that_is_too_large_does_not_break_the_count() {
        let pool = MemoryPool::new(100);
        drop(now(pool.reserve(10)).unwrap().insert(key(1), vec![1; 50]));
        assert_eq!(pool.stats().used, 10);
        assert_eq!(pool.get(&key(1)).unwrap().len(), 50);
    }

    #[test]
    fn tiny_blocks_are_bounded_in_number() {
        let pool = MemoryPool::new(64 * 1024);
        for index in 0..1000 {
            let mut key = key(1);
            key.index = index;
            drop(now(pool.reserve(1)).unwrap().insert(key, vec![1]));
        }
        assert_eq!((pool.stats().blocks, pool.stats().idle), (64, 64));
    }

    #[test]
    fn threads_share_it_within_the_budget() {
        const BUDGET: u64 = 1000;
        let pool = MemoryPool::new(BUDGET);
        let in_use = AtomicU64::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let handle = runtime.handle();
        thread::scope(|scope| {
            for thread in 0..6u64 {
                let (pool, in_use) = (&pool, &in_use);
                scope.spawn(move || {
                    let mut state = thread + 1;
                    for _ in 0..2000 {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let number = (state >> 40) as u8 % 32;
                        if let Some(block) = pool.get(&key(number)) {
                            assert!(block.iter().all(|&byte| byte == number));
                            continue;
                        }
                        let size = 1 + (state >> 50) % 400;
                        let reservation = handle.block_on(pool.reserve(size as usize)).unwrap();
                        let before = in_use.fetch_add(size, Ordering::SeqCst);
                        assert!(before + size <= BUDGET);
                        in_use.fetch_sub(size, Ordering::SeqCst);
                        let block = reservation.insert(key(number), vec![number; size as usize]);
                        assert!(block.iter().all(|&byte| byte == number));
                    }
                });
            }
        });
        let stats = pool.stats();
        assert_eq!((stats.reserved, stats.waiting), (0, 0));
        assert_eq!(stats.used, stats.idle);
    }

    // The model: plain maps and vectors, searched linearly.

    struct ModelBlock {
        id: usize,
        key: Option<u8>,
        size: u64,
        pins: usize,
    }

    struct ModelWaiter {
        id: usize,
        bytes: u64,
        served: bool,
    }

    #[derive(Default)]
    struct Model {
        budget: u64,
        reserved: u64,
        blocks: Vec<ModelBlock>,
        /// Ids of blocks that nobody holds, the least recently used first.
        idle: Vec<usize>,
        waiters: Vec<ModelWaiter>,
        next_id: usize,
    }

    impl Model {
        fn id(&mut self) -> usize {
            self.next_id += 1;
            self.next_id
        }

        fn used(&self) -> u64 {
            self.reserved + self.blocks.iter().map(|block| block.size).sum::<u64>()
        }

        fn idle_bytes(&self) -> u64 {
            self.blocks.iter().filter(|block| block.pins == 0).map(|block| block.size).sum()
        }

        fn find(&self, key: u8) -> Option<usize> {
            self.blocks.iter().find(|block| block.key == Some(key)).map(|block| block.id)
        }

        fn block(&mut self, id: usize) -> &mut ModelBlock {
            self.blocks.iter_mut().find(|block| block.id == id).unwrap()
        }

        fn take(&mut self, bytes: u64) -> bool {
            if self.used() - self.idle_bytes() + bytes > self.budget {
                return false;
            }
            while self.used() + bytes > self.budget {
                let oldest = self.idle.remove(0);
                self.blocks.retain(|block| block.id != oldest);
            }
            self.reserved += bytes;
            true
        }

        fn serve(&mut self) {
            while let Some(at) = self.waiters.iter().position(|waiter| !waiter.served) {
                let bytes = self.waiters[at].bytes;
                if !self.take(bytes) {
                    return;
                }
                self.waiters[at].served = true;
            }
        }

        fn waiting(&self) -> usize {
            self.waiters.iter().filter(|waiter| !waiter.served).count()
        }

        fn pin(&mut self, id: usize) {
            self.idle.retain(|&idle| idle != id);
            self.block(id).pins += 1;
        }

        fn unpin(&mut self, id: usize) {
            let block = self.block(id);
            block.pins -= 1;
            if block.pins == 0 {
                if block.key.is_some() {
                    self.idle.push(id);
                } else {
                    self.blocks.retain(|block| block.id != id);
                }
            }
            self.serve();
        }

        fn add(&mut self, key: Option<u8>, size: u64) -> usize {
            let id = self.id();
            self.blocks.push(ModelBlock { id, key, size, pins: 1 });
            id
        }
    }

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    struct Waiting {
        id: usize,
        future: Pin<Box<dyn Future<Output = Result<Reservation, PoolError>>>>,
        woken: Arc<Flag>,
    }

    /// The pool and the model side by side.
    struct Pair {
        pool: Arc<MemoryPool>,
        model: Model,
        waiting: Vec<Waiting>,
        reservations: Vec<Reservation>,
        held: Vec<(Block, usize, u8)>,
    }

    #[derive(Clone, Debug)]
    enum Op {
        Reserve(usize),
        TryReserve(usize),
        Poll(usize),
        Abandon(usize),
        Shrink(usize, usize),
        GiveBack(usize),
        Insert { reservation: usize, key: u8, unused: usize },
        Detach { reservation: usize, unused: usize },
        Get(u8),
        Clone(usize),
        Drop(usize),
        Remove(u8),
    }

    const MODEL_BUDGET: usize = 100;

    fn op() -> impl proptest::strategy::Strategy<Value = Op> {
        use proptest::prelude::*;
        let size = || prop_oneof![8 => 0..40usize, 1 => 0..=MODEL_BUDGET + 1];
        let (any, key) = (|| 0..8usize, || 0..6u8);
        prop_oneof![
            4 => size().prop_map(Op::Reserve),
            2 => size().prop_map(Op::TryReserve),
            3 => any().prop_map(Op::Poll),
            1 => any().prop_map(Op::Abandon),
            1 => (any(), size()).prop_map(|(at, to)| Op::Shrink(at, to)),
            1 => any().prop_map(Op::GiveBack),
            6 => (any(), key(), 0..5usize)
                .prop_map(|(reservation, key, unused)| Op::Insert { reservation, key, unused }),
            1 => (any(), 0..5usize)
                .prop_map(|(reservation, unused)| Op::Detach { reservation, unused }),
            4 => key().prop_map(Op::Get),
            1 => any().prop_map(Op::Clone),
            6 => any().prop_map(Op::Drop),
            1 => key().prop_map(Op::Remove),
        ]
    }

    /// The place that `at` means in a list of `len`.
    fn pick(at: usize, len: usize) -> Option<usize> {
        at.checked_rem(len)
    }

    impl Pair {
        fn new() -> Self {
            Self {
                pool: MemoryPool::new(MODEL_BUDGET as u64),
                model: Model { budget: MODEL_BUDGET as u64, ..Model::default() },
                waiting: Vec::new(),
                reservations: Vec::new(),
                held: Vec::new(),
            }
        }

        fn apply(&mut self, op: &Op) {
            match *op {
                Op::Reserve(bytes) => self.reserve(bytes),
                Op::TryReserve(bytes) => {
                    let expected = self.model.waiting() == 0 && self.model.take(bytes as u64);
                    let reservation = self.pool.try_reserve(bytes);
                    assert_eq!(reservation.is_some(), expected);
                    self.reservations.extend(reservation);
                }
                Op::Poll(at) => self.poll(at),
                Op::Abandon(at) => self.abandon(at),
                Op::Shrink(at, to) => {
                    let Some(at) = pick(at, self.reservations.len()) else { return };
                    let before = self.reservations[at].bytes();
                    self.reservations[at].shrink_to(to);
                    self.model.reserved -= before.saturating_sub(to) as u64;
                    self.model.serve();
                }
                Op::GiveBack(at) => {
                    let Some(at) = pick(at, self.reservations.len()) else { return };
                    self.model.reserved -= self.reservations.remove(at).bytes() as u64;
                    self.model.serve();
                }
                Op::Insert { reservation, key, unused } => self.insert(reservation, key, unused),
                Op::Detach { reservation, unused } => {
                    let Some(at) = pick(reservation, self.reservations.len()) else { return };
                    let reservation = self.reservations.remove(at);
                    let size = reservation.bytes().saturating_sub(unused);
                    self.model.reserved -= reservation.bytes() as u64;
                    let id = self.model.add(None, size as u64);
                    self.held.push((reservation.detached(vec![200; size]), id, 200));
                    self.model.serve();
                }
                Op::Get(number) => {
                    let expected = self.model.find(number);
                    let block = self.pool.get(&key(number));
                    assert_eq!(block.is_some(), expected.is_some());
                    if let (Some(block), Some(id)) = (block, expected) {
                        self.model.pin(id);
                        self.held.push((block, id, number));
                    }
                }
                Op::Clone(at) => {
                    let Some(at) = pick(at, self.held.len()) else { return };
                    let (block, id, tag) = &self.held[at];
                    let clone = (block.clone(), *id, *tag);
                    self.model.pin(clone.1);
                    self.held.push(clone);
                }
                Op::Drop(at) => {
                    let Some(at) = pick(at, self.held.len()) else { return };
                    let (block, id, _) = self.held.remove(at);
                    drop(block);
                    self.model.unpin(id);
                }
                Op::Remove(number) => {
                    let expected = self.model.find(number);
                    assert_eq!(self.pool.remove(&key(number)), expected.is_some());
                    let Some(id) = expected else { return };
                    self.model.block(id).key = None;
                    self.model.pin(id);
                    self.model.unpin(id);
                }
            }
        }

        fn reserve(&mut self, bytes: usize) {
            let pool = Arc::clone(&self.pool);
            let mut waiting = Waiting {
                id: self.model.id(),
                future: Box::pin(async move { pool.reserve(bytes).await }),
                woken: Arc::new(Flag(AtomicBool::new(false))),
            };
            let waker = Waker::from(Arc::clone(&waiting.woken));
            let polled = waiting.future.as_mut().poll(&mut Context::from_waker(&waker));
            if bytes > MODEL_BUDGET {
                assert!(matches!(polled, Poll::Ready(Err(_))));
            } else if self.model.waiting() == 0 && self.model.take(bytes as u64) {
                let Poll::Ready(Ok(reservation)) = polled else { panic!("had to wait") };
                self.reservations.push(reservation);
            } else {
                assert!(polled.is_pending());
                let (id, bytes) = (waiting.id, bytes as u64);
                self.model.waiters.push(ModelWaiter { id, bytes, served: false });
                self.waiting.push(waiting);
            }
        }

        fn poll(&mut self, at: usize) {
            let Some(at) = pick(at, self.waiting.len()) else { return };
            let waker = Waker::from(Arc::clone(&self.waiting[at].woken));
            let context = &mut Context::from_waker(&waker);
            let polled = self.waiting[at].future.as_mut().poll(context);
            assert_eq!(polled.is_ready(), self.model.waiters[at].served);
            if let Poll::Ready(reservation) = polled {
                self.reservations.push(reservation.unwrap());
                drop(self.waiting.remove(at));
                self.model.waiters.remove(at);
            }
        }

        fn abandon(&mut self, at: usize) {
            let Some(at) = pick(at, self.waiting.len()) else { return };
            drop(self.waiting.remove(at));
            let waiter = self.model.waiters.remove(at);
            if waiter.served {
                self.model.reserved -= waiter.bytes;
            }
            self.model.serve();
        }

        fn insert(&mut self, reservation: usize, number: u8, unused: usize) {
            let Some(at) = pick(reservation, self.reservations.len()) else { return };
            let reservation = self.reservations.remove(at);
            let reserved = reservation.bytes();
            // An odd `unused` leaves it in the buffer's capacity, where it still costs memory.
            let size = reserved.saturating_sub(unused);
            let mut bytes = if unused % 2 == 1 { reservation.buffer() } else { Vec::new() };
            bytes.reserve_exact(size);
            bytes.resize(size, number);
            let charge = bytes.capacity() as u64;
            self.model.reserved -= reserved as u64;
            let id = match self.model.find(number) {
                Some(id) => {
                    self.model.pin(id);
                    id
                }
                None => self.model.add(Some(number), charge),
            };
            self.held.push((reservation.insert(key(number), bytes), id, number));
            self.model.serve();
        }

        fn compare(&self) {
            let (stats, model) = (self.pool.stats(), &self.model);
            assert!(stats.used <= stats.budget);
            assert_eq!(stats.used, model.used());
            assert_eq!(stats.reserved, model.reserved);
            assert_eq!(stats.idle, model.idle_bytes());
            assert_eq!(stats.waiting as usize, model.waiting());
            let findable = model.blocks.iter().filter(|block| block.key.is_some()).count();
            assert_eq!(stats.blocks as usize, findable);
            for (waiting, expected) in self.waiting.iter().zip(&model.waiters) {
                assert_eq!(waiting.id, expected.id);
                assert_eq!(waiting.woken.0.load(Ordering::SeqCst), expected.served);
            }
            for (block, _, tag) in &self.held {
                assert!(block.iter().all(|byte| byte == tag));
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(500))]

        #[test]
        fn it_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..120)) {
            let mut pair = Pair::new();
            for op in &ops {
                pair.apply(op);
                pair.compare();
            }
            for number in 0..6 {
                pair.apply(&Op::Get(number));
            }
            pair.waiting.clear();
            pair.reservations.clear();
            pair.held.clear();
            let stats = pair.pool.stats();
            assert_eq!((stats.used, stats.reserved, stats.waiting), (stats.idle, 0, 0));
        }
    }
}

#[cfg(feature = "shuttle")]
mod shuttle_schedules {
    use std::sync::Arc;

    use shuttle::{future, thread};

    use super::key;
    use crate::pool::MemoryPool;
    use crate::sync::explore;

    /// A read of a one-part object, as the content layer does it.
    async fn read(pool: Arc<MemoryPool>, number: u8, size: usize) {
        let block = match pool.get(&key(number)) {
            Some(block) => block,
            None => {
                let reservation = pool.reserve(size).await.unwrap();
                future::yield_now().await;
                reservation.insert(key(number), vec![number; size])
            }
        };
        assert!(pool.stats().used <= pool.budget());
        future::yield_now().await;
        assert!(block.iter().all(|&byte| byte == number));
    }

    #[test]
    fn shuttle_readers_larger_than_the_budget_together_all_finish() {
        explore(|| {
            let pool = MemoryPool::new(10);
            let readers: Vec<_> = [(1, 6), (2, 9), (1, 6), (3, 3)]
                .map(|(number, size)| future::spawn(read(Arc::clone(&pool), number, size)))
                .into();
            for reader in readers {
                future::block_on(reader).unwrap();
            }
            let stats = pool.stats();
            assert_eq!((stats.used, stats.reserved, stats.waiting), (stats.idle, 0, 0));
        });
    }

    #[test]
    fn shuttle_a_reader_that_is_cancelled_leaves_no_trace() {
        explore(|| {
            let pool = MemoryPool::new(10);
            let cancelled = future::spawn(read(Arc::clone(&pool), 1, 10));
            let others = [(2, 7), (3, 5)]
                .map(|(number, size)| future::spawn(read(Arc::clone(&pool), number, size)));
            let aborter = thread::spawn(move || {
                cancelled.abort();
                _ = future::block_on(cancelled);
            });
            for other in others {
                future::block_on(other).unwrap();
            }
            aborter.join().unwrap();
            let stats = pool.stats();
            assert_eq!((stats.used, stats.reserved, stats.waiting), (stats.idle, 0, 0));
            assert!(pool.try_reserve(10).is_some());
        });
    }

    #[test]
    fn shuttle_equal_keys_share_one_block() {
        explore(|| {
            let pool = MemoryPool::new(10);
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let pool = Arc::clone(&pool);
                    thread::spawn(move || {
                        let reservation = pool.try_reserve(5).unwrap();
                        reservation.insert(key(1), vec![1; 5])
                    })
                })
                .collect();
            let blocks: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            assert_eq!(blocks[0].as_ptr(), blocks[1].as_ptr());
            assert_eq!(pool.stats().used, 5);
        });
    }

    #[test]
    fn shuttle_a_removed_block_lives_as_long_as_it_is_held() {
        explore(|| {
            let pool = MemoryPool::new(10);
            drop(pool.try_reserve(10).unwrap().insert(key(1), vec![1; 10]));
            let reader = {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    if let Some(block) = pool.get(&key(1)) {
                        thread::yield_now();
                        assert!(block.iter().all(|&byte| byte == 1));
                    }
                })
            };
            let other = {
                let pool = Arc::clone(&pool);
                thread::spawn(move || {
                    future::block_on(pool.reserve(10)).unwrap().detached(vec![2; 10])
                })
            };
            assert!(pool.stats().used <= 10);
            pool.remove(&key(1));
            drop(other.join().unwrap());
            reader.join().unwrap();
            assert_eq!(pool.stats().used, 0);
        });
    }
}
