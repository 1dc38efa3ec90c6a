//! The callbacks that a root made, in order, for tests to compare.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::contract::{HResult, Wide};
use crate::link::Command;
pub use crate::link::Traced;

/// How many are kept: the newest.
const KEPT: usize = 100_000;

/// The callbacks of one driver; the newest hundred thousand are kept.
#[derive(Debug, Default)]
pub struct Trace {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Place of the oldest one here: how many were taken or dropped before.
    first: u64,
    callbacks: VecDeque<Traced>,
}

impl Trace {
    /// Notes that a command was sent; gives its place for [`Self::answered`].
    pub(super) fn sent(&self, root: &Wide, command: &Command) -> u64 {
        let traced =
            Traced { root: root.clone(), command: command.clone(), result: None, entries: 0 };
        let mut kept = self.kept.lock();
        if kept.callbacks.len() == KEPT {
            kept.callbacks.pop_front();
            kept.first += 1;
        }
        kept.callbacks.push_back(traced);
        kept.first + kept.callbacks.len() as u64 - 1
    }

    /// Notes the answer, unless the command was taken or dropped meanwhile.
    pub(super) fn answered(&self, place: u64, result: HResult, entries: usize) {
        let mut kept = self.kept.lock();
        let index = place.checked_sub(kept.first).and_then(|index| usize::try_from(index).ok());
        if let Some(traced) = index.and_then(|index| kept.callbacks.get_mut(index)) {
            traced.result = Some(result);
            traced.entries = entries;
        }
    }

    /// What was noted since the last call.
    pub fn take(&self) -> Vec<Traced> {
        let mut kept = self.kept.lock();
        kept.first += kept.callbacks.len() as u64;
        kept.callbacks.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Guid;
    use crate::link::{Process, Request};

    fn command(id: i32) -> Command {
        Command {
            id,
            path: "a".into(),
            version: None,
            process: Process::default(),
            file: Guid::default(),
            stream: Guid::default(),
            request: Request::QueryFileName,
        }
    }

    #[test]
    fn an_answer_goes_to_its_command_even_after_others_were_taken() {
        let (trace, root) = (Trace::default(), Wide::from("C:\\root"));
        let taken = trace.sent(&root, &command(1));
        assert_eq!(trace.take().len(), 1);
        let kept = trace.sent(&root, &command(2));
        trace.answered(taken, HResult::ACCESS_DENIED, 0);
        trace.answered(kept, HResult::OK, 3);
        let callbacks = trace.take();
        let [only] = callbacks.as_slice() else { unreachable!("one was sent since") };
        assert_eq!((only.command.id, only.result, only.entries), (2, Some(HResult::OK), 3));
    }

    #[test]
    fn the_newest_are_kept() {
        let (trace, root) = (Trace::default(), Wide::default());
        let first = trace.sent(&root, &command(1));
        for _ in 0..KEPT {
            trace.sent(&root, &command(2));
        }
        trace.answered(first, HResult::ACCESS_DENIED, 0);
        let callbacks = trace.take();
        assert_eq!(callbacks.len(), KEPT);
        assert!(callbacks.iter().all(|one| one.command.id == 2 && one.result.is_none()));
    }
}
