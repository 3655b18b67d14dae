//! The programs at work, one dialogue each: a node with a pod, a wire to another node, and what comes out of it.

mod common;

use core::net::Ipv4Addr;

use common::{address, cable, host, network, run, via};
use hopwise_protocols::wire::ethernet::{self, ETH_P_ARP, ETH_P_IP};
use hopwise_protocols::wire::{ArpPacket, IntoBytes, MacAddr, icmp, ipv4};
use hopwise_sim_core::{Detail, DropReason, IfIndex, NsId};
use hopwise_stack::control::qdisc::Verb;
use hopwise_stack::control::tc::FilterKey;
use hopwise_stack::path::tc::cilium::ct::Made;
use hopwise_stack::path::tc::cilium::event::Kind;
use hopwise_stack::path::tc::cilium::lb::{LOOPBACK, Service, Socket};
use hopwise_stack::path::tc::cilium::maps::{self, EndpointProgram, Local, PolicyMap, Remote};
use hopwise_stack::path::tc::cilium::nat::Masquerade;
use hopwise_stack::path::tc::cilium::{Config, Maps, Program};
use hopwise_stack::path::tc::{Filter, Hook, INGRESS};
use hopwise_stack::socket::SocketKind;
use hopwise_stack::{Direction, Network};

const POD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 85);
const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 120);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 124);
const ENDPOINT: u16 = 1445;

/// A node with the links `lxc` (to the pod) and `eth0` (to another host, which is only a wire's end here).
struct Node {
    net: Network,
    node: NsId,
    pod: NsId,
    lxc: IfIndex,
    pod_link: IfIndex,
    eth: IfIndex,
}

impl Node {
    fn new(host_routing: bool) -> Node {
        let mut net = network();
        let node = host(&mut net, "node", true);
        let far = host(&mut net, "far", false);
        let pod = host(&mut net, "pod", false);
        let (lxc, pod_link) = cable(&mut net, (node, "lxc", ""), (pod, "eth0", "10.0.0.85/32"));
        let (eth, _) = cable(&mut net, (node, "eth0", "192.168.0.120/24"), (far, "eth0", "192.168.0.130/24"));
        via(&mut net, node, "10.0.1.0/24", "192.168.0.130");
        let mac = |net: &Network, ns, link| net.ns(ns).unwrap().devs.get(link).unwrap().addr;
        let (lxc_mac, pod_mac) = (mac(&net, node, lxc), mac(&net, pod, pod_link));
        let config = Config { host_routing, host_endpoint: 385, ..Config::default() };
        let mut maps = Maps { config, ..Maps::default() };
        maps.programs.insert(
            ENDPOINT,
            EndpointProgram { ip: POD, identity: 3352, node_mac: lxc_mac, policy: PolicyMap::open() },
        );
        maps.endpoints.insert(NODE, Local::Host);
        let local = maps::Endpoint { id: ENDPOINT, ifindex: lxc, mac: pod_mac, node_mac: lxc_mac };
        maps.endpoints.insert(POD, Local::Pod(local));
        for (addr, len, identity) in [(Ipv4Addr::UNSPECIFIED, 0, 2), (POD, 32, 3352), (FAR, 32, 300), (NODE, 32, 1)] {
            let prefix = ipnet::Ipv4Net::new_assert(addr, len);
            maps.ipcache.set(prefix, Remote { identity, tunnel: Ipv4Addr::UNSPECIFIED });
        }
        maps.events.listen(1);
        net.ns_mut(node).unwrap().cilium = Some(Box::new(maps));
        let mut this = Node { net, node, pod, lxc, pod_link, eth };
        this.attach(lxc, Hook::Ingress, Program::FromContainer(ENDPOINT));
        this.attach(eth, Hook::Ingress, Program::FromNetdev);
        this.attach(eth, Hook::Egress, Program::ToNetdev);
        this.net.captures.clear();
        this
    }

