//! Content by its identity: read, and copied whole.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use proptest::prelude::*;
use rusty_attachments_model::ContentHash;
use rusty_attachments_testkit::rig::{PATIENCE, Rig, noise, quiet, with_cache};
use rusty_attachments_testkit::{Fault, FaultKind, Operation};
use rusty_attachments_vfs::{
    COPY_PIECE_BYTES, ContentIdentity, VerifyPolicy, VfsError, VfsErrorKind, Volume,
};

const MIB: u64 = 1 << 20;

fn identity(rig: &Rig) -> ContentIdentity {
    rig.volume.content_identity(rig.file()).unwrap()
}

fn read(rig: &Rig, content: ContentIdentity, from: u64, len: usize) -> Result<Vec<u8>, VfsError> {
    let outcome = rig.volume.read_content(content, from, len);
    let bytes = async { outcome.finish().await.map(|data| data.to_vec()) };
    rig.executor.block_on_timeout(bytes, PATIENCE).unwrap()
}

/// What came before the end, and how it ended.
fn copy(rig: &Rig, content: ContentIdentity) -> (Vec<Vec<u8>>, Result<(), VfsError>) {
    let mut stream = rig.volume.copy_content(content);
    let all = async move {
        let mut pieces = Vec::new();
        while let Some(piece) = stream.next().await {
            match piece {
                Ok(piece) => pieces.push(piece.to_vec()),
                Err(error) => return (pieces, Err(error)),
            }
        }
        (pieces, Ok(()))
    };
    rig.executor.block_on_timeout(all, PATIENCE).unwrap()
}

fn copied(rig: &Rig) -> Vec<u8> {
    let (pieces, end) = copy(rig, identity(rig));
    end.unwrap();
    pieces.concat()
}

#[test]
fn content_is_read_by_what_it_is() {
    let bytes = noise(700_000, 1);
    for rig in [
        Rig::of_bytes(&bytes, quiet(16 * MIB)),
        Rig::of_bytes(&bytes, quiet(MIB)),
        Rig::of_chunks(&bytes, 256 << 10, quiet(16 * MIB)),
    ] {
        let content = identity(&rig);
        assert!(read(&rig, content, 0, 700_000).unwrap() == bytes);
        assert!(read(&rig, content, 300_000, 250_000).unwrap() == bytes[300_000..550_000]);
        assert_eq!(read(&rig, content, 700_000, 1).unwrap(), b"");
    }
}

#[test]
fn content_that_no_file_has_any_more_is_read_as_long_as_the_store_has_it() {
    let rig = Rig::of_bytes(b"new", quiet(MIB));
    let old = ContentIdentity { size: 3, chunk_size: None, hash: ContentHash::of(b"old") };
    let error = read(&rig, old, 0, 3).unwrap_err();
    assert_eq!(error.kind(), VfsErrorKind::ContentMissing);
    assert!(error.to_string().contains(&old.hash.to_string()), "names the object: {error}");
    assert_eq!(copy(&rig, old).1.unwrap_err().kind(), VfsErrorKind::ContentMissing);
    rig.put(b"old");
    assert_eq!(read(&rig, old, 0, 3).unwrap(), b"old");
    assert_eq!(copy(&rig, old).0.concat(), b"old");
}

#[test]
fn chunks_that_no_file_has_are_missing() {
    let rig = Rig::of_chunks(&noise(1000, 2), 500, quiet(MIB));
    let other = ContentIdentity { hash: ContentHash::of(b"other"), ..identity(&rig) };
    assert_eq!(read(&rig, other, 0, 1).unwrap_err().kind(), VfsErrorKind::ContentMissing);
    assert_eq!(copy(&rig, other).1.unwrap_err().kind(), VfsErrorKind::ContentMissing);
    // The same hashes, cut otherwise, are other content.
    let cut = ContentIdentity { size: 999, ..identity(&rig) };
    assert_eq!(read(&rig, cut, 0, 1).unwrap_err().kind(), VfsErrorKind::ContentMissing);
}

