//! The names that a provider is being asked for with GetPlaceholderInfo. Who asks holds the name's
//! lock, so the answer to it needs none.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::contract::Wide;
use crate::engine::ItemId;
use ntfs_names::fold;

/// A directory and a folded name.
type Key = (ItemId, Vec<u16>);

/// The names that the provider is being asked for.
#[derive(Debug, Default)]
pub(in crate::engine) struct Questions {
    /// With the last other path that was written meanwhile.
    asked: Mutex<HashMap<Key, Option<Wide>>>,
}

/// A name being asked for, until this is dropped.
#[derive(Debug)]
pub(super) struct Question<'a> {
    questions: &'a Questions,
    key: Key,
}

impl Questions {
    /// From now on the provider may write a placeholder for this name.
    pub(super) fn ask(&self, directory: ItemId, name: &Wide) -> Question<'_> {
        let key = (directory, fold(name.units()));
        self.asked.lock().insert(key.clone(), None);
        Question { questions: self, key }
    }

    /// Whether a placeholder of this name is an answer.
    pub(super) fn is_asked(&self, directory: ItemId, name: &Wide) -> bool {
        self.asked.lock().contains_key(&(directory, fold(name.units())))
    }

    /// The provider wrote a placeholder that nobody asked for.
    pub(super) fn unasked(&self, path: &Wide) {
        for instead in self.asked.lock().values_mut() {
            *instead = Some(path.clone());
        }
    }
}

impl Question<'_> {
    /// What was written that nobody asked for, since the question was asked.
    pub(super) fn written_instead(&self) -> Option<Wide> {
        self.questions.asked.lock().get(&self.key).cloned().flatten()
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.questions.asked.lock().remove(&self.key);
    }
}
