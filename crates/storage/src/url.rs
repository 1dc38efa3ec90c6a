//! How users name stores, and opening a store by its name.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::client::StorageClient;
use crate::error::StorageError;
use crate::local::LocalStore;

/// The name of a store: `s3://bucket/rootPrefix`, `file:///folder`, or a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum StoreUrl {
    /// A bucket, and what its keys start with; the prefix may be empty.
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The queue's `rootPrefix`.
        root_prefix: String,
    },
    /// A folder.
    Folder(PathBuf),
}

/// Text that names no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' does not name a store: {problem}")]
pub struct StoreUrlError {
    text: String,
    problem: String,
}

impl StoreUrl {
    /// Reads a name that may hold a path that is not text.
    ///
    /// # Errors
    /// As [`StoreUrl::from_str`].
    pub fn from_os(text: &OsStr) -> Result<Self, StoreUrlError> {
        match text.to_str() {
            Some(text) => text.parse(),
            None => Ok(Self::Folder(text.into())),
        }
    }

    /// The folder, if the store is one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::S3 { .. } => None,
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreUrlError;

    /// One `/` at the end of an S3 name is ignored; a `rootPrefix` that ends in `/` is written
    /// with two.
    fn from_str(text: &str) -> Result<Self, StoreUrlError> {
        let refuse =
            |problem: &str| StoreUrlError { text: text.to_owned(), problem: problem.to_owned() };
        if text.is_empty() {
            return Err(refuse("it is empty; use s3://bucket/rootPrefix or a folder's path"));
        }
        if text.contains('\0') {
            return Err(refuse("it contains a NUL"));
        }
        let Some((scheme, rest)) = text.split_once(':') else {
            return Ok(Self::Folder(text.into()));
        };
        match scheme.to_ascii_lowercase().as_str() {
            "s3" => parse_s3(rest).map_err(refuse),
            "file" => parse_file(rest).map_err(refuse),
            "arn" => Err(refuse("write s3://bucket/rootPrefix instead of an ARN")),
            "http" | "https" => Err(refuse(
                "write s3://bucket/rootPrefix, and give another S3 server's address as the endpoint",
            )),
            _ if rest.starts_with("//") => {
                Err(refuse("use s3://bucket/rootPrefix, file:///folder or a folder's path"))
            }
            // A drive, or a colon in a folder's name.
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

/// Reads what follows `s3:`.
fn parse_s3(rest: &str) -> Result<StoreUrl, &'static str> {
    let rest = rest.strip_prefix("//").ok_or("write s3://bucket/rootPrefix, with two slashes")?;
    let (bucket, root_prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err("the bucket is missing; write s3://bucket/rootPrefix");
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !bucket.chars().all(is_plain) {
        return Err("a bucket's name has only letters, digits, '.', '-' and '_'");
    }
    if root_prefix.starts_with('/') {
        return Err("there are two slashes after the bucket");
    }
    let root_prefix = root_prefix.strip_suffix('/').unwrap_or(root_prefix);
    Ok(StoreUrl::S3 { bucket: bucket.to_owned(), root_prefix: root_prefix.to_owned() })
}

/// Reads what follows `file:`.
fn parse_file(rest: &str) -> Result<StoreUrl, &'static str> {
    let path = match rest.strip_prefix("//") {
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    };
    if !path.starts_with('/') {
        return Err("write file:///folder, with three slashes and the whole path");
    }
    let path = percent_decoded(path).ok_or("it has a '%' without two hex digits after it")?;
    // file:///C:/folder is C:/folder.
    let path = match path.as_bytes() {
        [b'/', drive, b':', ..] if cfg!(windows) && drive.is_ascii_alphabetic() => {
            path.get(1..).unwrap_or_default()
        }
        _ => path.as_str(),
    };
    Ok(StoreUrl::Folder(path.into()))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| !digits.starts_with('+'))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket, root_prefix } if root_prefix.is_empty() => {
                write!(f, "s3://{bucket}")
            }
            // The one slash at the end that reading ignores.
            Self::S3 { bucket, root_prefix } if root_prefix.ends_with('/') => {
                write!(f, "s3://{bucket}/{root_prefix}/")
            }
            Self::S3 { bucket, root_prefix } => write!(f, "s3://{bucket}/{root_prefix}"),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

/// How to reach a store, as far as its name does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// The AWS region. Default: the profile's, then the environment's.
    pub region: Option<String>,
    /// The AWS profile. Default: the environment's.
    pub profile: Option<String>,
    /// The URL of another S3 server. Default: the environment's, then the profile's.
    pub endpoint: Option<String>,
    /// The AWS account that must own the bucket.
    pub expected_bucket_owner: Option<String>,
    /// Whether to make a folder that does not exist.
    pub create: bool,
}

