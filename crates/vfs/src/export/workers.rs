//! Many items, a few threads, one result.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::error::ExportError;

/// Does `work` for `0..count` on up to `threads` threads; the results are in that order. The first
/// failure stops all of them, each after what it is doing, and is the result.
///
/// # Errors
/// That of `work`, or [`ExportError::WorkerPanicked`].
pub fn for_each_index<T: Send>(
    threads: usize,
    count: usize,
    work: impl Fn(usize) -> Result<T, ExportError> + Sync,
) -> Result<Vec<T>, ExportError> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let worker = || -> Result<Vec<(usize, T)>, ExportError> {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            let result = work(index);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((index, result?));
        }
        Ok(done)
    };
    let mut all = Vec::with_capacity(count);
    thread::scope(|scope| {
        let threads = threads.clamp(1, count.max(1));
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            all.extend(worker.join().map_err(|_| ExportError::WorkerPanicked)??);
        }
        Ok::<_, ExportError>(())
    })?;
    all.sort_unstable_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}
