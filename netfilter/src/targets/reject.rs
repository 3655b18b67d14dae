//! `-j REJECT`: the packet ends here, and its sender is told (`net/ipv4/netfilter/ipt_REJECT.c`).

use super::{Acts, Extension, Outcome};
use crate::hook::TableId;
use crate::matches::How;
use crate::rules::{Cx, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// What the sender is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RejectWith {
    /// ICMP destination unreachable, with this code.
    Unreachable(u8),
    /// A TCP reset.
    TcpReset,
}

/// Name, other name, meaning.
static KINDS: [(&str, &str, RejectWith); 8] = [
    ("icmp-net-unreachable", "net-unreach", RejectWith::Unreachable(0)),
    ("icmp-host-unreachable", "host-unreach", RejectWith::Unreachable(1)),
    ("icmp-proto-unreachable", "proto-unreach", RejectWith::Unreachable(2)),
    ("icmp-port-unreachable", "port-unreach", RejectWith::Unreachable(3)),
    ("icmp-net-prohibited", "net-prohib", RejectWith::Unreachable(9)),
    ("icmp-host-prohibited", "host-prohib", RejectWith::Unreachable(10)),
    ("tcp-reset", "tcp-rst", RejectWith::TcpReset),
    ("icmp-admin-prohibited", "admin-prohib", RejectWith::Unreachable(13)),
];

impl RejectWith {
    /// Its name.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|row| row.2 == self).map_or("", |row| row.0)
    }
}

/// An end with an answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Reject(RejectWith);

static OPTIONS: &[Opt] = &[Opt::arg("reject-with", 0)];

impl Extension for Reject {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Reject(RejectWith::Unreachable(3))
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let word = call.arg;
        let begins = |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let found = KINDS.iter().find(|row| begins(row.0) || begins(row.1));
        self.0 = found.ok_or_else(|| Refusal::new(format!("unknown reject type \"{word}\"")))?.2;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --reject-with {}", self.0.name()));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" reject-with {}", self.0.name()));
    }

    fn sample(rng: &mut Rng) -> String {
        format!("-p tcp -j REJECT --reject-with {}", KINDS[rng.below(8) as usize].0)
    }
}

impl Acts for Reject {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.table == TableId::Filter && (self.0 != RejectWith::TcpReset || place.ip.only_protocol() == Some(6))
    }

    fn act(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        Outcome::Verdict(Verdict::Reject(self.0))
    }
}
