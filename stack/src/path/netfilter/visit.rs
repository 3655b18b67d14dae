//! A packet's visit at one hook: all that stand there, one after the other.

use core::ops::ControlFlow;

use hopwise_netfilter::conntrack::{Conn, Conntrack, Others, Template, Verdict as CtVerdict};
use hopwise_netfilter::hook::{Hook, TableId};
use hopwise_netfilter::nat::Choice;
use hopwise_netfilter::rules::{Ruleset, Verdict as RuleVerdict};
use hopwise_netfilter::skb::{LinkRef, Skb};
use hopwise_sim_core::{DropReason, IfIndex, Packet};

use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;

use super::At;
use super::env::Surroundings;
use super::log;
use super::observe;
use super::reject;
use super::tee::{self, Copy};

/// Somebody who stands at a hook.
#[derive(Clone, Copy)]
enum Stand {
    /// The rules of a table.
    Table(TableId),
    /// Which connection is it of?
    Track,
    /// The addresses of its connection: at PREROUTING and OUTPUT the destination, at the others the source.
    Nat,
    /// Its connection is one from now on.
    Confirm,
}

/// Who stands at a hook, in the order of `enum nf_ip_hook_priorities`.
const fn stands(hook: Hook) -> &'static [Stand] {
    use Stand::{Confirm, Nat, Table, Track};
    use TableId::{Filter, Mangle, Raw, Security};
    match hook {
        Hook::PreRouting => &[Table(Raw), Track, Table(Mangle), Nat],
        Hook::LocalIn => &[Table(Mangle), Table(Filter), Table(Security), Nat, Confirm],
        Hook::Forward => &[Table(Mangle), Table(Filter), Table(Security)],
        Hook::LocalOut => &[Table(Raw), Track, Table(Mangle), Nat, Table(Filter), Table(Security)],
        Hook::PostRouting => &[Table(Mangle), Nat, Confirm],
    }
}

/// Asks all that stand at a hook. `tracks`: connections are tracked in this namespace.
pub(super) fn visit(ns: &mut Namespace, cx: &mut Cx<'_>, at: At, tracks: bool, mut packet: Packet) -> Verdict {
    // Rules and connections are taken out for as long as they are asked, so that they can ask the rest of the namespace.
    let Some(mut rules) = ns.rules.take() else { return ControlFlow::Continue(packet) };
    let mut connections = if tracks { Some(ns.take_conntrack()) } else { None };
    let mut visit = Visit {
        ns,
        cx,
        at,
        rules: &mut rules,
        connections: connections.as_deref_mut(),
        template: Template::default(),
        copies: Vec::new(),
    };
    let verdict = visit.all(&mut packet);
    let copies = visit.copies;
    ns.rules = Some(rules);
    if connections.is_some() {
        ns.conntrack = connections;
    }
    for copy in copies {
        tee::send(ns, cx, copy);
    }
    match verdict {
        RuleVerdict::Accept | RuleVerdict::Nat(..) => ControlFlow::Continue(packet),
        RuleVerdict::Drop => ControlFlow::Break(cx.drop(packet, DropReason::NetfilterDrop)),
        RuleVerdict::Reject(how) => {
            reject::answer(ns, cx, at, &packet, how);
            ControlFlow::Break(cx.drop(packet, DropReason::NetfilterDrop))
        }
    }
}

/// What a visit needs.
struct Visit<'v, 'c> {
    ns: &'v mut Namespace,
    cx: &'v mut Cx<'c>,
    at: At,
    rules: &'v mut Ruleset,
    connections: Option<&'v mut Conntrack>,
    template: Template,
    /// What `TEE` wants to be sent.
    copies: Vec<Copy>,
}

impl Visit<'_, '_> {
    fn all(&mut self, packet: &mut Packet) -> RuleVerdict {
        for stand in stands(self.at.hook) {
            let verdict = match *stand {
                Stand::Table(table) => self.table(table, packet),
                Stand::Track => self.track(packet),
                Stand::Nat => self.nat(packet),
                Stand::Confirm => self.confirm(packet),
            };
            if verdict != RuleVerdict::Accept {
                return verdict;
            }
        }
        RuleVerdict::Accept
    }

