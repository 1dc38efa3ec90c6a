//! PrjWriteFileData and its buffers (projfs.md J5, J6).

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use projfs_emulator::contract::{FailureCauses, Guid, HResult};
use projfs_emulator::link::Request;
use windows_sys::core::GUID;

use crate::fake::{ALIGNMENT, Call, serve};
use crate::script::{Running, indifferent, library, start};

fn write(running: &Running, buffer: *const c_void, length: u32) -> HResult {
    let stream = GUID::from_u128(u128::from_be_bytes([5; 16]));
    // SAFETY: everything is there, or NULL.
    HResult(unsafe { (library().PrjWriteFileData)(running.handle, &stream, buffer, 8192, length) })
}

fn allocate(running: &Running, size: usize) -> *mut c_void {
    // SAFETY: a live handle.
    unsafe { (library().PrjAllocateAlignedBuffer)(running.handle, size) }
}

fn free(buffer: *const c_void) {
    // SAFETY: nobody uses it any more.
    unsafe { (library().PrjFreeAlignedBuffer)(buffer) };
}

fn rules(expected: &str) -> Vec<String> {
    vec![expected.to_owned()]
}

#[test]
fn data_reaches_the_driver() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let buffer = allocate(&running, 6000);
    assert!(buffer.addr().is_multiple_of(usize::try_from(ALIGNMENT).unwrap()));
    // SAFETY: 6000 bytes.
    unsafe { buffer.cast::<u8>().write_bytes(42, 6000) };
    assert_eq!(write(&running, buffer, 6000), HResult::OK);
    assert_eq!(fake.last_call(), Call::Data(Guid([5; 16]), 8192, vec![42; 6000]));
    fake.set_answer(HResult::HANDLE, FailureCauses::empty());
    assert_eq!(write(&running, buffer, 6000), HResult::HANDLE);
    free(buffer);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn no_data_is_an_invalid_argument() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let buffer = allocate(&running, 512);
    assert_eq!(write(&running, null(), 512), HResult::INVALID_ARGUMENT);
    assert_eq!(write(&running, buffer, 0), HResult::INVALID_ARGUMENT);
    // SAFETY: no stream.
    let code = unsafe { (library().PrjWriteFileData)(running.handle, null(), buffer, 0, 512) };
    assert_eq!(HResult(code), HResult::INVALID_ARGUMENT);
    free(buffer);
    assert!(!fake.calls().iter().any(|call| matches!(call, Call::Data(..))));
}

#[test]
fn buffers_are_aligned() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let buffer = allocate(&running, 8192);
    // SAFETY: within the buffer.
    let inside = unsafe { buffer.byte_add(512) };
    assert_eq!(write(&running, inside, 512), HResult::OFFSET_ALIGNMENT_VIOLATION);
    assert_eq!(fake.rules(), rules("J5"));
    let own = vec![0_u8; 3 * 4096];
    let odd = own.iter().find(|byte| (&raw const **byte).addr() % 4096 == 1).unwrap();
    fake.set_strict(false);
    assert_eq!(write(&running, (&raw const *odd).cast(), 512), HResult::OK);
    assert_eq!(fake.rules(), rules("J5"));
    free(buffer);
}

#[test]
fn writes_end_within_the_buffer() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let buffer = allocate(&running, 4096);
    for strict in [true, false] {
        fake.set_strict(strict);
        let code = write(&running, buffer, 4097);
        assert_eq!((code, fake.rules()), (HResult::INVALID_ARGUMENT, rules("J5")));
    }
    free(buffer);
}

#[test]
fn freed_buffers_are_not_written_from() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let buffer = allocate(&running, 4096);
    free(buffer);
    let code = write(&running, buffer, 4096);
    assert_eq!((code, fake.rules()), (HResult::INVALID_ARGUMENT, rules("J5")));
}

#[test]
fn buffers_are_freed_once_even_after_the_stop() {
    let fake = serve();
    let mut running = start(&fake, indifferent);
    let buffer = allocate(&running, 100);
    running.stop();
    free(buffer);
    assert_eq!(fake.rules(), [""; 0]);
    free(buffer);
    assert_eq!(fake.rules(), rules("B12"));
    free(null());
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn foreign_buffers_are_left_alone() {
    let fake = serve();
    // In a callback, because it is the callback's driver that is told.
    let running = start(&fake, |_| {
        let own = Box::new(1_u8);
        free((&raw const *own).cast());
        HResult::OK
    });
    assert_eq!(fake.ask(Request::QueryFileName).result, HResult::OK);
    assert_eq!(fake.rules(), rules("B12"));
    drop(running);
}

#[test]
fn buffers_that_cannot_be_are_null() {
    let fake = serve();
    let mut running = start(&fake, indifferent);
    assert_eq!(allocate(&running, usize::MAX), null_mut());
    running.stop();
    assert_eq!(allocate(&running, 512), null_mut());
    assert_eq!(fake.rules(), rules("M8"));
}
