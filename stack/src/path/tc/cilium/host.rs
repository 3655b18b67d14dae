//! The programs of a node's links, of `cilium_host` and of the tunnel (`bpf_host.c`, `bpf_overlay.c`).

use core::net::Ipv4Addr;

use hopwise_sim_core::IfIndex;

use super::ct::{Key, Made, New, Status};
use super::event::{Debug, Point, Reason};
use super::lxc::{MARK_MAGIC_HOST, MARK_MAGIC_IDENTITY, MARK_MAGIC_MASK, identity_of};
use super::maps::{Direction, Local, identity};
use super::nat::{self, FIRST_PORT, Masquerade, Side};
use super::{Run, Step, Trace, frame};
use crate::path::tc::Action;

impl Run<'_, '_> {
    /// `cil_from_netdev`.
    pub(super) fn cil_from_netdev(&mut self) -> Action {
        self.trace(Trace { ifindex: self.kernel.link, ..Trace::at(Point::FromNetwork) });
        if !self.is_ipv4() {
            return Action::Ok;
        }
        self.handle_from_netdev().unwrap_or_else(|reason| self.drop(reason, 0))
    }

    fn handle_from_netdev(&mut self) -> Step<Action> {
        self.unmasquerade();
        let (src, dst) = self.addresses()?;
        let from = self.source_identity(src, identity::WORLD);
        // Without host routing the stack has it: a redirect would pass by netfilter's connections, and the answer would
        // not.
        if !self.maps.config.host_routing {
            return Ok(Action::Ok);
        }
        match self.maps.endpoints.get(&dst).copied() {
            Some(Local::Pod(to)) => self.local_delivery(to, from, false),
            Some(Local::Host) | None => Ok(Action::Ok),
        }
    }

    /// Who a packet comes from. An address of the node does not prove that the node sent it: what comes from outside may
    /// have been translated (`resolve_srcid_ipv4`).
    fn source_identity(&mut self, src: Ipv4Addr, assumed: u32) -> u32 {
        self.identity.0 = assumed;
        if identity::is_reserved(assumed) {
            let found = self.maps.ipcache.lookup(src);
            if let Some(remote) = found.filter(|remote| remote.identity != 0 && remote.identity != identity::HOST) {
                self.identity.0 = remote.identity;
            }
            self.debug(Debug::Mapped(src, self.identity.0, found.is_some()));
        }
        self.identity.0
    }

    /// `cil_to_netdev`.
    pub(super) fn cil_to_netdev(&mut self) -> Action {
        self.trace(Trace::at(Point::ToNetwork));
        match self.masquerade() {
            Ok(()) => Action::Ok,
            Err(reason) => self.drop(reason, 0),
        }
    }

    /// What a pod of this node sends to the world gets the node's address, and what the node itself sends another port if a
    /// pod has its own (`nodeport_nat_ipv4_fwd`, `snat_v4_process`).
    fn masquerade(&mut self) -> Step<()> {
        let Some(rule) = self.maps.config.masquerade else { return Ok(()) };
        if !self.is_ipv4() {
            return Ok(());
        }
        let (src, dst) = self.addresses()?;
        let own = src == rule.address;
        if !own && !self.must_masquerade(&rule, src, dst) {
            return Ok(());
        }
        let Some(tuple) = nat::tuple(self.packet.data(), Side::Source)? else { return Ok(()) };
        if own {
            if tuple.sport < FIRST_PORT {
                return Ok(());
            }
            self.track_own(Direction::Egress)?;
        }
        let mapping = self.maps.nat.leave(tuple, rule.address, self.kernel.seconds()).ok_or(Reason::NatNoMapping)?;
        if (mapping.addr, mapping.port) != (tuple.src, tuple.sport) {
            let to = (mapping.addr, mapping.port);
            nat::rewrite(self.packet.data_mut(), Side::Source, to).ok_or(Reason::Invalid)?;
            self.why = "masqueraded";
        }
        Ok(())
    }

    /// Whether a packet that is not the node's own leaves with the node's address (`snat_v4_needed`).
    fn must_masquerade(&mut self, rule: &Masquerade, src: Ipv4Addr, dst: Ipv4Addr) -> bool {
        if rule.excluded.contains(&dst) || !matches!(self.maps.endpoints.get(&src), Some(Local::Pod(_))) {
            return false;
        }
        let Some(remote) = self.maps.ipcache.lookup(dst) else { return false };
        // Through a tunnel go packets to pods only: nodes do not know the way to a pod of another node.
        let to_node = matches!(remote.identity, identity::REMOTE_NODE | identity::KUBE_APISERVER);
        if to_node && self.maps.config.tunnel.is_none() {
            return false;
        }
        // What answers somebody who knows the pod by its own address keeps it (`ct_is_reply4`).
        let asked = frame::tuple(self.packet.data(), &mut self.maps.fragments).map(|(tuple, _)| tuple.reversed());
        !asked.is_ok_and(|tuple| self.maps.ct.contains(&Key { tuple, made: Made::In }))
    }

    /// The node's own connections are tracked as those of pods are, so that their mappings live as long as they do
    /// (`snat_v4_track_local`).
    fn track_own(&mut self, direction: Direction) -> Step<()> {
        let (tuple, segment) = frame::tuple(self.packet.data(), &mut self.maps.fragments)?;
        let found = self.ct_lookup(tuple, direction, segment);
        if found.status == Status::New {
            self.ct_create((tuple, segment), direction, New::default(), Ipv4Addr::UNSPECIFIED);
        }
        Ok(())
    }

