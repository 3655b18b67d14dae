//! Rule sets as the programs of a Kubernetes node write them: kube-proxy's Services, Calico Felix's policies.

use core::fmt::Write;
use core::net::Ipv4Addr;

/// The port of every Service.
pub const SERVICE_PORT: u16 = 53;
/// The port of every endpoint.
pub const ENDPOINT_PORT: u16 = 8080;
/// So many endpoints a Service has at the most.
pub const ENDPOINTS: u32 = 2;

/// What the Services of a cluster are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// A cluster's address and one endpoint each: about five rules.
    Plain,
    /// [`ENDPOINTS`] endpoints each, some with a node port, some with affinity: about nine rules.
    Full,
}

impl Shape {
    const fn endpoints(self) -> u32 {
        match self {
            Shape::Plain => 1,
            Shape::Full => ENDPOINTS,
        }
    }
}

/// The address of a Service.
pub fn service(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a60_0001 + n)
}

/// The address of one of its endpoints.
pub fn endpoint(n: u32, which: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0af4_0001 + n * ENDPOINTS + which)
}

/// The port of every node at which a Service of [`Shape::Full`] is reached, if it has one: each tenth does.
pub const fn node_port(n: u32) -> Option<u32> {
    if n.is_multiple_of(10) { Some(30_000 + n / 10) } else { None }
}

/// Whether a Service of [`Shape::Full`] sends a client to the endpoint that it had before: each fifth does.
pub const fn has_affinity(n: u32) -> bool {
    n % 5 == 3
}

const FILTER: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
:KUBE-EXTERNAL-SERVICES - [0:0]\n:KUBE-FIREWALL - [0:0]\n:KUBE-FORWARD - [0:0]\n:KUBE-PROXY-FIREWALL - [0:0]\n:KUBE-SERVICES - [0:0]\n\
-A INPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL\n\
-A INPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes externally-visible service portals\" -j KUBE-EXTERNAL-SERVICES\n\
-A INPUT -j KUBE-FIREWALL\n\
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes load balancer firewall\" -j KUBE-PROXY-FIREWALL\n\
-A FORWARD -m comment --comment \"kubernetes forwarding rules\" -j KUBE-FORWARD\n\
-A FORWARD -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
-A OUTPUT -j KUBE-FIREWALL\n\
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment \"block incoming localnet connections\" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n\
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n\
-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT\n\
-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
COMMIT\n";

const NAT_RULES: &str = "-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n\
-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING\n\
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000\n\
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n\
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0\n\
-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE --random-fully\n";

/// One rule for each of so many Services over TCP to port 80, all in one chain: the least that a cluster could need.
pub fn one_rule_each(services: u32) -> String {
    let mut text =
        "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n".to_owned();
    for n in 0..services {
        let demand =
            format!("-d {}/32 -p tcp -m comment --comment \"ns/svc-{n} cluster IP\" -m tcp --dport 80", service(n));
        let _ = writeln!(text, "-A KUBE-SERVICES {demand} -j DNAT --to-destination 10.244.1.9:8080");
    }
    text + "COMMIT\n"
}

/// The rules of kube-proxy for so many Services over UDP, for `iptables-restore`.
pub fn kube_proxy(services: u32, shape: Shape) -> String {
    let node_port = |n| node_port(n).filter(|_| shape == Shape::Full);
    let mut text = format!("{FILTER}*nat\n");
    for base in ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"] {
        let _ = writeln!(text, ":{base} ACCEPT [0:0]");
    }
    for chain in ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"] {
        let _ = writeln!(text, ":{chain} - [0:0]");
    }
    for n in 0..services {
        let _ = writeln!(text, ":KUBE-SVC-{n:016X} - [0:0]");
        for which in 0..shape.endpoints() {
            let _ = writeln!(text, ":KUBE-SEP-{:016X} - [0:0]", n * ENDPOINTS + which);
        }
        if node_port(n).is_some() {
            let _ = writeln!(text, ":KUBE-EXT-{n:016X} - [0:0]");
        }
    }
    text.push_str(NAT_RULES);
    (0..services).for_each(|n| put_service(&mut text, n, shape));
    text.push_str(
        "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last rule in this chain\" \
         -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\nCOMMIT\n",
    );
    text
}

