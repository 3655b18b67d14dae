//! What follows a dot: `.len`, `.first`, `.prepend(x)`, `.add(x)` and their like; orders; extended communities.

use core::cmp::Ordering;

use super::ast::Method;
use super::set::{self, Set};
use super::value::{EnumKind, Value};
use crate::attrs::{Community, ExtendedCommunity};

/// Which of two values is less, if their types have an order.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Pair(a), Value::Pair(b)) => a.cmp(b),
        (Value::Ip(a) | Value::Quad(a), Value::Ip(b) | Value::Quad(b)) => a.cmp(b),
        (Value::Ec(a), Value::Ec(b)) => a.cmp(b),
        (Value::Lc(a), Value::Lc(b)) => a.cmp(b),
        (Value::Enum(k, a), Value::Enum(l, b)) if k == l => a.cmp(b),
        (Value::Prefix(a), Value::Prefix(b)) => (a.network(), a.prefix_len()).cmp(&(b.network(), b.prefix_len())),
        _ => return None,
    })
}

/// An extended community of a subtype (2 `rt`, 3 `ro`): by address, by AS of two octets or of four.
pub(super) fn extended(subtype: u16, key: &Value, data: u32) -> Result<Value, &'static str> {
    let (kind, value) = match key {
        Value::Ip(addr) | Value::Quad(addr) => (0x0100, u64::from(u32::from(*addr)) << 16 | u64::from(data & 0xffff)),
        Value::Int(asn) if *asn <= 0xffff => (0, u64::from(*asn) << 32 | u64::from(data)),
        Value::Int(asn) => (0x0200, u64::from(*asn) << 16 | u64::from(data & 0xffff)),
        _ => return Err("Can't operate with key of non-integer/IPv4 type in EC constructor"),
    };
    if kind != 0 && data > 0xffff {
        return Err("Value of EC constructor is out of range");
    }
    Ok(Value::Ec(ExtendedCommunity(u64::from(kind | subtype) << 48 | value)))
}

/// The value of `value.method(argument)`.
pub(super) fn apply(value: &Value, method: Method, argument: Option<&Value>) -> Result<Value, String> {
    if let Some(argument) = argument {
        return with_argument(value, method, argument);
    }
    let number = |n: usize| Value::Int(n as u32);
    Ok(match (value, method) {
        (Value::Prefix(net), Method::Len) => Value::Int(net.prefix_len().into()),
        (Value::Prefix(net), Method::Ip) => Value::Ip(net.network()),
        (Value::Prefix(_), Method::Type) => Value::Enum(EnumKind::Net, 1),
        (Value::Ip(_), Method::IsV4) => Value::Bool(true),
        (Value::Path(path), Method::Len) => number(path.len()),
        (Value::Clist(list), Method::Len) => number(list.len()),
        (Value::Eclist(list), Method::Len) => number(list.len()),
        (Value::Lclist(list), Method::Len) => number(list.len()),
        (Value::Path(path), Method::First) => Value::Int(path.first().unwrap_or(0)),
        (Value::Path(path), Method::Last) => Value::Int(path.last().unwrap_or(0)),
        (Value::Path(path), Method::LastNonaggregated) => {
            let ordered = path.segments().iter().take_while(|s| s.kind == crate::attrs::SegmentKind::Sequence);
            Value::Int(ordered.flat_map(|s| s.asns.iter().copied()).last().unwrap_or(0))
        }
        (Value::Clist(list), Method::First) => list.iter().min().map_or(Value::Void, |c| Value::Pair(c.0)),
        (Value::Clist(list), Method::Last) => list.iter().max().map_or(Value::Void, |c| Value::Pair(c.0)),
        (Value::Pair(pair), Method::Asn) => Value::Int(pair >> 16),
        (Value::Pair(pair), Method::Data) => Value::Int(pair & 0xffff),
        (Value::Lc(lc), Method::Asn) => Value::Int(lc.asn),
        (list, Method::Empty) => Value::empty(list.kind()),
        (Value::Path(_) | Value::Clist(_), _) => return Err("Unknown method".into()),
        (_, Method::Len) => return Err("Prefix, path, clist or eclist expected".into()),
        (other, _) => return Err(format!("Method is not known for type {}", other.kind().name())),
    })
}

