//! Namespaces end when nobody lives in them and nothing names them.

use hopwise_machine::MachineId;
use hopwise_stack::control::link::WireSpec;
use hopwise_userland::World;

fn machine() -> (World, MachineId) {
    let mut world = World::new(1);
    let machine = world.add_machine("host");
    (world, machine)
}

fn namespaces(world: &World) -> usize {
    world.net().namespaces().count()
}

fn text(world: &mut World, machine: MachineId, command: &str) -> String {
    world.run(machine, command).text
}

#[test]
fn a_namespace_ends_with_the_last_process_in_it() {
    let (mut world, host) = machine();
    assert_eq!(text(&mut world, host, "for i in $(seq 10000); do unshare -n true; done"), "");
    assert_eq!(namespaces(&world), 1);
    text(&mut world, host, "unshare -n sleep 10 & unshare -n sh -c 'sleep 20 & sleep 1' &");
    text(&mut world, host, "sleep 5");
    assert_eq!(namespaces(&world), 3, "a child keeps it");
    text(&mut world, host, "sleep 30");
    assert_eq!(namespaces(&world), 1);
    assert_eq!(world.net().packets().alive(), 0);
}

#[test]
fn its_veths_take_their_peers_along() {
    let (mut world, host) = machine();
    text(&mut world, host, "unshare -n sleep 10 & sleep 1; ip link add va type veth peer name vb");
    text(&mut world, host, "ip link set vb netns $! && ip link set va up && ip addr add 10.0.0.1/24 dev va");
    assert!(text(&mut world, host, "ip -br link show va").starts_with("va@if"), "vb is elsewhere");
    assert_eq!(text(&mut world, host, "sleep 10; ip -br link show va"), "Device \"va\" does not exist.\n");
    assert_eq!(text(&mut world, host, "ip route"), "");
}

#[test]
fn a_deleted_name_leaves_the_namespace_to_those_who_live_there() {
    let (mut world, host) = machine();
    text(&mut world, host, "ip netns add blue; ip netns exec blue sleep 10 & sleep 1; ip netns del blue");
    assert_eq!(namespaces(&world), 2);
    assert_eq!(text(&mut world, host, "nsenter -t $! -n ip -br link | cut -c 1-2; sleep 10"), "lo\n");
    assert_eq!(namespaces(&world), 1);
    // Who deletes the name of the namespace in which it lives keeps it until it ends itself.
    text(&mut world, host, "ip netns add red; ip netns exec red sh -c 'ip netns del red; sleep 5' & sleep 1");
    assert_eq!(namespaces(&world), 2);
    text(&mut world, host, "sleep 10");
    assert_eq!(namespaces(&world), 1);
    // A second name, given by the process, keeps it.
    text(&mut world, host, "unshare -n sleep 5 & sleep 1; ip netns attach kept $!; sleep 10");
    assert_eq!((namespaces(&world), text(&mut world, host, "ip netns")), (2, "kept\n".to_owned()));
}

#[test]
fn a_killed_process_leaves_its_namespace_too() {
    let (mut world, host) = machine();
    text(&mut world, host, "unshare -n sleep 1000 & sleep 1; kill -9 $!; sleep 1");
    assert_eq!(namespaces(&world), 1);
}

#[test]
fn nics_of_a_namespace_that_ends_go_back_to_the_machine() {
    let (mut world, host) = machine();
    let other = world.add_machine("other");
    for (near, far) in [("e0", "f0"), ("e1", "f1")] {
        world.connect((host, near), (other, far), WireSpec::default()).unwrap();
    }
    text(&mut world, host, "unshare -n sleep 10 & sleep 1; ip link set e0 netns $!; ip link set e1 netns $!");
    text(&mut world, host, "ip link add e1 type veth peer name x; sleep 10");
    let links = text(&mut world, host, "ip -br link | cut -d ' ' -f 1");
    let names: Vec<&str> = links.lines().map(|l| l.split('@').next().unwrap()).collect();
    assert_eq!(names, ["lo", "e0", "dev3", "x", "e1"]);
    let far = text(&mut world, other, "ip -br link show f0");
    assert!(far.contains("NO-CARRIER"), "the wire is still there: {far}");
    text(&mut world, host, "ip link set e0 up");
    assert!(text(&mut world, other, "ip -br link show f0").contains(" UP "));
    assert_eq!(namespaces(&world), 2);
}
