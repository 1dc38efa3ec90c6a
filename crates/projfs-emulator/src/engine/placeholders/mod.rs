//! Names become placeholders: GetPlaceholderInfo, PrjWritePlaceholderInfo, QueryFileName and the
//! negative path cache (projfs.md H, I).
//!
//! * `questions`: the names that the provider is being asked for. `write`: its answer.
//! * `negative`: the names that it said it has not.

mod negative;
mod questions;
#[cfg(test)]
mod tests;
mod write;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use self::negative::Learnt;
pub(super) use self::negative::NegativePaths;
pub(super) use self::questions::Questions;
use super::root::Root;
use super::session::{About, Session};
use super::store::{Found, Item, ItemId};
use crate::contract::{FileState, HResult, Result, Wide};
use crate::link::{Process, Request};

/// How long a provider may take to say that its projection changed, once it answers by the new one.
const GRACE: Duration = Duration::from_secs(1);

impl Root {
    /// The item of a name, made a placeholder if it is virtual (H1 to H4). `None` if there is no
    /// such name: not projected, or a tombstone. The caller holds the name's lock.
    ///
    /// # Errors
    /// VIRTUALIZATION_UNAVAILABLE for names that only a provider could know, if none runs (M10);
    /// what the provider failed with; FILE_NOT_FOUND if it succeeded without a placeholder (H2).
    pub(super) async fn materialise(
        &self,
        caller: &Process,
        parent: &Item,
        name: &Wide,
    ) -> Result<Option<(Wide, Item)>> {
        if let Some(found) = self.store.find(parent.id, name)? {
            return Ok(living(found));
        }
        if parent.state.contains(FileState::FULL) {
            return Ok(None);
        }
        let session = self.provider_of(parent)?;
        let path = self.path_in(parent, name)?;
        if session.request().negative_path_cache && self.is_known_missing(&session, &path).await? {
            return Ok(None);
        }
        let question = self.questions.ask(parent.id, name);
        let about = about_child(parent, path.clone());
        match session.ask(self, caller, about, Request::GetPlaceholderInfo).await {
            Ok(_) => match self.store.find(parent.id, name)? {
                Some(found) => Ok(living(found)),
                None => self.answered_without_placeholder(&path, question.written_instead()),
            },
            Err(HResult::FILE_NOT_FOUND) => {
                self.negative.learn(&path, &session);
                Ok(None)
            }
            Err(code) => Err(code),
        }
    }

    /// Whether the provider still projects a path (E9, I1): QueryFileName, or an enumeration of the
    /// folder. False without a provider (M12) and below full directories.
    ///
    /// # Errors
    /// What the provider failed with, other than FILE_NOT_FOUND.
    pub(super) async fn projects(
        &self,
        caller: &Process,
        parent: &Item,
        name: &Wide,
    ) -> Result<bool> {
        let Some(session) = self.session() else { return Ok(false) };
        if parent.state.contains(FileState::FULL) {
            return Ok(false);
        }
        let path = self.path_in(parent, name)?;
        let projected = if session.request().queries_names {
            let about = about_child(parent, path.clone());
            match session.ask(self, caller, about, Request::QueryFileName).await {
                Ok(_) => true,
                Err(HResult::FILE_NOT_FOUND) => false,
                Err(code) => return Err(code),
            }
        } else {
            self.lists(caller, parent.id, name).await?
        };
        let is_denied = || self.negative.is_denied(&path, &session);
        if projected && is_denied() && !self.soon(|| !is_denied()).await {
            self.contradicted(&path)?;
        }
        Ok(projected)
    }

    /// The provider that is to be asked about a placeholder, or about what is in a placeholder
    /// directory.
    ///
    /// # Errors
    /// VIRTUALIZATION_UNAVAILABLE if none runs (M10), or it was marked with another instance (M2).
    pub(super) fn provider_of(&self, item: &Item) -> Result<Arc<Session>> {
        let own = item.id == ItemId::ROOT || item.instance == self.instance;
        self.session().filter(|_| own).ok_or(HResult::VIRTUALIZATION_UNAVAILABLE)
    }

