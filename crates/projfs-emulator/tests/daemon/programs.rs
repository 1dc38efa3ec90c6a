//! What programs see and do.

use std::path::Path;
use std::process::{Command, Output};

use projfs_emulator::contract::HResult;
use projfs_emulator::link::{Request, Traced};

use super::provider::{start, tree};
use super::support::{Daemon, wait_until};

/// Runs a shell's command line in a folder, for at most a minute.
fn run(folder: &Path, script: &str) -> Output {
    let mut command = Command::new("timeout");
    command.args(["--signal=KILL", "60", "sh", "-c", script]).current_dir(folder);
    command.env("LC_ALL", "C").output().unwrap()
}

/// What it prints; it must succeed.
#[track_caller]
fn says(folder: &Path, script: &str) -> String {
    let output = run(folder, script);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

fn lines(trace: &[Traced]) -> Vec<String> {
    trace.iter().map(Traced::line).collect()
}

#[test]
fn a_projected_tree_is_listed_and_read() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let files = tree(&[("a.txt", b"alpha"), (r"Docs\b.txt", b"beta"), (r"Docs\Deep\c", b"gamma")]);
    let provider = start(daemon.address(), &root, files).unwrap();
    assert_eq!(
        says(&root, "find . | sort"),
        ".\n./Docs\n./Docs/Deep\n./Docs/Deep/c\n./Docs/b.txt\n./a.txt\n"
    );
    assert_eq!(says(&root, "cat a.txt Docs/b.txt Docs/Deep/c"), "alphabetagamma");
    assert_eq!(says(&root, "cat A.TXT docs/DEEP/C"), "alphagamma");
    assert_eq!(says(&root, "ls Docs docs"), "Docs:\nDeep\nb.txt\n\ndocs:\nDeep\nb.txt\n");
    assert_eq!(says(&root, "stat -c '%s %F' a.txt Docs"), "5 regular file\n0 directory\n");
    assert!(!run(&root, "cat missing").status.success());
    assert_eq!(daemon.control().take_violations().unwrap(), []);
    provider.stop();
}

#[test]
fn a_listing_makes_no_placeholders() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider =
        start(daemon.address(), &root, tree(&[("a.txt", b"alpha"), (r"d\b", b"")])).unwrap();
    let control = daemon.control();
    control.take_trace().unwrap();
    assert_eq!(says(&root, "ls"), "a.txt\nd\n");
    let asked = control.take_trace().unwrap();
    assert!(
        !asked.iter().any(|one| matches!(one.command.request, Request::GetPlaceholderInfo)),
        "{:?}",
        lines(&asked)
    );
    assert!(asked.iter().any(|one| matches!(one.command.request, Request::GetEnumeration { .. })));
}

#[test]
fn programs_change_what_is_projected() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let files =
        tree(&[("a.txt", b"alpha"), ("b.txt", b"beta"), (r"d\c.txt", b"gamma"), ("x", b"")]);
    let provider = start(daemon.address(), &root, files).unwrap();
    says(&root, "mkdir new && cp d/c.txt new/ && mv b.txt new/moved.txt && rm x");
    says(&root, "printf omega >> a.txt && ln -s new/moved.txt way && ln a.txt hard");
    assert_eq!(says(&root, "ls"), "a.txt\nd\nhard\nnew\nway\n");
    assert_eq!(
        says(&root, "cat new/c.txt new/moved.txt a.txt way hard"),
        "gammabetaalphaomegabetaalphaomega"
    );
    assert_eq!(says(&root, "readlink way"), "new/moved.txt\n");
    says(&root, "truncate -s 3 new/c.txt && mv -n new/c.txt a.txt; rmdir d 2>/dev/null || true");
    assert_eq!(says(&root, "cat new/c.txt a.txt"), "gamalphaomega");
    says(&root, "rm -r new && touch -d 2001-02-03T04:05:06Z a.txt && chmod a-w a.txt");
    assert_eq!(
        says(&root, "TZ=UTC stat -c '%y %a' a.txt"),
        "2001-02-03 04:05:06.000000000 +0000 555\n"
    );
    assert!(!run(&root, "set -e; printf no > a.txt").status.success());
    assert_eq!(daemon.control().take_violations().unwrap(), []);
    provider.stop();
}

#[test]
fn a_refused_deletion_is_told_and_undone() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[("a.keep", b"alpha")])).unwrap();
    let output = run(&root, "rm -f a.keep");
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("Operation not permitted"), "{complaint}");
    assert_eq!(says(&root, "cat a.keep"), "alpha");
}

