//! Calico on whole machines: three nodes, two of them on one wire and one behind a router; the five kinds of connections that a network
//! plugin owes, each of the modes, changes while it runs, policies.

use hopwise_machine::MachineId;
use hopwise_sim_core::Duration;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;
use hopwise_userland::kube::{Cluster, Member, registry};

const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: here, labels: {app: here}}
spec: {nodeName: n1, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: beside, labels: {app: beside}}
spec: {nodeName: n1, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: near, labels: {app: near}}
spec: {nodeName: n2, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far, labels: {app: far}}
spec: {nodeName: n3, containers: [{name: c, image: busybox, command: [sleep, infinity]}]}
";

struct Lab {
    world: World,
    nodes: [MachineId; 3],
    router: MachineId,
}

impl Lab {
    fn new(settings: &str) -> Self {
        let mut world = World::new(1);
        let nodes = ["n1", "n2", "n3"].map(|name| world.add_machine(name));
        let router = world.add_machine("router");
        for (node, port) in nodes.iter().zip(["p1", "p2", "p3"]) {
            world.connect((*node, "eth0"), (router, port), WireSpec::default()).unwrap();
        }
        let mut lab = Lab { world, nodes, router };
        for (node, address, gateway) in
            [(0, "192.168.1.11", "192.168.1.1"), (1, "192.168.1.12", "192.168.1.1"), (2, "192.168.2.13", "192.168.2.1")]
        {
            lab.on(node, &format!("ip addr add {address}/24 dev eth0 && ip link set eth0 up"));
            lab.on(node, &format!("ip route add default via {gateway}"));
        }
        for line in [
            "ip link add lan type bridge",
            "ip link set p1 master lan up && ip link set p2 master lan up && ip link set p3 up && ip link set lan up",
            "ip addr add 192.168.1.1/24 dev lan && ip addr add 192.168.2.1/24 dev p3",
            "sysctl -qw net.ipv4.ip_forward=1",
        ] {
            lab.world.run(lab.router, line).expect_ok();
        }
        let settings = serde_json::from_str(settings).unwrap();
        let calico = (registry::find("calico").unwrap().make)(&settings).unwrap();
        let nodes = ["n1", "n2", "n3"].map(Member::named).into();
        lab.world.start_cluster(Cluster { cni: Some(calico), nodes, ..Cluster::default() }).unwrap();
        lab.apply(PODS);
        lab.world.run_for(Duration::from_secs(5));
        lab
    }

    fn apply(&mut self, text: &str) {
        let text = text.replace('\'', "'\\''");
        let nodes = self.nodes;
        self.world.run(nodes[0], &format!("printf '%s' '{text}' >file.yaml && kubectl apply -f file.yaml")).expect_ok();
    }

    fn on(&mut self, node: usize, line: &str) -> String {
        self.world.run(self.nodes[node], line).expect_ok().text
    }

    fn address(&mut self, pod: &str) -> String {
        self.on(0, &format!("kubectl get pod {pod} -o jsonpath='{{.status.podIP}}'"))
    }

    /// Whether one pod reaches another, and with which TTL the answer comes.
    fn ttl(&mut self, from: &str, to: &str) -> Option<u32> {
        let to = if to.contains('.') { to.to_owned() } else { self.address(to) };
        let node = self.nodes[0];
        let out = self.world.run(node, &format!("kubectl exec {from} -- ping -c 1 -W 1 {to}")).text;
        out.split_once("ttl=")?.1.split(' ').next()?.parse().ok()
    }

    fn switch(&mut self, ipip: &str, vxlan: &str) {
        let patch = format!("{{\"spec\":{{\"ipipMode\":\"{ipip}\",\"vxlanMode\":\"{vxlan}\"}}}}");
        let said = self.on(0, &format!("calicoctl patch ippool default-ipv4-ippool -p '{patch}'"));
        assert_eq!(said, "Successfully patched 1 'IPPool' resource\n");
        self.world.run_for(Duration::from_secs(1));
    }

