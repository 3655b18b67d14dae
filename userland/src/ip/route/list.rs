//! `ip route list` and `flush`: which routes are meant (`iproute_list_flush_or_save`, `filter_nlmsg`).

use hopwise_protocols::fib::{Fib, RT_TABLE_MAIN, Route, RouteTable, RouteType};
use hopwise_sim_core::IfIndex;

use super::super::args::{self, Args, Done, Fail, Prefix, invarg, matches};
use super::super::{Family, Ip, flush, names, vrf};
use super::USAGE;
use super::message::Message;

/// Which routes; what is `None` does not restrict.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Table; 0: all.
    pub(super) table: u32,
    /// What was learned, not what was configured (`cache`).
    pub(super) cloned: bool,
    /// Routes within this prefix (`root`).
    pub(super) root: Option<Prefix>,
    /// Routes that cover this prefix (`match`).
    pub(super) covers: Option<Prefix>,
    /// Only what the routes of a VRF are shown as: no local and no broadcast ones.
    pub(super) of_vrf: bool,
    /// Type.
    pub(super) kind: Option<RouteType>,
    /// Gateway.
    pub(super) via: Option<Prefix>,
    /// Preferred source.
    pub(super) src: Option<Prefix>,
    /// Scope.
    pub(super) scope: Option<u8>,
    /// Protocol.
    pub(super) proto: Option<u8>,
    /// Type of service.
    pub(super) tos: Option<u8>,
    /// Metric.
    pub(super) metric: Option<u32>,
    /// Link.
    pub(super) dev: Option<IfIndex>,
}

/// Whether the first `len` bits of both are the same.
fn same_bits(a: core::net::Ipv4Addr, b: core::net::Ipv4Addr, len: u8) -> bool {
    let differ = a.to_bits() ^ b.to_bits();
    differ.leading_zeros() >= u32::from(len)
}

impl Filter {
    fn fits(&self, table: u32, route: &Route) -> bool {
        let (dst, len) = (route.dst.addr(), route.dst.prefix_len());
        let only = if route.nexthops.len() == 1 { route.nexthops.first() } else { None };
        let within = |p: Prefix, addr: Option<core::net::Ipv4Addr>| {
            same_bits(addr.unwrap_or(core::net::Ipv4Addr::UNSPECIFIED), p.addr, p.len)
        };
        (self.table == 0 || self.table == table)
            && self.root.is_none_or(|p| p.len <= len && same_bits(dst, p.addr, p.len))
            && self.covers.is_none_or(|p| p.len >= len && same_bits(dst, p.addr, len))
            && self.kind.is_none_or(|kind| kind == route.kind)
            && !(self.of_vrf && matches!(route.kind, RouteType::Local | RouteType::Broadcast))
            && self.via.is_none_or(|p| within(p, only.and_then(|nh| nh.via)))
            && self.src.is_none_or(|p| within(p, route.prefsrc))
            && self.scope.is_none_or(|scope| scope == route.scope)
            && self.proto.is_none_or(|proto| proto == route.proto)
            && self.tos.is_none_or(|tos| tos == route.tos)
            && self.metric.is_none_or(|metric| metric == route.metric)
            && self.dev.is_none_or(|dev| only.is_some_and(|nh| nh.dev == dev))
    }

    /// The same for what was learned: a host route of no protocol.
    fn fits_learned(&self, message: &Message) -> bool {
        let (dst, len) = message.dst;
        let within = |p: Prefix, addr: Option<core::net::Ipv4Addr>| {
            same_bits(addr.unwrap_or(core::net::Ipv4Addr::UNSPECIFIED), p.addr, p.len)
        };
        (self.table == 0 || self.table == message.table)
            && self.root.is_none_or(|p| p.len <= len && same_bits(dst, p.addr, p.len))
            && self.covers.is_none_or(|p| p.len >= len && same_bits(dst, p.addr, len))
            && self.kind.is_none_or(|kind| kind == message.kind)
            && self.via.is_none_or(|p| within(p, message.gateway))
            && self.src.is_none_or(|p| within(p, message.prefsrc))
            && self.scope.is_none_or(|scope| scope == message.scope)
            && self.proto.is_none_or(|proto| proto == message.proto)
            && self.tos.is_none_or(|tos| tos == message.tos)
            && self.metric.is_none_or(|metric| metric == message.metric)
            && self.dev.is_none_or(|dev| message.oif == Some(dev))
    }

