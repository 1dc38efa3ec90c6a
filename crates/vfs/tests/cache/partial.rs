//! Objects that arrive in pieces.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::{CacheError, PartialObject};

use crate::setup::{MIB, all_bytes, cache, hit, is_miss, object, partials};

/// Cuts `0..size` at the given places.
fn pieces(size: usize, cuts: &[usize]) -> Vec<(usize, usize)> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % size).chain([0, size]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn threads_fill_it_in_any_order(
        size in 1usize..5_000_000,
        cuts in prop::collection::vec(any::<usize>(), 0..40),
        order in any::<u64>(),
    ) {
        let (temp, cache) = cache();
        let (hash, bytes) = object(order, size);
        let mut extents = pieces(size, &cuts);
        extents.sort_by_key(|(start, _)| (*start as u64 ^ order).wrapping_mul(0x9e37_79b9));
        let partial = cache.begin(hash, size as u64).unwrap();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(&(start, end)) = extents.get(next.fetch_add(1, Ordering::Relaxed)) {
                        partial.write_at(start as u64, &bytes[start..end]).unwrap();
                        let mut back = vec![0; end - start];
                        assert!(partial.read_at(start as u64, &mut back).unwrap());
                        assert_eq!(back, bytes[start..end]);
                    }
                });
            }
        });
        prop_assert!(partial.is_complete());
        let done: Vec<_> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..3).map(|_| scope.spawn(|| partial.finish().unwrap())).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        prop_assert!(done.iter().all(|object| Arc::ptr_eq(object, &done[0])));
        prop_assert_eq!(all_bytes(&done[0]), &bytes[..]);
        drop(partial);
        let found = hit(&cache, hash, size);
        prop_assert_eq!(found.is_verified(), size as u64 >= MIB, "large objects carry a stamp");
        prop_assert_eq!(all_bytes(&found), bytes);
        prop_assert!(partials(temp.path()).is_empty());
    }
}

fn written(bytes: &[u8], partial: &PartialObject) {
    for (index, piece) in bytes.chunks(1 << 20).enumerate().collect::<Vec<_>>().into_iter().rev() {
        partial.write_at(index as u64 * MIB, piece).unwrap();
    }
}

#[test]
fn wrong_bytes_are_never_published() {
    let (temp, cache) = cache();
    let (_, bytes) = object(1, 3_000_000);
    let (hash, _) = object(2, 3_000_000);
    let partial = cache.begin(hash, bytes.len() as u64).unwrap();
    written(&bytes, &partial);
    for _ in 0..2 {
        assert!(matches!(partial.finish(), Err(CacheError::Corrupt { .. })));
        assert!(partials(temp.path()).is_empty());
    }
    assert!(is_miss(&cache, hash, bytes.len()));
    assert_eq!(cache.stats().corrupt, 1);
    assert_eq!(cache.usage().unwrap().partial_bytes, 0);
}

#[test]
fn missing_and_overlapping_pieces_are_refused() {
    let (_temp, cache) = cache();
    let (hash, bytes) = object(3, 1000);
    let partial = cache.begin(hash, 1000).unwrap();
    partial.write_at(0, &bytes[..400]).unwrap();
    partial.write_at(600, &bytes[600..]).unwrap();
    for (offset, length) in [(399, 2), (0, 1000), (599, 2), (999, 2), (u64::MAX, 1)] {
        let refused = partial.write_at(offset, &vec![0; length]).unwrap_err();
        assert!(matches!(refused, CacheError::Misused { .. }), "{offset} {refused}");
    }
    assert!(!partial.read_at(300, &mut [0; 200]).unwrap());
    assert!(!partial.read_at(990, &mut [0; 20]).unwrap());
    assert!(matches!(partial.finish(), Err(CacheError::Misused { .. })));
    partial.write_at(400, &bytes[400..600]).unwrap();
    assert_eq!(all_bytes(&partial.finish().unwrap()), bytes);
}

#[test]
fn dropping_leaves_nothing() {
    let (temp, cache) = cache();
    let (hash, bytes) = object(4, 100_000);
    let partial = cache.begin(hash, bytes.len() as u64).unwrap();
    partial.write_at(0, &bytes[..50_000]).unwrap();
    assert_eq!(partials(temp.path()).len(), 1);
    drop(partial);
    assert!(partials(temp.path()).is_empty());
    assert!(is_miss(&cache, hash, bytes.len()));
}

#[test]
fn two_that_fill_the_same_object_do_not_meet() {
    let (_temp, cache) = cache();
    let (hash, bytes) = object(5, 2_000_000);
    let fill = || {
        let partial = cache.begin(hash, bytes.len() as u64).unwrap();
        written(&bytes, &partial);
        partial
    };
    let (first, second) = (fill(), fill());
    let (one, two) = (first.finish().unwrap(), second.finish().unwrap());
    drop((first, second));
    assert_eq!(all_bytes(&one), bytes);
    assert_eq!(all_bytes(&two), bytes);
    assert!(hit(&cache, hash, bytes.len()).is_verified());
}

#[test]
fn a_sparse_giant_costs_only_what_arrived() {
    let (_temp, cache) = cache();
    let size = 60 * MIB;
    let partial = cache.begin(ContentHash::of(b"never complete"), size).unwrap();
    partial.write_at(size - 4096, &[7; 4096]).unwrap();
    let usage = cache.usage().unwrap();
    assert!(usage.partial_bytes < MIB, "{usage:?}");
    let mut tail = [0; 4096];
    assert!(partial.read_at(size - 4096, &mut tail).unwrap());
    assert_eq!(tail, [7; 4096]);
}
