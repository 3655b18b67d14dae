//! OPEN: who speaks and what he can do (RFC 4271 section 4.2, RFC 5492).

use std::net::Ipv4Addr;

use super::{Notification, Reader};
use crate::bgp::error::ErrorCode;

/// A kind of routes (RFC 4760).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Family {
    /// Address family: 1 is IPv4.
    pub afi: u16,
    /// Subsequent one: 1 is unicast.
    pub safi: u8,
}

impl Family {
    /// IPv4 unicast.
    pub const IPV4: Family = Family { afi: 1, safi: 1 };
}

/// The flags of a graceful restart (RFC 4724 section 3, RFC 8538): four bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RestartFlags(pub u8);

impl RestartFlags {
    /// The speaker has restarted.
    pub const RESTARTED: u8 = 8;
}

/// A kind of routes that survives the neighbour's restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GracefulFamily {
    /// The routes.
    pub family: Family,
    /// Bit 7: the neighbour has gone on forwarding.
    pub flags: u8,
}

/// A kind of routes that survives the neighbour's long absence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LongLivedFamily {
    /// The routes.
    pub family: Family,
    /// Bit 7: the neighbour has gone on forwarding.
    pub flags: u8,
    /// Seconds, three octets.
    pub stale_time: u32,
}

/// What a speaker can do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Capability {
    /// 1: speaks of these routes (RFC 4760).
    Multiprotocol(Family),
    /// 2: understands ROUTE-REFRESH (RFC 2918).
    RouteRefresh,
    /// 6: messages may be longer (RFC 8654).
    ExtendedMessage,
    /// 64: graceful restart (RFC 4724).
    GracefulRestart {
        /// Flags of the speaker.
        flags: RestartFlags,
        /// Seconds until the speaker is there again: twelve bits.
        time: u16,
        /// What it keeps; nothing for one that is only aware of others' restarts.
        families: Vec<GracefulFamily>,
    },
    /// 65: AS numbers of four octets; the speaker's own (RFC 6793).
    FourOctetAs(u32),
    /// 70: ROUTE-REFRESH with beginning and end (RFC 7313).
    EnhancedRefresh,
    /// 71: long-lived graceful restart (RFC 9494).
    LongLived(Vec<LongLivedFamily>),
    /// Something else.
    Other {
        /// Its code.
        code: u8,
        /// Its value.
        value: Vec<u8>,
    },
}

/// An OPEN message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Open {
    /// The version: 4.
    pub version: u8,
    /// The AS of two octets, [`super::AS_TRANS`] if it has more.
    pub asn: u16,
    /// Seconds.
    pub hold_time: u16,
    /// BGP identifier.
    pub id: Ipv4Addr,
    /// What the speaker can do.
    pub capabilities: Vec<Capability>,
}

/// The type of the optional parameter that holds capabilities.
const CAPABILITIES: u8 = 2;
/// Stands for the length and for the type of the first parameter if lengths have two octets (RFC 9072).
const EXTENDED: u8 = 255;

impl Open {
    /// Whether routes of this kind are spoken of. A speaker without any multiprotocol capability speaks of IPv4.
    pub fn speaks(&self, family: Family) -> bool {
        let mut families = self.capabilities.iter().filter_map(|c| match c {
            Capability::Multiprotocol(f) => Some(*f),
            _ => None,
        });
        let first = families.next();
        first.map_or(family == Family::IPV4, |f| f == family || families.any(|f| f == family))
    }

    /// The AS of four octets, if the speaker has the capability.
    pub fn four_octet_as(&self) -> Option<u32> {
        self.capabilities.iter().find_map(|c| if let Capability::FourOctetAs(asn) = c { Some(*asn) } else { None })
    }

    /// Whether a capability is there.
    pub fn can(&self, capability: &Capability) -> bool {
        self.capabilities.contains(capability)
    }

    /// Whether IPv4 routes survive the speaker's restart (RFC 4724 section 3), and if so, whether it has gone on forwarding them.
    pub fn graceful_ipv4(&self) -> Option<bool> {
        let families = self.capabilities.iter().filter_map(|c| match c {
            Capability::GracefulRestart { families, .. } => Some(families),
            _ => None,
        });
        let kept = families.flatten().find(|f| f.family == Family::IPV4)?;
        Some(kept.flags & 0x80 != 0)
    }

    /// Seconds that the speaker's restart may take.
    pub fn restart_time(&self) -> Option<u16> {
        self.capabilities.iter().find_map(|c| match c {
            Capability::GracefulRestart { time, .. } => Some(*time),
            _ => None,
        })
    }

    /// Whether long-lived graceful restart is understood.
    pub fn is_llgr_aware(&self) -> bool {
        self.capabilities.iter().any(|c| matches!(c, Capability::LongLived(_)))
    }
}

/// Reads a body, as RFC 4271 section 6.2 says.
pub(super) fn decode(body: &[u8], bad_length: impl Fn() -> Notification) -> Result<Open, Notification> {
    let mut reader = Reader(body);
    let fields = (|| Some((reader.u8()?, reader.u16()?, reader.u16()?, reader.array::<4>()?, reader.u8()?)))();
    let (version, asn, hold_time, id, length) = fields.ok_or_else(bad_length)?;
    let mut open = Open { version, asn, hold_time, id: id.into(), capabilities: Vec::new() };
    if version != 4 {
        // The version that would be spoken here.
        return Err(Notification::new(ErrorCode::BAD_VERSION, &4u16.to_be_bytes()));
    }
    parameters(reader, length, &mut open.capabilities)?;
    Ok(open)
}

