//! Files that commands read and write for people: manifests in, manifests out.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rusty_attachments_model::{ContentHash, Manifest};

use crate::error::{CliError, Exit};

/// The bytes of a manifest file, or of stdin for `-`.
pub(crate) fn read_input(path: &Path) -> Result<Vec<u8>, CliError> {
    let read = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        fs::read(path)
    };
    read.map_err(|error| CliError::usage(format!("read '{}'", path.display()), error.to_string()))
}

/// Reads and decodes a manifest.
pub(crate) fn read_manifest(path: &Path) -> Result<Manifest, CliError> {
    read_manifest_and_hash(path).map(|(manifest, _)| manifest)
}

/// The same, and the hash of the file's bytes.
pub(crate) fn read_manifest_and_hash(path: &Path) -> Result<(Manifest, ContentHash), CliError> {
    let bytes = read_input(path)?;
    let hash = ContentHash::of(&bytes);
    Manifest::decode_bytes(&bytes)
        .map(|manifest| (manifest, hash))
        .map_err(|error| CliError::caused(format!("use the manifest '{}'", path.display()), &error))
}

/// Writes a file so that readers see the old one or the whole new one.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let failed = |error: &io::Error| {
        CliError::caused(format!("write '{}'", path.display()), error)
            .advise("Check that its folder exists and has room.")
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".rusty-attachments-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any other new file: what the umask leaves.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(|e| failed(&e))?;
    file.write_all(bytes).map_err(|error| failed(&error))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(())
}

/// The path from `/` on, with links resolved as far as it exists.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    let full = std::path::absolute(path).map_err(|error| CliError::Failed {
        message: format!("cannot use '{}': {error}", path.display()),
        exit: Exit::Usage,
    })?;
    // On Windows without `\\?\` where that can be: programs and people do not know it.
    if let Ok(resolved) = dunce::canonicalize(&full) {
        return Ok(resolved);
    }
    Ok(match (full.parent().map(dunce::canonicalize), full.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => full,
    })
}
