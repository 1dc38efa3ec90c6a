//! Commands become callbacks, and what callbacks answer becomes completions.

mod block;
mod call;
mod commands;

use std::sync::{Arc, Weak};

pub(super) use block::Quarantine;
pub(super) use call::Callbacks;
pub(super) use commands::Commands;
use commands::{Kind, Number, Returned, Taken};

use super::arguments::Extended;
use super::context::Context;
use super::entries::EntryBuffer;
use super::misuse::broke;
use crate::contract::{HResult, NotifyMask, Result};
use crate::link::{Command, Completion, Provider, Reply, Request};

/// The instance as the driver sees it. It does not keep the instance alive.
#[derive(Debug)]
pub(super) struct Intake(pub(super) Weak<Context>);

impl Provider for Intake {
    fn invoke(&self, command: Command) {
        let Some(context) = self.0.upgrade() else { return };
        context.commands.queued(command.id);
        let own = context.clone();
        context.pool.submit(Box::new(move || run(&own, &command)));
    }

    fn cancel(&self, id: i32) {
        let Some(context) = self.0.upgrade() else { return };
        let made = context.commands.cancel(id);
        if let (true, Some(cancels)) = (made, &context.cancels) {
            let own = context.clone();
            cancels.submit(Box::new(move || run_cancel(&own, id)));
        }
    }
}

/// What a synchronous answer has besides its code.
#[derive(Clone, Copy, Debug)]
enum Besides {
    /// Of the callback itself: its mask, and what it filled in.
    Returned(NotifyMask),
    /// Of PrjCompleteCommand.
    Completed(Option<Extended>),
}

/// Makes a command's callback, on one of the pool's threads.
fn run(context: &Arc<Context>, command: &Command) {
    let kind = kind(context, command);
    let entries = match &kind {
        Kind::Get { buffer, .. } => Some(buffer.clone()),
        _ => None,
    };
    let handle = entries.as_ref().map(|entries| entries.handle());
    if !context.commands.starts(command.id, kind) {
        // Cancelled before its callback was made: the provider never hears of it (L5).
        if let Some(entries) = entries {
            entries.end();
        }
        let (id, result) = (command.id, HResult::OPERATION_ABORTED);
        return send(context, Completion { id, result, reply: Reply::None });
    }
    let mut block = call::block(&context.callbacks, context.handle, command);
    let result = call::call(&context.callbacks, &command.request, handle, &mut block);
    let mask = block.mask();
    context.quarantine.take(block, &context.driver);
    if let Request::EndEnumeration { enumeration } = &command.request {
        context.listings.forget(*enumeration);
    }
    match context.commands.returned(command.id, result == HResult::IO_PENDING) {
        Returned::Answer(taken) => {
            let completion = answer(context, command.id, taken, result, Besides::Returned(mask));
            send(context, completion);
        }
        Returned::Nothing => {}
        Returned::Second => {
            let what = format_args!(
                "the callback for '{}' returned {result} although PrjCompleteCommand had answered: \
                 return IO_PENDING",
                command.path
            );
            // The first answer holds, strict or not.
            let _ = broke(&context.driver, "L2", what);
        }
    }
}

/// Tells the provider that nobody waits for a command any more.
fn run_cancel(context: &Context, id: i32) {
    // It may have been answered since (L5).
    if !context.commands.can_be_cancelled(id) {
        return;
    }
    if let Some(function) = context.callbacks.functions.CancelCommandCallback {
        let block = call::cancel_block(&context.callbacks, context.handle, id);
        // SAFETY: the provider gave this function for this; the block lives until it returns.
        unsafe { function(block.data()) };
        context.quarantine.take(block, &context.driver);
    }
}

/// PrjCompleteCommand (L2, L3, L4).
///
/// # Errors
/// INVALID_ARGUMENT if the command is not pending, or is not answered by `result`.
pub(super) fn complete(
    context: &Context,
    id: i32,
    result: HResult,
    extended: Option<Extended>,
) -> Result<()> {
    if result == HResult::IO_PENDING {
        // Not an answer, strict or not.
        let _ = broke(&context.driver, "L2", format_args!("command {id} was completed as pending"));
        return Err(HResult::INVALID_ARGUMENT);
    }
    let taken = match context.commands.answer(id) {
        Number::Pending(taken) => taken,
        Number::AnsweredBefore => {
            // The first answer holds, strict or not.
            let _ = broke(&context.driver, "L2", format_args!("command {id} was completed twice"));
            return Err(HResult::INVALID_ARGUMENT);
        }
        Number::Unknown => {
            let what = format_args!("command {id} was completed, but is not pending");
            // As on Windows, strict or not.
            let _ = broke(&context.driver, "L4", what);
            return Err(HResult::INVALID_ARGUMENT);
        }
    };
    let cancelled = taken.cancelled;
    let completion = answer(context, id, taken, result, Besides::Completed(extended));
    let sent = context.instance()?.complete(completion);
    if cancelled { Ok(()) } else { sent }
}

fn kind(context: &Context, command: &Command) -> Kind {
    match &command.request {
        Request::GetEnumeration { enumeration, restart, budget, .. } => {
            let listing = *enumeration;
            let expected = context.listings.expected(listing, *restart);
            let buffer = EntryBuffer::new(context, command.path.clone(), *budget, expected);
            Kind::Get { listing, buffer }
        }
        Request::Notify { notification, .. } => {
            Kind::Notification { takes_mask: notification.takes_mask() }
        }
        _ => Kind::Plain,
    }
}

/// What the driver is told of a command's end.
fn answer(
    context: &Context,
    id: i32,
    taken: Taken,
    result: HResult,
    besides: Besides,
) -> Completion {
    let (result, reply) = match taken.kind {
        Kind::Get { listing, buffer } => {
            let own = Extended::Entries(buffer.handle());
            let lost = matches!(besides, Besides::Completed(given) if given != Some(own));
            // A cancelled Get, or a failed one, has no entries to lose.
            let fails = lost && result.is_ok() && !taken.cancelled && buffer.lose();
            buffer.end();
            let got = buffer.finish(if fails { HResult::INTERNAL_ERROR } else { result });
            context.listings.remember(listing, got.rejected.filter(|_| !taken.cancelled));
            (got.result, got.reply)
        }
        Kind::Notification { takes_mask } => match besides {
            Besides::Returned(mask) | Besides::Completed(Some(Extended::Mask(mask))) => {
                (result, if takes_mask { Reply::Mask(mask) } else { Reply::None })
            }
            Besides::Completed(None) => (result, Reply::None),
            Besides::Completed(Some(Extended::Entries(_))) => unsuited(context, id, result),
        },
        Kind::Plain => match besides {
            Besides::Returned(_) | Besides::Completed(None) => (result, Reply::None),
            Besides::Completed(Some(_)) => unsuited(context, id, result),
        },
    };
    Completion { id, result, reply }
}

/// The parameters of PrjCompleteCommand are for another kind of command (L3).
fn unsuited(context: &Context, id: i32, result: HResult) -> (HResult, Reply) {
    let what = format_args!("command {id} was completed with the parameters of another kind");
    let fails = broke(&context.driver, "L3", what);
    (if fails { HResult::INTERNAL_ERROR } else { result }, Reply::None)
}

fn send(context: &Context, completion: Completion) {
    let id = completion.id;
    let sent = context.instance().and_then(|instance| instance.complete(completion));
    if let Err(error) = sent {
        // Cancelled, or the driver is gone: nobody waits for it.
        tracing::debug!("the answer to command {id} was not wanted: {error}");
    }
}
