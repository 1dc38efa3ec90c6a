//! Manifests to where they are looked for, after everything that they name.

use std::io::Write;
use std::path::{Path, PathBuf};

use rusty_attachments_model::{ContentHash, Manifest};
use rusty_attachments_storage::{Payload, StorageError};

use super::error::ExportError;
use super::run::{ExportedManifest, ManifestTarget};
use super::upload::Uploader;

/// A target that was checked.
pub(super) enum Destination {
    File(PathBuf),
    Object { key: String, metadata: Vec<(String, String)> },
}

/// Checks targets, so that a wrong one shows before anything is uploaded.
pub(super) fn destinations(
    targets: &[ManifestTarget],
    is_diff: bool,
) -> Result<Vec<Destination>, ExportError> {
    let check = |target: &ManifestTarget| match target {
        ManifestTarget::File(path) => Ok(Destination::File(path.clone())),
        ManifestTarget::Queue(place) if is_diff => Err(ExportError::Place {
            place: place.key()?,
            reason: "official tools read no v2025 diff; write it to a file",
        }),
        ManifestTarget::Queue(place) => {
            Ok(Destination::Object { key: place.key()?, metadata: place.metadata()? })
        }
    };
    targets.iter().map(check).collect()
}

/// Puts a manifest to all its destinations.
pub(super) fn publish(
    uploader: &Uploader,
    manifest: Manifest,
    destinations: Vec<Destination>,
) -> Result<ExportedManifest, ExportError> {
    let text = manifest.encode();
    let hash = ContentHash::of(text.as_bytes());
    let (mut keys, mut files) = (Vec::new(), Vec::new());
    for destination in destinations {
        match destination {
            Destination::File(path) => {
                if let Err(source) = write_atomically(&path, text.as_bytes()) {
                    return Err(ExportError::WriteManifest { path, source });
                }
                files.push(path);
            }
            Destination::Object { key, metadata } => {
                let stored = uploader.wait(store(uploader, &key, &text, &metadata))?;
                if let Err(source) = stored {
                    return Err(ExportError::StoreManifest { key, source });
                }
                keys.push(key);
            }
        }
    }
    Ok(ExportedManifest { manifest, hash, keys, files })
}

/// Stores a manifest unless it is there: official readers go by the time of its last upload. Its
/// metadata is the same then, because the key holds a hash of it.
async fn store(
    uploader: &Uploader,
    key: &str,
    text: &str,
    metadata: &[(String, String)],
) -> Result<(), StorageError> {
    let client = uploader.client();
    match client.head(key).await {
        Ok(info) if info.size == text.len() as u64 => {
            let stored = client.get(key, None).await?.bytes(key, info.size).await?;
            if stored == text.as_bytes() {
                return Ok(());
            }
        }
        Ok(_) | Err(StorageError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let payload = Payload::Bytes(text.to_owned().into());
    client.put_with_metadata(key, payload, metadata).await
}

/// Writes a file so that readers see the old one or the whole new one.
fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".rusty-attachments-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file: what the umask leaves.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
