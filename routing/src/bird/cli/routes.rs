//! `show route`

use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::{Reply, format, named, syntax, unexpected};
use crate::bird::config::{self, Policy};
use crate::bird::daemon::Daemon;
use crate::bird::filter::{self, Filter};
use crate::bird::route::{Dest, Route, Source};
use crate::bird::table::Table;

/// Which routes an `export` looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Export {
    Exported,
    Before,
    Not,
}

#[derive(Default)]
struct Query {
    net: Option<Ipv4Net>,
    /// `for`: the longest match.
    longest: bool,
    /// `in`: all within.
    within: bool,
    all: bool,
    count: bool,
    stats: bool,
    primary: bool,
    filtered: bool,
    tables: Option<Vec<String>>,
    protocol: Option<usize>,
    export: Option<(Export, usize)>,
    filter: Option<Arc<Filter>>,
}

pub(super) fn show(daemon: &Daemon, rest: &str) -> Reply {
    match parse(daemon, rest) {
        Ok(query) => answer(daemon, &query),
        Err(reply) => reply,
    }
}

fn word(text: &str) -> (&str, &str) {
    text.split_once(char::is_whitespace).map_or((text, ""), |(first, rest)| (first, rest.trim_start()))
}

fn parse(daemon: &Daemon, mut rest: &str) -> Result<Query, Reply> {
    let mut query = Query::default();
    while !rest.is_empty() {
        let (first, after) = word(rest);
        rest = after;
        match first {
            "all" => query.all = true,
            "count" => query.count = true,
            "stats" => query.stats = true,
            "primary" => query.primary = true,
            "filtered" => query.filtered = true,
            "for" | "in" => {
                let (net, after) = word(rest);
                query.net = Some(network(daemon, net)?);
                (query.longest, query.within) = (first == "for", first == "in");
                rest = after;
            }
            "table" => {
                let (name, after) = word(rest);
                query.tables = Some(table(daemon, name)?);
                rest = after;
            }
            "protocol" | "export" | "preexport" | "noexport" => {
                let (name, after) = word(rest);
                let index = *named(daemon, name, false)?.first().ok_or_else(|| syntax("END"))?;
                match first {
                    "protocol" => query.protocol = Some(index),
                    "export" => query.export = Some((Export::Exported, index)),
                    "preexport" => query.export = Some((Export::Before, index)),
                    _ => query.export = Some((Export::Not, index)),
                }
                rest = after;
            }
            "where" => {
                query.filter = Some(given(daemon, rest, true)?);
                rest = "";
            }
            "filter" => {
                let (name, after) = word(rest);
                let block = name.starts_with('{');
                query.filter = Some(given(daemon, if block { rest } else { name }, false)?);
                rest = if block { "" } else { after };
            }
            net => query.net = Some(network(daemon, net)?),
        }
    }
    Ok(query)
}

fn given(daemon: &Daemon, text: &str, condition: bool) -> Result<Arc<Filter>, Reply> {
    config::parse_filter(daemon.config(), text, condition).map_err(|error| Reply::of(9001, error.text))
}

fn network(daemon: &Daemon, text: &str) -> Result<Ipv4Net, Reply> {
    if let Ok(addr) = text.parse::<Ipv4Addr>() {
        return Ok(addr.into());
    }
    let net: Ipv4Net = text.parse().map_err(|_| no_network(daemon, text))?;
    if net != net.trunc() {
        let text = format!("Invalid IPv4 prefix {net}, maybe you wanted {}", net.trunc());
        return Err(Reply::of(9001, text));
    }
    Ok(net)
}

/// Why a text is no network: what the lexer says of a number out of range, or the parser of another word.
fn no_network(daemon: &Daemon, text: &str) -> Reply {
    let dotted = |text: &str| text.split('.').count() == 4 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let (addr, len) = text.split_once('/').map_or((text, None), |(addr, len)| (addr, Some(len)));
    match len {
        _ if !dotted(addr) => {
            syntax(format!("{}, expecting IP4 or IP6 or VPN_RD or CF_SYM_KNOWN", unexpected(daemon, text)))
        }
        _ if addr.parse::<Ipv4Addr>().is_err() => Reply::of(9001, format!("Invalid IPv4 address {addr}")),
        Some(len) if len.bytes().all(|b| b.is_ascii_digit()) => Reply::of(9001, format!("Invalid prefix length {len}")),
        _ => syntax(unexpected(daemon, text)),
    }
}

