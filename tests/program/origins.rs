//! `hopwise explain` names who put the routes and rules there that a packet meets.

use serde_json::Value;

use crate::folder::{Folder, text};

/// What is told of the makers of routes and rules for the first packet that a filter finds: `WHERE STAGE: BY: WHY`, one after the
/// other, without those that only say who it was, and without repetitions. The names of sandboxes are shortened.
fn origins(lab: &str, filter: &str) -> Vec<String> {
    let folder = Folder::with(&[("lab.md", lab)]);
    let told = folder.hopwise(&["explain", "lab.md", "--json", "--filter", filter]);
    assert_eq!(told.status.code(), Some(0), "{}", text(&told));
    let packets: Value = serde_json::from_slice(&told.stdout).unwrap();
    let mut lines: Vec<String> = Vec::new();
    for stage in packets[0]["stages"].as_array().unwrap() {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (place, what) = (word(&stage["where"]), word(&stage["stage"]));
        let (by, why) = (word(&stage["origin"]["by"]), word(&stage["origin"]["why"]));
        let place = place.split_once("/cni-").map_or(place.clone(), |(node, _)| format!("{node}/pod"));
        if !why.is_empty() {
            lines.push(format!("{place} {what}: {by}: {why}"));
        }
    }
    lines.dedup();
    lines
}

#[test]
fn routes_of_bird_and_typed_ones() {
    let lab = include_str!("../../scenarios/labs/control-planes/hand-cni-9-bgp.md");
    let expected = [
        "worker2/netns1 route: typed: ip route add default via 192.168.20.254 dev eth0",
        "worker2 route: bird: BGP session upstream from 192.168.210.254 (AS 65000), learned 4.9 s into the run",
        "leaf03 route: bird: BGP session w3 from 192.168.230.23 (AS 65003), learned 4.9 s into the run",
        "worker3 route: kernel: address 192.168.30.254 on br0",
        "worker3/netns1 route: kernel: address 192.168.30.1 on eth0",
    ];
    assert_eq!(origins(lab, "icmp[icmptype] == icmp-echo and dst 192.168.30.1"), expected);
}

#[test]
fn routes_and_rules_of_calico() {
    let lab = include_str!("../../scenarios/labs/control-planes/calico-ipip.md");
    let expected = [
        "node1/pod route: cni: workload endpoint default/client, connected by calico",
        "node1 route: bird: BGP session Mesh_192_168_0_82 from 192.168.0.82 (AS 64512), learned 1.6 s into the run",
        "node1 filter: felix: workload endpoint default/client (egress)",
        "node1 filter: felix: profile kns.default (egress)",
        "node1 filter: felix: workload endpoint default/client (egress)",
        "node1 nat: felix: natOutgoing of IPPool 10.244.0.0/16",
        "node1 route: kernel: address 192.168.0.81 on ens33",
        "node1 nat: felix: natOutgoing of IPPool 10.244.0.0/16",
        "node2 route: kernel: address 192.168.0.82 on ens33",
        "node2 route: felix: workload endpoint default/server",
        "node2 filter: felix: workload endpoint default/server (ingress)",
        "node2 filter: felix: profile kns.default (ingress)",
        "node2 filter: felix: workload endpoint default/server (ingress)",
        "node2 nat: felix: natOutgoing of IPPool 10.244.0.0/16",
        "node2/pod route: kernel: address 10.244.104.1 on eth0",
    ];
    assert_eq!(origins(lab, "icmp[icmptype] == icmp-echo"), expected);
}

