//! Placeholders get their data: GetFileData and PrjWriteFileData (projfs.md J), and become full
//! (T5 to T9).
//!
//! * `flights`: one at a time per file; who comes later waits for its end.
//! * `streams`: where a provider may write meanwhile, and what it wrote.
//! * `ranges`: which ranges are asked for. `extents`: which were written.

mod extents;
mod flights;
mod ranges;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::flights::{Place, Seat, Seats};
use self::ranges::ranges;
use self::streams::{Stream, Streams};
use super::root::Root;
use super::session::{About, Event, Session};
use super::store::{Item, ItemId};
use crate::contract::{FileState, Guid, HResult, Notification, Result};
use crate::link::{Process, Request};
use ntfs_names::equal;

/// The files that are being hydrated or made full.
#[derive(Debug, Default)]
pub(super) struct Flights {
    hydrations: Seats,
    conversions: Seats,
    streams: Streams,
}

/// Keeps a file's data from being hydrated meanwhile.
#[derive(Debug)]
pub(super) struct DataGuard {
    _hydration: Seat,
    _conversion: Option<Seat>,
}

impl Root {
    /// Makes a file's data be on disk (T3): asks once however many want it (J7), checks that the
    /// ranges asked for were written (J9), drops everything on failure (R11). Nothing to do for
    /// hydrated and full files, directories and links.
    ///
    /// # Errors
    /// What the provider failed with, the same for all who waited for one hydration (J8);
    /// VIRTUALIZATION_UNAVAILABLE without a provider (M10).
    pub(super) async fn hydrate(&self, caller: &Process, item: ItemId) -> Result<()> {
        while self.to_hydrate(item)?.is_some() {
            match self.flights.hydrations.take(item) {
                Place::First(seat) => {
                    let end = self.fetch_if_needed(caller, item).await;
                    return seat.land(end);
                }
                // Once it has landed the data may already be dropped again (M18): look again.
                Place::Later(flight) => flight.end().await.unwrap_or(Ok(()))?,
            }
        }
        Ok(())
    }

    /// Makes a file full (T5, T6): PRE_CONVERT_TO_FULL once (K8), then its data, unless the caller
    /// is about to drop it (`keep_data` false, T9): then the notification is a knob's (U2), and the
    /// file is empty afterwards. Nothing to do for full files, directories and links.
    ///
    /// # Errors
    /// The refusal, and what hydration failed with; the same for all who wait for one conversion.
    pub(super) async fn convert_to_full(
        &self,
        caller: &Process,
        item: ItemId,
        keep_data: bool,
    ) -> Result<()> {
        while self.to_convert(item)?.is_some() {
            match self.flights.conversions.take(item) {
                Place::First(seat) => {
                    let end = self.convert(caller, item, keep_data).await;
                    return seat.land(end);
                }
                // Once it has landed the data may already be dropped again (M18): look again.
                Place::Later(flight) => flight.end().await.unwrap_or(Ok(()))?,
            }
        }
        Ok(())
    }

    /// Makes a file full with its data, without a notification: it leaves the root (T23).
    ///
    /// # Errors
    /// As [`Self::hydrate`].
    pub(super) async fn cut_loose(&self, caller: &Process, item: ItemId) -> Result<()> {
        // An update would take the data away (M18).
        let _conversion = self.flights.conversions.alone(item).await;
        self.hydrate(caller, item).await?;
        self.store.set_state(item, FileState::FULL)
    }

    /// Waits until a file is not being hydrated, and keeps it so: for those who drop its data.
    /// Readers who come meanwhile wait, and look again afterwards.
    pub(super) async fn keep_data_still(&self, item: ItemId) -> DataGuard {
        DataGuard { _conversion: None, _hydration: self.flights.hydrations.alone(item).await }
    }

    /// As [`Self::keep_data_still`], and the file does not become full meanwhile either: for those
    /// who make it another placeholder.
    pub(super) async fn keep_still(&self, item: ItemId) -> DataGuard {
        // In the order in which conversions take them.
        let conversion = self.flights.conversions.alone(item).await;
        let hydration = self.flights.hydrations.alone(item).await;
        DataGuard { _conversion: Some(conversion), _hydration: hydration }
    }

    /// PrjWriteFileData (B10): checks J5 and J6, writes through.
    ///
    /// # Errors
    /// HANDLE if the stream wants no data; INVALID_ARGUMENT for no data and for data beyond the
    /// end; OFFSET_ALIGNMENT_VIOLATION; what writing the lower file failed with.
    pub fn write_file_data(
        &self,
        session: &Session,
        stream: Guid,
        offset: u64,
        data: &[u8],
    ) -> Result<()> {
        if data.is_empty() {
            return Err(HResult::INVALID_ARGUMENT);
        }
        let refusal = match self.flights.streams.write(session, stream, offset, data) {
            Ok(()) => return Ok(()),
            Err(refusal) => refusal,
        };
        if let Some((rule, why)) = refusal.broken_rule() {
            // The call fails anyway.
            let _ = self.broke(
                rule,
                format_args!("{} bytes at {offset} of stream {stream}: {why}", data.len()),
            );
        }
        Err(refusal.code())
    }

