//! When two paths are one, and how paths are sorted.

use std::fmt;
use std::ops::{Bound, RangeBounds};

use rusty_attachments_model::PathRef;

/// When two paths are one.
#[derive(Clone, Copy, Default)]
pub enum NameRule {
    /// When their bytes are equal (Linux).
    #[default]
    Exact,
    /// When the keys of their components are equal (Windows: upper case). The function makes one
    /// component's key; any bytes will do, and components are sorted by them.
    Folded(fn(PathRef<'_>) -> Vec<u8>),
}

impl NameRule {
    /// The key of a path.
    pub(crate) fn key(self, path: PathRef<'_>) -> Key {
        let mut key = Vec::with_capacity(path.as_wtf8().len() + 8);
        for (index, component) in path.components().enumerate() {
            if index > 0 {
                key.extend(SEPARATOR);
            }
            match self {
                Self::Exact => push_escaped(&mut key, component.as_wtf8()),
                Self::Folded(fold) => push_escaped(&mut key, &fold(component)),
            }
        }
        Key(key)
    }
}

impl fmt::Debug for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "NameRule::Exact",
            Self::Folded(_) => "NameRule::Folded",
        })
    }
}

/// Ends a component that another one follows. Sorts before everything that a longer name could
/// have in its place, so that a folder's subtree is one range right behind it.
const SEPARATOR: [u8; 2] = [0, 1];
/// Behind a whole subtree, and before everything else that follows it.
const BEHIND_SUBTREE: [u8; 2] = [0, 2];
/// Stands for a zero byte in a component; sorts behind both.
const ESCAPED_ZERO: [u8; 2] = [0, 0xFF];

fn push_escaped(key: &mut Vec<u8>, component: &[u8]) {
    let mut parts = component.split(|&byte| byte == 0);
    key.extend(parts.next().unwrap_or_default());
    for part in parts {
        key.extend(ESCAPED_ZERO);
        key.extend(part);
    }
}

/// A path's place in the order: component by component, a folder right before what is in it.
/// Equal for paths that are one. The root's key is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// The key as a place right behind everything below it.
    pub(super) fn behind_subtree(mut self) -> Self {
        self.0.extend(BEHIND_SUBTREE);
        self
    }

    /// The keys of all folders that this lies in, the nearest first, without the root.
    pub(super) fn ancestors(&self) -> impl Iterator<Item = Self> {
        let mut left = self.0.as_slice();
        std::iter::from_fn(move || {
            let end = left.windows(2).rposition(|pair| pair == SEPARATOR)?;
            left = left.get(..end)?;
            Some(Self(left.to_vec()))
        })
    }

    /// The keys of everything below this.
    pub(super) fn subtree(&self) -> impl RangeBounds<Self> + use<> {
        if self.0.is_empty() {
            return (Bound::Excluded(self.clone()), Bound::Unbounded);
        }
        let end = self.clone().behind_subtree();
        (Bound::Excluded(self.clone()), Bound::Excluded(end))
    }

    /// Whether this lies below `folder`.
    pub(crate) fn is_below(&self, folder: &Self) -> bool {
        self != folder && folder.subtree().contains(self)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusty_attachments_model::PathBuf;

    use super::*;

    #[test]
    fn a_subtree_is_one_range_right_behind_its_folder() {
        let sorted = ["a", "a/\0", "a/b", "a/b/c", "a/b-", "a/b.x", "a\0", "a-", "a-/b", "b"];
        let keys: Vec<_> = sorted.iter().map(|&path| NameRule::Exact.key(path.into())).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        let below: Vec<_> = keys.iter().map(|key| key.is_below(&keys[0])).collect();
        assert_eq!(
            below,
            [false, true, true, true, true, true, false, false, false, false].to_vec()
        );
        assert!(keys.iter().all(|key| key.is_below(&NameRule::Exact.key("".into()))));
        let ancestors: Vec<_> = keys[3].ancestors().collect();
        assert_eq!(ancestors, [keys[2].clone(), keys[0].clone()]);
    }

    fn reversed(name: PathRef<'_>) -> Vec<u8> {
        name.as_wtf8().iter().map(|byte| !byte.to_ascii_uppercase()).collect()
    }

    proptest! {
        #[test]
        fn keys_sort_by_components_whatever_the_bytes(
            a in prop::collection::vec(prop::collection::vec(0u8..4, 1..4), 1..4),
            b in prop::collection::vec(prop::collection::vec(0u8..4, 1..4), 1..4),
            folded: bool,
        ) {
            let path = |names: &[Vec<u8>]| PathBuf::from_wtf8(names.join(&b'/'));
            let rule = if folded { NameRule::Folded(reversed) } else { NameRule::Exact };
            let fold = |names: &[Vec<u8>]| -> Vec<Vec<u8>> {
                names.iter().map(|name| match folded {
                    true => reversed(PathRef::from_wtf8(name)),
                    false => name.clone(),
                }).collect()
            };
            let (key_a, key_b) = (rule.key(path(&a).as_ref()), rule.key(path(&b).as_ref()));
            prop_assert_eq!(key_a.cmp(&key_b), fold(&a).cmp(&fold(&b)));
            prop_assert_eq!(key_a.is_below(&key_b), a.len() > b.len() && a.starts_with(&b));
            prop_assert_eq!(
                key_a.clone().behind_subtree() < key_b,
                key_a < key_b && !key_b.is_below(&key_a)
            );
            prop_assert_eq!(key_a.ancestors().count(), a.len() - 1);
        }
    }
}
