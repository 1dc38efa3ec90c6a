//! A v2025 snapshot as a v2023 manifest, which every official tool reads.

use crate::build::ManifestBuilder;
use crate::error::{EntryRule, ManifestError};
use crate::manifest::{Content, Entry, EntryKind, File, Format, Kind, Manifest, PathStyle};
use crate::path::{PathBuf, PathRef};

/// How many links may lead to one another: what Linux follows.
const MAX_LINKS: usize = 40;

/// What a path leads to when links are followed.
enum Found<'a> {
    File(File<'a>),
    Folder,
    Nothing,
}

impl Manifest {
    /// This snapshot in the format `2023-03-03`.
    ///
    /// A link becomes a copy of the file that it leads to, as in the official submission; links
    /// that lead nowhere, empty folders and execute bits are dropped, because the format has no
    /// words for them.
    ///
    /// # Errors
    /// [`ManifestError::WrongKind`] for a diff or an absolute manifest, [`ManifestError::Path`]
    /// with [`EntryRule::NotInV2023`] for a chunked file or a link to a folder,
    /// [`ManifestError::Empty`] if no file is left.
    pub fn to_v2023(&self) -> Result<Self, ManifestError> {
        if self.format() == Format::V2023 {
            return Ok(self.clone());
        }
        if self.kind() == Kind::Diff || self.style() == PathStyle::Absolute {
            let (operation, needed) = ("converting to 2023-03-03", "relative snapshot");
            return Err(ManifestError::WrongKind { operation, needed });
        }
        let mut builder = ManifestBuilder::new(Format::V2023);
        for entry in self.entries() {
            let refuse = |what| {
                let rule = EntryRule::NotInV2023(what);
                Err(ManifestError::Path { path: entry.path.into(), rule })
            };
            let file = match entry.kind {
                EntryKind::File(file) => file,
                EntryKind::Symlink { target } => match self.follow(target) {
                    Found::File(file) => file,
                    Found::Folder => return refuse("a link to a folder"),
                    Found::Nothing => continue,
                },
                _ => continue,
            };
            if let Content::Chunked { .. } = file.content {
                return refuse("a chunked file");
            }
            let kind = EntryKind::File(File { runnable: false, ..file });
            builder.push(Entry { path: entry.path, kind })?;
        }
        builder.build()
    }

    /// What is at `path` when links are followed, those on the way included.
    fn follow(&self, path: PathRef<'_>) -> Found<'_> {
        let mut path = PathBuf::from(path);
        for _ in 0..=MAX_LINKS {
            match self.get(path.as_ref()).map(|entry| entry.kind) {
                Some(EntryKind::File(file)) => return Found::File(file),
                Some(EntryKind::Symlink { target }) => path = target.into(),
                Some(_) => return Found::Folder,
                None if self.is_folder(path.as_ref()) => return Found::Folder,
                None => match self.replace_link_on_the_way(path.as_ref()) {
                    Some(replaced) => path = replaced,
                    None => return Found::Nothing,
                },
            }
        }
        Found::Nothing
    }

    /// `path` with the deepest parent that is a link replaced by the link's target.
    fn replace_link_on_the_way(&self, path: PathRef<'_>) -> Option<PathBuf> {
        let mut folder = path.parent();
        while let Some(parent) = folder {
            if let Some(Entry { kind: EntryKind::Symlink { target }, .. }) = self.get(parent) {
                let rest = path.as_wtf8().get(parent.as_wtf8().len()..).unwrap_or_default();
                return Some(PathBuf::from_wtf8([target.as_wtf8(), rest].concat()));
            }
            folder = parent.parent();
        }
        None
    }
}
