//! Cilium's programs: what stands at the hooks of a node's links and of its pods' links, and the maps they share.
//! Models `bpf_lxc.c`, `bpf_host.c` and `bpf_overlay.c` of Cilium 1.11, without IPv6. Of services they know the cluster's
//! addresses, as asked for by pods ([`lb`]); node ports and what nodes themselves ask for are kube-proxy's.
//!
//! ```text
//! pod -> lxc ingress: from-container -> cilium_vxlan | the neighbour | the stack
//!        eth0 ingress: from-netdev -> a pod | the stack           eth0 egress: to-netdev
//!        cilium_host egress: from-host -> a pod | the stack
//! ```
//!
//! With *legacy host routing* what leaves a pod goes through the node's stack and netfilter, and what comes for a pod too:
//! over the route to `cilium_host`. With *eBPF host routing* it passes neither: `from-container` gives it straight to the
//! neighbour (`bpf_redirect_neigh`), `from-netdev` straight to the pod (`bpf_redirect_peer`).
//!
//! A program works on a frame in place, tells what it does in [`event`]s, and ends with an [`Action`].

pub mod ct;
pub mod event;
pub mod frag;
pub mod frame;
mod host;
pub mod lb;
mod lxc;
pub mod maps;
pub mod nat;
#[cfg(test)]
mod tests;

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use hopwise_protocols::wire::MacAddr;
use hopwise_protocols::wire::ethernet::{ETH_P_ARP, ETH_P_IP};
use hopwise_sim_core::{IfIndex, Packet, Time};

use crate::namespace::Namespace;
use crate::path::route::{OutputFlow, RouteKind, route_output};
use crate::path::tc::Action;

use ct::{CtMap, Status};
use event::{Aggregation, CAPTURED, Debug, Event, Events, Kind, Point, Reason};
use frag::FragMap;
use lb::ServiceMap;
use maps::{EndpointProgram, IpCache, Local, Remote, identity};
use nat::{Masquerade, NatMap};

/// One of the programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    /// What a pod sends: `from-container` of this endpoint.
    FromContainer(u16),
    /// What comes in through a link of the node.
    FromNetdev,
    /// What goes out through it.
    ToNetdev,
    /// What the node sends through `cilium_host`.
    FromHost,
    /// What comes to the node.
    ToHost,
    /// What comes out of the tunnel.
    FromOverlay,
    /// What goes into it.
    ToOverlay,
}

impl Program {
    /// Its section in the object file, which is its name.
    pub const fn name(self) -> &'static str {
        match self {
            Program::FromContainer(_) => "from-container",
            Program::FromNetdev => "from-netdev",
            Program::ToNetdev => "to-netdev",
            Program::FromHost => "from-host",
            Program::ToHost => "to-host",
            Program::FromOverlay => "from-overlay",
            Program::ToOverlay => "to-overlay",
        }
    }
}

/// What the programs are compiled with (`node_config.h`).
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// eBPF host routing rather than the stack's.
    pub host_routing: bool,
    /// Packets to other nodes go through this VXLAN link.
    pub tunnel: Option<IfIndex>,
    /// The number of the node itself among the endpoints.
    pub host_endpoint: u16,
    /// `cilium_host`: its number and MAC address.
    pub cilium_host: (IfIndex, MacAddr),
    /// The MAC address of `cilium_net`.
    pub cilium_net_mac: MacAddr,
    /// What pods send to the world leaves with another source.
    pub masquerade: Option<Masquerade>,
    /// Debug messages are told.
    pub debug: bool,
    /// Which packets are told of.
    pub aggregation: Aggregation,
}

/// The maps of a node, pinned in its `/sys/fs/bpf`, and what its programs are compiled with.
#[derive(Clone, Debug, Default)]
pub struct Maps {
    /// Settings.
    pub config: Config,
    /// The addresses of this node and its pods (`cilium_lxc`).
    pub endpoints: BTreeMap<Ipv4Addr, Local>,
    /// The programs of the pods, by the number of their endpoint (`cilium_call_policy`).
    pub programs: BTreeMap<u16, EndpointProgram>,
    /// Who is where (`cilium_ipcache`).
    pub ipcache: IpCache,
    /// Connections (`cilium_ct4_global`, `cilium_ct_any4_global`).
    pub ct: CtMap,
    /// The ports of packets that come in fragments.
    pub fragments: FragMap,
    /// Connections of pods with the world (`cilium_snat_v4_external`).
    pub nat: NatMap,
    /// Services (`cilium_lb4_services_v2` and the maps beside it).
    pub services: ServiceMap,
    /// What was told.
    pub events: Events,
}

/// What a program asks the kernel.
pub struct Kernel<'a> {
    /// The namespace of the node.
    pub ns: &'a Namespace,
    /// The present.
    pub now: Time,
    /// The link whose program it is.
    pub link: IfIndex,
    /// 32 random bits (`get_prandom_u32`), if there are services.
    pub random: u32,
}

