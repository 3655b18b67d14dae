//! Cilium on two nodes: what the document on its native routing shows, and what host routing makes different.

use std::sync::Arc;

use hopwise_cluster::object::pod::Container;
use hopwise_cluster::object::{ObjectMeta, Pod};
use hopwise_sim_core::Duration;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;
use hopwise_userland::kube::{Cluster, CniPlugin, Member, registry};
use serde_json::{Value, json};

/// The pods of the document: the node, the name, and how commands here call it.
const PODS: [(&str, &str, &str); 2] =
    [("node-1", "cni-test-777bbd57c8-2f986", "pod1"), ("node-2", "cni-test-777bbd57c8-7q4zh", "pod2")];

const WIRE: WireSpec =
    WireSpec { mtu: 1500, delay: Duration::ZERO, rate: 0, loss_ppm: 0, jitter: Duration::ZERO, number: 0 };

fn settings(more: Value) -> Arc<dyn CniPlugin> {
    let mut all = json!({
        "tunnel": "disabled",
        "native-routing-cidr": "10.0.0.0/16",
        "auto-direct-node-routes": "true",
        "debug": "true",
        "drawn": {
            "identities": [3352],
            "endpoints": { "node-2": 385, PODS[0].1: 1445, PODS[1].1: 1580 },
            "addresses": { "third": "10.0.0.86", PODS[0].1: "10.0.0.85", PODS[1].1: "10.0.1.124" },
        },
    });
    let map = all.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    (registry::find("cilium").unwrap().make)(map).unwrap()
}

/// Two nodes on a segment, each with a pod.
fn world(more: Value) -> World {
    let mut world = World::new(1);
    let (first, second) = (world.add_machine("node-1"), world.add_machine("node-2"));
    world.connect((first, "ens33"), (second, "ens33"), WIRE).unwrap();
    run(&mut world, "node-1", "ip addr add 192.168.0.120/24 dev ens33");
    run(&mut world, "node-2", "ip addr add 192.168.0.130/24 dev ens33");
    let cluster = Cluster {
        cni: Some(settings(more)),
        pod_cidr: "10.0.0.0/16".parse().unwrap(),
        nodes: vec![Member::named("node-1"), Member::named("node-2")],
        ..Cluster::default()
    };
    world.start_cluster(cluster).unwrap();
    assert!(world.wait_for_nodes(Duration::from_secs(60)), "{}", world.why_not_ready());
    for (node, name, _) in PODS {
        pod(&mut world, node, name);
    }
    world
}

/// Makes a pod on a node and waits until it runs.
fn pod(world: &mut World, node: &str, name: &str) {
    let mut metadata = ObjectMeta::named("default", name);
    metadata.labels.insert("app".into(), "cni-test".into());
    let mut object = Pod { metadata, ..Pod::default() };
    object.spec.node_name = node.to_owned();
    let command = ["sleep", "36000"].map(str::to_owned).to_vec();
    let container = Container { name: "test".into(), image: "netshoot".into(), command, ..Container::default() };
    object.spec.containers.push(container);
    world.kernel.store().apply(Box::new(object)).unwrap();
    // Watchers are woken when something happens on a machine.
    run(world, node, "true");
    let ready = world.wait_for_pods(Duration::from_secs(60));
    assert!(ready, "{}", run(world, node, &format!("kubectl describe pod {name}")));
}

fn run(world: &mut World, machine: &str, command: &str) -> String {
    let machine = world.machine(machine).unwrap();
    let command = PODS.iter().fold(command.to_owned(), |text, (_, name, short)| {
        text.replace(&format!("ip netns exec {short} "), &format!("kubectl exec -i {name} -- "))
    });
    world.run(machine, &command).text
}

/// Asserts that a text has these lines, in this order; `[..]` stands for anything within a line.
#[track_caller]
fn assert_lines(text: &str, expected: &str) {
    let mut lines = text.lines();
    for wanted in expected.lines() {
        assert!(lines.any(|line| matches(line, wanted)), "no line\n{wanted}\nin\n{text}");
    }
}

fn matches(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        last = Some(part);
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || last == Some("")
}

