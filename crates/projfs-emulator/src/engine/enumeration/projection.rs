//! The provider's side of a listing: entries as it gives them, and the rules that they can break
//! (projfs.md F6, F7, F13, F14, F16, F23, G8, G9, H10).

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::command::Enumeration;
use super::pattern::Pattern;
use crate::contract::operations::Query;
use crate::contract::{DirEntry, HResult, Result, Wide};
use crate::engine::root::Root;
use crate::engine::session::Session;
use crate::engine::store::Item;
use crate::link::Process;
use ntfs_names::{Unopenable, compare, unopenable};

/// What a provider lists of a directory: one session, and its present pass.
#[derive(Debug)]
pub(super) struct Projection {
    enumeration: Enumeration,
    /// How often the projection had changed at its start.
    changes: u64,
    pass: Pass,
    /// The pattern of the pass before.
    before: Option<Pattern>,
    /// A pattern for which there were entries, and how often the projection had changed then.
    had: Option<(Pattern, u64)>,
}

/// From one restart to the next.
#[derive(Debug)]
struct Pass {
    pattern: Pattern,
    /// The provider is to begin anew.
    restart: bool,
    /// The provider has answered no Get of it yet.
    fresh: bool,
    /// A Get was sent; if that is so when the next one is, it was given up, and how far the
    /// provider got is not known.
    asking: bool,
    /// Entries up to this one were seen before such a loss.
    seen: Option<Wide>,
    /// The name that came last (F13).
    last: Option<Wide>,
    /// Entries that nobody has taken yet.
    waiting: VecDeque<DirEntry>,
    /// The provider has no more.
    over: bool,
    /// A broken rule failed the pass.
    failed: bool,
    /// Who listed what it had denied was given the time to say that it changed.
    waited: bool,
}

impl Pass {
    const fn new(pattern: Pattern, restart: bool) -> Self {
        Self {
            pattern,
            restart,
            fresh: true,
            asking: false,
            seen: None,
            last: None,
            waiting: VecDeque::new(),
            over: false,
            failed: false,
            waited: false,
        }
    }
}

impl Projection {
    /// Begins a session and its first pass, of which the first Get says that it is a restart, or
    /// not: it is one anyway (F6).
    pub(super) async fn start(
        root: &Root,
        session: Arc<Session>,
        caller: &Process,
        directory: &Item,
        (pattern, restart): (Pattern, bool),
    ) -> Result<Self> {
        let path = root.store.path(directory.id).ok_or(HResult::PATH_NOT_FOUND)?;
        let changes = root.negative.changes();
        let enumeration = Enumeration::start(root, session, caller, directory, path).await?;
        Ok(Self {
            enumeration,
            changes,
            pass: Pass::new(pattern, restart),
            before: None,
            had: None,
        })
    }

    /// Begins another pass.
    pub(super) fn restart(&mut self, pattern: Pattern) {
        let before = std::mem::replace(&mut self.pass, Pass::new(pattern, true));
        self.before = Some(before.pattern);
    }

    /// Whether it is with this provider.
    pub(super) fn is_with(&self, session: &Arc<Session>) -> bool {
        self.enumeration.is_with(session)
    }

    /// Whether there was no restart: the provider may know in this session only what it projected at
    /// its start.
    pub(super) const fn is_first_pass(&self) -> bool {
        self.before.is_none()
    }

    /// Whether the provider said since its start that the projection changed.
    pub(super) fn has_changed(&self, root: &Root) -> bool {
        root.negative.changes() != self.changes
    }

    /// The directory.
    pub(super) const fn path(&self) -> &Wide {
        self.enumeration.path()
    }

    /// Ends the session.
    pub(super) async fn end(self) {
        self.enumeration.end().await;
    }

    /// The next entry, which stays; `None` at the end.
    pub(super) async fn peek(&mut self, root: &Root, query: &Query) -> Result<Option<&DirEntry>> {
        while self.pass.waiting.is_empty() && !self.pass.over {
            self.fetch(root, query).await?;
        }
        if self.pass.failed { Err(HResult::INTERNAL_ERROR) } else { Ok(self.pass.waiting.front()) }
    }

    /// The next entry that [`Self::peek`] has shown.
    pub(super) fn take(&mut self) -> Option<DirEntry> {
        self.pass.waiting.pop_front()
    }

    /// The next entry; `None` at the end.
    pub(super) async fn next(&mut self, root: &Root, query: &Query) -> Result<Option<DirEntry>> {
        self.peek(root, query).await?;
        Ok(self.take())
    }

    /// A rule was broken. True in strict mode: that fails this query, and those until the next
    /// restart.
    pub(super) fn broke(&mut self, root: &Root, rule: &str, what: fmt::Arguments<'_>) -> bool {
        let strict = root.broke(rule, format_args!("listing of \"{}\": {what}", self.path()));
        self.pass.failed |= strict;
        strict
    }

