//! The text for `iptables-restore --noflush`, in the order in which `syncProxyRules` of kube-proxy 1.28 writes it.

use core::fmt::Write;
use core::net::Ipv4Addr;
use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::names::{endpoint_chain, service_chain};
use super::ports::{Backend, Port};

/// A rule of a built-in chain that leads to a chain of kube-proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Jump {
    /// The table.
    pub table: &'static str,
    /// The built-in chain.
    pub from: &'static str,
    /// The chain it leads to.
    pub to: &'static str,
    /// The remark.
    pub remark: &'static str,
    /// Whether it is for new connections only.
    pub new: bool,
}

const fn jump(table: &'static str, from: &'static str, to: &'static str, remark: &'static str, new: bool) -> Jump {
    Jump { table, from, to, remark, new }
}

/// The rules that are put at the beginning of built-in chains, one after the other (`iptablesJumpChains`).
pub const JUMPS: &[Jump] = &[
    jump("filter", "INPUT", "KUBE-EXTERNAL-SERVICES", "kubernetes externally-visible service portals", true),
    jump("filter", "FORWARD", "KUBE-EXTERNAL-SERVICES", "kubernetes externally-visible service portals", true),
    jump("filter", "INPUT", "KUBE-NODEPORTS", "kubernetes health check service ports", false),
    jump("filter", "FORWARD", "KUBE-SERVICES", "kubernetes service portals", true),
    jump("filter", "OUTPUT", "KUBE-SERVICES", "kubernetes service portals", true),
    jump("filter", "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules", false),
    jump("filter", "INPUT", "KUBE-PROXY-FIREWALL", "kubernetes load balancer firewall", true),
    jump("filter", "OUTPUT", "KUBE-PROXY-FIREWALL", "kubernetes load balancer firewall", true),
    jump("filter", "FORWARD", "KUBE-PROXY-FIREWALL", "kubernetes load balancer firewall", true),
    jump("nat", "OUTPUT", "KUBE-SERVICES", "kubernetes service portals", false),
    jump("nat", "PREROUTING", "KUBE-SERVICES", "kubernetes service portals", false),
    jump("nat", "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules", false),
];

/// What was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written {
    /// The text.
    pub text: Arc<str>,
    /// The chains of Services and endpoints in it.
    pub chains: Arc<BTreeSet<String>>,
}

/// The rules while they are written: the chains and rules of both tables.
#[derive(Default)]
struct Rules {
    filter: String,
    nat: String,
    chains: BTreeSet<String>,
    /// The addresses of all pods: who has another one comes from outside.
    pods: Option<Ipv4Net>,
}

macro_rules! put {
    ($text:expr, $($words:tt)*) => {{
        // Writing into a string cannot fail.
        let _ = writeln!($text, $($words)*);
    }};
}

/// Writes the rules of a node. `pods` are the addresses of all pods (`--cluster-cidr`); `before` are the chains that are there from
/// the last time, of which those that are not needed any more are taken away.
pub fn write(ports: &[Port], pods: Option<Ipv4Net>, before: &BTreeSet<String>) -> Written {
    let mut rules = Rules { pods, ..Rules::default() };
    ports.iter().for_each(|port| rules.port(port));
    let mut text = String::from("*filter\n");
    for chain in ["KUBE-NODEPORTS", "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-FORWARD", "KUBE-PROXY-FIREWALL"] {
        put!(text, ":{chain} - [0:0]");
    }
    text.push_str(&rules.filter);
    text.push_str(FORWARD);
    text.push_str("COMMIT\n*nat\n");
    for chain in ["KUBE-NODEPORTS", "KUBE-SERVICES", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"] {
        put!(text, ":{chain} - [0:0]");
    }
    let gone: Vec<&String> = before.difference(&rules.chains).collect();
    for chain in rules.chains.iter().chain(gone.iter().copied()) {
        put!(text, ":{chain} - [0:0]");
    }
    text.push_str(MASQUERADE);
    text.push_str(&rules.nat);
    text.push_str(LAST);
    for chain in gone {
        put!(text, "-X {chain}");
    }
    text.push_str("COMMIT\n");
    Written { text: text.into(), chains: Arc::new(rules.chains) }
}

const FORWARD: &str = "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n\
-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x00004000/0x00004000 -j ACCEPT\n\
-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n";

const MASQUERADE: &str = "-A KUBE-POSTROUTING -m mark ! --mark 0x00004000/0x00004000 -j RETURN\n\
-A KUBE-POSTROUTING -j MARK --xor-mark 0x00004000\n\
-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully\n\
-A KUBE-MARK-MASQ -j MARK --or-mark 0x00004000\n";

const LAST: &str = "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" \
-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n";

/// What a Service's port is about, in the words of its rules.
struct Words<'a> {
    name: &'a str,
    protocol: &'static str,
    cluster: String,
    local: String,
    external: String,
}

