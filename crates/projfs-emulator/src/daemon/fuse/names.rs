//! Names and link targets of Linux as those of Windows, and back.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::contract::{HResult, Result, Wide};
use crate::engine::wtf8;

const SLASH: u16 = b'/' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// A name.
///
/// # Errors
/// INVALID_NAME if no Windows name has these bytes. A backslash would make it a path.
pub(super) fn wide(name: &OsStr) -> Result<Wide> {
    let name = wtf8::decode(name.as_bytes()).ok_or(HResult::INVALID_NAME)?;
    if name.units().contains(&BACKSLASH) { Err(HResult::INVALID_NAME) } else { Ok(name) }
}

/// The bytes of a name.
pub(super) fn bytes(name: &Wide) -> OsString {
    OsString::from_vec(wtf8::encode(name))
}

/// A link's target as Windows keeps it.
///
/// # Errors
/// INVALID_NAME if no Windows path has these bytes.
pub(super) fn target(target: &OsStr) -> Result<Wide> {
    let target = wtf8::decode(target.as_bytes()).ok_or(HResult::INVALID_NAME)?;
    Ok(swapped(&target, SLASH, BACKSLASH))
}

/// The bytes of a link's target, with separators that Linux follows.
pub(super) fn target_bytes(target: &Wide) -> Vec<u8> {
    wtf8::encode(&swapped(target, BACKSLASH, SLASH))
}

fn swapped(path: &Wide, from: u16, to: u16) -> Wide {
    let units = path.units().iter().map(|unit| if *unit == from { to } else { *unit });
    Wide::new(units.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_makes_no_path() {
        assert_eq!(wide(OsStr::new(r"a\b")), Err(HResult::INVALID_NAME));
        assert_eq!(wide(OsStr::from_bytes(b"\xFF")), Err(HResult::INVALID_NAME));
        assert_eq!(bytes(&wide(OsStr::new("Grün.txt")).unwrap()), "Grün.txt");
    }

    #[test]
    fn targets_lead_on_both_systems() {
        let kept = target(OsStr::new("../a/b")).unwrap();
        assert_eq!(kept, Wide::from(r"..\a\b"));
        assert_eq!(target_bytes(&kept), b"../a/b");
    }
}
