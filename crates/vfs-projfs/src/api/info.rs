//! Entries of the projection as C has them.

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_NOT_CONTENT_INDEXED,
};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_EXT_INFO_TYPE_SYMLINK, PRJ_EXTENDED_INFO, PRJ_EXTENDED_INFO_0, PRJ_EXTENDED_INFO_0_0,
    PRJ_FILE_BASIC_INFO, PRJ_PLACEHOLDER_INFO, PRJ_PLACEHOLDER_VERSION_INFO,
};

use crate::callbacks::encode_content_id;
use crate::projection::{ProjectedFileInfo, ProjectedKind};

/// What identifies this program's placeholders, and how their ContentID is laid out.
const PROVIDER_ID: &[u8] = b"rusty-attachments 1";

/// Size (projfs.md C4): what ProjFS is told of every placeholder.
pub(super) const PLACEHOLDER_BYTES: u32 = size_of::<PRJ_PLACEHOLDER_INFO>() as u32;

/// Sizes and times. All four times are given, because zero means "now" (projfs.md F16, H7).
pub(super) fn basic(info: &ProjectedFileInfo) -> PRJ_FILE_BASIC_INFO {
    let directory = match info.kind {
        ProjectedKind::Directory => true,
        ProjectedKind::File => false,
        ProjectedKind::Symlink { directory, .. } => directory,
    };
    let size = if info.kind == ProjectedKind::File { info.size } else { 0 };
    PRJ_FILE_BASIC_INFO {
        IsDirectory: directory,
        FileSize: i64::try_from(size).unwrap_or(i64::MAX),
        CreationTime: info.write_time,
        LastAccessTime: info.write_time,
        LastWriteTime: info.write_time,
        ChangeTime: info.write_time,
        FileAttributes: attributes(directory),
    }
}

/// An indexer would read, and with that download, everything it sees (projfs.md P6). Never
/// read-only: that would be in the way of updates (projfs.md E26).
const fn attributes(directory: bool) -> u32 {
    let directory = if directory { FILE_ATTRIBUTE_DIRECTORY } else { 0 };
    directory | FILE_ATTRIBUTE_NOT_CONTENT_INDEXED
}

/// Everything that a placeholder keeps.
pub(super) fn placeholder(info: &ProjectedFileInfo) -> PRJ_PLACEHOLDER_INFO {
    let mut version = PRJ_PLACEHOLDER_VERSION_INFO::default();
    for (to, from) in version.ProviderID.iter_mut().zip(PROVIDER_ID) {
        *to = *from;
    }
    if let Some(content) = info.content {
        version.ContentID = encode_content_id(content);
    }
    PRJ_PLACEHOLDER_INFO {
        FileBasicInfo: basic(info),
        VersionInfo: version,
        ..PRJ_PLACEHOLDER_INFO::default()
    }
}

/// Says of an entry that it is a link to `target`, which has a NUL behind and must live as long as
/// this is used.
pub(super) fn link(target: &[u16]) -> PRJ_EXTENDED_INFO {
    PRJ_EXTENDED_INFO {
        InfoType: PRJ_EXT_INFO_TYPE_SYMLINK,
        NextInfoOffset: 0,
        Anonymous: PRJ_EXTENDED_INFO_0 {
            Symlink: PRJ_EXTENDED_INFO_0_0 { TargetName: target.as_ptr() },
        },
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use windows_sys::Win32::Storage::ProjectedFileSystem::{
        PRJ_CALLBACK_DATA, PRJ_CALLBACKS, PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS,
        PRJ_NOTIFICATION_MAPPING, PRJ_STARTVIRTUALIZING_OPTIONS,
    };

    use super::*;

    #[test]
    fn t1_structures_are_laid_out_as_projfs_wants_them() {
        // projfs.md C1 to C11.
        assert_eq!(PLACEHOLDER_BYTES, 344);
        assert_eq!(offset_of!(PRJ_PLACEHOLDER_INFO, VersionInfo), 80);
        assert_eq!(offset_of!(PRJ_CALLBACKS, EndDirectoryEnumerationCallback), 8);
        assert_eq!(offset_of!(PRJ_CALLBACKS, GetDirectoryEnumerationCallback), 16);
        assert_eq!(size_of::<PRJ_CALLBACK_DATA>(), 96);
        assert_eq!(size_of::<PRJ_FILE_BASIC_INFO>(), 56);
        assert_eq!(size_of::<PRJ_STARTVIRTUALIZING_OPTIONS>(), 32);
        assert_eq!(size_of::<PRJ_NOTIFICATION_MAPPING>(), 16);
        assert_eq!(size_of::<PRJ_EXTENDED_INFO>(), 16);
        assert_eq!(size_of::<PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS>(), 16);
    }
}
