//! Round trip time and retransmission timeout (RFC 6298, with the kernel's variance that falls slowly:
//! `tcp_rtt_estimator`).

use hopwise_sim_core::Duration;

use super::Params;

/// The estimate. All figures in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Rtt {
    /// Smoothed round trip time, times eight; 0: nothing measured yet.
    srtt8: u64,
    /// Mean deviation, times four.
    mdev4: u64,
    /// The largest deviation of this round trip.
    mdev_max4: u64,
    /// Deviation in use, times four: what the timeout adds.
    var4: u64,
    /// The shortest round trip seen.
    min: Option<u64>,
    /// When this sequence number is acknowledged, a round trip has passed.
    round_end: u32,
}

/// The timeout before anything was measured (RFC 6298, section 2.1).
pub const INITIAL_RTO: Duration = Duration::from_secs(1);

impl Rtt {
    /// Takes a measurement in. `una` and `next` tell when a round trip has passed.
    pub fn sample(&mut self, took: Duration, params: &Params, una: u32, next: u32) {
        let micros = (took.as_micros() as u64).max(1);
        self.min = Some(self.min.map_or(micros, |min| min.min(micros)));
        let floor = params.rto_min.as_micros() as u64;
        if self.srtt8 == 0 {
            self.srtt8 = micros * 8;
            self.mdev4 = micros * 2;
            self.var4 = self.mdev4.max(floor);
            self.mdev_max4 = self.var4;
            self.round_end = next;
            return;
        }
        let error = micros as i64 - (self.srtt8 / 8) as i64;
        self.srtt8 = (self.srtt8 as i64 + error).max(1) as u64;
        let deviation = match error {
            // A fall of the round trip time raises the deviation less than a rise: no timeout is near.
            ..0 if error.unsigned_abs() > self.mdev4 / 4 => (error.unsigned_abs() - self.mdev4 / 4) as i64 / 8,
            _ => error.unsigned_abs() as i64 - (self.mdev4 / 4) as i64,
        };
        self.mdev4 = (self.mdev4 as i64 + deviation).max(0) as u64;
        if self.mdev4 > self.mdev_max4 {
            self.mdev_max4 = self.mdev4;
            self.var4 = self.var4.max(self.mdev_max4);
        }
        if super::seq::after(una, self.round_end) {
            if self.mdev_max4 < self.var4 {
                self.var4 -= (self.var4 - self.mdev_max4) / 4;
            }
            self.round_end = next;
            self.mdev_max4 = floor;
        }
    }

    /// The smoothed round trip time, if one was measured.
    pub fn smoothed(&self) -> Option<Duration> {
        (self.srtt8 > 0).then(|| Duration::from_micros(self.srtt8 / 8))
    }

    /// The mean deviation.
    pub fn deviation(&self) -> Duration {
        Duration::from_micros(self.mdev4 / 4)
    }

    /// The shortest round trip seen.
    pub fn min(&self) -> Option<Duration> {
        self.min.map(Duration::from_micros)
    }

    /// The timeout, before it is doubled for each try (`__tcp_set_rto`).
    pub fn rto(&self, params: &Params) -> Duration {
        if self.srtt8 == 0 {
            return INITIAL_RTO;
        }
        Duration::from_micros(self.srtt8 / 8 + self.var4).min(params.rto_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_is_the_round_trip_and_at_least_200_ms() {
        let params = Params::default();
        let mut rtt = Rtt::default();
        assert_eq!(rtt.rto(&params), INITIAL_RTO);
        rtt.sample(Duration::from_millis(100), &params, 1, 2);
        assert_eq!(rtt.rto(&params), Duration::from_millis(300));
        for una in 2..200 {
            rtt.sample(Duration::from_millis(100), &params, una, una + 1);
        }
        assert_eq!(rtt.smoothed(), Some(Duration::from_millis(100)));
        assert_eq!(rtt.rto(&params), Duration::from_millis(300));
        rtt.sample(Duration::from_millis(900), &params, 200, 201);
        assert!(rtt.rto(&params) > Duration::from_millis(900), "{:?}", rtt.rto(&params));
    }
}
