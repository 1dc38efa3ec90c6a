//! Bytes are read, written, mapped and fetched.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use projfs_emulator::contract::operations::{Access, Disposition};
use projfs_emulator::contract::{FileState, HResult};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::support::actor::{Actor, Call, Gave};
use crate::support::provider::{Kind, Options};
use crate::support::rig::Rig;
use crate::support::tree::{Tree, pattern_byte};
use crate::support::wait::{Gate, until};

fn pattern(size: u64) -> Vec<u8> {
    (0..size).map(pattern_byte).collect()
}

#[test]
fn s12_a_write_keeps_the_tail_and_shows_at_once() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("d/f", "0123456789"));
    let before = rig.app().stat("d/f").unwrap().basic.write;
    let mut file = OpenOptions::new().read(true).write(true).open(rig.path("d/f")).unwrap();
    file.write_all(b"abc").unwrap();
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "abc3456789");
    assert_eq!(fs::read_to_string(rig.path("d/f")).unwrap(), "abc3456789");
    file.write_all_at(&[b'x'; 25], 10).unwrap();
    let listed = rig.app().entries("d").unwrap();
    assert_eq!(listed[0].basic.size, 35);
    assert!(listed[0].basic.write > before);
    assert_eq!(fs::metadata(rig.path("d/f")).unwrap().len(), 35);
}

#[test]
fn s21_two_readers_and_one_who_empties_all_succeed() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().pattern("f", 100_000));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut data = Vec::new();
                File::open(rig.path("f")).unwrap().read_to_end(&mut data).unwrap();
            });
        }
        scope.spawn(|| File::create(rig.path("f")).unwrap());
    });
    assert_eq!(fs::metadata(rig.path("f")).unwrap().len(), 0);
}

#[test]
fn s22_simultaneous_opens_make_one_placeholder() {
    let rig = Rig::new();
    let tree = (0..8).fold(Tree::new(), |tree, at| tree.pattern(&format!("r{at}"), 1000 + at));
    let provider = rig.provide(tree.pattern("one", 5000).pattern("w", 5000));
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert_eq!(fs::read(rig.path("one")).unwrap(), pattern(5000)));
        }
    });
    let seen = provider.take_seen();
    let count = |line: &str| seen.iter().filter(|have| *have == line).count();
    assert_eq!(count("GetPlaceholderInfo one"), 1);
    assert_eq!(count("GetFileData one 0+5000"), 1, "the others wait for the one (J7)");
    thread::scope(|scope| {
        for reader in 0..24 {
            let rig = &rig;
            scope.spawn(move || {
                let data = fs::read(rig.path(&format!("r{}", reader % 8))).unwrap();
                assert_eq!(data, pattern(1000 + reader % 8));
            });
        }
    });
    provider.take_seen();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                let app = rig.app();
                let handle = app.open("w", Access::READ | Access::WRITE).unwrap();
                app.close(handle);
            });
        }
    });
    let seen = provider.take_seen();
    assert_eq!(seen.iter().filter(|line| *line == "PreConvertToFull w").count(), 1, "{seen:#?}");
}

#[test]
fn s31_the_size_is_known_without_the_data() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().pattern("f", 123_456));
    assert_eq!(fs::metadata(rig.path("f")).unwrap().len(), 123_456);
    assert!(!provider.take_seen().iter().any(|line| line.starts_with("GetFileData")));
    OpenOptions::new().append(true).open(rig.path("f")).unwrap().write_all(b"!").unwrap();
    assert_eq!(fs::metadata(rig.path("f")).unwrap().len(), 123_457);
}

#[test]
fn s32_mappings_show_and_change_the_bytes() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().pattern("virtual", 10_000).pattern("written", 10_000));
    fs::write(rig.path("full"), pattern(10_000)).unwrap();
    let mut actor = Actor::start();
    for name in ["virtual", "full"] {
        let flags = OFlags::RDONLY.bits();
        actor.call(Call::Open { slot: 1, path: rig.path(name), flags }).ok();
        let mapped = actor.call(Call::MapAndRead { slot: 1, length: 10_000 }).bytes();
        assert_eq!(mapped, pattern(10_000), "{name}");
        actor.call(Call::Close { slot: 1 }).ok();
    }
    let flags = OFlags::RDWR.bits();
    actor.call(Call::Open { slot: 1, path: rig.path("written"), flags }).ok();
    actor.call(Call::MapAndWrite { slot: 1, offset: 5000, data: b"mapped".to_vec() }).ok();
    actor.call(Call::Sync { slot: 1 }).ok();
    let mut expected = pattern(10_000);
    expected[5000..5006].copy_from_slice(b"mapped");
    assert_eq!(fs::read(rig.path("written")).unwrap(), expected);
    actor.call(Call::Write { slot: 1, offset: 0, data: b"through".to_vec() }).ok();
    expected[..7].copy_from_slice(b"through");
    assert_eq!(fs::read(rig.path("written")).unwrap(), expected);
}

