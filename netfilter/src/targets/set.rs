//! `-j SET`: a part of the packet goes into a set, or out of it (`net/netfilter/xt_set.c`).

use super::{Acts, Extension, Outcome};
use crate::matches::{How, SetRef};
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// The sets.
#[derive(Clone, PartialEq, Debug)]
pub struct SetTo {
    add: Option<SetRef>,
    del: Option<SetRef>,
    exist: bool,
    timeout: Option<u32>,
}

static OPTIONS: &[Opt] = &[
    Opt::arg("add-set", 0),
    Opt::arg("del-set", 1),
    Opt::arg("map-set", 2),
    Opt::flag("exist", 3),
    Opt::arg("timeout", 4),
];

impl SetTo {
    fn put(&self, out: &mut String, dashes: &str) {
        for (word, set) in [("add-set", &self.add), ("del-set", &self.del)] {
            if let Some(set) = set {
                out.push_str(&format!(" {dashes}{word}"));
                set.put(out);
            }
        }
        if self.exist {
            out.push_str(&format!(" {dashes}exist"));
        }
        if let Some(timeout) = self.timeout {
            out.push_str(&format!(" {dashes}timeout {timeout}"));
        }
    }
}

impl Extension for SetTo {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        SetTo { add: None, del: None, exist: false, timeout: None }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 => self.add = Some(SetRef::read(call.names, call.arg, call.second)?),
            1 => self.del = Some(SetRef::read(call.names, call.arg, call.second)?),
            2 => return Err(Refusal::new("SET: hopwise has no option \"--map-set\"")),
            3 => self.exist = true,
            _ => self.timeout = Some(call.number(0, u64::from(u32::MAX) - 1)? as u32),
        }
        Ok(())
    }

    fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
        match opt.bit {
            0 => Some("--add-set requires two args."),
            1 => Some("--del-set requires two args."),
            2 => Some("--map-set requires two args."),
            _ => None,
        }
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen & 0b111 {
            0 => Err(Refusal::new("You must specify either `--add-set' or `--del-set' or `--map-set'")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        self.put(out, "");
    }

    fn sample(rng: &mut Rng) -> String {
        let words = ["--add-set nets src", "--add-set ends src,dst --exist", "--del-set nets src", "--add-set nets src --timeout 5"];
        format!("-j SET {}", words[rng.below(4) as usize])
    }
}

impl Acts for SetTo {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        true
    }

    fn sets(&self) -> [Option<&str>; 2] {
        [self.add.as_ref().map(|set| &*set.name), self.del.as_ref().map(|set| &*set.name)]
    }

    fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        let now = cx.env.now();
        let sets = &mut cx.shared.sets;
        if let Some(set) = &self.add {
            sets.add(&set.name, &set.dirs, self.exist, self.timeout, skb, now);
        }
        if let Some(set) = &self.del {
            sets.delete(&set.name, &set.dirs, skb, now);
        }
        Outcome::Continue
    }
}
