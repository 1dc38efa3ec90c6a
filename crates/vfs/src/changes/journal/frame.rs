//! The bytes of a journal.
//!
//! ```text
//! head:   magic (8) | format u32 | version of the records u32 | check of these 16 bytes (8)
//! record: size u32 | check of size and place (4) | check of payload and place (8) | payload
//! ```
//! Numbers are little-endian; checks are the first bytes of an XXH3-128. A record's place is its
//! offset in the file: bytes that are elsewhere than they were written are no record.

use std::ops::Range;

use rusty_attachments_model::{ContentHash, ContentHasher};

/// Bytes of the head.
pub(super) const HEAD_SIZE: usize = 24;
/// The most bytes that a record may have; the least is one.
pub(super) const MAX_RECORD: usize = 64 << 20;
/// Bytes before a record's payload.
const FRAME_SIZE: usize = 16;

const MAGIC: [u8; 8] = *b"RAJRNAL\n";
/// Of the layout that this file describes.
const FORMAT: u32 = 1;

/// The first bytes of a journal whose records have `version`.
pub(super) fn head(version: u32) -> [u8; HEAD_SIZE] {
    let mut head = [0; HEAD_SIZE];
    let (told, check) = head.split_at_mut(16);
    told[..8].copy_from_slice(&MAGIC);
    told[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    told[12..].copy_from_slice(&version.to_le_bytes());
    check.copy_from_slice(&prefix::<8>(ContentHash::of(told)));
    head
}

/// The version that a head states; `None` if it is no undamaged head.
pub(super) fn version(bytes: &[u8]) -> Option<u32> {
    let version = u32::from_le_bytes(*bytes.get(12..)?.first_chunk()?);
    bytes.starts_with(&head(version)).then_some(version)
}

/// Whether a record can have so many bytes.
pub(super) const fn is_record_size(size: usize) -> bool {
    size > 0 && size <= MAX_RECORD
}

/// Appends a record that will be at `offset` of the file to `bytes`. The size must be one that
/// [`is_record_size`].
pub(super) fn push_record(bytes: &mut Vec<u8>, offset: u64, payload: &[u8]) {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes();
    bytes.reserve(FRAME_SIZE + payload.len());
    bytes.extend(size);
    bytes.extend(size_check(offset, size));
    bytes.extend(payload_check(offset, payload));
    bytes.extend(payload);
}

/// What the bytes of a whole journal hold.
#[derive(Debug)]
pub(super) struct Scan {
    /// Where the payloads of all whole records are, up to the first that is not whole.
    pub(super) payloads: Vec<Range<usize>>,
    /// Where the first record begins that is not whole; the end if all are.
    pub(super) end: usize,
    /// Whether a whole record follows there after all: the end is no torn one, but damage.
    pub(super) is_damaged: bool,
}

/// Finds all records behind the head.
pub(super) fn scan(bytes: &[u8]) -> Scan {
    let mut payloads = Vec::new();
    let mut end = HEAD_SIZE;
    while let Some(payload) = record_at(bytes, end) {
        end = payload.end;
        payloads.push(payload);
    }
    let is_damaged = (end + 1..bytes.len()).any(|offset| record_at(bytes, offset).is_some());
    Scan { payloads, end: end.min(bytes.len()), is_damaged }
}

/// The payload of the record at `offset`, if there is a whole one.
fn record_at(bytes: &[u8], offset: usize) -> Option<Range<usize>> {
    let (frame, rest) = bytes.get(offset..)?.split_first_chunk::<FRAME_SIZE>()?;
    let [a, b, c, d, checks @ ..] = *frame;
    let size_bytes = [a, b, c, d];
    let size = usize::try_from(u32::from_le_bytes(size_bytes)).ok()?;
    let payload = rest.get(..size).filter(|_| is_record_size(size))?;
    let place = u64::try_from(offset).ok()?;
    let is_whole = checks.starts_with(&size_check(place, size_bytes))
        && checks.ends_with(&payload_check(place, payload));
    let start = offset + FRAME_SIZE;
    is_whole.then_some(start..start + size)
}

fn size_check(offset: u64, size: [u8; 4]) -> [u8; 4] {
    let mut told = [0; 12];
    let (place, length) = told.split_at_mut(8);
    place.copy_from_slice(&offset.to_le_bytes());
    length.copy_from_slice(&size);
    prefix(ContentHash::of(&told))
}

fn payload_check(offset: u64, payload: &[u8]) -> [u8; 8] {
    let mut hasher = ContentHasher::new();
    hasher.update(&offset.to_le_bytes());
    hasher.update(payload);
    prefix(hasher.finish())
}

fn prefix<const N: usize>(hash: ContentHash) -> [u8; N] {
    std::array::from_fn(|index| hash.as_bytes()[index])
}
