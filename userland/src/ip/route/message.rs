//! A route as netlink tells it and `ip route` prints it (`print_route`).

use core::net::Ipv4Addr;

use hopwise_protocols::fib::{
    Fib, Metrics, NextHop, NhFlags, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTPROT_BOOT, Route, RouteType,
};
use hopwise_sim_core::IfIndex;

use super::super::out::Json;
use super::super::{Ip, names};
use super::list::Filter;
use super::metrics;

/// A next hop of several.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    gateway: Option<Ipv4Addr>,
    dev: IfIndex,
    weight: u16,
    flags: NhFlags,
}

/// What a decision adds to a route: printed as `cache`.
#[derive(Clone, Debug, Default)]
pub(super) struct Cache {
    /// The words between `<` and `>`.
    pub(super) flags: Vec<&'static str>,
    /// Seconds until what was learned is forgotten.
    pub(super) expires: Option<u64>,
    /// How many hold the entry, as `-s` tells.
    pub(super) users: u32,
}

/// RTM_NEWROUTE, with what `ip route` prints of it.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Type.
    pub(super) kind: RouteType,
    /// Destination and the length of its prefix.
    pub(super) dst: (Ipv4Addr, u8),
    /// Source.
    pub(super) from: Option<Ipv4Addr>,
    /// Type of service.
    pub(super) tos: u8,
    /// Gateway.
    pub(super) gateway: Option<Ipv4Addr>,
    /// Link.
    pub(super) oif: Option<IfIndex>,
    /// Table; 0: not said.
    pub(super) table: u32,
    /// Protocol.
    pub(super) proto: u8,
    /// Scope.
    pub(super) scope: u8,
    /// Preferred source.
    pub(super) prefsrc: Option<Ipv4Addr>,
    /// Metric.
    pub(super) metric: u32,
    /// `dead`, `onlink`, `linkdown`.
    pub(super) flags: NhFlags,
    /// Further flags.
    pub(super) more_flags: Vec<&'static str>,
    /// Mark of the query.
    pub(super) mark: u32,
    /// User of the query.
    pub(super) uid: Option<u32>,
    /// If it is a decision.
    pub(super) cache: Option<Cache>,
    /// Metrics.
    pub(super) metrics: Metrics,
    /// Link by which the packet came in.
    pub(super) iif: Option<IfIndex>,
    /// Next hops if there are several.
    pub(super) hops: Vec<Hop>,
}

/// The flags of a next hop as they are reported: a link without carrier counts as dead if such routes are ignored.
fn shown_flags(fib: &Fib, nh: &NextHop) -> NhFlags {
    let mut flags = nh.flags & (NhFlags::DEAD | NhFlags::ONLINK | NhFlags::LINKDOWN | NhFlags::PERVASIVE);
    if flags.contains(NhFlags::LINKDOWN) && fib.linkdown.ignores(nh.dev) {
        flags |= NhFlags::DEAD;
    }
    flags
}

impl Message {
    /// `fib_dump_info`.
    pub(super) fn of_route(fib: &Fib, table: u32, route: &Route) -> Self {
        let single = if route.nexthops.len() == 1 { route.nexthops.first() } else { None };
        let hop = |nh: &NextHop| Hop { gateway: nh.via, dev: nh.dev, weight: nh.weight, flags: shown_flags(fib, nh) };
        Message {
            kind: route.kind,
            dst: (route.dst.addr(), route.dst.prefix_len()),
            from: None,
            tos: route.tos,
            gateway: single.and_then(|nh| nh.via),
            oif: single.map(|nh| nh.dev),
            table,
            proto: route.proto,
            scope: route.scope,
            prefsrc: route.prefsrc,
            metric: route.metric,
            flags: single.map_or(NhFlags::empty(), |nh| shown_flags(fib, nh)),
            more_flags: Vec::new(),
            mark: 0,
            uid: None,
            cache: None,
            metrics: route.metrics.as_deref().cloned().unwrap_or_default(),
            iif: None,
            hops: if single.is_some() { Vec::new() } else { route.nexthops.iter().map(hop).collect() },
        }
    }

