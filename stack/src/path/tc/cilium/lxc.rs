//! The programs of a pod: what it sends, and whether what comes may reach it (`bpf_lxc.c`).

use core::net::Ipv4Addr;

use hopwise_sim_core::IfIndex;

use super::ct::{Found, New, Segment, Status, Tuple};
use super::event::{Debug, Kind, Point, Reason};
use super::lb::Served;
use super::maps::{Direction, Endpoint, Local, Permit};
use super::{Run, Step, Trace, frame};
use crate::path::tc::Action;

/// The mark that says "the upper half is an identity" (`MARK_MAGIC_IDENTITY`).
pub(super) const MARK_MAGIC_IDENTITY: u32 = 0x0f00;
/// The mark of what the node itself sends (`MARK_MAGIC_HOST`).
pub(super) const MARK_MAGIC_HOST: u32 = 0x0c00;
/// The bits of a mark that say what it is (`MARK_MAGIC_HOST_MASK`).
pub(super) const MARK_MAGIC_MASK: u32 = 0x0f00;

/// An identity in a mark: its lower 16 bits above, the rest below (`set_identity_mark`).
pub(super) const fn identity_mark(identity: u32) -> u32 {
    (identity >> 16 & 0xff) | MARK_MAGIC_IDENTITY | identity << 16
}

/// The identity in a mark (`get_identity`).
pub(super) const fn identity_of(mark: u32) -> u32 {
    (mark & 0xff) << 16 | mark >> 16
}

impl Run<'_, '_> {
    /// `cil_from_container`.
    pub(super) fn cil_from_container(&mut self, id: u16) -> Action {
        let Some(own) = self.maps.programs.get(&id) else { return self.drop(Reason::MissedTailCall, 0) };
        let (own_ip, node_mac, identity) = (own.ip, own.node_mac, own.identity);
        self.identity.0 = identity;
        self.trace(Trace { identities: (identity, 0), ..Trace::at(Point::FromEndpoint) });
        if self.is_arp() {
            // Whatever the pod asks for is here, but its own address.
            let answered = frame::answer_arp(self.packet.data_mut(), node_mac, own_ip);
            self.why = if answered { "answers the pod's ARP request" } else { "" };
            return if answered { Action::Redirect(self.kernel.link) } else { Action::Ok };
        }
        if !self.is_ipv4() {
            return self.drop(Reason::UnknownL3, 0);
        }
        match self.addresses() {
            Ok((src, _)) if src != own_ip => self.drop(Reason::InvalidSource, 0),
            Ok(_) => self.handle_from_lxc(id).unwrap_or_else(|reason| self.drop(reason, 0)),
            Err(reason) => self.drop(reason, 0),
        }
    }

    /// `handle_ipv4_from_lxc`.
    fn handle_from_lxc(&mut self, id: u16) -> Step<Action> {
        let (asked, segment) = frame::tuple(self.packet.data(), &mut self.maps.fragments)?;
        let Served { tuple, rev_nat, loopback } = self.reach_backend(asked, segment)?;
        let found = self.ct_lookup(tuple, Direction::Egress, segment);
        if found.status == Status::Reply
            && let Some(own) = self.back_to_itself(tuple)
        {
            return self.deliver_to_itself(own);
        }
        let remote = self.identify(tuple.dst);
        self.identity.1 = remote.identity;
        // Nobody has to allow a pod to talk with itself.
        if !loopback {
            self.policy(id, Direction::Egress, (tuple, segment), &found, remote.identity)?;
        }
        if found.status == Status::New {
            let new = New { identity: self.identity.0, rev_nat, loopback, ..New::default() };
            let backend = if rev_nat == 0 { Ipv4Addr::UNSPECIFIED } else { tuple.dst };
            self.ct_create((tuple, segment), Direction::Egress, new, backend);
        }
        let seen =
            Trace { status: found.status, identities: self.identity, tell: found.tell, ..Trace::at(Point::ToStack) };
        match self.maps.endpoints.get(&tuple.dst).copied() {
            Some(Local::Pod(to)) => return self.local_delivery(to, self.identity.0, false),
            Some(Local::Host) => return self.pass_to_stack(seen),
            None => {}
        }
        if let Some(link) = self.maps.config.tunnel
            && !remote.tunnel.is_unspecified()
        {
            return Ok(self.encapsulate(link, remote.tunnel, seen));
        }
        if self.maps.config.host_routing {
            // redirect_direct_v4.
            let oif = self.kernel.link_to(self.packet, tuple.src, tuple.dst).ok_or(Reason::NoFib)?;
            frame::l3(self.packet.data_mut(), None, None)?;
            self.trace(Trace { point: Point::ToNetwork, ifindex: oif, ..seen });
            return Ok(Action::RedirectNeigh(oif));
        }
        self.pass_to_stack(seen)
    }

    /// The node's stack routes it: it is addressed to the router, and its mark says who sent it. The stack will lower
    /// the TTL once more.
    fn pass_to_stack(&mut self, seen: Trace) -> Step<Action> {
        let router = self.maps.programs.get(&self.source).map(|own| own.node_mac);
        frame::l3(self.packet.data_mut(), None, router)?;
        self.packet.mark = identity_mark(self.identity.0);
        self.trace(seen);
        self.debug(Debug::Delivery(IfIndex::NONE));
        Ok(Action::Ok)
    }

