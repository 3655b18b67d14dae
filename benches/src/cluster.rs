//! A Kubernetes cluster as a whole: nodes with kubelet, kube-proxy and the plugin `bridge`, joined by one network, whose routes to the
//! pods of each node are typed on a router; Deployments, each with a Service before it; a pod that asks them.

use std::fmt::Write;

use hopwise_cluster::object::{Pod, Service, decode};
use hopwise_sim_core::Duration;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;
use hopwise_userland::kube::{Cluster, Member, registry};

/// Longer than a cluster of any size takes, in virtual time.
const PATIENCE: Duration = Duration::from_secs(100);

/// How large a cluster is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Machines that are nodes; there is a router beside them.
    pub nodes: u32,
    /// Services, each with a Deployment of its own.
    pub services: u32,
    /// Pods of each Deployment.
    pub replicas: u32,
}

impl Size {
    /// The cluster that the limits are about: 1,000 nodes, 1,000 Services, 10,000 pods.
    pub const LARGE: Size = Size { nodes: 1_000, services: 1_000, replicas: 10 };
}

/// A cluster, all of whose pods are ready.
pub struct Kubernetes {
    /// Its world.
    pub world: World,
    size: Size,
}

impl Kubernetes {
    /// Builds it.
    ///
    /// # Errors
    /// What is not as it should be.
    pub fn new(size: Size) -> Result<Self, String> {
        let mut world = World::new(1);
        let nodes = machines(&mut world, size.nodes)?;
        let plugin = registry::find("bridge").ok_or("there is no plugin `bridge`")?;
        let cni = (plugin.make)(&Default::default()).map_err(|(key, why)| format!("{key}: {why}"))?;
        let pod_cidr = "10.128.0.0/9".parse().map_err(|why| format!("{why}"))?;
        let cluster = Cluster { cni: Some(cni), pod_cidr, nodes, ..Cluster::default() };
        world.start_cluster(cluster).map_err(|why| why.to_string())?;
        if !world.wait_for_nodes(PATIENCE) {
            return Err(world.why_not_ready());
        }
        for manifest in decode::manifests(&manifests(size)).map_err(|why| format!("{why:?}"))? {
            world.kernel.store().apply(manifest.object).map_err(|why| why.to_string())?;
        }
        if !world.wait_for_pods(PATIENCE) {
            return Err("not all pods are ready".into());
        }
        Ok(Kubernetes { world, size })
    }

    /// The address of a Service.
    pub fn service(&self, number: u32) -> Option<String> {
        let service = self.world.kernel.kube.store.get::<Service>("default", &format!("s{number}"))?;
        Some(service.spec.cluster_ip.clone())
    }

    /// How many pods there are.
    pub fn pods(&self) -> usize {
        self.world.kernel.kube.store.list::<Pod>(None).count()
    }

    /// The client's pod asks the last Service who it is: the name of the pod that answers.
    ///
    /// # Errors
    /// What it prints instead.
    pub fn ask(&mut self) -> Result<String, String> {
        let address = self.service(self.size.services - 1).ok_or("there is no Service")?;
        let node = self.world.machine("node0").ok_or("there is no node")?;
        let asked = self.world.run(node, &format!("kubectl exec client -- curl -sS -m 5 http://{address}/hostname"));
        if asked.status == 0 { Ok(asked.text) } else { Err(asked.text) }
    }
}

/// A router, and machines behind the ports of its bridge.
fn machines(world: &mut World, nodes: u32) -> Result<Vec<Member>, String> {
    let done = |output: hopwise_userland::Output| if output.status == 0 { Ok(()) } else { Err(output.text) };
    let router = world.add_machine("router");
    let begin = "sysctl -qw net.ipv4.ip_forward=1; ip link add br0 type bridge; ip addr add 172.16.0.1/16 dev br0; ip link set br0 up";
    done(world.run(router, begin))?;
    let mut script = String::from("ip -b - <<'END'\n");
    let mut members = Vec::new();
    for n in 0..nodes {
        let (name, port) = (format!("node{n}"), format!("p{n}"));
        let machine = world.add_machine(&name);
        world.connect((machine, "eth0"), (router, &*port), WireSpec::default()).map_err(|why| why.to_string())?;
        let address = format!("172.16.{}.{}", 1 + n / 250, 1 + n % 250);
        done(world.run(machine, &format!("ip addr add {address}/16 dev eth0; ip route add default via 172.16.0.1")))?;
        let _ = writeln!(script, "link set {port} master br0");
        let _ = writeln!(script, "route add 10.{}.{}.0/24 via {address}", 128 + n / 256, n % 256);
        members.push(Member::named(&name));
    }
    done(world.run(router, &format!("{script}END")))?;
    Ok(members)
}

/// The client, the Deployments and their Services.
fn manifests(size: Size) -> String {
    let mut text = String::from(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: client}\n\
         spec: {nodeName: node0, containers: [{name: c, image: netshoot, command: [sleep, infinity]}]}\n",
    );
    for s in 0..size.services {
        let replicas = size.replicas;
        let _ = write!(
            text,
            "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: s{s}}}\nspec:\n  replicas: {replicas}\n  \
             selector: {{matchLabels: {{app: s{s}}}}}\n  template:\n    metadata: {{labels: {{app: s{s}}}}}\n    \
             spec: {{containers: [{{name: c, image: agnhost, args: [netexec]}}]}}\n\
             ---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{s}}}\n\
             spec: {{selector: {{app: s{s}}}, ports: [{{port: 80, targetPort: 8080}}]}}\n"
        );
    }
    text
}