#[test]
fn s33_reads_and_writes_agree_over_handles() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().pattern("f", 64 << 10));
    let open = || OpenOptions::new().read(true).write(true).open(rig.path("f")).unwrap();
    let (one, other) = (open(), open());
    let mut data = [0; 4096];
    for round in 0..16_u8 {
        let offset = u64::from(round) * 4096;
        one.write_all_at(&[round; 4096], offset).unwrap();
        one.read_exact_at(&mut data, offset).unwrap();
        assert_eq!(data, [round; 4096]);
        other.read_exact_at(&mut data, offset).unwrap();
        assert_eq!(data, [round; 4096]);
    }
    thread::scope(|scope| {
        for part in 0..8_u8 {
            let (one, other) = (&one, &other);
            scope.spawn(move || {
                let mut data = [0; 4096];
                let offset = u64::from(part) * 4096;
                one.write_all_at(&[0xA0 | part; 4096], offset).unwrap();
                other.read_exact_at(&mut data, offset).unwrap();
                assert_eq!(data, [0xA0 | part; 4096]);
            });
        }
    });
}

#[test]
fn s41_a_reader_that_is_gone_ends_its_hydration() {
    let rig = Rig::new();
    let options = Options { piece: 64 << 10, ..Options::default() };
    let provider = rig.provide_with(Tree::new().pattern("f", 1 << 20), options);
    let gate = Gate::closed();
    let passage = gate.passage();
    let refused = Arc::new(AtomicU32::new(0));
    provider.hook(move |command| {
        if matches!(command.kind, Kind::Data { .. }) {
            passage.pass();
        }
        None
    });
    let count = refused.clone();
    provider.on_write(move |result| {
        if result == HResult::HANDLE {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut actor = Actor::start();
    let flags = OFlags::RDONLY.bits();
    actor.call(Call::Open { slot: 0, path: rig.path("f"), flags }).ok();
    actor.begin(Call::Read { slot: 0, offset: 0, length: 10 });
    gate.await_arrivals(1);
    actor.kill();
    provider.await_seen("CancelCommand");
    gate.open();
    until("the late write is refused", || refused.load(Ordering::Relaxed) == 1);
    assert_eq!(rig.state("f").unwrap(), FileState::PLACEHOLDER);
    assert_eq!(fs::read(rig.path("f")).unwrap(), pattern(1 << 20));
}

#[test]
fn s45_files_at_the_root_and_deep_down_are_read() {
    let rig = Rig::new();
    let path = "dir1/dir2/dir3/bar.txt";
    let _provider = rig.provide(Tree::new().text("foo.txt", "foo").text(path, "bar"));
    assert_eq!(fs::read_to_string(rig.path("foo.txt")).unwrap(), "foo");
    assert_eq!(fs::read_to_string(rig.path(path)).unwrap(), "bar");
}

#[test]
fn s62_torn_content_is_an_error_and_leaves_nothing() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().pattern("f", 10_000));
    provider.hook(|command| {
        matches!(command.kind, Kind::Data { .. }).then_some(HResult::FILE_NOT_AVAILABLE)
    });
    assert_eq!(fs::read(rig.path("f")).unwrap_err().raw_os_error(), Some(Errno::IO.raw_os_error()));
    assert_eq!(rig.state("f").unwrap(), FileState::PLACEHOLDER);
    provider.hook(|_| None);
    assert_eq!(fs::read(rig.path("f")).unwrap(), pattern(10_000));
}

#[test]
fn s66_odd_sizes_are_exact_to_the_byte() {
    let rig = Rig::new();
    let (even, odd) = (1 << 20, (1 << 20) - 13);
    let _provider = rig.provide(Tree::new().pattern("even", even).pattern("odd", odd));
    assert_eq!(fs::read(rig.path("even")).unwrap(), pattern(even));
    assert_eq!(fs::read(rig.path("odd")).unwrap(), pattern(odd));
}

#[test]
fn s74_a_hydration_that_fails_half_way_leaves_no_half_file() {
    let rig = Rig::new();
    let options = Options { piece: 64 << 10, ..Options::default() };
    let provider = rig.provide_with(Tree::new().pattern("f", 1 << 20), options);
    provider.fail_data_after(512 << 10);
    fs::read(rig.path("f")).unwrap_err();
    assert_eq!(rig.state("f").unwrap(), FileState::PLACEHOLDER);
    let stat = rig.app().stat("f").unwrap();
    assert_eq!((stat.basic.size, stat.allocated), (1 << 20, 0));
    provider.fail_data_after(u64::MAX);
    assert_eq!(fs::read(rig.path("f")).unwrap(), pattern(1 << 20));
}

#[test]
fn appending_goes_to_the_end_whoever_wrote_before() {
    let rig = Rig::new();
    let _provider = rig.provide(Tree::new().text("f", "head "));
    let mut actor = Actor::start();
    let flags = (OFlags::WRONLY | OFlags::APPEND).bits();
    actor.call(Call::Open { slot: 0, path: rig.path("f"), flags }).ok();
    OpenOptions::new().append(true).open(rig.path("f")).unwrap().write_all(b"middle ").unwrap();
    assert_eq!(
        actor.call(Call::Write { slot: 0, offset: 0, data: b"tail".to_vec() }),
        Gave::Nothing
    );
    assert_eq!(fs::read_to_string(rig.path("f")).unwrap(), "head middle tail");
}

#[test]
fn overwriting_asks_for_no_data() {
    let rig = Rig::new();
    let provider = rig.provide(Tree::new().pattern("f", 1 << 20));
    let app = rig.app();
    let opened = app.create("f", Disposition::OverwriteIf).unwrap();
    assert_eq!(opened.attributes.basic.size, 0);
    app.close(opened.handle);
    assert!(!provider.take_seen().iter().any(|line| line.starts_with("GetFileData")));
}