#[test]
fn services_and_the_routes_of_flannel() {
    let lab = include_str!("../../scenarios/labs/control-planes/connectivity-flannel.md");
    let expected = [
        "worker1/pod route: cni: workload endpoint default/client, connected by flannel",
        "worker1 nat: kube-proxy: Service default/web port 80",
        "worker1 nat: kube-proxy: Service default/web port 80, endpoint 10.244.2.2:8080 (pod default/far)",
        "worker1 route: flannel: subnet of node worker2 (192.168.0.12) via flannel.1",
        "worker1 route: kernel: address 192.168.0.11 on eth1",
        "worker2 route: kernel: address 192.168.0.12 on eth1",
        "worker2 route: kernel: address 10.244.2.1 on cni0",
        "worker2/pod route: kernel: address 10.244.2.2 on eth0",
    ];
    let syn = "tcp[tcpflags] == tcp-syn and dst port 80 and src net 10.244.1.0/24";
    assert_eq!(origins(lab, syn), expected);
}

#[test]
fn the_programs_and_routes_of_cilium() {
    let lab = include_str!("../../scenarios/labs/control-planes/cilium-native-routing.md");
    let expected = [
        "node-1/pod route: cilium: endpoint default/cni-test-777bbd57c8-2f986",
        "node-1 tc: cilium: identity 3352 is app=cni-test in namespace default",
        "node-1 route: cilium: auto-direct-node-routes: node node-2",
        "node-2 tc: cilium: identity 3352 is app=cni-test in namespace default",
        "node-2/pod route: kernel: address 10.0.1.124 on eth0",
    ];
    assert_eq!(origins(lab, "icmp[icmptype] == icmp-echo"), expected);
}

/// Two nodes in VXLAN, a policy that lets nothing in, and an address of a block that nobody has.
const POLICY: &str = "---
name: policy
topology:
  nodes:
    node1: { exec: [ip addr add 192.168.0.81/24 dev ens33, ip route add default via 192.168.0.1] }
    node2: { exec: [ip addr add 192.168.0.82/24 dev ens33, ip route add default via 192.168.0.1] }
  links:
    - endpoints: [\"node1:ens33\", \"node2:ens33\"]
cluster:
  cni: calico
  settings: { vxlanMode: Always }
  nodes: [node1, node2]
  manifests: |
    apiVersion: v1
    kind: Pod
    metadata: { name: client }
    spec: { nodeName: node1, containers: [{ name: c, image: busybox, command: [sleep, infinity] }] }
    ---
    apiVersion: v1
    kind: Pod
    metadata: { name: server, labels: { app: server } }
    spec: { nodeName: node2, containers: [{ name: c, image: busybox, command: [sleep, infinity] }] }
    ---
    apiVersion: networking.k8s.io/v1
    kind: NetworkPolicy
    metadata: { name: deny-all }
    spec: { podSelector: { matchLabels: { app: server } }, policyTypes: [Ingress] }
---
```console
node1# sleep 20
node1# SERVER=$(kubectl get pod server -o jsonpath='{.status.podIP}')
node1# kubectl exec client -- ping -c 1 -W 1 $SERVER
...
[1]
node1# kubectl exec client -- ping -c 1 -W 1 ${SERVER%.*}.60
...
[1]
node1# kubectl delete networkpolicy deny-all; sleep 1
...
```
";

#[test]
fn a_policy_and_an_empty_place_in_a_block() {
    let dropped = origins(POLICY, "icmp[icmptype] == icmp-echo");
    let policy = "node2 filter: felix: NetworkPolicy default/deny-all (ingress)";
    let workload = "node2 filter: felix: workload endpoint default/server (ingress)";
    assert_eq!(dropped[dropped.len() - 3..], [workload, policy, workload], "the policy is gone at the end of the run");
    let nowhere = origins(POLICY, "icmp[icmptype] == icmp-echo and ip[19] == 60");
    assert!(
        nowhere.iter().any(
            |line| line.contains("node1 route: felix: IPAM block ") && line.ends_with(" of node2 via vxlan.calico")
        )
    );
    let last = nowhere.last().unwrap();
    assert!(
        last.starts_with("node2 route: felix: IPAM block ") && last.ends_with(" of this node (blackhole)"),
        "{nowhere:#?}"
    );
}