#[test]
fn a_projected_directory_cannot_be_renamed_but_mv_may_be_let_copy() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[(r"d\c.txt", b"gamma")])).unwrap();
    let output = run(&root, "mv d e");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains("not supported"), "{complaint}");
    let control = daemon.control();
    let knobs = control.knobs().unwrap();
    control
        .set_knobs(
            projfs_emulator::control::changed(&knobs, "directory_rename=CrossDevice").unwrap(),
        )
        .unwrap();
    says(&root, "mv d e");
    assert_eq!(says(&root, "find . -type f"), "./e/c.txt\n");
}

#[test]
fn callbacks_name_the_program_that_caused_them() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let control = daemon.control();
    control.take_trace().unwrap();
    let child = Command::new("cat").arg(root.join("a.txt")).output();
    assert_eq!(child.unwrap().stdout, b"alpha");
    let cat = std::fs::canonicalize("/bin/cat").unwrap();
    let image = format!(r"\Device\HarddiskVolume1{}", cat.to_str().unwrap().replace('/', r"\"));
    let trace = control.take_trace().unwrap();
    let data = trace.iter().find(|one| matches!(one.command.request, Request::GetFileData { .. }));
    let process = &data.unwrap().command.process;
    assert_eq!(process.image.to_string(), image);
    assert_ne!(process.id, std::process::id());
}

#[test]
fn the_providers_own_process_may_use_its_root_and_is_not_told() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let control = daemon.control();
    control.take_trace().unwrap();
    // From a thread: the kernel tells its number, not the process's.
    let path = root.join("a.txt");
    let read = std::thread::spawn(move || std::fs::read(path).unwrap()).join().unwrap();
    assert_eq!(read, b"alpha");
    let notified = |one: &Traced| matches!(one.command.request, Request::Notify { .. });
    let trace = control.take_trace().unwrap();
    assert!(!trace.iter().any(notified), "{:?}", lines(&trace));
    says(&root, "cat a.txt");
    wait_until("another process's open is told", || {
        control.take_trace().unwrap().iter().any(notified)
    });
}

#[test]
fn a_large_directory_is_listed_whole_and_again() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let names: Vec<_> =
        (0..3000).map(|number| format!(r"d\file-{number:05}.with-a-long-name")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    let _provider = start(daemon.address(), &root, tree(&files)).unwrap();
    says(&root, "cat d/file-00007* d/file-02999* > /dev/null");
    let expected: Vec<_> = names.iter().map(|name| name[2..].to_owned()).collect();
    let mut directory = rustix::fs::Dir::new(std::fs::File::open(root.join("d")).unwrap()).unwrap();
    for _ in 0..2 {
        let listed: Vec<_> = directory
            .by_ref()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
            .filter(|name| !name.starts_with('.'))
            .collect();
        assert_eq!(listed, expected);
        directory.rewind();
    }
    assert_eq!(daemon.control().take_violations().unwrap(), []);
}

#[test]
fn extended_attributes_of_users_are_kept() {
    use rustix::fs::{XattrFlags, getxattr, listxattr, removexattr, setxattr};
    use rustix::io::Errno;

    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let file = root.join("a.txt");
    let mut value = [0; 64];
    assert_eq!(getxattr(&file, "user.note", &mut value), Err(Errno::NODATA));
    assert_eq!(getxattr(&file, "security.note", &mut value), Err(Errno::NODATA));
    setxattr(&file, "user.note", b"mine", XattrFlags::empty()).unwrap();
    assert_eq!(setxattr(&file, "user.note", b"", XattrFlags::CREATE), Err(Errno::EXIST));
    assert_eq!(getxattr(&file, "user.note", &mut value), Ok(4));
    assert_eq!(&value[..4], b"mine");
    let mut list = [0; 64];
    let length = listxattr(&file, &mut list).unwrap();
    assert_eq!(String::from_utf8_lossy(&list[..length]).to_lowercase(), "user.note\0");
    removexattr(&file, "user.note").unwrap();
    assert_eq!(removexattr(&file, "user.note"), Err(Errno::NODATA));
}

