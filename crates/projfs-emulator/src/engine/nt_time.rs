//! Windows times: 100 ns since 1601 UTC, from and to those of Linux.

use std::time::{SystemTime, UNIX_EPOCH};

/// 1970 in Windows time.
const UNIX: i64 = 116_444_736_000_000_000;

/// Ticks per second.
const SECOND: i64 = 10_000_000;

/// The Windows time of a Unix time; nearest representable one if it is out of range.
pub(crate) fn from_unix(seconds: i64, nanoseconds: u32) -> i64 {
    let ticks = i64::from(nanoseconds / 100);
    seconds.saturating_mul(SECOND).saturating_add(UNIX).saturating_add(ticks)
}

/// Seconds and nanoseconds since 1970.
pub(crate) const fn to_unix(time: i64) -> (i64, u32) {
    let ticks = time.saturating_sub(UNIX);
    (ticks.div_euclid(SECOND), ticks.rem_euclid(SECOND) as u32 * 100)
}

/// The time now.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_before_and_after_1970_come_back() {
        for (seconds, nanoseconds) in [(0, 0), (-1, 999_999_900), (1_700_000_000, 123_456_700)] {
            assert_eq!(to_unix(from_unix(seconds, nanoseconds)), (seconds, nanoseconds));
        }
        assert_eq!(from_unix(0, 0), UNIX);
        assert_eq!(to_unix(0), (-11_644_473_600, 0));
    }
}