fn put_service(text: &mut String, n: u32, shape: Shape) {
    let (endpoints, full) = (shape.endpoints(), shape == Shape::Full);
    let has_affinity = full && has_affinity(n);
    let (addr, name) = (service(n), format!("shop/svc-{n}:dns"));
    let demand =
        format!("-d {addr}/32 -p udp -m comment --comment \"{name} cluster IP\" -m udp --dport {SERVICE_PORT}");
    let _ = writeln!(text, "-A KUBE-SERVICES {demand} -j KUBE-SVC-{n:016X}");
    let _ = writeln!(text, "-A KUBE-SVC-{n:016X} ! -s 10.244.0.0/16 {demand} -j KUBE-MARK-MASQ");
    if let Some(port) = node_port(n).filter(|_| full) {
        let node = format!("-p udp -m comment --comment {name:?} -m udp --dport {port}");
        let _ = writeln!(text, "-A KUBE-NODEPORTS {node} -j KUBE-EXT-{n:016X}");
        let why = format!("masquerade traffic for {name} external destinations");
        let _ = writeln!(text, "-A KUBE-EXT-{n:016X} -m comment --comment {why:?} -j KUBE-MARK-MASQ");
        let _ = writeln!(text, "-A KUBE-EXT-{n:016X} -j KUBE-SVC-{n:016X}");
    }
    let chain = |which| format!("KUBE-SEP-{:016X}", n * ENDPOINTS + which);
    let to = |which| format!("-m comment --comment \"{name} -> {}:{ENDPOINT_PORT}\"", endpoint(n, which));
    let remembered = |which| format!("--name {} --mask 255.255.255.255 --rsource", chain(which));
    if has_affinity {
        for which in 0..endpoints {
            let recent = format!("-m recent --rcheck --seconds 10800 --reap {}", remembered(which));
            let _ = writeln!(text, "-A KUBE-SVC-{n:016X} {} {recent} -j {}", to(which), chain(which));
        }
    }
    for which in 0..endpoints {
        let chance = match endpoints - which {
            1 => String::new(),
            left => format!(" -m statistic --mode random --probability {:.11}", 1.0 / f64::from(left)),
        };
        let _ = writeln!(text, "-A KUBE-SVC-{n:016X} {}{chance} -j {}", to(which), chain(which));
    }
    for which in 0..endpoints {
        let (sep, addr) = (chain(which), endpoint(n, which));
        let set = if has_affinity { format!(" -m recent --set {}", remembered(which)) } else { String::new() };
        let _ = writeln!(text, "-A {sep} -s {addr}/32 -m comment --comment {name:?} -j KUBE-MARK-MASQ");
        let dnat = format!("-m udp -j DNAT --to-destination {addr}:{ENDPOINT_PORT}");
        let _ = writeln!(text, "-A {sep} -p udp -m comment --comment {name:?}{set} {dnat}");
    }
}

/// The sets of Felix, for `ipset restore`: the pools, and for each workload the clients that its policy lets in.
pub fn felix_sets(workloads: u32) -> String {
    let mut text = String::new();
    for pool in ["cali40all-ipam-pools", "cali40masq-ipam-pools"] {
        let _ = writeln!(text, "create {pool} hash:net family inet maxelem 1048576\nadd {pool} 10.244.0.0/16");
    }
    for n in 0..workloads {
        let _ = writeln!(text, "create cali40s:{n:05} hash:net family inet maxelem 1048576");
        let _ = writeln!(text, "add cali40s:{n:05} {}/32", client(n));
    }
    text
}

/// The pod that may talk to a workload.
pub fn client(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0af4_8001 + n)
}

