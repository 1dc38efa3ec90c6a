//! Placeholders, updates, deletions, states: arguments reach the driver, wrong ones do not.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use projfs_emulator::contract::{FailureCauses, HResult, PlaceholderInfo, UpdateFlags, Wide};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_EXTENDED_INFO, PRJ_EXTENDED_INFO_0, PRJ_EXTENDED_INFO_0_0, PRJ_PLACEHOLDER_INFO,
    PRJ_PLACEHOLDER_VERSION_INFO,
};

use crate::fake::{Call, get, serve};
use crate::script::{basic_info, indifferent, library, start, wide, write_placeholder};

const SIZE: u32 = 344;

/// A placeholder's information with variable data behind.
#[repr(C, align(8))]
struct Long {
    info: PRJ_PLACEHOLDER_INFO,
    data: [u8; 128],
}

fn info() -> PRJ_PLACEHOLDER_INFO {
    PRJ_PLACEHOLDER_INFO {
        FileBasicInfo: basic_info().0,
        VersionInfo: PRJ_PLACEHOLDER_VERSION_INFO { ProviderID: [3; 128], ContentID: [4; 128] },
        ..Default::default()
    }
}

fn write(
    handle: *mut c_void,
    path: *const u16,
    info: *const PRJ_PLACEHOLDER_INFO,
    size: u32,
) -> HResult {
    // SAFETY: everything is there, or NULL.
    HResult(unsafe { (library().PrjWritePlaceholderInfo)(handle, path, info, size) })
}

fn write_link(handle: *mut c_void, extended: *const PRJ_EXTENDED_INFO) -> HResult {
    let write = library().PrjWritePlaceholderInfo2.unwrap();
    // SAFETY: everything is there, or NULL.
    HResult(unsafe { write(handle, wide("a").as_ptr(), &info(), SIZE, extended) })
}

const fn link_info(kind: i32, next: u32, target: *const u16) -> PRJ_EXTENDED_INFO {
    let symlink = PRJ_EXTENDED_INFO_0_0 { TargetName: target };
    PRJ_EXTENDED_INFO {
        InfoType: kind,
        NextInfoOffset: next,
        Anonymous: PRJ_EXTENDED_INFO_0 { Symlink: symlink },
    }
}

/// What the driver got for the last placeholder.
fn written(call: Call) -> PlaceholderInfo {
    let Call::Placeholder(_, info) = call else { panic!("{call:?}") };
    info
}

#[test]
fn a_placeholder_reaches_the_driver() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let path = wide("docs\\a.txt");
    assert_eq!(write(running.handle, path.as_ptr(), &info(), SIZE), HResult::OK);
    let Call::Placeholder(path, info) = fake.last_call() else { panic!("nothing was written") };
    assert_eq!(path, Wide::from("docs\\a.txt"));
    assert_eq!(info.basic, basic_info().1);
    assert_eq!((info.version.provider, info.version.content), ([3; 128], [4; 128]));
    assert_eq!((info.link, info.streams, info.security), (None, vec![], vec![]));
    fake.set_answer(HResult::PATH_NOT_FOUND, FailureCauses::empty());
    let code = write_placeholder(&library(), running.handle, "a");
    assert_eq!(code, HResult::PATH_NOT_FOUND);
}

#[test]
fn variable_data_reaches_the_driver() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let mut long = Long { info: info(), data: [0; 128] };
    // Two extended attributes: `n` = "vv", `m` = "".
    let extended =
        [16, 0, 0, 0, 0, 1, 2, 0, b'n', 0, b'v', b'v', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, b'm', 0];
    // One stream `:s`.
    let mut stream = [0_u8; 28];
    stream[4] = 4;
    stream[24..].copy_from_slice(&[b':', 0, b's', 0]);
    long.data[..26].copy_from_slice(&extended);
    long.data[32..60].copy_from_slice(&stream);
    long.data[64..67].copy_from_slice(&[7, 8, 9]);
    long.info.EaInformation.EaBufferSize = 26;
    long.info.EaInformation.OffsetToFirstEa = SIZE;
    long.info.StreamsInformation.StreamsInfoBufferSize = 28;
    long.info.StreamsInformation.OffsetToFirstStreamInfo = SIZE + 32;
    long.info.SecurityInformation.SecurityBufferSize = 3;
    long.info.SecurityInformation.OffsetToSecurityDescriptor = SIZE + 64;
    let pointer: *const Long = &raw const long;
    assert_eq!(write(running.handle, wide("a").as_ptr(), pointer.cast(), SIZE + 128), HResult::OK);
    let info = written(fake.last_call());
    let attribute = |name: &[u8], value: &[u8]| (name.to_vec(), value.to_vec());
    assert_eq!(info.extended, [attribute(b"n", b"vv"), attribute(b"m", b"")]);
    assert_eq!(info.streams, [Wide::from(":s")]);
    assert_eq!(info.security, [7, 8, 9]);
}

