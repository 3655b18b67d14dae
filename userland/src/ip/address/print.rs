//! An address as `ip address` prints it (`print_addrinfo`).

use hopwise_sim_core::Time;
use hopwise_stack::IfAddr;

use super::super::out::Json;
use super::super::{Ip, names};

/// A lifetime as the kernel tells it: seconds that are left, rounded up; `None`: forever.
fn left(until: Option<Time>, now: Time) -> Option<u32> {
    let left = until?.since(now);
    let up = u64::from(left.subsec_nanos() > 0);
    Some(u32::try_from(left.as_secs() + up).unwrap_or(u32::MAX))
}

/// Whether an address is no longer preferred.
pub(super) fn is_deprecated(addr: &IfAddr, now: Time) -> bool {
    addr.preferred_until.is_some_and(|until| until <= now)
}

/// Prints an address. `with_link`: its link's number and name first, as `-o` does.
pub(super) fn address(ip: &mut Ip<'_, '_>, addr: &IfAddr, link: (u32, &str), with_link: bool) {
    let now = ip.sys.now();
    if !ip.opt.brief {
        if with_link {
            ip.out.field("index", link.0);
            ip.out.field("dev", link.1);
            ip.out.text(format_args!("{}: {}", link.0, link.1));
        }
        ip.out.any("family", "    inet ", "inet");
    }
    ip.out.any("local", addr.local, addr.local.to_string());
    if addr.peer != addr.local {
        ip.out.text(" peer ");
        ip.out.any("address", addr.peer, addr.peer.to_string());
    }
    ip.out.any("prefixlen", format_args!("/{} ", addr.prefix_len), addr.prefix_len);
    if addr.metric != 0 {
        ip.out.any("metric", format_args!("metric {} ", addr.metric), addr.metric);
    }
    if ip.opt.brief {
        return;
    }
    if let Some(broadcast) = addr.broadcast {
        ip.out.any("broadcast", format_args!("brd {broadcast} "), broadcast.to_string());
    }
    let scope = names::scope_name(ip, addr.scope);
    ip.out.any("scope", format_args!("scope {scope} "), &*scope);
    for (is, word) in [
        (addr.secondary, "secondary"),
        (is_deprecated(addr, now), "deprecated"),
        (addr.valid_until.is_some(), "dynamic"),
        (addr.noprefixroute, "noprefixroute"),
    ] {
        if is {
            ip.out.any(word, format_args!("{word} "), true);
        }
    }
    ip.out.any("label", &addr.label, &*addr.label);
    ip.out.line();
    // Without an end both are said to be without.
    let valid = left(addr.valid_until, now);
    let preferred = valid.and(left(addr.preferred_until, now));
    ip.out.text("       valid_lft ");
    lifetime(ip, "valid_life_time", valid);
    ip.out.text(" preferred_lft ");
    lifetime(ip, "preferred_life_time", preferred);
    ip.out.end_record();
}

fn lifetime(ip: &mut Ip<'_, '_>, key: &str, left: Option<u32>) {
    match left {
        Some(seconds) => ip.out.any(key, format_args!("{seconds}sec"), seconds),
        None => ip.out.any(key, "forever", Json::Uint(u64::from(u32::MAX))),
    }
}