/// The rules of Felix for so many workloads behind links `cali0`, `cali1`, ...: each takes UDP at [`ENDPOINT_PORT`] from its client
/// only.
pub fn felix(workloads: u32) -> String {
    let mut rules = String::new();
    let mut chains: Vec<String> = FELIX_CHAINS.iter().map(|&chain| chain.to_owned()).collect();
    let mut number = 0u32;
    let mut put = |chain: &str, demand: &str, remark: &str, act: &str| {
        number += 1;
        let gap = if demand.is_empty() { "" } else { " " };
        let remark = if remark.is_empty() { String::new() } else { format!(" -m comment --comment {remark:?}") };
        let _ = writeln!(rules, "-A {chain}{gap}{demand} -m comment --comment \"cali:{number:016x}\"{remark} {act}");
    };
    put("FORWARD", "", "", "-j cali-FORWARD");
    put("FORWARD", "", "Policy explicitly accepted packet.", "-m mark --mark 0x10000/0x10000 -j ACCEPT");
    put("FORWARD", "", "", "-j MARK --set-xmark 0x10000/0x10000");
    put("cali-FORWARD", "", "", "-j MARK --set-xmark 0x0/0xe0000");
    put("cali-FORWARD", "-i cali+", "", "-j cali-from-wl-dispatch");
    put("cali-FORWARD", "-o cali+", "", "-j cali-to-wl-dispatch");
    for n in 0..workloads {
        let (from, to, policy) = (format!("cali-fw-cali{n}"), format!("cali-tw-cali{n}"), format!("cali-pi-_{n:05}"));
        put("cali-from-wl-dispatch", &format!("-i cali{n}"), "", &format!("-g {from}"));
        put("cali-to-wl-dispatch", &format!("-o cali{n}"), "", &format!("-g {to}"));
        for chain in [&from, &to] {
            put(chain, "", "", "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
            put(chain, "", "", "-m conntrack --ctstate INVALID -j DROP");
            put(chain, "", "", "-j MARK --set-xmark 0x0/0x10000");
        }
        put(
            &from,
            "-p udp",
            "Drop VXLAN encapped packets originating in workloads",
            "-m multiport --dports 4789 -j DROP",
        );
        put(&from, "", "", "-j cali-pro-kns.default");
        put(&from, "", "Return if profile accepted", "-m mark --mark 0x10000/0x10000 -j RETURN");
        put(&from, "", "Drop if no profiles matched", "-j DROP");
        put(&to, "", "Start of policies", "-j MARK --set-xmark 0x0/0x20000");
        put(&to, "", "", &format!("-m mark --mark 0x0/0x20000 -j {policy}"));
        put(&to, "", "Return if policy accepted", "-m mark --mark 0x10000/0x10000 -j RETURN");
        put(&to, "", "Drop if no policies passed packet", "-m mark --mark 0x0/0x20000 -j DROP");
        let demand = format!("-m set --match-set cali40s:{n:05} src -m multiport --dports {ENDPOINT_PORT}");
        put(
            &policy,
            "-p udp",
            "Policy default/knp.default.in ingress",
            &format!("{demand} -j MARK --set-xmark 0x10000/0x10000"),
        );
        put(&policy, "", "", "-m mark --mark 0x10000/0x10000 -j RETURN");
        chains.extend([from, to, policy]);
    }
    for (chain, word) in [("cali-from-wl-dispatch", "Unknown interface"), ("cali-to-wl-dispatch", "Unknown interface")]
    {
        put(chain, "", word, "-j DROP");
    }
    put("cali-pro-kns.default", "", "Profile kns.default egress", "-j MARK --set-xmark 0x10000/0x10000");
    put("cali-pro-kns.default", "", "", "-m mark --mark 0x10000/0x10000 -j RETURN");
    let chains: String = chains.iter().map(|chain| format!(":{chain} - [0:0]\n")).collect();
    format!(
        "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n{chains}{rules}COMMIT\n{FELIX_NAT}"
    )
}

const FELIX_CHAINS: [&str; 4] =
    ["cali-FORWARD", "cali-from-wl-dispatch", "cali-to-wl-dispatch", "cali-pro-kns.default"];

const FELIX_NAT: &str = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n\
:cali-POSTROUTING - [0:0]\n:cali-nat-outgoing - [0:0]\n\
-A POSTROUTING -m comment --comment \"cali:00000000000000a1\" -j cali-POSTROUTING\n\
-A cali-POSTROUTING -m comment --comment \"cali:00000000000000a2\" -j cali-nat-outgoing\n\
-A cali-nat-outgoing -m comment --comment \"cali:00000000000000a3\" -m set --match-set cali40masq-ipam-pools src -m set ! --match-set cali40all-ipam-pools dst -j MASQUERADE --random-fully\n\
COMMIT\n";