    fn attach(&mut self, link: IfIndex, hook: Hook, program: Program) {
        self.net.clsact_modify(self.node, link, Verb::Replace, false).unwrap();
        let filter = Filter { name: "test".into(), program, pref: 1, handle: 1, id: 1, tag: 0 };
        self.net.filter_replace(self.node, link, hook, filter).unwrap();
    }

    fn maps(&mut self) -> &mut Maps {
        self.net.ns_mut(self.node).unwrap().cilium.as_deref_mut().unwrap()
    }

    fn mac(&self, ns: NsId, link: IfIndex) -> MacAddr {
        self.net.ns(ns).unwrap().devs.get(link).unwrap().addr
    }

    /// A frame arrives at a link of the node; things happen until all is quiet.
    fn frame(&mut self, link: IfIndex, frame: &[u8]) {
        self.net.inject(self.node, link, frame);
        run(&mut self.net, 100);
    }

    /// The frames seen at a link, in one direction.
    fn seen(&self, ns: NsId, link: IfIndex, direction: Direction) -> Vec<Vec<u8>> {
        let log = &self.net.captures;
        let here = log.frames().iter().filter(|f| (f.ns, f.link, f.direction) == (ns, link, direction));
        here.map(|frame| log.bytes(frame).to_vec()).collect()
    }

    /// The events told: where packets were seen, and what was dropped.
    fn told(&mut self) -> Vec<String> {
        let maps = self.maps();
        let (mut number, mut all) = (0, Vec::new());
        while let Some((event, next)) = maps.events.next(number) {
            number = next;
            match event.kind {
                Kind::Trace { point, status, .. } => {
                    all.push(format!("{} {} {}", event.source, point.name(), status.name()))
                }
                Kind::Drop { reason, .. } => all.push(format!("{} {}", event.source, reason.text())),
                Kind::Verdict { allowed, .. } => all.push(format!("{} verdict {allowed}", event.source)),
                Kind::Debug(_) => {}
            }
        }
        all
    }

    fn dropped(&self) -> Vec<DropReason> {
        let reasons = self.net.journey.records().iter();
        reasons.filter_map(|r| if let Detail::Dropped { reason } = r.detail { Some(reason) } else { None }).collect()
    }
}

/// An echo request or reply in a frame.
fn echo(macs: (MacAddr, MacAddr), ips: (Ipv4Addr, Ipv4Addr), kind: u8) -> Vec<u8> {
    let mut message = [0u8; 16];
    message[0] = kind;
    message[4..6].copy_from_slice(&3072u16.to_be_bytes());
    let check = hopwise_protocols::wire::checksum::checksum(&message);
    message[2..4].copy_from_slice(&check.to_be_bytes());
    let mut header = ipv4::Header::new(ips.0, ips.1, ipv4::IPPROTO_ICMP, message.len() as u16);
    header.seal(&[]);
    let eth = ethernet::Header::new(macs.1, macs.0, ETH_P_IP);
    [eth.as_bytes(), header.as_bytes(), &message].concat()
}

fn ttl(frame: &[u8]) -> u8 {
    ipv4::parse(&frame[14..]).expect("the checksum is right").header.ttl
}

#[test]
fn from_container_answers_every_arp_request_but_the_own() {
    let mut node = Node::new(false);
    let (pod_mac, lxc_mac) = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    for (target, answered) in [(Ipv4Addr::new(10, 0, 0, 1), true), (FAR, true), (POD, false)] {
        node.net.captures.clear();
        let request = ArpPacket::request(pod_mac, POD, target);
        let eth = ethernet::Header::new(MacAddr::BROADCAST, pod_mac, ETH_P_ARP);
        let lxc = node.lxc;
        node.frame(lxc, &[eth.as_bytes(), request.as_bytes()].concat());
        let answers = node.seen(node.pod, node.pod_link, Direction::In);
        assert_eq!(answers.len(), usize::from(answered), "{target}");
        if let Some(answer) = answers.first() {
            assert_eq!(&answer[..14], ethernet::Header::new(pod_mac, lxc_mac, ETH_P_ARP).as_bytes());
            let reply = hopwise_protocols::wire::arp::parse(&answer[14..]).unwrap();
            assert_eq!((reply.sender_ip(), reply.sha, reply.target_ip()), (target, lxc_mac, POD));
        }
    }
}