#[test]
fn a_file_that_is_open_shows_what_others_write() {
    use std::io::{Read, Seek, Write};

    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let _provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let mut reader = std::fs::File::open(root.join("a.txt")).unwrap();
    let mut read = || {
        let mut text = String::new();
        reader.rewind().unwrap();
        reader.read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(read(), "alpha");
    std::fs::File::options()
        .write(true)
        .open(root.join("A.TXT"))
        .unwrap()
        .write_all(b"Alp")
        .unwrap();
    assert_eq!(read(), "Alpha");
    says(&root, "printf ' and more' >> a.txt");
    assert_eq!(read(), "Alpha and more");
    says(&root, "rm a.txt");
    assert_eq!(read(), "Alpha and more");
}

#[test]
fn a_file_that_is_open_shows_what_the_provider_made_of_it() {
    use std::os::unix::fs::FileExt;

    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let provider = start(daemon.address(), &root, tree(&[("a.txt", b"alpha")])).unwrap();
    let reader = std::fs::File::open(root.join("a.txt")).unwrap();
    let read = || {
        let mut text = [0; 5];
        reader.read_exact_at(&mut text, 0).unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    };
    assert_eq!(read(), "alpha");
    // Neither size nor time tell the kernel that it is another.
    assert_eq!(provider.update("a.txt", b"omega"), HResult::OK);
    assert_eq!(read(), "omega");
    assert_eq!(says(&root, "cat a.txt"), "omega");
}

#[test]
fn many_programs_at_once_see_the_same() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let paths: Vec<_> = (0..100).map(|number| format!(r"d{}\f{number}", number % 10)).collect();
    let files: Vec<_> = paths.iter().map(|path| (path.as_str(), path.as_bytes())).collect();
    let provider = start(daemon.address(), &root, tree(&files)).unwrap();
    let all = |script: &'static str| {
        std::thread::scope(|scope| {
            let several: Vec<_> = (0..4).map(|_| scope.spawn(|| says(&root, script))).collect();
            several.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        })
    };
    let mut expected = paths.clone();
    expected.sort_by_key(|path| path.replace('\\', "/"));
    for seen in all("find . -type f | LC_ALL=C sort | xargs cat") {
        assert_eq!(seen, expected.concat());
    }
    let copies = all("name=copy-$$ && cp -r d1 $name && cat $name/* && rm -r $name");
    assert!(copies.iter().all(|copy| *copy == copies[0]), "{copies:?}");
    all("rm -rf d2 d3; true");
    assert_eq!(says(&root, "ls"), "d0\nd1\nd4\nd5\nd6\nd7\nd8\nd9\n");
    assert_eq!(daemon.control().take_violations().unwrap(), []);
    provider.stop();
}

#[test]
fn linux_requests_become_the_operations_of_windows() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let names = ["stat", "read", "append", "empty", "remove", "times"];
    let files: Vec<_> = names.iter().map(|name| (*name, b"alpha".as_slice())).collect();
    let _provider = start(daemon.address(), &root, tree(&files)).unwrap();
    let control = daemon.control();
    // T1, T3, T5, T9, T13 and T25 of the rulebook, in this order.
    for (script, expected) in [
        ("stat @/stat", "GetPlaceholderInfo stat; FileOpened stat; ClosedNoModification stat"),
        (
            "cat @/read",
            "GetPlaceholderInfo read; FileOpened read; GetFileData read 0+5; ClosedNoModification read",
        ),
        (
            "echo >> @/append",
            "GetPlaceholderInfo append; PreConvertToFull append; GetFileData append 0+5; \
             FileOpened append; ClosedFileModified append",
        ),
        (
            "echo > @/empty",
            "GetPlaceholderInfo empty; FileOverwritten empty; ClosedFileModified empty",
        ),
        (
            "unlink @/remove",
            "GetPlaceholderInfo remove; FileOpened remove; PreDelete remove; \
             QueryFileName remove; ClosedFileDeleted remove",
        ),
        (
            "touch -c -d 2001-02-03 @/times",
            "GetPlaceholderInfo times; FileOpened times; ClosedNoModification times",
        ),
    ] {
        let script = script.replace('@', root.to_str().unwrap());
        says(Path::new("/"), &script);
        let mut seen = Vec::new();
        wait_until(&script, || {
            let trace = control.take_trace().unwrap();
            let lines = trace.iter().map(Traced::line);
            seen.extend(lines.map(|line| line.replace("Notify ", "").replace(" -> OK", "")));
            seen.join("; ") == expected
        });
    }
}

#[test]
fn a_projected_program_runs() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let program = std::fs::read("/bin/echo").unwrap();
    let _provider = start(daemon.address(), &root, tree(&[(r"bin\echo", &program)])).unwrap();
    assert_eq!(says(&root, "bin/echo T26"), "T26\n");
    assert_eq!(daemon.control().take_violations().unwrap(), []);
}

#[test]
fn a_write_may_be_larger_than_what_one_message_carries() {
    let daemon = Daemon::start(&[]);
    let root = daemon.root("root");
    let content: Vec<u8> = (0..(64 << 20) + 513_u32).map(|at| (at % 251) as u8).collect();
    let _provider = start(daemon.address(), &root, tree(&[("large", &content)])).unwrap();
    assert!(std::fs::read(root.join("large")).unwrap() == content);
    assert_eq!(daemon.control().take_violations().unwrap(), []);
}
