//! Random networks and what people do to them: nothing panics, no packet is lost or doubled, the same seed gives the
//! same history, and a fork goes the same way as its original.

use std::fmt::Write as _;

use hopwise::{Duration, MachineId, World};
use proptest::prelude::*;

/// A network: namespaces, and links between them.
#[derive(Clone, Debug)]
struct Topology {
    namespaces: u8,
    /// From one namespace to another one; the first end becomes a bridge port, the second never does: no loops.
    links: Vec<(u8, u8, bool)>,
    /// Which namespaces forward.
    routers: u8,
}

/// Something that happens to it.
#[derive(Clone, Debug)]
enum Event {
    Ping { from: u8, link: u8, size: u16 },
    Route { ns: u8, to: u8, via: u8 },
    Flap { link: u8 },
    Setting { ns: u8, which: u8, value: u8 },
    Neighbour { ns: u8, link: u8 },
    Mtu { link: u8, mtu: u16 },
    Traceroute { from: u8, link: u8 },
    DeleteLink { link: u8 },
    DeleteNamespace { ns: u8 },
    Wait { seconds: u8 },
}

const SETTINGS: &[(&str, u8)] = &[
    ("net.ipv4.ip_forward", 2),
    ("net.ipv4.conf.all.rp_filter", 3),
    ("net.ipv4.conf.all.proxy_arp", 2),
    ("net.ipv4.conf.all.arp_ignore", 3),
    ("net.ipv4.conf.all.arp_announce", 3),
    ("net.ipv4.icmp_echo_ignore_all", 2),
    ("net.ipv4.conf.all.send_redirects", 2),
];

fn topology() -> impl Strategy<Value = Topology> {
    let links = prop::collection::vec((any::<u8>(), any::<u8>(), any::<bool>()), 1..7);
    (2..6u8, links, any::<u8>()).prop_map(|(namespaces, links, routers)| Topology { namespaces, links, routers })
}

fn event() -> impl Strategy<Value = Event> {
    let n = any::<u8>;
    prop_oneof![
        5 => (n(), n(), prop_oneof![Just(56), Just(1472), Just(3000)])
            .prop_map(|(from, link, size)| Event::Ping { from, link, size }),
        3 => (n(), n(), n()).prop_map(|(ns, to, via)| Event::Route { ns, to, via }),
        1 => n().prop_map(|link| Event::Flap { link }),
        1 => (n(), n(), n()).prop_map(|(ns, which, value)| Event::Setting { ns, which, value }),
        1 => (n(), n()).prop_map(|(ns, link)| Event::Neighbour { ns, link }),
        1 => (n(), 68..2000u16).prop_map(|(link, mtu)| Event::Mtu { link, mtu }),
        1 => (n(), n()).prop_map(|(from, link)| Event::Traceroute { from, link }),
        1 => n().prop_map(|link| Event::DeleteLink { link }),
        1 => n().prop_map(|ns| Event::DeleteNamespace { ns }),
        1 => n().prop_map(|seconds| Event::Wait { seconds }),
    ]
}

impl Topology {
    fn script(&self) -> String {
        let mut script = String::new();
        for i in 0..self.namespaces {
            let forward = (self.routers >> (i % 8)) & 1;
            let _ =
                writeln!(script, "ip netns add n{i}; ip -n n{i} link set lo up; ip -n n{i} link add br0 type bridge");
            let _ = writeln!(
                script,
                "ip -n n{i} link set br0 up; ip netns exec n{i} sysctl -qw net.ipv4.ip_forward={forward}"
            );
            let _ = writeln!(script, "ip -n n{i} addr add 10.100.{i}.1/24 dev br0");
        }
        for (i, (a, b, bridged)) in self.links.iter().enumerate() {
            let (a, b) = (a % self.namespaces, b % self.namespaces);
            let _ = writeln!(script, "ip link add l{i} netns n{a} type veth peer name r{i} netns n{b}");
            let _ = writeln!(script, "ip -n n{a} link set l{i} up; ip -n n{b} link set r{i} up");
            if *bridged {
                let _ = writeln!(
                    script,
                    "ip -n n{a} link set l{i} master br0; ip -n n{b} addr add 10.100.{a}.{}/24 dev r{i}",
                    i + 10
                );
            } else {
                let _ = writeln!(
                    script,
                    "ip -n n{a} addr add 10.0.{i}.1/24 dev l{i}; ip -n n{b} addr add 10.0.{i}.2/24 dev r{i}"
                );
            }
        }
        script
    }

