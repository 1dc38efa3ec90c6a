//! One virtualization root: its items, its provider if one runs, its open handles.

use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::enumeration::Enumerations;
use super::hydration::Flights;
use super::locks::NameLocks;
use super::operations::Handles;
use super::placeholders::{NegativePaths, Questions};
use super::runtime::Runtime;
use super::session::Session;
use super::store::{ItemId, Store};
use super::trace::Trace;
use crate::contract::{Guid, HResult, Result, Wide};
use crate::knobs::Knobs;
use crate::link::Process;
use crate::violation::{Violation, ViolationLog};

/// One virtualization root. Operations on it are in `operations`.
#[derive(Debug)]
pub struct Root {
    /// Full path, as it was marked.
    pub(super) path: Wide,
    /// The identity that it was marked with (M2).
    pub(super) instance: Guid,
    /// Itself, for tasks that go on after the operation that starts them.
    pub(super) this: Weak<Self>,
    /// What is on disk.
    pub(super) store: Store,
    /// The provider, while one runs.
    pub(super) session: Mutex<Option<Arc<Session>>>,
    /// Names being changed.
    pub(super) names: NameLocks,
    /// What applications have open.
    pub(super) handles: Handles,
    /// Names that the provider said it has not (H10); outlives it.
    pub(super) negative: NegativePaths,
    /// Names that the provider is being asked for.
    pub(super) questions: Questions,
    /// Files that are being hydrated or made full.
    pub(super) flights: Flights,
    /// Numbers of sessions of listings.
    pub(super) enumerations: Enumerations,
    /// Of the driver.
    pub(super) shared: Arc<Shared>,
}

/// What all roots of a driver share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) knobs: RwLock<Arc<Knobs>>,
    pub(super) violations: ViolationLog,
    pub(super) trace: Trace,
    pub(super) runtime: Arc<dyn Runtime>,
}

impl Root {
    /// The root whose items `store` has.
    pub(super) fn new(path: Wide, store: Store, shared: Arc<Shared>) -> Result<Arc<Self>> {
        let marked = store.item(ItemId::ROOT).ok_or(HResult::FILE_NOT_FOUND)?;
        Ok(Arc::new_cyclic(|this| Self {
            path,
            instance: marked.instance,
            this: this.clone(),
            store,
            session: Mutex::default(),
            names: NameLocks::default(),
            handles: Handles::default(),
            negative: NegativePaths::default(),
            questions: Questions::default(),
            flights: Flights::default(),
            enumerations: Enumerations::default(),
            shared,
        }))
    }

    /// Full path, as it was marked.
    #[must_use]
    pub const fn path(&self) -> &Wide {
        &self.path
    }

    /// The identity that it was marked with (M2).
    #[must_use]
    pub const fn instance(&self) -> Guid {
        self.instance
    }

    /// The process that provides for it now.
    #[must_use]
    pub fn provider(&self) -> Option<Process> {
        self.session().map(|session| session.process().clone())
    }

    /// The running provider.
    pub(super) fn session(&self) -> Option<Arc<Session>> {
        self.session.lock().clone()
    }

    /// A provider has stopped or died: another may start (M9).
    pub(super) fn forget_session(&self, session: &Session) {
        let mut running = self.session.lock();
        if running.as_ref().is_some_and(|running| std::ptr::eq(Arc::as_ptr(running), session)) {
            *running = None;
        }
    }

    /// The settings as they are now.
    #[must_use]
    pub fn knobs(&self) -> Arc<Knobs> {
        self.shared.knobs()
    }

    /// Reports a broken rule. True if the operation that met it must fail for it (strict mode).
    #[must_use]
    pub(super) fn broke(&self, rule: &str, what: impl std::fmt::Display) -> bool {
        self.shared.broke(rule, what)
    }
}

impl Shared {
    /// The settings as they are now.
    pub(super) fn knobs(&self) -> Arc<Knobs> {
        self.knobs.read().clone()
    }

    /// As [`Root::broke`].
    pub(super) fn broke(&self, rule: &str, what: impl std::fmt::Display) -> bool {
        self.violations.report(Violation::new(rule, what));
        self.knobs().strict
    }
}
