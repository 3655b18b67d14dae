//! IPv4 options on their way: recorded, refused, echoed. The bytes are those of real Linux in the same network.

mod common;

use common::*;
use hopwise_protocols::wire::options::Options;
use hopwise_protocols::wire::{IntoBytes, checksum, icmp, ipv4};
use hopwise_sim_core::{DropReason, NsId};
use hopwise_stack::Network;

/// `a 10.0.0.1 --- 10.0.0.2 r 10.0.1.2 --- 10.0.1.3 b`.
fn routed() -> (Network, NsId, NsId, NsId) {
    let mut net = network();
    let (a, r, b) = (host(&mut net, "a", false), host(&mut net, "r", true), host(&mut net, "b", false));
    cable(&mut net, (a, "e0", "10.0.0.1/24"), (r, "r0", "10.0.0.2/24"));
    cable(&mut net, (b, "e0", "10.0.1.3/24"), (r, "r1", "10.0.1.2/24"));
    via(&mut net, a, "0.0.0.0/0", "10.0.0.2");
    via(&mut net, b, "0.0.0.0/0", "10.0.1.2");
    (net, a, r, b)
}

fn pinger(net: &mut Network, ns: NsId, options: &[u8]) -> Pinger {
    let pinger = Pinger::new(net, ns);
    let mut room = [0; 40];
    room[..options.len()].copy_from_slice(options);
    net.socket_mut(ns, pinger.socket).unwrap().opts.options = Some((room, options.len().next_multiple_of(4) as u8));
    pinger
}

/// Of the first message that came back: the ICMP type, the first option, the whole message.
fn answer(net: &mut Network, pinger: &Pinger) -> Option<(u8, Vec<u8>, Vec<u8>)> {
    let packets = payloads(core::iter::from_fn(|| net.recv(pinger.ns, pinger.socket)));
    packets.iter().find_map(|packet| {
        let ip = ipv4::view(packet).unwrap();
        let option = Options::new(ip.options).map_while(Result::ok).next();
        let option = option.map_or(Vec::new(), |o| o.bytes.to_vec());
        (ip.payload[0] != icmp::ICMP_ECHO).then(|| (ip.payload[0], option, ip.payload.to_vec()))
    })
}

/// The addresses of a record route that were filled in.
fn route(option: &[u8]) -> Vec<[u8; 4]> {
    let (slots, _) = option[3..].as_chunks::<4>();
    slots[..(usize::from(option[2]) - 4) / 4].to_vec()
}

fn record_route() -> Vec<u8> {
    let mut bytes = vec![0; 40];
    bytes[..4].copy_from_slice(&[1, 7, 39, 4]);
    bytes
}

#[test]
fn the_route_is_recorded_there_and_back() {
    let (mut net, a, r, b) = routed();
    let pinger = pinger(&mut net, a, &record_route());
    for (len, whole) in [(56, true), (3000, false)] {
        pinger.send(&mut net, "10.0.1.3", 1, len).unwrap();
        run(&mut net, 900);
        let (kind, option, _) = answer(&mut net, &pinger).unwrap();
        assert_eq!(kind, icmp::ICMP_ECHOREPLY);
        let expected = [[10, 0, 0, 1], [10, 0, 1, 2], [10, 0, 1, 3], [10, 0, 1, 3], [10, 0, 0, 2], [10, 0, 0, 1]];
        assert_eq!(route(&option), expected, "in one piece: {whole}");
    }
    for (ns, name) in [(a, "e0"), (r, "r0"), (r, "r1"), (b, "e0")] {
        let link = net.ns(ns).unwrap().devs.index_of(name).unwrap();
        let mut packets = frames(&net, ns, link).into_iter().filter(|f| f[12..14] == [8, 0]);
        let right = |f: &[u8]| checksum::checksum(&f[14..14 + usize::from(f[14] & 15) * 4]) == 0;
        assert!(packets.all(|f| right(&f)), "checksums of {name}");
    }
    conserved(&net);
}

#[test]
fn timestamps_show_when_and_a_router_by_the_address_that_the_sender_knows() {
    let (mut net, a, _, _) = routed();
    let mut bytes = vec![0; 36];
    bytes[..4].copy_from_slice(&[68, 36, 5, 1]);
    let with_addr = pinger(&mut net, a, &bytes);
    with_addr.send(&mut net, "10.0.1.3", 1, 56).unwrap();
    run(&mut net, 900);
    let (_, option, _) = answer(&mut net, &with_addr).unwrap();
    let (slots, _) = option[4..].as_chunks::<8>();
    let addresses: Vec<_> = slots.iter().map(|s| [s[0], s[1], s[2], s[3]]).collect();
    assert_eq!(addresses, [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 1, 3], [10, 0, 1, 3]]);
    assert_eq!(option[2..4], [37, 0x21], "full, and two were not recorded");
}

