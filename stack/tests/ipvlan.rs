//! Packets of ipvlans, as Linux 6.1 was seen to treat them.

mod common;

use core::net::Ipv4Addr;

use common::{Pinger, address, cable, conserved, host, network, run};
use hopwise_devices::LinkFlags;
use hopwise_devices::ipvlan::{Mode, Reach};
use hopwise_protocols::fib::{Insert, RT_SCOPE_LINK, RT_TABLE_MAIN, Route};
use hopwise_protocols::wire::icmp::ICMP_ECHOREPLY;
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::Network;
use hopwise_stack::control::addr::AddrMatch;
use hopwise_stack::control::link::{IpvlanSpec, KindSpec, LinkSpec};
use hopwise_stack::{IfAddr, control::addr::AddrMode};
use proptest::prelude::*;

/// A worker with two pods on ipvlans of its card, and somebody outside.
struct Lab {
    net: Network,
    worker: NsId,
    card: IfIndex,
    outside: NsId,
    pods: [(NsId, IfIndex); 2],
}

fn lab(mode: Mode) -> Lab {
    let mut net = network();
    let [worker, outside] = ["worker", "outside"].map(|name| host(&mut net, name, false));
    let (card, _) = cable(&mut net, (worker, "eth0", "10.0.0.254/24"), (outside, "eth0", "10.0.0.9/24"));
    let on = net.ns(worker).unwrap().host;
    let pods = ["10.0.0.1/24", "10.0.0.2/24"].map(|addr| {
        let pod = net.add_namespace(on);
        let spec = IpvlanSpec { lower: Some((worker, card)), mode: Some(mode), reach: None };
        let link = net.link_add(pod, LinkSpec::new(Some("eth0"), KindSpec::Ipvlan(spec))).unwrap();
        net.set_link_up(pod, IfIndex::LO, true).unwrap();
        net.set_link_up(pod, link, true).unwrap();
        address(&mut net, pod, link, addr);
        (pod, link)
    });
    Lab { net, worker, card, outside, pods }
}

impl Lab {
    fn answered(&mut self, from: NsId, to: &str) -> bool {
        let ping = Pinger::new(&mut self.net, from);
        let answers = ping.ping(&mut self.net, to);
        answers.iter().any(|(from, _, kind, ..)| *from == to.parse::<Ipv4Addr>().unwrap() && *kind == ICMP_ECHOREPLY)
    }

    fn set(&mut self, mode: Mode, reach: Reach) {
        let (pod, link) = self.pods[0];
        self.net.ipvlan_change(pod, link, Some(mode), Some(reach)).unwrap();
    }

    /// Who of pod 0, the other pod, outside and worker answer pod 0, and whether outside reaches pod 1.
    fn reach(&mut self) -> [bool; 4] {
        let [(pod, _), _] = self.pods;
        let outside = self.outside;
        let own = ["10.0.0.2", "10.0.0.9", "10.0.0.254"].map(|to| self.answered(pod, to));
        [own[0], own[1], own[2], self.answered(outside, "10.0.0.2")]
    }
}

#[test]
fn pods_reach_each_other_and_the_outside_but_not_the_host() {
    let mut lab = lab(Mode::L2);
    assert_eq!(lab.reach(), [true, true, false, true]);
    let worker = lab.worker;
    assert!(!lab.answered(worker, "10.0.0.1") && lab.answered(worker, "10.0.0.9"));
    // All have the address of the card.
    let card = lab.net.ns(lab.worker).unwrap().devs.get(lab.card).unwrap().addr;
    let outside = lab.net.ns(lab.outside).unwrap();
    let known: Vec<_> = outside.neigh.iter().filter_map(|e| e.lladdr()).collect();
    assert!(known.len() == 3 && known.iter().all(|addr| *addr == card), "{known:?}");
    conserved(&lab.net);
}

#[test]
fn private_pods_and_those_behind_a_switch_do_not_reach_each_other() {
    for reach in [Reach::Private, Reach::Vepa] {
        let mut lab = lab(Mode::L2);
        lab.set(Mode::L2, reach);
        assert_eq!(lab.reach(), [false, true, false, true], "{reach:?}");
        conserved(&lab.net);
    }
}

