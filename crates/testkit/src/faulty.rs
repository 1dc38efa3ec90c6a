//! A store wrapper that fails on command.
//!
//! A fault is a kind, an operation, a key prefix and a count. Faults are armed while the store is
//! in use, and each says how often it has fired:
//!
//! ```
//! # use std::sync::Arc;
//! use rusty_attachments_storage::{MemoryStore, StorageClient};
//! use rusty_attachments_testkit::{Fault, FaultKind, FaultyStore, Operation};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let store = FaultyStore::new(Arc::new(MemoryStore::new()));
//! let fault = Fault::new(FaultKind::Offline).on(Operation::Head).keys("Data/").next(2);
//! let armed = store.arm(fault);
//! assert!(store.head("Data/x").await.unwrap_err().is_transient());
//! assert_eq!(armed.fired(), 1);
//! # });
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use parking_lot::Mutex;
use rusty_attachments_storage::{
    ByteRange, Object, ObjectInfo, Payload, StorageClient, StorageError,
};
use tokio::sync::watch;

/// A method of [`StorageClient`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// [`StorageClient::get`]
    Get,
    /// [`StorageClient::head`]
    Head,
    /// [`StorageClient::put`]
    Put,
    /// [`StorageClient::list`]
    List,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The call fails: no such object.
    NotFound,
    /// The call fails: access denied.
    AccessDenied,
    /// The call fails: too many requests.
    Throttled,
    /// The call fails: the store cannot be reached.
    Offline,
    /// A read's body ends this many bytes early, without an error.
    ShortBody(u64),
    /// A read's body has the right length; its first byte is another.
    WrongBytes,
    /// A read's body breaks with an offline error after this many bytes.
    CutAfter(u64),
    /// The call waits until the fault is released, and then goes on as if nothing had been.
    Hang,
    /// A read's body stops after this many bytes until the fault is released, and then goes on.
    HangAfter(u64),
}

impl FaultKind {
    /// Whether this happens to bodies, and therefore to reads only.
    const fn is_of_body(self) -> bool {
        matches!(
            self,
            Self::ShortBody(_) | Self::WrongBytes | Self::CutAfter(_) | Self::HangAfter(_)
        )
    }
}

/// Which of the matching calls a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    Next(u64),
    EveryNth(u64),
}

/// A fault before it is armed. Hits every call of every key, unless narrowed.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: FaultKind,
    operation: Option<Operation>,
    key_prefix: String,
    when: When,
}

impl Fault {
    /// A fault that hits every call that can have it.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { kind, operation: None, key_prefix: String::new(), when: When::Always }
    }

    /// Only this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only keys that start with `prefix`.
    #[must_use]
    pub fn keys(mut self, prefix: impl Into<String>) -> Self {
        self.key_prefix = prefix.into();
        self
    }

    /// Only the next `n` matching calls.
    #[must_use]
    pub fn next(mut self, n: u64) -> Self {
        self.when = When::Next(n);
        self
    }

    /// Only every `k`th matching call: the `k`th, the `2k`th and so on. `k` is not 0.
    #[must_use]
    pub fn every(mut self, k: u64) -> Self {
        assert_ne!(k, 0, "every 0th call has no meaning");
        self.when = When::EveryNth(k);
        self
    }
}

/// A handle on an armed fault. Dropping it leaves the fault armed.
#[derive(Clone)]
pub struct ArmedFault {
    rule: Arc<Rule>,
}

struct Rule {
    fault: Fault,
    matched: Mutex<u64>,
    fired: watch::Sender<u64>,
    /// Disarmed rules hit nothing, and what hangs in them goes on.
    disarmed: watch::Sender<bool>,
}

impl ArmedFault {
    /// How many calls the fault has hit.
    #[must_use]
    pub fn fired(&self) -> u64 {
        *self.rule.fired.borrow()
    }

    /// Waits until the fault has hit `n` calls.
    pub async fn wait_fired(&self, n: u64) {
        let mut fired = self.rule.fired.subscribe();
        fired.wait_for(|&count| count >= n).await.expect("the sender lives in the rule");
    }

    /// Blocks until the fault has hit `n` calls, or panics after `timeout`.
    pub fn block_until_fired(&self, n: u64, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while self.fired() < n {
            assert!(Instant::now() < deadline, "fired {} of {n} times: {self:?}", self.fired());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the fault: later calls are not hit, and calls that hang in it go on.
    pub fn release(&self) {
        self.rule.disarmed.send_replace(true);
    }
}

impl fmt::Debug for ArmedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = &self.rule;
        f.debug_struct("ArmedFault")
            .field("fault", &rule.fault)
            .field("fired", &self.fired())
            .finish()
    }
}

