//! Counters and timings.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusty_attachments_vfs::{Counter, Stats};
use serde::Serialize;

/// A callback of ProjFS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Callback {
    StartEnumeration,
    EndEnumeration,
    GetEnumeration,
    GetPlaceholderInfo,
    GetFileData,
    QueryFileName,
    Notification,
    CancelCommand,
}

impl Callback {
    const ALL: [Self; 8] = [
        Self::StartEnumeration,
        Self::EndEnumeration,
        Self::GetEnumeration,
        Self::GetPlaceholderInfo,
        Self::GetFileData,
        Self::QueryFileName,
        Self::Notification,
        Self::CancelCommand,
    ];

    /// Stable: programs read it in the output of `status`.
    const fn name(self) -> &'static str {
        match self {
            Self::StartEnumeration => "start_enumeration",
            Self::EndEnumeration => "end_enumeration",
            Self::GetEnumeration => "get_enumeration",
            Self::GetPlaceholderInfo => "get_placeholder_info",
            Self::GetFileData => "get_file_data",
            Self::QueryFileName => "query_file_name",
            Self::Notification => "notification",
            Self::CancelCommand => "cancel_command",
        }
    }
}

/// Counts and latency of one kind of callback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CallbackStats {
    /// How often it was answered.
    pub calls: u64,
    /// How often it failed, names that are not there not counted.
    pub failures: u64,
    /// Nanoseconds in all, until it was answered.
    pub nanoseconds: u64,
    /// The slowest, in nanoseconds.
    pub slowest_nanoseconds: u64,
}

#[derive(Debug, Default)]
struct CallbackCounters {
    calls: Counter,
    failures: Counter,
    nanoseconds: Counter,
    slowest_nanoseconds: AtomicU64,
}

impl CallbackCounters {
    fn snapshot(&self) -> CallbackStats {
        CallbackStats {
            calls: self.calls.get(),
            failures: self.failures.get(),
            nanoseconds: self.nanoseconds.get(),
            slowest_nanoseconds: self.slowest_nanoseconds.load(Ordering::Relaxed),
        }
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Sets it.
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a running root counts. Relaxed atomics: cheap enough to stay on, exact once things are
/// quiet.
#[derive(Debug, Default)]
pub struct ProjFsStats {
    callbacks: [CallbackCounters; Callback::ALL.len()],
    pub(crate) pending_commands: Gauge,
    pub(crate) enumerations: Gauge,
    pub(crate) cancelled_commands: Counter,
    pub(crate) hydrated_bytes: Counter,
    pub(crate) hydrated_files: Counter,
    pub(crate) failed_hydrations: Counter,
    pub(crate) bad_content_ids: Counter,
}

impl ProjFsStats {
    /// Notes that a callback that began at `began` is answered now; one that is answered later, when
    /// it is.
    pub(crate) fn answered(&self, callback: Callback, began: Instant, failed: bool) {
        let Some(counters) = self.callbacks.get(callback as usize) else { return };
        let took = nanoseconds(began.elapsed());
        counters.calls.add(1);
        counters.failures.add(u64::from(failed));
        counters.nanoseconds.add(took);
        counters.slowest_nanoseconds.fetch_max(took, Ordering::Relaxed);
    }

    /// The counts now. Those that others keep are given: hints that wait, and what the volume did.
    pub(crate) fn snapshot(&self, queued_hints: u64, volume: &Stats) -> StatsSnapshot {
        let callbacks = Callback::ALL.into_iter().zip(&self.callbacks);
        StatsSnapshot {
            callbacks: callbacks.map(|(kind, counts)| (kind.name(), counts.snapshot())).collect(),
            pending_commands: self.pending_commands.get(),
            cancelled_commands: self.cancelled_commands.get(),
            enumerations: self.enumerations.get(),
            queued_hints,
            hydrated_bytes: self.hydrated_bytes.get(),
            hydrated_files: self.hydrated_files.get(),
            failed_hydrations: self.failed_hydrations.get(),
            bad_content_ids: self.bad_content_ids.get(),
            memory_bytes: volume.pool_bytes.get(),
            disk_bytes: volume.disk_bytes.get(),
            store_bytes: volume.store_bytes.get(),
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The counts at one moment. Serializes with the names of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatsSnapshot {
    /// By the name of the callback.
    #[serde(serialize_with = "as_map")]
    pub callbacks: Vec<(&'static str, CallbackStats)>,
    /// Commands that were not answered yet.
    pub pending_commands: u64,
    /// Commands that nobody waited for any more before they were answered.
    pub cancelled_commands: u64,
    /// Enumerations that are open.
    pub enumerations: u64,
    /// Hints that were not looked at yet.
    pub queued_hints: u64,
    /// Bytes that were written into placeholders.
    pub hydrated_bytes: u64,
    /// Files whose content was written into placeholders.
    pub hydrated_files: u64,
    /// Requests for content that failed.
    pub failed_hydrations: u64,
    /// Requests for content whose placeholder did not say which.
    pub bad_content_ids: u64,
    /// Bytes of content that came from memory.
    pub memory_bytes: u64,
    /// Bytes of content that came from the disk cache.
    pub disk_bytes: u64,
    /// Bytes of content that came from the store.
    pub store_bytes: u64,
}

fn as_map<S: serde::Serializer>(
    callbacks: &[(&'static str, CallbackStats)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(callbacks.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_callback() {
        let stats = ProjFsStats::default();
        let began = Instant::now();
        stats.answered(Callback::CancelCommand, began, false);
        stats.answered(Callback::GetFileData, began, false);
        stats.answered(Callback::GetFileData, began, true);
        let snapshot = stats.snapshot(7, &Stats::default());
        let of = |name| snapshot.callbacks.iter().find(|(other, _)| *other == name).unwrap().1;
        let data = of("get_file_data");
        assert_eq!((data.calls, data.failures), (2, 1));
        assert!(data.slowest_nanoseconds <= data.nanoseconds);
        assert_eq!(of("cancel_command").calls, 1);
        assert_eq!(of("notification"), CallbackStats::default());
        assert_eq!(snapshot.queued_hints, 7);
    }

    #[test]
    fn names_of_fields_are_stable() {
        let snapshot = ProjFsStats::default().snapshot(0, &Stats::default());
        let json = serde_json::to_value(&snapshot).unwrap();
        let keys = |value: &serde_json::Value| {
            value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            keys(&json),
            "bad_content_ids callbacks cancelled_commands disk_bytes enumerations \
             failed_hydrations hydrated_bytes hydrated_files memory_bytes pending_commands \
             queued_hints store_bytes"
        );
        assert_eq!(
            keys(&json["callbacks"]),
            "cancel_command end_enumeration get_enumeration get_file_data get_placeholder_info \
             notification query_file_name start_enumeration"
        );
        assert_eq!(
            keys(&json["callbacks"]["get_file_data"]),
            "calls failures nanoseconds slowest_nanoseconds"
        );
    }
}
