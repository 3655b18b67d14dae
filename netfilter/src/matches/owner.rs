//! `-m owner`: whose socket made the packet (`net/netfilter/xt_owner.c`).

use super::{Asks, Extension, How};
use crate::hook::Hook;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, number};
use hopwise_sim_core::Rng;

/// User, group, or that there is a socket; the bits are those of [`OPTIONS`].
#[derive(Clone, PartialEq, Debug)]
pub struct Owner {
    asked: u8,
    inv: u8,
    uid: (u32, u32),
    gid: (u32, u32),
}

const UID: u8 = 1 << 0;
const GID: u8 = 1 << 1;
const SOCKET: u8 = 1 << 2;
const SUPPL: u8 = 1 << 3;

static OPTIONS: &[Opt] = &[
    Opt::arg("uid-owner", 0).inv(),
    Opt::arg("gid-owner", 1).inv(),
    Opt::flag("socket-exists", 2).inv(),
    Opt::flag("suppl-groups", 3),
];

fn bad(call: &Call<'_>, what: &str) -> Refusal {
    Refusal::new(format!("owner: Bad value for \"--{}\" option: \"{what}\"", call.opt.name))
}

fn range(call: &Call<'_>, named: Option<u32>) -> Done<(u32, u32)> {
    if let Some(id) = named {
        return Ok((id, id));
    }
    let id = |word| number::within(word, 0, u64::from(u32::MAX) - 1).map(|id| id as u32);
    let (from, to) = call.arg.split_once('-').unwrap_or((call.arg, call.arg));
    id(from).zip(id(to)).filter(|(from, to)| from <= to).ok_or_else(|| bad(call, call.arg))
}

fn span((from, to): (u32, u32)) -> String {
    if from == to { from.to_string() } else { format!("{from}-{to}") }
}

impl Extension for Owner {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Owner { asked: 0, inv: 0, uid: (0, 0), gid: (0, 0) }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "uid-owner" => self.uid = range(call, call.names.uid_of(call.arg))?,
            "gid-owner" => self.gid = range(call, call.names.gid_of(call.arg))?,
            "suppl-groups" if self.asked & GID == 0 => return Err(bad(call, "you need to use --gid-owner first")),
            // Nobody has supplementary groups here: it asks for nothing more.
            _ => {}
        }
        self.asked |= 1 << call.opt.bit;
        self.inv |= u8::from(call.inv) << call.opt.bit;
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen {
            0 => Err(Refusal::new("owner: At least one of --uid-owner, --gid-owner or --socket-exists is required")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        let rows = [(SOCKET, " --socket-exists".into()), (UID, span(self.uid)), (GID, span(self.gid))];
        for (bit, text) in rows.into_iter().filter(|row| self.asked & row.0 != 0) {
            out.push_str(if self.inv & bit != 0 { " !" } else { "" });
            match bit {
                UID => out.push_str(&format!(" --uid-owner {text}")),
                GID => out.push_str(&format!(" --gid-owner {text}")),
                _ => out.push_str(&text),
            }
        }
        out.push_str(if self.asked & SUPPL != 0 { " --suppl-groups" } else { "" });
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        let name = |ids: (u32, u32), name: Option<String>| {
            name.filter(|_| !how.numeric && ids.0 == ids.1).unwrap_or_else(|| span(ids))
        };
        for bit in [SOCKET, UID, GID].into_iter().filter(|bit| self.asked & bit != 0) {
            out.push_str(if self.inv & bit != 0 { " ! owner" } else { " owner" });
            out.push_str(&match bit {
                UID => format!(" UID match {}", name(self.uid, how.names.user_name(self.uid.0))),
                GID => format!(" GID match {}", name(self.gid, how.names.group_name(self.gid.0))),
                _ => " socket exists".to_owned(),
            });
        }
        out.push_str(if self.asked & SUPPL != 0 { " incl. suppl. groups" } else { "" });
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(3) {
            0 => format!("-m owner {inv}--uid-owner {}", rng.below(3)),
            1 => format!("-m owner {inv}--gid-owner 0-{}", rng.below(3)),
            _ => format!("-m owner {inv}--socket-exists"),
        }
    }
}

impl Asks for Owner {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.only(&[Hook::LocalOut, Hook::PostRouting])
    }

    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let Some((uid, gid)) = skb.owner else { return self.asked & !SUPPL == self.inv };
        let met = |bit, fits| self.asked & bit == 0 || fits != (self.inv & bit != 0);
        met(SOCKET, true)
            && met(UID, (self.uid.0..=self.uid.1).contains(&uid))
            && met(GID, (self.gid.0..=self.gid.1).contains(&gid))
    }
}