impl Rules {
    fn port(&mut self, port: &Port) {
        let (name, protocol) = (&*port.name, port.protocol.lower());
        let chain = |kind| service_chain(kind, name, protocol);
        let words = Words { name, protocol, cluster: chain("SVC"), local: chain("SVL"), external: chain("EXT") };
        let (everywhere, here) = (port.everywhere(), port.here());
        let pick = |local: bool| if local { &here } else { &everywhere };
        let (inside, outside) = (pick(port.internal_local), pick(port.external_local));
        // What is said about a port that leads nowhere, and what happens to its packets.
        let nowhere = |local: bool| match local && !everywhere.is_empty() {
            true => ("has no local endpoints", "DROP"),
            false => ("has no endpoints", "REJECT"),
        };
        let internal = if port.internal_local { &words.local } else { &words.cluster };
        if let Some(address) = port.address {
            let to = format!("-m {protocol} -p {protocol} -d {address} --dport {}", port.port);
            if inside.is_empty() {
                let (why, act) = nowhere(port.internal_local);
                put!(self.filter, "-A KUBE-SERVICES -m comment --comment \"{name} {why}\" {to} -j {act}");
            } else {
                put!(self.nat, "-A KUBE-SERVICES -m comment --comment \"{name} cluster IP\" {to} -j {internal}");
                if let Some(pods) = self.pods {
                    let demand = format!("-m comment --comment \"{name} cluster IP\" {to} ! -s {pods}");
                    put!(self.nat, "-A {internal} {demand} -j KUBE-MARK-MASQ");
                }
            }
        }
        if port.is_external() {
            let refusal = outside.is_empty().then(|| nowhere(port.external_local));
            self.external(port, &words, !everywhere.is_empty(), refusal);
        }
        let cluster_used = !everywhere.is_empty() && (!port.internal_local || port.is_external());
        let local_used = !here.is_empty() && (port.internal_local || port.is_external() && port.external_local);
        if cluster_used {
            self.service(port, &words, &words.cluster, &everywhere);
        }
        if local_used {
            self.service(port, &words, &words.local, &here);
        }
        let mut used: Vec<&Backend> = if cluster_used { everywhere } else { Vec::new() };
        if local_used {
            used.extend(here.iter().filter(|backend| !used.contains(backend)).copied().collect::<Vec<_>>());
        }
        used.into_iter().for_each(|backend| self.endpoint(port, &words, backend));
    }

    /// Node ports and other addresses. `refusal`: no endpoint may be used for them.
    fn external(&mut self, port: &Port, words: &Words<'_>, reachable: bool, refusal: Option<(&str, &str)>) {
        let Words { name, protocol, cluster, local, external } = words;
        let others = port
            .external
            .iter()
            .map(|a| (a, "external IP"))
            .chain(port.balancer.iter().map(|a| (a, "loadbalancer IP")));
        for (address, what) in others {
            let to = format!("-m {protocol} -p {protocol} -d {address} --dport {}", port.port);
            if reachable {
                put!(self.nat, "-A KUBE-SERVICES -m comment --comment \"{name} {what}\" {to} -j {external}");
            }
            if let Some((why, act)) = refusal {
                put!(self.filter, "-A KUBE-EXTERNAL-SERVICES -m comment --comment \"{name} {why}\" {to} -j {act}");
            }
        }
        if let Some(node_port) = port.node_port {
            let to = format!("-m {protocol} -p {protocol} --dport {node_port}");
            if reachable {
                put!(self.nat, "-A KUBE-NODEPORTS -m comment --comment {name} {to} -j {external}");
            }
            if let Some((why, act)) = refusal {
                let to = format!("-m addrtype --dst-type LOCAL {to}");
                put!(self.filter, "-A KUBE-EXTERNAL-SERVICES -m comment --comment \"{name} {why}\" {to} -j {act}");
            }
        }
        if !reachable {
            return;
        }
        self.chains.insert(external.clone());
        let remark = |what: &str| format!("-m comment --comment \"{what} {name} external destinations\"");
        if port.external_local {
            if let Some(pods) = self.pods {
                put!(self.nat, "-A {external} {} -s {pods} -j {cluster}", remark("pod traffic for"));
            }
            let own = "-m addrtype --src-type LOCAL";
            put!(self.nat, "-A {external} {} {own} -j KUBE-MARK-MASQ", remark("masquerade LOCAL traffic for"));
            put!(self.nat, "-A {external} {} {own} -j {cluster}", remark("route LOCAL traffic for"));
        } else {
            put!(self.nat, "-A {external} {} -j KUBE-MARK-MASQ", remark("masquerade traffic for"));
        }
        if refusal.is_none() {
            put!(self.nat, "-A {external} -j {}", if port.external_local { local } else { cluster });
        }
    }

