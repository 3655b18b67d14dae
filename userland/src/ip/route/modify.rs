//! `ip route add`, `replace`, `delete` and their kin (`iproute_modify`).

use core::net::Ipv4Addr;

use hopwise_protocols::fib::{
    Insert, Metrics, NextHop, NhFlags, RT_SCOPE_HOST, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL, RT_TABLE_MAIN,
    RTPROT_BOOT, Route, RouteSpec, RouteType,
};
use ipnet::Ipv4Net;

use super::super::args::{self, Args, Done, Fail, Prefix, duparg2, invarg, matches};
use super::super::{Ip, names, vrf};
use super::{USAGE, metrics};

/// What the words of a command say.
#[derive(Default)]
struct Request {
    kind: Option<RouteType>,
    dst: Option<Prefix>,
    tos: u8,
    table: Option<u32>,
    proto: Option<u8>,
    scope: Option<u8>,
    metric: u32,
    prefsrc: Option<Ipv4Addr>,
    via: Option<Ipv4Addr>,
    dev: Option<String>,
    onlink: NhFlags,
    metrics: Metrics,
    nexthops: Vec<NextHop>,
}

/// The gateway after `via`, with or without a family.
fn gateway(args: &mut Args) -> Done<Ipv4Addr> {
    let mut word = args.need()?;
    if word == "inet" {
        word = args.need()?;
    }
    args::addr(&word)
}

