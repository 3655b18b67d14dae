//! Path attributes from their octets (RFC 4271 section 4.3, errors as RFC 7606 says).

use core::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::open::Family;
use super::{AS_TRANS, Options, Reader, nlri, path};
use crate::attrs::{
    Aggregator, AsPath, Attrs, Community, ExtendedCommunity, LargeCommunity, Origin, Unknown, code, flags,
};

/// What is wrong with the attributes of an UPDATE: its routes are withdrawn (RFC 7606 section 2). `Display` is what BIRD's log says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AttributeFault {
    /// An attribute does not end within the list (RFC 7606 section 4).
    Framing,
    /// The flags are not those of this attribute (RFC 7606 section 3 c).
    Flags(u8, u8),
    /// The length is not one of this attribute.
    Length(u8, usize),
    /// The value is not one of this attribute.
    Value(u8, u8),
    /// AS_PATH is malformed (RFC 7606 section 7.2).
    Path(&'static str),
    /// Not known, and said to be well-known.
    Unrecognized(u8, u8),
    /// ORIGIN, AS_PATH or NEXT_HOP is missing (RFC 7606 section 3 d).
    Missing(u8),
}

/// The name of an attribute as BIRD's log has it.
fn name(code: u8) -> &'static str {
    TABLE.iter().find(|row| row.code == code).map_or("unknown", |row| row.name)
}

impl fmt::Display for AttributeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttributeFault::Framing => f.write_str("Malformed attribute list - framing error"),
            AttributeFault::Flags(code, flags) => {
                write!(f, "Malformed {} attribute - conflicting flags ({flags:02x})", name(*code))
            }
            AttributeFault::Length(code, length) => {
                write!(f, "Malformed {} attribute - invalid length ({length})", name(*code))
            }
            AttributeFault::Value(code, value) => {
                write!(f, "Malformed {} attribute - invalid value ({value})", name(*code))
            }
            AttributeFault::Path(why) => write!(f, "Malformed AS_PATH attribute - {why}"),
            AttributeFault::Unrecognized(code, flags) => {
                write!(f, "Unknown attribute (code {code}) - conflicting flags ({flags:02x})")
            }
            AttributeFault::Missing(code) => write!(f, "Missing mandatory {} attribute", name(*code)),
        }
    }
}

struct Row {
    code: u8,
    name: &'static str,
    flags: u8,
}

const fn row(code: u8, name: &'static str, flags: u8) -> Row {
    Row { code, name, flags }
}

const MP_REACH_NLRI: u8 = 14;
const MP_UNREACH_NLRI: u8 = 15;
const WELL_KNOWN: u8 = flags::TRANSITIVE;
const TRANSITIVE: u8 = flags::OPTIONAL | flags::TRANSITIVE;

/// The known attributes, with the flags they have to have.
const TABLE: &[Row] = &[
    row(code::ORIGIN, "ORIGIN", WELL_KNOWN),
    row(code::AS_PATH, "AS_PATH", WELL_KNOWN),
    row(code::NEXT_HOP, "NEXT_HOP", WELL_KNOWN),
    row(code::MULTI_EXIT_DISC, "MULTI_EXIT_DISC", flags::OPTIONAL),
    row(code::LOCAL_PREF, "LOCAL_PREF", WELL_KNOWN),
    row(code::ATOMIC_AGGREGATE, "ATOMIC_AGGREGATE", WELL_KNOWN),
    row(code::AGGREGATOR, "AGGREGATOR", TRANSITIVE),
    row(code::COMMUNITIES, "COMMUNITY", TRANSITIVE),
    row(code::ORIGINATOR_ID, "ORIGINATOR_ID", flags::OPTIONAL),
    row(code::CLUSTER_LIST, "CLUSTER_LIST", flags::OPTIONAL),
    row(MP_REACH_NLRI, "MP_REACH_NLRI", flags::OPTIONAL),
    row(MP_UNREACH_NLRI, "MP_UNREACH_NLRI", flags::OPTIONAL),
    row(code::EXTENDED_COMMUNITIES, "EXTENDED_COMMUNITY", TRANSITIVE),
    row(code::AS4_PATH, "AS4_PATH", TRANSITIVE),
    row(code::AS4_AGGREGATOR, "AS4_AGGREGATOR", TRANSITIVE),
    row(code::LARGE_COMMUNITIES, "LARGE_COMMUNITY", TRANSITIVE),
];