#[test]
fn variable_data_must_be_within_the_size() {
    let fake = serve();
    let running = start(&fake, indifferent);
    for (length, offset) in
        [(1, 0), (1, 335), (1, SIZE), (9, 336), (u32::MAX, 336), (1, u32::MAX), (4, 340)]
    {
        for field in 0..3 {
            let mut info = info();
            match field {
                0 => {
                    (info.EaInformation.EaBufferSize, info.EaInformation.OffsetToFirstEa) =
                        (length, offset)
                }
                1 => {
                    info.SecurityInformation.SecurityBufferSize = length;
                    info.SecurityInformation.OffsetToSecurityDescriptor = offset;
                }
                _ => {
                    info.StreamsInformation.StreamsInfoBufferSize = length;
                    info.StreamsInformation.OffsetToFirstStreamInfo = offset;
                }
            }
            let code = write(running.handle, wide("a").as_ptr(), &info, SIZE);
            // Four bytes at 340 are there, but no attribute or stream is that short.
            let fits = (length, offset, field) == (4, 340, 1);
            let expected = if fits { HResult::OK } else { HResult::INVALID_ARGUMENT };
            assert_eq!(code, expected, "{length} at {offset}, {field}");
        }
    }
}

#[test]
fn the_size_is_that_of_the_structure() {
    let fake = serve();
    let running = start(&fake, indifferent);
    for strict in [true, false] {
        fake.set_strict(strict);
        let code = write(running.handle, wide("a").as_ptr(), &info(), 336);
        assert_eq!((code, fake.rules()), (HResult::INSUFFICIENT_BUFFER, vec!["C4".to_owned()]));
    }
}

#[test]
fn null_and_the_root_are_no_placeholders() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let path = wide("a");
    assert_eq!(write(running.handle, null(), &info(), SIZE), HResult::INVALID_ARGUMENT);
    assert_eq!(write(running.handle, [0].as_ptr(), &info(), SIZE), HResult::INVALID_ARGUMENT);
    assert_eq!(write(running.handle, path.as_ptr(), null(), SIZE), HResult::INVALID_ARGUMENT);
    let mut negative = info();
    negative.FileBasicInfo.FileSize = -1;
    assert_eq!(write(running.handle, path.as_ptr(), &negative, SIZE), HResult::INVALID_ARGUMENT);
    let endless = vec![u16::from(b'a'); 32_769];
    assert_eq!(write(running.handle, endless.as_ptr(), &info(), SIZE), HResult::INVALID_ARGUMENT);
}

#[test]
fn paths_are_relative_to_the_root() {
    let fake = serve();
    let running = start(&fake, indifferent);
    for path in ["\\a", "a/b", "C:\\a", "a\\..\\b", "."] {
        fake.set_strict(true);
        let code = write_placeholder(&library(), running.handle, path);
        let refused = (HResult::INVALID_ARGUMENT, vec!["A6".to_owned()]);
        assert_eq!((code, fake.rules()), refused, "{path}");
        fake.set_strict(false);
        let code = write_placeholder(&library(), running.handle, path);
        assert_eq!((code, fake.rules()), (HResult::OK, vec!["A6".to_owned()]), "{path}");
    }
    fake.set_strict(true);
    assert_eq!(write_placeholder(&library(), running.handle, "a\\..b\\c."), HResult::OK);
}

#[test]
fn links_reach_the_driver() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let target = wide("..\\target");
    let extended = link_info(1, 0, target.as_ptr());
    assert_eq!(write_link(running.handle, &raw const extended), HResult::OK);
    assert_eq!(written(fake.last_call()).link, Some(Wide::from("..\\target")));
    assert_eq!(write_link(running.handle, null()), HResult::OK);
    assert_eq!(written(fake.last_call()).link, None);
}

#[test]
fn extended_information_is_one_link() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let target = wide("target");
    for wrong in [
        link_info(2, 0, target.as_ptr()),
        link_info(1, 16, target.as_ptr()),
        link_info(1, 0, null()),
        link_info(1, 0, [0].as_ptr()),
    ] {
        assert_eq!(write_link(running.handle, &raw const wrong), HResult::INVALID_ARGUMENT);
    }
}

#[test]
fn hidden_functions_are_not_there() {
    let fake = serve();
    fake.hide_symlink_functions();
    let running = start(&fake, |asked| {
        let fill = library().PrjFillDirEntryBuffer2.unwrap();
        // SAFETY: everything is there, or NULL.
        HResult(unsafe { fill(asked.entries(), wide("a").as_ptr(), null(), null()) })
    });
    const NO_SUCH_FUNCTION: u32 = 0x8007_007F;
    assert_eq!(write_link(running.handle, null()).0.cast_unsigned(), NO_SUCH_FUNCTION);
    assert_eq!(fake.ask(get(1, 1)).result.0.cast_unsigned(), NO_SUCH_FUNCTION);
    assert_eq!(fake.rules(), ["A3", "A3"]);
}

