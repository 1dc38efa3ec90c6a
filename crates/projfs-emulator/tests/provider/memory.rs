//! What callbacks are given, and what becomes of it (projfs.md C2, L2).

use std::ptr::with_exposed_provenance_mut;

use projfs_emulator::contract::{Guid, HResult, VersionInfo, Wide};
use projfs_emulator::link::{Process, Request};
use windows_sys::Win32::Storage::ProjectedFileSystem::PRJ_CALLBACK_DATA;

use crate::fake::serve;
use crate::script::{Shown, What, indifferent, start, text};

#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    fixed: (u32, i32, i32, u32),
    path: Option<String>,
    image: Option<String>,
    version: Option<[u8; 2]>,
    ids: ([u8; 16], [u8; 16]),
    same_handle: bool,
}

#[test]
fn callbacks_are_given_the_whole_command() {
    let fake = serve();
    let seen = Shown::<Vec<Seen>>::new();
    let handle = Shown::<usize>::new();
    let (sees, knows) = (seen.clone(), handle.clone());
    let running = start(&fake, move |asked| {
        let data = asked.data();
        // SAFETY: it lives while the callback runs, as does what it points to.
        let (version, ids) = unsafe {
            let version = data.VersionInfo.as_ref();
            let ids = (&raw const (*asked.data).FileId, &raw const (*asked.data).DataStreamId);
            let ids = (
                ids.0.cast::<[u8; 16]>().read_unaligned(),
                ids.1.cast::<[u8; 16]>().read_unaligned(),
            );
            (version.map(|version| [version.ProviderID[0], version.ContentID[127]]), ids)
        };
        let known = knows.wait_until(|handle| *handle != 0);
        sees.change(|seen| {
            seen.push(Seen {
                fixed: (data.Size, data.Flags, data.CommandId, data.TriggeringProcessId),
                path: text(data.FilePathName),
                image: text(data.TriggeringProcessImageFileName),
                version,
                ids,
                same_handle: data.NamespaceVirtualizationContext.addr() == known,
            });
        });
        HResult::OK
    });
    handle.change(|handle| *handle = running.handle.addr());
    let version = Box::new(VersionInfo { provider: [8; 128], content: [9; 128] });
    let full = fake.play_as(Request::GetPlaceholderInfo, |command| {
        command.version = Some(version);
        command.path = Wide::from("a\\\u{1F600}");
    });
    fake.answer_to(full);
    let bare = fake.play_as(Request::QueryFileName, |command| {
        command.path = Wide::default();
        command.process = Process::default();
        (command.file, command.stream) = (Guid::default(), Guid::default());
    });
    fake.answer_to(bare);
    drop(running);
    let expected = [
        Seen {
            fixed: (96, 0, full, 4242),
            path: Some("a\\\u{1F600}".to_owned()),
            image: Some("\\Device\\app.exe".to_owned()),
            version: Some([8, 9]),
            ids: ([1; 16], [2; 16]),
            same_handle: true,
        },
        Seen {
            fixed: (96, 0, bare, 0),
            path: Some(String::new()),
            same_handle: true,
            ..Seen::default()
        },
    ];
    assert_eq!(seen.get(), expected);
}

/// Addresses that a callback was given: its data, its path, the listing's identifier.
fn leaked(fake: &crate::fake::Fake) -> (crate::script::Running, Vec<usize>) {
    let seen = Shown::<Vec<usize>>::new();
    let sees = seen.clone();
    let running = start(fake, move |asked| {
        let What::Get { listing, expression, .. } = asked.what else { return HResult::OK };
        let addresses = [
            asked.data.expose_provenance(),
            asked.data().FilePathName.expose_provenance(),
            listing.expose_provenance(),
            expression.expose_provenance(),
            asked.data().VersionInfo.expose_provenance(),
        ];
        sees.change(|seen| seen.extend(addresses));
        HResult::OK
    });
    let mut request = crate::fake::get(1, 1);
    if let Request::GetEnumeration { expression, .. } = &mut request {
        *expression = Some(Wide::from("*"));
    }
    let id = fake.play_as(request, |command| command.version = Some(Box::default()));
    fake.answer_to(id);
    (running, seen.get())
}

#[test]
fn what_callbacks_were_given_is_dead_when_they_have_returned() {
    let fake = serve();
    let (running, addresses) = leaked(&fake);
    assert_eq!(addresses.len(), 5);
    for address in addresses {
        // SAFETY: dead, but kept by the library to find writes.
        let byte = unsafe { with_exposed_provenance_mut::<u8>(address).read_volatile() };
        assert_eq!(byte, 0xDD);
    }
    drop(running);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn writes_to_what_callbacks_were_given_are_found() {
    for which in 0..5 {
        let fake = serve();
        let (mut running, addresses) = leaked(&fake);
        // SAFETY: dead, but kept by the library to find this.
        unsafe { with_exposed_provenance_mut::<u8>(addresses[which]).write_volatile(1) };
        running.stop();
        let violations = fake.violations();
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].rule, "L2");
        assert!(violations[0].what.contains("GetDirectoryEnumeration for 'docs\\a.txt'"));
    }
}

#[test]
fn dead_memory_is_bounded() {
    let fake = serve();
    let (running, addresses) = leaked(&fake);
    // SAFETY: dead, but kept by the library to find this.
    unsafe {
        with_exposed_provenance_mut::<PRJ_CALLBACK_DATA>(addresses[0])
            .cast::<u8>()
            .write_volatile(1)
    };
    // Found when there is too much dead memory, not only by the stop.
    while fake.violations().is_empty() {
        fake.ask(Request::QueryFileName);
    }
    drop(running);
    drop(start(&fake, indifferent));
}