#[test]
fn legacy_routing_lowers_the_ttl_twice_and_passes_netfilter() {
    let mut node = Node::new(false);
    let macs = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    let lxc = node.lxc;
    node.frame(lxc, &echo(macs, (POD, FAR), icmp::ICMP_ECHO));
    let out = node.seen(node.node, node.eth, Direction::Out);
    let sent: Vec<u8> = out.iter().filter(|frame| frame[12..14] == [8, 0]).map(|frame| ttl(frame)).collect();
    assert_eq!(sent, [62], "once by the program, once by the stack");
    assert!(node.net.journey.records().iter().any(|r| matches!(r.detail, Detail::Forward { ttl: 62 })));
    assert_eq!(node.told()[..2], ["1445 from-endpoint New", "1445 to-stack New"]);
    assert!(node.told().contains(&"385 to-network New".to_owned()));
}

#[test]
fn host_routing_goes_straight_to_the_neighbour() {
    let mut node = Node::new(true);
    let macs = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    let lxc = node.lxc;
    node.frame(lxc, &echo(macs, (POD, FAR), icmp::ICMP_ECHO));
    let out = node.seen(node.node, node.eth, Direction::Out);
    let sent: Vec<u8> = out.iter().filter(|frame| frame[12..14] == [8, 0]).map(|frame| ttl(frame)).collect();
    assert_eq!(sent, [63]);
    assert!(!node.net.journey.records().iter().any(|r| matches!(r.detail, Detail::Forward { .. })));
    let told = node.told();
    assert_eq!(told[..2], ["1445 from-endpoint New", "1445 to-network New"]);
}

#[test]
fn what_comes_for_a_pod_passes_the_stack_or_does_not() {
    for host_routing in [false, true] {
        let mut node = Node::new(host_routing);
        let macs = (MacAddr([2; 6]), node.mac(node.node, node.eth));
        let eth = node.eth;
        node.frame(eth, &echo(macs, (FAR, POD), icmp::ICMP_ECHO));
        let came = node.seen(node.pod, node.pod_link, Direction::In);
        let through_lxc = node.seen(node.node, node.lxc, Direction::Out).len();
        if host_routing {
            assert_eq!(came.iter().map(|frame| ttl(frame)).collect::<Vec<_>>(), [63]);
            assert_eq!(through_lxc, 0, "bpf_redirect_peer never passes the node's end");
            assert!(node.told().contains(&"1445 to-endpoint New".to_owned()));
        } else {
            // Without cilium_host there is no route to the pod: the stack has to deal with it.
            assert!(came.is_empty());
            assert!(node.told().iter().all(|line| !line.contains("to-endpoint")));
        }
    }
}

#[test]
fn a_wrong_source_and_a_policy_drop() {
    let mut node = Node::new(true);
    let macs = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    let (lxc, eth) = (node.lxc, node.eth);
    node.frame(lxc, &echo(macs, (Ipv4Addr::new(10, 0, 0, 86), FAR), icmp::ICMP_ECHO));
    assert_eq!(node.dropped(), [DropReason::TcIngress]);
    assert!(node.told().contains(&"1445 Invalid source ip".to_owned()));

    let mut closed = PolicyMap::default();
    closed.ingress_enforced = true;
    node.maps().programs.get_mut(&ENDPOINT).unwrap().policy = closed;
    let from_wire = (MacAddr([2; 6]), node.mac(node.node, node.eth));
    node.frame(eth, &echo(from_wire, (FAR, POD), icmp::ICMP_ECHO));
    assert!(node.seen(node.pod, node.pod_link, Direction::In).is_empty());
    let told = node.told();
    assert!(told.contains(&"1445 verdict false".to_owned()) && told.contains(&"1445 Policy denied".to_owned()));
}

