//! A store in a local folder: one file for each object, at the key's own path.
//!
//! Also reads the `Data/` and `Manifests/` folders that `deadline bundle submit
//! --save-debug-snapshot` writes. Objects appear whole: bytes go to a temporary file beside the
//! target, reach the disk, and are renamed. A temporary file that a kill left behind is never
//! listed or read, and may be deleted when nobody writes.
//!
//! All file access runs on tokio's blocking threads, one piece of a body at a time.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::client::{ByteRange, Object, ObjectInfo, Payload, StorageClient};
use crate::error::StorageError;
use crate::key::{check_key, check_prefix};

/// Bytes of a body that are read, and held, at a time.
const PIECE_BYTES: u64 = 1 << 20;

/// How the names of temporary files start; no key has a component that does.
const TEMPORARY_PREFIX: &str = ".incomplete-";

/// Objects in a folder.
#[derive(Clone, Debug)]
pub struct LocalStore {
    root: Arc<Path>,
    durable: bool,
}

impl LocalStore {
    /// Opens an existing folder.
    ///
    /// # Errors
    /// [`StorageError::Config`] if there is no such folder.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        match fs::metadata(&root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(unusable(&root, "is not a folder")),
            Err(error) => return Err(unusable(&root, &format!("cannot be opened: {error}"))),
        }
        Ok(Self { root: root.into(), durable: true })
    }

    /// Opens a folder, making it and its parents first if need be.
    ///
    /// # Errors
    /// [`StorageError::Io`] if it cannot be made; else as [`LocalStore::open`].
    pub fn create(root: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let root = root.into();
        fs::create_dir_all(&root).map_err(|error| {
            StorageError::io(format!("make the store folder '{}'", root.display()), &error)
        })?;
        Self::open(root)
    }

    /// Leaves out the waits for the disk: still atomic, but a power cut may lose objects. For
    /// stores that are deleted after use.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.durable = false;
        self
    }

    /// The store's folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, key: &str) -> Result<PathBuf, StorageError> {
        check_key(key)?;
        if key.split('/').any(|component| component.starts_with(TEMPORARY_PREFIX)) {
            let reason = "components that start with '.incomplete-' are the store's own";
            return Err(StorageError::InvalidKey { key: key.to_owned(), reason });
        }
        Ok(self.root.join(key))
    }
}

#[async_trait]
impl StorageClient for LocalStore {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        let path = self.path(key)?;
        let (root, key) = (Arc::clone(&self.root), key.to_owned());
        let opened = blocking("read an object", move || {
            let mut reader = Reader::open(&root, &path, key)?;
            reader.seek(range)?;
            Ok((reader.piece()?, reader))
        });
        let (first, reader) = opened.await?;
        let size = reader.size;
        let rest = stream::try_unfold(reader, |reader| async {
            if reader.at == reader.end {
                return Ok(None);
            }
            let read = move |mut reader: Reader| Ok((reader.piece()?, reader));
            blocking("read an object", move || read(reader)).await.map(Some)
        });
        Ok(Object { size, body: stream::once(async { Ok(first) }).chain(rest).boxed() })
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        let path = self.path(key)?;
        let (root, key) = (Arc::clone(&self.root), key.to_owned());
        blocking("look at an object", move || {
            let size = file_size(&root, &path, &key)?;
            Ok(ObjectInfo { key, size })
        })
        .await
    }

    async fn put(&self, key: &str, payload: Payload) -> Result<(), StorageError> {
        let path = self.path(key)?;
        let store = self.clone();
        blocking("write an object", move || store.publish(&path, &payload)).await
    }

    /// The metadata is not kept: whoever reads metadata reads it from S3, and a folder of objects
    /// should hold nothing else.
    async fn put_with_metadata(
        &self,
        key: &str,
        payload: Payload,
        metadata: &[(String, String)],
    ) -> Result<(), StorageError> {
        if !metadata.is_empty() {
            tracing::debug!(key, entries = metadata.len(), "a folder keeps no metadata");
        }
        self.put(key, payload).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        check_prefix(prefix)?;
        let (root, prefix) = (Arc::clone(&self.root), prefix.to_owned());
        blocking("list objects", move || list_folder(&root, &prefix)).await
    }
}

/// Runs file access where it may block.
async fn blocking<T: Send + 'static>(
    action: &str,
    work: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(StorageError::stopped(action, &stopped)))
}

fn unusable(root: &Path, problem: &str) -> StorageError {
    let reason = format!("the store folder '{}' {problem}; check the store's path", root.display());
    StorageError::Config { reason }
}

/// Says what a failed access to an object means to whoever asked for the key.
fn access_error(root: &Path, path: &Path, key: &str, error: &io::Error) -> StorageError {
    let key = key.to_owned();
    match error.kind() {
        // A network share that went away must not look like deleted objects.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if !root.is_dir() => {
            let reason = format!("the store folder '{}' is gone", root.display());
            StorageError::Offline { key, reason }
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => StorageError::NotFound { key },
        io::ErrorKind::PermissionDenied => {
            let reason = format!("no permission for '{}'", path.display());
            StorageError::AccessDenied { key, reason }
        }
        _ => StorageError::io(format!("read '{}'", path.display()), error),
    }
}

