//! Which commands are with the provider, and how far: each is answered once (L2, L4), from the
//! callback's return or by PrjCompleteCommand, whichever comes first.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;

use super::super::entries::EntryBuffer;
use crate::contract::Guid;

/// How many answered commands are remembered, to tell a second answer from a wrong number.
const REMEMBERED: usize = 1024;

/// How many cancelled commands may stay unanswered (L5) before the oldest is forgotten.
const UNANSWERED: usize = 1024;

/// The commands of an instance.
#[derive(Debug, Default)]
pub(in super::super) struct Commands {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pending: BTreeMap<i32, Pending>,
    answered: VecDeque<i32>,
    cancelled: VecDeque<i32>,
}

#[derive(Debug)]
struct Pending {
    stage: Stage,
    cancelled: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No callback was made yet.
    Queued,
    /// Its callback runs.
    Running,
    /// Its callback runs, and PrjCompleteCommand has answered already.
    Answered,
    /// Its callback returned IO_PENDING.
    Waiting,
}

/// What matters of a command for its answer.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Nothing but the code.
    Plain,
    /// A Get's entries go with it.
    Get { listing: Guid, buffer: Arc<EntryBuffer> },
    /// A notification, with a mask if its kind takes one (K11).
    Notification { takes_mask: bool },
}

/// What a callback's return means.
#[derive(Debug)]
pub(super) enum Returned {
    /// It is the answer.
    Answer(Taken),
    /// The answer comes later, or came already.
    Nothing,
    /// The answer came already, and this would be a second one.
    Second,
}

/// What PrjCompleteCommand's number turned out to be.
#[derive(Debug)]
pub(super) enum Number {
    Pending(Taken),
    AnsweredBefore,
    Unknown,
}

/// A command that is being answered, by whoever got this.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) kind: Kind,
    /// Nobody waits for the answer.
    pub(super) cancelled: bool,
}

impl Commands {
    pub(super) fn queued(&self, id: i32) {
        let pending = Pending { stage: Stage::Queued, cancelled: false, kind: Kind::Plain };
        self.state.lock().pending.insert(id, pending);
    }

    /// A callback is about to be made. False if nobody wants it any more; then it is forgotten.
    pub(super) fn starts(&self, id: i32, kind: Kind) -> bool {
        let mut state = self.state.lock();
        match state.pending.get_mut(&id) {
            Some(pending) if !pending.cancelled => {
                pending.stage = Stage::Running;
                pending.kind = kind;
                true
            }
            _ => {
                state.pending.remove(&id);
                false
            }
        }
    }

    /// A callback has returned; `pending` if with IO_PENDING.
    pub(super) fn returned(&self, id: i32, pending: bool) -> Returned {
        let mut state = self.state.lock();
        let Some(command) = state.pending.get_mut(&id) else {
            // Forgotten, because too many were cancelled: nobody waits for it.
            return Returned::Nothing;
        };
        match (command.stage, pending) {
            (Stage::Answered, _) => {
                state.pending.remove(&id);
                if pending { Returned::Nothing } else { Returned::Second }
            }
            (_, true) => {
                command.stage = Stage::Waiting;
                Returned::Nothing
            }
            (_, false) => {
                let taken = Taken { kind: command.kind.clone(), cancelled: command.cancelled };
                state.pending.remove(&id);
                state.remember(id);
                Returned::Answer(taken)
            }
        }
    }

    /// PrjCompleteCommand was called.
    pub(super) fn answer(&self, id: i32) -> Number {
        let mut state = self.state.lock();
        let Some(command) = state.pending.get_mut(&id) else {
            let before = state.answered.contains(&id);
            return if before { Number::AnsweredBefore } else { Number::Unknown };
        };
        let taken = Taken { kind: command.kind.clone(), cancelled: command.cancelled };
        match command.stage {
            // The provider cannot know it yet.
            Stage::Queued => return Number::Unknown,
            Stage::Answered => return Number::AnsweredBefore,
            Stage::Running => command.stage = Stage::Answered,
            Stage::Waiting => drop(state.pending.remove(&id)),
        }
        state.remember(id);
        Number::Pending(taken)
    }

    /// Nobody waits for a command any more (L5). True if its callback was made, so that the
    /// provider can be told.
    pub(super) fn cancel(&self, id: i32) -> bool {
        let mut state = self.state.lock();
        let Some(command) = state.pending.get_mut(&id) else { return false };
        command.cancelled = true;
        let made = matches!(command.stage, Stage::Running | Stage::Waiting);
        state.cancelled.push_back(id);
        let oldest =
            if state.cancelled.len() > UNANSWERED { state.cancelled.pop_front() } else { None };
        let forgotten = oldest.and_then(|oldest| state.forget_unanswered(oldest));
        drop(state);
        end_buffer(forgotten);
        made
    }

    /// Whether a command is cancelled and its callback was made: what CancelCommand is for.
    pub(super) fn can_be_cancelled(&self, id: i32) -> bool {
        self.state.lock().pending.get(&id).is_some_and(|command| {
            command.cancelled && matches!(command.stage, Stage::Running | Stage::Waiting)
        })
    }

    /// The instance has ended: no entry buffer is valid any more. Gives the commands whose callbacks
    /// returned IO_PENDING and that were neither answered nor cancelled (M8).
    pub(in super::super) fn end(&self) -> Vec<i32> {
        let pending = std::mem::take(&mut self.state.lock().pending);
        let mut unanswered = Vec::new();
        for (id, command) in pending {
            if command.stage == Stage::Waiting && !command.cancelled {
                unanswered.push(id);
            }
            end_buffer(Some(command));
        }
        unanswered
    }
}

impl State {
    fn remember(&mut self, id: i32) {
        if self.answered.len() >= REMEMBERED {
            self.answered.pop_front();
        }
        self.answered.push_back(id);
    }

    fn forget_unanswered(&mut self, id: i32) -> Option<Pending> {
        let waits = |command: &Pending| command.cancelled && command.stage == Stage::Waiting;
        if self.pending.get(&id).is_some_and(waits) { self.pending.remove(&id) } else { None }
    }
}

fn end_buffer(command: Option<Pending>) {
    if let Some(Pending { kind: Kind::Get { buffer, .. }, .. }) = command {
        buffer.end();
    }
}
