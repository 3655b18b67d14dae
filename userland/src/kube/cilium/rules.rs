//! The rules that an agent writes for netfilter. With eBPF host routing packets of pods do not meet them.

use core::fmt::Write;
use core::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// What the rules depend on.
pub(super) struct Facts {
    /// The addresses of this node's pods.
    pub pod_cidr: Ipv4Net,
    /// Nothing that goes to these addresses is masqueraded; `None`: masquerading is off.
    pub excluded: Option<Ipv4Net>,
    /// The address of `cilium_host`.
    pub router: Ipv4Addr,
    /// Packets go to other nodes through a tunnel.
    pub tunnel: bool,
}

/// The set of the addresses of all nodes.
pub(super) const NODES: &str = "cilium_node_set_v4";

/// The chains, by table, and the chain of Linux that leads to each.
const CHAINS: &[(&str, &[(&str, &str)])] = &[
    ("nat", &[("CILIUM_OUTPUT_nat", "OUTPUT"), ("CILIUM_POST_nat", "POSTROUTING"), ("CILIUM_PRE_nat", "PREROUTING")]),
    ("filter", &[("CILIUM_FORWARD", "FORWARD"), ("CILIUM_INPUT", "INPUT"), ("CILIUM_OUTPUT", "OUTPUT")]),
];

/// The text for `iptables-restore --noflush`.
pub(super) fn text(facts: &Facts) -> String {
    let mut text = String::new();
    for (table, chains) in CHAINS {
        let _ = writeln!(text, "*{table}");
        for (chain, _) in *chains {
            let _ = writeln!(text, ":{chain} - [0:0]");
        }
        // In front of kube-proxy's (`prepend-iptables-chains`).
        for (chain, from) in *chains {
            let _ = writeln!(text, "-I {from} 1 -m comment --comment \"cilium-feeder: {chain}\" -j {chain}");
        }
        let rules = if *table == "nat" { nat(facts) } else { filter() };
        for (rule, comment, target) in rules {
            let _ = writeln!(text, "-A {rule} -m comment --comment \"{comment}\" -j {target}");
        }
        text.push_str("COMMIT\n");
    }
    text
}

/// Chain and matches, comment, target.
type Rule = (String, &'static str, String);

fn nat(facts: &Facts) -> Vec<Rule> {
    let mut rules = Vec::new();
    let Facts { pod_cidr, router, .. } = facts;
    if let Some(excluded) = facts.excluded {
        if !facts.tunnel {
            rules.push((
                format!("CILIUM_POST_nat -m set --match-set {NODES} dst"),
                "exclude traffic to cluster nodes from masquerade",
                "ACCEPT".to_owned(),
            ));
        }
        rules.push((
            format!("CILIUM_POST_nat -s {pod_cidr} ! -d {excluded} ! -o cilium_+"),
            "cilium masquerade non-cluster",
            "MASQUERADE".to_owned(),
        ));
        rules.push((
            "CILIUM_POST_nat -m mark --mark 0xa00/0xe00".to_owned(),
            "exclude proxy return traffic from masquerade",
            "ACCEPT".to_owned(),
        ));
        if facts.tunnel {
            rules.push((
                format!("CILIUM_POST_nat ! -s {pod_cidr} ! -d {pod_cidr} -o cilium_host"),
                "cilium host->cluster masquerade",
                format!("SNAT --to-source {router}"),
            ));
        }
        rules.push((
            "CILIUM_POST_nat -s 127.0.0.1/32 -o cilium_host".to_owned(),
            "cilium host->cluster from 127.0.0.1 masquerade",
            format!("SNAT --to-source {router}"),
        ));
        rules.push((
            "CILIUM_POST_nat -o cilium_host -m mark --mark 0xf00/0xf00 -m conntrack --ctstate DNAT".to_owned(),
            "hairpin traffic that originated from a local pod",
            format!("SNAT --to-source {router}"),
        ));
    }
    rules
}

fn filter() -> Vec<Rule> {
    let accept = |rule: &str, comment| (rule.to_owned(), comment, "ACCEPT".to_owned());
    vec![
        accept("CILIUM_FORWARD -o cilium_host", "cilium: any->cluster on cilium_host forward accept"),
        accept("CILIUM_FORWARD -i cilium_host", "cilium: cluster->any on cilium_host forward accept (nodeport)"),
        accept("CILIUM_FORWARD -i lxc+", "cilium: cluster->any on lxc+ forward accept"),
        accept("CILIUM_FORWARD -i cilium_net", "cilium: cluster->any on cilium_net forward accept (nodeport)"),
        accept("CILIUM_INPUT -m mark --mark 0x200/0xf00", "cilium: ACCEPT for proxy traffic"),
        accept("CILIUM_OUTPUT -m mark --mark 0xa00/0xfffffeff", "cilium: ACCEPT for proxy return traffic"),
        (
            "CILIUM_OUTPUT -m mark ! --mark 0xe00/0xf00 -m mark ! --mark 0xd00/0xf00 -m mark ! --mark 0xa00/0xe00"
                .to_owned(),
            "cilium: host->any mark as from host",
            "MARK --set-xmark 0xc00/0xf00".to_owned(),
        ),
    ]
}