fn with_argument(value: &Value, method: Method, argument: &Value) -> Result<Value, String> {
    match (value, method) {
        (Value::Path(path), Method::Prepend) => {
            let Value::Int(asn) = argument else { return Err("Can't prepend non-integer".into()) };
            let mut path = path.clone();
            path.prepend(*asn);
            Ok(Value::Path(path))
        }
        (Value::Path(path), Method::Delete | Method::Filter) => {
            let wanted = |asn: u32| match argument {
                Value::Int(n) => Some(asn == *n),
                Value::Set(set) => Some(set.contains((0, asn, 0, 0))),
                _ => None,
            };
            wanted(0).ok_or("Can't delete/filter non-integer (set)")?;
            let mut path = path.clone();
            path.retain(|asn| wanted(asn).unwrap_or(true) == (method == Method::Filter));
            Ok(Value::Path(path))
        }
        (Value::Ip(addr), Method::Mask) => {
            let Value::Int(len @ 0..=32) = argument else { return Err("Mask is out of range".into()) };
            let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
            Ok(Value::Ip((u32::from(*addr) & mask).into()))
        }
        (Value::Clist(list), _) => {
            let single = match argument {
                Value::Pair(pair) => Some(Community(*pair)),
                Value::Ip(a) | Value::Quad(a) => Some(Community((*a).into())),
                _ => None,
            };
            let many = if let Value::Clist(many) = argument { Some(many.as_slice()) } else { None };
            changed(list, method, single, many, argument, |c| (3, c.0, 0, 0)).map(Value::Clist)
        }
        (Value::Eclist(list), _) => {
            let single = if let Value::Ec(ec) = argument { Some(*ec) } else { None };
            let many = if let Value::Eclist(many) = argument { Some(many.as_slice()) } else { None };
            let key = |ec: &ExtendedCommunity| (4, (ec.0 >> 32) as u32, ec.0 as u32, 0);
            changed(list, method, single, many, argument, key).map(Value::Eclist)
        }
        (Value::Lclist(list), _) => {
            let single = if let Value::Lc(lc) = argument { Some(*lc) } else { None };
            let many = if let Value::Lclist(many) = argument { Some(many.as_slice()) } else { None };
            changed(list, method, single, many, argument, |l| (5, l.asn, l.first, l.second)).map(Value::Lclist)
        }
        _ => Err(format!("Method is not known for type {}", value.kind().name())),
    }
}

/// A list with something added, deleted or kept: a single value, another list, or a set.
fn changed<T: Copy + PartialEq>(
    list: &[T],
    method: Method,
    single: Option<T>,
    many: Option<&[T]>,
    argument: &Value,
    key: impl Fn(&T) -> set::Key,
) -> Result<Vec<T>, String> {
    let mut list = list.to_vec();
    let set: Option<&Set> = if let Value::Set(set) = argument { Some(set) } else { None };
    let items: Vec<T> = single.into_iter().chain(many.into_iter().flatten().copied()).collect();
    let known = single.is_some() || many.is_some();
    match method {
        Method::Add if known => {
            for item in items {
                if !list.contains(&item) {
                    list.push(item);
                }
            }
        }
        Method::Delete | Method::Filter if known || set.is_some() => list.retain(|item| {
            let found = items.contains(item) || set.is_some_and(|s| s.contains(key(item)));
            found == (method == Method::Filter)
        }),
        Method::Add => return Err("Can't add set".into()),
        _ => return Err("Can't delete/filter value of this type".into()),
    }
    Ok(list)
}
