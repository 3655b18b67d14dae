//! Policies and profiles as chains (`policy.go`): a rule that matches sets a bit of the mark, and the chain returns.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::rule::{Chain, Rule, chain_name};
use super::sets::{IpSet, name_of, of_selector};
use super::{Endpoint, mark};
use crate::calico::selector::Selector;

/// What a rule of a policy says.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub enum Action {
    /// Let it in.
    Allow,
    /// Drop it.
    Deny,
    /// Leave it to the profiles.
    Pass,
    /// Write a line into the kernel's log, and go on.
    Log,
}

/// Ports from the first to the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports(pub u16, pub u16);

/// One end of the packets that a rule means.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Entity {
    /// One of these networks; any if there are none.
    pub nets: Vec<Ipv4Net>,
    /// None of these.
    pub not_nets: Vec<Ipv4Net>,
    /// A workload that this selector finds.
    pub selector: Option<Selector>,
    /// None that this one finds.
    pub not_selector: Option<Selector>,
    /// One of these ports; any if there are none.
    pub ports: Vec<Ports>,
    /// None of these.
    pub not_ports: Vec<Ports>,
}

/// A rule of a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyRule {
    /// What it says.
    pub action: Action,
    /// The protocol as iptables knows it: a name in small letters or a number.
    pub protocol: Option<String>,
    /// Any but this protocol.
    pub not_protocol: Option<String>,
    /// The type, and perhaps the code, of an ICMP message.
    pub icmp: Option<(u8, Option<u8>)>,
    /// Where packets come from.
    pub source: Entity,
    /// Where they go.
    pub destination: Entity,
}

/// A policy for the workloads that its selector finds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The namespace; empty for one that holds everywhere.
    pub namespace: String,
    /// The name as Felix knows it: `knp.default.NAME` for one of Kubernetes, `default.NAME` for one of Calico.
    pub name: String,
    /// For whom it is.
    pub selector: Selector,
    /// What may come in; `None` if it does not speak of that.
    pub ingress: Option<Vec<PolicyRule>>,
    /// What may go out; `None` if it does not speak of that.
    pub egress: Option<Vec<PolicyRule>>,
}

