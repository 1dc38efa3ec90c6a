//! What can be wrong with a manifest.

/// A manifest that was refused, with the entry and the rule.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// More text, entries or chunks than 32-bit offsets can address.
    #[error("the manifest is larger than this version can hold")]
    TooLarge,
}
