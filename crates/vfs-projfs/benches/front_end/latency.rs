//! Waiting for a slow store: how long many readers take to their first bytes, and what others feel
//! meanwhile who only list.

use std::sync::Arc;
use std::time::Duration;

use rusty_attachments_model::ContentHash;
use rusty_attachments_storage::{MemoryStore, StorageClient, Throttle, ThrottledStore, cas};
use rusty_attachments_testkit::rig::block_on;

use crate::act::Actor;
use crate::job::Job;
use crate::null_provider::NullTree;
use crate::root::{Provider, Root};
use crate::table::{Row, Target, Took, best, time};

const LATENCY: Duration = Duration::from_millis(200);
const READERS: usize = 32;
/// Few, so that waiting is what is measured.
const READ_BYTES: usize = 64 << 10;
const LISTED: usize = 100;
/// What a program may wait for a listing, in milliseconds.
const LISTING_MS: f64 = 10.0;

pub(crate) fn measure() {
    let names = (0..READERS).map(|i| format!("read/{i:02}.exr"));
    let mut job = Job::of_bytes(names, READ_BYTES);
    job.files.extend(Job::of_names((0..LISTED).map(|i| format!("listed/{i:03}.exr"))).files);
    let memory = Arc::new(MemoryStore::new());
    job.fill(&*memory);
    let slow = Throttle { latency: LATENCY, bytes_per_second: None };
    let store: Arc<dyn StorageClient> = Arc::new(ThrottledStore::new(memory, slow));
    let (manifest, null) = (job.manifest(), NullTree::new(&job));

    let (mut slowest_listing, mut slowest_null_listing) = (f64::MAX, f64::MAX);
    let times = best([
        &mut || wait(&Provider::Ours(&manifest, &store), &mut slowest_listing),
        &mut || wait(&Provider::Null(&null), &mut slowest_null_listing),
        &mut || time(|| get_one(&store, &job)),
    ]);
    let [ours, null, plain] = times.map(|took| took.seconds * 1e3);
    let what = "the last of 32 first bytes, 200 ms away";
    for (peer, theirs, target) in [
        ("one plain GET", plain, Target::AtMost(1.5)),
        ("a GET after the null provider's time", plain + null, Target::AtMost(1.1)),
    ] {
        Row { what, unit: "ms", ours, peer, theirs, target }.print();
    }
    let what = "the slowest listing of 100 meanwhile";
    for (peer, theirs, target) in [
        ("null provider", slowest_null_listing, Target::None),
        ("what may be waited", LISTING_MS, Target::AtMost(1.0)),
    ] {
        Row { what, unit: "ms", ours: slowest_listing, peer, theirs, target }.print();
    }
}

/// How long the slowest reader took; what the slowest listing beside took, if it is the best round.
fn wait(provider: &Provider<'_>, slowest_listing: &mut f64) -> Took {
    let root = Root::start(provider);
    let mut lister = Actor::start("list", &root.path.join("listed"));
    assert_eq!(lister.says(), "listing");
    let readers = Actor::start("read", &root.path.join("read")).slowest();
    *slowest_listing = slowest_listing.min(lister.slowest());
    Took { seconds: readers / 1e3, processor: 0.0 }
}

/// What nobody who asks this store can do without.
fn get_one(store: &Arc<dyn StorageClient>, job: &Job) {
    let (_, bytes) = job.files.first().unwrap();
    block_on(async {
        let object = cas::get(&**store, ContentHash::of(bytes), None).await.unwrap();
        object.bytes("one", READ_BYTES as u64).await.unwrap();
    });
}