    /// The item, if its data is missing.
    pub(super) fn to_hydrate(&self, item: ItemId) -> Result<Option<Item>> {
        let item = self.to_convert(item)?;
        Ok(item.filter(|item| !item.state.contains(FileState::HYDRATED)))
    }

    /// The item, if it is a file that is not full.
    fn to_convert(&self, item: ItemId) -> Result<Option<Item>> {
        let item = self.store.item(item).ok_or(HResult::FILE_NOT_FOUND)?;
        let file = !item.directory && item.link.is_none();
        Ok(Some(item).filter(|item| file && item.state.contains(FileState::PLACEHOLDER)))
    }

    async fn fetch_if_needed(&self, caller: &Process, item: ItemId) -> Result<()> {
        // Once more: another hydration may have ended just before this one took its place.
        match self.to_hydrate(item)? {
            Some(item) => self.fetch(caller, &item).await,
            None => Ok(()),
        }
    }

    async fn fetch(&self, caller: &Process, item: &Item) -> Result<()> {
        let knobs = self.knobs();
        if item.basic.size == 0 && !knobs.ask_for_empty_files {
            return Ok(());
        }
        let session = self.provider_of(item)?;
        let alignment = u64::from(knobs.write_alignment);
        let file = self.store.data(item.id)?;
        let stream = self.flights.streams.open(&session, item.basic.size, alignment, file);
        let hydration = Hydration { root: self, item: item.id, stream };
        for (offset, length) in ranges(item.basic.size, knobs.data_range, alignment) {
            if length > 0 && hydration.stream.covers(offset, length) {
                continue;
            }
            let about = About {
                path: item.origin.clone(),
                version: Some(item.version.clone()),
                file: item.file,
                stream: hydration.stream.id(),
            };
            let request = Request::GetFileData { offset, length };
            let answer = session.ask(self, caller, about, request).await;
            answer.inspect_err(|code| self.check_found(item, *code))?;
            self.check_covered(item, &hydration.stream, offset, length)?;
        }
        hydration.land()
    }

    /// The content of a file that has another path now must be found as well (J3, T7).
    fn check_found(&self, item: &Item, failure: HResult) {
        let missing = matches!(failure, HResult::FILE_NOT_FOUND | HResult::PATH_NOT_FOUND);
        let Some(path) = self.store.path(item.id).filter(|_| missing) else { return };
        if !equal(path.units(), item.origin.units()) {
            // The operation fails anyway.
            let _ = self.broke(
                "J3",
                format_args!(
                    "GetFileData of {}, which is {path} now, found nothing; content must be served \
                     by its creation-time path or ContentID, whatever became of its name since",
                    item.origin
                ),
            );
        }
    }

    /// S_OK must mean that all was written that was asked for (J9, T8).
    fn check_covered(&self, item: &Item, stream: &Stream, offset: u64, length: u32) -> Result<()> {
        if stream.covers(offset, length) {
            return Ok(());
        }
        let strict = self.broke(
            "J9",
            format_args!(
                "GetFileData of {} (as it was projected), {length} bytes at {offset}, succeeded \
                 without all of them written; what is missing would read as zeros",
                item.origin
            ),
        );
        if strict { Err(HResult::INTERNAL_ERROR) } else { Ok(()) }
    }

    async fn convert(&self, caller: &Process, id: ItemId, keep_data: bool) -> Result<()> {
        let Some(item) = self.to_convert(id)? else { return Ok(()) };
        if keep_data || self.knobs().convert_on_overwrite {
            let event = Event {
                notification: Notification::PreConvertToFull,
                item: Some(id),
                path: self.store.path(id).unwrap_or_else(|| item.origin.clone()),
                destination: None,
                directory: false,
                modified: false,
                truncated_only: false,
            };
            // Before the data, so that a refusal avoids the transfer (E18).
            self.notify(caller, event).await?;
        }
        if keep_data {
            self.hydrate(caller, id).await?;
            self.store.set_state(id, FileState::FULL)
        } else {
            let _still = self.keep_data_still(id).await;
            self.store.drop_data(id, 0)?;
            self.store.set_state(id, FileState::FULL)
        }
    }
}

/// A hydration under way. Unless it lands, what was written is dropped: whether the provider failed
/// or nobody waits any more (R11).
struct Hydration<'a> {
    root: &'a Root,
    item: ItemId,
    stream: Arc<Stream>,
}

impl Hydration<'_> {
    fn land(self) -> Result<()> {
        self.root.flights.streams.close(&self.stream);
        self.set_hydrated()
    }

    fn set_hydrated(&self) -> Result<()> {
        self.root.store.add_state(self.item, FileState::HYDRATED)
    }

    fn abandon(&self) -> Result<()> {
        if self.root.knobs().leave_partial_hydration {
            return self.set_hydrated();
        }
        self.root.store.drop_data(self.item, self.stream.size())
    }
}

impl Drop for Hydration<'_> {
    fn drop(&mut self) {
        if !self.root.flights.streams.close(&self.stream) || self.stream.is_untouched() {
            return;
        }
        if let Err(code) = self.abandon() {
            tracing::error!(%code, item = ?self.item, "cannot drop what a failed hydration wrote");
        }
    }
}
