//! StartDirectoryEnumeration, GetDirectoryEnumeration and EndDirectoryEnumeration.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;

use crate::contract::{DirEntry, Guid, Result, Wide};
use crate::engine::root::Root;
use crate::engine::session::{About, Session};
use crate::engine::store::Item;
use crate::knobs::{Expression, Knobs};
use crate::link::{EntryBudget, Process, Reply, Request};

/// Tells identifiers of enumerations from those of other things.
const KIND: u32 = u32::from_le_bytes(*b"enum");

/// Numbers of sessions, and what is drawn by lot for them.
#[derive(Debug, Default)]
pub(in crate::engine) struct Enumerations {
    last: AtomicU64,
}

impl Enumerations {
    fn next(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl Root {
    /// The expression of a listing that wants everything (R9).
    pub(in crate::engine) fn whole_expression(&self) -> Option<Wide> {
        let knobs = self.knobs();
        let star = match knobs.expression {
            Expression::Null => false,
            Expression::Star => true,
            Expression::Drawn => lot(&knobs, self.enumerations.next()).bool(),
        };
        star.then(|| "*".into())
    }
}

/// A session with the provider. End is sent when it is dropped, whoever waits (F3).
#[derive(Debug)]
pub(super) struct Enumeration {
    root: Weak<Root>,
    session: Arc<Session>,
    caller: Process,
    about: About,
    number: u64,
    ended: Option<oneshot::Sender<()>>,
}

impl Enumeration {
    /// Begins one; without success there is neither Get nor End (F2).
    pub(super) async fn start(
        root: &Root,
        session: Arc<Session>,
        caller: &Process,
        directory: &Item,
        path: Wide,
    ) -> Result<Self> {
        let version = Some(directory.version.clone());
        let about = About { path, version, file: directory.file, ..About::default() };
        Self::begin(root, session, caller, about).await
    }

    async fn begin(
        root: &Root,
        session: Arc<Session>,
        caller: &Process,
        about: About,
    ) -> Result<Self> {
        let number = root.enumerations.next();
        let request = Request::StartEnumeration { enumeration: Guid::numbered(KIND, number) };
        session.ask(root, caller, about.clone(), request).await?;
        let (root, caller) = (root.this.clone(), caller.clone());
        Ok(Self { root, session, caller, about, number, ended: None })
    }

    /// The next entries that the provider has; none at the end (F10).
    pub(super) async fn get(
        &self,
        root: &Root,
        expression: Option<Wide>,
        restart: bool,
        single_entry: bool,
    ) -> Result<Vec<DirEntry>> {
        let knobs = root.knobs();
        let entries = knobs.entry_limit.unwrap_or(u32::MAX);
        let request = Request::GetEnumeration {
            enumeration: self.id(),
            expression,
            restart,
            single_entry,
            budget: EntryBudget { bytes: knobs.entry_bytes, entries },
        };
        match self.session.ask(root, &self.caller, self.about.clone(), request).await? {
            Reply::Entries(entries) => Ok(entries),
            Reply::None | Reply::Mask(_) => Ok(Vec::new()),
        }
    }

    /// Whether another one of the same directory gives entries now.
    pub(super) async fn another_gives_entries(
        &self,
        root: &Root,
        expression: Option<Wide>,
    ) -> Result<bool> {
        let (session, about) = (self.session.clone(), self.about.clone());
        let another = Self::begin(root, session, &self.caller, about).await?;
        let entries = another.get(root, expression, false, false).await;
        another.end().await;
        Ok(!entries?.is_empty())
    }

    /// Sends End and waits until it is answered.
    pub(super) async fn end(mut self) {
        let (ended, answered) = oneshot::channel();
        self.ended = Some(ended);
        drop(self);
        // Nobody answers if the End is lost.
        let _ = answered.await;
    }

    /// Whether it is with this provider.
    pub(super) fn is_with(&self, session: &Arc<Session>) -> bool {
        Arc::ptr_eq(&self.session, session)
    }

    /// What is wrong if the provider lists this name: it denied it (G9, H10).
    pub(super) fn denied(&self, root: &Root, name: &Wide) -> Option<(&'static str, &'static str)> {
        root.negative.listed(&self.path().join(name), &self.session)
    }

    /// The directory, for messages.
    pub(super) const fn path(&self) -> &Wide {
        &self.about.path
    }

    const fn id(&self) -> Guid {
        Guid::numbered(KIND, self.number)
    }
}

impl Drop for Enumeration {
    fn drop(&mut self) {
        let Some(root) = self.root.upgrade() else { return };
        if is_lost(&root.knobs(), self.number) {
            return;
        }
        let (session, caller, about) =
            (self.session.clone(), self.caller.clone(), self.about.clone());
        let (request, ended) =
            (Request::EndEnumeration { enumeration: self.id() }, self.ended.take());
        root.shared.runtime.clone().spawn(Box::pin(async move {
            // Nothing depends on the answer.
            let _ = session.ask(&root, &caller, about, request).await;
            drop(ended);
        }));
    }
}

/// Whether the End of an enumeration gets lost (`Knobs::lose_ends`).
fn is_lost(knobs: &Knobs, number: u64) -> bool {
    knobs.lose_ends > 0 && lot(knobs, number).u32(..knobs.lose_ends) == 0
}

fn lot(knobs: &Knobs, number: u64) -> fastrand::Rng {
    // Far apart, so that neighbours draw differently.
    fastrand::Rng::with_seed(knobs.seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
