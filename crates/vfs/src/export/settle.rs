//! One changed file: its content stored, its hashes known, and whether it differs at all.

use std::io;
use std::num::NonZeroU64;
use std::time::SystemTime;

use rusty_attachments_model::{Content, Format, Manifest, PathBuf};

use super::error::ExportError;
use super::files::LocalFiles;
use super::manifest::{base_file, content};
use super::run::ExportEvents;
use super::upload::{SourceFile, Uploaded, Uploader};
use crate::changes::{LocalContent, LocalFile};
use crate::volume::ContentIdentity;

/// A file whose content a manifest will name.
pub(super) struct Job {
    pub(super) path: PathBuf,
    pub(super) file: LocalFile,
    /// Whether it may have the base's content: that shows when it is hashed.
    pub(super) unsure: bool,
}

/// What a file turned out to be.
pub(super) enum Settled {
    /// Stored, with the hashes that a manifest needs.
    File(LocalFile),
    /// What the base has.
    Same(LocalFile),
    /// No longer there.
    Gone,
}

/// Settles files; shared by the threads that do it.
pub(super) struct Settler<'a> {
    pub(super) base: &'a Manifest,
    pub(super) files: &'a dyn LocalFiles,
    pub(super) uploader: &'a Uploader,
    pub(super) events: &'a dyn ExportEvents,
    /// Whether the manifest has no words for chunks.
    pub(super) whole_files: bool,
}

impl Settler<'_> {
    pub(super) fn settle(&self, job: &Job) -> Result<Settled, ExportError> {
        match self.try_settle(job) {
            Err(ExportError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Settled::Gone)
            }
            settled => settled,
        }
    }

    fn try_settle(&self, job: &Job) -> Result<Settled, ExportError> {
        let (path, file) = (job.path.as_ref(), &job.file);
        if self.is_stored_base_content(job)? {
            self.events.done_bytes(file.stamp.size);
            self.events.done_file();
            return Ok(Settled::File(file.clone()));
        }
        if job.unsure
            && let Some(same) = self.compare_in_base_chunks(job)?
        {
            return Ok(Settled::Same(same));
        }
        let begun = SystemTime::now();
        let open = || self.files.open(path);
        let known = Some((file.stamp, &file.content));
        let uploaded = self.uploader.store(SourceFile { name: &path, open: &open, known })?;
        let stored = local_file(file, &uploaded);
        // Hashes that cannot be held against the base's would make an equal file look modified.
        let base_chunk = self.base_chunk_size(uploaded.stamp.size);
        let is_comparable = uploaded.chunk_size == base_chunk.map_or(0, NonZeroU64::get);
        if is_comparable && stored.content != file.content && stored.stamp.is_settled(begun) {
            self.events.hashed(path, stored.stamp, stored.content.clone());
        }
        if job.unsure && self.is_base_content(job, &uploaded) {
            return Ok(Settled::Same(stored));
        }
        Ok(Settled::File(stored))
    }

    /// Whether the content is the base's, as the manifest can name it, and all of it is stored.
    fn is_stored_base_content(&self, job: &Job) -> Result<bool, ExportError> {
        let LocalContent::Base(identity) = &job.file.content else { return Ok(false) };
        let path = job.path.as_ref();
        match content(self.base, path, &job.file) {
            None => Ok(false),
            Some(Content::Whole(hash)) => self.uploader.has_object(hash, identity.size, &path),
            Some(Content::Chunked { .. }) if self.whole_files => Ok(false),
            Some(Content::Chunked { chunk_size, hashes }) => {
                let mut left = identity.size;
                for hash in hashes {
                    if !self.uploader.has_object(*hash, left.min(chunk_size), &path)? {
                        return Ok(false);
                    }
                    left = left.saturating_sub(chunk_size);
                }
                Ok(true)
            }
        }
    }

    /// Bytes in each chunk of a file of the base with `size` bytes.
    fn base_chunk_size(&self, size: u64) -> Option<NonZeroU64> {
        let chunk_size = match self.base.format() {
            Format::V2023 => None,
            Format::V2025(_) => self.base.chunk_size(),
        };
        chunk_size.filter(|chunk| size > *chunk).and_then(NonZeroU64::new)
    }

    /// Hashes a file as the base is chunked, where that differs from how it will be stored; gives
    /// it if it is the base's.
    fn compare_in_base_chunks(&self, job: &Job) -> Result<Option<LocalFile>, ExportError> {
        let path = job.path.as_ref();
        let size = job.file.stamp.size;
        let base_chunk = self.base_chunk_size(size);
        if base_chunk == self.uploader.chunk_size(size)
            || base_file(self.base, path).is_none_or(|in_base| in_base.size != size)
        {
            return Ok(None);
        }
        let open = || self.files.open(path);
        let hashed =
            self.uploader.hash(SourceFile { name: &path, open: &open, known: None }, base_chunk)?;
        Ok(self.is_base_content(job, &hashed).then(|| local_file(&job.file, &hashed)))
    }

    fn is_base_content(&self, job: &Job, hashed: &Uploaded) -> bool {
        base_file(self.base, job.path.as_ref()).is_some_and(|in_base| {
            ContentIdentity::of(in_base.size, in_base.content)
                == ContentIdentity::of(hashed.stamp.size, hashed.content())
        })
    }
}

/// A noted file with what was read of it.
fn local_file(noted: &LocalFile, hashed: &Uploaded) -> LocalFile {
    let content =
        LocalContent::Hashed { chunk_size: hashed.chunk_size, hashes: hashed.hashes.clone() };
    LocalFile { stamp: hashed.stamp, content, ..noted.clone() }
}