#[test]
fn the_one_named_host_writes_its_time() {
    let (mut net, a, _, _) = routed();
    let named = pinger(&mut net, a, &[68, 12, 5, 3, 10, 0, 1, 2, 0, 0, 0, 0]);
    run(&mut net, 1000);
    named.send(&mut net, "10.0.1.3", 1, 56).unwrap();
    run(&mut net, 900);
    let (_, option, _) = answer(&mut net, &named).unwrap();
    assert_eq!(option[2..8], [13, 3, 10, 0, 1, 2]);
    assert_ne!(option[8..], [0; 4]);
}

#[test]
fn an_error_goes_on_with_the_options_and_quotes_them_as_they_are_by_then() {
    let (mut net, a, _, _) = routed();
    let pinger = pinger(&mut net, a, &record_route());
    net.socket_mut(a, pinger.socket).unwrap().opts.ttl = Some(1);
    pinger.send(&mut net, "10.0.1.3", 1, 56).unwrap();
    run(&mut net, 900);
    let (kind, option, message) = answer(&mut net, &pinger).unwrap();
    assert_eq!(kind, icmp::ICMP_TIME_EXCEEDED);
    assert_eq!(route(&option), [[10, 0, 0, 1], [10, 0, 0, 2], [10, 0, 0, 2], [10, 0, 0, 1]], "both compiled it");
    let quote = &message[8..];
    assert_eq!(route(&quote[21..60]), [[10, 0, 0, 1], [10, 0, 0, 2]]);
    assert_ne!(checksum::checksum(&quote[..60]), 0, "not made anew in what is not sent on");
}

/// A frame to the router with these options.
fn inject(net: &mut Network, r: NsId, options: &[u8], to: [u8; 4]) {
    let r0 = net.ns(r).unwrap().devs.index_of("r0").unwrap();
    let peer = net.ns(r).unwrap().devs.get(r0).unwrap().addr;
    let mut header = ipv4::Header::new([10, 0, 0, 1].into(), to.into(), ipv4::IPPROTO_UDP, 8);
    header.set_options_len(options.len());
    header.seal(options);
    let mut frame = peer.0.to_vec();
    frame.extend_from_slice(&[2, 0, 0, 0, 0, 9, 8, 0]);
    frame.extend_from_slice(header.as_bytes());
    frame.extend_from_slice(options);
    frame.extend_from_slice(&[0, 9, 0, 9, 0, 8, 0, 0]);
    net.inject(r, r0, &frame);
    run(net, 100);
}

#[test]
fn malformed_options_are_answered_with_the_place_of_the_error() {
    let (mut net, a, r, _) = routed();
    let pinger = Pinger::new(&mut net, a);
    let own = [10, 0, 0, 2];
    for (options, to, pointer) in [
        ([7, 7, 3, 0, 0, 0, 0, 0], own, 22),
        ([7, 9, 4, 0, 0, 0, 0, 0], own, 20),
        ([1, 1, 68, 5, 5, 0, 0, 0], [10, 0, 1, 3], 24),
        ([1, 1, 1, 1, 1, 1, 1, 7], [10, 9, 9, 9], 27),
    ] {
        inject(&mut net, r, &options, to);
        let expected = ([10, 0, 0, 2].into(), 64, icmp::ICMP_PARAMETERPROB, 0, [pointer, 0, 0, 0]);
        assert_eq!(pinger.received(&mut net), [expected], "{options:?}");
        run(&mut net, 2000);
    }
    assert_eq!(net.ns(r).unwrap().snmp.in_hdr_errors, 4);
    assert_eq!(drops(&net), [DropReason::IpInHdr; 4]);
    assert_eq!(pinger.ping(&mut net, "10.0.1.3").len(), 1);
    conserved(&net);
}

#[test]
fn a_source_route_is_dropped_in_silence() {
    let (mut net, a, r, _) = routed();
    let pinger = Pinger::new(&mut net, a);
    set(&mut net, r, "net.ipv4.conf.r0.log_martians", "1");
    inject(&mut net, r, &[131, 7, 4, 10, 0, 1, 3, 0], [10, 0, 0, 2]);
    assert_eq!(pinger.received(&mut net), []);
    assert_eq!(drops(&net), [DropReason::NotSpecified]);
    let log: Vec<_> = net.ns(r).unwrap().log.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(log.last(), Some(&"source route option 10.0.0.1 -> 10.0.0.2"));
}

#[test]
fn a_router_alert_passes_a_router_unchanged() {
    let (mut net, _, r, b) = routed();
    inject(&mut net, r, &[148, 4, 0, 0], [10, 0, 1, 3]);
    let e0 = net.ns(b).unwrap().devs.index_of("e0").unwrap();
    let passed = frames(&net, b, e0).into_iter().find(|f| f[12..15] == [8, 0, 0x46]).unwrap();
    assert_eq!(passed[34..38], [148, 4, 0, 0]);
    assert_eq!(checksum::checksum(&passed[14..38]), 0);
}

#[test]
fn a_sender_cannot_ask_for_what_is_malformed() {
    let (mut net, a, _, _) = routed();
    let pinger = pinger(&mut net, a, &[7, 7, 3, 0, 0, 0, 0, 0]);
    assert_eq!(pinger.send(&mut net, "10.0.1.3", 1, 56), Err(hopwise_sim_core::Errno::EINVAL));
    conserved(&net);
}
