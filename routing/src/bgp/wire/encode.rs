//! Path attributes into octets, in the order of their codes, as RFC 4271 section 5 recommends and BIRD does.

use super::{AS_TRANS, Options, path};
use crate::attrs::{Aggregator, Attrs, code, flags};

/// The known attributes that are sent, in their order.
const CODES: [u8; 14] = [
    code::ORIGIN,
    code::AS_PATH,
    code::NEXT_HOP,
    code::MULTI_EXIT_DISC,
    code::LOCAL_PREF,
    code::ATOMIC_AGGREGATE,
    code::AGGREGATOR,
    code::COMMUNITIES,
    code::ORIGINATOR_ID,
    code::CLUSTER_LIST,
    code::EXTENDED_COMMUNITIES,
    code::AS4_PATH,
    code::AS4_AGGREGATOR,
    code::LARGE_COMMUNITIES,
];

const TRANSITIVE: u8 = flags::OPTIONAL | flags::TRANSITIVE;

/// Appends attributes, unknown ones in their places among the known ones.
pub fn encode_attributes(attrs: &Attrs, options: Options, out: &mut Vec<u8>) {
    let mut unknown = attrs.unknown.iter().peekable();
    for code in CODES {
        while let Some(u) = unknown.next_if(|u| u.code < code) {
            put(u.flags, u.code, out, |out| out.extend_from_slice(&u.value));
        }
        put_known(attrs, code, options, out);
    }
    for u in unknown {
        put(u.flags, u.code, out, |out| out.extend_from_slice(&u.value));
    }
}

fn put_known(attrs: &Attrs, code: u8, options: Options, out: &mut Vec<u8>) {
    let partial = if attrs.partial.contains(code) { flags::PARTIAL } else { 0 };
    let transitive = TRANSITIVE | partial;
    let mut number = |flags: u8, value: Option<u32>| {
        if let Some(value) = value {
            put(flags, code, out, |out| out.extend_from_slice(&value.to_be_bytes()));
        }
    };
    match code {
        code::NEXT_HOP => number(flags::TRANSITIVE, attrs.next_hop.map(u32::from)),
        code::MULTI_EXIT_DISC => number(flags::OPTIONAL, attrs.med),
        code::LOCAL_PREF => number(flags::TRANSITIVE, attrs.local_pref),
        code::ORIGINATOR_ID => number(flags::OPTIONAL, attrs.originator_id.map(u32::from)),
        code::ORIGIN => {
            if let Some(origin) = attrs.origin {
                put(flags::TRANSITIVE, code, out, |out| out.push(origin as u8));
            }
        }
        code::AS_PATH => {
            if let Some(path) = &attrs.as_path {
                put(flags::TRANSITIVE, code, out, |out| path::encode(path, options.as4, out));
            }
        }
        code::ATOMIC_AGGREGATE if attrs.atomic_aggregate => put(flags::TRANSITIVE, code, out, |_| {}),
        code::AGGREGATOR => {
            if let Some(aggregator) = &attrs.aggregator {
                put(transitive, code, out, |out| put_aggregator(aggregator, options.as4, out));
            }
        }
        code::COMMUNITIES => list(transitive, code, &attrs.communities, out, |c, out| out.extend(c.0.to_be_bytes())),
        code::CLUSTER_LIST => {
            list(flags::OPTIONAL, code, &attrs.cluster_list, out, |id, out| out.extend(id.octets()));
        }
        code::EXTENDED_COMMUNITIES => {
            list(transitive, code, &attrs.extended_communities, out, |c, out| out.extend(c.0.to_be_bytes()));
        }
        code::LARGE_COMMUNITIES => list(transitive, code, &attrs.large_communities, out, |c, out| {
            [c.asn, c.first, c.second].iter().for_each(|n| out.extend(n.to_be_bytes()));
        }),
        // RFC 6793 section 4.2.2: beside what does not fit into two octets.
        code::AS4_PATH if !options.as4 => {
            if let Some(path) = attrs.as_path.as_ref().filter(|p| path::needs_as4(p)) {
                put(TRANSITIVE, code, out, |out| path::encode(path, true, out));
            }
        }
        code::AS4_AGGREGATOR if !options.as4 => {
            if let Some(aggregator) = attrs.aggregator.as_ref().filter(|a| a.asn > u16::MAX.into()) {
                put(TRANSITIVE, code, out, |out| put_aggregator(aggregator, true, out));
            }
        }
        _ => {}
    }
}

fn put_aggregator(aggregator: &Aggregator, as4: bool, out: &mut Vec<u8>) {
    if as4 {
        out.extend(aggregator.asn.to_be_bytes());
    } else {
        out.extend(u16::try_from(aggregator.asn).unwrap_or(AS_TRANS).to_be_bytes());
    }
    out.extend(aggregator.id.octets());
}

/// A list attribute; none if the list is empty.
fn list<T>(flags: u8, code: u8, items: &[T], out: &mut Vec<u8>, item: impl Fn(&T, &mut Vec<u8>)) {
    if !items.is_empty() {
        put(flags, code, out, |out| items.iter().for_each(|i| item(i, out)));
    }
}

/// One attribute: flags, code, length, value. Two octets of length only where one is not enough.
fn put(flags: u8, code: u8, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[flags, code, 0]);
    value(out);
    let length = out.len() - start - 3;
    if let Ok(short) = u8::try_from(length) {
        out[start + 2] = short;
    } else {
        // A value of more than 65535 octets fits into no message; whoever sends it measures first.
        let [high, low] = (length as u16).to_be_bytes();
        out[start] |= flags::EXTENDED_LENGTH;
        out[start + 2] = high;
        out.insert(start + 3, low);
    }
}
