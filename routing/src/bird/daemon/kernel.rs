//! The kernel's table: what is told to it, what is learned from it (`sysdep/unix/krt.c`).

use hopwise_sim_core::Duration;
use ipnet::Ipv4Net;

use super::proto::State;
use super::{Daemon, KernelRoute, Output, RTPROT_BIRD};
use crate::bird::config::{Kernel, Kind};
use crate::bird::route::{Route, Source};

/// `RTPROT_REDIRECT`, `RTPROT_KERNEL`: what the kernel makes by itself.
const BY_THE_KERNEL: [u32; 2] = [1, 2];

impl Daemon {
    /// A route for the kernel, or none any more.
    pub(super) fn tell_kernel(&mut self, index: usize, net: Ipv4Net, route: Option<Route>) {
        let Kind::Kernel(kernel) = self.protos[index].conf.kind.clone() else { return };
        let metric =
            if kernel.metric == 0 { route.as_ref().and_then(|r| r.krt.metric).unwrap_or(0) } else { kernel.metric };
        self.output(Output::Kernel { table: kernel.table, metric, net, route: route.map(Box::new) });
    }

    /// The protocol ends: its routes go, unless they shall stay.
    pub(super) fn withdraw_kernel(&mut self, index: usize, kernel: &Kernel) {
        let nets: Vec<Ipv4Net> = self.protos[index].channel.exported.keys().copied().collect();
        if !kernel.persist {
            for net in nets {
                self.tell_kernel(index, net, None);
            }
        }
        self.protos[index].channel.exported.clear();
    }

    /// Whether anybody wants to be told of the kernel's routes.
    pub fn learns(&self) -> bool {
        self.protos.iter().any(|proto| {
            proto.state == State::Up && matches!(&proto.conf.kind, Kind::Kernel(kernel) if kernel.learn > 0)
        })
    }

    /// The kernel's tables are like this now: foreign routes are learned. At a scan, own ones that are missing are put there
    /// again.
    pub fn kernel_routes(&mut self, routes: &[KernelRoute]) {
        for index in 0..self.protos.len() {
            let Kind::Kernel(kernel) = self.protos[index].conf.kind.clone() else { continue };
            if self.protos[index].state != State::Up {
                continue;
            }
            if kernel.learn > 0 {
                self.learn(index, &kernel, routes);
            }
            if self.protos[index].scan_at.is_some_and(|at| at <= self.now) {
                self.protos[index].scan_at = Some(self.now + Duration::from_secs(kernel.scan.max(1).into()));
                self.restore(index, &kernel, routes);
            }
        }
        self.settle();
    }

    fn learn(&mut self, index: usize, kernel: &Kernel, routes: &[KernelRoute]) {
        let foreign = |r: &&KernelRoute| {
            let source = r.route.krt.source.unwrap_or(0);
            r.table == kernel.table && source != RTPROT_BIRD && (kernel.learn > 1 || !BY_THE_KERNEL.contains(&source))
        };
        let mut seen: Vec<Ipv4Net> = Vec::new();
        let name: std::sync::Arc<str> = self.protos[index].conf.name.as_str().into();
        for found in routes.iter().filter(foreign) {
            let net = found.route.net;
            // The first one of a network is the kernel's best.
            if seen.contains(&net) {
                continue;
            }
            seen.push(net);
            let route = Route {
                proto: index,
                proto_name: std::sync::Arc::clone(&name),
                source: Source::Inherit,
                ..found.route.clone()
            };
            if !self.knows(index, &route) {
                self.update(index, net, Some(route));
            }
        }
        let Some(table) = self.protos[index].conf.channel.as_ref().and_then(|c| self.table_index(&c.table)) else {
            return;
        };
        let mine = self.tables[table].iter().filter(|(_, r)| r.iter().any(|r| r.proto == index)).map(|(net, _)| net);
        let gone: Vec<Ipv4Net> = mine.filter(|net| !seen.contains(net)).collect();
        for net in gone {
            self.update(index, net, None);
        }
    }

    /// Whether a route was learned like this before.
    fn knows(&self, index: usize, route: &Route) -> bool {
        let Some(conf) = &self.protos[index].conf.channel else { return true };
        let Some(table) = self.table_index(&conf.table) else { return true };
        let new = Route { preference: conf.preference, ..route.clone() };
        self.tables[table].routes(route.net).iter().any(|known| known.same(&new))
    }

    fn restore(&mut self, index: usize, kernel: &Kernel, routes: &[KernelRoute]) {
        let there = |net: Ipv4Net| {
            routes
                .iter()
                .any(|r| r.table == kernel.table && r.route.net == net && r.route.krt.source == Some(RTPROT_BIRD))
        };
        let exported = &self.protos[index].channel.exported;
        let missing: Vec<(Ipv4Net, Route)> =
            exported.iter().filter(|(net, _)| !there(**net)).map(|(net, route)| (*net, route.clone())).collect();
        for (net, route) in missing {
            self.tell_kernel(index, net, Some(route));
        }
    }
}

impl Daemon {
    /// Whether a protocol wants to look at the kernel's table now.
    pub fn scan_is_due(&self) -> bool {
        self.protos.iter().any(|proto| proto.scan_at.is_some_and(|at| at <= self.now))
    }
}
