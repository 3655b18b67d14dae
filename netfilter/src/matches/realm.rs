//! `-m realm`: the realm of the route (`net/netfilter/xt_realm.c`). No route here has one, `ip route` refuses them: it is 0, as on
//! every Linux where none is set.

use super::{Asks, Extension, How};
use crate::hook::Hook;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// A realm under a mask.
#[derive(Clone, PartialEq, Debug)]
pub struct Realm {
    value: u32,
    mask: u32,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("realm", 0).inv().must()];

/// The one realm that `/etc/iproute2/rt_realms` names.
const COSMOS: &str = "cosmos";

impl Realm {
    fn text(&self, numeric: bool) -> String {
        match self {
            Realm { value: 0, mask: u32::MAX, .. } if !numeric => COSMOS.to_owned(),
            Realm { value, mask: u32::MAX, .. } => format!("{value:#x}"),
            Realm { value, mask, .. } => format!("{value:#x}/{mask:#x}"),
        }
    }
}

impl Extension for Realm {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Realm { value: 0, mask: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        (self.value, self.mask) = call.named_mark(&[(COSMOS, 0)])?;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --realm {}", if self.inv { " !" } else { "" }, self.text(false)));
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        out.push_str(&format!("{} realm {}", if self.inv { " !" } else { "" }, self.text(how.numeric)));
    }

    fn sample(rng: &mut Rng) -> String {
        let not = if rng.below(3) == 0 { "! " } else { "" };
        format!("-m realm {not}--realm {}", ["0", "5", "cosmos", "0x1/0x2a"][rng.below(4) as usize])
    }
}

impl Asks for Realm {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.only(&[Hook::LocalIn, Hook::Forward, Hook::LocalOut, Hook::PostRouting])
    }

    fn fits(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        (self.value & self.mask == 0) != self.inv
    }
}