    /// Prints it, without what the filter makes superfluous. `print_route`.
    pub(super) fn print(&self, ip: &mut Ip<'_, '_>, filter: &Filter) {
        let details = ip.opt.details > 0;
        let table = names::table_name(ip, self.table);
        ip.out.open_object(None);
        if self.kind != RouteType::Unicast || details {
            ip.out.any("type", format_args!("{} ", self.kind.name()), self.kind.name());
        }
        let dst = match self.dst {
            (_, 0) => "default".to_owned(),
            (addr, 32) => addr.to_string(),
            (addr, len) => format!("{addr}/{len}"),
        };
        ip.out.any("dst", format_args!("{dst} "), &*dst);
        if let Some(from) = self.from {
            ip.out.any("from", format_args!("from {from} "), from.to_string());
        }
        if self.tos != 0 && filter.tos.is_none() {
            let tos = names::dsfield_name(ip, self.tos);
            ip.out.any("tos", format_args!("tos {tos} "), &*tos);
        }
        if filter.via.is_none_or(|via| via.len != 32) {
            gateway(ip, self.gateway);
        }
        if filter.dev.is_none() {
            link(ip, self.oif);
        }
        if self.table != 0 && (self.table != RT_TABLE_MAIN || details) && filter.table == 0 {
            ip.out.any("table", format_args!("table {table} "), &*table);
        }
        if self.cache.is_none() {
            if (self.proto != RTPROT_BOOT || details) && filter.proto.is_none() {
                let proto = names::protocol_name(ip, self.proto);
                ip.out.any("protocol", format_args!("proto {proto} "), &*proto);
            }
            if (self.scope != RT_SCOPE_UNIVERSE || details) && filter.scope.is_none() {
                let scope = names::scope_name(ip, self.scope);
                ip.out.any("scope", format_args!("scope {scope} "), &*scope);
            }
        }
        if let Some(src) = self.prefsrc.filter(|_| filter.src.is_none_or(|src| src.len != 32)) {
            ip.out.any("prefsrc", format_args!("src {src} "), src.to_string());
        }
        if self.metric != 0 && filter.metric.is_none() {
            ip.out.any("metric", format_args!("metric {} ", self.metric), self.metric);
        }
        flags(ip, self.flags, &self.more_flags);
        self.print_rest(ip);
        ip.out.end_record();
        ip.out.close_object();
    }

    fn print_rest(&self, ip: &mut Ip<'_, '_>) {
        if self.mark >= 16 {
            ip.out.any("mark", format_args!("mark 0x{:x} ", self.mark), self.mark);
        } else if self.mark != 0 {
            ip.out.any("mark", format_args!("mark {} ", self.mark), self.mark);
        }
        if let Some(uid) = self.uid {
            ip.out.any("uid", format_args!("uid {uid} "), uid);
        }
        if let Some(cache) = &self.cache {
            ip.out.line();
            ip.out.text("    cache ");
            cache.print(ip);
        }
        metrics::print(&mut ip.out, &self.metrics);
        if let Some(iif) = self.iif {
            let name = ip.link_name(iif);
            ip.out.any("iif", format_args!("iif {name} "), &*name);
        }
        if self.hops.is_empty() {
            return;
        }
        ip.out.open_array(Some("nexthops"));
        for hop in &self.hops {
            ip.out.open_object(None);
            ip.out.line();
            ip.out.text("\tnexthop ");
            gateway(ip, hop.gateway);
            link(ip, Some(hop.dev));
            ip.out.any("weight", format_args!("weight {} ", hop.weight), i64::from(hop.weight));
            flags(ip, hop.flags, &[]);
            ip.out.close_object();
        }
        ip.out.close_array();
    }
}

impl Cache {
    /// `print_cache_flags` and `print_rta_cacheinfo`.
    fn print(&self, ip: &mut Ip<'_, '_>) {
        ip.out.open_array(Some("cache"));
        for (at, flag) in self.flags.iter().enumerate() {
            let before = if at == 0 { '<' } else { ',' };
            ip.out.item(format_args!("{before}{flag}"), *flag);
        }
        ip.out.close_array();
        if !self.flags.is_empty() {
            ip.out.text("> ");
        }
        if let Some(seconds) = self.expires {
            ip.out.any("expires", format_args!("expires {seconds}sec "), Json::Uint(seconds));
        }
        if ip.opt.stats > 0 {
            ip.out.any("users", format_args!("users {} ", self.users), self.users);
            ip.out.any("age", "age 0sec ", 0u32);
        }
    }
}

fn gateway(ip: &mut Ip<'_, '_>, gateway: Option<Ipv4Addr>) {
    if let Some(gateway) = gateway {
        ip.out.any("gateway", format_args!("via {gateway} "), gateway.to_string());
    }
}

fn link(ip: &mut Ip<'_, '_>, link: Option<IfIndex>) {
    if let Some(link) = link {
        let name = ip.link_name(link);
        ip.out.any("dev", format_args!("dev {name} "), &*name);
    }
}

/// `print_rt_flags`.
fn flags(ip: &mut Ip<'_, '_>, flags: NhFlags, more: &[&'static str]) {
    const WORDS: [(NhFlags, &str); 4] = [
        (NhFlags::DEAD, "dead"),
        (NhFlags::ONLINK, "onlink"),
        (NhFlags::PERVASIVE, "pervasive"),
        (NhFlags::LINKDOWN, "linkdown"),
    ];
    ip.out.open_array(Some("flags"));
    for word in WORDS.iter().filter(|w| flags.contains(w.0)).map(|w| w.1).chain(more.iter().copied()) {
        ip.out.item(format_args!("{word} "), word);
    }
    ip.out.close_array();
}
