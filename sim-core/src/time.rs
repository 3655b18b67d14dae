//! Virtual time: nanoseconds since the world began. Nothing in hopwise reads a real clock.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};

/// A span of virtual time (the standard type: nanosecond resolution, never negative).
pub use core::time::Duration;

/// What `date` shows when a world begins, in nanoseconds since the Unix epoch: 2025-01-01 00:00:00 UTC.
/// Captures are stamped with this plus the virtual time, so that two runs write the same bytes.
pub const EPOCH_UNIX_NS: u64 = 1_735_689_600_000_000_000;

/// A point in virtual time: nanoseconds since the world began.
///
/// ```
/// use hopwise_sim_core::{Duration, Time};
/// let t = Time::ZERO + Duration::from_millis(3);
/// assert_eq!(t.as_nanos(), 3_000_000);
/// assert_eq!(t - Time::ZERO, Duration::from_millis(3));
/// assert_eq!(t.to_string(), "0.003000000");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Time(u64);

impl Time {
    /// The beginning of the world.
    pub const ZERO: Time = Time(0);
    /// A time that is never reached (584 years after the beginning).
    pub const NEVER: Time = Time(u64::MAX);

    /// The point `nanos` nanoseconds after the beginning.
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// Nanoseconds since the beginning.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds since the Unix epoch, as captures and `date` show it.
    pub const fn unix_nanos(self) -> u64 {
        EPOCH_UNIX_NS.saturating_add(self.0)
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This point plus a span, never beyond [`Time::NEVER`].
    pub fn saturating_add(self, span: Duration) -> Time {
        let nanos = span.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(span.subsec_nanos()));
        Time(self.0.saturating_add(nanos))
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, span: Duration) -> Time {
        self.saturating_add(span)
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub for Time {
    type Output = Duration;
    /// The span between two points; zero if `earlier` is the later one.
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Time {
    /// Seconds with nine decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}
