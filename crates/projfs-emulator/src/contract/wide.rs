//! Windows strings: names and backslash-separated paths in UTF-16, well formed or not.

use std::fmt;

use serde::{Deserialize, Serialize};

const BACKSLASH: u16 = b'\\' as u16;

/// A name, a path relative to a root ("" is the root), or a pattern; no NUL inside (`projfs.md A6`).
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wide(Vec<u16>);

impl Wide {
    /// From units as they are.
    #[must_use]
    pub const fn new(units: Vec<u16>) -> Self {
        Self(units)
    }

    /// The units, without NUL.
    #[must_use]
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The units with a NUL behind, for C.
    #[must_use]
    pub fn to_c(&self) -> Vec<u16> {
        let mut units = self.0.clone();
        units.push(0);
        units
    }

    /// Its components, outermost first; empty ones (a trailing or doubled separator) are left out.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = Self> + '_ {
        let parts = self.0.split(|unit| *unit == BACKSLASH);
        parts.filter(|part| !part.is_empty()).map(|part| Self(part.to_vec()))
    }

    /// The folder and the last component; `None` for the root.
    #[must_use]
    pub fn split_leaf(&self) -> Option<(Self, Self)> {
        let mut components: Vec<_> = self.components().collect();
        let leaf = components.pop()?;
        Some((components.into_iter().fold(Self::default(), |path, name| path.join(&name)), leaf))
    }

    /// This path with one more component (or path) behind.
    #[must_use]
    pub fn join(&self, name: &Self) -> Self {
        let mut units = self.0.clone();
        if !units.is_empty() && !name.is_empty() {
            units.push(BACKSLASH);
        }
        units.extend_from_slice(&name.0);
        Self(units)
    }
}

impl From<&str> for Wide {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl fmt::Display for Wide {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf16_lossy(&self.0))
    }
}

impl fmt::Debug for Wide {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", String::from_utf16_lossy(&self.0))
    }
}