fn parameters(mut reader: Reader<'_>, length: u8, out: &mut Vec<Capability>) -> Result<(), Notification> {
    let malformed = || Notification::from(ErrorCode::OPEN);
    let extended = length != 0 && reader.0.first() == Some(&EXTENDED);
    let all = if extended {
        reader.u8();
        reader.long()
    } else {
        reader.take(length.into())
    };
    let mut all = Reader(all.ok_or_else(malformed)?);
    while !all.is_empty() {
        let kind = all.u8().ok_or_else(malformed)?;
        let value = if extended { all.long() } else { all.short() }.ok_or_else(malformed)?;
        if kind != CAPABILITIES {
            return Err(ErrorCode::BAD_PARAMETER.into());
        }
        let mut value = Reader(value);
        while !value.is_empty() {
            out.push(capability(&mut value).ok_or_else(malformed)?);
        }
    }
    Ok(())
}

fn capability(reader: &mut Reader<'_>) -> Option<Capability> {
    let code = reader.u8()?;
    let value = reader.short()?;
    let mut v = Reader(value);
    let known = match code {
        1 => {
            let (afi, _reserved, safi) = (v.u16()?, v.u8()?, v.u8()?);
            Capability::Multiprotocol(Family { afi, safi })
        }
        2 => Capability::RouteRefresh,
        6 => Capability::ExtendedMessage,
        64 => graceful(&mut v)?,
        65 => Capability::FourOctetAs(v.u32()?),
        70 => Capability::EnhancedRefresh,
        71 => long_lived(&mut v)?,
        code => return Some(Capability::Other { code, value: value.to_vec() }),
    };
    v.is_empty().then_some(known)
}

fn graceful(v: &mut Reader<'_>) -> Option<Capability> {
    let head = v.u16()?;
    let mut families = Vec::new();
    while !v.is_empty() {
        let (afi, safi, flags) = (v.u16()?, v.u8()?, v.u8()?);
        families.push(GracefulFamily { family: Family { afi, safi }, flags });
    }
    Some(Capability::GracefulRestart { flags: RestartFlags((head >> 12) as u8), time: head & 0xfff, families })
}

fn long_lived(v: &mut Reader<'_>) -> Option<Capability> {
    let mut families = Vec::new();
    while !v.is_empty() {
        let (afi, safi, flags, [a, b, c]) = (v.u16()?, v.u8()?, v.u8()?, v.array()?);
        let stale_time = u32::from_be_bytes([0, a, b, c]);
        families.push(LongLivedFamily { family: Family { afi, safi }, flags, stale_time });
    }
    Some(Capability::LongLived(families))
}

/// Writes a body: all capabilities in one parameter, as BIRD does. `None` if they do not fit.
pub(super) fn encode(open: &Open, out: &mut Vec<u8>) -> Option<()> {
    out.push(open.version);
    out.extend_from_slice(&open.asn.to_be_bytes());
    out.extend_from_slice(&open.hold_time.to_be_bytes());
    out.extend_from_slice(&open.id.octets());
    let mut capabilities = Vec::new();
    for capability in &open.capabilities {
        put_capability(capability, &mut capabilities)?;
    }
    if capabilities.is_empty() {
        out.push(0);
        return Some(());
    }
    let length = u8::try_from(capabilities.len()).ok().filter(|n| *n <= 252)?;
    out.extend_from_slice(&[length + 2, CAPABILITIES, length]);
    out.extend_from_slice(&capabilities);
    Some(())
}

fn put_capability(capability: &Capability, out: &mut Vec<u8>) -> Option<()> {
    let mut value = Vec::new();
    let code = match capability {
        Capability::Multiprotocol(family) => {
            value.extend_from_slice(&family.afi.to_be_bytes());
            value.extend_from_slice(&[0, family.safi]);
            1
        }
        Capability::RouteRefresh => 2,
        Capability::ExtendedMessage => 6,
        Capability::GracefulRestart { flags, time, families } => {
            value.extend_from_slice(&(u16::from(flags.0 & 15) << 12 | time & 0xfff).to_be_bytes());
            for GracefulFamily { family, flags } in families {
                value.extend_from_slice(&family.afi.to_be_bytes());
                value.extend_from_slice(&[family.safi, *flags]);
            }
            64
        }
        Capability::FourOctetAs(asn) => {
            value.extend_from_slice(&asn.to_be_bytes());
            65
        }
        Capability::EnhancedRefresh => 70,
        Capability::LongLived(families) => {
            for LongLivedFamily { family, flags, stale_time } in families {
                value.extend_from_slice(&family.afi.to_be_bytes());
                value.extend_from_slice(&[family.safi, *flags]);
                value.extend_from_slice(&stale_time.to_be_bytes()[1..]);
            }
            71
        }
        Capability::Other { code, value: v } => {
            value.extend_from_slice(v);
            *code
        }
    };
    out.extend_from_slice(&[code, u8::try_from(value.len()).ok()?]);
    out.extend_from_slice(&value);
    Some(())
}
