//! `show route`

use ipnet::Ipv4Net;

use super::{Reply, format};
use crate::bird::config::command::{Choice, Export, Query, Tables};
use crate::bird::config::{Kind, Policy};
use crate::bird::daemon::Daemon;
use crate::bird::filter;
use crate::bird::route::{Dest, Route, Source};
use crate::bird::table::Table;

pub(super) fn show(daemon: &Daemon, query: &Query) -> Reply {
    match Shown::new(daemon, query) {
        Ok(mut shown) => shown.all(),
        Err(text) => Reply::of(9001, text),
    }
}

/// What is counted while tables are shown.
#[derive(Clone, Copy, Default)]
struct Counts {
    nets: usize,
    routes: usize,
    shown: usize,
}

/// A table, and the protocol whose exports of it are looked at.
type Looked<'a> = (&'a Table, Option<(Export, usize)>);

/// A `show route` at work.
struct Shown<'a> {
    daemon: &'a Daemon,
    query: &'a Query,
    tables: Vec<Looked<'a>>,
    protocol: Option<usize>,
    reply: Reply,
    /// The table whose name stands above.
    titled: Option<&'a str>,
    counts: Counts,
}

/// There is no IPv6, but its table is counted where all are.
static MASTER6: std::sync::LazyLock<Table> = std::sync::LazyLock::new(|| Table::new("master6"));

impl<'a> Shown<'a> {
    fn new(daemon: &'a Daemon, query: &'a Query) -> Result<Self, String> {
        let find = |name: &str| daemon.protos.iter().position(|proto| !proto.gone && proto.conf.name == name);
        let known = |name: &String| find(name).ok_or_else(|| format!("{name} does not exist"));
        let protocol = query.protocol.as_ref().map(known).transpose()?;
        let export = query.export.as_ref().map(|(how, name)| Ok::<_, String>((*how, known(name)?))).transpose()?;
        // `filtered` routes are not exported.
        if query.filtered && export.is_some() {
            return Err("Incompatible show route options".into());
        }
        let tables = tables(daemon, query, protocol, export)?;
        let (reply, titled, counts) = Default::default();
        Ok(Shown { daemon, query, tables, protocol, reply, titled, counts })
    }

    fn counting(&self) -> bool {
        self.query.count || self.query.stats
    }

    fn all(&mut self) -> Reply {
        match self.query.net {
            Some((choice @ (Choice::Exact | Choice::Longest), net)) => self.one_network(choice, net),
            _ => self.networks(),
        }
        core::mem::take(&mut self.reply)
    }

    fn one_network(&mut self, choice: Choice, net: Ipv4Net) {
        for looked in self.tables.clone() {
            let found = if choice == Choice::Longest { looked.0.longest_match(net) } else { Some(net) };
            if let Some(net) = found {
                self.network(looked, net, looked.0.routes(net));
            }
        }
        match self.counts.routes {
            0 => self.reply.line(8001, "Network not found"),
            _ => self.reply.line(0, ""),
        }
    }

    fn networks(&mut self) {
        for looked in self.tables.clone() {
            let before = self.counts;
            if self.query.tables != Tables::Usual {
                self.title(looked.0);
            }
            for (net, routes) in looked.0.iter() {
                if self.query.net.is_none_or(|(_, within)| within.contains(&net)) {
                    self.network(looked, net, routes);
                }
            }
            if self.counting() {
                self.title(looked.0);
                let Counts { nets, routes, shown } = self.counts;
                let (nets, routes, shown) = (nets - before.nets, routes - before.routes, shown - before.shown);
                let name = &looked.0.name;
                self.reply.line(1007, format!("{shown} of {routes} routes for {nets} networks in table {name}"));
            }
        }
        let tables = self.tables.len();
        if !self.counting() || tables < 2 {
            return self.reply.line(0, "");
        }
        if self.titled.is_some() {
            self.reply.line(1007, "");
        }
        let Counts { nets, routes, shown } = self.counts;
        self.reply.line(14, format!("Total: {shown} of {routes} routes for {nets} networks in {tables} tables"));
    }

    /// The name of a table, above its routes; where only is counted there is none.
    fn title(&mut self, table: &'a Table) {
        if self.query.count || self.titled == Some(table.name.as_str()) {
            return;
        }
        if self.titled.replace(&table.name).is_some() {
            self.reply.line(1007, "");
        }
        self.reply.line(1007, format!("Table {}:", table.name));
    }