impl Rule {
    /// Whether this call is hit; counts it if so.
    fn hits(&self, operation: Operation, key: &str) -> bool {
        let fault = &self.fault;
        if *self.disarmed.borrow()
            || fault.operation.is_some_and(|only| only != operation)
            || (fault.kind.is_of_body() && operation != Operation::Get)
            || !key.starts_with(&fault.key_prefix)
        {
            return false;
        }
        let mut matched = self.matched.lock();
        *matched += 1;
        let hit = match fault.when {
            When::Always => true,
            When::Next(n) => *matched <= n,
            When::EveryNth(k) => matched.is_multiple_of(k),
        };
        if hit {
            self.fired.send_modify(|count| *count += 1);
        }
        hit
    }

    async fn released(&self) {
        let mut disarmed = self.disarmed.subscribe();
        disarmed.wait_for(|&disarmed| disarmed).await.expect("the sender lives in the rule");
    }

    /// What the call is to fail with, for the kinds that fail whole calls.
    fn error(&self, key: &str) -> Option<StorageError> {
        let key = key.to_owned();
        let reason = "injected fault".to_owned();
        match self.fault.kind {
            FaultKind::NotFound => Some(StorageError::NotFound { key }),
            FaultKind::AccessDenied => Some(StorageError::AccessDenied { key, reason }),
            FaultKind::Throttled => Some(StorageError::Throttled { key, reason }),
            FaultKind::Offline => Some(StorageError::Offline { key, reason }),
            _ => None,
        }
    }
}

/// Passes calls on to another store, except where an armed fault hits them. If several match, the
/// one armed first hits.
pub struct FaultyStore {
    inner: Arc<dyn StorageClient>,
    rules: Mutex<Vec<Arc<Rule>>>,
}

impl FaultyStore {
    /// Wraps `inner`; nothing fails yet.
    #[must_use]
    pub fn new(inner: Arc<dyn StorageClient>) -> Self {
        Self { inner, rules: Mutex::default() }
    }

    /// Arms a fault from the next call on.
    pub fn arm(&self, fault: Fault) -> ArmedFault {
        let rule = Arc::new(Rule {
            fault,
            matched: Mutex::new(0),
            fired: watch::Sender::new(0),
            disarmed: watch::Sender::new(false),
        });
        self.rules.lock().push(Arc::clone(&rule));
        ArmedFault { rule }
    }

    /// Ends all faults, as [`ArmedFault::release`] does.
    pub fn disarm_all(&self) {
        for rule in self.rules.lock().drain(..) {
            rule.disarmed.send_replace(true);
        }
    }

    fn hit(&self, operation: Operation, key: &str) -> Option<Arc<Rule>> {
        self.rules.lock().iter().find(|rule| rule.hits(operation, key)).cloned()
    }

    /// Hangs or fails the call if a fault says so; gives the fault if it is one of the body.
    async fn enter(
        &self,
        operation: Operation,
        key: &str,
    ) -> Result<Option<Arc<Rule>>, StorageError> {
        let Some(rule) = self.hit(operation, key) else { return Ok(None) };
        if let Some(error) = rule.error(key) {
            return Err(error);
        }
        if rule.fault.kind == FaultKind::Hang {
            rule.released().await;
            return Ok(None);
        }
        Ok(Some(rule))
    }
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.rules.lock().len();
        f.debug_struct("FaultyStore").field("inner", &self.inner).field("rules", &rules).finish()
    }
}

impl Drop for FaultyStore {
    /// Bodies that hang in a fault outlive the store, and must not hang for ever.
    fn drop(&mut self) {
        self.disarm_all();
    }
}

#[async_trait]
impl StorageClient for FaultyStore {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        let rule = self.enter(Operation::Get, key).await?;
        let asked = range.clone();
        let Object { size, body } = self.inner.get(key, range).await?;
        let Some(rule) = rule else { return Ok(Object { size, body }) };
        let asked = asked.unwrap_or(0..size);
        let len = asked.end.min(size).saturating_sub(asked.start);
        Ok(Object { size, body: spoil(body, len, rule, key.to_owned()) })
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        self.enter(Operation::Head, key).await?;
        self.inner.head(key).await
    }

    async fn put(&self, key: &str, payload: Payload) -> Result<(), StorageError> {
        self.put_with_metadata(key, payload, &[]).await
    }

    async fn put_with_metadata(
        &self,
        key: &str,
        payload: Payload,
        metadata: &[(String, String)],
    ) -> Result<(), StorageError> {
        self.enter(Operation::Put, key).await?;
        self.inner.put_with_metadata(key, payload, metadata).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, StorageError> {
        self.enter(Operation::List, prefix).await?;
        self.inner.list(prefix).await
    }
}

type Body = BoxStream<'static, Result<Bytes, StorageError>>;