fn table(daemon: &Daemon, name: &str) -> Result<Vec<String>, Reply> {
    if name == "all" {
        return Ok(daemon.tables.iter().map(|table| table.name.clone()).collect());
    }
    match daemon.tables.iter().find(|table| table.name == name) {
        Some(table) => Ok(vec![table.name.clone()]),
        None => Err(syntax(format!("{}, expecting CF_SYM_KNOWN or ALL", unexpected(daemon, name)))),
    }
}

/// What was counted while a table was shown.
#[derive(Default)]
struct Counts {
    nets: usize,
    routes: usize,
    shown: usize,
}

fn answer(daemon: &Daemon, query: &Query) -> Reply {
    let mut reply = Reply::default();
    let of = |index: usize| daemon.protos[index].conf.channel.as_ref().map(|c| c.table.clone());
    let by_proto = query.protocol.or(query.export.map(|(_, index)| index)).and_then(of);
    let single = query.tables.is_some() || by_proto.is_some() || query.net.is_some();
    let names = query.tables.clone().unwrap_or_else(|| vec![by_proto.unwrap_or_else(|| "master4".into())]);
    let counting = query.count || query.stats;
    let mut total = Counts::default();
    let mut tables = 0;
    // There is no IPv6, but its table is counted where all are.
    let empty = Table::new("master6");
    let found = names.iter().filter_map(|name| daemon.tables.iter().find(|table| table.name == *name));
    for table in found.chain((!single).then_some(&empty)) {
        tables += 1;
        let counts = one_table(daemon, query, table, &mut reply, tables > 1);
        if counting {
            let Counts { nets, routes, shown } = counts;
            let text = format!("{shown} of {routes} routes for {nets} networks in table {}", table.name);
            reply.line(if query.count { 14 } else { 1007 }, text);
        }
        total.nets += counts.nets;
        total.routes += counts.routes;
        total.shown += counts.shown;
    }
    if counting && tables > 1 {
        let Counts { nets, routes, shown } = total;
        let gap = if query.stats { "\n" } else { "" };
        reply.line(14, format!("{gap}Total: {shown} of {routes} routes for {nets} networks in {tables} tables"));
    }
    let exact = query.net.is_some() && !query.within;
    if exact && total.shown == 0 && !counting {
        return Reply::of(8001, "Network not found");
    }
    reply.done()
}

fn one_table(daemon: &Daemon, query: &Query, table: &Table, reply: &mut Reply, more: bool) -> Counts {
    let mut counts = Counts::default();
    let mut header = false;
    let chosen = query.net.filter(|_| query.longest).map(|net| table.longest_match(net));
    if query.stats {
        title(table, reply, more, &mut header);
    }
    for (net, routes) in table.iter() {
        let wanted = match (query.net, chosen) {
            (Some(_), Some(best)) => best == Some(net),
            (Some(within), None) if query.within => within.contains(&net),
            (Some(exact), None) => exact == net,
            _ => true,
        };
        if !wanted {
            continue;
        }
        counts.nets += 1;
        counts.routes += routes.iter().filter(|route| !route.filtered).count();
        let mut first = true;
        for (place, route) in routes.iter().enumerate() {
            let best = place == 0 && !route.filtered;
            let Some(route) = select(daemon, query, table, route, best) else { continue };
            counts.shown += 1;
            if query.count {
                continue;
            }
            title(table, reply, more, &mut header);
            let name = if first { net.to_string() } else { String::new() };
            first = false;
            print(daemon, &name, &route, best, query.all, reply);
        }
    }
    counts
}

fn title(table: &Table, reply: &mut Reply, more: bool, done: &mut bool) {
    if !core::mem::replace(done, true) {
        let gap = if more { "\n" } else { "" };
        reply.line(1007, format!("{gap}Table {}:", table.name));
    }
}

/// The route as it is to be shown, if it is.
fn select(daemon: &Daemon, query: &Query, table: &Table, route: &Route, best: bool) -> Option<Route> {
    if route.filtered != query.filtered || (query.primary && !best) {
        return None;
    }
    let mut route = route.clone();
    if query.protocol.is_some_and(|index| route.proto != index) {
        return None;
    }
    if let Some((how, index)) = query.export {
        let conf = daemon.protos[index].conf.channel.as_ref()?;
        if !best || !daemon.may_export(index, &route) {
            return None;
        }
        let place = daemon.tables.iter().position(|t| t.name == table.name);
        let policy = if how == Export::Before { &Policy::All } else { &conf.export };
        match (how, daemon.would_export(index, policy, route.clone(), place)) {
            (Export::Not, Err(_)) => {}
            (Export::Not, Ok(_)) | (_, Err(_)) => return None,
            (_, Ok((exported, _))) => route = exported,
        }
    }
    if let Some(filter) = &query.filter {
        let outcome = filter::run(filter, &mut route).ok()?;
        if !outcome.accepted {
            return None;
        }
    }
    Some(route)
}