    /// The routes to a network (`rt_show_net`).
    fn network(&mut self, looked: Looked<'a>, net: Ipv4Net, routes: &[Route]) {
        let (mut first, mut named, mut passed) = (true, false, false);
        for (place, route) in routes.iter().enumerate().filter(|(_, route)| route.filtered == self.query.filtered) {
            self.counts.routes += 1;
            self.counts.nets += usize::from(core::mem::take(&mut first));
            if !passed && let Some(route) = self.select(looked, route) {
                self.counts.shown += 1;
                if !self.query.count {
                    self.title(looked.0);
                    let name = if named { String::new() } else { net.to_string() };
                    named = true;
                    print(self.daemon, &name, &route, place == 0, self.query.all, &mut self.reply);
                }
            }
            // Only the best one is exported.
            passed |= looked.1.is_some();
            if self.query.primary {
                break;
            }
        }
    }

    /// The route as it is to be shown, if it is.
    fn select(&self, looked: Looked<'a>, route: &Route) -> Option<Route> {
        let mut route = route.clone();
        if let Some((how, index)) = looked.1 {
            route = exported(self.daemon, looked.0, how, index, route)?;
        }
        if self.protocol.is_some_and(|index| route.proto != index) {
            return None;
        }
        if let Some(filter) = &self.query.filter {
            filter::run(filter, &mut route).ok().filter(|outcome| outcome.accepted)?;
        }
        Some(route)
    }
}

/// The tables that are looked at (`rt_show_get_default_tables`, `rt_show_prepare_tables`).
fn tables<'a>(
    daemon: &'a Daemon,
    query: &Query,
    protocol: Option<usize>,
    export: Option<(Export, usize)>,
) -> Result<Vec<Looked<'a>>, String> {
    let named = |name: &str| daemon.tables.iter().find(|table| table.name == name);
    let of = |index: usize| daemon.protos[index].conf.channel.as_ref().and_then(|channel| named(&channel.table));
    // Only what is told of routes has exports.
    let exports = |index: usize| {
        daemon.protos[index].channel.up && matches!(daemon.protos[index].conf.kind, Kind::Kernel(_) | Kind::Bgp(_))
    };
    let mut found: Vec<&Table> = match (&query.tables, export, protocol) {
        (Tables::Named(names), ..) => names.iter().filter_map(|name| named(name).or(Some(&*MASTER6))).collect(),
        (Tables::All, ..) => {
            let mut all: Vec<&Table> = daemon.tables.iter().collect();
            all.insert(1.min(all.len()), &MASTER6);
            all
        }
        (Tables::Usual, Some((_, index)), _) => of(index).filter(|_| exports(index)).into_iter().collect(),
        (Tables::Usual, None, Some(index)) => of(index).into_iter().collect(),
        (Tables::Usual, None, None) => daemon.tables.iter().take(1).chain([&*MASTER6]).collect(),
    };
    if query.net.is_some() {
        found.retain(|table| table.name != "master6");
    }
    if let Some((_, index)) = export {
        let told = of(index).map(|table| table.name.as_str());
        if let (Tables::Named(_), Some(other)) = (&query.tables, found.iter().find(|t| Some(&*t.name) != told)) {
            return Err(format!("No export channel for table {}", other.name));
        }
        found.retain(|table| Some(&*table.name) == told);
    }
    if found.is_empty() {
        return Err("No valid tables".into());
    }
    Ok(found.into_iter().map(|table| (table, export)).collect())
}

/// The route as a protocol is told of it, if this is asked for.
fn exported(daemon: &Daemon, table: &Table, how: Export, index: usize, route: Route) -> Option<Route> {
    let proto = &daemon.protos[index];
    if how == Export::Told {
        return proto.channel.exported.get(&route.net).filter(|told| told.proto == route.proto).map(|_| route);
    }
    let conf = proto.conf.channel.as_ref().filter(|_| proto.channel.up)?;
    if !daemon.may_export(index, &route) {
        return None;
    }
    let place = daemon.tables.iter().position(|t| t.name == table.name);
    let policy = if how == Export::Before { &Policy::All } else { &conf.export };
    match (how, daemon.would_export(index, policy, route.clone(), place)) {
        (Export::Not, Err(_)) => Some(route),
        (Export::Not, Ok(_)) | (_, Err(_)) => None,
        (_, Ok((exported, _))) => Some(exported),
    }
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
