//! `manifest diff`: what changed from one manifest to another.

use std::cmp::Ordering;
use std::path::Path;

use rusty_attachments_model::{Manifest, PathRef};
use serde::Serialize;

use super::json_path;
use crate::app::Context;
use crate::error::{CliError, Exit};
use crate::files::read_manifest;

/// What one path went through; the words are those of the official command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Change {
    New,
    Modified,
    Deleted,
}

#[derive(Debug, Serialize)]
struct ChangeRecord {
    change: Change,
    path: String,
}

pub(super) fn run(context: &Context, old: &Path, new: &Path) -> Result<Exit, CliError> {
    let (old, new) = (read_manifest(old)?, read_manifest(new)?);
    each_change(&old, &new, |change, path| {
        let word = match change {
            Change::New => "new     ",
            Change::Modified => "modified",
            Change::Deleted => "deleted ",
        };
        let record = ChangeRecord { change, path: json_path(path) };
        context.output.result(format_args!("{word}  {path}"), "change/1", &record)
    })?;
    Ok(Exit::Success)
}

/// Walks both manifests at once; they are sorted alike.
fn each_change<E>(
    old: &Manifest,
    new: &Manifest,
    mut tell: impl FnMut(Change, PathRef<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut old, mut new) = (old.entries().peekable(), new.entries().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(before), Some(after)) => before.path.cmp_utf16(after.path),
        };
        let before = if order.is_le() { old.next() } else { None };
        let after = if order.is_ge() { new.next() } else { None };
        match (before, after) {
            (Some(before), None) => tell(Change::Deleted, before.path)?,
            (None, Some(after)) => tell(Change::New, after.path)?,
            (Some(before), Some(after)) if before.kind != after.kind => {
                tell(Change::Modified, after.path)?;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn manifest(entries: &[(&str, u64)]) -> Manifest {
        let entries: Vec<_> = entries
            .iter()
            .map(|(path, size)| {
                let hash = "0123456789abcdef0123456789abcdef";
                format!(r#"{{"hash":"{hash}","mtime":1,"path":"{path}","size":{size}}}"#)
            })
            .collect();
        let paths = entries.join(",");
        let text = format!(
            r#"{{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[{paths}],"totalSize":0}}"#
        );
        Manifest::decode(&text).unwrap()
    }

    #[test]
    fn every_kind_of_change_is_told_in_order() {
        let old = manifest(&[("a", 1), ("b", 1), ("d", 1)]);
        let new = manifest(&[("b", 2), ("c", 1), ("d", 1), ("e", 1)]);
        let mut told = Vec::new();
        each_change(&old, &new, |change, path| {
            told.push((change, path.to_string()));
            Ok::<_, Infallible>(())
        })
        .unwrap();
        let expected = [
            (Change::Deleted, "a"),
            (Change::Modified, "b"),
            (Change::New, "c"),
            (Change::New, "e"),
        ];
        assert_eq!(told, expected.map(|(change, path)| (change, path.to_owned())));
    }
}
