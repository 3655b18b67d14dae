//! A routing table: routes of all protocols per network, the best first.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;

use super::route::Route;

/// BIRD walks its tables in the order of this hash (`net_hash_ip4` of `lib/net.h`), so what it prints comes in this order.
pub const fn net_hash(address: u32, len: u8) -> u32 {
    address.wrapping_mul(2_902_958_171) ^ (len as u32) << 26
}

/// A network with its place in the table.
type Key = (u32, Ipv4Net);

fn key(net: Ipv4Net) -> Key {
    (net_hash(net.network().to_bits(), net.prefix_len()), net)
}

/// A table.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Its name.
    pub name: String,
    nets: BTreeMap<Key, Vec<Route>>,
}

impl Table {
    /// An empty table.
    pub fn new(name: &str) -> Self {
        Table { name: name.to_owned(), nets: BTreeMap::new() }
    }

    /// All networks in BIRD's order, each with its routes, the best first.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Net, &[Route])> {
        self.nets.iter().map(|((_, net), routes)| (*net, routes.as_slice()))
    }

    /// The routes to a network, the best first.
    pub fn routes(&self, net: Ipv4Net) -> &[Route] {
        self.nets.get(&key(net)).map_or(&[], Vec::as_slice)
    }

    /// The best route to a network, if it can be used.
    pub fn best(&self, net: Ipv4Net) -> Option<&Route> {
        self.routes(net).first().filter(|route| !route.filtered)
    }

    /// The most specific network that has a usable route to an address or network.
    pub fn longest_match(&self, to: Ipv4Net) -> Option<Ipv4Net> {
        (0..=to.prefix_len()).rev().find_map(|len| {
            let net = Ipv4Net::new(to.network(), len).ok()?.trunc();
            self.best(net).map(|_| net)
        })
    }

    /// How many networks and routes there are.
    pub fn count(&self) -> (usize, usize) {
        (self.nets.len(), self.nets.values().map(Vec::len).sum())
    }

    /// Puts a route in the place of the one that its protocol had; `None` takes that away. The route that was there is given
    /// back. `better(new, old)` orders (`rte_recalculate` of `nest/rt-table.c`).
    pub fn update(
        &mut self,
        net: Ipv4Net,
        proto: usize,
        new: Option<Route>,
        better: impl Fn(&Route, &Route) -> bool,
    ) -> Option<Route> {
        let routes = self.nets.entry(key(net)).or_default();
        let at = routes.iter().position(|route| route.proto == proto);
        let old = at.map(|at| routes.remove(at));
        let was_best = at == Some(0);
        if let Some(new) = new {
            if was_best || routes.is_empty() {
                routes.insert(0, new);
                choose(routes, &better);
            } else if better(&new, &routes[0]) {
                routes.insert(0, new);
            } else {
                routes.insert(1, new);
            }
        } else if was_best {
            choose(routes, &better);
        }
        if routes.is_empty() {
            self.nets.remove(&key(net));
        }
        old
    }

    /// Changes routes in place, as when the way to a next hop has changed; gives the networks that are affected.
    pub fn revise(
        &mut self,
        mut change: impl FnMut(&mut Route) -> bool,
        better: impl Fn(&Route, &Route) -> bool,
    ) -> Vec<Ipv4Net> {
        let mut affected = Vec::new();
        for ((_, net), routes) in &mut self.nets {
            let mut changed = false;
            routes.iter_mut().for_each(|route| changed |= change(route));
            if changed {
                choose(routes, &better);
                affected.push(*net);
            }
        }
        affected
    }
}

/// The best one comes to the front; the others keep their order.
fn choose(routes: &mut [Route], better: &impl Fn(&Route, &Route) -> bool) {
    let best = (0..routes.len()).reduce(|best, i| if better(&routes[i], &routes[best]) { i } else { best });
    if let Some(best) = best {
        routes[..=best].rotate_right(1);
    }
}

#[cfg(test)]
mod tests {
    use super::net_hash;

    #[test]
    fn networks_come_in_the_order_of_bird() {
        // As real BIRD 2.0.12 printed them.
        let order = ["10.97.0.0/16", "1.1.1.1/32", "172.16.0.0/16", "10.0.13.0/30", "10.0.12.0/24", "10.96.0.0/16"];
        let nets = order.map(|net| net.parse::<ipnet::Ipv4Net>().unwrap());
        assert!(nets.map(|net| net_hash(net.network().to_bits(), net.prefix_len())).is_sorted());
    }
}
