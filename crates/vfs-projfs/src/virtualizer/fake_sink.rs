//! A data stream that holds writers to the rules, for tests.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::sink::{DataBuffer, DataSink};
use crate::api::{Failure, StreamId, codes};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The buffers of all streams: a hydrator uses those of one for others.
static BUFFERS: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

struct Written {
    bytes: Vec<u8>,
    there: Vec<bool>,
}

/// One stream of a known size, and the answers that commands got.
pub(super) struct FakeSink {
    size: u64,
    alignment: u32,
    allocations: AtomicUsize,
    written: Mutex<Written>,
    writes_at_once: AtomicUsize,
    most_writes_at_once: AtomicUsize,
    /// Fails writes from this offset on.
    trouble: Mutex<Option<(u64, i32)>>,
    no_memory: Mutex<bool>,
    answers: Mutex<Vec<(i32, i32)>>,
    answered: Condvar,
    blocked: Mutex<bool>,
    unblocked: Condvar,
}

impl FakeSink {
    pub(super) fn new(size: u64, alignment: u32) -> Arc<Self> {
        Arc::new(Self {
            size,
            alignment,
            allocations: AtomicUsize::new(0),
            written: Mutex::new(Written {
                bytes: vec![0; size as usize],
                there: vec![false; size as usize],
            }),
            writes_at_once: AtomicUsize::new(0),
            most_writes_at_once: AtomicUsize::new(0),
            trouble: Mutex::default(),
            no_memory: Mutex::default(),
            answers: Mutex::default(),
            answered: Condvar::new(),
            blocked: Mutex::default(),
            unblocked: Condvar::new(),
        })
    }

    /// Writes from `offset` on fail.
    pub(super) fn fail_from(&self, offset: u64, code: i32) {
        *self.trouble.lock() = Some((offset, code));
    }

    pub(super) fn heal(&self) {
        *self.trouble.lock() = None;
    }

    pub(super) fn run_out_of_memory(&self) {
        *self.no_memory.lock() = true;
    }

    /// Writes wait until this is undone.
    pub(super) fn block_writes(&self, blocked: bool) {
        *self.blocked.lock() = blocked;
        self.unblocked.notify_all();
    }

    /// How many writes are under way.
    pub(super) fn writes_at_once(&self) -> usize {
        self.writes_at_once.load(Ordering::SeqCst)
    }

    pub(super) fn most_writes_at_once(&self) -> usize {
        self.most_writes_at_once.load(Ordering::SeqCst)
    }

    pub(super) fn allocations(&self) -> usize {
        self.allocations.load(Ordering::SeqCst)
    }

    pub(super) fn is_untouched(&self) -> bool {
        !self.written.lock().there.contains(&true)
    }

    /// Whether all of a range was written, with the bytes that it has in `expected`, the whole file;
    /// and nothing else but parts of that.
    pub(super) fn assert_has(&self, range: Range<u64>, expected: &[u8]) {
        let written = self.written.lock();
        let range = range.start as usize..range.end as usize;
        assert!(
            written.bytes[range.clone()] == expected[range.clone()],
            "wrong bytes in {range:?}"
        );
        assert!(!written.there[range.clone()].contains(&false), "bytes are missing in {range:?}");
        let elsewhere = (0..range.start).chain(range.end..expected.len());
        for at in elsewhere.filter(|at| written.there[*at]) {
            assert_eq!(written.bytes[at], expected[at], "byte {at}");
        }
    }

    pub(super) fn answers(&self) -> Vec<(i32, i32)> {
        self.answers.lock().clone()
    }

    /// Waits for the answer of a command.
    pub(super) fn answer_of(&self, command: i32) -> i32 {
        let mut answers = self.answers.lock();
        loop {
            if let Some((_, code)) = answers.iter().find(|(id, _)| *id == command) {
                return *code;
            }
            let late = self.answered.wait_for(&mut answers, PATIENCE).timed_out();
            assert!(!late, "command {command} was not answered");
        }
    }

    fn check(&self, data: &[u8], offset: u64) {
        let end = offset + data.len() as u64;
        assert!(!data.is_empty() && end <= self.size, "J6: {offset}..{end} of {}", self.size);
        let alignment = u64::from(self.alignment);
        assert_eq!(offset % alignment, 0, "J5: the offset");
        assert!(end.is_multiple_of(alignment) || end == self.size, "J5: the end {end}");
        assert!(BUFFERS.lock().contains(&data.as_ptr().addr()), "J5: the buffer");
    }
}

impl DataSink for FakeSink {
    fn write_alignment(&self) -> u32 {
        self.alignment
    }

    fn allocate(&self, bytes: usize) -> Option<DataBuffer> {
        if *self.no_memory.lock() {
            return None;
        }
        let buffer = vec![0_u8; bytes];
        self.allocations.fetch_add(1, Ordering::SeqCst);
        BUFFERS.lock().insert(buffer.as_ptr().addr());
        Some(Box::new(buffer))
    }

    fn write(&self, _: StreamId, data: &[u8], offset: u64) -> Result<(), Failure> {
        let under_way = self.writes_at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_writes_at_once.fetch_max(under_way, Ordering::SeqCst);
        self.check(data, offset);
        let mut blocked = self.blocked.lock();
        while *blocked {
            self.unblocked.wait(&mut blocked);
        }
        drop(blocked);
        self.writes_at_once.fetch_sub(1, Ordering::SeqCst);
        if let Some((from, code)) = *self.trouble.lock()
            && offset + data.len() as u64 > from
        {
            return Err(Failure(code));
        }
        let mut written = self.written.lock();
        let range = offset as usize..offset as usize + data.len();
        written.bytes[range.clone()].copy_from_slice(data);
        written.there[range].fill(true);
        Ok(())
    }

    fn complete(&self, command: i32, result: i32) -> Result<(), Failure> {
        assert_ne!(result, codes::IO_PENDING);
        self.answers.lock().push((command, result));
        self.answered.notify_all();
        Ok(())
    }
}