#[test]
fn updates_reach_the_driver_and_tell_what_stood_in_the_way() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let (path, info, mut causes) = (wide("a"), info(), 99);
    let update = library().PrjUpdateFileIfNeeded;
    // SAFETY: everything is there.
    let code = unsafe { update(running.handle, path.as_ptr(), &info, SIZE, 33, &raw mut causes) };
    assert_eq!((code, causes), (0, 0));
    let Call::Update(path, _, flags) = fake.last_call() else { panic!("no update") };
    assert_eq!(path, Wide::from("a"));
    assert_eq!(flags, UpdateFlags::DIRTY_METADATA | UpdateFlags::READ_ONLY);
    let refused = HResult::VIRTUALIZATION_INVALID_OPERATION;
    fake.set_answer(refused, FailureCauses::READ_ONLY | FailureCauses::TOMBSTONE);
    let path = wide("a");
    // SAFETY: everything is there, or NULL.
    unsafe {
        let code = update(running.handle, path.as_ptr(), &info, SIZE, 0, &raw mut causes);
        assert_eq!((HResult(code), causes), (refused, 12));
        let code = update(running.handle, path.as_ptr(), &info, SIZE, 0, null_mut());
        assert_eq!(HResult(code), refused);
    }
}

#[test]
fn deletions_reach_the_driver_and_tell_what_stood_in_the_way() {
    let fake = serve();
    let running = start(&fake, indifferent);
    fake.set_answer(HResult::VIRTUALIZATION_INVALID_OPERATION, FailureCauses::DIRTY_DATA);
    let (path, mut causes) = (wide("a\\b"), 0);
    let delete = library().PrjDeleteFile;
    // SAFETY: everything is there.
    let code = unsafe { delete(running.handle, path.as_ptr(), 4, &raw mut causes) };
    assert_eq!(HResult(code), HResult::VIRTUALIZATION_INVALID_OPERATION);
    assert_eq!(causes, 2);
    assert_eq!(fake.last_call(), Call::Delete(Wide::from("a\\b"), UpdateFlags::TOMBSTONE));
    // SAFETY: nothing is there.
    let code = unsafe { delete(running.handle, null(), 4, &raw mut causes) };
    assert_eq!((HResult(code), causes), (HResult::INVALID_ARGUMENT, 0));
}

#[test]
fn states_are_asked_by_full_path_without_an_instance() {
    let fake = serve();
    let (path, mut state) = (wide(&format!("{}\\a", fake.root)), 0);
    let ask = library().PrjGetOnDiskFileState;
    // SAFETY: everything is there, or NULL.
    unsafe {
        assert_eq!((ask(path.as_ptr(), &raw mut state), state), (0, 5));
        assert_eq!(HResult(ask(path.as_ptr(), null_mut())), HResult::INVALID_ARGUMENT);
        assert_eq!(HResult(ask(null(), &raw mut state)), HResult::INVALID_ARGUMENT);
    }
    assert_eq!(fake.last_call(), Call::State(Wide::from(format!("{}\\a", fake.root).as_str())));
}

/// Sizes, offsets and chains of the provider's are never believed.
#[test]
fn any_bytes_are_read_within_their_size() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let byte = prop_oneof![Just(0_u8), 0..64_u8, any::<u8>()];
    let bytes = prop::collection::vec(byte, 344..480);
    let length = prop_oneof![Just(0), 0..150_u32];
    let parts = prop::collection::vec((length, 330..490_u32), 3);
    let config =
        ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() };
    let tried = TestRunner::new(config).run(&(bytes, parts), |(bytes, parts)| {
        let mut bytes = bytes.into_boxed_slice();
        // A size that is none of a file is refused before anything else.
        bytes[15] = 0;
        for (at, (length, offset)) in [56, 64, 72].into_iter().zip(parts) {
            bytes[at..at + 4].copy_from_slice(&length.to_le_bytes());
            bytes[at + 4..at + 8].copy_from_slice(&offset.to_le_bytes());
        }
        let size = u32::try_from(bytes.len()).unwrap();
        let code = write(running.handle, wide("a").as_ptr(), bytes.as_ptr().cast(), size);
        prop_assert!(code == HResult::OK || code == HResult::INVALID_ARGUMENT, "{}", code);
        Ok(())
    });
    tried.unwrap();
    let written = fake.calls().iter().filter(|call| matches!(call, Call::Placeholder(..))).count();
    assert!(written > 0, "all bytes were refused");
}
