//! The routes and neighbours that Felix sets itself: one for each pod of the node, and, for pools in VXLAN, those to the other nodes
//! (`felix/dataplane/linux/{endpoint,vxlan}_mgr.go`). What goes through IPIP or plainly is BIRD's.

use core::fmt;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::bird_cfg::{Mode, Pool};

/// The network identifier of `vxlan.calico`.
pub const VXLAN_VNI: u32 = 4096;
/// Its port.
pub const VXLAN_PORT: u16 = 4789;
/// The protocol number with which Felix marks routes of VXLAN pools that are not on the tunnel.
pub const PROTO: u8 = 80;

/// A route of Felix. Shown, it is what stands behind `ip route add`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Route {
    /// To a pod of this node, through its link.
    Pod(Ipv4Addr, String),
    /// A block of this node: what belongs to no pod ends here.
    Blackhole(Ipv4Net),
    /// A block of another node, through the tunnel; the gateway is the tunnel's address there.
    Tunnel(Ipv4Net, Ipv4Addr),
    /// A block of another node, through `tunl0`.
    Ipip(Ipv4Net, Ipv4Addr),
    /// A block of another node in the same subnet, through this link.
    Plain(Ipv4Net, Ipv4Addr, String),
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Route::Pod(pod, link) => write!(f, "{pod} dev {link} scope link"),
            Route::Blackhole(block) => write!(f, "blackhole {block} proto {PROTO}"),
            Route::Tunnel(block, gateway) => write!(f, "{block} via {gateway} dev vxlan.calico onlink"),
            Route::Ipip(block, gateway) => write!(f, "{block} via {gateway} dev tunl0 proto {PROTO} onlink"),
            Route::Plain(block, gateway, link) => write!(f, "{block} via {gateway} dev {link} proto {PROTO} onlink"),
        }
    }
}

impl Route {
    /// What stands behind `ip route del`.
    pub fn named(&self) -> String {
        match self {
            Route::Pod(pod, link) => format!("{pod} dev {link}"),
            Route::Blackhole(block) => format!("blackhole {block} proto {PROTO}"),
            Route::Tunnel(block, _) => format!("{block} dev vxlan.calico"),
            Route::Ipip(block, _) => format!("{block} dev tunl0 proto {PROTO}"),
            Route::Plain(block, _, link) => format!("{block} dev {link} proto {PROTO}"),
        }
    }
}

/// Another node's end of the tunnel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Vtep {
    /// The node's address.
    pub node: Ipv4Addr,
    /// The address of `vxlan.calico` there.
    pub tunnel: Ipv4Addr,
    /// Its MAC address.
    pub mac: [u8; 6],
}

/// A pod of this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workload {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its link on the node.
    pub link: String,
    /// Its namespace and name, `default/web-1`.
    pub pod: String,
}

/// Another node with its blocks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// Its name.
    pub name: String,
    /// Its address.
    pub node: Ipv4Addr,
    /// Its end of the tunnel, once it has one.
    pub vtep: Option<Vtep>,
    /// Its blocks.
    pub blocks: Vec<Ipv4Net>,
}

/// What decides the routes of a node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct View {
    /// The node's address, with its subnet.
    pub address: Ipv4Net,
    /// The link that has it.
    pub link: String,
    /// The blocks of this node.
    pub blocks: Vec<Ipv4Net>,
    /// The pods of this node.
    pub pods: Vec<Workload>,
    /// The pools.
    pub pools: Vec<Pool>,
    /// The other nodes.
    pub remotes: Vec<Remote>,
    /// Whether Felix sets the routes between nodes also without VXLAN (`programClusterRoutes`).
    pub all: bool,
}