/// What the document prints, its random numbers aside: `ping -c 1` from pod1 to pod2, seen by `cilium monitor -vv` on node-2.
const REQUEST: &str = "\
CPU [..]: MARK 0x0 FROM 1580 DEBUG: Conntrack lookup 1/2: src=10.0.0.85:[..] dst=10.0.1.124:0
CPU [..]: MARK 0x0 FROM 1580 DEBUG: Conntrack lookup 2/2: nexthdr=1 flags=0
CPU [..]: MARK 0x0 FROM 1580 DEBUG: CT verdict: New, revnat=0
CPU [..]: MARK 0x0 FROM 1580 DEBUG: Conntrack create: proxy-port=0 revnat=0 src-identity=3352 lb=0.0.0.0
Ethernet {Contents=[..14..] Payload=[..86..] SrcMAC=[..] DstMAC=[..] EthernetType=IPv4 Length=0}
IPv4 {Contents=[..20..] Payload=[..64..] Version=4 IHL=5 TOS=0 Length=84 Id=[..] Flags=DF FragOffset=0 TTL=62 Protocol=ICMPv4 Checksum=[..] SrcIP=10.0.0.85 DstIP=10.0.1.124 Options=[] Padding=[]}
ICMPv4 {Contents=[..8..] Payload=[..56..] TypeCode=EchoRequest Checksum=[..] Id=[..] Seq=[..]}
  Failed to decode layer: No decoder for layer type Payload
CPU [..]: MARK 0x0 FROM 1580 to-endpoint: 98 bytes (98 captured), state new, interface lxc[..], , identity 3352->3352, orig-ip 10.0.0.85, to endpoint 1580
CPU [..]: MARK 0x0 FROM 1580 DEBUG: Conntrack lookup 1/2: src=10.0.1.124:0 dst=10.0.0.85:[..]
CPU [..]: MARK 0x0 FROM 1580 DEBUG: Conntrack lookup 2/2: nexthdr=1 flags=1
CPU [..]: MARK 0x0 FROM 1580 DEBUG: CT entry found lifetime=[..], revnat=0
CPU [..]: MARK 0x0 FROM 1580 DEBUG: CT verdict: Reply, revnat=0
CPU [..]: MARK 0x0 FROM 1580 DEBUG: Successfully mapped addr=10.0.0.85 to identity=3352
------------------------------------------------------------------------------
Ethernet {Contents=[..14..] Payload=[..86..] SrcMAC=[..] DstMAC=[..] EthernetType=IPv4 Length=0}
IPv4 {Contents=[..20..] Payload=[..64..] Version=4 IHL=5 TOS=0 Length=84 Id=[..] Flags= FragOffset=0 TTL=63 Protocol=ICMPv4 Checksum=[..] SrcIP=10.0.1.124 DstIP=10.0.0.85 Options=[] Padding=[]}
ICMPv4 {Contents=[..8..] Payload=[..56..] TypeCode=EchoReply Checksum=[..] Id=[..] Seq=[..]}
  Failed to decode layer: No decoder for layer type Payload
CPU [..]: MARK 0x0 FROM 385 to-network: 98 bytes (98 captured), state new, orig-ip 0.0.0.0
";

#[test]
fn the_pods_of_the_document_talk() {
    let mut world = world(json!({ "enable-host-legacy-routing": "false" }));
    let list = run(&mut world, "node-1", "cilium bpf endpoint list | grep 10.0.0.85");
    assert_lines(&list, "10.0.0.85:0       id=1445  flags=0x0000 ifindex=[..] mac=[..] nodemac=[..]");
    let routes = run(&mut world, "node-1", "route -n | grep 192.168.0.130");
    assert_lines(&routes, "10.0.1.0        192.168.0.130   255.255.255.0   UG    0      0        0 ens33");
    let routes = run(&mut world, "node-2", "route -n | grep 192.168.0.120");
    assert_lines(&routes, "10.0.0.0        192.168.0.120   255.255.255.0   UG    0      0        0 ens33");
    run(&mut world, "node-2", "(cilium monitor -vv > m.txt) & sleep 0.1");
    let ping = run(&mut world, "node-1", "ip netns exec pod1 ping -c 1 10.0.1.124");
    assert_lines(&ping, "64 bytes from 10.0.1.124: icmp_seq=1 ttl=62 time=[..] ms");
    assert_lines(&run(&mut world, "node-2", "cat m.txt"), REQUEST);
    let rules = run(&mut world, "node-2", "iptables-save -c");
    assert_lines(&rules, "[0:0] -A FORWARD -m comment --comment \"cilium-feeder: CILIUM_FORWARD\" -j CILIUM_FORWARD");
    let connections = run(&mut world, "node-1", "cilium bpf ct list global");
    assert_lines(
        &connections,
        "ICMP OUT 10.0.0.85:[..] -> 10.0.1.124:0 expires=[..] RxPackets=1 RxBytes=98 [..] TxPackets=1 TxBytes=98 [..]",
    );
}

