//! For authors of network plugins: a plugin that somebody else wrote, run on a cluster and tested with what Kubernetes demands of a
//! network.
//!
//! 1. Write the plugin: a type with [`CniPlugin`]. `add` is CNI ADD, `del` is CNI DEL; `host_ip` and `pod_ip` carry out `ip` commands.
//! 2. Build the machines, their wires and addresses: [`world`].
//! 3. Start the cluster with the plugin, wait for its nodes, apply manifests, wait for the pods.
//! 4. Ask for the five kinds of connections: pod to pod on one node, pod to pod on two, pod to Service, node to pod, outside to node port.
//!
//! A world is cloned in an instant: a test can try something, and go back.

use std::sync::Arc;

use hopwise_cluster::object::{Node, decode};
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::kube::{Attached, Cluster, CniError, CniPlugin, Member, Sandbox};
use hopwise_userland::{Duration, World};

/// The plugin: each pod has a pair of links and a host route; routes to the ranges of other nodes are added with a node's first pod.
#[derive(Debug)]
struct PointToPoint;

impl CniPlugin for PointToPoint {
    fn name(&self) -> &str {
        "ptp"
    }

    fn add(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<Attached, CniError> {
        let node = sandbox.node.clone();
        let nodes: Vec<Node> = sandbox.store().list(None).cloned().collect();
        let own = nodes.iter().find(|n| n.metadata.name == node).and_then(Node::pod_cidr).ok_or("no range")?;
        let id = sandbox.container_id.clone();
        let (address, range) = hopwise_userland::kube::host_local::take(sandbox.sys, "ptp", own, &id, "eth0")?;
        let (gateway, veth, netns) = (range.gateway(), format!("ptp{}", &id[..8]), sandbox.netns.clone());
        sandbox.host_ip(&format!("link add {veth} type veth peer name eth0 netns {netns}"))?;
        sandbox.host_ip(&format!("addr add {gateway}/32 dev {veth}"))?;
        sandbox.host_ip(&format!("link set {veth} up"))?;
        sandbox.host_ip(&format!("route add {address}/32 dev {veth}"))?;
        sandbox.pod_ip(&format!("addr add {address}/32 dev eth0"))?;
        sandbox.pod_ip("link set eth0 up")?;
        sandbox.pod_ip(&format!("route add {gateway} dev eth0"))?;
        sandbox.pod_ip(&format!("route add default via {gateway}"))?;
        for other in nodes.iter().filter(|n| n.metadata.name != node) {
            if let (Some(range), Some(ip)) = (other.pod_cidr(), other.ip()) {
                sandbox.host_ip(&format!("route replace {range} via {ip}"))?;
            }
        }
        Ok(Attached { address: ipnet::Ipv4Net::new(address, 32).map_err(|e| e.to_string())?, gateway: Some(gateway) })
    }

    fn del(&self, sandbox: &mut Sandbox<'_, '_>) -> Result<(), CniError> {
        let id = sandbox.container_id.clone();
        hopwise_userland::kube::host_local::give_back(sandbox.sys, "ptp", &id);
        Ok(())
    }
}

const MANIFESTS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: a, containers: [{name: c, image: netshoot, command: [sleep, infinity]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: near, labels: {app: web}}
spec: {nodeName: a, containers: [{name: c, image: agnhost, args: [netexec]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far, labels: {app: web}}
spec: {nodeName: b, containers: [{name: c, image: agnhost, args: [netexec]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
";

/// Two nodes `a` and `b` on one wire, and somebody `outside` behind `a`; pods `client` and `near` on `a`, `far` on `b`.
fn world() -> World {
    // The machines and their wires.
    let mut world = World::new(1);
    let [a, b, outside] = ["a", "b", "outside"].map(|name| world.add_machine(name));
    world.connect((a, "eth0"), (b, "eth0"), WireSpec::default()).unwrap();
    world.connect((a, "eth1"), (outside, "eth0"), WireSpec::default()).unwrap();
    for (machine, line) in [
        (a, "ip addr add 192.168.0.1/24 dev eth0; ip addr add 203.0.113.1/24 dev eth1"),
        (b, "ip addr add 192.168.0.2/24 dev eth0; ip route add default via 192.168.0.1"),
        // The outside knows the pods: this plugin translates nothing.
        (outside, "ip addr add 203.0.113.9/24 dev eth0; ip route add default via 203.0.113.1"),
    ] {
        world.run(machine, line).expect_ok();
    }
    // The cluster with the plugin.
    let nodes = vec![Member::named("a"), Member::named("b")];
    let cluster = Cluster { cni: Some(Arc::new(PointToPoint)), nodes, ..Cluster::default() };
    world.start_cluster(cluster).unwrap();
    assert!(world.wait_for_nodes(Duration::from_secs(10)), "{}", world.why_not_ready());
    // Pods and a Service. `kubectl apply` does the same.
    for manifest in decode::manifests(MANIFESTS).unwrap() {
        world.kernel.store().apply(manifest.object).unwrap();
    }
    let all_run = world.wait_for_pods(Duration::from_secs(10));
    assert!(all_run, "{}", world.run(a, "kubectl describe pods").text);
    world
}

#[test]
fn the_five_kinds_of_connectivity() {
    let mut world = world();
    let a = world.machine("a").unwrap();
    let ip = |world: &World, name: &str| {
        let pod = world.kernel.kube.store.get::<hopwise_cluster::object::Pod>("default", name).unwrap();
        pod.ip().unwrap().to_string()
    };
    let (client, near, far) = (ip(&world, "client"), ip(&world, "near"), ip(&world, "far"));
    let from_client = |world: &mut World, to: &str| {
        let line = format!("kubectl exec client -- curl -sS -m 5 http://{to}/clientip");
        world.run(a, &line).expect_ok().text.split(':').next().unwrap_or_default().to_owned()
    };
    // 1. Pod to pod on one node: the other side sees the pod's own address, as nobody translates.
    assert_eq!(from_client(&mut world, &format!("{near}:8080")), client);
    // 2. Pod to pod on two nodes.
    assert_eq!(from_client(&mut world, &format!("{far}:8080")), client);
    // 3. Pod to Service: kube-proxy translates the Service's address, not the client's.
    assert_eq!(from_client(&mut world, "10.96.0.80"), client);
    // 4. Node to pod, on the node and on another one.
    world.run(a, &format!("ping -c 1 {near}")).expect_ok();
    world.run(a, &format!("ping -c 1 {far}")).expect_ok();
    // 5. Outside to a node port. What comes this way is hidden behind the node.
    let outside = world.machine("outside").unwrap();
    let page = world.run(outside, "curl -sS -m 5 http://203.0.113.1:30080/hostname").expect_ok().text;
    assert!(page == "near" || page == "far", "{page}");
    // And back: pod to the outside.
    world.run(a, "kubectl exec client -- ping -c 1 203.0.113.9").expect_ok();
}

#[test]
fn addresses_come_back_and_forks_go_on() {
    let mut world = world();
    let a = world.machine("a").unwrap();
    let list = |world: &mut World| world.run(a, "ls /var/lib/cni/networks/ptp").expect_ok().text;
    let before = list(&mut world);
    let mut fork = world.clone();
    world.run(a, "kubectl delete pod near").expect_ok();
    let after = list(&mut world);
    assert_eq!((before.lines().count(), after.lines().count()), (3, 2));
    assert_eq!(world.run(a, "ip netns | wc -l").text.trim(), "1");
    assert_eq!(world.run(a, "kubectl get pod near").text, "Error from server (NotFound): pods \"near\" not found\n");
    assert_eq!(list(&mut fork), before);
    assert_eq!(fork.run(a, "kubectl get pod near --no-headers").expect_ok().status, 0);
}
