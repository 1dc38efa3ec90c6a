//! Names in the lower directory: the name itself where Linux can spell it, else a stand-in that is
//! made from it, with the name itself in an extended attribute.

use std::fmt;

use rustix::path::Arg;
use twox_hash::XxHash3_128;

use crate::contract::{HResult, Result, Wide};
use crate::engine::wtf8;

/// What all lower names of our own begin with; users' names that do get a stand-in.
const OURS: &[u8] = b".projfs";

/// The folder of temporaries, in the lower root.
pub(super) const TEMPORARIES: &str = ".projfs";

/// Bytes of a name that Linux file systems take.
const LONGEST: usize = 255;

/// UTF-16 units of a name that NTFS takes (`projfs.md G7`).
const LONGEST_UNITS: usize = 255;

/// One component in the lower directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LowerName(Vec<u8>);

impl LowerName {
    /// Where a name is in the lower directory.
    ///
    /// # Errors
    /// INVALID_NAME for what no component can be.
    pub(super) fn of(name: &Wide) -> Result<Self> {
        let units = name.units();
        let bytes = wtf8::encode(name);
        let forbidden = units.iter().any(|unit| *unit == u16::from(b'\\') || *unit == 0);
        if units.is_empty() || units.len() > LONGEST_UNITS || forbidden {
            return Err(HResult::INVALID_NAME);
        }
        let special = bytes == b"." || bytes == b".." || bytes.contains(&b'/');
        if special || bytes.len() > LONGEST || bytes.starts_with(OURS) {
            return Ok(Self(format!(".projfs-{:032x}", XxHash3_128::oneshot(&bytes)).into_bytes()));
        }
        Ok(Self(bytes))
    }

    /// As it was read.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    /// Of a temporary.
    pub(super) fn numbered(number: u64) -> Self {
        Self(number.to_string().into_bytes())
    }

    /// The reverse of [`Self::numbered`].
    pub(super) fn number(&self) -> Option<u64> {
        std::str::from_utf8(&self.0).ok()?.parse().ok()
    }

    /// The name that it stands for, if it tells by itself.
    pub(super) fn plain(&self) -> Option<Wide> {
        let name = wtf8::decode(&self.0)?;
        (Self::of(&name).as_ref() == Ok(self)).then_some(name)
    }

    /// The attribute that has the true name, if this is a stand-in.
    pub(super) fn attribute(&self) -> Option<String> {
        let digits = self.0.strip_prefix(b".projfs-")?;
        let is_hash = digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok()?;
        is_hash.then(|| format!("user.projfs.name.{digits}"))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for LowerName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.0.to_string_lossy())
    }
}