#[test]
fn legacy_routing_costs_two_hops_more_and_moves_the_counters_of_netfilter() {
    let mut world = world(json!({}));
    let ping = run(&mut world, "node-1", "ip netns exec pod1 ping -c 1 10.0.1.124");
    assert_lines(&ping, "64 bytes from 10.0.1.124: icmp_seq=1 ttl=60 time=[..] ms");
    for node in ["node-1", "node-2"] {
        let rules = run(&mut world, node, "iptables-save -c");
        assert_lines(
            &rules,
            "[2:168] -A FORWARD -m comment --comment \"cilium-feeder: CILIUM_FORWARD\" -j CILIUM_FORWARD",
        );
    }
}

#[test]
fn pods_and_nodes_reach_each_other() {
    for legacy in ["true", "false"] {
        let mut world = world(json!({ "enable-host-legacy-routing": legacy }));
        pod(&mut world, "node-1", "third");
        for (node, command) in [
            ("node-1", "ip netns exec pod1 ping -c 1 10.0.1.124"),
            ("node-1", "ip netns exec pod1 ping -c 1 10.0.0.86"),
            ("node-1", "ip netns exec pod1 ping -c 1 192.168.0.120"),
            ("node-1", "ip netns exec pod1 ping -c 1 192.168.0.130"),
            ("node-1", "ping -c 1 10.0.0.85"),
            ("node-1", "ping -c 1 10.0.1.124"),
            ("node-2", "ping -c 1 10.0.0.85"),
            ("node-2", "ip netns exec cilium-health ping -c 1 10.0.0.85"),
        ] {
            let text = run(&mut world, node, command);
            assert!(text.contains(" 0% packet loss"), "legacy {legacy}: {command}\n{text}");
        }
    }
}

/// The world is an address of the other node that is no node's address.
#[test]
fn pods_reach_the_world_with_the_address_of_their_node() {
    for legacy in ["true", "false"] {
        let mut world = world(json!({ "enable-host-legacy-routing": legacy }));
        run(&mut world, "node-2", "ip addr add 8.8.8.8/32 dev lo");
        run(&mut world, "node-1", "ip route add 8.8.8.8 via 192.168.0.130");
        run(&mut world, "node-2", "(tcpdump -lnc 2 -i ens33 host 8.8.8.8 > seen.txt 2>/dev/null) & sleep 0.1");
        let ping = run(&mut world, "node-1", "ip netns exec pod1 ping -c 1 8.8.8.8");
        assert_lines(&ping, "64 bytes from 8.8.8.8: icmp_seq=1 ttl=[..] time=[..] ms");
        let seen = run(&mut world, "node-2", "sleep 2; cat seen.txt");
        assert_lines(&seen, "[..] IP 192.168.0.120 > 8.8.8.8: ICMP echo request, [..]");
        assert_lines(&seen, "[..] IP 8.8.8.8 > 192.168.0.120: ICMP echo reply, [..]");
        run(&mut world, "node-2", "(echo hello | nc -l -p 8080 -s 8.8.8.8 -q 0 > in.txt) & sleep 0.1");
        let answer = run(&mut world, "node-1", "echo hi | ip netns exec pod1 nc -q 1 -w 2 8.8.8.8 8080");
        assert!(answer.contains("hello"), "legacy {legacy}: {answer}");
    }
}

#[test]
fn large_packets_go_in_fragments() {
    for legacy in ["true", "false"] {
        let mut world = world(json!({ "enable-host-legacy-routing": legacy }));
        let ping = run(&mut world, "node-1", "ip netns exec pod1 ping -c 2 -s 4000 10.0.1.124");
        assert!(ping.contains(" 0% packet loss"), "legacy {legacy}: {ping}");
    }
}

const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-friends, namespace: default}
spec:
  podSelector: {matchLabels: {app: cni-test}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {role: friend}}}]
      ports: [{port: 8080, protocol: TCP}]
    - from: [{ipBlock: {cidr: 172.16.0.0/16, except: [172.16.9.0/24]}}]
";

