//! Services: a pod asks for a service's address and reaches one of its pods; what answers has the service's address again.
//! Models `bpf/lib/lb.h` (`lb4_local`, `lb4_rev_nat`) as `bpf_lxc.c` uses it.
//!
//! Which pod serves a client is remembered in the connection tracking map, under what the client asked for; the entry of the
//! connection with that pod has the number of the service (`rev_nat_index`), by which the way back is found.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use hopwise_protocols::wire::ipv4::{IPPROTO_TCP, IPPROTO_UDP};

use super::ct::{Key, Made, Segment, Status, Tuple};
use super::event::{Debug, Reason};
use super::nat::{self, Side};
use super::{Run, Step};

/// Where a pod seems to come from that a service leads to itself (`ipv4-service-loopback-address`).
pub const LOOPBACK: Ipv4Addr = Ipv4Addr::new(169, 254, 42, 1);

/// How many clients services with session affinity remember (`LB4_AFFINITY_MAP_SIZE`).
const MAX_CLIENTS: usize = 65_536;

/// An address and a port: those of a service, or of a pod that serves. The protocol is no part of it (`struct lb4_key` has
/// room for it and does not use it).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Socket {
    /// The address.
    pub addr: Ipv4Addr,
    /// The port.
    pub port: u16,
}

impl core::fmt::Display for Socket {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.addr, self.port)
    }
}

/// A service (`struct lb4_service`).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Service {
    /// Its number, by which the way back is found (`rev_nat_index`).
    pub id: u16,
    /// The numbers of the pods that serve.
    pub backends: Vec<u32>,
    /// A client keeps its pod for so many seconds.
    pub affinity: Option<u32>,
}

/// The maps of services: `cilium_lb4_services_v2`, `cilium_lb4_backends`, `cilium_lb4_reverse_nat`, `cilium_lb4_affinity`.
#[derive(Clone, Debug, Default)]
pub struct ServiceMap {
    services: BTreeMap<Socket, Service>,
    backends: BTreeMap<u32, Socket>,
    reverse: BTreeMap<u16, Socket>,
    /// Which pod a client of a service had last, and when.
    clients: BTreeMap<(u16, Ipv4Addr), (u32, u32)>,
}

impl ServiceMap {
    /// From now on there are these services and these pods.
    pub fn replace(&mut self, services: BTreeMap<Socket, Service>, backends: BTreeMap<u32, Socket>) {
        self.reverse = services.iter().map(|(frontend, service)| (service.id, *frontend)).collect();
        self.clients.retain(|(id, _), (backend, _)| self.reverse.contains_key(id) && backends.contains_key(backend));
        (self.services, self.backends) = (services, backends);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    /// All services, by their addresses.
    pub fn iter(&self) -> impl Iterator<Item = (&Socket, &Service)> {
        self.services.iter()
    }

    /// All pods that serve, by their numbers.
    pub fn backends(&self) -> &BTreeMap<u32, Socket> {
        &self.backends
    }

    /// The addresses of services, by their numbers.
    pub fn reverse(&self) -> &BTreeMap<u16, Socket> {
        &self.reverse
    }

    /// The service at an address; one without pods is none (`lb4_lookup_service`).
    fn lookup(&self, frontend: Socket) -> Option<&Service> {
        self.services.get(&frontend).filter(|service| !service.backends.is_empty())
    }

    /// The pod that a client had not too long ago (`lb4_affinity_backend_id_by_addr`).
    fn faithful(&self, service: &Service, client: Ipv4Addr, now: u32) -> Option<u32> {
        let timeout = service.affinity?;
        let (backend, last) = *self.clients.get(&(service.id, client))?;
        let fresh = last.saturating_add(timeout) > now;
        (fresh && service.backends.contains(&backend)).then_some(backend)
    }

    /// `lb4_update_affinity_by_addr`.
    fn remember(&mut self, id: u16, client: Ipv4Addr, (backend, now): (u32, u32)) {
        if self.clients.len() >= MAX_CLIENTS && !self.clients.contains_key(&(id, client)) {
            // The map is of the kind `lru_hash`.
            let oldest = self.clients.iter().min_by_key(|(_, (_, last))| *last).map(|(key, _)| *key);
            oldest.map(|key| self.clients.remove(&key));
        }
        self.clients.insert((id, client), (backend, now));
    }
}

/// What became of a packet that may have been for a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Served {
    /// Who talks with whom now.
    pub tuple: Tuple,
    /// The number of the service; 0: it was none.
    pub rev_nat: u16,
    /// The pod is its own server.
    pub loopback: bool,
}