/// What a list of attributes says: attributes, and routes that came as multiprotocol ones (RFC 4760).
#[derive(Default)]
pub(super) struct Parsed {
    pub(super) attrs: Attrs,
    pub(super) reach: Vec<Ipv4Net>,
    pub(super) unreach: Vec<Ipv4Net>,
    as4_path: Option<AsPath>,
    as4_aggregator: Option<Aggregator>,
}

/// Reads a list of attributes. What was understood before a fault comes too: MP_UNREACH_NLRI is obeyed all the same.
pub(super) fn decode(bytes: &[u8], options: Options) -> (Parsed, Option<AttributeFault>) {
    let mut parsed = Parsed::default();
    let mut seen = [0u128; 2];
    let mut reader = Reader(bytes);
    let mut fault = None;
    while !reader.is_empty() && fault.is_none() {
        let Some((flags, code, value)) = header(&mut reader) else {
            fault = Some(AttributeFault::Framing);
            break;
        };
        // RFC 7606 section 3 g: of several ones the first counts.
        let (word, bit) = (usize::from(code >> 7), 1u128 << (code & 127));
        if seen[word] & bit == 0 {
            seen[word] |= bit;
            fault = attribute(flags, code, value, options, &mut parsed).err();
        }
    }
    parsed.attrs.unknown.sort_by_key(|u| u.code);
    if !options.as4 {
        merge_as4(&mut parsed);
    }
    (parsed, fault)
}

fn header<'a>(reader: &mut Reader<'a>) -> Option<(u8, u8, &'a [u8])> {
    let (flags, code) = (reader.u8()?, reader.u8()?);
    let value = if flags & flags::EXTENDED_LENGTH != 0 { reader.long()? } else { reader.short()? };
    Some((flags, code, value))
}

fn attribute(flags: u8, code: u8, value: &[u8], options: Options, parsed: &mut Parsed) -> Result<(), AttributeFault> {
    let Some(row) = TABLE.iter().find(|row| row.code == code) else {
        if flags & flags::OPTIONAL == 0 {
            return Err(AttributeFault::Unrecognized(code, flags));
        }
        let kept = flags & (flags::OPTIONAL | flags::TRANSITIVE | flags::PARTIAL);
        parsed.attrs.unknown.push(Unknown { code, flags: kept, value: Arc::from(value) });
        return Ok(());
    };
    if flags & TRANSITIVE != row.flags {
        return Err(AttributeFault::Flags(code, flags));
    }
    parsed.attrs.partial.set(code, flags & flags::PARTIAL != 0);
    let attrs = &mut parsed.attrs;
    let length = || AttributeFault::Length(code, value.len());
    match code {
        code::ORIGIN => {
            let [number] = *value else { return Err(length()) };
            attrs.origin = Some(Origin::from_number(number.into()).ok_or(AttributeFault::Value(code, number))?);
        }
        code::AS_PATH => attrs.as_path = Some(path::decode(value, options.as4).map_err(AttributeFault::Path)?),
        code::NEXT_HOP => attrs.next_hop = Some(address(value).ok_or_else(length)?),
        code::MULTI_EXIT_DISC => attrs.med = Some(number(value).ok_or_else(length)?),
        code::LOCAL_PREF => attrs.local_pref = Some(number(value).ok_or_else(length)?),
        // RFC 7606 section 7.6 and 7.7: of a wrong length they are only discarded.
        code::ATOMIC_AGGREGATE => attrs.atomic_aggregate = value.is_empty(),
        code::AGGREGATOR => {
            attrs.aggregator = aggregator(value, options.as4);
            attrs.partial.set(code, attrs.aggregator.is_some() && flags & flags::PARTIAL != 0);
        }
        code::COMMUNITIES => attrs.communities = words(value).ok_or_else(length)?.map(Community).collect(),
        code::ORIGINATOR_ID => attrs.originator_id = Some(address(value).ok_or_else(length)?),
        code::CLUSTER_LIST => attrs.cluster_list = words(value).ok_or_else(length)?.map(Ipv4Addr::from).collect(),
        code::EXTENDED_COMMUNITIES => {
            let pairs = chunks::<8>(value).ok_or_else(length)?;
            attrs.extended_communities = pairs.map(|c| ExtendedCommunity(u64::from_be_bytes(c))).collect();
        }
        code::LARGE_COMMUNITIES => {
            attrs.large_communities = chunks::<12>(value).ok_or_else(length)?.map(large_community).collect();
        }
        // RFC 6793 section 6: malformed or out of place, they are only discarded.
        code::AS4_PATH if !options.as4 => parsed.as4_path = path::decode(value, true).ok(),
        code::AS4_AGGREGATOR if !options.as4 => parsed.as4_aggregator = aggregator(value, true),
        MP_REACH_NLRI => reach(value, parsed).ok_or_else(length)?,
        MP_UNREACH_NLRI => unreach(value, parsed).ok_or_else(length)?,
        _ => {}
    }
    Ok(())
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

fn address(value: &[u8]) -> Option<Ipv4Addr> {
    number(value).map(Ipv4Addr::from)
}

/// A list of whole parts, at least one.
fn chunks<const N: usize>(value: &[u8]) -> Option<impl Iterator<Item = [u8; N]> + '_> {
    let (parts, rest) = value.as_chunks::<N>();
    (rest.is_empty() && !parts.is_empty()).then(|| parts.iter().copied())
}

