//! What `mark` and `connmark` share: a value under a mask.

use core::marker::PhantomData;

use super::{Asks, Extension, How};
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// Whose mark it is.
pub(super) trait Bearer: Clone + PartialEq + core::fmt::Debug {
    /// The name of the match.
    const NAME: &'static str;
    /// What `-L` writes in front of the value, and in front of the one that shall not be.
    const LISTED: [&'static str; 2];
    /// Whether connections must be tracked for it.
    const TRACKS: bool;
    /// The mark, if there is something that bears one.
    fn mark(skb: &Skb<'_>) -> Option<u32>;
}

/// A value under a mask.
#[derive(Clone, PartialEq, Debug)]
pub struct Marked<B> {
    value: u32,
    mask: u32,
    inv: bool,
    bearer: PhantomData<B>,
}

static OPTIONS: &[Opt] = &[Opt::arg("mark", 0).inv().must()];

impl<B> Marked<B> {
    /// ` 0xVALUE[/0xMASK]`.
    fn put(&self, out: &mut String) {
        out.push_str(&format!(" {:#x}", self.value));
        if self.mask != u32::MAX {
            out.push_str(&format!("/{:#x}", self.mask));
        }
    }
}

impl<B: Bearer> Extension for Marked<B> {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Marked { value: 0, mask: 0, inv: false, bearer: PhantomData }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        (self.value, self.mask) = call.marked()?;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inv { " ! --mark" } else { " --mark" });
        self.put(out);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(B::LISTED[usize::from(self.inv)]);
        self.put(out);
    }

    fn tracks(&self) -> bool {
        B::TRACKS
    }

    fn sample(rng: &mut Rng) -> String {
        let (name, inv) = (B::NAME, if rng.below(3) == 0 { "! " } else { "" });
        match rng.below(2) {
            0 => format!("-m {name} {inv}--mark {:#x}", rng.below(4)),
            _ => format!("-m {name} {inv}--mark {:#x}/{:#x}", rng.below(4), rng.below(8)),
        }
    }
}

impl<B: Bearer> Asks for Marked<B> {
    #[inline]
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        B::mark(skb).is_some_and(|mark| (mark & self.mask == self.value) != self.inv)
    }
}
