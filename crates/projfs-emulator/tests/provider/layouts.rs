//! Structures are where C has them (projfs.md C).

use std::mem::{offset_of, size_of};

use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACK_DATA as Data, PRJ_CALLBACKS as Callbacks,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS as Extended, PRJ_EXTENDED_INFO,
    PRJ_FILE_BASIC_INFO as Basic, PRJ_NOTIFICATION_MAPPING as Mapping, PRJ_NOTIFICATION_PARAMETERS,
    PRJ_PLACEHOLDER_INFO as Placeholder, PRJ_PLACEHOLDER_VERSION_INFO as Version,
    PRJ_STARTVIRTUALIZING_OPTIONS as Options, PRJ_VIRTUALIZATION_INSTANCE_INFO as Info,
};

#[test]
fn callbacks_have_end_before_get() {
    let offsets = [
        offset_of!(Callbacks, StartDirectoryEnumerationCallback),
        offset_of!(Callbacks, EndDirectoryEnumerationCallback),
        offset_of!(Callbacks, GetDirectoryEnumerationCallback),
        offset_of!(Callbacks, GetPlaceholderInfoCallback),
        offset_of!(Callbacks, GetFileDataCallback),
        offset_of!(Callbacks, QueryFileNameCallback),
        offset_of!(Callbacks, NotificationCallback),
        offset_of!(Callbacks, CancelCommandCallback),
    ];
    assert_eq!(offsets, [0, 8, 16, 24, 32, 40, 48, 56]);
    assert_eq!(size_of::<Callbacks>(), 64);
}

#[test]
fn callback_data_is_as_in_c() {
    let offsets = [
        offset_of!(Data, Size),
        offset_of!(Data, Flags),
        offset_of!(Data, NamespaceVirtualizationContext),
        offset_of!(Data, CommandId),
        offset_of!(Data, FileId),
        offset_of!(Data, DataStreamId),
        offset_of!(Data, FilePathName),
        offset_of!(Data, VersionInfo),
        offset_of!(Data, TriggeringProcessId),
        offset_of!(Data, TriggeringProcessImageFileName),
        offset_of!(Data, InstanceContext),
    ];
    assert_eq!(offsets, [0, 4, 8, 16, 20, 36, 56, 64, 72, 80, 88]);
    assert_eq!(size_of::<Data>(), 96);
}

#[test]
fn what_providers_write_is_as_in_c() {
    let basic = [
        offset_of!(Basic, IsDirectory),
        offset_of!(Basic, FileSize),
        offset_of!(Basic, CreationTime),
        offset_of!(Basic, LastAccessTime),
        offset_of!(Basic, LastWriteTime),
        offset_of!(Basic, ChangeTime),
        offset_of!(Basic, FileAttributes),
    ];
    assert_eq!(basic, [0, 8, 16, 24, 32, 40, 48]);
    assert_eq!(size_of::<Basic>(), 56);
    let placeholder = [
        offset_of!(Placeholder, EaInformation),
        offset_of!(Placeholder, SecurityInformation),
        offset_of!(Placeholder, StreamsInformation),
        offset_of!(Placeholder, VersionInfo),
        offset_of!(Placeholder, VariableData),
    ];
    assert_eq!(placeholder, [56, 64, 72, 80, 336]);
    assert_eq!(size_of::<Placeholder>(), 344);
    assert_eq!((offset_of!(Version, ContentID), size_of::<Version>()), (128, 256));
}

#[test]
fn small_structures_are_as_in_c() {
    assert_eq!(offset_of!(Options, NotificationMappings), 16);
    assert_eq!((offset_of!(Options, NotificationMappingsCount), size_of::<Options>()), (24, 32));
    assert_eq!((offset_of!(Mapping, NotificationRoot), size_of::<Mapping>()), (8, 16));
    assert_eq!(size_of::<PRJ_NOTIFICATION_PARAMETERS>(), 4);
    assert_eq!(offset_of!(PRJ_EXTENDED_INFO, Anonymous), 8);
    assert_eq!(size_of::<PRJ_EXTENDED_INFO>(), 16);
    assert_eq!((offset_of!(Info, WriteAlignment), size_of::<Info>()), (16, 20));
    assert_eq!((offset_of!(Extended, Anonymous), size_of::<Extended>()), (8, 16));
}
