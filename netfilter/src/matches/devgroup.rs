//! `-m devgroup`: the groups of the links that the packet passes (`net/netfilter/xt_devgroup.c`).

use super::{Asks, Extension, How};
use crate::hook::Hook;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::Rng;

/// A group under a mask.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Group {
    value: u32,
    mask: u32,
    inv: bool,
}

/// The groups of the link it came in by and of the one it leaves by.
#[derive(Clone, PartialEq, Debug)]
pub struct Devgroup([Option<Group>; 2]);

static OPTIONS: &[Opt] = &[Opt::arg("src-group", 0).inv(), Opt::arg("dst-group", 1).inv()];

/// The one group that `/etc/iproute2/group` names.
const DEFAULT: &str = "default";

impl Group {
    fn text(self, numeric: bool) -> String {
        match self {
            Group { value: 0, mask: u32::MAX, .. } if !numeric => DEFAULT.to_owned(),
            Group { value, mask: u32::MAX, .. } => format!("{value:#x}"),
            Group { value, mask, .. } => format!("{value:#x}/{mask:#x}"),
        }
    }

    const fn fits(self, group: u32) -> bool {
        ((group ^ self.value) & self.mask == 0) != self.inv
    }
}

impl Devgroup {
    fn put(&self, out: &mut String, dashes: &str, numeric: bool) {
        for (group, word) in self.0.iter().zip(["src-group", "dst-group"]) {
            if let Some(group) = group {
                let not = if group.inv { " !" } else { "" };
                out.push_str(&format!("{not} {dashes}{word} {}", group.text(numeric)));
            }
        }
    }
}

impl Extension for Devgroup {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Devgroup([None; 2])
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let (value, mask) = call.named_mark(&[(DEFAULT, 0)])?;
        self.0[usize::from(call.opt.bit)] = Some(Group { value, mask, inv: call.inv });
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen {
            0 => Err(Refusal::new("devgroup match: You must specify either '--src-group' or '--dst-group'")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--", false);
    }

    fn list(&self, out: &mut String, how: &How<'_>) {
        self.put(out, "", how.numeric);
    }

    fn sample(rng: &mut Rng) -> String {
        let not = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(3) {
            0 => format!("-m devgroup {not}--src-group {}", rng.below(3)),
            1 => format!("-m devgroup {not}--dst-group {}/0x3", rng.below(3)),
            _ => format!("-m devgroup --src-group default {not}--dst-group {}", rng.below(3)),
        }
    }
}

impl Asks for Devgroup {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        (self.0[0].is_none() || place.only(&[Hook::PreRouting, Hook::LocalIn, Hook::Forward]))
            && (self.0[1].is_none() || place.only(&[Hook::Forward, Hook::LocalOut, Hook::PostRouting]))
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        let links = [skb.input.index, skb.output.index];
        let mut sides = self.0.iter().zip(links);
        sides.all(|(group, link)| group.is_none_or(|group| group.fits(cx.env.link_group(link))))
    }
}