#[test]
fn an_answer_passes_a_closed_policy() {
    let mut node = Node::new(true);
    let out = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    let (lxc, eth) = (node.lxc, node.eth);
    let mut closed = PolicyMap::default();
    closed.ingress_enforced = true;
    closed.allow(maps::PolicyKey { direction: maps::Direction::Egress, identity: 0, protocol: 0, port: 0 });
    node.maps().programs.get_mut(&ENDPOINT).unwrap().policy = closed;
    node.frame(lxc, &echo(out, (POD, FAR), icmp::ICMP_ECHO));
    let back = (MacAddr([2; 6]), node.mac(node.node, node.eth));
    node.frame(eth, &echo(back, (FAR, POD), icmp::ICMP_ECHOREPLY));
    assert_eq!(node.seen(node.pod, node.pod_link, Direction::In).iter().filter(|f| f[12..14] == [8, 0]).count(), 1);
    assert!(node.told().contains(&"1445 to-endpoint Reply".to_owned()));
}

#[test]
fn packets_are_conserved_and_unlistened_programs_keep_nothing() {
    let mut node = Node::new(true);
    node.maps().events.leave(1);
    let macs = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    let (lxc, eth) = (node.lxc, node.eth);
    let back = (MacAddr([2; 6]), node.mac(node.node, node.eth));
    for _ in 0..20 {
        node.frame(lxc, &echo(macs, (POD, FAR), icmp::ICMP_ECHO));
        node.frame(eth, &echo(back, (FAR, POD), icmp::ICMP_ECHOREPLY));
        node.frame(lxc, b"short");
    }
    assert_eq!(node.maps().events.next(0).map(|(event, _)| event.kind), None);
    let stats = node.net.packets();
    let (flying, held) = node.net.in_flight_and_held();
    assert_eq!(stats.alive(), flying + held);
}

#[test]
fn a_moved_link_loses_its_programs() {
    let mut node = Node::new(true);
    let (ns, lxc, pod) = (node.node, node.lxc, node.pod);
    address(&mut node.net, ns, lxc, "10.9.9.9/32");
    let moved = node.net.move_link(ns, lxc, pod, Some("moved")).unwrap();
    assert!(node.net.ns(pod).unwrap().devs.get(moved).unwrap().clsact.is_none());
    let missing =
        node.net.filter_del(ns, node.eth, INGRESS, FilterKey { pref: Some(9), ..FilterKey::default() }).unwrap_err();
    assert_eq!(missing.to_string(), "Error: Filter with specified priority/protocol not found.");
    // Nothing is taken away that was not meant.
    let filters =
        |node: &Node| node.net.ns(ns).unwrap().devs.get(node.eth).unwrap().clsact.as_ref().unwrap().ingress.clone();
    let before = filters(&node);
    let all = FilterKey::default();
    let one = FilterKey { pref: Some(before[0].pref), ..all };
    let flush = "Error: Cannot flush filters with protocol, handle or kind set.";
    for (which, why) in [
        (FilterKey { foreign: Some(false), ..all }, flush),
        (FilterKey { kind: Some(true), ..all }, flush),
        (FilterKey { handle: Some(1), kind: Some(true), ..all }, flush),
        (FilterKey { foreign: Some(true), ..one }, "Error: Protocol mismatch for filter with specified priority."),
        (FilterKey { chain: 1, ..one }, "Error: Cannot find specified filter chain."),
        (FilterKey { kind: Some(false), ..one }, "Error: Specified filter kind does not match existing one."),
        (FilterKey { handle: Some(77), kind: Some(true), ..one }, "Error: Specified filter handle not found."),
    ] {
        let error = node.net.filter_del(ns, node.eth, INGRESS, which).unwrap_err();
        assert_eq!(error.to_string(), why);
    }
    for (parent, why) in [
        (0, "Error: Qdisc not classful."),
        (0x1_0000, "Error: Parent Qdisc doesn't exists."),
        (0xffff_0000, "RTNETLINK answers: Invalid argument"),
        (0xffff_fff1, "Error: Specified class doesn't exist."),
    ] {
        assert_eq!(node.net.filter_del(ns, node.eth, parent, one).unwrap_err().to_string(), why);
    }
    node.net.filter_del(ns, node.eth, INGRESS, FilterKey { chain: 1, ..all }).unwrap();
    assert_eq!(filters(&node).len(), before.len());
    node.net.filter_del(ns, node.eth, INGRESS, FilterKey { handle: Some(before[0].handle), ..one }).unwrap();
    assert_eq!(filters(&node).len(), before.len() - 1);
}

