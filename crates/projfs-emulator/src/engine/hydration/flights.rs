//! One at a time per file: who comes first does the work, the others wait for its end (projfs.md
//! J7, K8).

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::contract::Result;
use crate::engine::ItemId;

/// How a flight ended; `None` while it is under way.
type Ending = Option<Result<()>>;

type Table = Mutex<HashMap<ItemId, watch::Receiver<Ending>>>;

/// The files for which somebody does the work.
#[derive(Debug, Default)]
pub(super) struct Seats {
    taken: Arc<Table>,
}

/// What who comes gets.
#[derive(Debug)]
pub(super) enum Place {
    /// The work is theirs.
    First(Seat),
    /// Somebody does it.
    Later(Flight),
}

impl Seats {
    /// The first comer's seat, or the flight to wait for.
    pub(super) fn take(&self, item: ItemId) -> Place {
        let mut taken = self.taken.lock();
        if let Some(flight) = taken.get(&item) {
            return Place::Later(Flight { ending: flight.clone() });
        }
        let (ending, flight) = watch::channel(None);
        taken.insert(item, flight);
        Place::First(Seat { taken: self.taken.clone(), item, result: None, ending })
    }

    /// Waits until nobody does the work, and keeps it so while the seat is held.
    pub(super) async fn alone(&self, item: ItemId) -> Seat {
        loop {
            match self.take(item) {
                Place::First(seat) => return seat,
                Place::Later(flight) => drop(flight.end().await),
            }
        }
    }
}

/// The right and the duty to do the work. Given up without an end, somebody who waits takes over.
#[derive(Debug)]
pub(super) struct Seat {
    taken: Arc<Table>,
    item: ItemId,
    result: Ending,
    ending: watch::Sender<Ending>,
}

impl Seat {
    /// Tells all who wait how it ended, and gives that back.
    pub(super) fn land(mut self, result: Result<()>) -> Result<()> {
        self.result = Some(result);
        result
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // First, so that who comes after the end begins anew instead of getting an old failure (J8).
        self.taken.lock().remove(&self.item);
        if self.result.is_some() {
            self.ending.send_replace(self.result);
        }
    }
}

/// Somebody else's work.
#[derive(Debug)]
pub(super) struct Flight {
    ending: watch::Receiver<Ending>,
}

impl Flight {
    /// Waits for its end; `None` if it was given up.
    pub(super) async fn end(mut self) -> Ending {
        self.ending.wait_for(Option::is_some).await.ok().and_then(|ending| *ending)
    }
}