#[test]
fn above_layer_two_the_worker_routes_and_nobody_is_asked_for_an_address() {
    for mode in [Mode::L3, Mode::L3s] {
        let mut lab = lab(mode);
        let gateway =
            Route::new("10.1.0.0/24".parse().unwrap()).with_nexthop(Some([10, 0, 0, 254].into()), IfIndex::NONE);
        lab.net.route_add(lab.outside, RT_TABLE_MAIN, gateway, Insert::ADD_ROUTE).unwrap();
        for ((pod, link), addr) in lab.pods.into_iter().zip(["10.1.0.1/32", "10.1.0.2/32"]) {
            let old = lab.net.ns(pod).unwrap().devs.get(link).unwrap().inet.addrs[0].local;
            lab.net.addr_del(pod, link, &AddrMatch::exactly(old, 24)).unwrap();
            address(&mut lab.net, pod, link, addr);
            let out = Route { scope: RT_SCOPE_LINK, ..Route::new("0.0.0.0/0".parse().unwrap()) };
            lab.net.route_add(pod, RT_TABLE_MAIN, out.with_nexthop(None, link), Insert::ADD_ROUTE).unwrap();
        }
        let [(pod, link), _] = lab.pods;
        assert!(lab.net.ns(pod).unwrap().devs.get(link).unwrap().flags.contains(LinkFlags::NOARP));
        assert!(lab.answered(pod, "10.1.0.2") && lab.answered(pod, "10.0.0.9"), "{mode:?}");
        let outside = lab.outside;
        assert!(lab.answered(outside, "10.1.0.2"), "{mode:?}");
        // tcpdump in the pod: with l3s what comes in does not pass its link.
        let seen = lab.net.captures.frames().iter().filter(|f| (f.ns, f.link) == (pod, link)).count();
        assert_eq!(seen, if mode == Mode::L3 { 4 } else { 3 }, "{mode:?}");
        conserved(&lab.net);
    }
}

#[test]
fn an_address_is_one_pods_and_goes_with_it() {
    let mut lab = lab(Mode::L2);
    let [(one, first), (two, second)] = lab.pods;
    let give = |net: &mut Network, (ns, link): (NsId, IfIndex), len| {
        net.addr_add(ns, link, IfAddr::new([10, 0, 0, 1].into(), len), AddrMode::Add).map_err(|e| e.to_string())
    };
    let taken = Err("Error: Address already assigned to an ipvlan device.".to_owned());
    assert_eq!(give(&mut lab.net, (two, second), 24), taken);
    assert_eq!(give(&mut lab.net, (one, first), 32), taken);
    lab.net.link_del(one, first).unwrap();
    assert_eq!(give(&mut lab.net, (two, second), 24), Ok(()));
    let outside = lab.outside;
    assert!(lab.answered(outside, "10.0.0.1"));
}

#[test]
fn what_happens_to_the_card_happens_to_the_pods() {
    let mut lab = lab(Mode::L2);
    let (worker, card, [(pod, link), _]) = (lab.worker, lab.card, lab.pods);
    lab.net.set_link_mtu(worker, card, 1300).unwrap();
    assert_eq!(lab.net.ns(pod).unwrap().devs.get(link).unwrap().mtu, 1300);
    lab.net.set_link_up(worker, card, false).unwrap();
    assert!(!lab.answered(pod, "10.0.0.9"));
    lab.net.set_link_up(worker, card, true).unwrap();
    assert!(lab.answered(pod, "10.0.0.9"));
    lab.net.link_del(worker, card).unwrap();
    assert!(lab.net.ns(pod).unwrap().devs.get(link).is_none());
    run(&mut lab.net, 100);
    conserved(&lab.net);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes in through the card, in whatever mode, nothing panics and no packet is lost without a reason.
    #[test]
    fn any_frame_comes_to_an_end(
        mode in prop::sample::select(vec![Mode::L2, Mode::L3, Mode::L3s]),
        reach in prop::sample::select(vec![Reach::Bridge, Reach::Private, Reach::Vepa]),
        mut frame in prop::collection::vec(any::<u8>(), 14..90),
        to_card: bool,
        protocol in prop::sample::select(vec![0x0800u16, 0x0806, 0x86dd]),
        from_pod: bool,
    ) {
        let mut lab = lab(mode);
        lab.set(mode, reach);
        let card = lab.net.ns(lab.worker).unwrap().devs.get(lab.card).unwrap().addr;
        if to_card {
            frame[..6].copy_from_slice(&card.0);
        }
        frame[12..14].copy_from_slice(&protocol.to_be_bytes());
        if frame.len() > 34 {
            frame[14] = 0x45;
            let total = (frame.len() - 14) as u16;
            frame[16..18].copy_from_slice(&total.to_be_bytes());
            frame[30..34].copy_from_slice(&[10, 0, 0, 1]);
        }
        let at = if from_pod { lab.pods[0] } else { (lab.worker, lab.card) };
        lab.net.inject(at.0, at.1, &frame);
        run(&mut lab.net, 5000);
        conserved(&lab.net);
    }
}
