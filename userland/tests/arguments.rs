//! Whatever words `ip link`, `ip netns`, `bridge`, `brctl` and `ethtool` are given: they answer or refuse, and the
//! world stays in order.

use hopwise_userland::World;
use proptest::prelude::*;

const WORDS: &[&str] = &[
    "add",
    "set",
    "del",
    "show",
    "link",
    "dev",
    "name",
    "type",
    "veth",
    "bridge",
    "bridge_slave",
    "dummy",
    "peer",
    "master",
    "nomaster",
    "up",
    "down",
    "mtu",
    "1400",
    "0",
    "-1",
    "99999999999",
    "address",
    "02:00:00:00:00:01",
    "02:00",
    "zz",
    "netns",
    "n",
    "m",
    "v0",
    "v1",
    "br0",
    "br%d",
    "%d%d",
    "lo",
    "alias",
    "index",
    "5",
    "group",
    "7",
    "txqueuelen",
    "promisc",
    "on",
    "off",
    "arp",
    "carrier",
    "hairpin",
    "state",
    "3",
    "cost",
    "fdb_flush",
    "priority",
    "ageing_time",
    "stp_state",
    "addr",
    "fdb",
    "append",
    "replace",
    "self",
    "permanent",
    "static",
    "dynamic",
    "br",
    "brport",
    "get",
    "exec",
    "set",
    "list-id",
    "delete",
    "addif",
    "delif",
    "addbr",
    "delbr",
    "showstp",
    "-S",
    "-K",
    "tx",
    "\"\"",
    "a/b",
    "averyveryverylongname",
    "help",
    "-d",
    "-j",
];

fn command() -> impl Strategy<Value = String> {
    let program = prop::sample::select(vec![
        "ip link add",
        "ip link set",
        "ip link del",
        "ip link show",
        "ip -d -s link",
        "ip netns",
        "ip -n n link",
        "bridge fdb",
        "bridge link set",
        "bridge -d link",
        "brctl",
        "ethtool",
        "ip",
    ]);
    let words = prop::collection::vec(prop::sample::select(WORDS), 0..7);
    (program, words).prop_map(|(program, words)| format!("{program} {}", words.join(" ")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn any_words_are_answered_or_refused(commands in prop::collection::vec(command(), 1..12)) {
        let mut world = World::new(3);
        let machine = world.add_machine("host");
        let setup = "ip netns add n; ip netns add m; ip link add br0 type bridge; ip link add v0 type veth peer name v1; \
                     ip link set v0 master br0; ip link set v0 up; ip link set v1 up; ip link set br0 up";
        prop_assert_eq!(world.run(machine, setup).status, 0);
        for command in &commands {
            let output = world.run(machine, command);
            prop_assert!((0..256).contains(&output.status), "{}: {}", command, output.status);
        }
        let shown = world.run(machine, "ip -d link; ip -j -d -p link; bridge fdb; bridge -d link; brctl show");
        prop_assert_eq!(shown.status, 0, "{}", shown.text);
        // Every port is in the list of its bridge, and no list has anything else.
        for space in world.net().namespaces() {
            let ports: usize = space.devs.iter().filter_map(|d| d.kind.bridge()).map(|b| b.ports.len()).sum();
            prop_assert_eq!(ports, space.devs.iter().filter(|d| d.port.is_some()).count());
            for dev in space.devs.iter() {
                if let Some((ns, peer)) = world.net().peer_of(space.id, dev.index) {
                    prop_assert_eq!(world.net().peer_of(ns, peer), Some((space.id, dev.index)));
                }
            }
        }
    }
}