#[test]
fn a_network_policy_lets_identities_pass() {
    let mut world = world(json!({}));
    for manifest in hopwise_cluster::object::decode::manifests(POLICY).unwrap() {
        world.kernel.store().apply(manifest.object).unwrap();
    }
    run(&mut world, "node-1", "sleep 0.1");
    run(&mut world, "node-2", "(cilium monitor > m.txt) & sleep 0.1");
    let ping = run(&mut world, "node-1", "ip netns exec pod1 ping -c 1 -W 1 10.0.1.124");
    assert!(ping.contains("100% packet loss"), "{ping}");
    let told = run(&mut world, "node-2", "cat m.txt");
    assert_lines(
        &told,
        "Policy verdict log: flow 0x0 local EP ID 1580, remote ID 3352, proto 1, ingress, action deny, match none, \
         10.0.0.85 -> 10.0.1.124 EchoRequest
xx drop (Policy denied) flow 0x0 to endpoint 1580, , identity 3352->3352: 10.0.0.85 -> 10.0.1.124 EchoRequest",
    );
    let list = run(&mut world, "node-2", "cilium endpoint list | grep ^1580");
    assert_lines(&list, "1580       Enabled            Disabled          3352       [..]");
    // The node itself may talk to its pods, whatever the policy says.
    assert!(run(&mut world, "node-2", "ping -c 1 10.0.1.124").contains(" 0% packet loss"));
    let map = run(&mut world, "node-2", "cilium bpf policy get 1580");
    assert_lines(&map, "Allow    Ingress     reserved:host [..]\nAllow    Ingress     cidr:172.16.0.0/16 [..]");
    assert!(!map.contains("cidr:172.16.9.0/24"), "{map}");
}

#[test]
fn through_a_tunnel_the_identity_travels_as_the_number_of_the_network() {
    for legacy in ["true", "false"] {
        let mut world = world(json!({
            "tunnel": "vxlan", "auto-direct-node-routes": "false", "enable-host-legacy-routing": legacy,
        }));
        run(
            &mut world,
            "node-2",
            "(tcpdump -lnvc 1 -i ens33 udp > t.txt 2>/dev/null) & (cilium monitor > m.txt) & sleep 0.1",
        );
        let ping = run(&mut world, "node-1", "ip netns exec pod1 ping -c 1 10.0.1.124");
        assert_lines(&ping, "64 bytes from 10.0.1.124: icmp_seq=1 ttl=63 time=[..] ms");
        let seen = run(&mut world, "node-2", "sleep 2; cat t.txt");
        assert_lines(
            &seen,
            "    192.168.0.120.[..] > 192.168.0.130.8472: OTV, flags [I] (0x08), overlay 0, instance 3352",
        );
        let told = run(&mut world, "node-2", "cat m.txt");
        assert_lines(
            &told,
            "<- overlay flow 0x0 , identity 3352->unknown state new ifindex cilium_vxlan [..]\n-> endpoint 1580 [..]",
        );
        for (node, command) in [
            ("node-1", "ping -c 1 10.0.1.124"),
            ("node-2", "ip netns exec pod2 ping -c 1 192.168.0.120"),
            ("node-1", "ip netns exec pod1 ping -c 1 -M do -s 1422 10.0.1.124"),
        ] {
            let text = run(&mut world, node, command);
            assert!(text.contains(" 0% packet loss"), "legacy {legacy}: {command}\n{text}");
        }
    }
}

/// What Cilium 1.11 shows: the object file and the section that each program comes from.
#[test]
fn programs_are_named_after_their_files_and_sections() {
    let mut world = world(json!({ "enable-host-legacy-routing": "false" }));
    for (link, hook, name) in [
        ("ens33", "ingress", "bpf_netdev_ens33.o:[from-netdev]"),
        ("ens33", "egress", "bpf_netdev_ens33.o:[to-netdev]"),
        ("cilium_host", "ingress", "bpf_host.o:[to-host]"),
        ("cilium_host", "egress", "bpf_host.o:[from-host]"),
        ("cilium_net", "ingress", "bpf_host_cilium_net.o:[to-host]"),
        ("lxc_health", "ingress", "bpf_lxc.o:[from-container]"),
    ] {
        let shown = run(&mut world, "node-1", &format!("tc filter show dev {link} {hook}"));
        assert_lines(
            &shown,
            &format!(
                "filter protocol all pref 1 bpf chain 0 \n\
                 filter protocol all pref 1 bpf chain 0 handle 0x1 {name} direct-action not_in_hw id [..] tag [..] jited "
            ),
        );
    }
    let json = run(&mut world, "node-1", "tc -j filter show dev ens33 ingress pref 1");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[1]["options"]["bpf_name"], "bpf_netdev_ens33.o:[from-netdev]");
    assert_eq!((json[1].get("pref"), json[1]["options"]["prog"].get("name")), (None, None));
}

