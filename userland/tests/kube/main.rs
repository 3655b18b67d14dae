//! A cluster of three machines as its user sees it: kubectl, names, nodes that come and go.

mod commands;
mod names;
mod nodes;
mod printers;

use hopwise_machine::MachineId;
use hopwise_sim_core::Duration;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;
use hopwise_userland::kube::{Cluster, Dns, Member, registry};

/// `cp`, `worker1` and `worker2` on one wire, and `outside` beside them, which is no node.
pub struct Lab {
    /// Everything.
    pub world: World,
    /// The control plane.
    pub cp: MachineId,
}

impl Lab {
    /// A cluster with this network plugin.
    pub fn new(cni: &str, settings: &str, dns: Dns) -> Self {
        let mut world = World::new(1);
        let names = ["cp", "worker1", "worker2", "outside"];
        let machines = names.map(|name| world.add_machine(name));
        let switch = world.add_machine("switch");
        world.run(switch, "ip link add br0 type bridge && ip link set br0 up").expect_ok();
        for (at, machine) in machines.into_iter().enumerate() {
            let port = format!("p{at}");
            world.connect((machine, "eth0"), (switch, &*port), WireSpec::default()).unwrap();
            world.run(switch, &format!("ip link set {port} master br0")).expect_ok();
            world.run(machine, &format!("ip addr add 192.168.0.{}/24 dev eth0", 10 + at)).expect_ok();
        }
        let plugin = (registry::find(cni).unwrap().make)(&serde_json::from_str(settings).unwrap()).unwrap();
        let nodes = names[..3].iter().copied().map(Member::named).collect();
        world.start_cluster(Cluster { cni: Some(plugin), nodes, dns, ..Cluster::default() }).unwrap();
        assert!(world.wait_for_nodes(Duration::from_secs(10)), "{}", world.why_not_ready());
        let mut lab = Lab { world, cp: machines[0] };
        lab.settle();
        lab
    }

    /// One with flannel and routes.
    pub fn flannel(dns: Dns) -> Self {
        Lab::new("flannel", r#"{"backend": "host-gw"}"#, dns)
    }

    /// Goes on until all pods run.
    pub fn settle(&mut self) {
        let all_run = self.world.wait_for_pods(Duration::from_secs(20));
        assert!(all_run, "{}", self.run("kubectl describe pods -A"));
    }

    /// What a command on the control plane prints, and its status if it is not 0.
    pub fn run(&mut self, line: &str) -> String {
        let output = self.world.run(self.cp, line);
        match output.status {
            0 => output.text,
            status => format!("{}? {status}\n", output.text),
        }
    }

    /// The same for another machine.
    pub fn on(&mut self, machine: &str, line: &str) -> String {
        let machine = self.world.machine(machine).unwrap();
        self.world.run(machine, line).text
    }

    /// What a command that must succeed prints.
    pub fn ok(&mut self, line: &str) -> String {
        self.world.run(self.cp, line).expect_ok().text
    }

    /// Applies manifests, and waits for their pods.
    pub fn apply(&mut self, text: &str) {
        let text = text.replace('\'', "'\\''");
        self.ok(&format!("printf '%s' '{text}' | kubectl apply -f -"));
        self.settle();
    }

    /// Goes on for so long.
    pub fn seconds(&mut self, count: u64) {
        self.world.run_for(Duration::from_secs(count));
    }
}

/// A Deployment `web` of two pods behind a Service, and a client.
pub const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: nginx, image: 'nginx:1.25', ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {nodeName: worker1, containers: [{name: client, image: busybox, command: [sleep, infinity]}]}
";
