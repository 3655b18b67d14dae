//! What `ah`, `esp` and `ipcomp` share: a range of security parameters indices (RFC 4302, 4303, 3173).

use core::marker::PhantomData;

use super::{Asks, Extension, How};
use crate::rules::{Cx, Place};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt};
use hopwise_sim_core::Rng;

/// One of the headers that have such an index.
pub(super) trait Header: Clone + PartialEq + core::fmt::Debug {
    /// The options: first the one for the range.
    const OPTIONS: &'static [Opt];
    /// Its protocol.
    const PROTOCOL: u8;
    /// The name of the match.
    const NAME: &'static str;
    /// How `-L` calls it.
    const LISTED: &'static str;
    /// The last index of the range if none is asked for.
    const LAST: u32;
    /// The index in a header; `None` if that is cut off.
    fn index(header: &[u8]) -> Option<u32>;
}

/// A range of indices.
#[derive(Clone, PartialEq, Debug)]
pub struct Spi<H> {
    from: u32,
    to: u32,
    inv: bool,
    /// `--compres`: it is kept and told, and asked of no packet, as in Linux.
    reserved: bool,
    header: PhantomData<H>,
}

impl<H> Spi<H> {
    /// Whether the range needs no telling: what is read where nothing is told must be the same. (`ipcomp` of Linux does not tell of
    /// the whole range either, and then reads it back as index 0.)
    const fn is_all(&self, last: u32) -> bool {
        self.from == 0 && self.to == u32::MAX && last == u32::MAX && !self.inv
    }

    fn span(&self) -> String {
        if self.from == self.to { self.from.to_string() } else { format!("{}:{}", self.from, self.to) }
    }
}

impl<H: Header> Extension for Spi<H> {
    const OPTIONS: &'static [Opt] = H::OPTIONS;

    fn new() -> Self {
        Spi { from: 0, to: H::LAST, inv: false, reserved: false, header: PhantomData }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        if !call.opt.arg {
            self.reserved = true;
            return Ok(());
        }
        let (from, to) = call.range(u32::MAX.into())?;
        (self.from, self.to, self.inv) = (from as u32, to as u32, call.inv);
        Ok(())
    }

    fn save(&self, out: &mut String) {
        if !self.is_all(H::LAST) {
            let not = if self.inv { " !" } else { "" };
            out.push_str(&format!("{not} --{} {}", H::OPTIONS[0].name, self.span()));
        }
        out.push_str(if self.reserved { " --compres" } else { "" });
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        // `ah` leaves a space behind its name, whatever follows.
        out.push_str(if self.is_all(H::LAST) { H::LISTED } else { H::LISTED.trim_end() });
        if !self.is_all(H::LAST) {
            let (many, not) = (if self.from == self.to { "" } else { "s" }, if self.inv { "!" } else { "" });
            out.push_str(&format!(" spi{many}:{not}{}", self.span()));
        }
        out.push_str(if self.reserved { " reserved" } else { "" });
    }

    fn sample(rng: &mut Rng) -> String {
        let (name, option) = (H::NAME, H::OPTIONS[0].name);
        let not = if rng.below(3) == 0 { "! " } else { "" };
        match rng.below(3) {
            0 => format!("-p {} -m {name}", H::PROTOCOL),
            1 => format!("-p {} -m {name} {not}--{option} {}", H::PROTOCOL, rng.below(9)),
            _ => format!("-p {} -m {name} {not}--{option} {}:", H::PROTOCOL, rng.below(9)),
        }
    }
}

impl<H: Header> Asks for Spi<H> {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        place.ip.only_protocol() == Some(H::PROTOCOL)
    }

    fn fits(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> bool {
        if skb.head.fragment != 0 {
            return false;
        }
        let index = H::index(skb.payload());
        cx.hotdrop |= index.is_none();
        index.is_some_and(|index| (self.from <= index && index <= self.to) != self.inv)
    }
}
