//! Laws of IPAM on whole machines, for each network plugin: pods come and go in any order on small ranges, and no address is given out
//! twice, and none is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hopwise_cluster::object::calico::IpamBlock;
use hopwise_cluster::object::pod::Container;
use hopwise_cluster::object::{Kind, ObjectMeta, Pod};
use hopwise_machine::MachineId;
use hopwise_sim_core::Duration;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;
use hopwise_userland::kube::{Cluster, Member, registry};
use ipnet::Ipv4Net;
use proptest::prelude::*;

const NODES: [&str; 2] = ["n1", "n2"];
/// So many pods may be there at a time: more than a node's range has addresses.
const PODS: u8 = 18;

/// Two nodes on a wire. All pods have 64 addresses, 16 of them on a node.
fn world(plugin: &str, settings: &str) -> World {
    let mut world = World::new(1);
    let machines = NODES.map(|name| world.add_machine(name));
    world.connect((machines[0], "eth0"), (machines[1], "eth0"), WireSpec::default()).unwrap();
    for (n, machine) in machines.into_iter().enumerate() {
        let line = format!("ip addr add 192.168.1.{}/24 dev eth0; ip route add default via 192.168.1.254", n + 1);
        world.run(machine, &line).expect_ok();
    }
    let cni = (registry::find(plugin).unwrap().make)(&serde_json::from_str(settings).unwrap()).unwrap();
    let cluster = Cluster { cni: Some(cni), pod_cidr: range(), node_mask: 28, ..Cluster::default() };
    world.start_cluster(Cluster { nodes: NODES.map(Member::named).into(), ..cluster }).unwrap();
    assert!(world.wait_for_nodes(Duration::from_secs(60)), "{}", world.why_not_ready());
    world
}

fn range() -> Ipv4Net {
    "10.244.0.0/26".parse().unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    /// A pod comes on a node, if it is not there.
    Come(u8, usize),
    /// A pod goes, if it is there.
    Go(u8),
    /// A while passes.
    Wait(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..PODS, 0..NODES.len()).prop_map(|(pod, node)| Step::Come(pod, node)),
        3 => (0..PODS).prop_map(Step::Go),
        2 => (1..5u8).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..60)
}

fn carry_out(world: &mut World, step: &Step) {
    match step {
        Step::Come(pod, node) => {
            let mut object = Pod { metadata: ObjectMeta::named("default", &format!("p{pod}")), ..Pod::default() };
            object.spec.node_name = NODES[*node].to_owned();
            let command = ["sleep", "36000"].map(str::to_owned).to_vec();
            let container = Container { name: "c".into(), image: "busybox".into(), command, ..Container::default() };
            object.spec.containers.push(container);
            // One that is there already stays as it is.
            let _ = world.kernel.store().create(Box::new(object));
        }
        Step::Go(pod) => {
            // Without waiting: others come while it goes.
            let _ = world.kernel.store().delete(&Pod::TYPE, "default", &format!("p{pod}"));
        }
        Step::Wait(tenths) => world.run_for(Duration::from_millis(u64::from(*tenths) * 100)),
    }
}

/// The addresses of pods by their names.
fn addresses(world: &World) -> BTreeMap<String, Ipv4Addr> {
    let pods = world.kernel.kube.store.list::<Pod>(Some("default"));
    let address = |pod: &Pod| Some((pod.metadata.name.clone(), pod.status.pod_ip?));
    pods.filter_map(address).collect()
}

/// The addresses that a plugin counts as given to pods.
fn given(world: &mut World, plugin: &str) -> BTreeSet<Ipv4Addr> {
    match plugin {
        "calico" => {
            let blocks = world.kernel.kube.store.list::<IpamBlock>(None);
            let handles =
                |block: &IpamBlock| block.spec.taken().map(|(at, why)| (at, why.handle_id.clone())).collect::<Vec<_>>();
            let all = blocks.flat_map(handles).filter(|(_, handle)| handle.starts_with("k8s-pod-network."));
            all.map(|(address, _)| address).collect()
        }
        "cilium" => {
            let nodes = world.kernel.cilium.values().flat_map(|node| &node.allocated);
            nodes.filter(|(_, owner)| owner.starts_with("default/")).map(|(address, _)| *address).collect()
        }
        // host-local's files.
        _ => {
            let mut all = BTreeSet::new();
            for machine in [0, 1].map(MachineId) {
                let text = world.run(machine, "ls /var/lib/cni/networks/* 2>/dev/null").text;
                let files = text.split_whitespace().filter_map(|name| name.parse::<Ipv4Addr>().ok());
                for address in files {
                    assert!(all.insert(address), "{address} on both nodes");
                }
            }
            all
        }
    }
}

fn law((plugin, settings): (&str, &str), steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = world(plugin, settings);
    for step in steps {
        carry_out(&mut world, step);
        let all = addresses(&world);
        let distinct: BTreeSet<&Ipv4Addr> = all.values().collect();
        prop_assert_eq!(distinct.len(), all.len(), "an address twice: {:?}", all);
        prop_assert!(all.values().all(|address| range().contains(address)), "{:?}", all);
    }
    world.run_for(Duration::from_secs(60));
    // Each pod has what it is said to have, and nothing is given to nobody.
    let all: BTreeSet<Ipv4Addr> = addresses(&world).into_values().collect();
    prop_assert_eq!(given(&mut world, plugin), all);
    for pod in 0..PODS {
        carry_out(&mut world, &Step::Go(pod));
    }
    world.run_for(Duration::from_secs(60));
    prop_assert_eq!(given(&mut world, plugin), BTreeSet::new());
    Ok(())
}

/// The plugins with settings that need nothing else on the machines.
const BRIDGE: (&str, &str) = ("bridge", "{}");
const FLANNEL: (&str, &str) = ("flannel", r#"{"backend": "host-gw"}"#);
const CALICO: (&str, &str) = ("calico", r#"{"ipipMode": "Always", "bgp": false, "blockSize": 29}"#);
const CILIUM: (&str, &str) = ("cilium", r#"{"native-routing-cidr": "10.244.0.0/26"}"#);

/// A node's range is smaller than the number of its pods: some wait. One that goes lets one in. Calico's nodes borrow from each other.
#[test]
fn who_waits_comes_in_when_another_one_goes() {
    for ((plugin, settings), most) in [(BRIDGE, 13), (FLANNEL, 13), (CALICO, PODS.into()), (CILIUM, 12)] {
        let mut world = world(plugin, settings);
        (0..PODS).for_each(|pod| carry_out(&mut world, &Step::Come(pod, 1)));
        world.run_for(Duration::from_secs(20));
        assert_eq!(addresses(&world).len(), most, "{plugin}");
        let first = addresses(&world).keys().next().unwrap()[1..].parse().unwrap();
        carry_out(&mut world, &Step::Go(first));
        world.run_for(Duration::from_secs(60));
        assert_eq!(addresses(&world).len(), most.min(usize::from(PODS) - 1), "{plugin}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn host_local_of_bridge(steps in steps()) {
        law(BRIDGE, &steps)?;
    }

    #[test]
    fn host_local_of_flannel(steps in steps()) {
        law(FLANNEL, &steps)?;
    }

    #[test]
    fn blocks_of_calico(steps in steps()) {
        law(CALICO, &steps)?;
    }

    #[test]
    fn cluster_pool_of_cilium(steps in steps()) {
        law(CILIUM, &steps)?;
    }
}