/// A route (`rt_show_rte`).
fn print(daemon: &Daemon, name: &str, route: &Route, best: bool, all: bool, reply: &mut Reply) {
    let gateway = route.nexthops.first().and_then(|hop| hop.gateway);
    let from =
        route.from.filter(|from| Some(*from) != gateway).map_or_else(String::new, |from| format!(" from {from}"));
    let since = format::short(route.modified, daemon.now);
    let star = if best { " *" } else { "" };
    let dest = route.dest.name();
    reply.line(1007, format!("{name:<20} {dest} [{} {since}{from}]{star}{}", route.proto_name, info(route)));
    if route.dest == Dest::Unicast {
        for hop in &route.nexthops {
            let weight =
                if route.nexthops.len() > 1 { format!(" weight {}", u32::from(hop.weight) + 1) } else { String::new() };
            let onlink = if hop.onlink { " onlink" } else { "" };
            reply.line(
                1007,
                match hop.gateway {
                    Some(gateway) => format!("\tvia {gateway} on {}{onlink}{weight}", hop.name),
                    None => format!("\tdev {}{weight}", hop.name),
                },
            );
        }
    }
    if all {
        let scope = ["host", "link", "site", "org", "univ"].get(usize::from(route.scope)).unwrap_or(&"undef");
        reply.line(1008, format!("\tType: {} {scope}", route.source.name()));
        for line in attributes(route) {
            reply.line(1012, format!("\t{line}"));
        }
    }
}

fn info(route: &Route) -> String {
    if route.source != Source::Bgp {
        return format!(" ({})", route.preference);
    }
    // bgp_get_route_info: nothing is said of a metric of 0, which an address without any way has too.
    let metric = match (route.recursive, route.igp_metric) {
        (None, _) | (_, Some(0)) => String::new(),
        _ if route.dest != Dest::Unicast => "/-".into(),
        (Some(_), Some(metric)) => format!("/{metric}"),
        (Some(_), None) => "/?".into(),
    };
    let path = route.attrs.as_path.as_ref();
    let asn = path.and_then(|path| path.last()).map_or_else(String::new, |asn| format!("AS{asn}"));
    let origin = route.attrs.origin.map_or('?', |origin| origin.letter());
    format!(" ({}{metric}) [{asn}{origin}]", route.preference)
}

/// The attributes in the order of their numbers.
fn attributes(route: &Route) -> Vec<String> {
    let attrs = &route.attrs;
    let list = |items: Vec<String>| (!items.is_empty()).then(|| items.join(" "));
    let rows: [(&str, Option<String>); 15] = [
        ("BGP.origin", attrs.origin.map(|o| o.to_string())),
        ("BGP.as_path", attrs.as_path.as_ref().map(|p| p.to_string())),
        ("BGP.next_hop", attrs.next_hop.map(|a| a.to_string())),
        ("BGP.med", attrs.med.map(|n| n.to_string())),
        ("BGP.local_pref", attrs.local_pref.map(|n| n.to_string())),
        ("BGP.atomic_aggr", attrs.atomic_aggregate.then(String::new)),
        ("BGP.aggregator", attrs.aggregator.map(|a| a.to_string())),
        ("BGP.community", list(attrs.communities.iter().map(|c| c.to_string()).collect())),
        ("BGP.originator_id", attrs.originator_id.map(|id| id.to_string())),
        ("BGP.cluster_list", list(attrs.cluster_list.iter().map(|id| id.to_string()).collect())),
        ("BGP.ext_community", list(attrs.extended_communities.iter().map(|c| c.to_string()).collect())),
        ("BGP.large_community", list(attrs.large_communities.iter().map(|c| c.to_string()).collect())),
        ("Kernel.source", route.krt.source.map(|n| n.to_string())),
        ("Kernel.metric", route.krt.metric.map(|n| n.to_string())),
        ("Kernel.prefsrc", route.krt.prefsrc.map(|a| a.to_string())),
    ];
    rows.into_iter().filter_map(|(name, value)| Some(format!("{name}: {}", value?))).collect()
}
