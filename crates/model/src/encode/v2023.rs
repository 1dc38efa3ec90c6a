//! The production format `2023-03-03`: bytes identical to the official encoder's.

use crate::encode::{push_hash, push_number, push_text};
use crate::manifest::{Content, Manifest};

/// Bytes of an entry beside its path: keys, a hash, a 16-digit time and a size.
const ENTRY_BYTES: usize = 112;

/// Encodes a v2023 manifest, whose entries are whole files only.
pub(super) fn encode(manifest: &Manifest) -> String {
    let text = manifest.table.text.len();
    let mut out = String::with_capacity(manifest.len() * ENTRY_BYTES + text + 128);
    out.push_str(r#"{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":["#);
    for (index, (path, file)) in manifest.files().enumerate() {
        let Content::Whole(hash) = file.content else { continue };
        out.push_str(if index == 0 { r#"{"hash":"# } else { r#",{"hash":"# });
        push_hash(&mut out, hash);
        push_number(&mut out, r#","mtime":"#, file.mtime_us);
        out.push_str(r#","path":"#);
        push_text(&mut out, path);
        push_number(&mut out, r#","size":"#, file.size);
        out.push('}');
    }
    push_number(&mut out, r#"],"totalSize":"#, manifest.total_size);
    out.push('}');
    out
}
