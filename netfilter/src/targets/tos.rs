//! `-j TOS`: another type of service (`net/netfilter/xt_DSCP.c`).

use super::{Acts, Extension, Outcome, rewrite};
use crate::hook::TableId;
use crate::matches::{How, tos_name, tos_value};
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// `tos = (tos & !mask) ^ value`.
#[derive(Clone, PartialEq, Debug)]
pub struct Tos {
    value: u8,
    mask: u8,
}

const ALL: u32 = 0b1111;

static OPTIONS: &[Opt] = &[
    Opt::arg("set-tos", 0).excl(ALL),
    Opt::arg("and-tos", 1).excl(ALL),
    Opt::arg("or-tos", 2).excl(ALL),
    Opt::arg("xor-tos", 3).excl(ALL),
];

impl Extension for Tos {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Tos { value: 0, mask: 0 }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if call.opt.bit == 0 {
            (self.value, self.mask) = tos_value(call.arg)?;
            return Ok(());
        }
        let bits = call.number(0, 255)? as u8;
        (self.value, self.mask) = match call.opt.bit {
            1 => (0, !bits),
            2 => (bits, bits),
            _ => (bits, 0),
        };
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        if seen == 0 { Err(Refusal::new("TOS: An action is required")) } else { Ok(()) }
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!(" --set-tos 0x{:02x}/0x{:02x}", self.value, self.mask));
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        let Tos { value, mask } = *self;
        out.push_str(&match tos_name(value, mask) {
            _ if how.numeric => format!(" TOS set 0x{value:02x}/0x{mask:02x}"),
            Some(name) => format!("  TOS set{name}"),
            None if value == 0 => format!(" TOS and 0x{:02x}", !mask),
            None if value == mask => format!(" TOS or 0x{value:02x}"),
            None if mask == 0 => format!(" TOS xor 0x{value:02x}"),
            None => format!(" TOS set 0x{value:02x}/0x{mask:02x}"),
        });
    }

    fn sample(rng: &mut Rng) -> String {
        let word = ["set", "and", "or", "xor"][rng.below(4) as usize];
        format!("-j TOS --{word}-tos {:#x}", rng.below(256))
    }
}

impl Acts for Tos {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.table == TableId::Mangle
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        rewrite::tos(skb.packet.data_mut(), |tos| (tos & !self.mask) ^ self.value);
        Outcome::Continue
    }
}