/// Applies a fault of the body to a body of `len` bytes.
fn spoil(body: Body, len: u64, rule: Arc<Rule>, key: String) -> Body {
    match rule.fault.kind {
        FaultKind::ShortBody(missing) => take(body, len.saturating_sub(missing)),
        FaultKind::WrongBytes => {
            let mut first = true;
            body.map(move |piece| {
                let piece = piece?;
                let flip = first && !piece.is_empty();
                first &= !flip;
                Ok(if flip { flip_first(&piece) } else { piece })
            })
            .boxed()
        }
        FaultKind::CutAfter(kept) => {
            let reason = format!("injected fault: the connection broke after {kept} bytes");
            let cut = Err(StorageError::Offline { key, reason });
            take(body, kept).chain(stream::once(async { cut })).boxed()
        }
        FaultKind::HangAfter(free) => {
            let state = (body, free, Bytes::new(), rule);
            stream::unfold(state, |(mut body, free, mut rest, rule)| async move {
                if free == 0 {
                    rule.released().await;
                }
                if rest.is_empty() {
                    match body.next().await? {
                        Ok(piece) => rest = piece,
                        error => return Some((error, (body, free, rest, rule))),
                    }
                }
                let now = if free == 0 { rest.len() } else { rest.len().min(free as usize) };
                let piece = rest.split_to(now);
                Some((Ok(piece), (body, free.saturating_sub(now as u64), rest, rule)))
            })
            .boxed()
        }
        _ => body,
    }
}

/// The first `len` bytes of a body.
fn take(body: Body, len: u64) -> Body {
    stream::unfold((body, len), |(mut body, left)| async move {
        if left == 0 {
            return None;
        }
        let piece = body.next().await?.map(|mut piece| {
            piece.truncate(left as usize);
            piece
        });
        let left = left - piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Some((piece, (body, left)))
    })
    .boxed()
}

fn flip_first(piece: &[u8]) -> Bytes {
    let mut bytes = piece.to_vec();
    if let Some(first) = bytes.first_mut() {
        *first ^= 0xFF;
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use rusty_attachments_storage::MemoryStore;

    use super::*;

    async fn filled() -> FaultyStore {
        let inner = MemoryStore::new();
        let bytes = Bytes::from_static(b"0123456789");
        inner.put("Data/a", Payload::Bytes(bytes.clone())).await.unwrap();
        inner.put("other", Payload::Bytes(bytes)).await.unwrap();
        FaultyStore::new(Arc::new(inner))
    }

    async fn read(store: &FaultyStore, key: &str) -> Result<Bytes, StorageError> {
        store.get(key, None).await?.bytes(key, 100).await
    }

    #[tokio::test]
    async fn hits_only_what_it_names_and_as_often() {
        let store = filled().await;
        let armed =
            store.arm(Fault::new(FaultKind::NotFound).on(Operation::Get).keys("Data/").next(2));
        assert_eq!(read(&store, "other").await.unwrap().len(), 10);
        store.head("Data/a").await.unwrap();
        for _ in 0..2 {
            assert!(matches!(read(&store, "Data/a").await, Err(StorageError::NotFound { .. })));
        }
        assert_eq!(read(&store, "Data/a").await.unwrap().len(), 10);
        assert_eq!(armed.fired(), 2);

        let every = store.arm(Fault::new(FaultKind::Throttled).every(3));
        let results: Vec<bool> =
            [store.head("other").await, store.head("other").await, store.head("other").await]
                .iter()
                .map(Result::is_ok)
                .collect();
        assert_eq!((results, every.fired()), (vec![true, true, false], 1));
    }

    #[tokio::test]
    async fn spoils_bodies() {
        let store = filled().await;
        let short = store.arm(Fault::new(FaultKind::ShortBody(3)).next(1));
        assert_eq!(read(&store, "Data/a").await.unwrap(), "0123456");
        short.release();

        store.arm(Fault::new(FaultKind::WrongBytes).next(1));
        assert_eq!(read(&store, "Data/a").await.unwrap()[..], *b"\xcf123456789");

        store.arm(Fault::new(FaultKind::CutAfter(4)).next(1));
        let mut body = store.get("Data/a", Some(1..9)).await.unwrap().body;
        assert_eq!(body.next().await.unwrap().unwrap(), "1234");
        assert!(body.next().await.unwrap().unwrap_err().is_transient());
        assert!(body.next().await.is_none());
    }

    #[tokio::test]
    async fn hangs_until_released() {
        let store = Arc::new(filled().await);
        for kind in [FaultKind::Hang, FaultKind::HangAfter(4)] {
            let armed = store.arm(Fault::new(kind));
            let reader = tokio::spawn({
                let store = Arc::clone(&store);
                async move { read(&store, "Data/a").await }
            });
            armed.wait_fired(1).await;
            tokio::task::yield_now().await;
            assert!(!reader.is_finished());
            armed.release();
            assert_eq!(reader.await.unwrap().unwrap(), "0123456789");
        }
    }
}
