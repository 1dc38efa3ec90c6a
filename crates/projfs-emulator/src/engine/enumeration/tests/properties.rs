//! A listing is the sorted union of what is on disk and what is projected, however that is split
//! and paged.

use proptest::prelude::*;

use super::{bury, local};
use crate::contract::Wide;
use crate::contract::operations::Query;
use crate::engine::stage::Stage;
use crate::link::EntryBudget;
use ntfs_names::{compare, fold, matches};

/// What a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Virtual,
    Placeholder,
    Local,
    /// Local over projected.
    Shadowing,
    Tombstone,
    /// Of a name that is not projected.
    Stray,
}

const KINDS: [Kind; 6] =
    [Kind::Virtual, Kind::Placeholder, Kind::Local, Kind::Shadowing, Kind::Tombstone, Kind::Stray];

fn split() -> impl Strategy<Value = Vec<(String, Kind)>> {
    let name = "[a-cA-C_~éÉ]{1,4}";
    prop::collection::vec((name, prop::sample::select(KINDS.to_vec())), 0..24).prop_map(
        |mut all| {
            let key = |name: &str| fold(Wide::from(name).units());
            all.sort_by_key(|(name, _)| key(name));
            all.dedup_by_key(|(name, _)| key(name));
            all
        },
    )
}

fn make(stage: &Stage, name: &str, kind: Kind) {
    if matches!(kind, Kind::Virtual | Kind::Placeholder | Kind::Shadowing | Kind::Tombstone) {
        stage.provider.project(name);
    }
    match kind {
        Kind::Virtual => {}
        Kind::Placeholder => drop(stage.item(&name.to_lowercase())),
        Kind::Local | Kind::Shadowing => local(stage, name),
        Kind::Tombstone | Kind::Stray => bury(stage, name),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_listing_is_the_sorted_union(
        split in split(),
        entry_limit in prop::option::of(1..4_u32),
        entry_bytes in 120..600_u32,
        buffer in 120..600_u32,
        single_entry: bool,
        pattern in prop::option::of(prop::sample::select(vec!["*", "a*", "*b", "?", "<_>"])),
    ) {
        let stage = Stage::projecting(&[]);
        stage.knobs(|knobs| (knobs.entry_limit, knobs.entry_bytes) = (entry_limit, entry_bytes));
        split.iter().for_each(|(name, kind)| make(&stage, name, *kind));
        let takes = |name: &Wide| {
            matches(name.units(), Wide::from(pattern.unwrap_or_default()).units())
        };
        let shown = split.iter().filter(|(_, kind)| !matches!(kind, Kind::Tombstone | Kind::Stray));
        let mut expected: Vec<_> = shown.map(|(name, _)| Wide::from(name.as_str())).collect();
        expected.sort_by(|a, b| compare(a.units(), b.units()));
        let dots = [Wide::from("."), Wide::from("..")];
        let expected: Vec<_> =
            dots.into_iter().chain(expected).filter(takes).map(|name| name.to_string()).collect();
        let expression = pattern.map(Wide::from);
        let query = Query { expression, single_entry, buffer, ..Query::default() };
        let mut listing = stage.listing("");
        for query in [query.clone(), Query { restart: true, ..query }] {
            prop_assert!(EntryBudget::cost(4) <= buffer as usize);
            let names = match listing.all(&query) {
                Err(crate::contract::HResult::FILE_NOT_FOUND) => Vec::new(),
                names => names.unwrap(),
            };
            prop_assert_eq!(&names, &expected);
        }
    }
}