impl Request {
    fn parse(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Request> {
        let mut r = Request::default();
        let mut family_known = false;
        while let Some(word) = args.next() {
            match &*word {
                "src" => {
                    r.prefsrc = Some(args::addr(&args.need()?)?);
                    family_known = true;
                }
                "via" => {
                    r.via = Some(gateway(args)?);
                    family_known = true;
                }
                w if w == "tos" || matches(w, "dsfield") => {
                    let w = args.need()?;
                    r.tos = names::dsfield(&w).ok_or_else(|| invarg("\"tos\" value is invalid\n", &w))?;
                }
                w if w == "metric" || matches(w, "priority") || w == "preference" => {
                    r.metric = args.number("\"metric\" value is invalid\n")?;
                }
                "scope" => {
                    let w = args.need()?;
                    r.scope = Some(names::scope(&w).ok_or_else(|| invarg("invalid \"scope\" value\n", &w))?);
                }
                "onlink" => r.onlink |= NhFlags::ONLINK,
                "pervasive" => r.onlink |= NhFlags::PERVASIVE,
                "nexthop" => {
                    args.back();
                    r.parse_nexthops(ip, args)?;
                }
                w if matches(w, "protocol") => {
                    let w = args.need()?;
                    r.proto = Some(names::protocol(&w).ok_or_else(|| invarg("\"protocol\" value is invalid\n", &w))?);
                }
                w if matches(w, "table") => {
                    let w = args.need()?;
                    r.table = Some(names::table(ip, &w).ok_or_else(|| invarg("\"table\" value is invalid\n", &w))?);
                }
                "vrf" => r.table = Some(vrf::need_table(ip, args)?.1),
                "dev" | "oif" => r.dev = Some(args.need()?),
                w => {
                    if !metrics::parse(w, args, &mut r.metrics)? {
                        r.parse_destination(&word, args, super::family_word(ip, family_known))?;
                        family_known = true;
                    }
                }
            }
        }
        if r.dst.is_none() { Err(Fail::usage(USAGE)) } else { Ok(r) }
    }

    fn parse_destination(&mut self, word: &str, args: &mut Args, family: &str) -> Done {
        let mut word = if word == "to" { args.need()? } else { word.to_owned() };
        if !word.starts_with(|c: char| c.is_ascii_digit())
            && let Some(kind) = names::route_type(&word)
        {
            self.kind = Some(kind);
            word = args.need()?;
        }
        if matches(&word, "help") {
            return Err(Fail::usage(USAGE));
        }
        if self.dst.is_some() {
            return Err(duparg2("to", &word));
        }
        self.dst = Some(args::prefix_or(&word, family)?);
        Ok(())
    }

    /// `parse_nexthops`.
    fn parse_nexthops(&mut self, ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
        while let Some(word) = args.next() {
            if word != "nexthop" {
                let text = format!("Error: \"nexthop\" or end of line is expected instead of \"{word}\"");
                return Err(Fail::new(255, text));
            }
            if args.is_empty() {
                return Err(Fail::new(255, "Error: unexpected end of line after \"nexthop\""));
            }
            let mut hop = NextHop::new(None, hopwise_sim_core::IfIndex::NONE);
            while let Some(word) = args.next() {
                match &*word {
                    "via" => hop.via = Some(gateway(args)?),
                    "dev" => {
                        let name = args.need()?;
                        let unknown = || {
                            let text = format!("Cannot find device \"{name}\"\nError: cannot parse nexthop");
                            Fail::new(255, text)
                        };
                        hop.dev = ip.link(&name).ok_or_else(unknown)?;
                    }
                    "weight" => {
                        let w = args.need()?;
                        let weight = args::unsigned(&w).and_then(|n| u16::try_from(n).ok());
                        let weight = weight.filter(|n| (1..=256).contains(n));
                        hop.weight = weight.ok_or_else(|| invarg("\"weight\" is invalid\n", &w))?;
                    }
                    "onlink" => hop.flags |= NhFlags::ONLINK,
                    _ => {
                        args.back();
                        break;
                    }
                }
            }
            self.nexthops.push(hop);
        }
        Ok(())
    }

    /// The one way out that the words describe, if they describe one, and whether it is one of several.
    fn ways(&self, ip: &mut Ip<'_, '_>) -> Done<Vec<NextHop>> {
        let mut ways = self.nexthops.clone();
        let dev = match &self.dev {
            Some(name) => ip.need_link(name)?,
            None => hopwise_sim_core::IfIndex::NONE,
        };
        if ways.is_empty() && (self.via.is_some() || dev.is_some()) {
            ways.push(NextHop { flags: self.onlink, ..NextHop::new(self.via, dev) });
        }
        Ok(ways)
    }

    fn table(&self) -> u32 {
        let own =
            matches!(self.kind, Some(RouteType::Local | RouteType::Broadcast | RouteType::Nat | RouteType::Anycast));
        self.table.unwrap_or(if own { RT_TABLE_LOCAL } else { RT_TABLE_MAIN })
    }

    /// The scope that follows from the type if none is given; `None`: as it comes.
    fn implied_scope(&self) -> Option<u8> {
        match self.kind {
            Some(RouteType::Local | RouteType::Nat) => Some(RT_SCOPE_HOST),
            Some(RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast) => Some(RT_SCOPE_LINK),
            _ => None,
        }
    }

    /// The destination; its host bits are kept, for the kernel refuses them.
    fn net(&self) -> Done<Ipv4Net> {
        let dst = self.dst.ok_or_else(|| Fail::usage(USAGE))?;
        Ipv4Net::new(dst.addr, dst.len).map_err(|_| Fail::usage(USAGE))
    }
}

/// `ip route add`, `change`, `replace`, `append`, `prepend`, `test`.
///
/// # Errors
/// Wrong words; the kernel's refusals.
pub(super) fn add(ip: &mut Ip<'_, '_>, args: &mut Args, how: Insert) -> Done {
    let request = Request::parse(ip, args)?;
    let ways = request.ways(ip)?;
    let kind = request.kind.unwrap_or_default();
    let near = request.via.is_none() && request.nexthops.is_empty() && kind == RouteType::Unicast;
    let scope = request.scope.or_else(|| request.implied_scope());
    let net = request.net()?;
    let mut route = Route {
        tos: request.tos,
        kind,
        scope: scope.unwrap_or(if near { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE }),
        proto: request.proto.unwrap_or(RTPROT_BOOT),
        metric: request.metric,
        prefsrc: request.prefsrc,
        nexthops: ways.into_iter().collect(),
        metrics: (!request.metrics.is_empty()).then(|| Box::new(request.metrics.clone())),
        ..Route::new(net)
    };
    route.dst = net;
    route.origin = ip.by.unwrap_or_else(|| ip.net().origins.add("typed", format!("ip {}", args.line())));
    let ns = ip.ns;
    ip.net().route_add(ns, request.table(), route, how)?;
    Ok(())
}

/// `ip route delete`.
///
/// # Errors
/// Wrong words; the kernel's refusals.
pub(super) fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let request = Request::parse(ip, args)?;
    let ways = request.ways(ip)?;
    let spec = RouteSpec {
        dst: request.net()?,
        tos: request.tos,
        metric: request.metric,
        kind: request.kind,
        scope: request.scope.or_else(|| request.implied_scope()),
        proto: request.proto.unwrap_or(0),
        prefsrc: request.prefsrc,
        nexthops: ways.iter().map(|nh| (nh.via, nh.dev)).collect(),
        multipath: !request.nexthops.is_empty(),
        metrics: request.metrics.iter().collect(),
    };
    let ns = ip.ns;
    ip.net().route_del(ns, request.table(), &spec)?;
    Ok(())
}