/// A node that masquerades: `WORLD` is beyond the wire.
const WORLD: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);

impl Node {
    fn masquerading() -> Node {
        let mut node = Node::new(true);
        let excluded = "10.0.0.0/16".parse().unwrap();
        node.maps().config.masquerade = Some(Masquerade { address: NODE, excluded });
        via(&mut node.net, node.node, "8.8.8.8/32", "192.168.0.130");
        node
    }

    /// What left through the wire: source and destination with the ports of UDP, or the identifier of ICMP.
    fn left(&self) -> Vec<(Ipv4Addr, u16, Ipv4Addr)> {
        let frames = self.seen(self.node, self.eth, Direction::Out);
        let ip = frames.iter().filter(|frame| frame[12..14] == [8, 0]);
        ip.map(|frame| {
            let header = ipv4::parse(&frame[14..]).expect("the checksum is right").header;
            let at = if header.protocol == ipv4::IPPROTO_UDP { 34 } else { 38 };
            (header.src(), u16::from_be_bytes([frame[at], frame[at + 1]]), header.dst())
        })
        .collect()
    }
}

/// A frame with an IPv4 packet of a protocol.
fn packet(macs: (MacAddr, MacAddr), ips: (Ipv4Addr, Ipv4Addr), protocol: u8, l4: &[u8]) -> Vec<u8> {
    let mut header = ipv4::Header::new(ips.0, ips.1, protocol, l4.len() as u16);
    header.seal(&[]);
    let eth = ethernet::Header::new(macs.1, macs.0, ETH_P_IP);
    [eth.as_bytes(), header.as_bytes(), l4].concat()
}

/// A UDP datagram without a checksum and without payload.
fn datagram(ports: (u16, u16)) -> [u8; 8] {
    let words = [ports.0, ports.1, 8, 0].map(u16::to_be_bytes);
    words.concat().try_into().unwrap()
}

/// `snat_v4_process`: an error cannot be translated and dies; one about a connection from outside need not be.
#[test]
fn icmp_errors_of_pods_die_unless_the_world_asked_first() {
    let mut node = Node::masquerading();
    let macs = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    let (lxc, eth) = (node.lxc, node.eth);
    let mut error = [0u8; 36];
    error[0] = icmp::ICMP_DEST_UNREACH;
    let check = hopwise_protocols::wire::checksum::checksum(&error);
    error[2..4].copy_from_slice(&check.to_be_bytes());
    let error = packet(macs, (POD, WORLD), ipv4::IPPROTO_ICMP, &error);
    node.frame(lxc, &error);
    assert_eq!(node.left(), []);
    assert!(node.told().contains(&"385 Unsupported protocol for NAT masquerade".to_owned()));
    // The world knows the pod by its own address: what it gets back is as the pod sent it.
    let wire = (MacAddr([2; 6]), node.mac(node.node, node.eth));
    node.frame(eth, &packet(wire, (WORLD, POD), ipv4::IPPROTO_UDP, &datagram((53, 9))));
    node.frame(lxc, &error);
    assert_eq!(node.left().iter().map(|one| (one.0, one.2)).collect::<Vec<_>>(), [(POD, WORLD)]);
}

