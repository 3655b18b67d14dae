//! `-m pkttype`: to whom the frame was addressed (`net/netfilter/xt_pkttype.c`).

use super::{Asks, Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::{PacketType, Rng};

/// A kind, perhaps negated.
#[derive(Clone, PartialEq, Debug)]
pub struct Pkttype {
    kind: PacketType,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("pkt-type", 0).inv().must()];

/// Kinds by name; the first of a kind is printed.
static KINDS: [(&str, PacketType); 7] = [
    ("unicast", PacketType::Host),
    ("broadcast", PacketType::Broadcast),
    ("multicast", PacketType::Multicast),
    ("host", PacketType::Host),
    ("otherhost", PacketType::OtherHost),
    ("outgoing", PacketType::Outgoing),
    ("bcast", PacketType::Broadcast),
];

impl Pkttype {
    fn name(&self) -> &'static str {
        KINDS.iter().find(|row| row.1 == self.kind).map_or("", |row| row.0)
    }
}

impl Extension for Pkttype {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Pkttype { kind: PacketType::Host, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let word = call.arg;
        let begins = |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        let found = KINDS.iter().find(|row| !word.is_empty() && begins(row.0));
        self.kind = found.ok_or_else(|| Refusal::new(format!("Bad packet type '{word}'")))?.1;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --pkt-type {}", if self.inv { " !" } else { "" }, self.name()));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" PKTTYPE {} {}", if self.inv { "!=" } else { "=" }, self.name()));
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        format!("-m pkttype {inv}--pkt-type {}", KINDS[rng.below(3) as usize].0)
    }
}

impl Asks for Pkttype {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        (skb.packet.kind == self.kind) != self.inv
    }
}
