//! `-j NFQUEUE`: the packet waits for a program that decides about it (`net/netfilter/xt_NFQUEUE.c`). No program here listens to a
//! queue; Linux then drops the packet, or lets it go on to the next table if the rule says so (`nf_queue`).

use super::{Acts, Extension, Outcome};
use crate::matches::How;
use crate::rules::{Cx, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// The queues among which packets are spread.
#[derive(Clone, PartialEq, Debug)]
pub struct Nfqueue {
    first: u16,
    /// The last one, of several.
    last: Option<u16>,
    bypass: bool,
    fanout: bool,
}

static OPTIONS: &[Opt] = &[
    Opt::arg("queue-num", 0).excl(1 << 1),
    Opt::arg("queue-balance", 1).excl(1 << 0),
    Opt::flag("queue-bypass", 2),
    Opt::flag("queue-cpu-fanout", 3).also(1 << 1),
];

impl Nfqueue {
    fn put(&self, out: &mut String, dashes: &str) {
        match self.last {
            Some(last) => out.push_str(&format!(" {dashes}balance {}:{last}", self.first)),
            None => out.push_str(&format!(" {dashes}num {}", self.first)),
        }
        for (word, on) in [("bypass", self.bypass), ("cpu-fanout", self.fanout)] {
            if on {
                out.push_str(&format!(" {dashes}{word}"));
            }
        }
    }
}

impl Extension for Nfqueue {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Nfqueue { first: 0, last: None, bypass: false, fanout: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 => self.first = call.number(0, 65535)? as u16,
            1 => {
                let (first, last) = call.range(65535)?;
                if first == last && !call.arg.contains(':') {
                    return Err(Refusal::new(format!("Bad range \"{}\"", call.arg)));
                }
                if first >= last {
                    return Err(Refusal::new(format!("{first} should be less than {last}")));
                }
                // The kernel counts the queues in 16 bits.
                if (first, last) == (0, 65535) {
                    return Err(Refusal::new(format!("Bad range \"{}\"", call.arg)));
                }
                (self.first, self.last) = (first as u16, Some(last as u16));
            }
            2 => self.bypass = true,
            _ => self.fanout = true,
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--queue-");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" NFQUEUE");
        self.put(out, "");
    }

    fn sample(rng: &mut Rng) -> String {
        let queue = ["", " --queue-num 3", " --queue-balance 1:4", " --queue-balance 0:9 --queue-cpu-fanout"];
        format!("-j NFQUEUE{}{}", queue[rng.below(4) as usize], ["", " --queue-bypass"][rng.below(2) as usize])
    }
}

impl Acts for Nfqueue {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        true
    }

    fn act(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        Outcome::Verdict(if self.bypass { Verdict::Accept } else { Verdict::Drop })
    }
}
