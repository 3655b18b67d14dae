//! `-j NFLOG`: the packet is told to whoever listens (`net/netfilter/xt_NFLOG.c`): here to the packet's journey, as each rule that
//! matches is.

use super::log::prefix;
use super::{Acts, Extension, Outcome};
use crate::matches::How;
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, put_string};
use hopwise_sim_core::Rng;

/// To which group, and how much of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Nflog {
    group: u16,
    prefix: Box<str>,
    size: Option<u32>,
    threshold: Option<u16>,
}

/// A prefix has at most so many bytes.
const MAX_PREFIX: usize = 63;

static OPTIONS: &[Opt] = &[
    Opt::arg("nflog-group", 0),
    Opt::arg("nflog-prefix", 1),
    Opt::arg("nflog-size", 2),
    Opt::arg("nflog-threshold", 3),
];

impl Nflog {
    fn put(&self, out: &mut String, dashes: &str) {
        if !self.prefix.is_empty() {
            out.push_str(&format!(" {dashes}nflog-prefix"));
            put_string(out, &self.prefix);
        }
        if self.group != 0 {
            out.push_str(&format!(" {dashes}nflog-group {}", self.group));
        }
        if let Some(size) = self.size {
            out.push_str(&format!(" {dashes}nflog-size {size}"));
        }
        if let Some(threshold) = self.threshold {
            out.push_str(&format!(" {dashes}nflog-threshold {threshold}"));
        }
    }
}

impl Extension for Nflog {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Nflog { group: 0, prefix: Box::default(), size: None, threshold: None }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match call.opt.bit {
            0 => self.group = call.number(0, 65535)? as u16,
            1 => self.prefix = prefix(call, MAX_PREFIX)?,
            2 => self.size = Some(call.number(0, u32::MAX.into())? as u32),
            _ => self.threshold = Some(call.number(0, 65535)? as u16).filter(|threshold| *threshold != 0),
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        self.put(out, "");
    }

    fn sample(rng: &mut Rng) -> String {
        let words = ["", " --nflog-group 5", " --nflog-prefix \"a b\" --nflog-threshold 3", " --nflog-size 80"];
        format!("-j NFLOG{}", words[rng.below(4) as usize])
    }
}

impl Acts for Nflog {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        true
    }

    fn act(&self, _: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        Outcome::Continue
    }
}