fn words(value: &[u8]) -> Option<impl Iterator<Item = u32> + '_> {
    Some(chunks::<4>(value)?.map(u32::from_be_bytes))
}

fn large_community(octets: [u8; 12]) -> LargeCommunity {
    let mut reader = Reader(&octets);
    let mut next = || reader.u32().unwrap_or_default();
    LargeCommunity { asn: next(), first: next(), second: next() }
}

fn aggregator(value: &[u8], as4: bool) -> Option<Aggregator> {
    let mut reader = Reader(value);
    let asn = if as4 { reader.u32()? } else { reader.u16()?.into() };
    let id = reader.array::<4>()?.into();
    reader.is_empty().then_some(Aggregator { asn, id })
}

/// MP_REACH_NLRI (RFC 4760 section 3); families that were not agreed on are ignored.
fn reach(value: &[u8], parsed: &mut Parsed) -> Option<()> {
    let mut reader = Reader(value);
    let family = Family { afi: reader.u16()?, safi: reader.u8()? };
    let hop = reader.short()?;
    let _reserved = reader.u8()?;
    if family == Family::IPV4 {
        parsed.attrs.next_hop = Some(address(hop)?);
        parsed.reach = nlri::decode(reader.0)?;
    }
    Some(())
}

/// MP_UNREACH_NLRI (RFC 4760 section 4).
fn unreach(value: &[u8], parsed: &mut Parsed) -> Option<()> {
    let mut reader = Reader(value);
    let family = Family { afi: reader.u16()?, safi: reader.u8()? };
    if family == Family::IPV4 {
        parsed.unreach = nlri::decode(reader.0)?;
    }
    Some(())
}

/// Puts together what a speaker of two-octet AS numbers has passed on (RFC 6793 section 4.2.3).
fn merge_as4(parsed: &mut Parsed) {
    let (as4_path, as4_aggregator) = (parsed.as4_path.take(), parsed.as4_aggregator.take());
    let attrs = &mut parsed.attrs;
    match &mut attrs.aggregator {
        // Somebody aggregated who knows nothing of four octets: what is in the other attributes is old.
        Some(aggregator) if aggregator.asn != AS_TRANS.into() => return,
        Some(aggregator) => *aggregator = as4_aggregator.unwrap_or(*aggregator),
        None => {}
    }
    if let (Some(path), Some(as4_path)) = (&mut attrs.as_path, as4_path) {
        *path = path::merge(path, &as4_path);
    }
}
