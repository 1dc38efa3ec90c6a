//! Callbacks with bad arguments, and callbacks that panic.
#![expect(unsafe_code, reason = "callbacks are called as ProjFS would never call them")]

use std::ptr::{null, null_mut};

use rusty_attachments_testkit::volume::Tree;
use windows_sys::Win32::Storage::ProjectedFileSystem::PRJ_CALLBACK_DATA;
use windows_sys::core::GUID;

use super::rig::{Rig, Setup};
use crate::api::codes;
use crate::callbacks::{Operation, OperationPolicy};
use crate::virtualizer::thunks::CALLBACKS;

#[test]
fn pointers_that_are_null_are_refused() {
    let id = GUID::from_u128(1);
    let none = PRJ_CALLBACK_DATA::default();
    // SAFETY: NULL pointers and data without a context are what these functions must bear.
    unsafe {
        for data in [null(), &raw const none] {
            let results = [
                CALLBACKS.StartDirectoryEnumerationCallback.unwrap()(data, &raw const id),
                CALLBACKS.EndDirectoryEnumerationCallback.unwrap()(data, &raw const id),
                CALLBACKS.GetDirectoryEnumerationCallback.unwrap()(
                    data,
                    &raw const id,
                    null(),
                    null_mut(),
                ),
                CALLBACKS.GetPlaceholderInfoCallback.unwrap()(data),
                CALLBACKS.GetFileDataCallback.unwrap()(data, 0, 1),
                CALLBACKS.QueryFileNameCallback.unwrap()(data),
                CALLBACKS.NotificationCallback.unwrap()(data, false, 2, null(), null_mut()),
            ];
            assert_eq!(results, [codes::INVALID_ARGUMENT; 7]);
            CALLBACKS.CancelCommandCallback.unwrap()(data);
        }
    }
}

#[test]
fn l11_a_panic_while_content_is_read_fails_the_read_and_nothing_else() {
    let rig = Rig::new(Tree::new().file("bad", "never seen").file("good", "seen\n"));
    rig.volume.panic_on_read("bad");
    for _ in 0..3 {
        assert!(rig.complains("cat bad").contains("Input/output error"));
    }
    assert_eq!(rig.says("cat good; ls"), "seen\nbad\ngood\n");
    rig.volume.heal("bad");
    assert_eq!(rig.says("cat bad"), "never seen");
}

#[derive(Debug)]
struct Panicking;

impl OperationPolicy for Panicking {
    fn allows(&self, operation: &Operation<'_>, _projected: &dyn Fn(&[u16]) -> bool) -> bool {
        panic!("asked about {operation:?}");
    }
}

#[test]
fn l11_a_panic_while_a_policy_is_asked_refuses_the_operation() {
    let setup = Setup { policy: Some(std::sync::Arc::new(Panicking)), ..Setup::default() };
    let rig = Rig::with(Tree::new().file("kept", "kept\n"), setup);
    rig.complains("rm kept");
    rig.complains("echo changed >> kept");
    assert_eq!(rig.says("cat kept"), "kept\n");
}
