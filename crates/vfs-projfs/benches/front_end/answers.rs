//! What callbacks compute, without ProjFS: beside what a program would do that has everything it
//! needs in plain vectors.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use rusty_attachments_storage::MemoryStore;
use rusty_attachments_testkit::rig::{Rig, quiet};
use rusty_attachments_vfs::Volume;
use rusty_attachments_vfs_projfs::{
    ActiveEnumeration, Added, Filled, ManifestProjection, ProjectedFileInfo, ProjectionOptions,
};

use crate::job::Job;
use crate::table::{Row, Target, Took, best, time};

const FILES: usize = 100_000;
/// Entries of one Get, about what fits into the buffers of programs.
const ENTRIES_A_GET: usize = 500;
const LISTS: usize = 100_000;

pub(crate) fn measure() {
    let names = (0..FILES).map(|i| format!("show/shots/sh0010/cache_{i:06}.vdb"));
    let job = Job::of_names(names);
    let rig = Rig::new(&job.manifest(), Arc::new(MemoryStore::new()), quiet(64 << 20));
    let volume = Arc::clone(&rig.volume) as Arc<dyn Volume>;
    let projection = ManifestProjection::new(volume, ProjectionOptions::default()).unwrap();
    let folder: Vec<u16> = r"show\shots\sh0010".encode_utf16().collect();
    list(&projection, &folder);
    enumerate(&listing(&projection, &folder));
    describe(&projection, &job);
}

fn listing(projection: &ManifestProjection, folder: &[u16]) -> Arc<[ProjectedFileInfo]> {
    projection.listing(projection.folder(folder).unwrap().unwrap()).unwrap().unwrap()
}

/// How an enumeration begins: from a path to a shared listing.
fn list(projection: &ManifestProjection, folder: &[u16]) {
    let map = HashMap::from([(folder.to_vec(), listing(projection, folder))]);
    let [ours, theirs] = best([
        &mut || {
            time(|| {
                (0..LISTS).for_each(|_| drop(black_box(listing(projection, black_box(folder)))))
            })
        },
        &mut || {
            time(|| {
                (0..LISTS).for_each(|_| drop(black_box(map.get(black_box(folder)).cloned())));
            })
        },
    ]);
    print("listings found, callbacks alone", "a map of paths", LISTS, ours, theirs);
}

fn enumerate(listing: &Arc<[ProjectedFileInfo]>) {
    let give = |entry: &ProjectedFileInfo| {
        black_box((entry.name.as_ptr(), entry.size, entry.write_time));
    };
    let [ours, theirs] = best([
        &mut || {
            time(|| {
                let mut enumeration = ActiveEnumeration::new(Arc::clone(listing));
                let mut left = listing.len();
                enumeration.position(&[], false);
                while left > 0 {
                    let mut room = ENTRIES_A_GET;
                    let filled = enumeration.fill(false, |entry| {
                        let Some(rest) = room.checked_sub(1) else { return Added::Full };
                        room = rest;
                        give(entry);
                        Added::Yes
                    });
                    let Filled::Entries(count) = filled else { panic!("a Get gave nothing") };
                    left -= count;
                }
            })
        },
        &mut || time(|| listing.iter().for_each(give)),
    ]);
    print("entries enumerated, callbacks alone", "a vector", listing.len(), ours, theirs);
}

/// What placeholders are made from.
fn describe(projection: &ManifestProjection, job: &Job) {
    let units = |path: &str| path.replace('/', "\\").encode_utf16().collect::<Vec<_>>();
    let sorted: Vec<_> = job.files.iter().map(|(path, _)| units(path)).collect();
    assert!(sorted.is_sorted());
    // In an order that no cache foresees.
    let asked: Vec<_> = (0..FILES).filter_map(|i| sorted.get(i * 7919 % FILES)).collect();
    let [ours, theirs] = best([
        &mut || {
            time(|| {
                for path in &asked {
                    black_box(projection.find(path).unwrap().unwrap());
                }
            })
        },
        &mut || {
            time(|| {
                for path in &asked {
                    black_box(sorted.binary_search(path).unwrap());
                }
            })
        },
    ]);
    print("paths described, callbacks alone", "a binary search", asked.len(), ours, theirs);
}

fn print(what: &str, peer: &str, count: usize, ours: Took, theirs: Took) {
    let (ours, theirs) = (count as f64 / ours.seconds, count as f64 / theirs.seconds);
    Row { what, unit: "/s", ours, peer, theirs, target: Target::None }.print();
}
