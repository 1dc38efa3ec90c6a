//! Reads PRJ_PLACEHOLDER_INFO with the variable data behind it (C4).

use std::mem::{offset_of, size_of};
use std::sync::Arc;

use windows_sys::Win32::Storage::ProjectedFileSystem::PRJ_PLACEHOLDER_INFO;

use super::arguments::{basic, not_null, version};
use super::misuse::broke;
use crate::contract::{HResult, PlaceholderInfo, Result, Wide};
use crate::link::Driver;

/// Most bytes of a placeholder's information: extended attributes, a security descriptor and the
/// names of streams have at most 64 KiB each on NTFS.
const LARGEST: usize = size_of::<PRJ_PLACEHOLDER_INFO>() + 3 * 0x1_0000;

/// What a placeholder is to be, without where a link leads.
///
/// # Errors
/// INSUFFICIENT_BUFFER if `size` is less than the structure's (C4); INVALID_ARGUMENT for NULL and
/// for variable data that is not within `size`.
///
/// # Safety
/// It must be NULL, or readable for `size` bytes.
pub(super) unsafe fn placeholder_info(
    driver: &Arc<dyn Driver>,
    info: *const PRJ_PLACEHOLDER_INFO,
    size: u32,
) -> Result<PlaceholderInfo> {
    not_null(info)?;
    let size = usize::try_from(size).map_err(|_| HResult::INVALID_ARGUMENT)?;
    if size < size_of::<PRJ_PLACEHOLDER_INFO>() {
        let whole = size_of::<PRJ_PLACEHOLDER_INFO>();
        let what = format!("placeholderInfoSize is {size}: pass sizeof, which is {whole}");
        // Windows fails it too, strict or not.
        let _ = broke(driver, "C4", what);
        return Err(HResult::INSUFFICIENT_BUFFER);
    }
    if size > LARGEST {
        return Err(HResult::INVALID_ARGUMENT);
    }
    // SAFETY: `size` bytes are readable, which is at least the structure.
    let (basic, version) = unsafe {
        (
            basic(&raw const (*info).FileBasicInfo)?,
            version(&raw const (*info).VersionInfo).unwrap_or_default(),
        )
    };
    // SAFETY: `size` bytes are readable.
    let bytes = unsafe { std::slice::from_raw_parts(info.cast::<u8>(), size) };
    let part = |field: usize| -> Result<&[u8]> {
        let length = number(bytes, field)?;
        if length == 0 {
            return Ok(&[]);
        }
        let start = number(bytes, field + 4)?;
        if start < offset_of!(PRJ_PLACEHOLDER_INFO, VariableData) {
            return Err(HResult::INVALID_ARGUMENT);
        }
        let end = start.checked_add(length).ok_or(HResult::INVALID_ARGUMENT)?;
        bytes.get(start..end).ok_or(HResult::INVALID_ARGUMENT)
    };
    Ok(PlaceholderInfo {
        basic,
        version: *version,
        link: None,
        extended: extended(part(offset_of!(PRJ_PLACEHOLDER_INFO, EaInformation))?)?,
        security: part(offset_of!(PRJ_PLACEHOLDER_INFO, SecurityInformation))?.to_vec(),
        streams: streams(part(offset_of!(PRJ_PLACEHOLDER_INFO, StreamsInformation))?)?,
    })
}

fn number(bytes: &[u8], at: usize) -> Result<usize> {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk());
    let number = u32::from_le_bytes(*bytes.ok_or(HResult::INVALID_ARGUMENT)?);
    usize::try_from(number).map_err(|_| HResult::INVALID_ARGUMENT)
}

/// The records of a chain, each of which begins with the distance to the next; 0 ends it.
fn records(mut chain: &[u8]) -> Result<Vec<&[u8]>> {
    let mut records = Vec::new();
    while !chain.is_empty() {
        let distance = number(chain, 0)?;
        if distance == 0 {
            records.push(chain);
            break;
        }
        let split = chain.split_at_checked(distance);
        let (record, rest) = split.ok_or(HResult::INVALID_ARGUMENT)?;
        records.push(record);
        chain = rest;
    }
    Ok(records)
}

/// FILE_FULL_EA_INFORMATION: NextEntryOffset, Flags u8 @4, EaNameLength u8 @5, EaValueLength
/// u16 @6, name @8 with a NUL, value.
fn extended(chain: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let read = |record: &[u8]| {
        let [_, name, value_low, value_high] = *record.get(4..)?.first_chunk()?;
        let (name, value) = (usize::from(name), u16::from_le_bytes([value_low, value_high]));
        let value_start = 8 + name + 1;
        let value_end = value_start + usize::from(value);
        (record.get(8 + name) == Some(&0)).then_some(())?;
        Some((record.get(8..8 + name)?.to_vec(), record.get(value_start..value_end)?.to_vec()))
    };
    let records = records(chain)?;
    records.into_iter().map(|record| read(record).ok_or(HResult::INVALID_ARGUMENT)).collect()
}

/// FILE_STREAM_INFORMATION: NextEntryOffset, StreamNameLength u32 @4 in bytes, sizes, name @24.
fn streams(chain: &[u8]) -> Result<Vec<Wide>> {
    let read = |record: &[u8]| {
        let length = number(record, 4)?;
        let end = length.checked_add(24).filter(|_| length % 2 == 0);
        let name = end.and_then(|end| record.get(24..end)).ok_or(HResult::INVALID_ARGUMENT)?;
        let units = name.chunks_exact(2).filter_map(|pair| pair.first_chunk());
        Ok(Wide::new(units.map(|pair| u16::from_le_bytes(*pair)).collect()))
    };
    records(chain)?.into_iter().map(read).collect()
}
