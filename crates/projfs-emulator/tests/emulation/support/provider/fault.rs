//! The ways in which a provider can be wrong: the rules that are most commonly got wrong
//! (`projfs.md T`), one variant or more for each.

use serde::{Deserialize, Serialize};

/// What a provider does wrong; everything else it does right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// T1: says that PRJ_PLACEHOLDER_INFO has 336 bytes.
    ShortPlaceholderInfo,
    /// T2: takes a listing whose very first entry does not fit for one that is done.
    OkOnFirstOverflow,
    /// T3: goes on behind the entry that did not fit.
    SkipsRejectedEntry,
    /// T4: goes on where it was when a listing is restarted.
    IgnoresRestart,
    /// T4: takes up the expression of each Get.
    FollowsExpression,
    /// T5: lists in the order of the bytes.
    SortsByCase,
    /// T5: sorts as PrjFileNameCompare says, which is not always as NTFS does.
    SortsByLibrary,
    /// T6: finds names in its own case only.
    FindsByCase,
    /// T6: writes placeholders as the caller spelled them.
    EchoesCase,
    /// T7: looks content up by the current path.
    FetchesByPath,
    /// T8: gives less data than asked for and says OK.
    ShortData,
    /// T9: writes in pieces that are not aligned.
    WritesUnaligned,
    /// T9: writes to the file's id.
    WritesToFile,
    /// T10: writes again and again when the stream wants no data.
    RetriesClosedStream,
    /// T11: answers into CallbackData after the callback has returned.
    KeepsCallbackData,
    /// T11: completes a Get without its buffer.
    CompletesGetBare,
    /// T12: refuses that a file was created.
    RefusesCreation,
    /// T13: takes CLOSED_FILE_MODIFIED for the only sign of a change.
    OverlooksRenames,
    /// T14: believes notifications as they come, and does not look at the disk.
    TrustsNotifications,
    /// T15: answers QueryFileName from what is on disk.
    QueriesLocalFiles,
    /// T16: never clears the negative path cache.
    KeepsNegativePaths,
    /// T17: lists a directory once only, as if it were full from then on.
    ListsOnce,
    /// T18: takes a new identity at each start.
    ForgetsIdentity,
    /// T18: takes a root that was marked already for a failure.
    FailsOnMarkedRoot,
    /// T19: deletes an item from within a callback.
    DeletesInCallback,
    /// T19: stops from within a callback.
    StopsInCallback,
    /// T20: passes a failure cause as a flag.
    PassesCauseAsFlag,
}
