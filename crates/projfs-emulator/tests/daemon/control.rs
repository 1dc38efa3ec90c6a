//! Control connections: operations that Linux has no words for.

use std::os::unix::fs::MetadataExt;
use std::sync::mpsc;

use projfs_emulator::contract::operations::{Access, ItemId, Open, Query, Share, Target};
use projfs_emulator::contract::{FileState, HResult, Wide};
use projfs_emulator::control::{Operation, changed};
use projfs_emulator::link::{Process, Request};

use super::provider::{start, tree};
use super::support::{Daemon, wait_until};

fn somebody() -> Process {
    Process { id: 4_000_001, image: Wide::from(r"\Device\HarddiskVolume1\somebody.exe") }
}

#[test]
fn operations_are_made_in_anybodys_name() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[(r"d\a.txt", b"alpha")])).unwrap();
    let control = daemon.control();
    let on = control.on(root.to_str().unwrap(), somebody());
    let how = Open::existing(Access::READ | Access::WRITE | Access::DELETE);
    let opened = on.open_path(r"d\A.TXT", how).unwrap();
    assert_eq!(opened.attributes.name, Wide::from("a.txt"));
    assert_eq!(on.read(opened.handle, 1, 3).unwrap(), b"lph");
    on.write(opened.handle, 0, b"A").unwrap();
    on.set_size(opened.handle, 3).unwrap();
    assert_eq!(std::fs::read(root.join("d/a.txt")).unwrap(), b"Alp");
    on.set_disposition(opened.handle, true).unwrap();
    on.close(opened.handle).unwrap();
    assert_eq!(on.close(opened.handle), Err(HResult::HANDLE));
    assert!(!root.join("d/a.txt").exists());
    let trace = control.take_trace().unwrap();
    let told = trace.iter().find(|one| matches!(one.command.request, Request::Notify { .. }));
    assert_eq!(told.unwrap().command.process, somebody());
}

#[test]
fn a_read_is_of_one_content_while_the_provider_replaces_it() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let contents: [&[u8]; 2] = [b"alpha", b"omega"];
    let provider = start(daemon.address(), &root, tree(&[("a.txt", contents[0])])).unwrap();
    let control = daemon.control();
    let on = control.on(root.to_str().unwrap(), somebody());
    let opened = on.open_path("a.txt", Open::existing(Access::READ)).unwrap();
    std::thread::scope(|scope| {
        let updates = scope.spawn(|| {
            let contents = contents.into_iter().cycle().skip(1).take(300);
            contents.map(|content| provider.update("a.txt", content)).find(|code| !code.is_ok())
        });
        while !updates.is_finished() {
            let read = on.read(opened.handle, 0, 5).unwrap();
            assert!(contents.contains(&read.as_slice()), "{read:?}");
        }
        assert_eq!(updates.join().unwrap(), None);
    });
}

#[test]
fn listings_take_patterns_and_buffers() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let files = tree(&[("a.c", b""), ("b.h", b""), ("c.c", b""), ("d", b"")]);
    let _provider = start(daemon.address(), &root, files).unwrap();
    let control = daemon.control();
    let on = control.on(root.to_str().unwrap(), somebody());
    let opened = on.open_path("", Open::existing(Access::READ)).unwrap();
    let query = |expression: &str, restart| Query {
        expression: Some(expression.into()),
        restart,
        single_entry: true,
        buffer: 4096,
        on_disk_only: false,
    };
    let next = |query| {
        let entries = on.query_directory(opened.handle, query)?;
        Ok(entries.into_iter().map(|entry| entry.name.to_string()).collect::<Vec<_>>())
    };
    assert_eq!(next(query("*.c", false)), Ok(vec!["a.c".to_owned()]));
    assert_eq!(next(query("*.h", false)), Ok(vec!["c.c".to_owned()]));
    assert_eq!(next(query("*.h", false)), Err(HResult::NO_MORE_FILES));
    assert_eq!(next(query("*.h", true)), Ok(vec!["b.h".to_owned()]));
    assert_eq!(next(query("*.x", true)), Err(HResult::FILE_NOT_FOUND));
    on.close(opened.handle).unwrap();
}

