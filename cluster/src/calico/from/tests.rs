//! From manifests to views.

use super::*;
use crate::object::ObjectMeta;
use crate::object::decode::manifests;

fn store(text: &str) -> Store {
    let mut store = Store::new(1);
    for name in ["default", "alpha"] {
        let mut namespace = Namespace { metadata: ObjectMeta::named("", name), ..Namespace::default() };
        namespace.metadata.labels.insert("team".into(), name.into());
        store.create(Box::new(namespace)).unwrap();
    }
    for manifest in manifests(text).unwrap_or_else(|refused| panic!("{}", refused.text("f"))) {
        store.create(manifest.object).unwrap();
    }
    store
}

const CLUSTER: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1, annotations: {projectcalico.org/IPv4Address: 192.168.0.81/24}, labels: {rr: 'no'}}
---
apiVersion: v1
kind: Node
metadata: {name: n2, annotations: {projectcalico.org/IPv4Address: 192.168.0.82/24, projectcalico.org/RouteReflectorClusterID: 1.0.0.1}, labels: {rr: 'yes'}}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: default-ipv4-ippool}
spec: {cidr: 10.244.0.0/16, ipipMode: CrossSubnet, natOutgoing: true}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: alpha, labels: {run: nginx}, annotations: {cni.projectcalico.org/podIP: 10.244.1.5/32}}
spec: {nodeName: n1, containers: [{name: c, image: nginx}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: access-nginx, namespace: alpha}
spec:
  podSelector: {matchLabels: {run: nginx}}
  ingress:
  - from:
    - podSelector: {matchLabels: {run: access}}
    - namespaceSelector: {matchLabels: {team: default}}
    ports: [{port: 80}, {port: 53, protocol: UDP}, {port: 8000, endPort: 8080}]
";

#[test]
fn a_pod_is_an_endpoint() {
    let store = store(CLUSTER);
    let (view, refused) = rules(&store, "n1");
    assert_eq!((view.endpoints.len(), refused.len(), view.ipip, view.vxlan), (1, 0, true, false));
    let web = &view.endpoints[0];
    assert!(web.is_local && web.interface.len() == 15);
    assert_eq!(web.labels["pcns.team"], "alpha");
    assert!(!rules(&store, "n2").0.endpoints[0].is_local);
}

#[test]
fn a_policy_of_kubernetes_has_a_rule_for_each_protocol_and_peer() {
    let (view, _) = rules(&store(CLUSTER), "n1");
    let [policy] = &view.policies[..] else { panic!("{:?}", view.policies) };
    let rules = policy.ingress.as_ref().unwrap();
    let said: Vec<(Option<&str>, usize, String)> = rules
        .iter()
        .map(|r| (r.protocol.as_deref(), r.destination.ports.len(), r.source.selector.as_ref().unwrap().to_string()))
        .collect();
    let pods = "(projectcalico.org/namespace == \"alpha\" && (projectcalico.org/orchestrator == \"k8s\" && run == \"access\"))";
    let spaces = "pcns.team == \"default\"";
    let expected = [
        (Some("tcp"), 2, pods.to_owned()),
        (Some("tcp"), 2, spaces.to_owned()),
        (Some("udp"), 1, pods.to_owned()),
        (Some("udp"), 1, spaces.to_owned()),
    ];
    assert_eq!(said, expected);
    assert!(policy.egress.is_none());
    let named = CLUSTER.replace("{port: 80}", "{port: http}");
    let (view, refused) = super::rules(&store(&named), "n1");
    assert!(view.policies.is_empty() && refused[0].contains("alpha/access-nginx"), "{refused:?}");
}

#[test]
fn the_link_of_a_pod_has_its_real_name() {
    // `echo -n default.nginx | sha1sum`
    assert_eq!(interface_of("default", "nginx"), "calic440f455693");
}

#[test]
fn reflectors_and_their_clients_find_each_other() {
    let peers = "
---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 64600, nodeToNodeMeshEnabled: false}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: to-reflectors}
spec: {nodeSelector: rr != 'yes', peerSelector: rr == 'yes'}
";
    let store = store(&format!("{CLUSTER}{peers}"));
    let (client, reflector) = (bird(&store, "n1").unwrap(), bird(&store, "n2").unwrap());
    assert_eq!(client.node_peers[0].address.to_string(), "192.168.0.82");
    assert_eq!(reflector.node_peers[0].address.to_string(), "192.168.0.81");
    assert_eq!((client.as_number, client.mesh.is_some(), reflector.cluster_id.is_some()), (64600, false, true));
    assert!(reflector.files()[0].1.contains("rr cluster id 1.0.0.1"));
}

#[test]
fn blocks_live_in_the_store() {
    let mut store = store(CLUSTER);
    let pools = [store.get::<IpPool>("", "default-ipv4-ippool").unwrap().for_ipam()];
    let why = crate::ipam::calico::Tunnel::Ipip.attribute("n1");
    let address = with_ipam(&mut store, |ipam| ipam.auto_assign(&pools, "n1", &why)).unwrap();
    let [block] = blocks(&store, "n1")[..] else { panic!() };
    assert_eq!(block.network(), address);
    assert_eq!(ipam(&store).attribute(address), Some(&why));
    with_ipam(&mut store, |ipam| ipam.release_handle(&why.handle_id));
    assert_eq!(blocks(&store, "n1").len(), 1);
    with_ipam(&mut store, |ipam| ipam.release_host("n1"));
    assert!(blocks(&store, "n1").is_empty() && ipam(&store).blocks.is_empty());
}
