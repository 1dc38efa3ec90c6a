//! Single flight: many readers want one thing, one leader gets it.
//!
//! Whoever joins a key first becomes its leader; everybody, the leader's own caller included,
//! holds a ticket and waits. A waiter that goes away never breaks the others. A leader that goes
//! away without landing wakes everybody empty-handed, and the next to join leads again, so a
//! failed or cancelled fetch never blocks a key for good.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::sync::{Mutex, lock};

/// The flights under way, by key.
pub(crate) struct SingleFlight<K, V> {
    flights: Mutex<HashMap<K, Arc<Flight<V>>>>,
}

impl<K, V> fmt::Debug for SingleFlight<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SingleFlight").field("under_way", &lock(&self.flights).len()).finish()
    }
}

struct Flight<V> {
    state: Mutex<FlightState<V>>,
}

struct FlightState<V> {
    outcome: Option<Landing<V>>,
    tickets: usize,
    next_ticket: u64,
    wakers: HashMap<u64, Waker>,
    /// Woken when the last ticket is given back.
    leader: Option<Waker>,
}

#[derive(Clone)]
enum Landing<V> {
    Landed(V),
    LeaderGone,
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { flights: Mutex::new(HashMap::new()) })
    }

    /// Joins the flight for `key`; the first to join also gets its [`Leader`].
    pub(crate) fn join(self: &Arc<Self>, key: K) -> (Ticket<V>, Option<Leader<K, V>>) {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&key) {
            return (Ticket::new(Arc::clone(flight)), None);
        }
        let flight = Arc::new(Flight {
            state: Mutex::new(FlightState {
                outcome: None,
                tickets: 0,
                next_ticket: 0,
                wakers: HashMap::new(),
                leader: None,
            }),
        });
        flights.insert(key.clone(), Arc::clone(&flight));
        drop(flights);
        let ticket = Ticket::new(Arc::clone(&flight));
        (ticket, Some(Leader { flights: Arc::clone(self), key, flight, landed: false }))
    }

    /// Becomes the leader for `key`, or nothing if somebody leads already.
    pub(crate) fn lead(self: &Arc<Self>, key: K) -> Option<Leader<K, V>> {
        self.join(key).1
    }
}

/// The duty to land one flight. Dropping it instead wakes every waiter empty-handed.
pub(crate) struct Leader<K: Eq + Hash + Clone, V: Clone> {
    flights: Arc<SingleFlight<K, V>>,
    key: K,
    flight: Arc<Flight<V>>,
    landed: bool,
}

impl<K: Eq + Hash + Clone, V: Clone> Leader<K, V> {
    /// Gives everybody who waits the value. Later joiners start a new flight.
    pub(crate) fn land(mut self, value: V) {
        self.landed = true;
        self.end(Landing::Landed(value));
    }

    /// Ends once nobody waits any more. Somebody may join again right after; whoever then lets the
    /// leader go makes them start over.
    pub(crate) fn abandoned(&self) -> impl Future<Output = ()> + use<K, V> {
        let flight = Arc::clone(&self.flight);
        poll_fn(move |context| {
            let mut state = lock(&flight.state);
            if state.tickets == 0 {
                return Poll::Ready(());
            }
            state.leader = Some(context.waker().clone());
            Poll::Pending
        })
    }

    fn end(&self, landing: Landing<V>) {
        lock(&self.flights.flights).remove(&self.key);
        let wakers = {
            let mut state = lock(&self.flight.state);
            state.outcome = Some(landing);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_values().for_each(Waker::wake);
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Drop for Leader<K, V> {
    fn drop(&mut self) {
        if !self.landed {
            self.end(Landing::LeaderGone);
        }
    }
}

/// A place among those who wait: a future of the value, or of `None` if the leader went away.
pub(crate) struct Ticket<V> {
    flight: Arc<Flight<V>>,
    id: u64,
}

impl<V> Ticket<V> {
    fn new(flight: Arc<Flight<V>>) -> Self {
        let mut state = lock(&flight.state);
        let id = state.next_ticket;
        state.next_ticket += 1;
        state.tickets += 1;
        drop(state);
        Self { flight, id }
    }
}

impl<V: Clone> Future for Ticket<V> {
    type Output = Option<V>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<V>> {
        let mut state = lock(&self.flight.state);
        match &state.outcome {
            Some(Landing::Landed(value)) => Poll::Ready(Some(value.clone())),
            Some(Landing::LeaderGone) => Poll::Ready(None),
            None => {
                state.wakers.insert(self.id, context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<V> Drop for Ticket<V> {
    fn drop(&mut self) {
        let mut state = lock(&self.flight.state);
        state.tickets -= 1;
        state.wakers.remove(&self.id);
        let leader = if state.tickets == 0 { state.leader.take() } else { None };
        drop(state);
        if let Some(leader) = leader {
            leader.wake();
        }
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_who_joined_get_what_the_leader_lands() {
        let flights = SingleFlight::<u8, u32>::new();
        let (first, leader) = flights.join(1);
        let (second, none) = flights.join(1);
        assert!(none.is_none());
        leader.unwrap().land(7);
        assert_eq!((first.await, second.await), (Some(7), Some(7)));
        assert!(flights.join(1).1.is_some(), "a landed flight is over");
    }

    #[tokio::test]
    async fn a_leader_that_goes_away_leaves_the_key_free() {
        let flights = SingleFlight::<u8, u32>::new();
        let (ticket, leader) = flights.join(1);
        drop(leader);
        assert_eq!(ticket.await, None);
        assert!(flights.lead(1).is_some());
    }

    #[tokio::test]
    async fn a_leader_learns_when_nobody_waits() {
        let flights = SingleFlight::<u8, u32>::new();
        let (ticket, leader) = flights.join(1);
        let leader = leader.unwrap();
        let (other, _) = flights.join(1);
        let quitters = async {
            drop(ticket);
            tokio::task::yield_now().await;
            drop(other);
        };
        tokio::join!(leader.abandoned(), quitters);
        drop(leader);
        assert!(flights.lead(1).is_some());
    }
}

#[cfg(all(test, feature = "shuttle"))]
mod shuttle_tests {
    use super::*;

    /// Readers join, some give up; the leader lands or goes away. Nobody may hang, and a value
    /// that is seen is the one that was landed.
    #[test]
    fn shuttle_flight_never_strands_a_waiter() {
        crate::sync::explore(|| {
            let flights = SingleFlight::<u8, u32>::new();
            let readers: Vec<_> = (0..3)
                .map(|reader| {
                    let flights = Arc::clone(&flights);
                    shuttle::thread::spawn(move || {
                        shuttle::future::block_on(async move {
                            loop {
                                let (ticket, leader) = flights.join(1);
                                match leader {
                                    Some(leader) if reader == 0 => drop(leader),
                                    Some(leader) => leader.land(7),
                                    None => {}
                                }
                                match ticket.await {
                                    Some(value) => break assert_eq!(value, 7),
                                    None if reader == 0 => break,
                                    None => {}
                                }
                            }
                        });
                    })
                })
                .collect();
            readers.into_iter().for_each(|reader| reader.join().unwrap());
            assert!(lock(&flights.flights).is_empty());
        });
    }
}
