//! `-m iprange`: ranges of addresses (`net/netfilter/xt_iprange.c`).

use core::net::Ipv4Addr;

use super::{Asks, Extension, How};
use crate::rules::{Cx, IpMatch};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, dotted};
use hopwise_sim_core::Rng;

/// First and last address, and whether it is negated.
type Span = (Ipv4Addr, Ipv4Addr, bool);

/// A range for the source, one for the destination.
#[derive(Clone, PartialEq, Debug)]
pub struct Iprange {
    src: Option<Span>,
    dst: Option<Span>,
}

static OPTIONS: &[Opt] = &[Opt::arg("src-range", 0).inv(), Opt::arg("dst-range", 1).inv()];

impl Iprange {
    fn put(&self, out: &mut String, src: &str, dst: &str, behind: bool) {
        for (word, span) in [(src, self.src), (dst, self.dst)] {
            let Some((from, to, inv)) = span else { continue };
            let not = if inv { " !" } else { "" };
            let (before, after) = if behind { ("", not) } else { (not, "") };
            out.push_str(&format!("{before} {word}{after} {from}-{to}"));
        }
    }
}

impl Extension for Iprange {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Iprange { src: None, dst: None }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let (from, to) = call.arg.split_once('-').unwrap_or((call.arg, call.arg));
        let bad = || Refusal::new(format!("iprange: Bad value for \"--{}\" option: \"{}\"", call.opt.name, call.arg));
        let (from, to) = dotted(from).zip(dotted(to)).ok_or_else(bad)?;
        *(if call.opt.bit == 0 { &mut self.src } else { &mut self.dst }) = Some((from, to, call.inv));
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        match seen {
            0 => Err(Refusal::new("iprange match: You must specify `--src-range' or `--dst-range'")),
            _ => Ok(()),
        }
    }

    fn save(&self, out: &mut String) {
        self.put(out, "--src-range", "--dst-range", false);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        self.put(out, "source IP range", "destination IP range", true);
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        let word = ["src", "dst"][rng.below(2) as usize];
        format!("-m iprange {inv}--{word}-range 10.0.{0}.1-10.0.{0}.{1}", rng.below(2), 1 + rng.below(4))
    }
}

impl Asks for Iprange {
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        let met = |addr, span: Option<Span>| span.is_none_or(|(from, to, inv)| (from..=to).contains(&addr) != inv);
        met(skb.src(), self.src) && met(skb.dst(), self.dst)
    }
}