    /// The provider said that its projection is another now: by an update, a deletion or a mark of
    /// this path, whether or not it succeeds. What it answered before does not bind it any more
    /// (E9, F23), and what is on disk there need not be listed as it is (E4, G9).
    pub(super) fn projection_changed(&self, path: &Wide) {
        self.negative.projection_changed(path);
    }

    /// Whether something is so, or the provider makes it so in a second by saying that its projection
    /// changed: it cannot say that at the moment of the change.
    pub(super) async fn soon(&self, is_so: impl Fn() -> bool) -> bool {
        let said = async {
            loop {
                let next = self.negative.next_change();
                if is_so() {
                    return;
                }
                next.await;
            }
        };
        matches!(select(pin!(said), self.shared.runtime.sleep(GRACE)).await, Either::Left(_))
    }

    /// PrjClearNegativePathCache (B3): how many there were.
    pub fn clear_negative_path_cache(&self) -> u32 {
        self.negative.clear()
    }

    /// The path of a name in a directory, in the name's spelling.
    ///
    /// # Errors
    /// PATH_NOT_FOUND if the directory is gone.
    fn path_in(&self, directory: &Item, name: &Wide) -> Result<Wide> {
        let folder = self.store.path(directory.id).ok_or(HResult::PATH_NOT_FOUND)?;
        Ok(folder.join(name))
    }

    /// Whether the negative path cache answers for the provider (H10).
    async fn is_known_missing(&self, session: &Arc<Session>, path: &Wide) -> Result<bool> {
        let learnt = || self.negative.learnt(path, session);
        if learnt() == Some(Learnt::Before) {
            // Who clears it at start can do so only after the start.
            self.soon(|| learnt() != Some(Learnt::Before)).await;
        }
        match learnt() {
            None => Ok(false),
            Some(Learnt::InThisSession) => Ok(true),
            Some(Learnt::Before) => {
                let what = "is in the negative path cache since before the provider was started; \
                            clear the cache at start: it outlives providers";
                let strict = self.broke("H10", format_args!("{path} {what}"));
                if strict { Err(HResult::INTERNAL_ERROR) } else { Ok(true) }
            }
        }
    }

    /// The open fails as not found, even if it would have made the name (H2).
    fn answered_without_placeholder(
        &self,
        path: &Wide,
        instead: Option<Wide>,
    ) -> Result<Option<(Wide, Item)>> {
        let asked = "GetPlaceholderInfo succeeded without PrjWritePlaceholderInfo for";
        let strict = match instead {
            Some(other) => self.broke(
                "G10",
                format_args!(
                    "{asked} {path}; {other} was written meanwhile, which is another name"
                ),
            ),
            None => self.broke(
                "H2",
                format_args!("{asked} {path}; a name that is not projected is FILE_NOT_FOUND"),
            ),
        };
        if strict { Err(HResult::FILE_NOT_FOUND) } else { Ok(None) }
    }

    fn contradicted(&self, path: &Wide) -> Result<()> {
        let what = "is projected, says the provider, which denied it to GetPlaceholderInfo before; \
                    answer from the projection alone, never from local changes";
        if self.broke("E9", format_args!("{path} {what}")) {
            return Err(HResult::INTERNAL_ERROR);
        }
        Ok(())
    }
}

/// What a command says of a name in a directory: the version is the directory's (H1).
fn about_child(parent: &Item, path: Wide) -> About {
    About { path, version: Some(parent.version.clone()), ..About::default() }
}

/// The item, unless it is a tombstone (E8).
fn living(found: Found) -> Option<(Wide, Item)> {
    let tombstone = found.item.state.contains(FileState::TOMBSTONE);
    (!tombstone).then_some((found.name, found.item))
}
