//! `show static`

use super::{Reply, named};
use crate::bird::config::{Kind, StaticTarget, Via};
use crate::bird::daemon::Daemon;

pub(super) fn show(daemon: &Daemon, rest: &str) -> Reply {
    let found = match named(daemon, rest, true) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let mut reply = Reply::default();
    for index in found {
        let Kind::Static { routes, check_link, .. } = &daemon.protos[index].conf.kind else { continue };
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
    reply.done()
}

fn next_hop(via: &Via) -> String {
    match (via.gateway, &via.interface) {
        (Some(gateway), Some(name)) => format!("via {gateway} on {name}"),
        (Some(gateway), None) => format!("via {gateway}"),
        (None, name) => format!("dev {}", name.as_deref().unwrap_or_default()),
    }
}
