//! What rules ask of the namespace while a packet passes.

use core::net::Ipv4Addr;

use hopwise_netfilter::conntrack::{Others, Tuple, Zone};
use hopwise_netfilter::env::{AddrType, Env, FoundSocket, ReversePath, RuleTrace, SocketQuestion, Tee};
use hopwise_protocols::fib::{Flow, RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL, RouteType};
use hopwise_protocols::wire::ipv4::{IPPROTO_TCP, IPPROTO_UDP};
use hopwise_sim_core::{IfIndex, Packet, Pool, Time};

use crate::namespace::Namespace;
use crate::path::route::{OutputFlow, route_output, select_addr};
use crate::socket;

use super::tee::Copy;

/// The namespace as rules see it. Its rules and connections are taken out of it while they are asked.
pub(super) struct Surroundings<'a> {
    pub(super) now: Time,
    pub(super) space: &'a mut Namespace,
    /// Where copies of packets come from.
    pub(super) pool: &'a mut Pool,
    /// Copies that are to be sent.
    pub(super) copies: &'a mut Vec<Copy>,
    /// The packet is one of them.
    pub(super) copying: bool,
    /// The connections but the packet's own.
    pub(super) others: Option<Others<'a>>,
    /// Whether the rules' decisions are written down.
    pub(super) watched: bool,
    /// The decisions.
    pub(super) traces: Vec<RuleTrace>,
}

impl Env for Surroundings<'_> {
    fn now(&self) -> Time {
        self.now
    }

    fn random(&mut self) -> u32 {
        self.space.rng.next_u32()
    }

    fn addr_type(&self, addr: Ipv4Addr, link: Option<IfIndex>) -> AddrType {
        let kind = self.space.fib.addr_type(addr, link, RT_TABLE_LOCAL);
        AddrType::from_bits_truncate(1 << kind as u16)
    }

    /// `rpfilter_lookup_reverse`: where would an answer leave?
    fn reverse_path(&self, question: &ReversePath) -> bool {
        let dst = question.dst;
        let nobody = dst.is_multicast() || dst.is_broadcast() || dst.octets()[0] == 0;
        let flow = Flow {
            dst: question.src,
            src: if nobody { Ipv4Addr::UNSPECIFIED } else { dst },
            tos: question.tos,
            mark: question.mark,
            iif: IfIndex::LO,
            l3mdev: self.space.l3mdev(question.link).map_or(0, |(_, table)| table),
            ..Flow::default()
        };
        let Ok(found) = self.space.fib_lookup(&flow) else { return false };
        let kind = found.kind();
        if kind != RouteType::Unicast && !(kind == RouteType::Local && question.accept_local) {
            return false;
        }
        question.loose || found.route.uses_dev(question.link)
    }

    fn primary_addr(&self, link: IfIndex, dst: Ipv4Addr) -> Option<Ipv4Addr> {
        select_addr(self.space, self.space.devs.get(link), dst, RT_SCOPE_UNIVERSE)
    }

    fn route_mtu(&self, dst: Ipv4Addr) -> Option<u32> {
        let flow = OutputFlow { dst, ..OutputFlow::default() };
        route_output(self.space, self.now, &flow).ok().map(|route| route.mtu)
    }

    fn is_connected(&self, tuple: &Tuple, zone: Zone) -> bool {
        self.others.is_some_and(|table| table.is_connected(self.now, tuple, zone))
    }

    fn log(&mut self, line: String) {
        self.space.log(self.now, line);
    }

    fn link_group(&self, link: IfIndex) -> u32 {
        self.space.devs.get(link).map_or(0, |dev| dev.group)
    }

    fn socket(&self, question: &SocketQuestion) -> Option<FoundSocket> {
        let SocketQuestion { protocol, from, to, link } = *question;
        match protocol {
            IPPROTO_TCP => socket::tcp::for_segment(self.space, from, to, link.into()),
            IPPROTO_UDP => socket::udp::for_datagram(self.space, from, to, link.into()),
            _ => None,
        }
    }

    fn tee(&mut self, packet: &Packet, to: &Tee<'_>) {
        if self.copying {
            return;
        }
        let link = self.space.devs.iter().find(|dev| *dev.name == *to.link).map_or(IfIndex::NONE, |dev| dev.index);
        let packet = self.pool.copy(packet);
        self.copies.push(Copy { packet, gateway: to.gateway, link, ages: to.ages });
    }

    fn tracing(&self) -> bool {
        self.watched
    }

    fn trace(&mut self, record: RuleTrace) {
        self.traces.push(record);
    }
}
