//! The chains that every node has, whatever runs on it (`static.go`).

use super::rule::{Base, Chain, Rule, Table, Tables};
use super::{ToHost, View, mark};

/// The links of workloads.
const WORKLOADS: &str = "cali+";
/// The port of VXLAN.
const VXLAN: &str = "-m multiport --destination-ports 4789";

/// Host endpoints are not modelled: their chains are there and empty, as on a node that has none.
fn empty(names: &[&str]) -> Vec<Chain> {
    names.iter().map(|name| Chain::new(*name, Vec::new())).collect()
}

fn first(name: &'static str, chain: &str) -> Base {
    Base { name, first: vec![Rule::jump(chain)], last: Vec::new() }
}

fn accepted(act: &str) -> Rule {
    Rule::jump(act).when_marked(mark::ACCEPT)
}

fn host_accepted(act: &str) -> Rule {
    accepted(act).saying("Host endpoint policy accepted packet.")
}

/// All tables without what belongs to single workloads.
pub(super) fn tables(view: &View) -> Tables {
    Tables { raw: raw(view), mangle: mangle(), nat: nat(view), filter: filter(view) }
}

fn filter(view: &View) -> Table {
    let forward = Base {
        name: "FORWARD",
        first: vec![Rule::jump("cali-FORWARD")],
        last: vec![accepted("ACCEPT").saying("Policy explicitly accepted packet."), Rule::set_mark(mark::ACCEPT)],
    };
    let mut chains = empty(&[
        "cali-cidr-block",
        "cali-from-hep-forward",
        "cali-from-host-endpoint",
        "cali-to-hep-forward",
        "cali-to-host-endpoint",
    ]);
    chains.extend([filter_forward(), filter_input(view), filter_output(view), workload_to_host(view.to_host)]);
    Table { bases: vec![first("INPUT", "cali-INPUT"), forward, first("OUTPUT", "cali-OUTPUT")], chains }
}

fn filter_forward() -> Chain {
    let rules = vec![
        Rule::clear_mark(mark::ALL & !mark::ACCEPT),
        Rule::jump("cali-from-hep-forward").when_unmarked(mark::ACCEPT),
        Rule::jump("cali-from-wl-dispatch").on_input(WORKLOADS),
        Rule::jump("cali-to-wl-dispatch").on_output(WORKLOADS),
        Rule::jump("cali-to-hep-forward"),
        Rule::jump("cali-cidr-block"),
    ];
    Chain::new("cali-FORWARD", rules)
}

fn filter_input(view: &View) -> Chain {
    let mut rules = Vec::new();
    if view.ipip {
        let known = "-m set --match-set cali40all-hosts-net src -m addrtype --dst-type LOCAL";
        rules.extend([
            Rule::jump("ACCEPT").saying("Allow IPIP packets from Calico hosts").when("-p 4").when(known),
            Rule::jump("DROP").saying("Drop IPIP packets from non-Calico hosts").when("-p 4"),
        ]);
    }
    if view.vxlan {
        let port = |rule: Rule| rule.when("-p 17").when(VXLAN);
        let known = "-m set --match-set cali40all-vxlan-net src -m addrtype --dst-type LOCAL";
        rules.extend([
            port(Rule::jump("ACCEPT").saying("Allow IPv4 VXLAN packets from allowed hosts")).when(known),
            port(Rule::jump("DROP").saying("Drop IPv4 VXLAN packets from non-allowed hosts"))
                .when("-m addrtype --dst-type LOCAL"),
        ]);
    }
    rules.extend([
        Rule::goto("cali-wl-to-host").on_input(WORKLOADS),
        accepted("ACCEPT"),
        Rule::clear_mark(mark::ALL),
        Rule::jump("cali-from-host-endpoint"),
        host_accepted("ACCEPT"),
    ]);
    Chain::new("cali-INPUT", rules)
}

fn filter_output(view: &View) -> Chain {
    let mut rules = vec![accepted("ACCEPT"), Rule::jump("RETURN").on_output(WORKLOADS)];
    if view.ipip {
        let known = "-m set --match-set cali40all-hosts-net dst -m addrtype --src-type LOCAL";
        rules.push(Rule::jump("ACCEPT").saying("Allow IPIP packets to other Calico hosts").when("-p 4").when(known));
    }
    if view.vxlan {
        let rule =
            Rule::jump("ACCEPT").saying("Allow IPv4 VXLAN packets to other allowed hosts").when("-p 17").when(VXLAN);
        rules.push(rule.when("-m addrtype --src-type LOCAL -m set --match-set cali40all-vxlan-net dst"));
    }
    rules.extend([
        Rule::clear_mark(mark::ALL),
        Rule::jump("cali-to-host-endpoint").when("-m conntrack ! --ctstate DNAT"),
        host_accepted("ACCEPT"),
    ]);
    Chain::new("cali-OUTPUT", rules)
}

