//! `show static`

use super::{Reply, one};
use crate::bird::config::{Kind, StaticTarget, Via};
use crate::bird::daemon::{Daemon, State};

pub(super) fn show(daemon: &Daemon, name: Option<&str>) -> Reply {
    let is_static = |index: &usize| matches!(daemon.protos[*index].conf.kind, Kind::Static { .. });
    let found: Vec<usize> = match name.map(|name| one(daemon, name)) {
        Some(Ok(index)) if is_static(&index) => vec![index],
        Some(Ok(index)) => {
            return Reply::of(9001, format!("{}: Not a Static protocol", daemon.protos[index].conf.name));
        }
        Some(Err(reply)) => return reply,
        None => (0..daemon.protos.len()).filter(|i| is_static(i) && daemon.protos[*i].state != State::Down).collect(),
    };
    if found.is_empty() {
        return Reply::of(9001, "There is no Static protocol running");
    }
    let mut reply = Reply::default();
    for (i, index) in found.into_iter().enumerate() {
        if i > 0 {
            reply.line(1009, "");
        }
        routes(daemon, index, &mut reply);
    }
    reply.done()
}

fn routes(daemon: &Daemon, index: usize, reply: &mut Reply) {
    let Kind::Static { routes, check_link, .. } = &daemon.protos[index].conf.kind else { return };
    for route in routes {
        match &route.target {
            StaticTarget::Nowhere(dest) => reply.line(1009, format!("{}\t{}", route.net, dest.name())),
            StaticTarget::Recursive(addr) => reply.line(1009, format!("{}\trecursive {addr}", route.net)),
            StaticTarget::Via(hops) => {
                reply.line(1009, route.net.to_string());
                let resolved = daemon.static_hops(route, *check_link);
                for (via, hop) in hops.iter().zip(resolved) {
                    let dormant = if hop.is_none() { " (dormant)" } else { "" };
                    reply.line(1009, format!("\t{}{dormant}", next_hop(via)));
                }
            }
        }
    }
}

fn next_hop(via: &Via) -> String {
    match (via.gateway, &via.interface) {
        (Some(gateway), Some(name)) => format!("via {gateway} on {name}"),
        (Some(gateway), None) => format!("via {gateway}"),
        (None, name) => format!("dev {}", name.as_deref().unwrap_or_default()),
    }
}