impl Policy {
    /// The name by which chains are called.
    pub(super) fn id(&self) -> String {
        if self.namespace.is_empty() { self.name.clone() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

/// The chains of a policy.
pub(super) fn chains(policy: &Policy) -> Vec<Chain> {
    let id = policy.id();
    let chain = |prefix: &str, way: &str, rules: &Option<Vec<PolicyRule>>| {
        let rules = rules.iter().flatten().flat_map(rules_of).collect();
        Chain::new(chain_name(prefix, &id), commented(rules, &format!("Policy {id} {way}")))
    };
    vec![chain("cali-pi-", "ingress", &policy.ingress), chain("cali-po-", "egress", &policy.egress)]
}

/// Calico says of each policy's first rule whose it is; returns at the end would do nothing and are left out.
fn commented(mut rules: Vec<Rule>, comment: &str) -> Vec<Rule> {
    while rules.last().is_some_and(Rule::returns) {
        rules.pop();
    }
    match rules.first_mut() {
        Some(first) => *first = core::mem::take(first).saying(comment),
        None => rules.push(Rule::default().saying(comment)),
    }
    rules
}

/// The chains of a profile. That of a namespace lets everything through; that of a service account says nothing.
pub(super) fn profile_chains(profile: &str) -> [Chain; 2] {
    [("cali-pri-", "ingress"), ("cali-pro-", "egress")].map(|(prefix, way)| {
        let rules = match profile.starts_with("kns.") {
            true => vec![Rule::set_mark(mark::ACCEPT), Rule::jump("RETURN").when_marked(mark::ACCEPT)],
            false => Vec::new(),
        };
        Chain::new(chain_name(prefix, profile), commented(rules, &format!("Profile {profile} {way}")))
    })
}

/// The sets that the rules of a policy ask.
pub(super) fn sets(policy: &Policy, endpoints: &[Endpoint]) -> Vec<IpSet> {
    let rules = policy.ingress.iter().chain(&policy.egress).flatten();
    let ends = rules.flat_map(|rule| [&rule.source, &rule.destination]);
    let selectors = ends.flat_map(|end| end.selector.iter().chain(&end.not_selector));
    selectors.map(|selector| of_selector(selector, endpoints)).collect()
}

/// The two ends of a packet as iptables calls them.
struct Side {
    net: &'static str,
    set: &'static str,
    ports: &'static str,
}

const SOURCE: Side = Side { net: "--source", set: "src", ports: "--source-ports" };
const DESTINATION: Side = Side { net: "--destination", set: "dst", ports: "--destination-ports" };

/// A rule of a policy as rules of iptables. What one rule cannot ask (several networks or more than fifteen ports of one end) is asked in
/// blocks before, which leave their answer in a scratch bit.
fn rules_of(rule: &PolicyRule) -> Vec<Rule> {
    let mut blocks = Blocks::default();
    let ends = [(&SOURCE, &rule.source), (&DESTINATION, &rule.destination)];
    for (side, end) in ends {
        let splits = split(&end.ports);
        if splits.len() > 1 {
            let asked = splits.iter().map(|ports| protocol(rule).chain([multiport(side, ports)]).collect());
            blocks.any(asked.collect());
        }
    }
    for (side, end) in ends.into_iter().filter(|(_, end)| end.nets.len() > 1) {
        blocks.any(end.nets.iter().map(|net| vec![format!("{} {net}", side.net)]).collect());
    }
    for (side, end) in ends.into_iter().filter(|(_, end)| negated_apart(end)) {
        blocks.none(end.not_nets.iter().map(|net| format!("{} {net}", side.net)));
    }
    let mut demands: Vec<String> = protocol(rule).collect();
    ends.iter().for_each(|(side, end)| positive(side, end, &mut demands));
    if let Some((kind, code)) = rule.icmp {
        let code = code.map(|code| format!("/{code}")).unwrap_or_default();
        demands.push(format!("-m icmp --icmp-type {kind}{code}"));
    }
    demands.extend(rule.not_protocol.iter().map(|name| format!("! -p {name}")));
    ends.iter().for_each(|(side, end)| negative(side, end, &mut demands));
    if !blocks.rules.is_empty() {
        demands.push(format!("-m mark --mark {0:#x}/{0:#x}", mark::SCRATCH0));
    }
    let mut rules = blocks.rules;
    rules.extend(acts(rule.action, demands));
    rules
}

fn acts(action: Action, demands: Vec<String>) -> Vec<Rule> {
    let demanding = |rule: Rule| demands.iter().fold(rule, |rule, demand| rule.when(demand.clone()));
    let bit = |bit: u32| vec![demanding(Rule::set_mark(bit)), Rule::jump("RETURN").when_marked(bit)];
    match action {
        Action::Allow => bit(mark::ACCEPT),
        Action::Pass => bit(mark::PASS),
        Action::Deny => vec![demanding(Rule::jump("DROP"))],
        Action::Log => vec![demanding(Rule::jump("LOG --log-prefix \"calico-packet: \" --log-level 5"))],
    }
}

fn protocol(rule: &PolicyRule) -> impl Iterator<Item = String> {
    rule.protocol.iter().map(|name| format!("-p {name}"))
}

/// Whether networks that must not match need a block of their own: a rule has one place for a network of each end.
fn negated_apart(end: &Entity) -> bool {
    !end.not_nets.is_empty() && usize::from(end.nets.len() == 1) + end.not_nets.len() > 1
}

fn positive(side: &Side, end: &Entity, demands: &mut Vec<String>) {
    if let [net] = end.nets[..] {
        demands.push(format!("{} {net}", side.net));
    }
    demands.extend(end.selector.iter().map(|s| format!("-m set --match-set {} {}", name_of(s), side.set)));
    if let [ports] = &split(&end.ports)[..] {
        demands.push(multiport(side, ports));
    }
}

fn negative(side: &Side, end: &Entity, demands: &mut Vec<String>) {
    if let ([net], false) = (&end.not_nets[..], negated_apart(end)) {
        demands.push(format!("! {} {net}", side.net));
    }
    demands.extend(end.not_selector.iter().map(|s| format!("-m set ! --match-set {} {}", name_of(s), side.set)));
    for ports in split(&end.not_ports) {
        demands.push(multiport(side, &ports).replacen("-m multiport ", "-m multiport ! ", 1));
    }
}

fn multiport(side: &Side, ports: &[Ports]) -> String {
    let one = |Ports(first, last): &Ports| if first == last { first.to_string() } else { format!("{first}:{last}") };
    format!("-m multiport {} {}", side.ports, ports.iter().map(one).collect::<Vec<_>>().join(","))
}

/// One `multiport` has fifteen places; a range takes two.
fn split(ports: &[Ports]) -> Vec<Vec<Ports>> {
    let (mut splits, mut free) = (Vec::<Vec<Ports>>::new(), 0);
    for port in ports {
        let needed = 1 + usize::from(port.0 != port.1);
        if free < needed {
            splits.push(Vec::new());
            free = 15;
        }
        free -= needed;
        splits.iter_mut().last().into_iter().for_each(|split| split.push(*port));
    }
    splits
}

/// The blocks before a rule (`matchBlockBuilder`): [`mark::SCRATCH0`] says at the end whether all of them matched.
#[derive(Default)]
struct Blocks {
    rules: Vec<Rule>,
    has_positive: bool,
}

impl Blocks {
    fn begin(&mut self, bits: u32) {
        if self.rules.is_empty() {
            self.rules.push(Rule::set_masked_mark(bits, mark::SCRATCH0 | mark::SCRATCH1));
        }
    }

    /// One of these must match.
    fn any(&mut self, demands: Vec<Vec<String>>) {
        self.begin(0);
        let bit = if self.has_positive { mark::SCRATCH1 } else { mark::SCRATCH0 };
        let asking = |demands: Vec<String>| demands.into_iter().fold(Rule::set_mark(bit), Rule::when);
        self.rules.extend(demands.into_iter().map(asking));
        if self.has_positive {
            self.rules.push(Rule::clear_mark(mark::SCRATCH0).when_unmarked(mark::SCRATCH1));
        }
        self.has_positive = true;
    }

    /// None of these may match.
    fn none(&mut self, demands: impl Iterator<Item = String>) {
        self.begin(mark::SCRATCH0);
        self.rules.extend(demands.map(|demand| Rule::clear_mark(mark::SCRATCH0).when(demand)));
    }
}
