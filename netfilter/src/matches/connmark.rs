//! `-m connmark`: the mark of the connection (`net/netfilter/xt_connmark.c`).

use super::mark::put_mark;
use super::{Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// A value under a mask.
#[derive(Clone, PartialEq, Debug)]
pub struct Connmark {
    value: u32,
    mask: u32,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("mark", 0).inv().must()];

impl Extension for Connmark {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Connmark { value: 0, mask: 0, inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        (self.value, self.mask) = call.marked()?;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inv { " ! --mark" } else { " --mark" });
        put_mark(out, self.value, self.mask);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(if self.inv { " connmark match !" } else { " connmark match " });
        put_mark(out, self.value, self.mask);
    }

    fn tracks(&self) -> bool {
        true
    }

    fn fits(&mut self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        skb.conn.as_ref().is_some_and(|conn| (conn.mark & self.mask == self.value) != self.inv)
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        format!("-m connmark {inv}--mark {:#x}/{:#x}", rng.below(4), rng.below(8))
    }
}
