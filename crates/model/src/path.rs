//! Manifest paths without loss: text that may hold what a Rust `str` cannot.
//!
//! Manifests carry Python strings. A Linux name that is not UTF-8 appears in them with one lone
//! surrogate U+DC80..U+DCFF for each odd byte, a Windows name may hold any unpaired surrogate
//! (`deadline.md` 1.4). Both are kept here as WTF-8: UTF-8 that also encodes lone surrogates.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A borrowed manifest path, or a part of one, in WTF-8.
///
/// Holds any text: whether it is a safe relative path is decided by the decoder.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathRef<'a>(&'a [u8]);

impl<'a> PathRef<'a> {
    /// Wraps bytes that are already WTF-8. Not checked: odd bytes print as `\xNN` escapes.
    #[must_use]
    pub const fn from_wtf8(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The WTF-8 bytes.
    #[must_use]
    pub const fn as_wtf8(self) -> &'a [u8] {
        self.0
    }

    /// The path as text, if it holds no lone surrogate.
    #[must_use]
    pub fn to_str(self) -> Option<&'a str> {
        std::str::from_utf8(self.0).ok()
    }

    /// The components between `/`, an empty one included for each doubled or outer slash.
    pub fn components(self) -> impl DoubleEndedIterator<Item = PathRef<'a>> + Clone {
        self.0.split(|&byte| byte == b'/').map(PathRef)
    }

    /// The last component.
    #[must_use]
    pub fn file_name(self) -> PathRef<'a> {
        let start = self.0.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        PathRef(self.0.get(start..).unwrap_or_default())
    }

    /// The bytes that a Linux name has: each U+DC80..U+DCFF becomes the one byte it stands for.
    ///
    /// `None` if the name holds another lone surrogate (a Windows name), or escapes that together
    /// would read as valid UTF-8: Linux has no name that this could be.
    #[must_use]
    pub fn to_unix(self) -> Option<Cow<'a, [u8]>> {
        if std::str::from_utf8(self.0).is_ok() {
            return Some(Cow::Borrowed(self.0));
        }
        let mut bytes = Vec::with_capacity(self.0.len());
        let mut rest = self.0;
        while let Some((&first, tail)) = rest.split_first() {
            match rest {
                // U+DC80..U+DCFF in WTF-8: ED B2 80..BF and ED B3 80..BF.
                [0xED, high @ (0xB2 | 0xB3), low @ 0x80..=0xBF, tail @ ..] => {
                    bytes.push(((high & 0x03) << 6) | (low & 0x3F));
                    rest = tail;
                }
                [0xED, 0xA0..=0xBF, ..] => return None,
                _ => {
                    bytes.push(first);
                    rest = tail;
                }
            }
        }
        (PathBuf::from_unix(&bytes).as_ref() == self).then_some(Cow::Owned(bytes))
    }

    /// The UTF-16 units that Windows, and Python's sort order, use.
    pub fn utf16(self) -> impl Iterator<Item = u16> + 'a {
        Utf16Units { bytes: self.0, pending: None }
    }

    /// Orders by whole UTF-16 units, as manifests are sorted (`deadline.md` 1.2).
    #[must_use]
    pub fn cmp_utf16(self, other: PathRef<'_>) -> Ordering {
        let same = self.0.iter().zip(other.0).take_while(|(a, b)| a == b).count();
        match (self.0.get(same), other.0.get(same)) {
            // Bytes and units sort alike, but for characters above U+FFFF (first byte F0 and up,
            // first unit D800 and up) against those from U+D800 on (first byte ED and up).
            (Some(a), Some(b)) if *a.min(b) >= 0xED && *a.max(b) >= 0xF0 => {
                self.skip(same).utf16().cmp(other.skip(same).utf16())
            }
            (a, b) => a.cmp(&b),
        }
    }

    /// The bytes from `start` on.
    fn skip(self, start: usize) -> Self {
        Self(self.0.get(start..).unwrap_or_default())
    }

    /// The path without its last component; `None` directly below the root, or below `/`.
    #[must_use]
    pub fn parent(self) -> Option<Self> {
        let slash = self.0.iter().rposition(|&byte| byte == b'/').filter(|&at| at > 0)?;
        self.0.get(..slash).map(PathRef)
    }

    /// Whether this path lies below `folder`, at any depth.
    #[must_use]
    pub fn is_below(self, folder: PathRef<'_>) -> bool {
        self.0.strip_prefix(folder.0).is_some_and(|rest| rest.starts_with(b"/"))
    }

    /// Whether the bytes are well-formed WTF-8, as everything decoded from JSON is: each unit
    /// sequence has exactly one form, so a surrogate pair is never two 3-byte characters.
    #[must_use]
    pub fn is_well_formed(self) -> bool {
        if std::str::from_utf8(self.0).is_ok() {
            return true;
        }
        let mut wtf8 = Vec::with_capacity(self.0.len());
        for decoded in char::decode_utf16(self.utf16()) {
            let code = decoded.map_or_else(|lone| u32::from(lone.unpaired_surrogate()), u32::from);
            push_wtf8(&mut wtf8, code);
        }
        wtf8 == self.0
    }
}