/// The size of the object at `path`; folders and devices are no objects.
fn file_size(root: &Path, path: &Path, key: &str) -> Result<u64, StorageError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len()),
        Ok(_) => Err(StorageError::NotFound { key: key.to_owned() }),
        Err(error) => Err(access_error(root, path, key, &error)),
    }
}

/// An open object and what is left to read of it.
struct Reader {
    file: File,
    key: String,
    size: u64,
    at: u64,
    end: u64,
}

impl Reader {
    fn open(root: &Path, path: &Path, key: String) -> Result<Self, StorageError> {
        // Asked before opening, because opening a named pipe would wait for its writer.
        file_size(root, path, &key)?;
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((size, file)) => Ok(Self { file, key, size, at: 0, end: size }),
            Err(error) => Err(access_error(root, path, &key, &error)),
        }
    }

    fn seek(&mut self, range: Option<ByteRange>) -> Result<(), StorageError> {
        let Some(range) = range else { return Ok(()) };
        self.end = range.end.min(self.size);
        self.at = range.start.min(self.end);
        self.file.seek(SeekFrom::Start(self.at)).map_err(|error| self.read_error(&error))?;
        Ok(())
    }

    /// Reads the next piece; empty at the end of the range.
    fn piece(&mut self) -> Result<Bytes, StorageError> {
        let wanted = (self.end - self.at).min(PIECE_BYTES);
        let mut bytes = Vec::with_capacity(wanted as usize);
        let got = Read::by_ref(&mut self.file).take(wanted).read_to_end(&mut bytes);
        got.map_err(|error| self.read_error(&error))?;
        if bytes.len() as u64 != wanted {
            let at = self.at + bytes.len() as u64;
            let reason = format!("it ended at byte {at} of {} while it was read", self.size);
            return Err(StorageError::Corrupt { key: self.key.clone(), reason });
        }
        self.at += wanted;
        Ok(bytes.into())
    }

    fn read_error(&self, error: &io::Error) -> StorageError {
        StorageError::io(format!("read the object '{}'", self.key), error)
    }
}

impl LocalStore {
    /// Writes a payload so that `path` is at any instant absent, the old object or the new one.
    fn publish(&self, path: &Path, payload: &Payload) -> Result<(), StorageError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::PermissionDenied => StorageError::AccessDenied {
                key: path.strip_prefix(&self.root).unwrap_or(path).display().to_string(),
                reason: format!("no permission to write '{}'", path.display()),
            },
            _ => StorageError::io(format!("write '{}'", path.display()), &error),
        };
        if !self.root.is_dir() {
            return Err(unusable(&self.root, "is gone"));
        }
        let folder = path.parent().unwrap_or(&self.root);
        self.make_folder(folder).map_err(failed)?;
        let mut temporary = temporary_file(folder).map_err(failed)?;
        match payload {
            Payload::Bytes(bytes) => temporary.write_all(bytes).map_err(failed)?,
            Payload::File(source) => copy_file(source, temporary.as_file_mut())?,
        }
        if self.durable {
            temporary.as_file().sync_all().map_err(failed)?;
        }
        temporary.persist(path).map_err(|error| failed(error.error))?;
        self.sync_folder(folder).map_err(failed)
    }

    /// Makes `folder` and its parents up to the root; each new name reaches the disk.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let missing: Vec<&Path> =
            folder.ancestors().take_while(|folder| !folder.is_dir()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
                made => made?,
            }
            self.sync_folder(folder.parent().unwrap_or(folder))?;
        }
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // Windows has no handle to flush a folder's entries with; NTFS journals them.
        if self.durable && cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

/// A new file that is deleted unless it is renamed, readable for whoever the umask admits.
fn temporary_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Copies a payload's file, and fails if it changed meanwhile: the copy would be of no moment.
fn copy_file(source: &Path, target: &mut File) -> Result<(), StorageError> {
    let failed =
        |error: io::Error| StorageError::io(format!("copy '{}'", source.display()), &error);
    let mut file = File::open(source).map_err(failed)?;
    let before = file.metadata().map_err(failed)?;
    let copied = io::copy(&mut file, target).map_err(failed)?;
    let after = file.metadata().map_err(failed)?;
    let same_time = matches!((before.modified(), after.modified()), (Ok(a), Ok(b)) if a == b);
    if copied != before.len() || copied != after.len() || !same_time {
        return Err(failed(io::Error::other("the file was changed while it was copied")));
    }
    Ok(())
}

/// All objects below `root` whose key starts with `prefix`. Names that are no keys are skipped.
fn list_folder(root: &Path, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
    let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut folders = vec![start.to_owned()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        let failed = |error: io::Error| access_error(root, &path, prefix, &error);
        let entries = match fs::read_dir(&path).map_err(failed) {
            Err(StorageError::NotFound { .. }) => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with(TEMPORARY_PREFIX))
            else {
                continue;
            };
            let key = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
            let folder_key = format!("{key}/");
            if !key.starts_with(prefix)
                && !folder_key.starts_with(prefix)
                && !prefix.starts_with(&folder_key)
            {
                continue;
            }
            // Links to folders are not followed: they may lead in a circle.
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(key);
            } else if let Ok(metadata) = fs::metadata(entry.path())
                && metadata.is_file()
                && key.starts_with(prefix)
            {
                found.push(ObjectInfo { key, size: metadata.len() });
            }
        }
    }
    found.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    Ok(found)
}
