//! Counts what is under way, so that somebody can wait for its end.

use std::sync::Arc;

use tokio::sync::watch;

/// How many things have begun and ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Outstanding {
    counts: Arc<watch::Sender<Counts>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    begun: u64,
    ended: u64,
}

/// One thing under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Token {
    counts: Arc<watch::Sender<Counts>>,
}

impl Outstanding {
    /// One more.
    pub(super) fn begin(&self) -> Token {
        self.counts.send_modify(|counts| counts.begun += 1);
        Token { counts: self.counts.clone() }
    }

    /// Waits until nothing is under way.
    pub(super) async fn none(&self) {
        // An error would say that the sender is gone, which this has.
        let _ = self.counts.subscribe().wait_for(|counts| counts.ended == counts.begun).await;
    }

    /// Waits until as many have ended as have begun by now, though more may begin.
    pub(super) async fn as_many_as_now(&self) {
        let begun = self.counts.borrow().begun;
        let _ = self.counts.subscribe().wait_for(|counts| counts.ended >= begun).await;
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.counts.send_modify(|counts| counts.ended += 1);
    }
}
