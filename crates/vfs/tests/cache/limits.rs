//! Bounds: eviction order, full disks, read-only disks.

use std::fs::{self, FileTimes};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::{CacheError, CacheLimits, DiskCache};

use crate::setup::{
    MIB, SmallDisk, all_bytes, cache, hit, is_miss, limits, object, partials, path_of, private_dir,
};

/// Makes an object look as if it was used so long ago.
fn age(dir: &Path, hash: ContentHash, minutes: u64) {
    let then = SystemTime::now() - Duration::from_secs(60 * minutes);
    let file = fs::File::open(path_of(dir, hash)).unwrap();
    file.set_times(FileTimes::new().set_accessed(then)).unwrap();
}

fn stored(cache: &Arc<DiskCache>, seed: u64, size: usize) -> ContentHash {
    let (hash, bytes) = object(seed, size);
    assert!(cache.store(hash, &bytes).unwrap());
    hash
}

#[test]
fn the_least_recently_used_go_first() {
    let temp = private_dir();
    let cache = DiskCache::open(temp.path(), limits(100 * 4096)).unwrap();
    let objects: Vec<_> = (0..90).map(|seed| stored(&cache, seed, 4096)).collect();
    for (index, hash) in objects.iter().enumerate() {
        age(temp.path(), *hash, 100 + index as u64);
    }
    // The oldest of all is used again, so it becomes the youngest.
    let used = objects[89];
    hit(&cache, used, 4096);
    let open = hit(&cache, objects[88], 4096);
    age(temp.path(), objects[88], 1000);

    for seed in 100..110 {
        stored(&cache, seed, 4096);
    }
    let left: Vec<bool> = objects.iter().map(|hash| path_of(temp.path(), *hash).exists()).collect();
    let evicted = left.iter().filter(|there| !**there).count();
    assert!((1..=20).contains(&evicted), "{evicted}");
    assert!(left[89], "what was used stays");
    let boundary = 89 - evicted;
    assert!(left[..boundary].iter().all(|there| *there), "the younger ones stay");
    assert!(left[boundary..89].iter().all(|there| !there), "the oldest go");
    assert_eq!(all_bytes(&open), object(88, 4096).1, "open files outlive their eviction");
    assert_eq!(cache.stats().evicted, evicted as u64);
}

#[test]
fn a_large_object_displaces_small_ones_and_a_larger_one_is_not_kept() {
    let temp = private_dir();
    let cache = DiskCache::open(temp.path(), limits(MIB)).unwrap();
    for seed in 0..200 {
        stored(&cache, seed, 5000);
    }
    stored(&cache, 1000, MIB as usize);
    let usage = cache.usage().unwrap();
    assert_eq!((usage.objects, usage.object_bytes), (1, MIB));
    let (hash, bytes) = object(1001, MIB as usize + 1);
    assert!(!cache.store(hash, &bytes).unwrap());
    assert!(matches!(cache.begin(hash, MIB + 1), Err(CacheError::TooLarge { .. })));
    hit(&cache, object(1000, MIB as usize).0, MIB as usize);
}

#[test]
fn what_is_being_filled_counts_and_is_not_evicted() {
    let temp = private_dir();
    let cache = DiskCache::open(temp.path(), limits(MIB)).unwrap();
    let (hash, bytes) = object(1, 700_000);
    let first = cache.begin(hash, 700_000).unwrap();
    first.write_at(0, &bytes[..699_999]).unwrap();
    let (other, more) = object(2, 700_000);
    let second = cache.begin(other, 700_000).unwrap();
    let error = second.write_at(0, &more).unwrap_err();
    assert!(matches!(error, CacheError::Full { .. }), "{error}");
    let (third, large) = object(3, 400_000);
    assert!(!cache.store(third, &large).unwrap());
    drop(first);
    second.write_at(0, &more).unwrap();
    second.finish().unwrap();
    let usage = cache.usage().unwrap();
    assert!(usage.object_bytes + usage.partial_bytes <= MIB);
}

#[test]
fn parallel_stores_stay_within_the_limit() {
    let disk = SmallDisk::new("16m");
    let cache = DiskCache::open(disk.path(), limits(MIB)).unwrap();
    let empty = disk.used();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (cache, disk) = (&cache, &disk);
            scope.spawn(move || {
                for seed in 0..150 {
                    let (hash, bytes) = object(thread * 1000 + seed, 9000);
                    cache.store(hash, &bytes).unwrap();
                    assert!(disk.used() - empty <= MIB);
                }
            });
        }
    });
    assert!(cache.stats().evicted > 0);
    assert!(cache.usage().unwrap().object_bytes > MIB / 2, "it is used, too");
    assert_eq!(cache.verify(&mut |_| {}).unwrap().corrupt, 0);
}

