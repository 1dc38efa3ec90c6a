//! Folders on Windows: which disk they are on, and whether ProjFS has them.
#![expect(unsafe_code, reason = "what std does not ask Windows")]

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::path::{Path, PathBuf};

use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_ATTRIBUTE_TAG_INFO, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FileAttributeTagInfo, GetDriveTypeW,
    GetFileInformationByHandleEx, GetVolumeInformationW, GetVolumePathNameW,
};
use windows_sys::Win32::System::WindowsProgramming::{DRIVE_FIXED, DRIVE_RAMDISK, DRIVE_REMOVABLE};

use crate::api::ProjFsApi;
use crate::error::ProjFsError;

/// The tag of all that ProjFS has on disk (projfs.md D7).
const IO_REPARSE_TAG_PROJFS: u32 = 0x9000_001C;
/// Units of a name of a file system, NUL included.
const NAME_UNITS: u32 = 261;

/// What tells one folder from another, as bytes.
pub(crate) fn key(path: &Path) -> Vec<u8> {
    let folded = comparable(path);
    folded.as_os_str().encode_wide().flat_map(u16::to_le_bytes).collect()
}

/// A path that is equal for equal folders.
pub(super) fn comparable(path: &Path) -> PathBuf {
    let units: Vec<u16> = path.as_os_str().encode_wide().collect();
    OsString::from_wide(&ntfs_names::fold(&units)).into()
}

/// Why the disk cannot have a root (projfs.md A4).
pub(super) fn volume_fault(root: &Path) -> io::Result<Option<String>> {
    let volume = volume_of(root)?;
    let name = OsString::from_wide(volume.split(|unit| *unit == 0).next().unwrap_or_default());
    if comparable(Path::new(&name)) == comparable(root) {
        return Ok(Some(
            "it is the top of a drive, which ProjFS handles badly; choose a folder below it".into(),
        ));
    }
    // SAFETY: `volume` ends with a NUL.
    let kind = unsafe { GetDriveTypeW(volume.as_ptr()) };
    if ![DRIVE_FIXED, DRIVE_RAMDISK, DRIVE_REMOVABLE].contains(&kind) {
        return Ok(Some(format!(
            "'{}' is no local disk, and ProjFS needs one; choose a folder on one",
            name.display()
        )));
    }
    let system = file_system(&volume)?;
    if system == "NTFS" {
        return Ok(None);
    }
    Ok(Some(format!(
        "'{}' is formatted as {}, and ProjFS needs NTFS; choose a folder on an NTFS disk",
        name.display(),
        system.display()
    )))
}

/// Where the volume of a folder is mounted, with a NUL.
fn volume_of(folder: &Path) -> io::Result<Vec<u16>> {
    let folder: Vec<u16> = folder.as_os_str().encode_wide().chain([0]).collect();
    // The answer is a beginning of the path, and a backslash.
    let mut volume = vec![0; folder.len() + 1];
    let units = u32::try_from(volume.len()).unwrap_or(u32::MAX);
    // SAFETY: `folder` ends with a NUL, and `volume` has the given length.
    let done = unsafe { GetVolumePathNameW(folder.as_ptr(), volume.as_mut_ptr(), units) };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(volume) }
}

fn file_system(volume: &[u16]) -> io::Result<OsString> {
    let mut name = [0; NAME_UNITS as usize];
    let (null, no_number) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: `volume` ends with a NUL, `name` has the given length, the rest may be NULL.
    let done = unsafe {
        GetVolumeInformationW(
            volume.as_ptr(),
            null,
            0,
            no_number,
            no_number,
            no_number,
            name.as_mut_ptr(),
            NAME_UNITS,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(OsString::from_wide(name.split(|unit| *unit == 0).next().unwrap_or_default()))
}

/// Whether a folder was marked as a root, by whomever.
pub(super) fn is_marked(root: &Path, _: &ProjFsApi) -> Result<bool, ProjFsError> {
    reparse_tag(root)
        .map(|tag| tag == Some(IO_REPARSE_TAG_PROJFS))
        .map_err(ProjFsError::io("look at", root))
}

fn reparse_tag(folder: &Path) -> io::Result<Option<u32>> {
    let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
    let folder = fs::OpenOptions::new().access_mode(0).custom_flags(flags).open(folder)?;
    let mut told = FILE_ATTRIBUTE_TAG_INFO::default();
    // SAFETY: the handle is open, and `told` is as large as is said.
    let done = unsafe {
        GetFileInformationByHandleEx(
            folder.as_raw_handle(),
            FileAttributeTagInfo,
            (&raw mut told).cast(),
            size_of_val(&told) as u32,
        )
    };
    if done == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((told.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT != 0).then_some(told.ReparseTag))
}
