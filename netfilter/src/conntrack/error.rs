//! ICMP: queries are connections, errors belong to the connection that they are about. Models
//! `net/netfilter/nf_conntrack_proto_icmp.c`.

use core::net::Ipv4Addr;

use hopwise_protocols::wire::checksum;
use hopwise_protocols::wire::icmp::{
    ICMP_DEST_UNREACH, ICMP_HLEN, ICMP_PARAMETERPROB, ICMP_REDIRECT, ICMP_SOURCE_QUENCH, ICMP_TIME_EXCEEDED,
    NR_ICMP_TYPES,
};
use hopwise_protocols::wire::ipv4::{IP_HLEN, IPPROTO_ICMP};
use hopwise_sim_core::{ConnInfo, ConnTag, Time};

use super::conn::Zone;
use super::tuple::{Direction, Tuple, transport};
use super::{Conntrack, LogLine, Setting};
use crate::hook::Hook;

/// What an ICMP message is to connection tracking.
pub(super) enum Icmp {
    /// A query or its answer: tracked as a connection of its own.
    Query,
    /// An error about a connection, or one that is about none or malformed.
    Error(Option<ConnTag>),
}

/// Whether a message is about another packet, whose beginning it carries. `icmp_is_err`.
pub(crate) const fn is_error(kind: u8) -> bool {
    matches!(kind, ICMP_DEST_UNREACH | ICMP_SOURCE_QUENCH | ICMP_REDIRECT | ICMP_TIME_EXCEEDED | ICMP_PARAMETERPROB)
}

impl Conntrack {
    /// `nf_conntrack_icmpv4_error`.
    pub(super) fn icmp(&mut self, now: Time, hook: Hook, packet: &[u8], offset: usize, zones: [Zone; 2]) -> Icmp {
        let icmp = packet.get(offset..).unwrap_or(&[]);
        let tag = match icmp.first_chunk::<ICMP_HLEN>() {
            None => self.refuse(|| "short packet".into()),
            Some(_) if self.is_damaged(hook, icmp) => self.refuse(|| "bad hw icmp checksum".into()),
            Some(header) if header[0] > NR_ICMP_TYPES => self.refuse(|| "invalid icmp type".into()),
            Some(header) if !is_error(header[0]) => return Icmp::Query,
            Some(_) => self.about(now, packet, offset + ICMP_HLEN, zones),
        };
        self.stats.error += u64::from(tag.is_none());
        Icmp::Error(tag)
    }

    fn is_damaged(&self, hook: Hook, icmp: &[u8]) -> bool {
        hook == Hook::PreRouting && self.settings.on(Setting::Checksum) && checksum::checksum(icmp) != 0
    }

    /// The connection that the packet inside an error belonged to. `nf_conntrack_inet_error`.
    fn about(&mut self, now: Time, packet: &[u8], at: usize, zones: [Zone; 2]) -> Option<ConnTag> {
        let inner = packet.get(at..)?;
        let (offset, protocol) = transport(inner)?;
        // The packet went out with this tuple, so answers to it have the inverse one, and that is what the table is asked for.
        let tuple = Tuple::of_packet(inner, offset, protocol)?.invert()?;
        let (slot, direction) = self.find(now, &tuple, zones)?;
        // The inner source is whoever the error goes to; an error to anybody else is forged.
        let outer = packet.first_chunk::<IP_HLEN>()?;
        let outer = Ipv4Addr::new(outer[16], outer[17], outer[18], outer[19]);
        let expected = self.store.conn(slot)?.tuple(direction).dst.addr;
        if outer != expected {
            return self.refuse(|| format!("outer daddr {outer} != inner {expected}"));
        }
        let info = if direction == Direction::Reply { ConnInfo::RelatedReply } else { ConnInfo::Related };
        Some(ConnTag { slot, generation: self.store.generation(slot), info })
    }

    /// Notes why a message belongs to no connection.
    fn refuse(&mut self, text: impl FnOnce() -> String) -> Option<ConnTag> {
        let wanted = self.settings[Setting::LogInvalid];
        if wanted == 255 || wanted == u32::from(IPPROTO_ICMP) {
            self.log.push(LogLine::Invalid { protocol: IPPROTO_ICMP, text: text() });
        }
        None
    }
}