#[test]
fn states_on_disk_are_told() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let control = daemon.control();
    let file = root.join("a.txt");
    let state = || control.on_disk_state(file.to_str().unwrap());
    std::fs::metadata(&file).unwrap();
    assert_eq!(state(), Ok(FileState::PLACEHOLDER));
    std::fs::read(&file).unwrap();
    assert_eq!(state(), Ok(FileState::PLACEHOLDER | FileState::HYDRATED));
    std::fs::write(&file, "mine").unwrap();
    assert_eq!(state(), Ok(FileState::FULL));
    std::fs::remove_file(&file).unwrap();
    assert_eq!(state(), Err(HResult::FILE_NOT_FOUND));
    provider.stop();
    assert_eq!(state(), Ok(FileState::TOMBSTONE));
    // It shows, and can be told from a file (R16).
    let tombstone = std::fs::metadata(&file).unwrap();
    assert_eq!((tombstone.len(), tombstone.mode() & 0o777), (0, 0));
}

#[test]
fn handles_close_with_their_connection() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let selfish = daemon.control();
    let on = selfish.on(root.to_str().unwrap(), somebody());
    let alone = Open { share: Share::empty(), ..Open::existing(Access::READ) };
    on.open_path("a.txt", alone.clone()).unwrap();
    let control = daemon.control();
    let other = control.on(root.to_str().unwrap(), somebody());
    assert_eq!(other.open_path("a.txt", alone.clone()), Err(HResult::SHARING_VIOLATION));
    drop((on, selfish));
    wait_until("the file can be opened", || other.open_path("a.txt", alone.clone()).is_ok());
}

#[test]
fn a_pending_operation_can_be_cancelled() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let control = daemon.control();
    let on = control.on(root.to_str().unwrap(), somebody());
    let opened = on.open_path("a.txt", Open::existing(Access::READ)).unwrap();
    provider.hold();
    let read = Operation::Read { handle: opened.handle, offset: 0, length: 5 };
    let pending = on.begin(read.clone()).unwrap();
    wait_until("the data is asked for", || !provider.provider.data.lock().unwrap().is_empty());
    pending.cancel();
    wait_until("the command is cancelled", || {
        !provider.provider.cancelled.lock().unwrap().is_empty()
    });

    // With the connection, everything is given up.
    let (done, finished) = mpsc::channel();
    let pending = on.begin(read).unwrap();
    wait_until("the data is asked for again", || provider.provider.data.lock().unwrap().len() == 2);
    drop((on, control));
    std::thread::spawn(move || done.send(pending.wait().is_err()));
    // `pending` keeps the connection; the daemon's end is what ends it.
    drop(daemon);
    assert!(finished.recv().unwrap());
}

#[test]
fn files_of_the_host_are_moved_in_and_out() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let control = daemon.control();
    let on = control.on(root.to_str().unwrap(), somebody());
    let at = |path: &str| Target { from: ItemId::ROOT, path: path.into() };
    let (come, go) = (daemon.outside().join("come"), daemon.outside().join("go"));
    std::fs::write(&come, "from outside").unwrap();
    on.move_in(come.to_str().unwrap(), at("came"), false).unwrap();
    assert_eq!(std::fs::read(root.join("came")).unwrap(), b"from outside");
    let opened = on.open_path("a.txt", Open::existing(Access::DELETE)).unwrap();
    on.move_out(opened.handle, go.to_str().unwrap()).unwrap();
    on.close(opened.handle).unwrap();
    assert_eq!(std::fs::read(&go).unwrap(), b"alpha");
    assert!(!root.join("a.txt").exists());
}

#[test]
fn settings_can_be_changed_while_it_runs() {
    let daemon = Daemon::start(&["strict=false", "entry_limit=2"]);
    let control = daemon.control();
    let knobs = control.knobs().unwrap();
    assert!(!knobs.strict);
    assert_eq!(knobs.entry_limit, Some(2));
    let other = changed(&knobs, "strict=true").unwrap();
    control.set_knobs(other.clone()).unwrap();
    assert_eq!(control.knobs().unwrap(), other);
}

#[test]
fn what_the_daemon_has_not_is_said() {
    let daemon = Daemon::start(&[]);
    let control = daemon.control();
    assert_eq!(control.roots().unwrap(), []);
    let on = control.on("/nowhere", somebody());
    assert_eq!(on.attributes(ItemId::ROOT).err(), Some(HResult::PATH_NOT_FOUND));
    assert_eq!(
        on.close(projfs_emulator::contract::operations::HandleId(1)),
        Err(HResult::PATH_NOT_FOUND)
    );
}