    /// `ipv4_local_delivery`: the program of the pod that it goes to decides.
    pub(super) fn local_delivery(&mut self, to: Endpoint, from: u32, from_host: bool) -> Step<Action> {
        self.debug(Debug::LocalDelivery(to.id, from));
        frame::l3(self.packet.data_mut(), Some(to.node_mac), Some(to.mac))?;
        if !self.maps.programs.contains_key(&to.id) {
            return Err(Reason::MissedTailCall);
        }
        self.source = to.id;
        self.identity.0 = from;
        // A tail call: what goes wrong from here on is told by the program of the receiver.
        match self.ingress_policy(to, from) {
            Ok(()) if self.maps.config.host_routing && !from_host => Ok(Action::RedirectPeer(to.ifindex)),
            Ok(()) => Ok(Action::Redirect(to.ifindex)),
            Err(reason) => Ok(self.drop(reason, to.id)),
        }
    }

    /// What a pod answered itself through a service comes back with the service's address; nobody is asked.
    fn deliver_to_itself(&mut self, own: Ipv4Addr) -> Step<Action> {
        let Some(Local::Pod(to)) = self.maps.endpoints.get(&own).copied() else { return Err(Reason::MissedTailCall) };
        frame::l3(self.packet.data_mut(), Some(to.node_mac), Some(to.mac))?;
        self.identity.1 = self.identity.0;
        self.why = "back through its own service";
        self.trace(Trace {
            status: Status::Reply,
            ifindex: to.ifindex,
            identities: self.identity,
            original: own,
            to: to.id,
            ..Trace::at(Point::ToEndpoint)
        });
        Ok(if self.maps.config.host_routing { Action::RedirectPeer(to.ifindex) } else { Action::Redirect(to.ifindex) })
    }

    /// `ipv4_policy`: whether a packet may reach a pod.
    fn ingress_policy(&mut self, to: Endpoint, from: u32) -> Step<()> {
        self.packet.mark = 0;
        let own = self.maps.programs.get(&to.id).map_or(0, |own| own.identity);
        self.identity.1 = own;
        let (tuple, segment) = frame::tuple(self.packet.data(), &mut self.maps.fragments)?;
        let found = self.ct_lookup(tuple, Direction::Ingress, segment);
        if matches!(found.status, Status::Reply | Status::Related) && found.rev_nat != 0 && !found.loopback {
            self.answer_as_service(found.rev_nat);
        }
        if tuple.src != super::lb::LOOPBACK {
            self.policy(to.id, Direction::Ingress, (tuple, segment), &found, from)?;
        }
        if found.status == Status::New {
            let new = New { identity: from, ..New::default() };
            self.ct_create((tuple, segment), Direction::Ingress, new, Ipv4Addr::UNSPECIFIED);
        }
        self.trace(Trace {
            status: found.status,
            ifindex: to.ifindex,
            identities: (from, own),
            original: tuple.src,
            to: to.id,
            tell: found.tell,
            ..Trace::at(Point::ToEndpoint)
        });
        Ok(())
    }

    /// Asks the policy of an endpoint, unless the packet belongs to a connection that was allowed.
    fn policy(
        &mut self,
        id: u16,
        direction: Direction,
        (tuple, _): (Tuple, Segment),
        found: &Found,
        remote: u32,
    ) -> Step<()> {
        self.why = match found.status {
            Status::New => "new connection",
            Status::Established => "established connection",
            Status::Reply => "reply",
            Status::Related => "related to a connection",
            Status::Reopened => "reopened connection",
        };
        if matches!(found.status, Status::Reply | Status::Related) {
            return Ok(());
        }
        let bytes = self.packet.len() as u64;
        let Some(own) = self.maps.programs.get_mut(&id) else { return Err(Reason::MissedTailCall) };
        let decision = own.policy.decide(direction, remote, (tuple.protocol, tuple.dport), bytes);
        let allowed = decision.verdict == Permit::Allow;
        if own.policy.enforces(direction) && (!allowed || found.status != Status::Established) {
            let ingress = direction == Direction::Ingress;
            let (protocol, matched) = (tuple.protocol, decision.matched);
            self.tell(Kind::Verdict { remote, protocol, ingress, allowed, matched }, true);
        }
        match decision.verdict {
            Permit::Allow => Ok(()),
            Permit::Missing => Err(Reason::Policy),
            Permit::Deny => Err(Reason::PolicyDeny),
        }
    }

    /// Looks a packet up in the connection tracking map, and tells how.
    pub(super) fn ct_lookup(&mut self, tuple: Tuple, direction: Direction, segment: Segment) -> Found {
        let bytes = self.packet.len() as u64;
        let found = self.maps.ct.lookup(tuple, direction, segment, bytes, self.kernel.seconds());
        // Only the first of two lookups is told, and what either of them found.
        self.tell_lookup(tuple, found.flags, found.lifetime, (found.status, found.rev_nat));
        found
    }

    /// Tells how a lookup in the connection tracking map went.
    pub(super) fn tell_lookup(
        &mut self,
        tuple: Tuple,
        flags: u8,
        lifetime: Option<u32>,
        (status, rev_nat): (Status, u16),
    ) {
        self.debug(Debug::CtLookup1(tuple.src, tuple.sport, tuple.dst, tuple.dport));
        self.debug(Debug::CtLookup2(tuple.protocol, flags));
        if let Some(lifetime) = lifetime {
            self.debug(Debug::CtMatch(lifetime, rev_nat));
        }
        self.debug(Debug::CtVerdict(status, rev_nat));
    }

    /// Remembers a connection; `backend`: the pod that serves it.
    pub(super) fn ct_create(
        &mut self,
        (tuple, segment): (Tuple, Segment),
        direction: Direction,
        new: New,
        backend: Ipv4Addr,
    ) {
        let new = New { bytes: self.packet.len() as u64, ..new };
        self.maps.ct.create(tuple, direction, segment, new, self.kernel.seconds());
        self.debug(Debug::CtCreate(new.rev_nat, new.identity, backend));
    }
}
