//! What the targets of the nat table share: their ranges of addresses and ports (libxt_NAT), and how these are read and told.

use core::marker::PhantomData;
use core::net::Ipv4Addr;

use super::{Acts, Extension, Outcome};
use crate::hook::{Hook, TableId};
use crate::matches::How;
use crate::names::Names;
use crate::nat::{Range, RangeFlags};
use crate::rules::{Cx, IpMatch, Place, Verdict};
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal, dotted, number, port_of};
use hopwise_sim_core::Rng;

/// What a range is told as.
pub(super) enum Takes {
    /// `ADDR[-ADDR][:PORTS]`; behind the ports there may be the port from which their distance is kept.
    Addrs { base: bool },
    /// `PORT[-PORT]`: the address follows from elsewhere.
    Ports,
}

/// One of the targets that take a range.
pub(super) trait Maps: Clone + PartialEq + core::fmt::Debug {
    /// The options: first the one for the range.
    const OPTIONS: &'static [Opt];
    /// What it is told as.
    const TAKES: Takes;
    /// What `-L` writes in front of it.
    const LISTED: &'static str;
    /// Where the target may stand.
    const HOOKS: &'static [Hook];
    /// What becomes of the first packet of a connection.
    fn map(range: &Range, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Verdict;
    /// Made-up options.
    fn sample(rng: &mut Rng) -> String;
}

/// The range that the new end is taken from.
#[derive(Clone, PartialEq, Debug)]
pub struct Mapped<K>(Range, PhantomData<K>);

impl<K> Mapped<K> {
    fn put_range(&self, out: &mut String, before: &str, takes: &Takes) {
        match takes {
            Takes::Addrs { .. } => {
                out.push_str(before);
                put_to(out, &self.0);
            }
            Takes::Ports if self.0.flags.contains(RangeFlags::PROTO_SPECIFIED) => {
                out.push_str(before);
                put_ports(out, &self.0);
            }
            Takes::Ports => {}
        }
    }
}

impl<K: Maps> Extension for Mapped<K> {
    const OPTIONS: &'static [Opt] = K::OPTIONS;

    fn new() -> Self {
        Mapped(Range::ANY, PhantomData)
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        match K::TAKES {
            _ if !call.opt.arg => self.0.flags |= flag(call.opt.name),
            Takes::Addrs { base } => to(&mut self.0, call, base)?,
            Takes::Ports => ports(&mut self.0, call.arg, call, false)?,
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.put_range(out, &format!(" --{} ", K::OPTIONS[0].name), &K::TAKES);
        put_flags(out, self.0.flags, "--");
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        self.put_range(out, K::LISTED, &K::TAKES);
        put_flags(out, self.0.flags, "");
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        K::sample(rng)
    }
}

impl<K: Maps> Acts for Mapped<K> {
    fn may_stand(&self, place: &Place<'_>) -> bool {
        may_stand(place, K::HOOKS)
    }