/// The node sends from a port that a pod has: the pod keeps it, and the node's packet gets another one.
#[test]
fn the_node_makes_way_for_the_port_of_a_pod() {
    let mut node = Node::masquerading();
    let macs = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    let (lxc, eth, ns) = (node.lxc, node.eth, node.node);
    let from_pod = packet(macs, (POD, WORLD), ipv4::IPPROTO_UDP, &datagram((40_000, 53)));
    node.frame(lxc, &from_pod);
    let socket = node.net.open_socket(ns, 1, SocketKind::Udp).unwrap();
    node.net.bind_udp(ns, socket, NODE, 40_000).unwrap();
    node.net.send_udp(ns, socket, Some((WORLD, 53)), b"").unwrap();
    run(&mut node.net, 100);
    node.frame(lxc, &from_pod);
    assert_eq!(node.left(), [(NODE, 40_000, WORLD), (NODE, 40_001, WORLD), (NODE, 40_000, WORLD)]);
    // Each answer finds its way.
    let wire = (MacAddr([2; 6]), node.mac(node.node, node.eth));
    for port in [40_000, 40_001] {
        node.frame(eth, &packet(wire, (WORLD, NODE), ipv4::IPPROTO_UDP, &datagram((53, port))));
    }
    assert_eq!(node.seen(node.pod, node.pod_link, Direction::In).iter().filter(|f| f[12..14] == [8, 0]).count(), 1);
    assert!(node.net.recv(ns, socket).is_some());
    let own = node.maps().ct.iter().filter(|(key, _)| key.tuple.src == NODE && !key.tuple.related).count();
    assert_eq!(own, 1, "the node's connections are tracked");
}

/// `lb4_local` and `lb4_rev_nat`: a pod asks a service, and what answers is the service.
#[test]
fn a_pod_reaches_a_service_and_the_service_answers() {
    let mut node = Node::new(true);
    let service = Socket { addr: Ipv4Addr::new(10, 96, 0, 1), port: 53 };
    let id = |id, backend| Service { id, backends: vec![backend], affinity: None };
    let own = Socket { port: 80, ..service };
    let backends = [(1, Socket { addr: FAR, port: 9053 }), (2, Socket { addr: POD, port: 8080 })];
    node.maps().services.replace([(service, id(7, 1)), (own, id(8, 2))].into(), backends.into());
    let macs = (node.mac(node.pod, node.pod_link), node.mac(node.node, node.lxc));
    let (lxc, eth) = (node.lxc, node.eth);
    node.frame(lxc, &packet(macs, (POD, service.addr), ipv4::IPPROTO_UDP, &datagram((40_000, 53))));
    assert_eq!(node.left(), [(POD, 40_000, FAR)]);
    let wire = (MacAddr([2; 6]), node.mac(node.node, node.eth));
    node.frame(eth, &packet(wire, (FAR, POD), ipv4::IPPROTO_UDP, &datagram((9053, 40_000))));
    let came = |node: &Node| {
        let frames = node.seen(node.pod, node.pod_link, Direction::In);
        let ip = frames.iter().filter(|frame| frame[12..14] == [8, 0]).map(|frame| {
            let header = ipv4::parse(&frame[14..]).expect("the checksum is right").header;
            (header.src(), u16::from_be_bytes([frame[34], frame[35]]), header.dst())
        });
        ip.collect::<Vec<_>>()
    };
    assert_eq!(came(&node), [(service.addr, 53, POD)]);
    let entry = |node: &mut Node, made| {
        let found = node.maps().ct.iter().find(|(key, _)| key.made == made && !key.tuple.related).unwrap();
        (found.0.tuple.dst, found.1.rev_nat, found.1.rx_bytes)
    };
    assert_eq!(entry(&mut node, Made::Service), (service.addr, 7, 1));
    assert_eq!(entry(&mut node, Made::Out), (FAR, 7, 42));
    // A service that leads to the pod itself: the request has another source, or it would be a Martian one.
    node.net.captures.clear();
    node.frame(lxc, &packet(macs, (POD, own.addr), ipv4::IPPROTO_UDP, &datagram((41_000, 80))));
    assert_eq!(came(&node), [(LOOPBACK, 41_000, POD)]);
    node.frame(lxc, &packet(macs, (POD, LOOPBACK), ipv4::IPPROTO_UDP, &datagram((8080, 41_000))));
    assert_eq!(came(&node)[1..], [(own.addr, 80, POD)]);
}