impl Kernel<'_> {
    /// Seconds since the machine started (`bpf_mono_now`).
    fn seconds(&self) -> u32 {
        (self.now.as_nanos() / 1_000_000_000) as u32
    }

    /// The link through which an address is reached (`bpf_fib_lookup`).
    fn link_to(&self, packet: &Packet, src: Ipv4Addr, dst: Ipv4Addr) -> Option<IfIndex> {
        let flow = OutputFlow { dst, src: Some(src), any_src: true, mark: packet.mark, ..OutputFlow::default() };
        let route = route_output(self.ns, self.now, &flow).ok()?;
        (route.kind == RouteKind::Unicast).then_some(route.oif)
    }
}

/// What a program did, for the journey of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ran {
    /// What it said.
    pub action: Action,
    /// The identities of the two ends, as far as it knew them.
    pub identity: (u32, u32),
    /// Why it dropped the packet, or how the packet stands to its connection.
    pub why: &'static str,
}

/// A packet in the hands of a program.
struct Run<'a, 'k> {
    maps: &'a mut Maps,
    kernel: &'a Kernel<'k>,
    packet: &'a mut Packet,
    /// The endpoint whose program is running.
    source: u16,
    /// The identities of both ends.
    identity: (u32, u32),
    why: &'static str,
}

/// What a step of a program gives: it goes on, or the packet is dropped for a reason.
type Step<T> = Result<T, Reason>;

/// Lets a program look at a frame.
pub fn run(maps: &mut Maps, kernel: &Kernel<'_>, program: Program, packet: &mut Packet) -> Ran {
    let source = if let Program::FromContainer(id) = program { id } else { maps.config.host_endpoint };
    let mut run = Run { maps, kernel, packet, source, identity: (0, 0), why: "" };
    let action = match program {
        Program::FromContainer(id) => run.cil_from_container(id),
        Program::FromNetdev => run.cil_from_netdev(),
        Program::ToNetdev => run.cil_to_netdev(),
        Program::FromHost => run.cil_from_host(),
        Program::ToHost => run.cil_to_host(),
        Program::FromOverlay => run.cil_from_overlay(),
        Program::ToOverlay => Action::Ok,
    };
    Ran { action, identity: run.identity, why: run.why }
}

impl Run<'_, '_> {
    /// The EtherType of the frame.
    fn protocol(&self) -> u16 {
        frame::ethertype(self.packet.data()).unwrap_or(0)
    }

    fn is_ipv4(&self) -> bool {
        self.protocol() == ETH_P_IP
    }

    fn is_arp(&self) -> bool {
        self.protocol() == ETH_P_ARP
    }

    /// Source and destination address.
    fn addresses(&self) -> Step<(Ipv4Addr, Ipv4Addr)> {
        let header = frame::ip_of(self.packet.data()).ok_or(Reason::Invalid)?;
        Ok((header.src(), header.dst()))
    }

    /// Who is at an address, told as a debug message; the world if nobody is.
    fn identify(&mut self, addr: Ipv4Addr) -> Remote {
        let found = self.maps.ipcache.lookup(addr).filter(|remote| remote.identity != 0);
        let remote = found.unwrap_or(Remote { identity: identity::WORLD, tunnel: Ipv4Addr::UNSPECIFIED });
        self.debug(Debug::Mapped(addr, remote.identity, found.is_some()));
        remote
    }

    /// A debug message (`cilium_dbg`).
    fn debug(&mut self, message: Debug) {
        if self.maps.config.debug {
            self.tell(Kind::Debug(message), matches!(message, Debug::Delivery(_)));
        }
    }

    /// A packet is seen (`send_trace_notify`); `tell`: of a known connection, worth telling.
    fn trace(&mut self, trace: Trace) {
        let level = self.maps.config.aggregation;
        let left_out =
            (level >= Aggregation::Lowest && trace.point.is_receipt()) || (level >= Aggregation::Medium && !trace.tell);
        if !left_out {
            let Trace { point, status, ifindex, identities, original, to, .. } = trace;
            self.tell(Kind::Trace { point, status, ifindex, identities, original, to }, true);
        }
    }

    /// A packet dies (`send_drop_notify`).
    fn drop(&mut self, reason: Reason, to: u16) -> Action {
        let identities = self.identity;
        self.why = reason.text();
        self.tell(Kind::Drop { reason, identities, to }, true);
        Action::Shot
    }

    fn tell(&mut self, kind: Kind, with_data: bool) {
        if !self.maps.events.on() {
            return;
        }
        let data = self.packet.data();
        let captured = if with_data { &data[..data.len().min(CAPTURED)] } else { &[] };
        let event =
            Event { at: self.kernel.now, source: self.source, kind, len: data.len() as u32, data: captured.to_vec() };
        self.maps.events.tell(event);
    }
}

/// What is said when a packet is seen.
#[derive(Clone, Copy)]
struct Trace {
    point: Point,
    status: Status,
    ifindex: IfIndex,
    identities: (u32, u32),
    original: Ipv4Addr,
    to: u16,
    tell: bool,
}

impl Trace {
    /// At this place, with nothing known.
    const fn at(point: Point) -> Self {
        Trace {
            point,
            status: Status::New,
            ifindex: IfIndex::NONE,
            identities: (0, 0),
            original: Ipv4Addr::UNSPECIFIED,
            to: 0,
            tell: true,
        }
    }
}
