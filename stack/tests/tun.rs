//! Tuns and taps: what is written comes in through the link, what is sent through the link is read.

mod common;

use common::*;
use hopwise_devices::tun::TunFlags;
use hopwise_sim_core::Errno;
use hopwise_stack::control::tun::{TunFile, TunRequest};
use hopwise_stack::{Direction, Network};
use proptest::prelude::*;

fn open(net: &mut Network, request: &TunRequest) -> (hopwise_sim_core::NsId, TunFile) {
    let ns = host(net, "host", true);
    let tun = net.tun_open(ns, request).unwrap();
    let (_, link) = net.tun_link(tun).unwrap();
    net.set_link_up(ns, link, true).unwrap();
    address(net, ns, link, "10.8.0.1/24");
    (ns, tun)
}

fn received(net: &Network) -> Vec<Vec<u8>> {
    let frames = net.captures.frames().iter().filter(|frame| frame.direction == Direction::In);
    frames.map(|frame| net.captures.bytes(frame).to_vec()).collect()
}

#[test]
fn a_link_is_there_as_long_as_it_is_open_or_persistent() {
    let mut net = network();
    let (ns, tun) = open(&mut net, &TunRequest::tun("tun0"));
    assert_eq!(net.tun_open(ns, &TunRequest::tun("tun0")), Err(Errno::EBUSY));
    assert_eq!(net.tun_open(ns, &TunRequest::tap("tun0")), Err(Errno::EINVAL));
    assert_eq!(net.tun_open(ns, &TunRequest::tun("lo")), Err(Errno::EINVAL));
    net.tun_persist(tun, true).unwrap();
    net.tun_close(tun);
    let dev = |net: &Network| net.ns(ns).unwrap().devs.find("tun0").map(|dev| dev.carrier);
    assert_eq!(dev(&net), Some(false));
    let again = net.tun_open(ns, &TunRequest::tun("tun0")).unwrap();
    assert_eq!(dev(&net), Some(true));
    net.tun_persist(again, false).unwrap();
    net.tun_close(again);
    assert_eq!(dev(&net), None);
    assert_eq!(net.tun_read(again), Err(Errno::EBADFD));
    assert_eq!(net.tun_write(again, &[0x45]), Err(Errno::EBADFD));
}

#[test]
fn a_file_follows_its_link_into_another_namespace() {
    let mut net = network();
    let (ns, tun) = open(&mut net, &TunRequest::tun("tun0"));
    let host = net.ns(ns).unwrap().host;
    let other = net.add_namespace(host);
    let (_, link) = net.tun_link(tun).unwrap();
    net.move_link(ns, link, other, None).unwrap();
    assert_eq!(net.tun_link(tun).map(|(ns, _)| ns), Some(other));
    assert_eq!(net.tun_write(tun, &[0x45; 20]), Err(Errno::EIO), "moving takes a link down");
}

#[test]
fn protocol_information_stands_in_front_if_wanted() {
    let mut net = network();
    let request = TunRequest { flags: TunFlags::TUN, ..TunRequest::tun("tun0") };
    let (ns, tun) = open(&mut net, &request);
    let pinger = Pinger::new(&mut net, ns);
    pinger.ping(&mut net, "10.8.0.2");
    let packet = net.tun_read(tun).unwrap().unwrap();
    assert_eq!(packet[..5], [0, 0, 8, 0, 0x45]);
    assert_eq!(net.tun_write(tun, &packet), Ok(packet.len()));
    run(&mut net, 1);
    assert_eq!(received(&net), [&packet[4..]]);
    assert_eq!(net.tun_write(tun, &packet[..3]), Err(Errno::EINVAL));
}

proptest! {
    /// Whatever is written: it is refused, or it passes the link as it is; and no packet is lost from the books.
    #[test]
    fn what_is_written_comes_in(
        writes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20),
        tap in any::<bool>(),
        version in any::<bool>(),
    ) {
        let mut net = network();
        let request = if tap { TunRequest::tap("t0") } else { TunRequest::tun("t0") };
        let (_, tun) = open(&mut net, &request);
        let mut taken = Vec::new();
        for mut bytes in writes {
            if let Some(first) = bytes.first_mut().filter(|_| version) {
                *first = 0x45;
            }
            match net.tun_write(tun, &bytes) {
                Ok(n) => {
                    prop_assert_eq!(n, bytes.len());
                    taken.push(bytes);
                }
                Err(errno) => prop_assert_eq!(errno, Errno::EINVAL),
            }
        }
        run(&mut net, 2000);
        prop_assert_eq!(received(&net), taken);
        while net.tun_read(tun).unwrap().is_some() {}
        let (flying, held) = net.in_flight_and_held();
        prop_assert_eq!(net.packets().alive(), flying + held);
    }

    /// Whatever is sent through a tun is read as it passed the link, in that order.
    #[test]
    fn what_is_sent_is_read(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20)) {
        let mut net = network();
        let (ns, tun) = open(&mut net, &TunRequest::tun("tun0"));
        let socket = net.open_socket(ns, 1, hopwise_stack::socket::SocketKind::Udp).unwrap();
        for payload in &payloads {
            net.send_udp(ns, socket, Some(([10, 8, 0, 2].into(), 9)), payload).unwrap();
        }
        let passed: Vec<Vec<u8>> = net.captures.frames().iter().map(|frame| net.captures.bytes(frame).to_vec()).collect();
        let mut read = Vec::new();
        while let Some(packet) = net.tun_read(tun).unwrap() {
            read.push(packet);
        }
        prop_assert_eq!(&read, &passed);
        for (packet, payload) in read.iter().zip(&payloads) {
            prop_assert_eq!(&packet[28..], &payload[..]);
        }
    }
}