impl Run<'_, '_> {
    /// What a pod sends to a service goes to one of the service's pods (`lb4_local`).
    pub(super) fn reach_backend(&mut self, asked: Tuple, segment: Segment) -> Step<Served> {
        let none = Served { tuple: asked, rev_nat: 0, loopback: false };
        if self.maps.services.is_empty() || !matches!(asked.protocol, IPPROTO_TCP | IPPROTO_UDP) {
            return Ok(none);
        }
        let Some(service) = self.maps.services.lookup(Socket { addr: asked.dst, port: asked.dport }) else {
            return Ok(none);
        };
        let (rev_nat, sticky) = (service.id, service.affinity.is_some());
        let backend = self.choose(asked, segment, rev_nat)?;
        let now = self.kernel.seconds();
        if sticky {
            self.maps.services.remember(rev_nat, asked.src, (backend, now));
        }
        let to = *self.maps.services.backends.get(&backend).ok_or(Reason::NoService)?;
        let mut tuple = Tuple { dst: to.addr, dport: to.port, ..asked };
        // A packet from and to the same address would be a Martian one.
        let loopback = to.addr == asked.src;
        let frame = self.packet.data_mut();
        nat::rewrite(frame, Side::Destination, (to.addr, to.port)).ok_or(Reason::Invalid)?;
        if loopback {
            tuple.src = LOOPBACK;
            nat::rewrite(frame, Side::Source, (LOOPBACK, asked.sport)).ok_or(Reason::Invalid)?;
        }
        Ok(Served { tuple, rev_nat, loopback })
    }

    /// The pod that serves a client: the one that it has already, or one that is drawn.
    fn choose(&mut self, asked: Tuple, segment: Segment, rev_nat: u16) -> Step<u32> {
        /// `TUPLE_F_SERVICE`.
        const FLAGS: u8 = 4;
        let now = self.kernel.seconds();
        let found = self.maps.ct.lookup_service(asked, segment, now);
        let (status, known) = found.map_or((Status::New, 0), |(_, known, _)| (Status::Reply, known));
        self.tell_lookup(asked, FLAGS, found.map(|(lifetime, ..)| lifetime), (status, known));
        if let Some((_, known, backend)) = found
            && known == rev_nat
            && self.maps.services.backends.contains_key(&backend)
        {
            return Ok(backend);
        }
        let services = &self.maps.services;
        let service = services.lookup(Socket { addr: asked.dst, port: asked.dport }).ok_or(Reason::NoService)?;
        let drawn = service.backends.get(self.kernel.random as usize % service.backends.len()).copied();
        let backend = services.faithful(service, asked.src, now).or(drawn).ok_or(Reason::NoService)?;
        self.maps.ct.serve(asked, segment, (rev_nat, backend), now);
        if found.is_none() {
            self.debug(Debug::CtCreate(rev_nat, 0, Ipv4Addr::UNSPECIFIED));
        }
        Ok(backend)
    }

    /// What a service's pod answers comes from the service (`lb4_rev_nat`).
    pub(super) fn answer_as_service(&mut self, rev_nat: u16) {
        let Some(service) = self.maps.services.reverse.get(&rev_nat).copied() else { return };
        if nat::rewrite(self.packet.data_mut(), Side::Source, (service.addr, service.port)).is_some() {
            self.why = "reply of a service";
        }
    }

    /// A pod answers itself: the packet comes from the service now and goes to the pod's own address, which this gives.
    pub(super) fn back_to_itself(&mut self, tuple: Tuple) -> Option<Ipv4Addr> {
        if tuple.dst != LOOPBACK {
            return None;
        }
        let key = Key { tuple: tuple.reversed(), made: Made::Out };
        let rev_nat = self.maps.ct.get(&key).filter(|entry| entry.loopback)?.rev_nat;
        self.answer_as_service(rev_nat);
        nat::rewrite(self.packet.data_mut(), Side::Destination, (tuple.src, tuple.dport))?;
        Some(tuple.src)
    }
}
