//! Broken rules: what a provider did that Windows does not forgive, or forgives only by luck.

use std::collections::VecDeque;
use std::fmt;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// How many are kept; the first ones tell most, so later ones are counted only.
const KEPT: usize = 1000;

/// A rule that a provider broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// Its number in the rulebook, such as `F13`.
    pub rule: String,
    /// What was done, to which item, and what is right.
    pub what: String,
}

impl Violation {
    /// A broken rule.
    #[must_use]
    pub fn new(rule: &str, what: impl fmt::Display) -> Self {
        Self { rule: rule.to_owned(), what: what.to_string() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.rule, self.what)
    }
}

/// The broken rules of one driver, oldest first; at most a thousand are kept.
#[derive(Debug, Default)]
pub struct ViolationLog {
    kept: Mutex<VecDeque<Violation>>,
}

impl ViolationLog {
    /// Notes one, and says it to the log.
    pub fn report(&self, violation: Violation) {
        tracing::error!(rule = %violation.rule, "contract broken: {}", violation.what);
        let mut kept = self.kept.lock();
        if kept.len() < KEPT {
            kept.push_back(violation);
        }
    }

    /// What was noted since the last call.
    pub fn take(&self) -> Vec<Violation> {
        self.kept.lock().drain(..).collect()
    }
}