/// Each command's words and what Linux 6.18 with iproute2 6.1 says to them, about a link with one program.
#[test]
fn tc_filter_shows_what_it_is_asked_for() {
    let mut world = world(json!({}));
    let one = " bpf chain 0 \nfilter";
    for (words, expected) in [
        ("show dev ens33 ingress protocol all", "filter pref 1 bpf chain 0 "),
        ("show dev ens33 ingress pref 1", "filter protocol all bpf chain 0 "),
        ("show dev ens33 ingress chain 0", "filter protocol all pref 1 bpf "),
        ("show dev ens33 parent ffff:fff2", "filter protocol all pref 1 bpf chain 0 "),
        ("show dev ens33 ingress handle 7", "filter protocol all pref 1 bpf chain 0 "),
        ("show dev ens33 ingress protocol ip", ""),
        ("show dev ens33 ingress prio 2", ""),
        ("show dev ens33 ingress chain 1", ""),
        ("show dev ens33 parent ffff:", ""),
        ("show dev ens33", ""),
        ("show dev ens33 ingress bpf", " What is \"bpf\"? Try \"tc filter help\""),
        ("show dev ens33 ingress egress", "Error: \"egress\" is duplicate parent ID"),
        ("show dev ens33 ingress pref x", "Error: argument \"x\" is wrong: invalid preference"),
        ("show dev ens33 ingress chain x", "Error: argument \"x\" is wrong: invalid chain index value"),
        ("show dev ens33 parent xx", "Error: argument \"xx\" is wrong: invalid parent ID"),
        ("show dev ens33 ingress block 1", "Error: \"block\" cannot be used in the same time as \"dev\""),
        ("del dev ens33 ingress pref x", "Error: argument \"x\" is wrong: invalid priority value"),
        ("del dev ens33 ingress pref 70000", "Error: argument \"70000\" is wrong: invalid priority value"),
        ("del dev ens33 parent xx", "Error: argument \"xx\" is wrong: Invalid parent ID"),
        ("del dev ens33 ingress protocol ip pref 1", "Error: Protocol mismatch for filter with specified priority."),
        ("del dev ens33 ingress pref 1 u32", "Error: Specified filter kind does not match existing one."),
        ("del dev ens33 ingress pref 1 handle 7 bpf", "Error: Specified filter handle not found."),
        ("del dev ens33 ingress pref 1 handle 7", "Must specify filter type when using \"handle\""),
        ("del dev ens33 ingress pref 9", "Error: Filter with specified priority/protocol not found."),
        ("del dev ens33 ingress chain 1 pref 1", "Error: Cannot find specified filter chain."),
        ("del dev ens33 ingress pref 1 bpf foo", "What mode is \"foo\"?"),
        ("del dev ens33", "Error: Qdisc not classful."),
        ("del ingress", "RTNETLINK answers: No such device"),
        ("get dev ens33 ingress", "Must specify filter protocol"),
        ("get dev ens33 ingress protocol all pref 1", "Must specify filter type"),
        ("get dev ens33 ingress protocol all pref 1 bpf", "Must specify filter \"handle\""),
        ("get dev ens33 protocol all pref 1 handle 1 bpf", "Must specify filter parent"),
        ("get dev ens33 ingress protocol all pref 1 handle 1 u32", "Illegal filter ID"),
    ] {
        let said = run(&mut world, "node-1", &format!("tc filter {words} 2>&1"));
        assert_eq!(said.lines().next().unwrap_or_default(), expected, "tc filter {words}\n{said}{one}");
    }
    let got = run(&mut world, "node-1", "tc filter get dev ens33 ingress protocol all pref 1 handle 1 bpf");
    assert_lines(&got, "filter ingress protocol all pref 1 bpf chain 0 handle 0x1 bpf_netdev_ens33.o:[..] jited ");
    assert_eq!(run(&mut world, "node-1", "tc chain show dev ens33 ingress"), "chain parent ffff: chain 0 \n");
    assert_eq!(
        run(&mut world, "node-1", "tc -j chain show dev ens33 egress"),
        "[{\"parent\":\"ffff:\",\"chain\":0}]\n"
    );
    run(&mut world, "node-1", "tc filter del dev ens33 ingress");
    assert_eq!(run(&mut world, "node-1", "tc chain show dev ens33 ingress"), "");
}

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.80
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.1.124]}]
ports: [{port: 8080}]
";

