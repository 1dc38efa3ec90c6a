//! Whether all entries of a manifest can exist at once.

use crate::error::{EntryRule, ManifestError, PathRule};
use crate::path::{PathBuf, PathRef, reference};
use crate::table::{EntryTable, Record};

/// Looks for duplicate paths and for files or links that serve as folders, in a sorted table.
///
/// Returns the places of deletions that are void, in order: deletions come before everything else
/// in a diff, so where the same diff also creates something at, above or below the path, the new
/// entry decides. (Drafts of the format list both.)
///
/// One pass; the work beside it is bounded by the bytes of all paths.
pub(crate) fn find_clashes(table: &EntryTable) -> Result<Vec<usize>, ManifestError> {
    let mut void = Vec::new();
    // Entries that cannot be folders, each path a prefix of the next one and of the current one.
    // In UTF-16 order all paths below `a` follow `a`, but others such as `a-b` come between.
    let mut leaves: Vec<(usize, &Record)> = Vec::new();
    let mut previous: Option<(usize, &Record)> = None;
    for (index, record) in table.records.iter().enumerate() {
        let path = table.path(record).as_wtf8();
        while let Some((_, leaf)) = leaves.last()
            && !path.starts_with(table.path(leaf).as_wtf8())
        {
            leaves.pop();
        }
        if let Some((earlier_index, earlier)) = previous
            && table.path(earlier).as_wtf8() == path
        {
            match (earlier.is_deletion(), record.is_deletion()) {
                (true, false) => {
                    void.push(earlier_index);
                    leaves.retain(|leaf| leaf.0 != earlier_index);
                }
                (false, true) => {
                    void.push(index);
                    continue;
                }
                _ => return Err(refuse(table, record, EntryRule::Duplicate)),
            }
        }
        let mut is_void = false;
        while let Some((at, leaf)) = enclosing_leaf(table, &leaves, path) {
            match (leaf.is_deletion(), record.is_deletion()) {
                (true, false) => {
                    void.push(at);
                    leaves.retain(|leaf| leaf.0 != at);
                }
                (false, true) => {
                    is_void = true;
                    break;
                }
                _ => return Err(below(table, record, leaf)),
            }
        }
        if is_void {
            void.push(index);
            continue;
        }
        if let Some(target) = table.link_target(record)
            && is_ambiguous(table, target)
        {
            return Err(refuse(table, record, EntryRule::Target(PathRule::Ambiguous)));
        }
        previous = Some((index, record));
        if record.is_leaf() {
            leaves.push((index, record));
        }
    }
    void.sort_unstable();
    Ok(void)
}

/// Whether `target` looks like a reference to a folder, but its first component is a file or link,
/// so that it cannot be written as a reference either. Only a builder can be given that.
fn is_ambiguous(table: &EntryTable, target: PathRef<'_>) -> bool {
    reference(target.as_wtf8()).is_some()
        && target.components().next().is_some_and(|first| table.is_leaf(first))
}

/// The leaf that would have to be a folder for `path` to exist.
fn enclosing_leaf<'a>(
    table: &EntryTable,
    leaves: &[(usize, &'a Record)],
    path: &[u8],
) -> Option<(usize, &'a Record)> {
    let mut leaves = leaves.iter().copied();
    leaves.find(|(_, leaf)| path.get(table.path(leaf).as_wtf8().len()) == Some(&b'/'))
}

fn below(table: &EntryTable, record: &Record, leaf: &Record) -> ManifestError {
    let above = PathBuf::from(table.path(leaf));
    let rule = match leaf.is_link() {
        true => EntryRule::BelowLink { link: above },
        false => EntryRule::BelowFile { file: above },
    };
    refuse(table, record, rule)
}

fn refuse(table: &EntryTable, record: &Record, rule: EntryRule) -> ManifestError {
    ManifestError::Path { path: table.path(record).into(), rule }
}