    /// One Get.
    async fn fetch(&mut self, root: &Root, query: &Query) -> Result<()> {
        let pass = &mut self.pass;
        let lost = std::mem::replace(&mut pass.asking, true);
        if lost {
            (pass.restart, pass.seen) = (true, pass.last.take().or_else(|| pass.seen.take()));
        }
        // A later expression goes to the provider as it is: the provider has to ignore it (F6).
        let whole = pass.fresh || lost;
        let expression = if whole { pass.pattern.expression() } else { query.expression.clone() };
        let restart = whole && pass.restart;
        let answer = self.enumeration.get(root, expression, restart, query.single_entry).await;
        let pass = &mut self.pass;
        if answer.is_err() {
            pass.asking = false;
        }
        let entries = answer?;
        let first = std::mem::replace(&mut pass.fresh, false) && !lost;
        if entries.is_empty() {
            pass.over = true;
            if first {
                self.check_empty(root).await;
            }
        } else {
            self.had = Some((pass.pattern.clone(), root.negative.changes()));
        }
        for entry in entries {
            self.wait_for_change(root, &entry).await;
            self.accept(root, query, entry);
        }
        self.pass.asking = false;
        if self.pass.failed { Err(HResult::INTERNAL_ERROR) } else { Ok(()) }
    }

    /// A pass without entries, where the same pattern had some: "done" was not reset (F23). But for
    /// what is virtual the projection may change without a word: a new session tells.
    async fn check_empty(&mut self, root: &Root) {
        let pattern = self.pass.pattern.clone();
        if self.had.as_ref() != Some(&(pattern.clone(), root.negative.changes())) {
            return;
        }
        let another = self.enumeration.another_gives_entries(root, pattern.expression()).await;
        if another == Ok(true) {
            let what = "nothing after a restart, though the same expression gives entries";
            self.broke(root, "F23", format_args!("{what}"));
        }
    }

    /// Lets the provider say that the projection changed, if it lists what it denied (H10).
    async fn wait_for_change(&mut self, root: &Root, entry: &DirEntry) {
        let is_right = || self.enumeration.denied(root, &entry.name).is_none();
        if !self.pass.waited && !is_right() {
            self.pass.waited = !root.soon(is_right).await;
        }
    }

    fn accept(&mut self, root: &Root, query: &Query, entry: DirEntry) {
        let seen = |seen: &Wide| compare(entry.name.units(), seen.units()) != Ordering::Greater;
        if self.pass.seen.as_ref().is_some_and(seen) {
            return;
        }
        self.check_order(root, &entry);
        self.check_entry(root, &entry);
        let matching = self.check_match(root, query, &entry);
        self.pass.last = Some(entry.name.clone());
        if matching || !root.knobs().filter_again {
            self.pass.waiting.push_back(entry);
        }
    }

    fn check_order(&mut self, root: &Root, entry: &DirEntry) {
        let (Some(last), name) = (self.pass.last.clone(), &entry.name) else { return };
        let why = match compare(last.units(), name.units()) {
            Ordering::Less => return,
            Ordering::Equal => "both are one name on Windows",
            Ordering::Greater => "sort by units in upper case, as NTFS does",
        };
        self.broke(root, "F13", format_args!("{name} came after {last}; {why}"));
    }

    fn check_entry(&mut self, root: &Root, entry: &DirEntry) {
        let name = &entry.name;
        if let Some(why) = unopenable(name.units()) {
            // The file system itself makes `.` and `..`.
            let rule = if why == Unopenable::Dots { "F14" } else { "G8" };
            self.broke(root, rule, format_args!("the name {name} {why}"));
        }
        let denied = self.enumeration.denied(root, name);
        if let Some((rule, why)) = denied {
            self.broke(root, rule, format_args!("{name} is listed, {why}"));
        }
        if entry.basic.directory && entry.basic.size != 0 {
            self.broke(root, "F16", format_args!("the directory {name} has a size other than 0"));
        }
    }

    /// Whether an entry matches the captured expression. What another expression explains shows
    /// that the provider did not capture when it should have, or captured when it should not (F6).
    fn check_match(&mut self, root: &Root, query: &Query, entry: &DirEntry) -> bool {
        let (name, pattern) = (&entry.name, &self.pass.pattern);
        if pattern.takes(name) {
            return true;
        }
        let wanted = pattern.expression().unwrap_or_default();
        let later = Pattern::new(query.expression.clone());
        let switched = later.expression() != pattern.expression() && later.takes(name);
        let mut before = self.before.iter().filter(|before| !before.takes_all());
        let stale = before.any(|before| before.takes(name));
        if switched || stale {
            let what = "the expression of the first Get, and of each restart, counts";
            self.broke(root, "F6", format_args!("{name} does not match {wanted}: {what}"));
        } else {
            self.broke(root, "F7", format_args!("{name} does not match {wanted}"));
        }
        false
    }
}