    /// A command for an event. Some fail, as commands do.
    fn command(&self, event: &Event) -> String {
        let ns = |n: &u8| n % self.namespaces;
        let link = |l: &u8| {
            let index = usize::from(*l) % self.links.len();
            let (a, b, _) = self.links[index];
            if l & 0x80 == 0 {
                (a % self.namespaces, format!("l{index}"))
            } else {
                (b % self.namespaces, format!("r{index}"))
            }
        };
        let address = |l: &u8| {
            let index = usize::from(*l) % self.links.len();
            let (a, _, bridged) = self.links[index];
            match (bridged, l & 0x80 == 0) {
                (true, _) => format!("10.100.{}.{}", a % self.namespaces, index + 10),
                (false, true) => format!("10.0.{index}.1"),
                (false, false) => format!("10.0.{index}.2"),
            }
        };
        match event {
            Event::Ping { from, link, size } => {
                format!("ip netns exec n{} ping -c 2 -i 0.2 -W 1 -s {size} {}", ns(from), address(link))
            }
            Event::Route { ns: n, to, via } => {
                let to = to % 8;
                format!(
                    "ip -n n{} route replace 10.{}.{to}.0/24 via {}",
                    ns(n),
                    if to < 4 { 0 } else { 100 },
                    address(via)
                )
            }
            Event::Flap { link: l } => {
                let (ns, name) = link(l);
                format!("ip -n n{ns} link set {name} down; sleep 1; ip -n n{ns} link set {name} up")
            }
            Event::Setting { ns: n, which, value } => {
                let (name, values) = SETTINGS[usize::from(*which) % SETTINGS.len()];
                format!("ip netns exec n{} sysctl -w {name}={}", ns(n), value % values)
            }
            Event::Neighbour { ns: n, link: l } => format!(
                "ip -n n{} neigh flush all; ip -n n{} neigh; ip -n n{} -s link show {}",
                ns(n),
                ns(n),
                link(l).0,
                link(l).1
            ),
            Event::Mtu { link: l, mtu } => {
                let (ns, name) = link(l);
                format!("ip -n n{ns} link set {name} mtu {mtu}")
            }
            Event::Traceroute { from, link } => {
                format!("ip netns exec n{} traceroute -n -m 5 -q 1 -w 1 {}", ns(from), address(link))
            }
            Event::DeleteLink { link: l } => {
                let (ns, name) = link(l);
                format!("ip -n n{ns} link del {name}")
            }
            Event::DeleteNamespace { ns: n } => format!("ip netns del n{}", ns(n)),
            Event::Wait { seconds } => format!("sleep {}", seconds % 64),
        }
    }
}

fn assert_conserved(world: &World) -> Result<(), TestCaseError> {
    let (flying, held) = world.net().in_flight_and_held();
    let packets = world.net().packets();
    prop_assert_eq!(packets.alive(), flying + held, "{:?}: {} fly, {} wait", packets, flying, held);
    Ok(())
}

fn start(seed: u64, topology: &Topology) -> (World, MachineId) {
    let mut world = World::new(seed);
    let host = world.add_machine("host");
    world.run(host, &topology.script());
    (world, host)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_history_repeats(
        seed in 0..4u64,
        topology in topology(),
        events in prop::collection::vec(event(), 1..12),
        fork_at in any::<prop::sample::Index>(),
    ) {
        let (mut world, host) = start(seed, &topology);
        let mut told = Vec::new();
        let fork_at = fork_at.index(events.len());
        let mut fork = None;
        for (i, event) in events.iter().enumerate() {
            if i == fork_at {
                fork = Some((world.clone(), told.len()));
            }
            told.push(world.run(host, &topology.command(event)));
            assert_conserved(&world)?;
        }
        world.run_for(Duration::from_secs(60));
        assert_conserved(&world)?;

        // The same once more.
        let (mut again, host) = start(seed, &topology);
        for (event, told) in events.iter().zip(&told) {
            prop_assert_eq!(&again.run(host, &topology.command(event)), told);
        }
        again.run_for(Duration::from_secs(60));
        prop_assert_eq!(again.digest(), world.digest());

        // And from the middle on.
        let (mut fork, before) = fork.expect("there is at least one event");
        for (event, told) in events.iter().zip(&told).skip(before) {
            prop_assert_eq!(&fork.run(host, &topology.command(event)), told);
        }
        fork.run_for(Duration::from_secs(60));
        prop_assert_eq!(fork.digest(), world.digest());
    }
}
