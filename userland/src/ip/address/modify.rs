//! `ip address add`, `change`, `replace`, `delete` (`ipaddr_modify`).

use core::net::Ipv4Addr;
use core::time::Duration;

use hopwise_protocols::fib::{RT_SCOPE_HOST, RT_SCOPE_UNIVERSE};
use hopwise_stack::IfAddr;
use hopwise_stack::control::addr::{AddrMatch, AddrMode};

use super::super::args::{self, Args, Done, Fail, Prefix, duparg, duparg2, invarg, matches};
use super::super::{Family, Ip, names};
use super::USAGE;

/// What follows `broadcast`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Broadcast {
    /// All host bits set (`+`).
    Ones,
    /// No host bit set (`-`).
    Zeros,
    /// An address.
    Addr(Ipv4Addr),
}

/// What the words of a command say.
#[derive(Default)]
struct Request {
    local: Option<(Prefix, String)>,
    peer: Option<Prefix>,
    broadcast: Option<Broadcast>,
    scope: Option<u8>,
    dev: Option<String>,
    label: Option<String>,
    metric: u32,
    valid: Option<Option<u32>>,
    preferred: Option<Option<u32>>,
    noprefixroute: bool,
}

/// A number of seconds or `forever`.
fn lifetime(args: &mut Args, key: &str) -> Done<Option<u32>> {
    let word = args.need()?;
    if word == "forever" {
        return Ok(None);
    }
    let seconds = args::unsigned(&word).and_then(|n| u32::try_from(n).ok());
    let seconds = seconds.ok_or_else(|| invarg(&format!("{key} value"), &word))?;
    Ok(Some(seconds).filter(|s| *s != u32::MAX))
}

impl Request {
    fn parse(ip: &Ip<'_, '_>, args: &mut Args) -> Done<Request> {
        let mut r = Request::default();
        while let Some(word) = args.next() {
            let known = r.local.is_some() || r.peer.is_some() || ip.opt.family == Family::Inet;
            let family = if known { "inet" } else { "any valid" };
            match &*word {
                "peer" | "remote" => {
                    let w = args.need()?;
                    if r.peer.is_some() {
                        return Err(duparg("peer", &w));
                    }
                    r.peer = Some(args::prefix_or(&w, family)?);
                }
                w if matches(w, "broadcast") || w == "brd" => {
                    let w = args.need()?;
                    if r.broadcast.is_some() {
                        return Err(duparg("broadcast", &w));
                    }
                    r.broadcast = Some(match &*w {
                        "+" => Broadcast::Ones,
                        "-" => Broadcast::Zeros,
                        w => Broadcast::Addr(args::addr(w)?),
                    });
                }
                "scope" => {
                    let w = args.need()?;
                    r.scope = Some(names::scope(&w).ok_or_else(|| invarg("invalid scope value.", &w))?);
                }
                "dev" => r.dev = Some(args.need()?),
                "label" => r.label = Some(args.need()?),
                w if matches(w, "metric") || matches(w, "priority") || matches(w, "preference") => {
                    r.metric = args.number("\"metric\" value is invalid\n")?;
                }
                w if matches(w, "valid_lft") => {
                    let value = lifetime(args, "valid_lft")?;
                    if r.valid.is_some() {
                        return Err(duparg("valid_lft", &value.map_or("forever".into(), |v| v.to_string())));
                    }
                    r.valid = Some(value);
                }
                w if matches(w, "preferred_lft") => r.preferred = Some(lifetime(args, "preferred_lft")?),
                "noprefixroute" => r.noprefixroute = true,
                w => {
                    let word = if w == "local" { args.need()? } else { word.clone() };
                    if matches(&word, "help") {
                        return Err(Fail::usage(USAGE));
                    }
                    if r.local.is_some() {
                        return Err(duparg2("local", &word));
                    }
                    r.local = Some((args::prefix_or(&word, family)?, word));
                }
            }
        }
        if r.dev.is_none() { Err(Fail::new(1, "Not enough information: \"dev\" argument is required.")) } else { Ok(r) }
    }

    /// The address in whose subnet the broadcast address is.
    fn far(&self) -> Option<Prefix> {
        self.peer.or(self.local.as_ref().map(|l| l.0))
    }

