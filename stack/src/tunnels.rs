//! The tunnels whose outer packets travel in a namespace: by them the receiver of an outer packet finds the link.
//! Models `struct ip_tunnel_net`.

use core::net::Ipv4Addr;

use hopwise_devices::ipip::TunnelParams;
use hopwise_sim_core::{IfIndex, NsId};

/// A tunnel as its outer packets see it.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel {
    /// Where its link is.
    pub at: (NsId, IfIndex),
    /// How it is set.
    pub params: TunnelParams,
    /// Whether the link is up: others take nothing.
    pub up: bool,
    /// Whether it takes what no other wants.
    pub fallback: bool,
}

/// The tunnels of one namespace, the one added last first, as the kernel's hash chains have them.
#[derive(Clone, Debug, Default)]
pub struct Tunnels {
    all: Vec<Tunnel>,
}

impl Tunnels {
    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Tunnel> {
        self.all.iter()
    }

    /// A tunnel is there from now on (`ip_tunnel_add`).
    pub fn add(&mut self, tunnel: Tunnel) {
        self.all.insert(0, tunnel);
    }

    /// The tunnel of that link is gone (`ip_tunnel_del`).
    pub fn remove(&mut self, at: (NsId, IfIndex)) {
        self.all.retain(|t| t.at != at);
    }

    /// The tunnel of that link.
    pub fn get(&self, at: (NsId, IfIndex)) -> Option<&Tunnel> {
        self.all.iter().find(|t| t.at == at)
    }

    /// The tunnel of that link, to be changed.
    pub fn get_mut(&mut self, at: (NsId, IfIndex)) -> Option<&mut Tunnel> {
        self.all.iter_mut().find(|t| t.at == at)
    }

    /// The tunnel with the same ends and link (`ip_tunnel_find`).
    pub fn same(&self, params: &TunnelParams) -> Option<&Tunnel> {
        self.all.iter().find(|t| t.params.is_same_tunnel(params))
    }

    /// The tunnel that takes an outer packet from `remote` to `local` that came in through `link`: that with both ends,
    /// then with the remote one, then with the local one, then one without ends, then the fallback. Among these, one
    /// bound to the packet's link comes first. `ip_tunnel_lookup`.
    pub fn lookup(&self, link: IfIndex, local: Ipv4Addr, remote: Ipv4Addr) -> Option<&Tunnel> {
        let any = Ipv4Addr::UNSPECIFIED;
        let wanted = [(local, remote), (any, remote), (local, any), (any, any)];
        let mut candidate = None;
        for ends in wanted {
            let fits = |t: &&Tunnel| t.up && !t.fallback && (t.params.local, t.params.remote) == ends;
            if let Some(bound) = self.all.iter().filter(fits).find(|t| t.params.dev == link) {
                return Some(bound);
            }
            candidate = candidate.or_else(|| self.all.iter().find(fits));
        }
        candidate.or_else(|| self.all.iter().find(|t| t.fallback && t.up))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

    fn tunnels(all: &[(u32, Ipv4Addr, Ipv4Addr, u32, bool)]) -> Tunnels {
        let mut tunnels = Tunnels::default();
        for &(index, local, remote, dev, up) in all {
            let params = TunnelParams { local, remote, dev: IfIndex(dev), ..TunnelParams::default() };
            tunnels.add(Tunnel { at: (NsId(0), IfIndex(index)), params, up, fallback: index == 1 });
        }
        tunnels
    }

    fn found(tunnels: &Tunnels, link: u32) -> Option<u32> {
        tunnels.lookup(IfIndex(link), A, B).map(|t| t.at.1.0)
    }

    #[test]
    fn the_nearer_description_of_the_ends_wins() {
        let all = [
            (1, ANY, ANY, 0, true),
            (5, ANY, ANY, 0, true),
            (2, A, ANY, 0, true),
            (3, ANY, B, 0, true),
            (4, A, B, 0, true),
        ];
        assert_eq!(found(&tunnels(&all), 9), Some(4));
        assert_eq!(found(&tunnels(&all[..4]), 9), Some(3));
        assert_eq!(found(&tunnels(&all[..3]), 9), Some(2));
        assert_eq!(found(&tunnels(&all[..2]), 9), Some(5));
        assert_eq!(found(&tunnels(&all[..1]), 9), Some(1));
    }

    #[test]
    fn a_tunnel_bound_to_the_link_of_the_packet_comes_before_nearer_ones_of_no_link() {
        let all = [(2, A, ANY, 7, true), (3, A, B, 0, true), (4, A, B, 8, true)];
        assert_eq!(found(&tunnels(&all), 8), Some(4));
        assert_eq!(found(&tunnels(&all), 7), Some(2));
        assert_eq!(found(&tunnels(&all), 9), Some(4), "the last one added");
    }

    #[test]
    fn what_is_down_takes_nothing() {
        assert_eq!(found(&tunnels(&[(1, ANY, ANY, 0, false), (2, A, B, 0, false)]), 9), None);
    }
}