#[test]
fn a_full_disk_pauses_writing_and_nothing_else() {
    let disk = SmallDisk::new("4m");
    let cache = DiskCache::open(disk.path(), limits(100 * MIB)).unwrap();
    let kept = stored(&cache, 1, 100_000);
    // The disk is full of what is not ours, so that evicting does not help enough.
    let file = fs::File::create(disk.path().join("other")).unwrap();
    let mut filled = 0;
    while std::os::unix::fs::FileExt::write_at(&file, &[1; 4096], filled).is_ok() {
        filled += 4096;
    }
    let open = hit(&cache, kept, 100_000);
    let (hash, bytes) = object(2, 1_000_000);
    let error = cache.store(hash, &bytes).unwrap_err();
    assert!(matches!(error, CacheError::OutOfSpace { .. }), "{error}");
    assert!(error.to_string().contains("free space"), "{error}");
    assert!(!cache.store(hash, &bytes).unwrap(), "not even tried for a while");
    assert!(matches!(cache.begin(hash, 1_000_000), Err(CacheError::OutOfSpace { .. })));
    assert_eq!(cache.stats().write_pauses, 1);
    assert_eq!(all_bytes(&open), object(1, 100_000).1);
    assert!(is_miss(&cache, hash, 1_000_000));
    assert!(partials(disk.path()).is_empty());
}

#[test]
fn a_disk_full_of_our_own_makes_room() {
    let disk = SmallDisk::new("4m");
    let cache = DiskCache::open(disk.path(), limits(100 * MIB)).unwrap();
    for seed in 0..40 {
        stored(&cache, seed, 300_000);
    }
    assert_eq!(cache.stats().write_pauses, 0);
    assert!(cache.stats().evicted >= 26);
    assert_eq!(cache.verify(&mut |_| {}).unwrap().corrupt, 0);
    let (hash, bytes) = object(100, 2_000_000);
    let partial = cache.begin(hash, 2_000_000).unwrap();
    for (index, piece) in bytes.chunks(500_000).enumerate() {
        partial.write_at(index as u64 * 500_000, piece).unwrap();
    }
    assert_eq!(all_bytes(&partial.finish().unwrap()), bytes);
}

#[test]
fn the_disk_keeps_its_free_space() {
    let disk = SmallDisk::new("8m");
    let limits = CacheLimits { max_bytes: 100 * MIB, min_free_bytes: 5 * MIB };
    let cache = DiskCache::open(disk.path(), limits).unwrap();
    for seed in 0..30 {
        stored(&cache, seed, 300_000);
        let stat = rustix::fs::statvfs(disk.path()).unwrap();
        assert!(stat.f_bavail * stat.f_frsize >= 5 * MIB);
    }
    let (hash, bytes) = object(100, 4_000_000);
    assert!(matches!(cache.store(hash, &bytes), Err(CacheError::OutOfSpace { .. })));
}

#[test]
fn a_read_only_disk_is_served_from() {
    let disk = SmallDisk::new("16m");
    let (hash, bytes) = object(1, 2_000_000);
    let writable = DiskCache::open(disk.path(), limits(100 * MIB)).unwrap();
    assert!(writable.store(hash, &bytes).unwrap());
    drop(writable);
    disk.make_read_only();
    let cache = DiskCache::open(disk.path(), limits(100 * MIB)).unwrap();
    assert!(cache.is_read_only());
    let found = hit(&cache, hash, bytes.len());
    assert!(found.is_verified());
    found.verify().unwrap();
    assert_eq!(all_bytes(&found), bytes);
    let (other, more) = object(2, 1000);
    assert!(!cache.store(other, &more).unwrap());
    assert!(matches!(cache.begin(other, 1000), Err(CacheError::ReadOnly { .. })));
    assert!(matches!(cache.prune(0), Err(CacheError::ReadOnly { .. })));
    assert!(is_miss(&cache, other, 1000));

    let empty = SmallDisk::new("1m");
    empty.make_read_only();
    let error = DiskCache::open(empty.path(), limits(MIB)).unwrap_err();
    assert!(matches!(error, CacheError::Unusable { .. }), "{error}");
}

#[test]
fn a_cache_that_is_removed_while_in_use_is_a_miss_and_an_error() {
    let (temp, cache) = cache();
    let hash = stored(&cache, 1, 1000);
    fs::remove_dir_all(temp.path().join("v1")).unwrap();
    assert!(is_miss(&cache, hash, 1000));
    let (other, bytes) = object(2, 1000);
    assert!(matches!(cache.store(other, &bytes), Err(CacheError::Io { .. })));
    assert!(!cache.store(other, &bytes).unwrap());
}
