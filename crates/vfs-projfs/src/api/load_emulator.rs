//! The functions of the emulator.

use std::sync::OnceLock;

use projfs_emulator::provider::{Library, table};

use super::ProjFsApi;
use crate::error::ProjFsError;

pub(super) fn load() -> Result<&'static ProjFsApi, ProjFsError> {
    static API: OnceLock<ProjFsApi> = OnceLock::new();
    if let Some(api) = API.get() {
        return Ok(api);
    }
    let api = ProjFsApi::from_emulator(table())?;
    Ok(API.get_or_init(|| api))
}

impl ProjFsApi {
    /// The functions of an emulated Windows, such as an early one.
    pub(crate) fn from_emulator(library: &Library) -> Result<Self, ProjFsError> {
        let find = |name: &std::ffi::CStr| library.function(name.to_str().ok()?);
        // SAFETY: the table has functions of this process under the names of the library.
        unsafe { Self::find(find) }
            .map_err(|name| ProjFsError::FeatureMissing { reason: format!("it lacks {name:?}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a2_a_library_without_one_of_the_functions_is_refused_by_name() {
        let find = |lacking: &'static str| {
            move |name: &std::ffi::CStr| {
                let name = name.to_str().unwrap();
                (name != lacking).then(|| table().function(name)).flatten()
            }
        };
        // SAFETY: the functions of the emulator under their names.
        let found = |lacking| unsafe { ProjFsApi::find(find(lacking)) };
        assert_eq!(found("PrjWriteFileData").unwrap_err(), c"PrjWriteFileData");
        // Before Windows 10 2004 (projfs.md A3).
        assert!(!found("PrjFillDirEntryBuffer2").unwrap().has_links());
        assert!(!found("PrjWritePlaceholderInfo2").unwrap().has_links());
        assert!(found("").unwrap().has_links());
    }
}
