//! Notification mappings (K2): read at the start, and watched, because they must stay as they are
//! until the stop.

use std::mem::{offset_of, size_of};
use std::sync::Arc;

use windows_sys::Win32::Storage::ProjectedFileSystem::PRJ_NOTIFICATION_MAPPING;
use windows_sys::core::PCWSTR;

use super::arguments::{not_null, wide};
use super::memory::still_holds;
use super::misuse::broke;
use crate::contract::{HResult, NotificationMapping, NotifyMask, Result, Wide};
use crate::link::Driver;

/// Most mappings that an instance can have.
const MOST: usize = 65_536;

/// Where the mappings of a running instance are, and what was there at its start.
#[derive(Debug, Default)]
pub(super) struct WatchedMappings {
    pieces: Vec<(usize, Vec<u8>)>,
}

/// The mappings, and a watch on them.
///
/// # Errors
/// INVALID_ARGUMENT for NULL and for too many.
///
/// # Safety
/// `count` mappings must be readable, with their strings.
pub(super) unsafe fn mappings(
    array: *const PRJ_NOTIFICATION_MAPPING,
    count: u32,
) -> Result<(Vec<NotificationMapping>, WatchedMappings)> {
    let count = usize::try_from(count).map_err(|_| HResult::INVALID_ARGUMENT)?;
    let mut read: Vec<NotificationMapping> = Vec::new();
    let mut watched = WatchedMappings::default();
    if count > 0 {
        not_null(array)?;
    }
    if count > MOST {
        return Err(HResult::INVALID_ARGUMENT);
    }
    for index in 0..count {
        // SAFETY: one of the `count` that are readable.
        let mapping = unsafe { array.add(index).read_unaligned() };
        // SAFETY: the caller's promise.
        let root = unsafe { wide(mapping.NotificationRoot) }?;
        watched.add(array.addr() + index * size_of::<PRJ_NOTIFICATION_MAPPING>(), &mapping, &root);
        let mask = NotifyMask::from_bits_retain(mapping.NotificationBitMask);
        read.push(NotificationMapping { root, mask });
    }
    Ok((read, watched))
}

impl WatchedMappings {
    fn add(&mut self, at: usize, mapping: &PRJ_NOTIFICATION_MAPPING, root: &Wide) {
        let string: PCWSTR = mapping.NotificationRoot;
        // Field by field: nobody owes us what is in between.
        let mask = at + offset_of!(PRJ_NOTIFICATION_MAPPING, NotificationBitMask);
        let pointer = at + offset_of!(PRJ_NOTIFICATION_MAPPING, NotificationRoot);
        self.pieces.push((mask, mapping.NotificationBitMask.to_ne_bytes().to_vec()));
        self.pieces.push((pointer, string.addr().to_ne_bytes().to_vec()));
        let units = root.to_c();
        let bytes = units.iter().flat_map(|unit| unit.to_ne_bytes()).collect();
        self.pieces.push((string.addr(), bytes));
    }

    /// Reports mappings that were changed or freed since.
    pub(super) fn check(&self, driver: &Arc<dyn Driver>) {
        let changed = self.pieces.iter().position(|(at, bytes)| !still_holds(*at, bytes));
        if let Some(piece) = changed {
            let what = format_args!(
                "notification mapping {} was changed or freed before the stop",
                // Each mapping has three pieces.
                piece / 3
            );
            // The stop goes on: there is nothing that it could fail with.
            let _ = broke(driver, "K2", what);
        }
    }
}
