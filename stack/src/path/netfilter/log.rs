//! What connection tracking writes into the kernel's log.

use hopwise_netfilter::conntrack::LogLine;
use hopwise_netfilter::skb::{LinkRef, Skb};
use hopwise_netfilter::targets::packet_line;
use hopwise_sim_core::{Packet, Time};

use crate::namespace::Namespace;

/// The number of the first namespace in `/proc/PID/ns/net`; the others follow.
const FIRST_INODE: u32 = 4_026_531_840;

/// Writes the lines that tracking a packet brought about.
#[cold]
pub(super) fn tell(ns: &mut Namespace, now: Time, lines: Vec<LogLine>, packet: &mut Packet) {
    for line in lines {
        let text = match line {
            LogLine::TableFull if ns.is_root => "nf_conntrack: nf_conntrack: table full, dropping packet".to_owned(),
            LogLine::TableFull => {
                let inode = FIRST_INODE + ns.id.0;
                format!("nf_conntrack: nf_conntrack: table full in netns {inode}, dropping packet")
            }
            // `nf_ct_l4proto_log_invalid`: neither link is told.
            LogLine::Invalid { protocol, text } => {
                let prefix = format!("nf_ct_proto_{protocol}: {text} ");
                packet_line(&prefix, &Skb::new(packet, LinkRef::NONE, LinkRef::NONE))
            }
        };
        ns.log(now, text);
    }
}
