//! Every order there is, one after the other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Scheduler;
use super::choices::Choice;

/// How far an [`explore`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// How many runs there were.
    pub runs: usize,
    /// Whether they were all that there are.
    pub complete: bool,
}

/// A run that panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("run {run} failed: {message}; repeat it with Scheduler::replaying(&{choices:?})")]
pub struct FailedRun {
    /// Which one it was, from 1.
    pub run: usize,
    /// What was chosen in it.
    pub choices: Vec<usize>,
    /// What it panicked with.
    pub message: String,
}

/// Runs a test once for each sequence of choices, at most `most_runs` times. The test must do the
/// same each time but for what the scheduler chooses. Tasks that it leaves behind are dropped.
///
/// # Errors
/// The first run that panics.
pub fn explore(most_runs: usize, mut test: impl FnMut(&Scheduler)) -> Result<Explored, FailedRun> {
    let mut given = Some(Vec::new());
    for run in 0..most_runs {
        let Some(choices) = given else { return Ok(Explored { runs: run, complete: true }) };
        let scheduler = Scheduler::replaying(&choices);
        let outcome = catch_unwind(AssertUnwindSafe(|| test(&scheduler)));
        scheduler.abandon();
        if let Err(panic) = outcome {
            let (choices, message) = (scheduler.choices(), message(&*panic));
            return Err(FailedRun { run: run + 1, choices, message });
        }
        given = following(scheduler.state.lock().choices());
    }
    Ok(Explored { runs: most_runs, complete: given.is_none() })
}

/// The choices of the next run, depth first: the last one that had another option takes it.
fn following(made: &[Choice]) -> Option<Vec<usize>> {
    let last = made.iter().rposition(|choice| choice.taken + 1 < choice.options)?;
    let mut given: Vec<usize> = made.iter().take(last + 1).map(|choice| choice.taken).collect();
    if let Some(taken) = given.last_mut() {
        *taken += 1;
    }
    Some(given)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}