    /// `nft_do_chain_ipv4`.
    #[inline]
    fn table(&mut self, table: TableId, packet: &mut Packet) -> RuleVerdict {
        if !self.rules.is_active(table, self.at.hook) {
            return RuleVerdict::Accept;
        }
        let before = observe::before(self.cx, packet);
        let Visit { ns, cx, at, rules, connections, template, copies } = self;
        let (conn, others) = match (packet.conn, connections) {
            (Some(tag), Some(table)) => table.split(tag).unzip(),
            _ => (None, None),
        };
        let verdict = ask(ns, cx, *at, rules, (table, template, copies), (conn, others), packet);
        observe::rewritten(self.cx, packet, self.at.hook, table.name(), before);
        verdict
    }

    /// `nf_conntrack_in`.
    fn track(&mut self, packet: &mut Packet) -> RuleVerdict {
        let Some(connections) = self.connections.as_deref_mut() else { return RuleVerdict::Accept };
        let verdict = connections.track(self.cx.now, self.at.hook, packet, &self.template);
        if self.cx.journey.is_on() {
            let conn = packet.conn.and_then(|tag| connections.conn(tag));
            observe::connection(self.cx, packet, packet.conn, conn);
        }
        if !connections.log.is_empty() {
            log::tell(self.ns, self.cx.now, core::mem::take(&mut connections.log), packet);
        }
        of(verdict)
    }

    /// `nf_nat_inet_fn`: the rules are asked about the first packet of a connection only.
    fn nat(&mut self, packet: &mut Packet) -> RuleVerdict {
        let before = observe::before(self.cx, packet);
        let Visit { ns, cx, at, rules, connections, template, copies } = self;
        let Some(connections) = connections.as_deref_mut() else { return RuleVerdict::Accept };
        let mut choice = Choice::Nothing;
        if connections.wants_nat_rules(at.hook, packet)
            && rules.is_active(TableId::Nat, at.hook)
            && let Some((conn, others)) = packet.conn.and_then(|tag| connections.split(tag))
        {
            choice = match ask(ns, cx, *at, rules, (TableId::Nat, template, copies), (Some(conn), Some(others)), packet)
            {
                RuleVerdict::Nat(manip, range) => Choice::Map(manip, range),
                RuleVerdict::Accept => Choice::Nothing,
                RuleVerdict::Drop | RuleVerdict::Reject(_) => Choice::Drop,
            };
        }
        let verdict = connections.translate(cx.now, at.hook, at.output, packet, choice);
        if before.is_some() && choice != Choice::Nothing {
            let conn = packet.conn.and_then(|tag| connections.conn(tag));
            observe::connection(cx, packet, packet.conn, conn);
        }
        observe::rewritten(self.cx, packet, self.at.hook, "nat", before);
        of(verdict)
    }

    /// `nf_confirm`.
    fn confirm(&mut self, packet: &mut Packet) -> RuleVerdict {
        match self.connections.as_deref_mut() {
            Some(connections) => of(connections.confirm(self.cx.now, packet)),
            None => RuleVerdict::Accept,
        }
    }
}

const fn of(verdict: CtVerdict) -> RuleVerdict {
    match verdict {
        CtVerdict::Accept => RuleVerdict::Accept,
        CtVerdict::Drop => RuleVerdict::Drop,
    }
}

/// Walks the rules of a table.
fn ask(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    at: At,
    rules: &mut Ruleset,
    (table, template, copies): (TableId, &mut Template, &mut Vec<Copy>),
    (conn, others): (Option<&mut Conn>, Option<Others<'_>>),
    packet: &mut Packet,
) -> RuleVerdict {
    let link = |index: IfIndex| ns.devs.get(index).map_or(LinkRef::NONE, |dev| LinkRef::new(index, &dev.name));
    let (input, output) = (link(at.input), link(at.output));
    let (phys_in, phys_out) = match packet.phys {
        (IfIndex::NONE, _) => (LinkRef::NONE, LinkRef::NONE),
        (from, to) => (link(from), link(to)),
    };
    let mut skb = Skb { phys_in, phys_out, conn, template: *template, ..Skb::new(packet, input, output) };
    let mut env = Surroundings {
        now: cx.now,
        space: ns,
        pool: cx.pool,
        copies,
        copying: cx.copying,
        others,
        watched: cx.journey.is_on(),
        traces: Vec::new(),
    };
    let verdict = rules.run(table, at.hook, &mut skb, &mut env);
    *template = skb.template;
    let traces = env.traces;
    observe::rules(cx, packet, traces);
    verdict
}
