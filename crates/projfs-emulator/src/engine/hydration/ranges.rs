//! Which ranges of a file a provider is asked for (projfs.md J1, R11).

/// Offset and length of each, in order: all at once if a file is not larger than `most` bytes and
/// than a length can say, else in pieces that begin at multiples of `alignment`. One empty range
/// for an empty file.
pub(super) fn ranges(size: u64, most: u64, alignment: u64) -> impl Iterator<Item = (u64, u32)> {
    let most = most.min(u32::MAX.into());
    let alignment = alignment.max(1);
    let step = if size <= most { size.max(1) } else { (most / alignment).max(1) * alignment };
    let pieces = size.div_ceil(step).max(1);
    (0..pieces).map(move |piece| {
        let offset = piece * step;
        // Not cut off: a piece is not longer than `most`, or than an alignment.
        let length = u32::try_from(step.min(size - offset)).unwrap_or(u32::MAX);
        (offset, length)
    })
}
