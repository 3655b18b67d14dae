//! Small worlds that targets start from.

use std::net::Ipv4Addr;
use std::sync::{Mutex, OnceLock, PoisonError};

use hopwise_cluster::object::decode::manifests;
use hopwise_devices::ipip::TunnelParams;
use hopwise_machine::MachineId;
use hopwise_sim_core::{Duration, IfIndex, NsId};
use hopwise_stack::control::addr::AddrMode;
use hopwise_stack::control::link::{KindSpec, LinkSpec, PeerSpec, WireSpec};
use hopwise_stack::{IfAddr, Network};
use hopwise_userland::World;
use hopwise_userland::kube::{Cluster, Member, registry};

/// A machine `host` that is a router (`r`) with a bridge in front of two pods (`a`, `b`) and an uplink to a far host (`f`).
#[derive(Clone)]
pub(crate) struct Router {
    /// The world.
    pub(crate) world: World,
    /// Its machine.
    pub(crate) machine: MachineId,
    /// The router's links that frames are put into: both bridge ports and the uplink.
    pub(crate) entries: Vec<(NsId, IfIndex)>,
}

/// The router: built once, a fork of it for every input.
pub(crate) fn router() -> Router {
    static ROUTER: OnceLock<Mutex<Router>> = OnceLock::new();
    let router = ROUTER.get_or_init(|| match build() {
        Ok(router) => Mutex::new(router),
        Err(error) => panic!("the world of the fuzz targets cannot be built: {error:?}"),
    });
    router.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn build() -> Result<Router, hopwise_stack::NlError> {
    let mut world = World::new(1);
    let machine = world.add_machine("host");
    let host = hopwise_userland::SimKernel::host_of(machine);
    let names = ["r", "a", "b", "f"];
    let spaces: Vec<NsId> = names.iter().map(|_| world.kernel.net.add_namespace(host)).collect();
    if let Some(named) = world.kernel.names.first_mut() {
        named.extend(names.iter().map(|n| (*n).to_owned()).zip(spaces.iter().copied()));
    }
    let [r, a, b, f] = spaces[..] else { unreachable!("four namespaces") };
    let net = &mut world.kernel.net;
    let bridge = net.link_add(r, LinkSpec::bridge("br0"))?;
    let mut entries = Vec::new();
    for (pod, name, last) in [(a, "port0", 2), (b, "port1", 3)] {
        let port = veth(net, (r, name), (pod, "eth0"))?;
        net.set_link_master(r, port, Some(bridge))?;
        up(net, (pod, "eth0"), Some(Ipv4Addr::new(10, 0, 0, last)))?;
        entries.push((r, port));
    }
    let uplink = veth(net, (r, "up0"), (f, "eth0"))?;
    entries.push((r, uplink));
    up(net, (r, "br0"), Some(Ipv4Addr::new(10, 0, 0, 1)))?;
    up(net, (r, "up0"), Some(Ipv4Addr::new(10, 0, 1, 1)))?;
    up(net, (f, "eth0"), Some(Ipv4Addr::new(10, 0, 1, 2)))?;
    for port in ["port0", "port1"] {
        up(net, (r, port), None)?;
    }
    let ends = TunnelParams { local: Ipv4Addr::new(10, 0, 1, 1), ..TunnelParams::default() };
    net.tunnel_add(r, Some("ipip0"), ends)?;
    up(net, (r, "ipip0"), Some(Ipv4Addr::new(10, 0, 2, 1)))?;
    for (name, value) in [("net.ipv4.ip_forward", "1"), ("net.ipv4.conf.up0.proxy_arp", "1")] {
        let set = net.sysctl_set(r, name, value);
        assert!(matches!(set, Some(Ok(()))), "{name} can be set");
    }
    Ok(Router { world, machine, entries })
}

fn veth(net: &mut Network, a: (NsId, &str), b: (NsId, &str)) -> Result<IfIndex, hopwise_stack::NlError> {
    let peer = PeerSpec { name: Some(b.1.into()), ns: Some(b.0), ..PeerSpec::default() };
    net.link_add(a.0, LinkSpec::new(Some(a.1), KindSpec::Veth(peer)))
}

fn up(net: &mut Network, at: (NsId, &str), addr: Option<Ipv4Addr>) -> Result<IfIndex, hopwise_stack::NlError> {
    let link = net.ns(at.0).and_then(|n| n.devs.index_of(at.1)).unwrap_or(IfIndex::NONE);
    net.set_link_up(at.0, link, true)?;
    if let Some(addr) = addr {
        net.addr_add(at.0, link, IfAddr::new(addr, 24), AddrMode::Add)?;
    }
    Ok(link)
}

/// A node of a cluster with Cilium that has a pod, a service and a policy: built once, a fork of it for every input.
pub(crate) fn cluster() -> (World, MachineId) {
    static CLUSTER: OnceLock<Mutex<(World, MachineId)>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| match build_cluster() {
        Ok(cluster) => Mutex::new(cluster),
        Err(why) => panic!("the cluster of the fuzz targets cannot be built: {why}"),
    });
    cluster.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

const MANIFESTS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  nodeName: node
  containers: [{name: web, image: netshoot, command: [sleep, \"36000\"]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec:
  clusterIP: 10.96.0.80
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: some, namespace: default}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{ipBlock: {cidr: 172.16.0.0/16}}], ports: [{port: 8080}]}]
";

const WIRE: WireSpec =
    WireSpec { mtu: 1500, delay: Duration::ZERO, rate: 0, loss_ppm: 0, jitter: Duration::ZERO, number: 0 };

fn build_cluster() -> Result<(World, MachineId), String> {
    let mut world = World::new(1);
    let (machine, other) = (world.add_machine("node"), world.add_machine("other"));
    world.connect((machine, "ens33"), (other, "ens33"), WIRE).map_err(|why| why.to_string())?;
    world.run(machine, "ip addr add 192.168.0.120/24 dev ens33");
    let settings = serde_json::json!({
        "native-routing-cidr": "10.0.0.0/16",
        "enable-host-legacy-routing": "false",
        "drawn": { "identities": [3352], "endpoints": { "web": 1445 }, "addresses": { "web": "10.0.0.85" } },
    });
    let make = registry::find("cilium").ok_or("no such plugin")?.make;
    let cni = make(settings.as_object().ok_or("no settings")?).map_err(|(key, why)| format!("{key}: {why}"))?;
    let pod_cidr = "10.0.0.0/16".parse().map_err(|_| "no range")?;
    let nodes = vec![Member::named("node")];
    let cluster = Cluster { cni: Some(cni), pod_cidr, nodes, ..Cluster::default() };
    world.start_cluster(cluster).map_err(|why| why.to_string())?;
    if !world.wait_for_nodes(Duration::from_secs(60)) {
        return Err(world.why_not_ready());
    }
    for manifest in manifests(MANIFESTS).map_err(|_| "a manifest is not understood")? {
        world.kernel.store().apply(manifest.object).map_err(|why| why.to_string())?;
    }
    world.run(machine, "sleep 1");
    if world.wait_for_pods(Duration::from_secs(60)) { Ok((world, machine)) } else { Err(world.why_not_ready()) }
}

/// Every packet that was born is somewhere or has ended.
pub(crate) fn assert_conserved(net: &Network) {
    let (flying, held) = net.in_flight_and_held();
    let packets = net.packets();
    assert_eq!(packets.alive(), flying + held, "packets were lost or doubled: {packets:?}, {flying} fly, {held} wait");
}
