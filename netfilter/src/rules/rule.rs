//! One rule: what every rule may ask of the IPv4 header and the links, its matches, its target.

use core::net::Ipv4Addr;

use bitflags::bitflags;
use hopwise_sim_core::OriginId;
use smallvec::SmallVec;

use crate::matches::Match;
use crate::names::{Names, protocol_name};
use crate::skb::{LinkRef, Skb, pad};
use crate::targets::TargetKind;
use crate::xtables::mask_len;

/// Packets and bytes that a rule matched, or that a policy decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes from the IPv4 header on.
    pub bytes: u64,
}

impl Counters {
    /// Counts one packet.
    #[inline]
    pub fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

bitflags! {
    /// Which parts of [`IpMatch`] are negated (`IPT_INV_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Inverted: u8 {
        /// `! -i`.
        const INPUT = 1 << 0;
        /// `! -o`.
        const OUTPUT = 1 << 1;
        /// `! -s`.
        const SRC = 1 << 2;
        /// `! -d`.
        const DST = 1 << 3;
        /// `! -f`.
        const FRAGMENT = 1 << 4;
        /// `! -p`.
        const PROTOCOL = 1 << 5;
    }
}

/// The name of a link, or the beginning of one (`eth+`), compared under a mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkMatch {
    name: u128,
    mask: u128,
    plus: bool,
}

impl LinkMatch {
    /// The links of a name; with `+` at the end, all whose names begin so. At most 15 bytes count.
    pub fn new(name: &str) -> Self {
        let bytes = name.as_bytes();
        let plus = bytes.last() == Some(&b'+');
        let compared = if plus { bytes.len() - 1 } else { bytes.len() + 1 }.min(16);
        let mask = if bytes.is_empty() || compared == 0 { 0 } else { u128::MAX >> (128 - 8 * compared) };
        let kept = if plus { &bytes[..bytes.len() - 1] } else { bytes };
        LinkMatch { name: pad(kept), mask, plus }
    }

    /// Whether any link fits.
    pub const fn is_any(&self) -> bool {
        self.mask == 0 && !self.plus
    }

    /// Whether every link fits, by no name or by `+`.
    pub const fn is_all(&self) -> bool {
        self.mask == 0
    }

    /// The whole name, if it is one.
    pub const fn exact(&self) -> Option<u128> {
        if self.mask != 0 && !self.plus { Some(self.name) } else { None }
    }

    #[inline]
    pub(crate) const fn fits(&self, link: LinkRef) -> bool {
        (link.padded() ^ self.name) & self.mask == 0
    }

    /// As it was written.
    pub fn text(&self) -> String {
        let bytes = self.name.to_le_bytes();
        let len = bytes.iter().position(|b| *b == 0).unwrap_or(16);
        let mut text = String::from_utf8_lossy(&bytes[..len]).into_owned();
        if self.plus {
            text.push('+');
        }
        text
    }
}

/// What every rule may ask (`struct ipt_ip`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IpMatch {
    /// Link it came in by.
    pub input: LinkMatch,
    /// Link it leaves by.
    pub output: LinkMatch,
    /// Source address and mask.
    pub src: (u32, u32),
    /// Destination address and mask.
    pub dst: (u32, u32),
    /// Protocol; 0 for any.
    pub protocol: u8,
    /// `-f`: later fragments only.
    pub fragment: bool,
    /// What of it is negated.
    pub inv: Inverted,
}

impl IpMatch {
    /// Whether the packet fits (`ip_packet_match`).
    #[inline]
    pub fn fits(&self, skb: &Skb<'_>) -> bool {
        if !self.inv.is_empty() {
            return self.fits_inverted(skb);
        }
        // Most rules that do not fit are about other addresses: both are compared at once.
        let head = &skb.head;
        let others = ((head.dst & self.dst.1) ^ self.dst.0) | ((head.src & self.src.1) ^ self.src.0);
        others == 0
            && (self.protocol == 0 || head.protocol == self.protocol)
            && self.input.fits(skb.input)
            && self.output.fits(skb.output)
            && (!self.fragment || head.fragment != 0)
    }

    /// The same, where something is negated.
    fn fits_inverted(&self, skb: &Skb<'_>) -> bool {
        let inv = |bit| self.inv.contains(bit);
        let head = &skb.head;
        ((head.dst & self.dst.1 == self.dst.0) != inv(Inverted::DST))
            && ((head.src & self.src.1 == self.src.0) != inv(Inverted::SRC))
            && (self.protocol == 0 || (head.protocol == self.protocol) != inv(Inverted::PROTOCOL))
            && (self.input.fits(skb.input) != inv(Inverted::INPUT))
            && (self.output.fits(skb.output) != inv(Inverted::OUTPUT))
            && (!self.fragment || (head.fragment != 0) != inv(Inverted::FRAGMENT))
    }

    /// The protocol that packets must have, if there is one.
    pub fn only_protocol(&self) -> Option<u8> {
        (self.protocol != 0 && !self.inv.contains(Inverted::PROTOCOL)).then_some(self.protocol)
    }

