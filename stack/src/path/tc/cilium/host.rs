//! The programs of a node's links, of `cilium_host` and of the tunnel (`bpf_host.c`, `bpf_overlay.c`).

use core::net::Ipv4Addr;

use hopwise_sim_core::IfIndex;

use super::ct::{Key, Made};
use super::event::{Debug, Point, Reason};
use super::lxc::{MARK_MAGIC_HOST, MARK_MAGIC_IDENTITY, MARK_MAGIC_MASK, identity_of};
use super::maps::{Local, identity};
use super::nat::{self, Side};
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

    /// What a pod of this node sends to the world gets the node's address (`snat_v4_needed`, `snat_v4_nat`).
    fn masquerade(&mut self) -> Step<()> {
        let Some(rule) = self.maps.config.masquerade else { return Ok(()) };
        if !self.is_ipv4() {
            return Ok(());
        }
        let (src, dst) = self.addresses()?;
        let from_pod = matches!(self.maps.endpoints.get(&src), Some(Local::Pod(_)));
        let to_node = self.maps.ipcache.lookup(dst).is_some_and(|remote| remote.identity == identity::REMOTE_NODE);
        let from_node = src == rule.address;
        if !(from_pod || from_node) || to_node || rule.excludes(dst) {
            return Ok(());
        }
        let Ok((tuple, _)) = frame::tuple(self.packet.data(), &mut self.maps.fragments) else { return Ok(()) };
        if from_node {
            if !tuple.related && nat::can_translate(tuple.protocol) {
                self.maps.nat.claim(tuple, self.kernel.seconds());
            }
            return Ok(());
        }
        // What answers somebody who knows the pod by its own address keeps it.
        let answers = self.maps.ct.contains(&Key { tuple: tuple.reversed(), made: Made::In });
        if answers || tuple.related || !nat::may_translate(self.packet.data(), tuple.protocol)? {
            return Ok(());
        }
        let port = self.maps.nat.leave(tuple, rule.address).ok_or(Reason::NatNoMapping)?;
        nat::rewrite(self.packet.data_mut(), Side::Source, (rule.address, port)).ok_or(Reason::Invalid)?;
        self.why = "masqueraded";
        Ok(())
    }

    /// An answer to such a packet gets the pod's address back (`snat_v4_rev_nat`).
    fn unmasquerade(&mut self) {
        if self.maps.config.masquerade.is_none() || self.maps.nat.is_empty() {
            return;
        }
        let Ok((tuple, _)) = frame::tuple(self.packet.data(), &mut self.maps.fragments) else { return };
        // An echo reply has its identifier on the other side.
        if let Some(to) = self.maps.nat.back(tuple)
            && nat::rewrite(self.packet.data_mut(), Side::Destination, to).is_some()
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
