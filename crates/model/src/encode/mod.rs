//! To canonical bytes: what Python's `json.dumps(sort_keys=True, separators=(",", ":"))` writes.
//!
//! Pure ASCII without a newline at the end (`deadline.md` 1.2), so that equal manifests have equal
//! hashes whoever wrote them.

mod v2023;
mod v2025;

use std::fmt::Write as _;

use crate::hash::ContentHash;
use crate::manifest::{Format, Manifest};
use crate::path::PathRef;

impl Manifest {
    /// The canonical document of this manifest in its own format: `2023-03-03`, or the current
    /// v2025 draft.
    #[must_use]
    pub fn encode(&self) -> String {
        match self.format {
            Format::V2023 => v2023::encode(self),
            Format::V2025(spec) => v2025::encode(self, spec),
        }
    }

    /// The hash of [`Manifest::encode`]'s bytes, by which jobs and diffs name a manifest.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(self.encode().as_bytes())
    }
}

/// Appends `"name":value`, behind a comma unless it is the first.
fn push_number(out: &mut String, key: &str, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{key}{value}");
}

/// Appends a hash in quotes.
fn push_hash(out: &mut String, hash: ContentHash) {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    out.push('"');
    for byte in hash.as_bytes() {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 0x0F));
    }
    out.push('"');
}

/// Appends text in quotes, with everything outside printable ASCII escaped, DEL included.
fn push_text(out: &mut String, text: PathRef<'_>) {
    out.push('"');
    push_escaped(out, text);
    out.push('"');
}

fn push_escaped(out: &mut String, text: PathRef<'_>) {
    let is_plain = |byte: &u8| matches!(byte, 0x20..=0x7E) && *byte != b'"' && *byte != b'\\';
    if let Some(text) = text.to_str().filter(|text| text.as_bytes().iter().all(is_plain)) {
        out.push_str(text);
        return;
    }
    for unit in text.utf16() {
        match (char::from_u32(u32::from(unit)), unit) {
            (Some('"'), _) => out.push_str("\\\""),
            (Some('\\'), _) => out.push_str("\\\\"),
            (Some('\u{8}'), _) => out.push_str("\\b"),
            (Some('\u{C}'), _) => out.push_str("\\f"),
            (Some('\n'), _) => out.push_str("\\n"),
            (Some('\r'), _) => out.push_str("\\r"),
            (Some('\t'), _) => out.push_str("\\t"),
            (Some(plain), 0x20..=0x7E) => out.push(plain),
            _ => push_number(out, "\\u", format_args!("{unit:04x}")),
        }
    }
}
