//! Routes follow their links and addresses: `fib_sync_down_dev`, `fib_sync_up`, `fib_sync_down_addr`, `fib_flush`.

use super::Fib;
use super::multipath::rebalance;
use super::route::{NextHop, NhFlags, RT_SCOPE_NOWHERE, Route};
use core::net::Ipv4Addr;
use hopwise_sim_core::IfIndex;

impl Fib {
    /// A link went administratively down: its next hops are dead, and routes without a live one go (routes to this
    /// host's own addresses stay). Gives how many went. `fib_disable_ip` for `NETDEV_DOWN`.
    pub fn link_down(&mut self, dev: IfIndex) -> usize {
        self.disable(dev, |nh| nh.dev == dev && nh.scope != RT_SCOPE_NOWHERE, false)
    }

    /// A link is deleted: all routes that use it go, even if another of their next hops lives.
    /// `fib_disable_ip` for `NETDEV_UNREGISTER`.
    pub fn link_gone(&mut self, dev: IfIndex) -> usize {
        self.disable(dev, |nh| nh.dev == dev, true)
    }

    /// The last address of a link was deleted: IP is off there, even routes to this host's own addresses go.
    /// `fib_disable_ip` with force, as `fib_inetaddr_event` calls it. Gives how many routes went.
    pub fn link_without_address(&mut self, dev: IfIndex) -> usize {
        self.disable(dev, |nh| nh.dev == dev, false)
    }

    /// Marks next hops dead, and flushes if that left a route without any.
    fn disable(&mut self, dev: IfIndex, hit: impl Fn(&NextHop) -> bool, whole: bool) -> usize {
        let mut dead_routes = 0;
        self.change_routes(dev, |route| {
            for nh in route.nexthops.iter_mut().filter(|nh| hit(nh)) {
                nh.flags |= NhFlags::DEAD | NhFlags::LINKDOWN;
            }
            if whole || route.nexthops.iter().all(|nh| nh.flags.contains(NhFlags::DEAD)) {
                route.flags |= NhFlags::DEAD | NhFlags::LINKDOWN;
                dead_routes += 1;
            }
        });
        if dead_routes > 0 { self.flush_dead() } else { 0 }
    }

    /// A link lost its carrier. `fib_sync_down_dev` for `NETDEV_CHANGE`.
    pub fn link_lost_carrier(&mut self, dev: IfIndex) {
        self.change_routes(dev, |route| {
            for nh in &mut route.nexthops {
                if nh.dev == dev && nh.scope != RT_SCOPE_NOWHERE && !nh.flags.contains(NhFlags::DEAD) {
                    nh.flags |= NhFlags::LINKDOWN;
                }
            }
            let out = |nh: &NextHop| {
                nh.flags.contains(NhFlags::DEAD) || (nh.dev == dev && nh.flags.contains(NhFlags::LINKDOWN))
            };
            if route.nexthops.iter().all(out) {
                route.flags |= NhFlags::LINKDOWN;
            }
        });
    }

    /// A link went administratively up: its dead next hops in routes that survived live again. `fib_sync_up` for
    /// `NETDEV_UP`; with a carrier, `linkdown` goes too.
    pub fn link_up(&mut self, dev: IfIndex, carrier: bool) {
        let cleared = if carrier { NhFlags::DEAD | NhFlags::LINKDOWN } else { NhFlags::DEAD };
        self.revive(dev, cleared);
    }

    /// A link that is up got its carrier. `fib_sync_up` for `NETDEV_CHANGE`.
    pub fn link_got_carrier(&mut self, dev: IfIndex) {
        self.revive(dev, NhFlags::LINKDOWN);
    }

    fn revive(&mut self, dev: IfIndex, cleared: NhFlags) {
        self.change_routes(dev, |route| {
            let mut alive = 0;
            for nh in &mut route.nexthops {
                if !nh.flags.intersects(cleared) {
                    alive += 1;
                } else if nh.dev == dev {
                    nh.flags -= cleared;
                    alive += 1;
                }
            }
            if alive > 0 {
                route.flags -= cleared;
            }
        });
    }

    /// An address was deleted: routes of the table that prefer it as their source go. Gives how many.
    /// `fib_sync_down_addr` (the kernel too looks at one table only).
    pub fn address_gone(&mut self, address: Ipv4Addr, table: u32) -> usize {
        let mut dead_routes = 0;
        if let Some(table) = self.table_mut(table) {
            table.for_each_mut(|route| {
                if route.prefsrc == Some(address) {
                    route.flags |= NhFlags::DEAD;
                    dead_routes += 1;
                }
            });
        }
        if dead_routes > 0 { self.flush_dead() } else { 0 }
    }

    /// `fib_flush`: what is marked dead goes.
    fn flush_dead(&mut self) -> usize {
        self.flush(|_, route| route.flags.contains(NhFlags::DEAD))
    }

    /// Changes all routes with a next hop through a link, and shares their flows anew.
    fn change_routes(&mut self, dev: IfIndex, mut change: impl FnMut(&mut Route)) {
        let linkdown = core::mem::take(&mut self.linkdown);
        for table in self.tables_mut() {
            table.for_each_mut(|route| {
                if route.uses_dev(dev) {
                    change(route);
                    rebalance(route, &linkdown);
                }
            });
        }
        self.linkdown = linkdown;
        self.generation = self.generation.wrapping_add(1);
    }
}
