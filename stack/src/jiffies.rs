//! When a timer of the kernel fires: not at the time it was set for, but at the next edge of the timer wheel.
//!
//! It shows: ARP asks again after 1.02 s, not after one, so a program that waits for a second has given up, or sent its next
//! packet, by then.
//!
//! Asked for through [`Cx::wheel_timer`](crate::cx::Cx::wheel_timer), by neighbours that are solicited, delayed ARP answers and
//! fragments that wait. TCP rounds its timers likewise (`path/tcp.rs`). What only tidies up goes by the exact time: the lifetimes
//! of addresses, the collection of old neighbours, what was learned of paths.

use hopwise_sim_core::Time;

/// Nanoseconds of a jiffy (`CONFIG_HZ=250`, as in the kernels of Debian).
const JIFFY: u64 = 4_000_000;
/// Each level of the wheel is so many times (as a power of two) as coarse as the one below (`LVL_CLK_SHIFT`).
const LEVEL_SHIFT: u32 = 3;
/// Timers closer than this go into the lowest level (`LVL_START(1)`).
const LEVEL_SIZE: u64 = 63;
/// The number of levels (`LVL_DEPTH` with `HZ > 100`).
const LEVELS: u32 = 9;

/// When a timer fires that is set now for `at`: never early, and later by up to an eighth of the time (`calc_wheel_index`).
///
/// ```
/// use hopwise_sim_core::{Duration, Time};
/// use hopwise_stack::jiffies::fires;
/// let second = Time::ZERO + Duration::from_secs(1);
/// assert_eq!(fires(Time::ZERO, second), Time::ZERO + Duration::from_millis(1024));
/// ```
pub fn fires(now: Time, at: Time) -> Time {
    let clock = now.as_nanos() / JIFFY;
    let delay = at.as_nanos().saturating_sub(now.as_nanos()).div_ceil(JIFFY);
    let level = (1..LEVELS).take_while(|level| delay >= LEVEL_SIZE << ((level - 1) * LEVEL_SHIFT)).count() as u32;
    let shift = level * LEVEL_SHIFT;
    let edge = (((clock + delay) >> shift) + 1) << shift;
    Time::from_nanos(edge.saturating_mul(JIFFY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopwise_sim_core::Duration;
    use proptest::prelude::*;

    fn after(now: u64, delay: u64) -> u64 {
        let (now, delay) = (Time::ZERO + Duration::from_millis(now), Duration::from_millis(delay));
        fires(now, now + delay).as_nanos() / 1_000_000
    }

    #[test]
    fn the_further_away_the_coarser() {
        assert_eq!([after(0, 0), after(0, 10), after(1, 248)], [4, 16, 252]);
        assert_eq!([after(0, 1000), after(1024, 1000), after(13, 1000)], [1024, 2048, 1024]);
        assert_eq!([after(0, 5000), after(0, 30_000), after(0, 60_000)], [5120, 30_720, 61_440]);
    }

    proptest! {
        #[test]
        fn never_early_nor_much_too_late(now in 0..u64::from(u32::MAX), delay in 0_u64..100_000_000_000) {
            let fires = fires(Time::from_nanos(now), Time::from_nanos(now + delay)).as_nanos();
            prop_assert!(fires >= now + delay);
            prop_assert!(fires - now - delay <= delay / 7 + 2 * JIFFY);
        }
    }
}
