//! `ip route get` (`iproute_get`).

use core::net::Ipv4Addr;

use hopwise_protocols::fib::{NhFlags, RT_SCOPE_UNIVERSE, RouteType};
use hopwise_sim_core::IfIndex;
use hopwise_stack::control::route::{RouteAnswer, RouteFound, RouteQuery};

use super::super::args::{self, Args, Done, Fail, invarg, matches};
use super::super::{Ip, names, vrf};
use super::USAGE;
use super::list::Filter;
use super::message::{Cache, Message};

/// What the words say beside the query itself.
struct Request {
    query: RouteQuery,
    found: bool,
    uid: Option<u32>,
    connected: bool,
    notify: bool,
}

/// `ip route get`.
///
/// # Errors
/// Wrong words; the kernel's refusals.
pub(super) fn get(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let request = parse(ip, args)?;
    if !request.found {
        return Err(Fail::new(1, "need at least a destination address"));
    }
    let ns = ip.ns;
    let found = ip.net().route_get(ns, &request.query)?;
    let message = match &found {
        RouteFound::Route(table, route) => Message::of_route(&ip.space()?.fib, *table, route),
        RouteFound::Decision(answer) => decision(ip, &request, answer),
    };
    // With `connected` the answer is asked for and printed once more.
    for _ in 0..=usize::from(request.connected && request.query.src.is_none()) {
        ip.out.open();
        message.print(ip, &Filter::default());
        ip.out.close();
    }
    Ok(())
}

fn parse(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Request> {
    let mut r = Request {
        query: RouteQuery::new(Ipv4Addr::UNSPECIFIED),
        found: false,
        uid: None,
        connected: false,
        notify: false,
    };
    let (mut iif, mut oif) = (None, None);
    let mut known = false;
    while let Some(word) = args.next() {
        match &*word {
            w if w == "tos" || matches(w, "dsfield") => {
                let w = args.need()?;
                r.query.tos = names::dsfield(&w).ok_or_else(|| invarg("TOS value is invalid\n", &w))?;
            }
            w if matches(w, "from") => {
                let w = args.need()?;
                if matches(&w, "help") {
                    return Err(Fail::usage(USAGE));
                }
                let from = args::prefix_or(&w, super::family_word(ip, known))?;
                r.query.src = (!from.any).then_some(from.addr);
                known = true;
            }
            w if matches(w, "iif") => iif = Some(args.need()?),
            w if matches(w, "mark") => r.query.mark = args.number("invalid mark value")?,
            w if matches(w, "oif") || w == "dev" => oif = Some(args.need()?),
            "vrf" => oif = Some(ip.link_name(vrf::need_table(ip, args)?.0)),
            w if matches(w, "notify") => r.notify = true,
            w if matches(w, "connected") => r.connected = true,
            w if matches(w, "uid") => r.uid = Some(args.number("invalid UID\n")?),
            w if matches(w, "fibmatch") => r.query.fib_match = true,
            w if matches(w, "sport") => r.query.sport = args.number("invalid sport\n")?,
            w if matches(w, "dport") => r.query.dport = args.number("invalid dport\n")?,
            w if matches(w, "ipproto") => {
                let w = args.need()?;
                let proto = names::ip_protocol(&w).ok_or_else(|| invarg("Invalid \"ipproto\" value\n", &w))?;
                r.query.ipproto = proto;
            }
            w => {
                let word = if w == "to" { args.need()? } else { word.clone() };
                if matches(&word, "help") {
                    return Err(Fail::usage(USAGE));
                }
                let dst = args::prefix_or(&word, super::family_word(ip, known))?;
                if dst.len != 32 {
                    let text = "as prefix is invalid, only /32 (or none) is supported.";
                    ip.sys.err(&format!("Warning: /{} {text}\n", dst.len));
                }
                r.query.dst = dst.addr;
                (r.found, known) = (true, true);
            }
        }
    }
    if let Some(name) = iif {
        r.query.iif = ip.need_link(&name)?;
    }
    if let Some(name) = oif {
        r.query.oif = ip.need_link(&name)?;
    }
    Ok(r)
}

/// What was learned for single destinations, as messages (`fib_dump_info_fnhe`). The kernel tells only of those that
/// were used since; here all are told.
pub(super) fn learned(ip: &mut Ip<'_, '_>) -> Done<Vec<Message>> {
    let (ns, now) = (ip.ns, ip.sys.now());
    // A table that only a rule leads to is not asked here.
    let space = ip.space()?;
    let vrf = |table| space.devs.iter().find(|d| d.kind.vrf().is_some_and(|vrf| vrf.table == table)).map(|d| d.index);
    let all: Vec<(Ipv4Addr, Option<IfIndex>)> =
        space.pmtu.iter(now).map(|((dst, table), _)| (dst, vrf(table))).collect();
    let mut messages = Vec::new();
    for (dst, vrf) in all {
        let query = RouteQuery { oif: vrf.unwrap_or_default(), ..RouteQuery::new(dst) };
        let request = Request { query, found: true, uid: None, connected: false, notify: false };
        if let Ok(RouteFound::Decision(answer)) = ip.net().route_get(ns, &query) {
            let message = Message { prefsrc: None, uid: None, ..decision(ip, &request, &answer) };
            // The entry of the next hop alone holds it; nobody has just asked.
            let cache = message.cache.clone().map(|cache| Cache { users: 1, ..cache });
            messages.push(Message { cache, ..message });
        }
    }
    Ok(messages)
}

/// `rt_fill_info`.
fn decision(ip: &Ip<'_, '_>, request: &Request, answer: &RouteAnswer) -> Message {
    let (query, now) = (&request.query, ip.sys.now());
    let came_in = query.iif.is_some();
    // The entry of the next hop itself, and the one that was just asked for.
    let mut cache = Cache { users: 2, ..Cache::default() };
    let here = matches!(answer.kind, RouteType::Local | RouteType::Broadcast);
    // Everybody belongs to the group of all hosts.
    let joined = answer.kind == RouteType::Multicast && query.dst == Ipv4Addr::new(224, 0, 0, 1);
    for (is, word) in [
        (here || joined, "local"),
        (answer.kind == RouteType::Multicast, "mc"),
        (answer.kind == RouteType::Broadcast, "brd"),
        (answer.redirected, "redirected"),
        (answer.redirect, "redirect"),
        (request.notify, "notify"),
    ] {
        if is {
            cache.flags.push(word);
        }
    }
    cache.expires = answer.expires.map(|at| at.since(now).as_secs());
    // The bit of a group's route is that of `RTM_F_OFFLOAD_FAILED`.
    let more_flags = if answer.kind == RouteType::Multicast { vec!["rt_offload_failed"] } else { Vec::new() };
    Message {
        kind: answer.kind,
        dst: (query.dst, 32),
        from: query.src,
        tos: 0,
        gateway: answer.gateway,
        oif: Some(answer.oif),
        table: answer.table,
        proto: 0,
        scope: RT_SCOPE_UNIVERSE,
        prefsrc: if came_in { None } else { answer.prefsrc },
        metric: 0,
        flags: NhFlags::empty(),
        more_flags,
        mark: query.mark,
        uid: request.uid.or(if came_in { None } else { Some(0) }),
        cache: Some(cache),
        metrics: answer.metrics.clone(),
        iif: came_in.then_some(query.iif),
        hops: Vec::new(),
    }
}
