//! What the journey of a packet tells of a hook: the rules that matched, its connection, the bytes that were changed.

use hopwise_netfilter::conntrack::{Conn, Direction, End};
use hopwise_netfilter::env::RuleTrace;
use hopwise_netfilter::hook::Hook;
use hopwise_sim_core::{ConnInfo, ConnTag, Detail, Packet, Rewrite, RuleNote};

use crate::cx::Cx;

/// So many bytes of a packet are compared: the headers, and those that an ICMP error quotes.
const COMPARED: usize = 96;

/// The bytes that may be changed, if anybody wants to know.
pub(super) fn before(cx: &Cx<'_>, packet: &Packet) -> Option<Vec<u8>> {
    cx.journey.is_on().then(|| head(packet))
}

fn head(packet: &Packet) -> Vec<u8> {
    packet.data().iter().copied().take(COMPARED).collect()
}

/// Tells what was changed since `before`.
pub(super) fn rewritten(cx: &mut Cx<'_>, packet: &Packet, hook: Hook, by: &'static str, before: Option<Vec<u8>>) {
    let Some(before) = before else { return };
    let after = head(packet);
    if before != after {
        cx.note(packet, || Detail::Rewritten(Box::new(Rewrite { hook: hook.chain(), by, before, after })));
    }
}

/// Tells what the rules decided.
pub(super) fn rules(cx: &mut Cx<'_>, packet: &Packet, traces: Vec<RuleTrace>) {
    for trace in traces {
        let RuleTrace { table, hook, chain, number, text, verdict, origin, purpose } = trace;
        let note = RuleNote { hook: hook.chain(), table: table.name(), chain, number, text, verdict, origin, purpose };
        cx.note(packet, || Detail::Rule(Box::new(note)));
    }
}

/// Tells what the packet's connection is.
pub(super) fn connection(cx: &mut Cx<'_>, packet: &Packet, tag: Option<ConnTag>, conn: Option<&Conn>) {
    cx.note(packet, || Detail::Connection(words(tag, conn).into()));
}

fn words(tag: Option<ConnTag>, conn: Option<&Conn>) -> String {
    let state = match tag.map(|tag| tag.info) {
        None => "INVALID",
        Some(ConnInfo::Untracked) => "UNTRACKED",
        Some(ConnInfo::New) => "NEW",
        Some(ConnInfo::Established | ConnInfo::EstablishedReply) => "ESTABLISHED",
        Some(ConnInfo::Related | ConnInfo::RelatedReply) => "RELATED",
    };
    let Some(conn) = conn else { return state.to_owned() };
    let way = |direction: Direction| {
        let tuple = conn.tuple(direction);
        let end = |end: &End| if end.port == 0 { end.addr.to_string() } else { format!("{}:{}", end.addr, end.port) };
        format!("{} -> {}", end(&tuple.src), end(&tuple.dst))
    };
    let protocol = match conn.protocol() {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        number => format!("protocol {number}"),
    };
    let mark = if conn.mark == 0 { String::new() } else { format!(", mark {:#x}", conn.mark) };
    format!("{state} {protocol} {}, answers {}{mark}", way(Direction::Original), way(Direction::Reply))
}