fn workload_to_host(action: ToHost) -> Chain {
    let action = match action {
        ToHost::Accept => "ACCEPT",
        ToHost::Return => "RETURN",
        ToHost::Drop => "DROP",
    };
    let configured = Rule::jump(action).saying("Configured DefaultEndpointToHostAction");
    Chain::new("cali-wl-to-host", vec![Rule::jump("cali-from-wl-dispatch"), configured])
}

fn nat(view: &View) -> Table {
    let mut postrouting = vec![Rule::jump("cali-fip-snat"), Rule::jump("cali-nat-outgoing")];
    let tunnels = [(view.ipip, "tunl0"), (view.vxlan, "vxlan.calico")];
    for (_, link) in tunnels.into_iter().filter(|(used, _)| *used) {
        let local = "-m addrtype ! --src-type LOCAL --limit-iface-out -m addrtype --src-type LOCAL";
        postrouting.push(Rule::masquerade().on_output(link).when(local));
    }
    let outgoing = view.pools.iter().any(|pool| pool.nat_outgoing).then(|| {
        Rule::masquerade()
            .when("-m set --match-set cali40masq-ipam-pools src")
            .when("-m set ! --match-set cali40all-ipam-pools dst")
    });
    let mut chains = empty(&["cali-fip-dnat", "cali-fip-snat"]);
    chains.extend([
        Chain::new("cali-PREROUTING", vec![Rule::jump("cali-fip-dnat")]),
        Chain::new("cali-OUTPUT", vec![Rule::jump("cali-fip-dnat")]),
        Chain::new("cali-POSTROUTING", postrouting),
        Chain::new("cali-nat-outgoing", outgoing.into_iter().collect()),
    ]);
    let bases = vec![
        first("PREROUTING", "cali-PREROUTING"),
        first("OUTPUT", "cali-OUTPUT"),
        first("POSTROUTING", "cali-POSTROUTING"),
    ];
    Table { bases, chains }
}

fn mangle() -> Table {
    let prerouting = vec![
        Rule::jump("ACCEPT").when("-m conntrack --ctstate RELATED,ESTABLISHED"),
        accepted("ACCEPT"),
        Rule::jump("cali-from-host-endpoint"),
        host_accepted("ACCEPT"),
    ];
    let postrouting = vec![
        accepted("RETURN"),
        Rule::clear_mark(mark::ALL),
        Rule::jump("cali-to-host-endpoint").when("-m conntrack --ctstate DNAT"),
        host_accepted("RETURN"),
    ];
    let mut chains = empty(&["cali-from-host-endpoint", "cali-to-host-endpoint"]);
    chains.extend([Chain::new("cali-PREROUTING", prerouting), Chain::new("cali-POSTROUTING", postrouting)]);
    Table { bases: vec![first("PREROUTING", "cali-PREROUTING"), first("POSTROUTING", "cali-POSTROUTING")], chains }
}

fn raw(view: &View) -> Table {
    let untracked = || Rule::jump("NOTRACK").when("-p udp").when("-m udp --destination-port 4789");
    let mut prerouting = vec![Rule::clear_mark(mark::ALL)];
    prerouting.extend(view.vxlan.then(untracked));
    prerouting.extend([
        Rule::set_mark(mark::SCRATCH0).on_input(WORKLOADS),
        Rule::jump("cali-rpf-skip").when_marked(mark::SCRATCH0),
        Rule::jump("DROP").when_marked(mark::SCRATCH0).when("-m rpfilter --invert --validmark"),
        Rule::jump("cali-from-host-endpoint").when_unmarked(mark::SCRATCH0),
        accepted("ACCEPT"),
    ]);
    let mut output = vec![Rule::clear_mark(mark::ALL), Rule::jump("cali-to-host-endpoint")];
    output.extend(view.vxlan.then(untracked));
    output.push(accepted("ACCEPT"));
    let mut chains = empty(&["cali-from-host-endpoint", "cali-rpf-skip", "cali-to-host-endpoint"]);
    chains.extend([Chain::new("cali-PREROUTING", prerouting), Chain::new("cali-OUTPUT", output)]);
    Table { bases: vec![first("PREROUTING", "cali-PREROUTING"), first("OUTPUT", "cali-OUTPUT")], chains }
}
