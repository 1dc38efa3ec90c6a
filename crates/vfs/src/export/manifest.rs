//! The manifests of an export, made of changes whose files are all hashed.

use std::collections::HashSet;
use std::fmt;

use rusty_attachments_model::{
    Content, ContentHash, Entry, EntryKind, EntryRule, File, Format, Manifest, ManifestBuilder,
    ManifestError, PathBuf, PathRef,
};

use super::links::{Changes, old_path, target_from_root};
use crate::changes::{ChangeKind, Changed, Key, LocalContent, LocalFile, LocalState, NameRule};
use crate::volume::ContentIdentity;

/// Which changes are outputs.
#[derive(Clone, Debug, Default)]
pub struct OutputSelection {
    folders: Vec<Key>,
    names: NameRule,
}

impl OutputSelection {
    /// The new and modified files of `folders`; all files if there are none. `names` is the rule of
    /// the volume: where it does not tell cases apart, folders may be spelled as one likes.
    #[must_use]
    pub fn new(folders: &[PathBuf], names: NameRule) -> Self {
        Self { folders: folders.iter().map(|folder| names.key(folder.as_ref())).collect(), names }
    }

    /// Whether a path is one of the folders or lies in one.
    #[must_use]
    pub fn contains(&self, path: PathRef<'_>) -> bool {
        if self.folders.is_empty() {
            return true;
        }
        let key = self.names.key(path);
        self.folders.iter().any(|folder| key == *folder || key.is_below(folder))
    }
}

/// A change that a manifest does not tell, though it has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which path.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why a change is not in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// A link whose target is absolute or above the root.
    LinkLeavesRoot,
    /// A link to a folder or to nothing, for which a v2023 manifest has no words.
    LinkToNoFile,
    /// A link, for a diff, to a place in a folder that is not there.
    LinkIntoNothing,
    /// A file that was gone when it was to be read.
    Vanished,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkLeavesRoot => "the link leads out of the job's folder",
            Self::LinkToNoFile => "the link does not lead to a file of the job",
            Self::LinkIntoNothing => "the link leads into a folder that is not there",
            Self::Vanished => "it was deleted meanwhile",
        })
    }
}

/// What became of a change list.
#[derive(Clone, Debug)]
pub struct ChangeManifest {
    /// The manifest; `None` if there is nothing for it to tell.
    pub manifest: Option<Manifest>,
    /// What it could not tell.
    pub skipped: Vec<Skipped>,
}

/// A file of an output manifest.
pub(super) struct OutputFile {
    pub(super) path: PathBuf,
    /// Where its bytes are: the path itself, or that of the file to which the link there leads.
    pub(super) source: PathBuf,
    pub(super) file: LocalFile,
}

/// New and modified files below the selected folders; links stand for the files to which they
/// lead, as in the official capture (`deadline.md` 1.8).
pub(super) fn output_files(
    base: &Manifest,
    changes: &[Changed],
    selection: &OutputSelection,
) -> (Vec<OutputFile>, Vec<Skipped>) {
    let tree = Changes::new(base, changes);
    let (mut files, mut skipped) = (Vec::new(), Vec::new());
    let selected = changes.iter().filter(|changed| {
        changed.kind != ChangeKind::ModeChanged && selection.contains(changed.path.as_ref())
    });
    for changed in selected {
        let path = changed.path.clone();
        match &changed.state {
            LocalState::File(file) => {
                files.push(OutputFile { source: path.clone(), path, file: file.clone() });
            }
            LocalState::Symlink { target } => match target_from_root(path.as_ref(), target) {
                None => skipped.push(Skipped { path, reason: SkipReason::LinkLeavesRoot }),
                Some(target) => match tree.file(target) {
                    None => skipped.push(Skipped { path, reason: SkipReason::LinkToNoFile }),
                    Some((source, file)) => files.push(OutputFile { path, source, file }),
                },
            },
            LocalState::Directory | LocalState::Deleted => {}
        }
    }
    (files, skipped)
}

/// The official v2023 manifest of new and modified files.
///
/// # Errors
/// A path cannot be in a manifest, or a file was not hashed as one object.
pub fn output_manifest(
    base: &Manifest,
    changes: &[Changed],
    selection: &OutputSelection,
) -> Result<ChangeManifest, ManifestError> {
    let (files, skipped) = output_files(base, changes, selection);
    if files.is_empty() {
        return Ok(ChangeManifest { manifest: None, skipped });
    }
    let mut builder = ManifestBuilder::new(Format::V2023);
    for OutputFile { path, file, .. } in &files {
        let file = File { runnable: false, ..manifest_file(base, path.as_ref(), file)? };
        builder.push(Entry { path: path.as_ref(), kind: EntryKind::File(file) })?;
    }
    Ok(ChangeManifest { manifest: Some(builder.build()?), skipped })
}

/// Bytes in each chunk of the files of a diff against `base`; `None` if it has whole files only.
/// A v2023 base leaves the choice.
pub(super) fn diff_chunk_size(base: &Manifest, wanted: u64) -> Option<u64> {
    match base.format() {
        Format::V2023 => Some(wanted).filter(|size| *size > 0),
        Format::V2025(_) => base.chunk_size(),
    }
}

