//! `-m set`: whether a part of the packet is in a set (`net/netfilter/xt_set.c`).

use super::{Asks, Extension, How};
use crate::names::Names;
use crate::rules::{Cx, IpMatch};
use crate::sets::Dirs;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// A set, and which parts of the packet are looked up.
#[derive(Clone, PartialEq, Debug)]
pub struct SetOf {
    set: SetRef,
    inv: bool,
    nomatch: bool,
}

/// A set as rules name it.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct SetRef {
    pub(crate) name: Box<str>,
    pub(crate) dirs: Dirs,
}

/// At most so many parts (`IPSET_DIM_MAX`).
const MAX_DIRS: usize = 6;

impl SetRef {
    /// Reads the name and `src,dst`.
    pub(crate) fn read(names: &dyn Names, name: &str, dirs: &str) -> Done<SetRef> {
        let missing = || Refusal::new(format!("Set {name} doesn't exist.\n"));
        names.set_dimension(name).ok_or_else(missing)?;
        let mut read = Dirs::new();
        for word in dirs.split(',') {
            if read.len() >= MAX_DIRS {
                return Err(Refusal::new(format!("Can't be more src/dst options than {MAX_DIRS}.")));
            }
            read.push(match word {
                "src" => true,
                "dst" => false,
                _ => {
                    let text = "You must spefify (the comma separated list of) 'src' or 'dst'.";
                    return Err(Refusal::new(text));
                }
            });
        }
        Ok(SetRef { name: name.into(), dirs: read })
    }

    pub(crate) fn put(&self, out: &mut String) {
        out.push_str(&format!(" {} ", self.name));
        for (i, source) in self.dirs.iter().enumerate() {
            out.push_str(if i == 0 { "" } else { "," });
            out.push_str(if *source { "src" } else { "dst" });
        }
    }
}

static OPTIONS: &[Opt] = &[Opt::arg("match-set", 0).inv(), Opt::flag("return-nomatch", 1)];

impl Extension for SetOf {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        SetOf { set: SetRef::default(), inv: false, nomatch: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if call.opt.bit == 1 {
            self.nomatch = true;
            return Ok(());
        }
        self.set = SetRef::read(call.names, call.arg, call.second)?;
        self.inv = call.inv;
        Ok(())
    }

    fn wants_second(&self, opt: &Opt) -> Option<&'static str> {
        (opt.bit == 0).then_some("--match-set requires two args.")
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen & 1 {
            0 => Err(Refusal::new("You must specify `--match-set' with proper arguments")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inv { " ! --match-set" } else { " --match-set" });
        self.set.put(out);
        out.push_str(if self.nomatch { " --return-nomatch" } else { "" });
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(if self.inv { " ! match-set" } else { " match-set" });
        self.set.put(out);
        out.push_str(if self.nomatch { " return-nomatch" } else { "" });
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        let words = ["nets src", "nets dst --return-nomatch", "ends dst,dst", "ends src,src", "ports dst", "all dst"];
        format!("-m set {inv}--match-set {}", words[rng.below(6) as usize])
    }
}

impl Asks for SetOf {
    /// Sets may count.
    const PURE: bool = false;

    fn set(&self) -> Option<&str> {
        Some(&self.set.name)
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let now = cx.env.now();
        cx.shared.sets.test(&self.set.name, &self.set.dirs, self.nomatch, skb, now) != self.inv
    }
}
