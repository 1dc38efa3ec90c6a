//! Random operations against a map of objects and a bound in bytes.

use std::collections::HashMap;
use std::fs;

use proptest::prelude::*;
use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::{CacheError, CacheLookup, DiskCache};

use crate::setup::{MIB, all_bytes, hit, is_miss, limits, object, path_of, private_dir};

const LIMIT: u64 = 256 * 1024;

#[derive(Clone, Debug)]
enum Step {
    Store { seed: u64, size: usize },
    StoreWrong { seed: u64, size: usize },
    Fill { seed: u64, size: usize, pieces: u8, finish: bool },
    Lookup { seed: u64, size: usize },
    LookupOtherSize { seed: u64, size: usize },
    Damage { seed: u64, size: usize },
    Prune { to: u64 },
    Reopen,
}

fn size_of(seed: u64) -> usize {
    [0, 1, 4095, 4096, 4097, 30_000, 70_000, 270_000][(seed % 8) as usize]
}

fn step() -> impl Strategy<Value = Step> {
    let known = (0u64..24).prop_map(|seed| (seed, size_of(seed)));
    prop_oneof![
        6 => known.clone().prop_map(|(seed, size)| Step::Store { seed, size }),
        1 => known.clone().prop_map(|(seed, size)| Step::StoreWrong { seed, size }),
        3 => (known.clone(), 1u8..6, any::<bool>()).prop_map(|((seed, size), pieces, finish)| {
            Step::Fill { seed, size, pieces, finish }
        }),
        6 => known.clone().prop_map(|(seed, size)| Step::Lookup { seed, size }),
        1 => known.clone().prop_map(|(seed, size)| Step::LookupOtherSize { seed, size }),
        1 => known.prop_map(|(seed, size)| Step::Damage { seed, size }),
        1 => (0..LIMIT).prop_map(|to| Step::Prune { to }),
        1 => Just(Step::Reopen),
    ]
}

/// What may be there: an object that is may be evicted at any time, one that is not never appears.
type Model = HashMap<ContentHash, Vec<u8>>;

fn run(steps: Vec<Step>) {
    let temp = private_dir();
    let mut cache = DiskCache::open(temp.path(), limits(LIMIT)).unwrap();
    let mut model = Model::new();
    for step in steps {
        match step {
            Step::Store { seed, size } => {
                let (hash, bytes) = object(seed, size);
                let there = !is_miss(&cache, hash, size);
                let kept = cache.store(hash, &bytes).unwrap();
                assert_eq!(kept, !there && size as u64 <= LIMIT, "{step:?}");
                if kept {
                    model.insert(hash, bytes);
                    hit(&cache, hash, size);
                }
            }
            Step::StoreWrong { seed, size } => {
                let (hash, _) = object(seed, size);
                let error = cache.store(hash, b"something else").unwrap_err();
                assert!(matches!(error, CacheError::Corrupt { .. }));
            }
            Step::Fill { seed, size, pieces, finish } => {
                fill(&cache, &mut model, object(seed, size), pieces, finish);
            }
            Step::Lookup { seed, size } => {
                let (hash, _) = object(seed, size);
                match cache.lookup(hash, size as u64) {
                    CacheLookup::Hit(found) => assert_eq!(all_bytes(&found), model[&hash]),
                    CacheLookup::Miss => drop(model.remove(&hash)),
                    CacheLookup::Rejected(error) => panic!("{error}"),
                }
            }
            Step::LookupOtherSize { seed, size } => {
                let (hash, _) = object(seed, size);
                let there = !is_miss(&cache, hash, size);
                let found = cache.lookup(hash, size as u64 + 1);
                assert_eq!(matches!(found, CacheLookup::Rejected(_)), there);
                assert!(is_miss(&cache, hash, size), "rejected files are removed");
                model.remove(&hash);
            }
            Step::Damage { seed, size } => damage(&cache, temp.path(), &mut model, seed, size),
            Step::Prune { to } => {
                assert!(cache.prune(to).unwrap().remaining_bytes <= to);
                assert!(cache.usage().unwrap().object_bytes <= to);
            }
            Step::Reopen => cache = DiskCache::open(temp.path(), limits(LIMIT)).unwrap(),
        }
        let usage = cache.usage().unwrap();
        assert!(usage.object_bytes + usage.partial_bytes <= LIMIT, "{usage:?}");
        assert_eq!(usage.partials, 0, "nothing half-written stays");
        assert!(usage.objects <= model.len() as u64);
    }
    let report = cache.verify(&mut |_| {}).unwrap();
    assert_eq!((report.corrupt, report.unreadable, report.foreign), (0, 0, 0), "{report:?}");
}

fn fill(
    cache: &std::sync::Arc<DiskCache>,
    model: &mut Model,
    (hash, bytes): (ContentHash, Vec<u8>),
    pieces: u8,
    finish: bool,
) {
    let size = bytes.len();
    let partial = match cache.begin(hash, size as u64) {
        Err(CacheError::TooLarge { .. }) => return assert!(size as u64 > LIMIT),
        begun => begun.unwrap(),
    };
    let step = (size / usize::from(pieces)).max(1);
    let mut offsets: Vec<usize> = (0..size).step_by(step).collect();
    offsets.reverse();
    for offset in offsets {
        assert!(!partial.is_complete());
        assert!(partial.finish().is_err());
        partial.write_at(offset as u64, &bytes[offset..(offset + step).min(size)]).unwrap();
    }
    if finish {
        let done = partial.finish().unwrap();
        assert!(done.is_verified());
        assert_eq!(all_bytes(&done), bytes);
        model.insert(hash, bytes);
    }
}

/// Bytes change behind the cache's back: the reader's check finds it and the object goes.
fn damage(
    cache: &std::sync::Arc<DiskCache>,
    dir: &std::path::Path,
    model: &mut Model,
    seed: u64,
    size: usize,
) {
    let (hash, mut bytes) = object(seed, size);
    if size == 0 || is_miss(cache, hash, size) {
        return;
    }
    bytes[size / 2] ^= 1;
    fs::write(path_of(dir, hash), &bytes).unwrap();
    let found = hit(cache, hash, size);
    assert!(matches!(found.read_verified(&mut bytes), Err(CacheError::Corrupt { .. })));
    assert!(!found.is_verified());
    assert!(is_miss(cache, hash, size));
    model.remove(&hash);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn behaves_like_a_bounded_map(steps in prop::collection::vec(step(), 1..60)) {
        run(steps);
    }
}

#[test]
fn the_empty_object_is_an_object() {
    let temp = private_dir();
    let cache = DiskCache::open(temp.path(), limits(MIB)).unwrap();
    assert!(cache.store(ContentHash::EMPTY, b"").unwrap());
    hit(&cache, ContentHash::EMPTY, 0).verify().unwrap();
}