/// The v2025 diff with deletions, folders, links and execute bits.
///
/// Composed onto `base`, it gives what a snapshot of the changed tree gives, without the links
/// that it skips. `base_hash` is the hash of the bytes that `base` was decoded from; `chunk_size` is used where `base` has none.
///
/// # Errors
/// A path cannot be in a manifest, or a file was not hashed in chunks of the base's size.
pub fn diff_manifest(
    base: &Manifest,
    base_hash: ContentHash,
    chunk_size: u64,
    changes: &[Changed],
) -> Result<ChangeManifest, ManifestError> {
    let mut diff = Diff {
        base,
        tree: Changes::new(base, changes),
        builder: ManifestBuilder::new(Format::DIFF_2025)
            .with_chunk_size(diff_chunk_size(base, chunk_size).unwrap_or(0))
            .with_parent_hash(Some(base_hash)),
        deleted: HashSet::new(),
        skipped: Vec::new(),
        is_empty: true,
    };
    changes.iter().try_for_each(|changed| diff.add(changed))?;
    let manifest = if diff.is_empty { None } else { Some(diff.builder.build()?) };
    Ok(ChangeManifest { manifest, skipped: diff.skipped })
}

struct Diff<'a> {
    base: &'a Manifest,
    tree: Changes<'a>,
    builder: ManifestBuilder,
    deleted: HashSet<PathRef<'a>>,
    skipped: Vec<Skipped>,
    is_empty: bool,
}

impl<'a> Diff<'a> {
    fn add(&mut self, changed: &'a Changed) -> Result<(), ManifestError> {
        let path = changed.path.as_ref();
        if let Some(from) = old_path(changed) {
            self.delete(from)?;
        }
        match &changed.state {
            LocalState::Deleted => self.delete(path),
            LocalState::Directory => self.push(Entry { path, kind: EntryKind::Directory }),
            LocalState::File(file) => {
                let kind = EntryKind::File(manifest_file(self.base, path, file)?);
                self.push(Entry { path, kind })
            }
            LocalState::Symlink { target } => match self.target(path, target) {
                Ok(target) => {
                    let kind = EntryKind::Symlink { target: target.as_ref() };
                    self.push(Entry { path, kind })
                }
                Err(reason) => {
                    self.skipped.push(Skipped { path: path.into(), reason });
                    self.delete(path)
                }
            },
        }
    }

    fn target(&self, link: PathRef<'_>, target: &[u8]) -> Result<PathBuf, SkipReason> {
        let target = target_from_root(link, target).ok_or(SkipReason::LinkLeavesRoot)?;
        self.tree.target_in_folders(target).ok_or(SkipReason::LinkIntoNothing)
    }

    fn push(&mut self, entry: Entry<'_>) -> Result<(), ManifestError> {
        self.is_empty = false;
        self.builder.push(entry)
    }

    /// Tells once that what the base has at a path is gone.
    fn delete(&mut self, path: PathRef<'a>) -> Result<(), ManifestError> {
        let kind = match self.base.get(path).map(|entry| entry.kind) {
            Some(EntryKind::File(_) | EntryKind::Symlink { .. }) => EntryKind::DeletedFile,
            _ if self.base.is_folder(path) => EntryKind::DeletedDirectory,
            _ => return Ok(()),
        };
        if !self.deleted.insert(path) {
            return Ok(());
        }
        self.push(Entry { path, kind })
    }
}

/// What a manifest says of a changed file.
fn manifest_file<'a>(
    base: &'a Manifest,
    path: PathRef<'_>,
    file: &'a LocalFile,
) -> Result<File<'a>, ManifestError> {
    let unknown = || ManifestError::Path { path: path.into(), rule: EntryRule::NoContent };
    let content = content(base, path, file).ok_or_else(unknown)?;
    let size = match &file.content {
        LocalContent::Base(identity) => identity.size,
        _ => file.stamp.size,
    };
    let runnable = file.executable.unwrap_or_else(|| {
        base_files(base, path, file).next().is_some_and(|in_base| in_base.runnable)
    });
    Ok(File { size, mtime_us: file.stamp.mtime_us(), runnable, content })
}

/// The objects that make up a changed file; `None` if they are not known.
pub(super) fn content<'a>(
    base: &'a Manifest,
    path: PathRef<'_>,
    file: &'a LocalFile,
) -> Option<Content<'a>> {
    match &file.content {
        LocalContent::Unhashed => None,
        LocalContent::Hashed { chunk_size, hashes } => {
            file.identity()?;
            Some(match hashes.as_slice() {
                [] => Content::Whole(ContentHash::EMPTY),
                [hash] => Content::Whole(*hash),
                hashes => Content::Chunked { chunk_size: *chunk_size, hashes },
            })
        }
        LocalContent::Base(identity) if identity.chunk_size.is_none() => {
            Some(Content::Whole(identity.hash))
        }
        LocalContent::Base(identity) => base_files(base, path, file)
            .find(|in_base| ContentIdentity::of(in_base.size, in_base.content) == *identity)
            .map(|in_base| in_base.content),
    }
}

/// The files of the base that a changed file may come from: its old path's first.
fn base_files<'a: 'b, 'b>(
    base: &'a Manifest,
    path: PathRef<'b>,
    file: &'b LocalFile,
) -> impl Iterator<Item = File<'a>> + 'b {
    let old = file.renamed_from.as_ref().map(PathBuf::as_ref);
    [old, Some(path)].into_iter().flatten().filter_map(|place| base_file(base, place))
}

/// The file that the base has at a path.
pub(super) fn base_file<'a>(base: &'a Manifest, path: PathRef<'_>) -> Option<File<'a>> {
    match base.get(path)?.kind {
        EntryKind::File(file) => Some(file),
        _ => None,
    }
}