    /// From a Service's chain to those of its endpoints (`writeServiceToEndpointRules`).
    fn service(&mut self, port: &Port, words: &Words<'_>, chain: &str, backends: &[&Backend]) {
        self.chains.insert(chain.to_owned());
        let target = |backend: &Backend| {
            let at = shown(backend.at);
            (
                endpoint_chain(words.name, words.protocol, &at),
                format!("-m comment --comment \"{} -> {at}\"", words.name),
            )
        };
        if let Some(seconds) = port.affinity {
            for backend in backends {
                let (to, remark) = target(backend);
                let recent = format!("-m recent --name {to} --rcheck --seconds {seconds} --reap");
                put!(self.nat, "-A {chain} {remark} {recent} -j {to}");
            }
        }
        for (index, backend) in backends.iter().enumerate() {
            let (to, remark) = target(backend);
            let chance = match backends.len() - index {
                1 => String::new(),
                left => format!(" -m statistic --mode random --probability {:.10}", 1.0 / left as f64),
            };
            put!(self.nat, "-A {chain} {remark}{chance} -j {to}");
        }
    }

    fn endpoint(&mut self, port: &Port, words: &Words<'_>, backend: &Backend) {
        let Words { name, protocol, .. } = words;
        let at = shown(backend.at);
        let chain = endpoint_chain(name, protocol, &at);
        put!(self.nat, "-A {chain} -m comment --comment {name} -s {} -j KUBE-MARK-MASQ", backend.at.0);
        let set = if port.affinity.is_some() { format!(" -m recent --name {chain} --set") } else { String::new() };
        let act = format!("-m {protocol} -p {protocol} -j DNAT --to-destination {at}");
        put!(self.nat, "-A {chain} -m comment --comment {name}{set} {act}");
        self.chains.insert(chain);
    }
}

fn shown(at: (Ipv4Addr, u16)) -> String {
    format!("{}:{}", at.0, at.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port() -> Port {
        let backend = |last, local| Backend { at: (Ipv4Addr::new(10, 244, 1, last), 8080), local, ready: true };
        Port {
            name: "default/web".into(),
            address: Some(Ipv4Addr::new(10, 96, 0, 80)),
            port: 80,
            node_port: Some(30_080),
            backends: vec![backend(2, true), backend(3, false)],
            ..Port::default()
        }
    }

    fn nat(port: &Port) -> Vec<String> {
        let pods = Some("10.244.0.0/16".parse().unwrap());
        let text = write(core::slice::from_ref(port), pods, &BTreeSet::new()).text;
        let named = |line: &&str| line.contains("default/web") || line.contains("-A KUBE-EXT-");
        text.lines().filter(named).map(str::to_owned).collect()
    }

    #[test]
    fn a_node_port_with_two_endpoints() {
        let (svc, ext) = ("KUBE-SVC-LOLE4ISW44XBNF3G", "KUBE-EXT-LOLE4ISW44XBNF3G");
        let lines = nat(&port());
        let to = "-m comment --comment \"default/web cluster IP\" -m tcp -p tcp -d 10.96.0.80 --dport 80";
        assert_eq!(lines[0], format!("-A KUBE-SERVICES {to} -j {svc}"));
        assert_eq!(lines[1], format!("-A {svc} {to} ! -s 10.244.0.0/16 -j KUBE-MARK-MASQ"));
        assert_eq!(
            lines[2],
            format!("-A KUBE-NODEPORTS -m comment --comment default/web -m tcp -p tcp --dport 30080 -j {ext}")
        );
        assert_eq!(lines[4], format!("-A {ext} -j {svc}"));
        assert!(lines[5].contains("-m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-"));
        assert!(lines[6].contains("\"default/web -> 10.244.1.3:8080\" -j KUBE-SEP-"));
        assert_eq!(lines.len(), 11);
    }

    #[test]
    fn local_policies() {
        let lines = nat(&Port { external_local: true, ..port() });
        assert!(
            lines.iter().any(
                |l| l.contains("pod traffic for default/web external destinations\" -s 10.244.0.0/16 -j KUBE-SVC-")
            )
        );
        assert!(lines.iter().any(|l| l.starts_with("-A KUBE-EXT-") && l.contains(" -j KUBE-SVL-")));
        let mut remote = Port { external_local: true, ..port() };
        remote.backends.iter_mut().for_each(|backend| backend.local = false);
        let lines = nat(&remote);
        assert!(lines.iter().any(|l| l.ends_with("--dport 30080 -j DROP") && l.contains("has no local endpoints")));
        assert!(!lines.iter().any(|l| l.contains("KUBE-SVL-")));
    }

    #[test]
    fn without_endpoints() {
        let lines = nat(&Port { backends: Vec::new(), ..port() });
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("-A KUBE-SERVICES -m comment --comment \"default/web has no endpoints\""));
        assert!(lines[1].contains("--dst-type LOCAL") && lines[1].ends_with("-j REJECT"));
    }

    #[test]
    fn chains_that_are_not_needed_go() {
        let first = write(&[port()], None, &BTreeSet::new());
        let second = write(&[], None, &first.chains);
        assert!(first.chains.iter().all(|chain| second.text.contains(&format!("-X {chain}\n"))));
        assert_eq!(second.chains.len(), 0);
    }
}