    fn save(&self, out: &mut String, names: &dyn Names) {
        let inv = |out: &mut String, bit| out.push_str(if self.inv.contains(bit) { " !" } else { "" });
        for (bit, word, (addr, mask)) in [(Inverted::SRC, " -s ", self.src), (Inverted::DST, " -d ", self.dst)] {
            if mask == 0 && !self.inv.contains(bit) {
                continue;
            }
            inv(out, bit);
            out.push_str(word);
            out.push_str(&Ipv4Addr::from(addr).to_string());
            out.push('/');
            match mask_len(mask) {
                Some(len) => out.push_str(&len.to_string()),
                None => out.push_str(&Ipv4Addr::from(mask).to_string()),
            }
        }
        for (bit, word, link) in [(Inverted::INPUT, " -i ", &self.input), (Inverted::OUTPUT, " -o ", &self.output)] {
            if link.is_any() || (link.mask == 0 && !self.inv.contains(bit)) {
                continue;
            }
            inv(out, bit);
            out.push_str(word);
            out.push_str(&link.text());
        }
        if self.protocol != 0 {
            inv(out, Inverted::PROTOCOL);
            out.push_str(" -p ");
            out.push_str(&protocol_name(names, self.protocol).unwrap_or_else(|| self.protocol.to_string()));
        }
        if self.fragment {
            inv(out, Inverted::FRAGMENT);
            out.push_str(" -f");
        }
    }
}

/// What a rule does with the packets that match it.
#[derive(Clone, PartialEq, Debug)]
pub enum Target {
    /// Nothing: it only counts.
    Nothing,
    /// `-j ACCEPT`.
    Accept,
    /// `-j DROP`.
    Drop,
    /// `-j RETURN`.
    Return,
    /// `-j CHAIN`, and `-g CHAIN` from which packets do not come back to this one.
    Jump {
        /// The chain.
        chain: super::ChainId,
        /// `-g`.
        goto: bool,
    },
    /// One of [`crate::targets`].
    Ext(TargetKind),
}

impl Target {
    /// `ACCEPT`, `DROP` and `RETURN`.
    pub fn standard(name: &str) -> Option<Target> {
        match name {
            "ACCEPT" => Some(Target::Accept),
            "DROP" => Some(Target::Drop),
            "RETURN" => Some(Target::Return),
            _ => None,
        }
    }
}

/// A rule. Two rules are equal if they ask and do the same, whatever they counted.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it asks of header and links.
    pub ip: IpMatch,
    /// Its matches, asked in this order.
    pub matches: SmallVec<[Match; 2]>,
    /// What it does.
    pub target: Target,
    /// What it had matched when it was made (`-c`); what it has matched since is the namespace's ([`super::Table::counters`]).
    pub counters: Counters,
    /// Who put it there, for those who look.
    pub origin: OriginId,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.ip == other.ip && self.matches == other.matches && self.target == other.target
    }
}

impl Rule {
    /// A rule that matches everything and does nothing.
    pub fn new() -> Self {
        Rule {
            ip: IpMatch::default(),
            matches: SmallVec::new(),
            target: Target::Nothing,
            counters: Counters::default(),
            origin: OriginId::NONE,
        }
    }

    /// Whether connections must be tracked for it.
    pub fn tracks(&self) -> bool {
        self.matches.iter().any(Match::tracks) || matches!(&self.target, Target::Ext(target) if target.tracks())
    }

    /// How often it refers to a set.
    pub fn uses_of_set(&self, name: &str) -> usize {
        let of_target = match &self.target {
            Target::Ext(target) => target.sets(),
            _ => [None; 2],
        };
        let named = self.matches.iter().map(Match::set).chain(of_target);
        named.filter(|used| *used == Some(name)).count()
    }

    /// Writes what stands behind `-A CHAIN`: ` -p tcp -m tcp --dport 22 -j ACCEPT`. `chain` gives the names of chains.
    pub fn save<'c>(&self, out: &mut String, names: &dyn Names, chain: impl Fn(super::ChainId) -> &'c str) {
        self.save_demands(out, names);
        self.save_target(out, chain);
    }

    /// The first part of it: what the rule asks.
    pub(crate) fn save_demands(&self, out: &mut String, names: &dyn Names) {
        self.ip.save(out, names);
        for m in &self.matches {
            out.push_str(" -m ");
            out.push_str(m.name());
            m.save(out);
        }
    }

    /// The second part: what it does.
    pub(crate) fn save_target<'c>(&self, out: &mut String, chain: impl Fn(super::ChainId) -> &'c str) {
        let (word, name) = match &self.target {
            Target::Nothing => return,
            Target::Jump { chain: id, goto } => (if *goto { " -g " } else { " -j " }, chain(*id)),
            Target::Accept => (" -j ", "ACCEPT"),
            Target::Drop => (" -j ", "DROP"),
            Target::Return => (" -j ", "RETURN"),
            Target::Ext(target) => (" -j ", target.name()),
        };
        out.push_str(word);
        out.push_str(name);
        if let Target::Ext(target) = &self.target {
            target.save(out);
        }
    }
}

impl Default for Rule {
    fn default() -> Self {
        Rule::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopwise_sim_core::IfIndex;

    #[test]
    fn links_by_name_and_by_beginning() {
        let link = |name| LinkRef::new(IfIndex(2), name);
        assert!(LinkMatch::new("eth+").fits(link("eth0")) && LinkMatch::new("eth+").fits(link("eth")));
        assert!(!LinkMatch::new("eth").fits(link("eth0")) && LinkMatch::new("eth").fits(link("eth")));
        assert!(LinkMatch::default().is_any() && LinkMatch::default().fits(link("x")));
        let all = LinkMatch::new("+");
        assert!(!all.is_any() && all.fits(LinkRef::NONE) && all.text() == "+");
        let long = LinkMatch::new("br-0123456789ab");
        assert!(long.fits(link("br-0123456789ab")) && !long.fits(link("br-0123456789ac")));
    }
}