    fn prefix_len(&self) -> u8 {
        let peer = self.peer.map_or(0, |p| p.len);
        if peer != 0 { peer } else { self.local.as_ref().map_or(0, |l| l.0.len) }
    }

    fn broadcast(&self) -> Option<Ipv4Addr> {
        let far = self.far();
        let computed = |ones: bool| {
            let far = far.filter(|p| p.len <= 30)?;
            let host = u32::MAX.checked_shr(far.len.into()).unwrap_or(0);
            let bits = far.addr.to_bits();
            Some(Ipv4Addr::from_bits(if ones { bits | host } else { bits & !host }))
        };
        match self.broadcast? {
            Broadcast::Ones => computed(true),
            Broadcast::Zeros => computed(false),
            Broadcast::Addr(addr) => Some(addr),
        }
    }
}

/// Without an address there is no family either, and no family answers.
fn no_address(ip: &Ip<'_, '_>) -> Fail {
    Fail::new(
        2,
        match ip.opt.family {
            Family::Inet => "Error: ipv4: Local address is not supplied.",
            _ => "RTNETLINK answers: Operation not supported",
        },
    )
}

/// `ip address add`, `change`, `replace`.
///
/// # Errors
/// Wrong words; the kernel's refusals.
pub(super) fn add(ip: &mut Ip<'_, '_>, args: &mut Args, mode: AddrMode) -> Done {
    let r = Request::parse(ip, args)?;
    let link = ip.need_link(r.dev.as_deref().unwrap_or_default())?;
    if r.valid.is_some() || r.preferred.is_some() {
        let seconds = |lft: Option<Option<u32>>| lft.flatten().unwrap_or(u32::MAX);
        if seconds(r.valid) == 0 {
            return Err(Fail::new(1, "valid_lft is zero"));
        }
        if seconds(r.valid) < seconds(r.preferred) {
            return Err(Fail::new(1, "preferred_lft is greater than valid_lft"));
        }
    }
    let Some((local, _)) = r.local.as_ref().filter(|l| !l.0.any) else { return Err(no_address(ip)) };
    let now = ip.sys.now();
    let until = |lft: Option<Option<u32>>| lft.flatten().map(|s| now + Duration::from_secs(s.into()));
    let implied = if local.addr.is_loopback() { RT_SCOPE_HOST } else { RT_SCOPE_UNIVERSE };
    let addr = IfAddr {
        peer: r.peer.map_or(local.addr, |p| p.addr),
        broadcast: r.broadcast(),
        scope: r.scope.unwrap_or(implied),
        noprefixroute: r.noprefixroute,
        label: r.label.as_deref().unwrap_or_default().chars().take(15).collect::<String>().into(),
        metric: r.metric,
        valid_until: until(r.valid),
        preferred_until: until(r.preferred),
        ..IfAddr::new(local.addr, r.prefix_len())
    };
    let ns = ip.ns;
    ip.net().addr_add(ns, link, addr, mode)?;
    Ok(())
}

/// `ip address delete`.
///
/// # Errors
/// Wrong words; the kernel's refusals.
pub(super) fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let r = Request::parse(ip, args)?;
    let mut which = AddrMatch {
        local: r.local.as_ref().map(|l| l.0.addr),
        address: r.peer.map(|p| (p.addr, r.prefix_len())),
        label: r.label.clone(),
    };
    if let (None, Some((local, word))) = (r.peer, &r.local) {
        if local.has_len {
            which.address = Some((local.addr, local.len));
        } else {
            ip.sys.err(&format!(
                "Warning: Executing wildcard deletion to stay compatible with old scripts.\n         \
                 Explicitly specify the prefix length ({word}/32) to avoid this warning.\n         \
                 This special behaviour is likely to disappear in further releases,\n         \
                 fix your scripts!\n"
            ));
        }
    }
    let link = ip.need_link(r.dev.as_deref().unwrap_or_default())?;
    if r.local.is_none() && ip.opt.family == Family::Unspec {
        return Err(no_address(ip));
    }
    let ns = ip.ns;
    ip.net().addr_del(ns, link, &which)?;
    Ok(())
}
