//! `-j HMARK`: a mark from a hash of addresses and ports (`net/netfilter/xt_HMARK.c`).

use super::{Acts, Extension, Outcome};
use crate::conntrack::Direction;
use crate::matches::How;
use crate::nat::jhash2;
use crate::rules::{Cx, IpMatch, Place};
use crate::skb::{Skb, ports_place};
use crate::xtables::{Call, Done, Opt, Refusal, mask_len, mask_of};
use hopwise_sim_core::Rng;

/// What goes into the hash, and how the mark comes out.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Hmark {
    /// Which parts were named: bits of [`OPTIONS`].
    parts: u32,
    masks: (u32, u32),
    /// Both ports as one number, or the index of IPsec: what of the packet counts, and what is added.
    port_mask: u32,
    port_set: u32,
    proto_mask: u16,
    /// The ends of the connection instead of the packet's.
    connection: bool,
    seed: u32,
    modulus: u32,
    offset: Option<u32>,
}

/// Bits of the options.
mod part {
    pub(super) const SRC: u32 = 1 << 0;
    pub(super) const DST: u32 = 1 << 1;
    pub(super) const SPORT_MASK: u32 = 1 << 2;
    pub(super) const DPORT_MASK: u32 = 1 << 3;
    pub(super) const SPI_MASK: u32 = 1 << 4;
    pub(super) const SPORT: u32 = 1 << 5;
    pub(super) const DPORT: u32 = 1 << 6;
    pub(super) const SPI: u32 = 1 << 7;
    pub(super) const PROTO: u32 = 1 << 8;
    pub(super) const CT: u32 = 1 << 9;
}

static OPTIONS: &[Opt] = &[
    Opt::arg("hmark-src-prefix", 0),
    Opt::arg("hmark-dst-prefix", 1),
    Opt::arg("hmark-sport-mask", 2),
    Opt::arg("hmark-dport-mask", 3),
    Opt::arg("hmark-spi-mask", 4),
    Opt::arg("hmark-sport", 5),
    Opt::arg("hmark-dport", 6),
    Opt::arg("hmark-spi", 7),
    Opt::arg("hmark-proto-mask", 8),
    Opt::arg("hmark-tuple", 9),
    Opt::arg("hmark-rnd", 10),
    Opt::arg("hmark-mod", 11),
    Opt::arg("hmark-offset", 12),
];

const RND: u32 = 1 << 10;
const MOD: u32 = 1 << 11;

/// What `--hmark-tuple` names.
const TUPLE: [(&str, u32); 7] = [
    ("src", part::SRC),
    ("dst", part::DST),
    ("sport", part::SPORT_MASK),
    ("dport", part::DPORT_MASK),
    ("spi", part::SPI_MASK),
    ("proto", part::PROTO),
    ("ct", part::CT),
];

impl Hmark {
    fn tuple(&mut self, list: &str) -> Done {
        for word in list.split(',') {
            let row = TUPLE.iter().find(|row| row.0 == word);
            let bit = row.ok_or_else(|| Refusal::new(format!("Bad type \"{word}\"")))?.1;
            match bit {
                part::SRC => self.masks.0 = u32::MAX,
                part::DST => self.masks.1 = u32::MAX,
                part::SPORT_MASK => self.port_mask |= 0xffff_0000,
                part::DPORT_MASK => self.port_mask |= 0xffff,
                part::SPI_MASK => self.port_mask = u32::MAX,
                part::PROTO => self.proto_mask = u16::MAX,
                _ => self.connection = true,
            }
            self.parts |= bit;
        }
        Ok(())
    }

    /// Each part with its value, in the order in which they are told.
    fn put(&self, out: &mut String, saved: bool) {
        let halves = |value: u32| (value >> 16, value & 0xffff);
        let ((source, dest), (from, to)) = (halves(self.port_mask), halves(self.port_set));
        let prefix = |mask: u32| mask_len(mask).unwrap_or(32).to_string();
        let hex = |value: u32, width: usize| if saved { format!("0x{value:0width$x}") } else { format!("{value:#x}") };
        let rows = [
            (part::SRC, "src-prefix", prefix(self.masks.0)),
            (part::DST, "dst-prefix", prefix(self.masks.1)),
            (part::SPORT_MASK, "sport-mask", hex(source, 4)),
            (part::DPORT_MASK, "dport-mask", hex(dest, 4)),
            (part::SPI_MASK, "spi-mask", hex(self.port_mask, 8)),
            (part::SPORT, "sport", hex(from, 4)),
            (part::DPORT, "dport", hex(to, 4)),
            (part::SPI, "spi", hex(self.port_set, 8)),
            (part::PROTO, "proto-mask", hex(self.proto_mask.into(), 2)),
        ];
        for (bit, name, value) in rows {
            if self.parts & bit != 0 {
                out.push_str(&format!(" {}{name} {value}", if saved { "--hmark-" } else { "" }));
            }
        }
    }

