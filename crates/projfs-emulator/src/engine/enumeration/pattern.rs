//! The search expression of a pass.

use crate::contract::Wide;
use ntfs_names::matches;

const STAR: &[u16] = &[b'*' as u16];

/// A captured search expression; NULL and the empty one take everything (projfs.md F6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    expression: Option<Wide>,
}

impl Pattern {
    pub(super) const fn new(expression: Option<Wide>) -> Self {
        Self { expression }
    }

    /// As it was given.
    pub(super) fn expression(&self) -> Option<Wide> {
        self.expression.clone()
    }

    pub(super) fn takes(&self, name: &Wide) -> bool {
        self.expression.as_ref().is_none_or(|given| matches(name.units(), given.units()))
    }

    /// Whether it takes every name.
    pub(super) fn takes_all(&self) -> bool {
        self.expression.as_ref().is_none_or(|given| given.is_empty() || given.units() == STAR)
    }
}