#[test]
fn large_content_that_must_be_verified_first_is_with_and_without_a_cache() {
    let bytes = noise(9 << 20, 3);
    let dir = tempfile::tempdir().unwrap();
    for cached in [false, true] {
        let mut options = quiet(4 * MIB);
        options.content.verify = VerifyPolicy::BeforeRead;
        if cached {
            options = with_cache(options, dir.path());
        }
        let rig = Rig::of_bytes(&bytes, options);
        let wrong = rig.faults.arm(Fault::new(FaultKind::WrongBytes).on(Operation::Get).next(1));
        let error = read(&rig, identity(&rig), 8 << 20, 1000).unwrap_err();
        assert_eq!(error.kind(), VfsErrorKind::Corrupt, "cached: {cached}");
        drop(wrong);
        rig.faults.disarm_all();
        assert!(read(&rig, identity(&rig), 8 << 20, 1000).unwrap() == bytes[8 << 20..][..1000]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn copies_are_exact_and_their_pieces_regular(
        size in prop_oneof![0..70_000_usize, 0..20_000_000_usize],
        chunk_size in proptest::option::of(prop_oneof![Just(5000_usize), Just(MIB as usize + 1)]),
        budget in prop_oneof![Just(64_u64 << 10), Just(MIB), Just(64 * MIB)],
        seed: u64,
    ) {
        let bytes = noise(size, seed);
        let chunk_size = chunk_size.map(|chunk_size| chunk_size.max(size / 200));
        let rig = match chunk_size.filter(|chunk_size| *chunk_size < size) {
            Some(chunk_size) => Rig::of_chunks(&bytes, chunk_size, quiet(budget)),
            None => Rig::of_bytes(&bytes, quiet(budget)),
        };
        let (pieces, end) = copy(&rig, identity(&rig));
        prop_assert!(end.is_ok(), "{end:?}");
        prop_assert!(pieces.concat() == bytes);
        if let Some((last, others)) = pieces.split_last() {
            let regular = others.first().map_or(COPY_PIECE_BYTES, Vec::len);
            prop_assert!(regular.is_power_of_two() && (4096..=COPY_PIECE_BYTES).contains(&regular));
            prop_assert!(others.iter().all(|piece| piece.len() == regular));
            prop_assert!(!last.is_empty() && last.len() <= regular);
        }
    }
}

#[test]
fn a_copy_passes_the_store_once_and_leaves_memory_as_it_was() {
    let bytes = noise(40 << 20, 4);
    let rig = Rig::of_bytes(&bytes, quiet(64 * MIB));
    assert!(copied(&rig) == bytes);
    assert_eq!(rig.volume.stats().store_bytes.get(), 40 * MIB);
    wait_for_free_memory(&rig);
}

#[test]
fn the_end_of_wrong_content_never_comes() {
    let mut bytes = noise(20 << 20, 5);
    let last = bytes.len() - 1;
    for rig in [
        Rig::of_bytes(&bytes, quiet(64 * MIB)),
        Rig::of_chunks(&bytes, 3 << 20, quiet(64 * MIB)),
        Rig::of_bytes(&bytes, quiet(MIB)),
    ] {
        let wrong = rig.faults.arm(Fault::new(FaultKind::WrongBytes).on(Operation::Get).next(1));
        let (pieces, end) = copy(&rig, identity(&rig));
        let error = end.unwrap_err();
        assert_eq!(error.kind(), VfsErrorKind::Corrupt);
        assert!(error.to_string().contains("'f'"), "names the file: {error}");
        assert!(pieces.concat().len() < bytes.len());
        assert_eq!(wrong.fired(), 1);
        // No memory of it: the next copy is right.
        assert!(copied(&rig) == bytes);
    }
    // Also if only the very end is wrong.
    let rig = Rig::of_bytes(&bytes, quiet(64 * MIB));
    let content = identity(&rig);
    bytes[last] ^= 1;
    rig.put_as(content.hash, &bytes);
    let (pieces, end) = copy(&rig, content);
    assert_eq!(end.unwrap_err().kind(), VfsErrorKind::Corrupt);
    assert!(pieces.concat().len() < bytes.len());
}

#[test]
fn failures_of_the_store_end_a_copy_with_their_kind() {
    let bytes = noise(20 << 20, 6);
    let rig = Rig::of_bytes(&bytes, quiet(64 * MIB));
    for (fault, kind) in [
        (FaultKind::NotFound, VfsErrorKind::ContentMissing),
        (FaultKind::Offline, VfsErrorKind::Offline),
        (FaultKind::CutAfter(100_000), VfsErrorKind::Offline),
        (FaultKind::ShortBody(1), VfsErrorKind::Offline),
    ] {
        let armed = rig.faults.arm(Fault::new(fault).on(Operation::Get));
        assert_eq!(copy(&rig, identity(&rig)).1.unwrap_err().kind(), kind);
        armed.release();
        rig.faults.disarm_all();
    }
    assert!(copied(&rig) == bytes);
}

#[test]
fn a_copy_that_nobody_takes_any_more_ends() {
    let rig = Rig::of_bytes(&noise(40 << 20, 7), quiet(64 * MIB));
    let hang = rig.faults.arm(Fault::new(FaultKind::Hang).on(Operation::Get));
    let copy = rig.volume.copy_content(identity(&rig));
    hang.block_until_fired(1, PATIENCE);
    drop(copy);
    wait_for_free_memory(&rig);
}

#[test]
fn many_copies_share_a_small_budget() {
    let bytes = noise(3 << 20, 8);
    let rig = Rig::of_bytes(&bytes, quiet(MIB));
    std::thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| assert!(copied(&rig) == bytes));
        }
    });
    wait_for_free_memory(&rig);
}

#[test]
fn what_is_in_the_cache_is_copied_from_there() {
    let bytes = noise(20 << 20, 9);
    let dir = tempfile::tempdir().unwrap();
    let mut options = with_cache(quiet(16 * MIB), dir.path());
    options.content.verify = VerifyPolicy::BeforeRead;
    let rig = Rig::of_bytes(&bytes, options);
    assert!(rig.read_all(rig.file(), 1 << 20).unwrap() == bytes);
    let fetched = rig.volume.stats().store_bytes.get();
    assert!(copied(&rig) == bytes);
    assert_eq!(rig.volume.stats().store_bytes.get(), fetched);
}

#[test]
fn a_volume_that_shuts_down_ends_its_copies_with_an_error() {
    let rig = Rig::of_bytes(&noise(40 << 20, 10), quiet(64 * MIB));
    rig.executor.shutdown(Duration::ZERO).unwrap();
    let mut copy = rig.volume.copy_content(identity(&rig));
    let first = rusty_attachments_testkit::rig::block_on(copy.next());
    assert_eq!(first.unwrap().unwrap_err().kind(), VfsErrorKind::Cancelled);
}

fn wait_for_free_memory(rig: &Rig) {
    let deadline = Instant::now() + PATIENCE;
    let used = || {
        let report: serde_json::Value = serde_json::from_str(&rig.volume.report()).unwrap();
        report["memory_used_bytes"].as_u64().unwrap()
    };
    while used() > 0 || rig.executor.stats().running > 0 {
        assert!(Instant::now() < deadline, "{} bytes are held", used());
        std::thread::yield_now();
    }
}