fn apply(world: &mut World, text: &str) {
    for manifest in hopwise_cluster::object::decode::manifests(text).unwrap() {
        world.kernel.store().apply(manifest.object).unwrap();
    }
    for node in ["node-1", "node-2"] {
        run(world, node, "sleep 0.1");
    }
}

#[test]
fn pods_reach_services_through_the_programs() {
    for legacy in ["true", "false"] {
        let mut world = world(json!({ "enable-host-legacy-routing": legacy }));
        apply(&mut world, SERVICE);
        run(&mut world, "node-2", "(echo hello | ip netns exec pod2 nc -l -p 8080 -q 0 > in.txt) & sleep 0.1");
        run(&mut world, "node-1", "(cilium monitor -v > m.txt) & sleep 0.1");
        let answer = run(&mut world, "node-1", "echo hi | ip netns exec pod1 nc -q 1 -w 2 10.96.0.80 80");
        assert!(answer.contains("hello"), "legacy {legacy}: {answer}");
        let list = run(&mut world, "node-1", "cilium service list");
        assert_lines(&list, "[..] 10.96.0.80:80[..] ClusterIP [..] 1 => 10.0.1.124:8080 [..]");
        let lb = run(&mut world, "node-1", "cilium bpf lb list");
        assert_lines(
            &lb,
            "10.96.0.80:80 [..] 0.0.0.0:0 ([..]) [ClusterIP, non-routable]   \n[..] 10.0.1.124:8080 ([..]) [..]",
        );
        let ct = run(&mut world, "node-1", "cilium bpf ct list global");
        assert_lines(
            &ct,
            "TCP OUT 10.0.0.85:[..] -> 10.0.1.124:8080 expires=[..] RevNAT=[..] SourceSecurityID=3352 [..]\n\
             TCP OUT 10.96.0.80:80 -> 10.0.0.85:[..] service expires=[..] RxPackets=0 RxBytes=[..] SourceSecurityID=0 [..]",
        );
        assert!(
            !ct.contains("10.0.1.124:8080 expires=0") && !ct.contains("RevNAT=0 SourceSecurityID=3352 IfIndex=0 \nTCP")
        );
        let told = run(&mut world, "node-1", "cat m.txt");
        assert_lines(&told, "[..] Conntrack create: proxy-port=0 revnat=[..] src-identity=3352 lb=10.0.1.124");
        // kube-proxy's rules are there, and nothing of this met them.
        let rules = run(&mut world, "node-1", "iptables-save -c -t nat | grep 10.96.0.80");
        assert!(
            rules.lines().filter(|line| line.contains("-j KUBE-SVC")).all(|line| line.starts_with("[0:0]")),
            "{rules}"
        );
    }
}

