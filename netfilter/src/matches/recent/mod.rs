//! `-m recent`: addresses that were seen a while ago (`net/netfilter/xt_recent.c`).

mod list;

use core::net::Ipv4Addr;

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch, Place, SharedName};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::{Rng, Time};
use list::Entry;

pub use list::RecentList;

/// What is done with the list.
#[derive(Clone, Copy, PartialEq, Debug)]
enum What {
    Set,
    Check,
    Update,
    Remove,
}

/// What is asked of which list.
#[derive(Clone, PartialEq, Debug)]
pub struct Recent {
    what: What,
    inv: bool,
    seconds: u32,
    reap: bool,
    hits: u32,
    ttl: bool,
    name: Box<str>,
    mask: u32,
    dest: bool,
}

/// Longest name of a list (`XT_RECENT_NAME_LEN`).
const MAX_NAME: usize = 199;
/// More hits cannot be asked for (`XT_RECENT_MAX_NSTAMPS`).
const MAX_HITS: u32 = 65_536;

const WHAT: u32 = 0b1111;

static OPTIONS: &[Opt] = &[
    Opt::flag("set", 0).inv().excl(WHAT),
    Opt::flag("rcheck", 1).inv().excl(WHAT),
    Opt::flag("update", 2).inv().excl(WHAT),
    Opt::flag("remove", 3).inv().excl(WHAT),
    Opt::arg("seconds", 4),
    Opt::flag("reap", 5).also(1 << 4),
    Opt::arg("hitcount", 6),
    Opt::flag("rttl", 7).excl(1 << 0),
    Opt::arg("name", 8),
    Opt::flag("rsource", 9),
    Opt::flag("rdest", 10),
    Opt::arg("mask", 11),
];

impl Recent {
    fn enough(&self, entry: &Entry, since: Time) -> bool {
        let fresh = entry.times.iter().filter(|at| self.seconds == 0 || **at >= since).count() as u32;
        fresh >= self.hits.max(1)
    }

    fn words(&self) -> (&'static str, &'static str) {
        match self.what {
            What::Set => ("set", "SET"),
            What::Check => ("rcheck", "CHECK"),
            What::Update => ("update", "UPDATE"),
            What::Remove => ("remove", "REMOVE"),
        }
    }
}

impl Extension for Recent {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Recent {
            what: What::Set,
            inv: false,
            seconds: 0,
            reap: false,
            hits: 0,
            ttl: false,
            name: "DEFAULT".into(),
            mask: u32::MAX,
            dest: false,
        }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.name {
            "set" => self.what = What::Set,
            "rcheck" => self.what = What::Check,
            "update" => self.what = What::Update,
            "remove" => self.what = What::Remove,
            "seconds" => self.seconds = call.number(1, u32::MAX.into())? as u32,
            "hitcount" => self.hits = call.number(0, u32::MAX.into())? as u32,
            "reap" => self.reap = true,
            "rttl" => self.ttl = true,
            "name" if call.arg.is_empty() || call.arg.len() > MAX_NAME => {
                return Err(Refusal::new(format!("recent: Bad value for \"--name\" option: \"{}\"", call.arg)));
            }
            "name" => self.name = call.arg.into(),
            "rsource" => self.dest = false,
            "rdest" => self.dest = true,
            _ => self.mask = call.host()?.to_bits(),
        }
        if call.opt.bit < 4 {
            self.inv = call.inv;
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen & WHAT {
            0 => Err(Refusal::new("recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        out.push_str(&format!("{} --{}", if self.inv { " !" } else { "" }, self.words().0));
        if self.seconds != 0 {
            out.push_str(&format!(" --seconds {}", self.seconds));
        }
        out.push_str(if self.reap { " --reap" } else { "" });
        if self.hits != 0 {
            out.push_str(&format!(" --hitcount {}", self.hits));
        }
        out.push_str(if self.ttl { " --rttl" } else { "" });
        out.push_str(&format!(" --name {} --mask {}", self.name, Ipv4Addr::from(self.mask)));
        out.push_str(if self.dest { " --rdest" } else { " --rsource" });
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!("{} recent: {}", if self.inv { " !" } else { "" }, self.words().1));
        if self.seconds != 0 {
            out.push_str(&format!(" seconds: {}", self.seconds));
        }
        out.push_str(if self.reap { " reap" } else { "" });
        if self.hits != 0 {
            out.push_str(&format!(" hit_count: {}", self.hits));
        }
        out.push_str(if self.ttl { " TTL-Match" } else { "" });
        let side = if self.dest { "dest" } else { "source" };
        out.push_str(&format!(" name: {} side: {side} mask: {}", self.name, Ipv4Addr::from(self.mask)));
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(4) == 0 { "! " } else { "" };
        let name = ["a", "b"][rng.below(2) as usize];
        let words = match rng.below(5) {
            0 => "--set".to_owned(),
            1 => "--remove".to_owned(),
            2 => format!("--rcheck --seconds {}", 1 + rng.below(5)),
            3 => format!("--update --seconds {} --hitcount {} --rttl", 1 + rng.below(5), 1 + rng.below(3)),
            _ => "--update --seconds 3 --reap --rdest".to_owned(),
        };
        format!("-m recent {inv}{words} --name {name}")
    }
}

impl Asks for Recent {
    const PURE: bool = false;

    fn may_stand(&self, _: &Place<'_>) -> bool {
        let plain = self.seconds == 0 && self.hits == 0 && !self.ttl;
        self.hits < MAX_HITS && (plain || matches!(self.what, What::Check | What::Update))
    }

    fn shared(&self) -> Option<SharedName<'_>> {
        Some(SharedName::Recent { name: &self.name, mask: self.mask, hits: self.hits })
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let now = cx.env.now();
        let addr = if self.dest { skb.head.dst } else { skb.head.src };
        // As it was before it was forwarded.
        let sent = skb.output.index.is_some() && !skb.packet.from_socket;
        let ttl = skb.packet.data().get(8).copied().unwrap_or(0).wrapping_add(u8::from(sent));
        if !cx.shared.recent.contains_key(&self.name) {
            cx.shared.recent.insert(self.name.clone(), RecentList::new(self.mask, self.hits));
        }
        let Some(list) = cx.shared.recent.get_mut(&self.name) else { return false };
        list.keep(self.hits);
        let addr = addr & list.mask;
        let is_it = |entry: &&Entry| !self.ttl || entry.ttl == ttl || entry.ttl == 0;
        let Some(entry) = list.entries.get(&addr).filter(is_it) else {
            if self.what != What::Set {
                return self.inv;
            }
            list.touch(addr, Some(ttl), now);
            return !self.inv;
        };
        let since = Time::from_nanos(now.as_nanos().saturating_sub(u64::from(self.seconds) * 1_000_000_000));
        let hit = match self.what {
            What::Set | What::Remove => true,
            What::Check | What::Update => self.enough(entry, since),
        };
        if self.what == What::Remove {
            list.entries.remove(&addr);
        }
        let fits = hit != self.inv;
        let update = self.what == What::Update && fits;
        if self.reap {
            list.reap(since, update.then_some(addr));
        }
        if self.what == What::Set || (update && list.entries.contains_key(&addr)) {
            list.touch(addr, Some(ttl), now);
        }
        fits
    }
}