    fn route(&mut self, pod: &str) -> String {
        let to = self.address(pod);
        self.on(0, &format!("ip route get {to}")).split(" src").next().unwrap_or_default().to_owned()
    }
}

#[test]
fn all_connections_in_every_mode_and_modes_change_while_pods_talk() {
    let mut lab = Lab::new(r#"{"ipipMode": "Always", "bgp": false}"#);
    let modes = [
        ("Always", "Never", "tunl0", "tunl0"),
        ("CrossSubnet", "Never", "eth0", "tunl0"),
        ("Never", "Always", "vxlan.calico", "vxlan.calico"),
        ("Never", "CrossSubnet", "eth0", "vxlan.calico"),
        ("Always", "Never", "tunl0", "tunl0"),
    ];
    for (ipip, vxlan, near, far) in modes {
        lab.switch(ipip, vxlan);
        let way = format!("{ipip}/{vxlan}");
        assert_eq!(lab.ttl("here", "beside"), Some(63), "{way}: pod to pod on a node");
        assert_eq!(lab.ttl("here", "near"), Some(62), "{way}: pod to pod on another node");
        assert_eq!(lab.ttl("here", "far"), Some(62), "{way}: pod to pod behind a router");
        assert_eq!(lab.ttl("here", "192.168.1.11"), Some(64), "{way}: pod to its node");
        assert_eq!(lab.ttl("here", "192.168.2.13"), Some(62), "{way}: pod to another node");
        let far_pod = lab.address("far");
        lab.on(0, &format!("ping -c 1 {far_pod}"));
        assert!(lab.route("near").contains(&format!("dev {near}")), "{way}: {}", lab.route("near"));
        assert!(lab.route("far").contains(&format!("dev {far}")), "{way}: {}", lab.route("far"));
    }
    assert_eq!(lab.on(0, "cat /var/log/calico-felix.log 2>/dev/null || true"), "");
}

#[test]
fn without_a_tunnel_a_router_has_to_know_the_blocks() {
    let mut lab = Lab::new(r#"{"ipipMode": "Never", "bgp": false}"#);
    assert_eq!((lab.ttl("here", "near"), lab.ttl("here", "far")), (Some(62), None));
    for (pod, node) in [("far", "192.168.2.13"), ("here", "192.168.1.11")] {
        let block = lab.address(pod);
        lab.world.run(lab.router, &format!("ip route add {block} via {node}")).expect_ok();
    }
    assert_eq!(lab.ttl("here", "far"), Some(61));
}

#[test]
fn policies_hold_and_end() {
    let mut lab = Lab::new(r#"{"vxlanMode": "Always", "bgp": false}"#);
    lab.apply(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-near, namespace: default}
spec:
  podSelector: {matchLabels: {app: here}}
  ingress: [{from: [{podSelector: {matchLabels: {app: near}}}]}]
",
    );
    lab.world.run_for(Duration::from_secs(1));
    assert_eq!((lab.ttl("near", "here"), lab.ttl("far", "here"), lab.ttl("beside", "here")), (Some(62), None, None));
    assert_eq!(lab.ttl("here", "far"), Some(62), "answers to what one asked for come in");
    lab.apply(
        "
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: deny-far}
spec:
  order: 10
  selector: app == 'near'
  ingress: [{action: Deny, source: {selector: app == 'far'}}, {action: Allow}]
",
    );
    lab.world.run_for(Duration::from_secs(1));
    assert_eq!((lab.ttl("far", "near"), lab.ttl("here", "near")), (None, Some(62)));
    lab.on(0, "kubectl delete networkpolicy only-near && calicoctl delete gnp deny-far");
    lab.world.run_for(Duration::from_secs(1));
    assert_eq!((lab.ttl("far", "here"), lab.ttl("far", "near")), (Some(62), Some(62)));
    let left = lab.on(0, "iptables-save | grep -c 'cali-pi-\\|cali40s:' || true");
    assert_eq!(left, "0\n");
}

#[test]
fn what_calicoctl_refuses() {
    let mut lab = Lab::new(r#"{"bgp": false}"#);
    let node = lab.nodes[0];
    let mut refused = |line: &str| {
        let out = lab.world.run(node, line);
        assert_ne!(out.status, 0, "{line}");
        out.text
    };
    assert_eq!(refused("calicoctl get foo"), "resource type 'foo' is not supported\n");
    let absent = "resource does not exist: IPPool(x) with error: ippools.crd.projectcalico.org \"x\" not found\n";
    assert_eq!(refused("calicoctl get ippool x"), absent);
    assert_eq!(
        refused("calicoctl get ippool -A"),
        "Invalid option: 'calicoctl get ippool -A'. Use flag '--help' to read about a specific subcommand.\n"
    );
    assert_eq!(refused("calicoctl foo"), "Unknown command: \"foo\"\n");
    let both = refused("calicoctl patch ippool default-ipv4-ippool -p '{\"spec\":{\"vxlanMode\":\"Always\"}}'");
    assert!(both.contains("cannot both be enabled"), "{both}");
    let cidr = refused("calicoctl patch ippool default-ipv4-ippool -p '{\"spec\":{\"cidr\":\"10.245.0.0/16\"}}'");
    assert!(cidr.contains("IPPool CIDR cannot be modified"), "{cidr}");
    let pool =
        "apiVersion: projectcalico.org/v3\\nkind: IPPool\\nmetadata: {name: b}\\nspec: {cidr: 10.244.64.0/18}\\n";
    let overlap = refused(&format!("printf '{pool}' | calicoctl create -f -"));
    assert!(
        overlap.contains("IPPool(b) CIDR overlaps with IPPool(default-ipv4-ippool) CIDR 10.244.0.0/16"),
        "{overlap}"
    );
    assert!(refused("calicoctl patch node n1 -p '{\"spec\":{\"foo\":1}}'").contains("unknown field \"spec.foo\""));
}

#[test]
fn bird_carries_the_blocks_in_a_mesh_and_through_a_reflector() {
    let mut lab = Lab::new("{}");
    lab.world.run_for(Duration::from_secs(15));
    let status = lab.on(0, "calicoctl node status");
    assert_eq!(status.matches("| node-to-node mesh | up    |").count(), 2, "{status}");
    assert_eq!((lab.ttl("here", "near"), lab.ttl("here", "far")), (Some(62), Some(62)));
    assert!(lab.on(0, "ip route").contains("via 192.168.2.13 dev tunl0 proto bird onlink"));
    lab.switch("CrossSubnet", "Never");
    lab.world.run_for(Duration::from_secs(5));
    let routes = lab.on(0, "ip route");
    assert!(routes.contains("via 192.168.1.12 dev eth0 proto bird"), "{routes}");
    assert!(routes.contains("via 192.168.2.13 dev tunl0 proto bird onlink"), "{routes}");
    lab.on(0, "calicoctl patch node n1 -p '{\"spec\":{\"bgp\":{\"routeReflectorClusterID\":\"1.0.0.1\"}}}'");
    lab.on(0, "kubectl label node n1 reflector=yes");
    lab.apply(
        "
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: clients}
spec: {nodeSelector: '!has(reflector)', peerSelector: has(reflector)}
---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {nodeToNodeMeshEnabled: false}
",
    );
    lab.world.run_for(Duration::from_secs(60));
    let status = lab.on(1, "calicoctl node status");
    assert_eq!((status.matches("node specific").count(), status.matches("mesh").count()), (1, 0), "{status}");
    assert_eq!((lab.ttl("here", "near"), lab.ttl("near", "far")), (Some(62), Some(62)));
}