    /// Ends, ports and protocol that are hashed; `None`: the packet has no connection.
    fn ends(&self, skb: &Skb<'_>) -> Option<(u32, u32, u32, u8)> {
        if self.connection {
            let conn = skb.conn.as_ref()?;
            let (from, to) = (conn.tuple(Direction::Original).src, conn.tuple(Direction::Reply).src);
            let ports = u32::from(from.port) << 16 | u32::from(to.port);
            let ports = if conn.protocol() == 1 { 0 } else { self.ports(ports) };
            return Some((from.addr.to_bits(), to.addr.to_bits(), ports, conn.protocol()));
        }
        let data = skb.packet.data();
        // Of an ICMP error, the packet that it is about counts.
        let ip = inner(data).unwrap_or(data);
        let header = ip.first_chunk::<20>()?;
        let word = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
        let transport = usize::from(header[0] & 15) * 4;
        let ports = match ports_place(header[9]) {
            Some(place) if !fragment => ip.get(transport + place..).and_then(|rest| rest.first_chunk::<4>()),
            _ => None,
        };
        let ports = ports.map_or(0, |bytes| self.ports(u32::from_be_bytes(*bytes)));
        Some((word(12), word(16), ports, header[9]))
    }

    /// Ports as they are hashed: the same in both directions.
    const fn ports(&self, both: u32) -> u32 {
        let both = both & self.port_mask | self.port_set;
        if both & 0xffff > both >> 16 { both.rotate_left(16) } else { both }
    }
}

/// The packet that an ICMP error is about.
fn inner(data: &[u8]) -> Option<&[u8]> {
    let transport = usize::from(data.first()? & 15) * 4;
    let kind = *data.get(transport)?;
    let is_error = *data.get(9)? == 1 && matches!(kind, 3 | 4 | 5 | 11 | 12);
    data.get(transport + 8..).filter(|rest| is_error && rest.len() >= 20)
}