/// Appends one code point, which may be a surrogate; what is none becomes U+FFFD.
pub(crate) fn push_wtf8(wtf8: &mut Vec<u8>, code: u32) {
    match (char::from_u32(code), code) {
        (Some(character), _) => {
            wtf8.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        (None, 0xD800..=0xDFFF) => {
            let low = |shift: u32| 0x80 | (code >> shift & 0x3F) as u8;
            wtf8.extend([0xED, low(6), low(0)]);
        }
        (None, _) => wtf8.extend_from_slice("\u{FFFD}".as_bytes()),
    }
}

/// Splits a v2025 name `$N/rest` into the digits of `N` and `rest` (`deadline.md` 2.1).
pub(crate) fn reference(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let name = name.strip_prefix(b"$")?;
    let len = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = name.split_at_checked(len)?;
    Some((digits, rest.strip_prefix(b"/")?)).filter(|_| len > 0)
}

/// Walks WTF-8 and yields UTF-16 units; malformed bytes yield U+FFFD each.
struct Utf16Units<'a> {
    bytes: &'a [u8],
    pending: Option<u16>,
}

impl Iterator for Utf16Units<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if let Some(unit) = self.pending.take() {
            return Some(unit);
        }
        let low = |byte: u8| u32::from(byte & 0x3F);
        let (code, len) = match *self.bytes {
            [] => return None,
            [a @ 0..=0x7F, ..] => (u32::from(a), 1),
            [a @ 0xC2..=0xDF, b, ..] => (u32::from(a & 0x1F) << 6 | low(b), 2),
            [a @ 0xE0..=0xEF, b, c, ..] => (u32::from(a & 0x0F) << 12 | low(b) << 6 | low(c), 3),
            [a @ 0xF0..=0xF4, b, c, d, ..] => {
                (u32::from(a & 0x07) << 18 | low(b) << 12 | low(c) << 6 | low(d), 4)
            }
            _ => (0xFFFD, 1),
        };
        self.bytes = self.bytes.get(len..).unwrap_or_default();
        if code < 0x1_0000 {
            return u16::try_from(code).ok();
        }
        let offset = code - 0x1_0000;
        self.pending = u16::try_from(0xDC00 | (offset & 0x3FF)).ok();
        u16::try_from(0xD800 | (offset >> 10)).ok()
    }
}

impl fmt::Display for PathRef<'_> {
    /// Readable and unambiguous: control characters and lone surrogates are escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for decoded in char::decode_utf16(self.utf16()) {
            match decoded {
                Ok(c) if c.is_control() || c == '\\' => write!(f, "{}", c.escape_default())?,
                Ok(c) => write!(f, "{c}")?,
                Err(lone) => write!(f, "\\u{:04x}", lone.unpaired_surrogate())?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<'a> From<&'a str> for PathRef<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

/// An owned [`PathRef`].
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct PathBuf(Vec<u8>);

impl PathBuf {
    /// Takes bytes that are already WTF-8.
    #[must_use]
    pub const fn from_wtf8(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Reads a Linux name or path: each byte that is not UTF-8 becomes U+DC00 + byte, as Python
    /// does (`surrogateescape`).
    #[must_use]
    pub fn from_unix(bytes: &[u8]) -> Self {
        let mut wtf8 = Vec::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            wtf8.extend_from_slice(chunk.valid().as_bytes());
            for byte in chunk.invalid() {
                wtf8.extend([0xED, 0xB0 | byte >> 6, 0x80 | byte & 0x3F]);
            }
        }
        Self(wtf8)
    }

    /// The borrowed form.
    #[must_use]
    pub fn as_ref(&self) -> PathRef<'_> {
        PathRef(&self.0)
    }

    /// Appends `/` (unless this is empty) and `component`.
    pub fn push(&mut self, component: PathRef<'_>) {
        if !self.0.is_empty() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(component.0);
    }
}

impl From<PathRef<'_>> for PathBuf {
    fn from(path: PathRef<'_>) -> Self {
        Self(path.0.to_vec())
    }
}

impl From<&str> for PathBuf {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Display for PathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for PathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_names_that_are_not_utf8_survive() {
        for name in [
            &b"bad\xff.txt"[..],
            b"dir\xc3/\x80\x81.bin",
            b"ok",
            b"\xed\xa0\x80",
            "\u{1F600}".as_bytes(),
        ] {
            let path = PathBuf::from_unix(name);
            assert_eq!(path.as_ref().to_unix().as_deref(), Some(name));
        }
        assert_eq!(PathBuf::from_unix(b"bad\xff").to_string(), "bad\\udcff");
    }

    #[test]
    fn names_that_linux_cannot_have_are_told_apart() {
        let windows = PathRef::from_wtf8(b"\xed\xa0\xbd.txt");
        assert_eq!(windows.to_unix(), None);
        // U+DCC3 U+DCA9 would be the bytes of the character U+00E9, which reads back as that.
        let escaped_utf8 = PathRef::from_wtf8(b"\xed\xb3\x83\xed\xb2\xa9");
        assert_eq!(escaped_utf8.to_unix(), None);
    }

    #[test]
    fn order_is_by_utf16_units() {
        let sorted = ["a-b/c", "a.txt", "a/z.txt", "\u{1F600}.png", "\u{E000}.txt", "\u{FF21}.txt"];
        for pair in sorted.windows(2) {
            assert_eq!(PathRef::from(pair[0]).cmp_utf16(PathRef::from(pair[1])), Ordering::Less);
        }
    }
}
