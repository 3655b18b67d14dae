//! `-j NOTRACK`: an older way to say `-j CT --notrack`.

use super::{Acts, Extension, Outcome, ct};
use crate::hook::{Hook, TableId};
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// Exempts the packet from tracking.
#[derive(Clone, PartialEq, Debug)]
pub struct Notrack;

impl Extension for Notrack {
    const OPTIONS: &'static [Opt] = &[];

    fn new() -> Self {
        Notrack
    }

    fn option(&mut self, _: &Call<'_>) -> Done {
        Ok(())
    }

    fn save(&self, _: &mut String) {}

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" NOTRACK");
    }

    fn sample(_: &mut Rng) -> String {
        "-j NOTRACK".to_owned()
    }
}

impl Acts for Notrack {
    const LISTED: Option<&'static str> = Some("CT");

    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.table == TableId::Raw && place.only(&[Hook::PreRouting, Hook::LocalOut])
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        if skb.packet.conn.is_none() {
            ct::untrack(skb);
        }
        Outcome::Continue
    }
}
