//! The current v2025 draft (`deadline.md` 2.1): `relative-manifest-snapshot-beta-2025-12` and its
//! three siblings.
//!
//! Every parent folder is listed in `dirs`, so that a name holds at most one `/`. Files are in
//! UTF-16 order as in v2023, folders in code point order: the draft has it so.

use std::collections::HashMap;

use crate::directories;
use crate::encode::{push_escaped, push_hash, push_number, push_text};
use crate::manifest::{Content, Entry, EntryKind, Manifest, Spec};
use crate::path::PathRef;

/// The place of each folder in `dirs`.
type Index<'a> = HashMap<PathRef<'a>, usize>;

/// Encodes a v2025 manifest.
pub(super) fn encode(manifest: &Manifest, spec: Spec) -> String {
    let mut dirs = listed_directories(manifest);
    // WTF-8 bytes sort as code points do.
    dirs.sort_unstable_by_key(|(path, _)| path.as_wtf8());
    let index: Index<'_> = dirs.iter().enumerate().map(|(at, (path, _))| (*path, at)).collect();

    let mut out = String::from(r#"{"dirs":["#);
    for (at, (path, deleted)) in dirs.iter().enumerate() {
        out.push_str(if at == 0 { "{" } else { ",{" });
        if *deleted {
            out.push_str(r#""delete":true,"#);
        }
        push_name(&mut out, *path, &index);
        out.push('}');
    }
    let chunk_size = manifest.chunk_size.map_or(-1, u64::cast_signed);
    push_number(&mut out, r#"],"fileChunkSizeBytes":"#, chunk_size);
    out.push_str(r#","files":["#);
    let files = manifest.entries().filter(|entry| !is_directory(&entry.kind));
    for (at, entry) in files.enumerate() {
        out.push_str(if at == 0 { "{" } else { ",{" });
        push_file(&mut out, &entry, &index);
        out.push('}');
    }
    out.push_str(r#"],"hashAlg":"xxh128""#);
    if let Some(parent) = manifest.parent_hash {
        out.push_str(r#","parentManifestHash":"#);
        push_hash(&mut out, parent);
    }
    push_number(&mut out, r#","specificationVersion":"#, format_args!("\"{}\"", spec.name()));
    push_number(&mut out, r#","totalSize":"#, manifest.total_size);
    out.push('}');
    out
}

/// All folders with whether they are deletions: those with an entry, and all other parents.
fn listed_directories(manifest: &Manifest) -> Vec<(PathRef<'_>, bool)> {
    let mut dirs: Vec<_> = manifest
        .entries()
        .filter_map(|entry| match entry.kind {
            EntryKind::Directory => Some((entry.path, false)),
            EntryKind::DeletedDirectory => Some((entry.path, true)),
            _ => None,
        })
        .collect();
    // Where a target passes through a link or a file, listing that as a folder would clash with it.
    let targets = manifest.entries().filter_map(|entry| match entry.kind {
        EntryKind::Symlink { target } if !manifest.table.is_below_leaf(target) => Some(target),
        _ => None,
    });
    let paths = manifest.entries().map(|entry| entry.path).chain(targets);
    let implied = directories::parents(paths, dirs.iter().map(|(path, _)| *path));
    dirs.extend(implied.into_iter().map(|path| (path, false)));
    dirs
}

/// Whether an entry belongs into `dirs` instead of `files`.
const fn is_directory(kind: &EntryKind<'_>) -> bool {
    matches!(kind, EntryKind::Directory | EntryKind::DeletedDirectory)
}

/// Appends the fields of an entry of `files`, sorted by key.
fn push_file(out: &mut String, entry: &Entry<'_>, index: &Index<'_>) {
    match entry.kind {
        EntryKind::Directory | EntryKind::DeletedDirectory => {}
        EntryKind::DeletedFile => {
            out.push_str(r#""delete":true,"#);
            push_name(out, entry.path, index);
        }
        EntryKind::Symlink { target } => {
            push_name(out, entry.path, index);
            out.push_str(r#","symlink":{"#);
            push_name(out, target, index);
            out.push('}');
        }
        EntryKind::File(file) => {
            match file.content {
                Content::Whole(hash) => {
                    out.push_str(r#""hash":"#);
                    push_hash(out, hash);
                }
                Content::Chunked { hashes, .. } => {
                    out.push_str(r#""chunkhashes":["#);
                    for (at, hash) in hashes.iter().enumerate() {
                        out.push_str(if at == 0 { "" } else { "," });
                        push_hash(out, *hash);
                    }
                    out.push(']');
                }
            }
            push_number(out, r#","mtime":"#, file.mtime_us);
            out.push(',');
            push_name(out, entry.path, index);
            out.push_str(if file.runnable { r#","runnable":true"# } else { "" });
            push_number(out, r#","size":"#, file.size);
        }
    }
}

/// Appends `"name":"…"`, with the deepest listed folder as `$N`. That is the parent, but for the
/// targets of links that pass through another link.
fn push_name(out: &mut String, path: PathRef<'_>, index: &Index<'_>) {
    out.push_str(r#""name":"#);
    let mut folder = path.parent();
    while let Some(parent) = folder {
        if let Some(at) = index.get(&parent) {
            let rest = path.as_wtf8().get(parent.as_wtf8().len() + 1..).unwrap_or_default();
            push_number(out, "\"$", at);
            out.push('/');
            push_escaped(out, PathRef::from_wtf8(rest));
            out.push('"');
            return;
        }
        folder = parent.parent();
    }
    push_text(out, path);
}