#[test]
fn status_tells_what_is() {
    let mut world = world(json!({ "enable-host-legacy-routing": "false" }));
    let text = run(&mut world, "node-1", "cilium status");
    assert_lines(
        &text,
        "KVStore:                Ok   Disabled
Kubernetes:             Ok   1.28 (v1.28.0) [linux/amd64]
Kubernetes APIs:        [[..]\"core/v1::Service\"[..]]
KubeProxyReplacement:   Disabled   
Host firewall:          Disabled
Cilium:                 Ok   1.11.1 (v1.11.1-76d34db)
Cilium health daemon:   Ok   
IPAM:                   IPv4: 3/254 allocated from 10.0.0.0/24, 
Host Routing:           BPF
Masquerading:           BPF   [ens33]   10.0.0.0/16 [IPv4: Enabled, IPv6: Disabled]
Controller Status:      20/20 healthy
Proxy Status:           OK, ip 10.0.0.[..], 0 redirects active on ports 10000-20000
Cluster health:         2/2 reachable",
    );
    run(&mut world, "node-2", "ip link set ens33 down");
    let text = run(&mut world, "node-1", "cilium status");
    assert_lines(&text, "Cluster health:         1/2 reachable");
}

#[test]
fn mappings_and_identities_go_with_what_they_belong_to() {
    let mut world = world(json!({ "enable-host-legacy-routing": "false" }));
    run(&mut world, "node-2", "ip addr add 8.8.8.8/32 dev lo");
    run(&mut world, "node-1", "ip route add 8.8.8.8 via 192.168.0.130");
    run(&mut world, "node-1", "ip netns exec pod1 ping -c 1 8.8.8.8");
    let nat = run(&mut world, "node-1", "cilium bpf nat list");
    assert_lines(
        &nat,
        "ICMP OUT 10.0.0.85:[..] -> 8.8.8.8:0 XLATE_SRC 192.168.0.120:[..] Created=[..]sec HostLocal=0
ICMP IN 8.8.8.8:0 -> 192.168.0.120:[..] XLATE_DST 10.0.0.85:[..] Created=[..]sec HostLocal=0",
    );
    run(&mut world, "node-1", "kubectl delete pod cni-test-777bbd57c8-2f986; sleep 1");
    let nat = run(&mut world, "node-1", "cilium bpf nat list; cilium bpf ct list global");
    assert!(!nat.contains("10.0.0.85"), "{nat}");
    apply(&mut world, POLICY);
    let shown = run(&mut world, "node-2", "cilium bpf ipcache list; cilium policy get");
    assert_lines(&shown, "172.16.0.0/16       identity=16777217 [..]");
    assert_lines(&shown, "        \"k8s:app\": \"cni-test\",\n        \"key\": \"io.cilium.k8s.policy.derived-from\",");
    assert_lines(&shown, "[..]\"value\": \"NetworkPolicy\",");
    run(&mut world, "node-1", "kubectl delete networkpolicy only-friends; sleep 0.1");
    let shown = run(&mut world, "node-2", "sleep 0.1; cilium bpf ipcache list; cilium policy get");
    assert!(!shown.contains("172.16") && shown.contains("[]\nRevision: "), "{shown}");
    apply(&mut world, POLICY);
    let again = run(&mut world, "node-2", "cilium bpf ipcache list");
    assert_lines(&again, "172.16.0.0/16       identity=16777219 [..]");
}

#[test]
fn commands_that_are_not_here_are_refused() {
    let mut world = world(json!({}));
    for (words, why) in [
        ("kvstore get", "`cilium kvstore` is a command of Cilium that is not supported here"),
        ("bpf metrics list", "`cilium bpf metrics list` is a command of Cilium that is not supported here"),
        ("endpoint delete 1", "`cilium endpoint delete` is a command of Cilium that is not supported here"),
        ("foo", "unknown command \"foo\" for \"cilium\""),
        ("status --foo", "unknown flag: --foo"),
    ] {
        let said = run(&mut world, "node-1", &format!("cilium {words} 2>&1"));
        assert!(said.starts_with("Error: ") && said.contains(why), "{words}: {said}");
    }
    let maps = run(&mut world, "node-1", "cilium map list");
    assert_lines(&maps, "Name [..] Num entries   Num errors   Cache enabled\ncilium_lxc [..] 4 [..] 0 [..] true");
}

/// Who has no kubelet calls the plugin by hand.
#[test]
fn the_plugin_as_a_program() {
    let mut world = world(json!({}));
    let call = |command: &str| {
        format!(
            "echo '{{\"cniVersion\": \"0.3.1\", \"name\": \"cilium\", \"type\": \"cilium-cni\"}}' | CNI_COMMAND={command} CNI_CONTAINERID=9c1e \
             CNI_NETNS=/var/run/netns/hand CNI_IFNAME=eth0 CNI_ARGS='K8S_POD_NAMESPACE=default;K8S_POD_NAME=third' cilium-cni"
        )
    };
    let refused = run(&mut world, "node-1", &call("ADD"));
    assert!(refused.contains("failed to Statfs"), "{refused}");
    run(&mut world, "node-1", "ip netns add hand");
    let made = run(&mut world, "node-1", &call("ADD"));
    assert!(made.contains("\"address\": \"10.0.0.86/32\""), "{made}");
    let ping = run(&mut world, "node-1", "sleep 0.1; ip netns exec hand ping -c 1 10.0.1.124");
    assert!(ping.contains(" 0% packet loss"), "{ping}");
    run(&mut world, "node-1", &call("DEL"));
    let left = run(&mut world, "node-1", "cilium bpf endpoint list; ip route; cilium bpf ipcache list");
    assert!(!left.contains("10.0.0.86"), "{left}");
}
