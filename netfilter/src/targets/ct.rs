//! `-j CT`: what connection tracking shall do with a packet that it has not seen yet (`net/netfilter/xt_CT.c`).

use super::{Acts, Extension, Outcome};
use crate::conntrack::{EventMask, UNTRACKED, Zone};
use crate::hook::{Hook, TableId};
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// Which directions the zone is for.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Side {
    Both,
    Original,
    Reply,
}

/// A zone.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Id {
    Number(u16),
    /// The packet's mark.
    Mark,
}

/// What shall be done.
#[derive(Clone, PartialEq, Debug)]
pub struct Ct {
    notrack: bool,
    zone: Option<(Side, Id)>,
    /// Events that are told (`EventMask`), and events about expectations: names by bit.
    events: [u16; 2],
}

const EVENTS: [(&str, u16); 8] = [
    ("new", 1 << 0),
    ("related", 1 << 1),
    ("destroy", 1 << 2),
    ("reply", 1 << 3),
    ("assured", 1 << 4),
    ("protoinfo", 1 << 5),
    ("helper", 1 << 6),
    ("mark", 1 << 7),
];

static OPTIONS: &[Opt] = &[
    Opt::flag("notrack", 0),
    Opt::arg("helper", 1),
    Opt::arg("timeout", 2),
    Opt::arg("ctevents", 3),
    Opt::arg("expevents", 4),
    Opt::arg("zone", 5),
    Opt::arg("zone-orig", 6),
    Opt::arg("zone-reply", 7),
];

fn events(word: &str, known: &[(&str, u16)]) -> Done<u16> {
    word.split(',').try_fold(0, |all, word| {
        let found = known.iter().find(|row| row.0 == word);
        found.map(|row| all | row.1).ok_or_else(|| Refusal::new(format!("Unknown event type \"{word}\"")))
    })
}

fn zone(word: &str) -> Done<Id> {
    match number::within(word, 0, 65535) {
        Some(id) => Ok(Id::Number(id as u16)),
        None if word == "mark" => Ok(Id::Mark),
        None => Err(Refusal::new(format!("Cannot parse {word} as a zone ID"))),
    }
}

impl Ct {
    fn put(&self, out: &mut String, dashes: &str) {
        if self.notrack {
            out.push_str(&format!(" {dashes}notrack"));
        }
        for (word, events) in ["ctevents", "expevents"].into_iter().zip(self.events) {
            let names: Vec<&str> = EVENTS.iter().filter(|row| events & row.1 != 0).map(|row| row.0).collect();
            if !names.is_empty() {
                out.push_str(&format!(" {dashes}{word} {}", names.join(",")));
            }
        }
        let Some((side, id)) = self.zone.filter(|zone| *zone != (Side::Both, Id::Number(0))) else { return };
        let word = match side {
            Side::Both => "zone",
            Side::Original => "zone-orig",
            Side::Reply => "zone-reply",
        };
        out.push_str(&match id {
            Id::Number(id) => format!(" {dashes}{word} {id}"),
            Id::Mark => format!(" {dashes}{word} mark"),
        });
    }
}

impl Extension for Ct {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Ct { notrack: false, zone: None, events: [0; 2] }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "notrack" => self.notrack = true,
            "ctevents" => self.events[0] = events(call.arg, &EVENTS)?,
            "expevents" => self.events[1] = events(call.arg, &EVENTS[..1])?,
            "zone" => self.zone = Some((Side::Both, zone(call.arg)?)),
            "zone-orig" => self.zone = Some((Side::Original, zone(call.arg)?)),
            "zone-reply" => self.zone = Some((Side::Reply, zone(call.arg)?)),
            name => return Err(Refusal::new(format!("CT: hopwise has no option \"--{name}\""))),
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(" CT");
        self.put(out, "");
    }

    fn tracks(&self) -> bool {
        !self.notrack
    }

    fn sample(rng: &mut Rng) -> String {
        let what = ["--notrack", "--zone 5", "--zone-orig mark", "--zone-reply 9", "--ctevents new,destroy"];
        format!("-j CT {}", what[rng.below(5) as usize])
    }
}

impl Acts for Ct {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.table == TableId::Raw && place.only(&[Hook::PreRouting, Hook::LocalOut])
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        if skb.packet.conn.is_some() {
            return Outcome::Continue;
        }
        if self.notrack {
            untrack(skb);
            return Outcome::Continue;
        }
        if self.events[0] != 0 {
            skb.template.events = Some(EventMask::from_bits_truncate(self.events[0]));
        }
        if let Some((side, id)) = self.zone {
            let id = match id {
                Id::Number(id) => id,
                Id::Mark => skb.packet.mark as u16,
            };
            let zone = |other| (side != other).then_some(Zone(id));
            (skb.template.zone_orig, skb.template.zone_reply) = (zone(Side::Reply), zone(Side::Original));
        }
        Outcome::Continue
    }
}

/// The packet is none that connection tracking shall see.
pub(super) fn untrack(skb: &mut Skb<'_>) {
    skb.packet.conn = Some(UNTRACKED);
    skb.conn = None;
}