impl Extension for Hmark {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        Hmark::default()
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let port = || Ok(call.number(0, 65535)? as u32);
        // A prefix that is none is a full one, and so is a mask with holes when it is told.
        let prefix = || mask_of(call.arg).unwrap_or(u32::MAX);
        match call.opt.name {
            "hmark-src-prefix" => self.masks.0 = prefix(),
            "hmark-dst-prefix" => self.masks.1 = prefix(),
            "hmark-sport-mask" => self.port_mask = self.port_mask & 0xffff | port()? << 16,
            "hmark-dport-mask" => self.port_mask = self.port_mask & 0xffff_0000 | port()?,
            "hmark-spi-mask" => self.port_mask = call.number(0, u32::MAX.into())? as u32,
            "hmark-sport" => self.port_set = self.port_set & 0xffff | port()? << 16,
            "hmark-dport" => self.port_set = self.port_set & 0xffff_0000 | port()?,
            "hmark-spi" => self.port_set = call.number(0, u32::MAX.into())? as u32,
            "hmark-proto-mask" => self.proto_mask = call.number(0, 65535)? as u16,
            "hmark-tuple" => self.tuple(call.arg)?,
            "hmark-rnd" => self.seed = call.number(0, u32::MAX.into())? as u32,
            "hmark-mod" => self.modulus = call.number(1, u32::MAX.into())? as u32,
            _ => self.offset = Some(call.number(0, u32::MAX.into())? as u32),
        }
        if call.opt.bit < 9 {
            self.parts |= 1 << call.opt.bit;
        }
        Ok(())
    }

    fn finish(&mut self, seen: u32, _: &IpMatch) -> Done {
        let problem = |text: &str| Err(Refusal::new(text));
        if seen & MOD == 0 {
            return problem("--hmark-mod is mandatory");
        }
        if seen & RND == 0 {
            return problem("--hmark-rnd is mandatory");
        }
        if self.parts & part::SPI_MASK != 0 && self.parts & (part::SPORT_MASK | part::DPORT_MASK) != 0 {
            return problem("you cannot use --hmark-spi-mask and --hmark-?port-mask,at the same time");
        }
        if self.parts == 0 {
            return problem("you have to specify --hmark-tuple at least");
        }
        Ok(())
    }

    fn save(&self, out: &mut String) {
        self.put(out, true);
        out.push_str(&format!(" --hmark-rnd 0x{:08x} --hmark-mod {}", self.seed, self.modulus));
        if let Some(offset) = self.offset {
            out.push_str(&format!(" --hmark-offset {offset}"));
        }
        out.push_str(if self.connection { " --hmark-tuple ct" } else { "" });
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(&format!(" HMARK mod {}", self.modulus));
        if let Some(offset) = self.offset {
            out.push_str(&format!(" + {offset:#x}"));
        }
        out.push_str(if self.connection { " ct," } else { "" });
        self.put(out, false);
        out.push_str(&format!(" rnd {:#x} ", self.seed));
    }

    fn sample(rng: &mut Rng) -> String {
        let parts = [
            "--hmark-tuple src,dst,sport,dport,proto",
            "--hmark-src-prefix 24 --hmark-dst-prefix 0 --hmark-offset 10",
            "--hmark-tuple src,dst,ct",
            "--hmark-dport-mask 0xff --hmark-sport 5 --hmark-proto-mask 0xff",
            "--hmark-tuple dst,spi --hmark-offset 0",
        ];
        format!("-j HMARK {} --hmark-rnd {} --hmark-mod {}", parts[rng.below(5) as usize], rng.below(9), 1 + rng.below(8))
    }
}

impl Acts for Hmark {
    fn may_stand(&self, _: &Place<'_>) -> bool {
        self.parts & part::SPI == 0 || self.parts & (part::SPORT | part::DPORT) == 0
    }

    fn act(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> Outcome {
        let Some((src, dst, ports, protocol)) = self.ends(skb) else { return Outcome::Continue };
        let (src, dst) = (src & self.masks.0, dst & self.masks.1);
        let hash = jhash2(&[src.min(dst), src.max(dst), ports], self.seed);
        let hash = hash ^ u32::from(u16::from(protocol) & self.proto_mask);
        let scaled = (u64::from(hash) * u64::from(self.modulus)) >> 32;
        skb.packet.mark = (scaled as u32).wrapping_add(self.offset.unwrap_or(0));
        Outcome::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Nowhere;
    use crate::hook::Hook;
    use crate::rules::Shared;
    use crate::skb::LinkRef;
    use crate::testing::{echo, udp};
    use hopwise_sim_core::Pool;

    /// The mark that `--hmark-tuple src,dst,sport,dport,proto --hmark-rnd 0x5eed --hmark-mod 8` gives.
    fn mark(bytes: &[u8]) -> u32 {
        let mut target = Hmark { seed: 0x5eed, modulus: 8, ..Hmark::new() };
        target.tuple("src,dst,sport,dport,proto").unwrap();
        let (mut pool, mut env, mut shared) = (Pool::default(), Nowhere::default(), Shared::default());
        let mut packet = pool.alloc_from(bytes);
        let mut cx = Cx { env: &mut env, shared: &mut shared, hook: Hook::Forward, hotdrop: false };
        target.act(&mut Skb::new(&mut packet, LinkRef::NONE, LinkRef::NONE), &mut cx);
        packet.mark
    }

    /// As Linux 6.18 marked them.
    #[test]
    fn marks_are_those_of_the_kernel() {
        assert_eq!(mark(&echo("10.0.1.1", "10.0.2.1", 8, 7)), 0);
        assert_eq!(mark(&echo("10.0.2.1", "10.0.1.1", 0, 7)), 0);
        assert_eq!(mark(&echo("10.0.1.5", "10.0.2.1", 8, 7)), 5);
        let sent = udp(("10.0.1.1", 4000), ("10.0.2.1", 5000), b"hello\n");
        let answered = udp(("10.0.2.1", 5000), ("10.0.1.1", 4000), b"");
        assert_eq!(mark(&sent), mark(&answered));
    }
}