    /// An answer to such a packet gets the pod's address back. What is no answer, or cannot be read as one, goes on as it is
    /// (`tail_nodeport_nat_ipv4`).
    fn unmasquerade(&mut self) {
        if self.maps.config.masquerade.is_none() || self.maps.nat.is_empty() {
            return;
        }
        let Ok(Some(tuple)) = nat::tuple(self.packet.data(), Side::Destination) else { return };
        let Some((addr, port, own)) = self.maps.nat.back(tuple) else { return };
        if own && self.track_own(Direction::Ingress).is_err() {
            return;
        }
        if (addr, port) != (tuple.dst, tuple.dport)
            && nat::rewrite(self.packet.data_mut(), Side::Destination, (addr, port)).is_some()
        {
            self.why = "masquerading undone";
        }
    }

    /// `cil_from_host`, at the egress of `cilium_host`: what the stack routed to a pod of this node.
    pub(super) fn cil_from_host(&mut self) -> Action {
        // inherit_identity_from_host.
        let mark = self.packet.mark;
        let from = match mark & MARK_MAGIC_MASK {
            MARK_MAGIC_IDENTITY => identity_of(mark),
            MARK_MAGIC_HOST => identity::HOST,
            _ => identity::WORLD,
        };
        self.debug(Debug::InheritIdentity(from));
        self.identity.0 = from;
        self.trace(Trace { identities: (from, 0), ..Trace::at(Point::FromHost) });
        if !self.is_ipv4() {
            return Action::Ok;
        }
        self.handle_from_host(from).unwrap_or_else(|reason| self.drop(reason, 0))
    }

    fn handle_from_host(&mut self, from: u32) -> Step<Action> {
        let (src, dst) = self.addresses()?;
        let from = self.source_identity(src, from);
        match self.maps.endpoints.get(&dst).copied() {
            Some(Local::Pod(to)) => return self.local_delivery(to, from, true),
            Some(Local::Host) => return Ok(Action::Ok),
            None => {}
        }
        let remote = self.maps.ipcache.lookup(dst).filter(|remote| remote.identity != identity::WORLD);
        let Some(remote) = remote else { return Err(Reason::Unroutable) };
        self.identity.1 = remote.identity;
        if let Some(link) = self.maps.config.tunnel
            && !remote.tunnel.is_unspecified()
        {
            let seen = Trace { identities: self.identity, ..Trace::at(Point::ToOverlay) };
            return Ok(self.encapsulate(link, remote.tunnel, seen));
        }
        // rewrite_dmac_to_host: it comes up again through cilium_net.
        let mac = self.maps.config.cilium_net_mac;
        frame::set_destination(self.packet.data_mut(), mac);
        Ok(Action::Ok)
    }

    /// `cil_to_host`.
    pub(super) fn cil_to_host(&mut self) -> Action {
        let mark = self.packet.mark;
        let from = if mark & MARK_MAGIC_MASK == MARK_MAGIC_IDENTITY { identity_of(mark) } else { identity::UNKNOWN };
        self.identity = (from, identity::HOST);
        self.trace(Trace { identities: self.identity, ifindex: self.kernel.link, ..Trace::at(Point::ToHost) });
        Action::Ok
    }

    /// `cil_from_overlay`: the tunnel's number of the network is the sender's identity.
    pub(super) fn cil_from_overlay(&mut self) -> Action {
        if !self.is_ipv4() {
            return Action::Ok;
        }
        let from = core::mem::take(&mut self.packet.tunnel_id);
        self.identity.0 = from;
        self.debug(Debug::Decap(from));
        self.trace(Trace { identities: (from, 0), ifindex: self.kernel.link, ..Trace::at(Point::FromOverlay) });
        self.handle_from_overlay(from).unwrap_or_else(|reason| self.drop(reason, 0))
    }

    fn handle_from_overlay(&mut self, from: u32) -> Step<Action> {
        // Nobody else is this node.
        if from == identity::HOST {
            return Err(Reason::InvalidIdentity);
        }
        let (_, dst) = self.addresses()?;
        match self.maps.endpoints.get(&dst).copied() {
            Some(Local::Pod(to)) => self.local_delivery(to, from, false),
            Some(Local::Host) => {
                // ipv4_host_delivery: up through cilium_host.
                let (link, mac) = self.maps.config.cilium_host;
                frame::l3(self.packet.data_mut(), None, Some(mac))?;
                Ok(Action::RedirectIngress(link))
            }
            None => Ok(Action::Ok),
        }
    }

    /// `__encap_and_redirect_with_nodeid`: the far end and the identity go beside the packet.
    pub(super) fn encapsulate(&mut self, link: IfIndex, node: Ipv4Addr, seen: Trace) -> Action {
        // The others know this node as a remote one.
        let own = self.identity.0 == identity::HOST;
        let identity = if own { identity::REMOTE_NODE } else { self.identity.0 };
        self.debug(Debug::Encap(node, identity));
        self.packet.next_hop = node.octets();
        self.packet.tunnel_id = identity;
        self.trace(Trace { point: Point::ToOverlay, ifindex: link, ..seen });
        Action::Redirect(link)
    }
}