    /// Reads the words of a selector.
    fn parse(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Filter> {
        let mut filter = Filter { table: RT_TABLE_MAIN, ..Filter::default() };
        let family = super::family_word(ip, false);
        let mut dev = None;
        while let Some(word) = args.next() {
            match &*word {
                w if matches(w, "table") => filter.parse_table(ip, &args.need()?)?,
                "vrf" => (filter.of_vrf, filter.table) = (true, vrf::need_table(ip, args)?.1),
                w if matches(w, "cached") || matches(w, "cloned") => filter.cloned = true,
                w if w == "tos" || matches(w, "dsfield") => {
                    let w = args.need()?;
                    filter.tos = Some(names::dsfield(&w).ok_or_else(|| invarg("TOS value is invalid\n", &w))?);
                }
                w if matches(w, "protocol") => {
                    let w = args.need()?;
                    filter.proto = match names::protocol(&w) {
                        None if w == "all" => None,
                        None => return Err(invarg("invalid \"protocol\"\n", &w)),
                        some => some,
                    };
                }
                w if matches(w, "scope") => {
                    let w = args.need()?;
                    filter.scope = match names::scope(&w) {
                        None if w == "all" => None,
                        None => return Err(invarg("invalid \"scope\"\n", &w)),
                        some => some,
                    };
                }
                w if matches(w, "type") => {
                    let w = args.need()?;
                    let kind = names::route_type(&w);
                    filter.kind = Some(kind.ok_or_else(|| invarg("node type value is invalid\n", &w))?);
                }
                "dev" | "oif" => dev = Some(args.need()?),
                w if w == "metric" || matches(w, "priority") || matches(w, "preference") => {
                    filter.metric = Some(args.number("\"metric\" value is invalid\n")?);
                }
                "via" => {
                    args.accept("inet");
                    filter.via = Some(args::prefix_or(&args.need()?, family)?);
                }
                "src" => filter.src = Some(args::prefix_or(&args.need()?, family)?),
                w => {
                    let mut word = word.clone();
                    if matches(w, "to") {
                        word = args.need()?;
                    }
                    filter.parse_to(&word, args, family)?;
                }
            }
        }
        if let Some(name) = dev {
            filter.dev = Some(ip.need_link(&name)?);
        }
        Ok(filter)
    }

    fn parse_table(&mut self, ip: &mut Ip<'_, '_>, word: &str) -> Done {
        match (names::table(ip, word), word) {
            (Some(table), _) => self.table = table,
            (None, "all") => self.table = 0,
            (None, "cache") => self.cloned = true,
            (None, "help") => return Err(Fail::usage(USAGE)),
            _ => return Err(invarg("table id value is invalid\n", word)),
        }
        Ok(())
    }

    fn parse_to(&mut self, word: &str, args: &mut Args, family: &str) -> Done {
        if matches(word, "root") {
            self.root = Some(args::prefix_or(&args.need()?, family)?);
        } else if matches(word, "match") {
            self.covers = Some(args::prefix_or(&args.need()?, family)?);
        } else {
            let word = if matches(word, "exact") { args.need()? } else { word.to_owned() };
            let prefix = args::prefix_or(&word, family)?;
            (self.root, self.covers) = (Some(prefix), Some(prefix));
        }
        Ok(())
    }
}

/// The routes that a filter lets through, as messages.
fn select(fib: &Fib, filter: &Filter) -> Vec<Message> {
    let mut tables: Vec<&RouteTable> = fib.tables().collect();
    // The kernel keeps tables by the last eight bits of their numbers.
    tables.sort_by_key(|table| (table.id() & 0xff, core::cmp::Reverse(table.id())));
    let routes = tables.into_iter().flat_map(|table| table.iter().map(move |route| (table.id(), route)));
    let fitting = routes.filter(|(table, route)| filter.fits(*table, route));
    fitting.map(|(table, route)| Message::of_route(fib, table, route)).collect()
}

/// `ip route list`.
///
/// # Errors
/// Wrong selectors; a table that does not exist.
pub(super) fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let filter = Filter::parse(ip, args)?;
    if matches!(ip.opt.family, Family::Inet6 | Family::Mpls | Family::Bridge | Family::Link) {
        ip.out.open();
        ip.out.close();
        return Ok(());
    }
    if filter.cloned {
        let mut found = super::get::learned(ip)?;
        found.retain(|message| filter.fits_learned(message));
        print(ip, &filter, &found);
        return Ok(());
    }
    let fib = &ip.space()?.fib;
    let exists = filter.table == 0 || filter.table == RT_TABLE_MAIN || fib.table(filter.table).is_some();
    if !exists {
        return Err(Fail::new(2, "Error: ipv4: FIB table does not exist.\nDump terminated"));
    }
    let found = select(fib, &filter);
    print(ip, &filter, &found);
    Ok(())
}

fn print(ip: &mut Ip<'_, '_>, filter: &Filter, found: &[Message]) {
    ip.out.open();
    for message in found {
        message.print(ip, filter);
    }
    ip.out.close();
}

/// `ip route flush`.
///
/// # Errors
/// Wrong selectors, or none.
pub(super) fn flush_routes(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    if args.is_empty() {
        return Err(Fail::new(1, "\"ip route flush\" requires arguments."));
    }
    let filter = Filter::parse(ip, args)?;
    let ns = ip.ns;
    if filter.cloned {
        ip.net().route_flush_cache(ns);
        if ip.opt.stats > 0 {
            ip.out.text("*** IPv4 routing cache is flushed.\n");
        }
        return Ok(());
    }
    if ip.opt.family == Family::Inet6 {
        return Ok(());
    }
    let found = select(&ip.space()?.fib, &filter);
    if ip.opt.stats > 1 {
        for message in &found {
            message.print(ip, &filter);
        }
    }
    ip.net().route_flush(ns, |table, route| filter.fits(table, route));
    flush::done(ip, found.len(), "entries");
    Ok(())
}
