//! Content hashes: XXH3-128, the identity of every object in the CAS.
//!
//! A hash is 16 bytes and prints as 32 lower-case hex digits in big-endian canonical form
//! (`deadline.md` 1.1). XXH3-128 detects accidents, not attackers.

use std::fmt;
use std::str::FromStr;

use twox_hash::XxHash3_128;

/// Length of a hash in its printed form.
const HEX_DIGITS: usize = 32;

/// The XXH3-128 (seed 0) of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 16]);

impl ContentHash {
    /// The hash of no bytes at all, which every empty file has.
    pub const EMPTY: Self = Self::from_u128(0x99aa_06d3_0147_98d8_6001_c324_468d_497f);

    /// Hashes `bytes` in one go.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self::from_u128(XxHash3_128::oneshot(bytes))
    }

    /// Wraps the big-endian canonical bytes of a hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    const fn from_u128(value: u128) -> Self {
        Self(value.to_be_bytes())
    }

    /// The big-endian canonical bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Parses exactly 32 lower-case hex digits; `None` for anything else.
    #[must_use]
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        if text.len() != HEX_DIGITS {
            return None;
        }
        let mut bytes = [0; 16];
        let mut any = 0;
        for (byte, [high, low]) in bytes.iter_mut().zip(text.as_chunks().0) {
            let (high, low) = (nibble(*high), nibble(*low));
            any |= high | low;
            *byte = high << 4 | low;
        }
        (any < 16).then_some(Self(bytes))
    }
}

/// The value of one lower-case hex digit; 16 or more for anything else. Without branches: a
/// manifest holds millions of digits.
const fn nibble(digit: u8) -> u8 {
    const VALUES: [u8; 256] = {
        let mut values = [0xF0; 256];
        let mut value = 0;
        while value < 16 {
            values[b"0123456789abcdef"[value] as usize] = value as u8;
            value += 1;
        }
        values
    };
    VALUES[digit as usize]
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text was not 32 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a content hash: expected 32 lower-case hex digits")]
pub struct ParseHashError(String);

impl FromStr for ContentHash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        Self::from_hex(text.as_bytes()).ok_or_else(|| ParseHashError(text.to_owned()))
    }
}

/// Hashes a stream of bytes piece by piece; holds about half a KiB.
#[derive(Clone)]
pub struct ContentHasher(XxHash3_128);

impl ContentHasher {
    /// A hasher that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(XxHash3_128::new())
    }

    /// Feeds the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    /// The hash of everything fed so far; more may follow.
    #[must_use]
    pub fn finish(&self) -> ContentHash {
        ContentHash::from_u128(self.0.finish_128())
    }
}

impl Default for ContentHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ContentHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentHasher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_hash_is_the_official_one() {
        assert_eq!(ContentHash::of(b""), ContentHash::EMPTY);
        assert_eq!(ContentHash::EMPTY.to_string(), "99aa06d3014798d86001c324468d497f");
    }

    #[test]
    fn only_32_lower_case_digits_parse() {
        let text = "0123456789abcdef0123456789abcdef";
        assert_eq!(text.parse::<ContentHash>().unwrap().to_string(), text);
        for bad in ["", "00ff", &text[1..], &text.to_uppercase(), &format!("{text}0")] {
            assert!(bad.parse::<ContentHash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn streaming_equals_one_go() {
        let bytes: Vec<u8> = (0..100_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
        let mut hasher = ContentHasher::new();
        bytes.chunks(977).for_each(|piece| hasher.update(piece));
        assert_eq!(hasher.finish(), ContentHash::of(&bytes));
    }
}
