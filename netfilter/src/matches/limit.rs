//! `-m limit`: so many packets in a time (`net/netfilter/nft_limit.c`, with the words of libxt_limit).

use super::rate::{self, Bucket};
use super::{Asks, Extension, How};
use crate::rules::{Cx, State};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// A rate, and how many packets may come at once.
#[derive(Clone, PartialEq, Debug)]
pub struct Limit {
    /// Time for each packet, in units of a second / [`SCALE`].
    period: u64,
    burst: u32,
    bucket: State<Option<Bucket>>,
}

/// `XT_LIMIT_SCALE`.
const SCALE: u64 = 10_000;
const BURST: u32 = 5;

static OPTIONS: &[Opt] = &[Opt::arg("limit", 0), Opt::arg("limit-burst", 1)];

impl Extension for Limit {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Limit { period: 1200 * SCALE, burst: BURST, bucket: State(None) }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if call.opt.bit == 0 {
            self.period = rate::parse(call.arg, SCALE)?;
        } else {
            let burst = call.number(0, 10_000)? as u32;
            self.burst = if burst == 0 { BURST } else { burst };
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --limit {}", rate::text(self.period, SCALE)));
        if self.burst != BURST {
            out.push_str(&format!(" --limit-burst {}", self.burst));
        }
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" limit: avg {} burst {}", rate::text(self.period, SCALE), self.burst));
    }

    fn sample(rng: &mut Rng) -> String {
        let unit = ["sec", "min", "hour", "day"][rng.below(4) as usize];
        let burst = ["", " --limit-burst 2", " --limit-burst 100"][rng.below(3) as usize];
        format!("-m limit --limit {}/{unit}{burst}", 1 + rng.below(40))
    }
}

impl Asks for Limit {
    const PURE: bool = false;

    fn remembers(&self) -> bool {
        true
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        self.clone().fits_and_remember(skb, cx)
    }

    fn fits_and_remember(&mut self, _: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let cost = rate::nanos(self.period, SCALE);
        let full = cost.saturating_mul(u64::from(self.burst));
        let now = cx.env.now();
        self.bucket.0.get_or_insert(Bucket::full(full, now)).take(cost, full, now)
    }
}