    fn act(&self, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Outcome {
        Outcome::Verdict(K::map(&self.0, skb, cx))
    }
}

fn problem<T>(text: String) -> Done<T> {
    Err(Refusal::new(text))
}

/// Whether rules about this protocol may name ports (or ICMP ids).
fn may_name_ports(ip: &IpMatch) -> bool {
    matches!(ip.protocol, 1 | 6 | 17 | 33 | 132)
}

/// `PORT[-PORT[/BASE]]`; a base only if `offset` says so.
fn ports(range: &mut Range, word: &str, call: &Call<'_>, offset: bool) -> Done {
    if !may_name_ports(call.ip) {
        return Err(Refusal::new("Need TCP, UDP, SCTP or DCCP with port specification"));
    }
    range.flags |= RangeFlags::PROTO_SPECIFIED;
    let (from, rest) = first_port(word, call.names)?;
    range.ports = (from, from);
    if rest.is_empty() {
        return Ok(());
    }
    let Some(word) = rest.strip_prefix('-') else {
        return problem(match rest.strip_prefix(':') {
            Some(_) => "Invalid port:port syntax - use dash".to_owned(),
            None => format!("Garbage after port value: `{rest}'"),
        });
    };
    // Names would be ambiguous here: they may have dashes.
    let Some((to, rest)) = number::strtoul(word).filter(|(to, _)| *to <= 65535) else {
        return problem(format!("Port `{word}' not valid"));
    };
    let to = to as u16;
    if to < from {
        return problem(format!("Port range `{word}' funky"));
    }
    range.ports = (from, to);
    if rest.is_empty() {
        return Ok(());
    }
    let Some(word) = rest.strip_prefix('/').filter(|_| offset) else {
        return problem(format!("Garbage after port range: `{rest}'"));
    };
    let base = port_of(call.names, word, None).filter(|base| *base != 0);
    range.base_port = base.ok_or_else(|| Refusal::new(format!("Port `{word}' not valid")))?;
    range.flags |= RangeFlags::PROTO_OFFSET;
    Ok(())
}

fn first_port<'a>(word: &'a str, names: &dyn Names) -> Done<(u16, &'a str)> {
    if let Some((port, rest)) = number::strtoul(word).filter(|(port, _)| *port <= 65535) {
        return Ok((port as u16, rest));
    }
    match names.port_of(word, None) {
        Some(port) => Ok((port, "")),
        None => problem(format!("Port `{word}' not valid")),
    }
}

/// `[ADDR[-ADDR]][:PORTS]`.
fn to(range: &mut Range, call: &Call<'_>, offset: bool) -> Done {
    let (addrs, behind) = call.arg.split_once(':').map_or((call.arg, None), |(addrs, ports)| (addrs, Some(ports)));
    if let Some(word) = behind {
        ports(range, word, call, offset)?;
        if addrs.is_empty() {
            return Ok(());
        }
    }
    let addr = |word: &str| dotted(word).ok_or_else(|| Refusal::new(format!("Bad IP address \"{word}\"")));
    let (from, last) = addrs.split_once('-').map_or((addrs, addrs), |ends| ends);
    range.addrs = (addr(from)?, addr(last)?);
    range.flags |= RangeFlags::MAP_IPS;
    Ok(())
}

/// `PORT[-PORT[/BASE]]`, as it is printed.
fn put_ports(out: &mut String, range: &Range) {
    let (from, last) = range.ports;
    out.push_str(&from.to_string());
    if from != last {
        out.push_str(&format!("-{last}"));
    }
    if range.flags.contains(RangeFlags::PROTO_OFFSET) {
        out.push_str(&format!("/{}", range.base_port));
    }
}

/// Addresses and ports, as they are printed.
fn put_to(out: &mut String, range: &Range) {
    if range.flags.contains(RangeFlags::MAP_IPS) {
        out.push_str(&range.addrs.0.to_string());
        if range.addrs.0 != range.addrs.1 {
            out.push_str(&format!("-{}", range.addrs.1));
        }
    }
    if range.flags.contains(RangeFlags::PROTO_SPECIFIED) {
        out.push(':');
        put_ports(out, range);
    }
}

/// The flags, each behind a space and `dashes`.
fn put_flags(out: &mut String, flags: RangeFlags, dashes: &str) {
    let names = [
        (RangeFlags::PROTO_RANDOM, "random"),
        (RangeFlags::PROTO_RANDOM_FULLY, "random-fully"),
        (RangeFlags::PERSISTENT, "persistent"),
    ];
    for (_, name) in names.into_iter().filter(|row| flags.contains(row.0)) {
        out.push_str(&format!(" {dashes}{name}"));
    }
}

/// The flag of an option.
fn flag(name: &str) -> RangeFlags {
    match name {
        "random" => RangeFlags::PROTO_RANDOM,
        "random-fully" => RangeFlags::PROTO_RANDOM_FULLY,
        "persistent" => RangeFlags::PERSISTENT,
        _ => RangeFlags::empty(),
    }
}

/// Whether a target of the nat table may stand there.
pub(super) fn may_stand(place: &Place<'_>, hooks: &[Hook]) -> bool {
    place.table == TableId::Nat && place.only(hooks)
}

/// A range of one address.
pub(super) fn at(range: &Range, addr: Ipv4Addr) -> Range {
    Range { flags: range.flags | RangeFlags::MAP_IPS, addrs: (addr, addr), ..*range }
}