impl View {
    fn pool(&self, block: &Ipv4Net) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.cidr.contains(block))
    }

    fn is_near(&self, remote: &Remote) -> bool {
        self.address.contains(&remote.node)
    }

    /// The routes, in their order.
    pub fn routes(&self) -> Vec<Route> {
        let mut all: Vec<Route> = self.pods.iter().map(|pod| Route::Pod(pod.address, pod.link.clone())).collect();
        let mine = |block: &&Ipv4Net| self.pool(block).is_some_and(|pool| self.all || pool.vxlan != Mode::Never);
        all.extend(self.blocks.iter().filter(mine).map(|block| Route::Blackhole(*block)));
        for remote in &self.remotes {
            all.extend(remote.blocks.iter().filter_map(|block| self.to(remote, *block)));
        }
        all.sort();
        all
    }

    /// The route to a block of another node, if it is for Felix to set it.
    fn to(&self, remote: &Remote, block: Ipv4Net) -> Option<Route> {
        let pool = self.pool(&block)?;
        let wrapped = |mode: Mode| mode == Mode::Always || mode == Mode::CrossSubnet && !self.is_near(remote);
        if wrapped(pool.vxlan) {
            return remote.vtep.map(|vtep| Route::Tunnel(block, vtep.tunnel));
        }
        if pool.vxlan == Mode::Never && !self.all {
            return None;
        }
        if wrapped(pool.ipip) {
            return Some(Route::Ipip(block, remote.node));
        }
        // Without a tunnel a node in another subnet is reached as far as the routers know the way.
        self.is_near(remote).then(|| Route::Plain(block, remote.node, self.link.clone()))
    }

    /// Why a route is there: `workload endpoint default/web-1`, `IPAM block 10.244.2.0/26 of node2 via tunl0`.
    pub fn why(&self, route: &Route) -> String {
        let of_block = |block: &Ipv4Net, through: &str| {
            let node = self.remotes.iter().find(|remote| remote.blocks.contains(block)).map_or("?", |node| &node.name);
            format!("IPAM block {block} of {node} via {through}")
        };
        match route {
            Route::Pod(address, link) => match self.pods.iter().find(|pod| pod.address == *address) {
                Some(pod) => format!("workload endpoint {}", pod.pod),
                None => format!("workload endpoint on {link}"),
            },
            Route::Blackhole(block) => format!("IPAM block {block} of this node (blackhole)"),
            Route::Tunnel(block, _) => of_block(block, "vxlan.calico"),
            Route::Ipip(block, _) => of_block(block, "tunl0"),
            Route::Plain(block, _, link) => of_block(block, link),
        }
    }

    /// The ends of the tunnel that this node has to know: their neighbours and their places in the forwarding database.
    pub fn vteps(&self) -> Vec<Vtep> {
        let mut all: Vec<Vtep> = match self.pools.iter().any(|pool| pool.vxlan != Mode::Never) {
            true => self.remotes.iter().filter_map(|remote| remote.vtep).collect(),
            false => Vec::new(),
        };
        all.sort();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(vxlan: Mode) -> View {
        let remote = |node: &str, block: &str| {
            let block: Ipv4Net = block.parse().unwrap();
            let node: Ipv4Addr = node.parse().unwrap();
            let vtep = Some(Vtep { node, tunnel: block.addr(), mac: [0x66, 0, 0, 0, 0, node.octets()[3]] });
            Remote { name: format!("node{}", node.octets()[2]), node, vtep, blocks: vec![block] }
        };
        View {
            address: "192.168.0.80/24".parse().unwrap(),
            link: "ens33".into(),
            blocks: vec!["10.244.36.64/26".parse().unwrap()],
            pods: vec![Workload {
                address: "10.244.36.66".parse().unwrap(),
                link: "cali12345678901".into(),
                pod: "default/web-1".into(),
            }],
            pools: vec![Pool {
                cidr: "10.244.0.0/16".parse().unwrap(),
                ipip: Mode::Never,
                vxlan,
                disable_bgp_export: false,
            }],
            remotes: vec![remote("192.168.0.81", "10.244.169.128/26"), remote("192.168.9.81", "10.244.1.0/26")],
            all: false,
        }
    }

    fn shown(vxlan: Mode) -> Vec<String> {
        view(vxlan).routes().iter().map(Route::to_string).collect()
    }

    #[test]
    fn routes_by_mode() {
        let pod = "10.244.36.66 dev cali12345678901 scope link";
        assert_eq!(shown(Mode::Never), [pod]);
        let far = "10.244.1.0/26 via 10.244.1.0 dev vxlan.calico onlink";
        let hole = "blackhole 10.244.36.64/26 proto 80";
        let near = "10.244.169.128/26 via 10.244.169.128 dev vxlan.calico onlink";
        assert_eq!(shown(Mode::Always), [pod, hole, far, near]);
        let plain = "10.244.169.128/26 via 192.168.0.81 dev ens33 proto 80 onlink";
        assert_eq!(shown(Mode::CrossSubnet), [pod, hole, far, plain]);
        let mut ipip = View { all: true, ..view(Mode::Never) };
        ipip.pools[0].ipip = Mode::CrossSubnet;
        let shown: Vec<String> = ipip.routes().iter().map(Route::to_string).collect();
        let (far, near) = ("10.244.1.0/26 via 192.168.9.81 dev tunl0 proto 80 onlink", plain);
        assert_eq!(shown, [pod, hole, far, near]);
        assert_eq!((view(Mode::Never).vteps().len(), view(Mode::Always).vteps().len()), (0, 2));
    }

    #[test]
    fn why_routes_are_there() {
        let view = view(Mode::CrossSubnet);
        let why: Vec<String> = view.routes().iter().map(|route| view.why(route)).collect();
        assert_eq!(
            why,
            [
                "workload endpoint default/web-1",
                "IPAM block 10.244.36.64/26 of this node (blackhole)",
                "IPAM block 10.244.1.0/26 of node9 via vxlan.calico",
                "IPAM block 10.244.169.128/26 of node0 via ens33",
            ]
        );
    }
}
