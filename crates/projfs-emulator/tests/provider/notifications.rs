//! Notifications: their arguments and the masks that they answer (projfs.md K).

use projfs_emulator::contract::{HResult, Notification, NotifyMask, Wide};
use projfs_emulator::link::{Reply, Request};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS as Extended,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0 as ExtendedUnion,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0_0 as WithMask,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0_1 as WithEntries,
};

use crate::fake::serve;
use crate::script::{Shown, What, library, start, text};

fn notify(notification: Notification, modified: bool) -> Request {
    Request::Notify { notification, directory: true, destination: Some(Wide::from("to")), modified }
}

#[test]
fn a_notification_tells_what_happened() {
    let fake = serve();
    let seen = Shown::<Vec<(bool, i32, Option<String>, u8)>>::new();
    let sees = seen.clone();
    let running = start(&fake, move |asked| {
        let What::Notify(told) = asked.what else { return HResult::OK };
        // SAFETY: they live while the callback runs; any byte is a `u8`.
        let modified = unsafe { told.parameters.cast::<u8>().read() };
        let shown = (told.directory, told.notification, text(told.destination), modified);
        sees.change(|seen| seen.push(shown));
        HResult::OK
    });
    fake.ask(notify(Notification::FileRenamed, false));
    fake.ask(notify(Notification::ClosedFileDeleted, true));
    fake.ask(Request::Notify {
        notification: Notification::FileOpened,
        directory: false,
        destination: None,
        modified: false,
    });
    drop(running);
    let to = Some("to".to_owned());
    let expected = [(true, 0x80, to.clone(), 0), (true, 0x800, to, 1), (false, 2, None, 0)];
    assert_eq!(seen.get(), expected);
}

#[test]
fn a_mask_is_answered_where_one_counts() {
    let fake = serve();
    let running = start(&fake, |asked| {
        let What::Notify(told) = asked.what else { return HResult::OK };
        // SAFETY: it lives while the callback runs.
        unsafe { (*told.parameters).PostCreate.NotificationMask = 0x20 };
        HResult::OK
    });
    let mask = Reply::Mask(NotifyMask::PRE_RENAME);
    assert_eq!(fake.ask(notify(Notification::FileOpened, false)).reply, mask);
    assert_eq!(fake.ask(notify(Notification::FileRenamed, false)).reply, mask);
    assert_eq!(fake.ask(notify(Notification::PreDelete, false)).reply, Reply::None);
    drop(running);
}

#[test]
fn a_mask_can_be_answered_later() {
    let fake = serve();
    let running = start(&fake, |_| HResult::IO_PENDING);
    let complete = library().PrjCompleteCommand;
    let answer = |id: i32, parameters: *const Extended| loop {
        // SAFETY: they are there, or NULL.
        let code = unsafe { complete(running.handle, id, 0, parameters) };
        if code == 0 {
            return fake.answer_to(id).reply;
        }
        // The callback was not made yet.
        std::thread::yield_now();
    };
    let mask = ExtendedUnion { Notification: WithMask { NotificationMask: 0x400 } };
    let parameters = Extended { CommandType: 1, Anonymous: mask };
    let id = fake.play(notify(Notification::NewFileCreated, false));
    let expected = Reply::Mask(NotifyMask::CLOSED_FILE_MODIFIED);
    assert_eq!(answer(id, &raw const parameters), expected);
    let id = fake.play(notify(Notification::NewFileCreated, false));
    assert_eq!(answer(id, std::ptr::null()), Reply::None);
    drop(running);
}

#[test]
fn parameters_suit_the_command() {
    let fake = serve();
    let seen = Shown::<Vec<i32>>::new();
    let sees = seen.clone();
    let running = start(&fake, move |asked| {
        sees.change(|seen| seen.push(asked.data().CommandId));
        HResult::IO_PENDING
    });
    let entries = WithEntries { DirEntryBufferHandle: std::ptr::null_mut() };
    let entries = Extended { CommandType: 2, Anonymous: ExtendedUnion { Enumeration: entries } };
    let mask = ExtendedUnion { Notification: WithMask { NotificationMask: 2 } };
    let mask = Extended { CommandType: 1, Anonymous: mask };
    let notification = notify(Notification::FileOpened, false);
    for (request, parameters) in [(notification, entries), (Request::QueryFileName, mask)] {
        let id = fake.play(request);
        seen.wait_until(|seen| seen.contains(&id));
        // SAFETY: they are there.
        unsafe { (library().PrjCompleteCommand)(running.handle, id, 0, &raw const parameters) };
        assert_eq!(fake.answer_to(id).result, HResult::INTERNAL_ERROR);
        assert_eq!(fake.rules(), ["L3"]);
    }
    let unknown = Extended { CommandType: 3, ..mask };
    let id = fake.play(Request::QueryFileName);
    seen.wait_until(|seen| seen.contains(&id));
    // SAFETY: they are there, or NULL.
    unsafe {
        let complete = library().PrjCompleteCommand;
        let code = complete(running.handle, id, 0, &raw const unknown);
        assert_eq!(HResult(code), HResult::INVALID_ARGUMENT);
        assert_eq!(complete(running.handle, id, 0, std::ptr::null()), 0);
    }
    drop(running);
}
