//! Calls that need no running instance.

use std::cmp::Ordering;
use std::path::Path;
use std::ptr;

use windows_sys::core::GUID;

use super::functions::ProjFsApi;
use super::instance::Failure;
use super::{codes, wide};
use crate::error::ProjFsError;

impl ProjFsApi {
    /// Makes a folder a root with this identity (projfs.md M1, M2); whether it was one before,
    /// which is as good (projfs.md M3). Never from a callback (projfs.md L8).
    ///
    /// # Errors
    /// [`ProjFsError::Api`] says what to do.
    pub(crate) fn mark_root(&self, path: &Path, instance: u128) -> Result<bool, ProjFsError> {
        let (root, instance) = (wide::full_path(path)?, GUID::from_u128(instance));
        // SAFETY: everything that is pointed to lives during the call.
        let code = unsafe {
            let none = ptr::null();
            (self.PrjMarkDirectoryAsPlaceholder)(root.as_ptr(), none, ptr::null(), &instance)
        };
        match code {
            codes::REPARSE_POINT_ENCOUNTERED => Ok(true),
            0.. => Ok(false),
            _ => Err(ProjFsError::Api {
                action: "make a projected folder of",
                path: path.to_owned(),
                function: "PrjMarkDirectoryAsPlaceholder",
                hresult: code.cast_unsigned(),
                advice: codes::advice(code),
            }),
        }
    }

    /// What is on disk at a full path, as bits (projfs.md D6). Needs no running instance. Never
    /// from a callback: of a running root it may make the item (projfs.md M15).
    pub(crate) fn on_disk_state(&self, full_path: &[u16]) -> Result<u32, Failure> {
        let (path, mut state) = (wide::with_nul(full_path), 0);
        // SAFETY: everything that is pointed to lives during the call.
        let code = unsafe { (self.PrjGetOnDiskFileState)(path.as_ptr(), &raw mut state) };
        Failure::check(code).map(|()| state.cast_unsigned())
    }

    /// The order in which the library believes NTFS to list two names (projfs.md G1, G2).
    pub(crate) fn compare(&self, a: &[u16], b: &[u16]) -> Ordering {
        let (a, b) = (wide::with_nul(a), wide::with_nul(b));
        // SAFETY: both are NUL-terminated and live during the call.
        unsafe { (self.PrjFileNameCompare)(a.as_ptr(), b.as_ptr()) }.cmp(&0)
    }
}
