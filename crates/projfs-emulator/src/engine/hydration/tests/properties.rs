//! Ranges and extents, whatever the sizes.

use proptest::prelude::*;

use super::super::extents::Extents;
use super::super::ranges::ranges;
use super::Stage;
use crate::contract::HResult;
use crate::engine::stage::is_data;
use crate::link::{Reply, Request};

/// Sizes around what matters: nothing, pieces, what a length can say.
fn sizes() -> impl Strategy<Value = u64> {
    let large = u64::from(u32::MAX);
    prop_oneof![0..5000_u64, large - 600..large + 600, 3 * large..3 * large + 5000]
}

proptest! {
    #[test]
    fn ranges_cover_a_file_in_order_and_begin_aligned(
        size in sizes(),
        most in prop_oneof![1..3000_u64, Just(1 << 30), Just(1 << 32), Just(u64::MAX)],
        alignment in prop_oneof![Just(512_u64), Just(4096)],
    ) {
        prop_assume!(size / most.max(alignment) < 10_000);
        let mut end = 0;
        let mut count = 0;
        for (offset, length) in ranges(size, most, alignment) {
            prop_assert_eq!(offset, end);
            prop_assert_eq!(offset % alignment, 0);
            prop_assert!(u64::from(length) <= most.max(alignment));
            end += u64::from(length);
            count += 1;
        }
        prop_assert_eq!(end, size);
        prop_assert_eq!(count == 1, size <= most.max(alignment).min(u32::MAX.into()));
    }

    #[test]
    fn extents_know_each_byte(
        adds in prop::collection::vec((0..60_usize, 0..20_usize), 0..12),
        (start, length) in (0..70_usize, 0..20_usize),
    ) {
        let (mut extents, mut bytes) = (Extents::default(), [false; 100]);
        for (start, length) in adds {
            extents.add(start as u64, (start + length) as u64);
            bytes[start..start + length].fill(true);
        }
        let covered = bytes[start..start + length].iter().all(|byte| *byte);
        prop_assert_eq!(extents.cover(start as u64, (start + length) as u64), covered);
        prop_assert_eq!(extents.is_empty(), !bytes.contains(&true));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_file_is_right_whatever_the_pieces_and_the_order_of_writes(
        blocks in 0..12_usize,
        rest in 0..512_usize,
        data_range in 1..4000_u64,
        chunk in 1..5_usize,
        seed: u64,
    ) {
        let content: Vec<u8> =
            (0..blocks * 512 + rest).map(|index| (index * 7 + index / 512) as u8 | 1).collect();
        let stage = Stage::projecting(&[]);
        stage.provider.project_file("a", &content);
        stage.knobs(|knobs| knobs.data_range = data_range);
        let expected = content.clone();
        stage.provider.does(is_data, move |act| {
            let content = content.clone();
            async move {
                let Request::GetFileData { offset, length } = act.command.request else { return };
                let (start, end) = (offset as usize, offset as usize + length as usize);
                let mut offsets: Vec<_> = (start..end).step_by(chunk * 512).collect();
                fastrand::Rng::with_seed(seed).shuffle(&mut offsets);
                for at in offsets {
                    let end = (at + chunk * 512).min(content.len());
                    act.data(at as u64, &content[at..end]).unwrap();
                }
                act.complete(HResult::OK, Reply::None);
            }
        });
        super::hydrate(&stage, "a").unwrap();
        prop_assert_eq!(super::lower(&stage, "a"), expected);
    }
}
