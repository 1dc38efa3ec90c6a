//! Identifiers of instances, enumerations, files and data streams.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A GUID as its 16 bytes in memory order on a little-endian machine (`projfs.md C2`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// Makes the identifier of a thing that is numbered: `kind` keeps the numberings apart. The
    /// same arguments give the same identifier, so that runs can be repeated.
    #[must_use]
    pub const fn numbered(kind: u32, number: u64) -> Self {
        let [a, b, c, d] = kind.to_le_bytes();
        let [e, f, g, h, i, j, k, l] = number.to_le_bytes();
        // 0x40 and 0x80: version 4 of the GUID layout, so that tools show it as one.
        Self([a, b, c, d, 0x50, 0x52, 0x46, 0x40, 0x80, e, f, g, h, i ^ j, k, l])
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f, g, h, rest @ ..] = self.0;
        write!(formatter, "{:08x}-", u32::from_le_bytes([a, b, c, d]))?;
        write!(
            formatter,
            "{:04x}-{:04x}-",
            u16::from_le_bytes([e, f]),
            u16::from_le_bytes([g, h])
        )?;
        for (index, byte) in rest.iter().enumerate() {
            write!(formatter, "{}{byte:02x}", if index == 2 { "-" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
