//! The rule that every key obeys, whatever the store does with it.
//!
//! One rule for all stores: a key that S3 takes and a folder cannot hold, or two keys that are one
//! path, would make stores differ.

use crate::error::StorageError;

/// S3's own limit for a key, in bytes of UTF-8.
const KEY_BYTES_MAX: usize = 1024;

/// Checks that `key` is a relative path with `/` between plain components.
///
/// Stores call this before a key meets a path or a URL.
///
/// # Errors
/// [`StorageError::InvalidKey`] for an empty or too long key (over 1,024 bytes), a leading or
/// trailing `/`, an empty, `.` or `..` component, a NUL; on Windows also for `\` and `:`.
pub fn check_key(key: &str) -> Result<(), StorageError> {
    check(key, key)
}

/// Checks a prefix to list: as [`check_key`], but it may be empty and its last component may be
/// anything that a component can start with.
///
/// # Errors
/// [`StorageError::InvalidKey`].
pub fn check_prefix(prefix: &str) -> Result<(), StorageError> {
    let folder = prefix.rsplit_once('/').map(|(folder, _)| folder);
    match folder {
        None if prefix.contains('\0') => check(prefix, prefix),
        None => Ok(()),
        Some(folder) => check(folder, prefix),
    }
}

fn check(path: &str, key: &str) -> Result<(), StorageError> {
    let refuse = |reason| Err(StorageError::InvalidKey { key: key.to_owned(), reason });
    if path.len() > KEY_BYTES_MAX {
        return refuse("it is longer than 1024 bytes");
    }
    if key.contains('\0') {
        return refuse("it contains a NUL");
    }
    // On Windows both would reach another folder or an alternate data stream.
    if cfg!(windows) && path.contains(['\\', ':']) {
        return refuse("it contains a backslash or a colon");
    }
    for component in path.split('/') {
        match component {
            "" => return refuse("it is empty, starts or ends with '/', or contains '//'"),
            "." | ".." => return refuse("it contains a '.' or '..' component"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_keys_pass() {
        for good in ["a", "Data/0123.xxh128", "Manifests/f/q/\u{1F600} \u{e9}", "..a/b.."] {
            check_key(good).unwrap();
        }
        let long = "a/".repeat(600) + "b";
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b", &long] {
            assert!(matches!(check_key(bad), Err(StorageError::InvalidKey { .. })), "{bad:?}");
        }
    }

    #[test]
    fn prefixes_may_end_anywhere_in_a_component() {
        for good in ["", "D", "Data/", "Data/01", "Data/.", "Data/.."] {
            check_prefix(good).unwrap();
        }
        for bad in ["/", "../", "a//", "a/../b", "\0"] {
            assert!(check_prefix(bad).is_err(), "{bad:?}");
        }
    }
}