/// Opens the store that `url` names. For S3, bodies that break are resumed.
///
/// # Errors
/// [`StorageError::Config`] if the folder does not exist, the S3 configuration is not complete, or
/// this build has no S3 (cargo feature `s3`).
pub async fn open_store(
    url: &StoreUrl,
    options: &OpenOptions,
) -> Result<Arc<dyn StorageClient>, StorageError> {
    match url {
        StoreUrl::Folder(folder) => {
            let (folder, create) = (folder.clone(), options.create);
            let open =
                move || if create { LocalStore::create(folder) } else { LocalStore::open(folder) };
            let opened = tokio::task::spawn_blocking(open).await;
            let opened =
                opened.map_err(|stopped| StorageError::stopped("open a folder", &stopped))?;
            Ok(Arc::new(opened?))
        }
        StoreUrl::S3 { bucket, root_prefix } => open_s3(bucket, root_prefix, options).await,
    }
}

#[cfg(feature = "s3")]
async fn open_s3(
    bucket: &str,
    root_prefix: &str,
    options: &OpenOptions,
) -> Result<Arc<dyn StorageClient>, StorageError> {
    let mut s3 = crate::S3Options::new(bucket);
    root_prefix.clone_into(&mut s3.root_prefix);
    s3.region.clone_from(&options.region);
    s3.profile.clone_from(&options.profile);
    s3.endpoint.clone_from(&options.endpoint);
    s3.expected_bucket_owner.clone_from(&options.expected_bucket_owner);
    let store = Arc::new(crate::S3Store::connect(s3).await?);
    Ok(Arc::new(crate::RetryingStore::resuming(store, crate::RetryPolicy::default())))
}

#[cfg(not(feature = "s3"))]
#[expect(clippy::unused_async, reason = "the same call as with S3")]
async fn open_s3(
    bucket: &str,
    _: &str,
    _: &OpenOptions,
) -> Result<Arc<dyn StorageClient>, StorageError> {
    let reason = format!("this build cannot open s3://{bucket}: it was made without S3 support");
    Err(StorageError::Config { reason })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s3(bucket: &str, root_prefix: &str) -> StoreUrl {
        StoreUrl::S3 { bucket: bucket.into(), root_prefix: root_prefix.into() }
    }

    #[test]
    fn names_are_read() {
        for (text, url) in [
            ("s3://bucket", s3("bucket", "")),
            ("s3://bucket/", s3("bucket", "")),
            ("S3://bucket/DeadlineCloud", s3("bucket", "DeadlineCloud")),
            ("s3://my-bucket.x/a b/c/", s3("my-bucket.x", "a b/c")),
            ("s3://bucket/a//", s3("bucket", "a/")),
            ("/data/store", StoreUrl::Folder("/data/store".into())),
            ("store", StoreUrl::Folder("store".into())),
            ("C:\\store", StoreUrl::Folder("C:\\store".into())),
            ("odd:name", StoreUrl::Folder("odd:name".into())),
            ("file:///a%20b/%C3%A9", StoreUrl::Folder("/a b/\u{e9}".into())),
            ("file://localhost/a", StoreUrl::Folder("/a".into())),
            ("file:/a", StoreUrl::Folder("/a".into())),
        ] {
            assert_eq!(text.parse(), Ok(url), "{text}");
        }
    }

    #[test]
    fn typing_errors_are_explained() {
        for (text, hint) in [
            ("", "empty"),
            ("s3:/bucket", "two slashes"),
            ("s3:bucket/x", "two slashes"),
            ("s3://", "bucket is missing"),
            ("s3:///prefix", "bucket is missing"),
            ("s3://bucket//prefix", "two slashes after"),
            ("s3://buck et/x", "only letters"),
            ("s3://bucket?versionId=1", "only letters"),
            ("https://bucket.s3.amazonaws.com/x", "endpoint"),
            ("arn:aws:s3:::bucket", "instead of an ARN"),
            ("gs://bucket", "s3://bucket/rootPrefix"),
            ("file://server/share", "three slashes"),
            ("file:///a%2", "hex digits"),
            ("a\0b", "NUL"),
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn s3_names_print_as_they_are_read(bucket in "[a-z0-9.-]{1,12}", prefix in "([a-z %?#]{1,3}/{0,2}){0,3}") {
            let url = s3(&bucket, &prefix);
            prop_assert_eq!(url.to_string().parse(), Ok(url));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = text.parse::<StoreUrl>();
            let _ = format!("file:///{text}").parse::<StoreUrl>();
            let _ = format!("s3://{text}").parse::<StoreUrl>();
        }
    }
}
