//! `-m dscp`: the class of service (`net/netfilter/xt_dscp.c`).

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// A class, perhaps negated.
#[derive(Clone, PartialEq, Debug)]
pub struct Dscp {
    class: u8,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("dscp", 0).inv().excl(0b10), Opt::arg("dscp-class", 1).inv().excl(0b01)];

/// The classes by name.
static CLASSES: &[(&str, u8)] = &[
    ("CS0", 0x00),
    ("CS1", 0x08),
    ("CS2", 0x10),
    ("CS3", 0x18),
    ("CS4", 0x20),
    ("CS5", 0x28),
    ("CS6", 0x30),
    ("CS7", 0x38),
    ("BE", 0x00),
    ("AF11", 0x0a),
    ("AF12", 0x0c),
    ("AF13", 0x0e),
    ("AF21", 0x12),
    ("AF22", 0x14),
    ("AF23", 0x16),
    ("AF31", 0x1a),
    ("AF32", 0x1c),
    ("AF33", 0x1e),
    ("AF41", 0x22),
    ("AF42", 0x24),
    ("AF43", 0x26),
    ("EF", 0x2e),
];

/// The class of a name.
pub(crate) fn class_of(word: &str) -> Done<u8> {
    let found = CLASSES.iter().find(|row| row.0.eq_ignore_ascii_case(word));
    found.map(|row| row.1).ok_or_else(|| Refusal::new(format!("Invalid DSCP value `{word}'")))
}

impl Extension for Dscp {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Dscp { class: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        self.class = if call.opt.bit == 0 { call.number(0, 63)? as u8 } else { class_of(call.arg)? };
        self.inv = call.inv;
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("DSCP match: Parameter --dscp is required")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --dscp 0x{:02x}", if self.inv { " !" } else { "" }, self.class));
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" DSCP match {}0x{:02x}", if self.inv { "!" } else { "" }, self.class));
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(2) {
            0 => format!("-m dscp {inv}--dscp {}", rng.below(64)),
            _ => format!("-m dscp {inv}--dscp-class {}", CLASSES[rng.below(22) as usize].0),
        }
    }
}

impl Asks for Dscp {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        skb.packet.data().get(1).is_some_and(|tos| (tos >> 2 == self.class) != self.inv)
    }
}
