//! Laws of encapsulation over arbitrary packets, and the judgement of two other crates.

use core::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::wire::ethernet::{ETH_P_8021AD, ETH_P_8021Q, ETH_P_IP};
use crate::wire::vlan::Tag;
use crate::wire::vxlan::VXLAN_PORT;
use crate::wire::{IntoBytes, MacAddr, ethernet as eth};

/// A buffer with `room` bytes in front of `bytes`.
fn with_room(room: usize, bytes: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0xa5; room];
    buffer.extend(bytes);
    buffer
}

fn window(buffer: &mut [u8], room: usize) -> Window<'_> {
    let end = buffer.len();
    Window::new(buffer, room..end).unwrap()
}

prop_compose! {
    /// A sound IPv4 packet, with options or without.
    fn packet()(
        src: u32, dst: u32, tos: u8, ttl: u8, id: u16, df: bool, protocol: u8, options in 0usize..=10,
        payload in prop::collection::vec(any::<u8>(), 0..200),
    ) -> Vec<u8> {
        let options = vec![1; options * 4];
        let mut header = ipv4::Header::new(src.into(), dst.into(), protocol, payload.len() as u16);
        header.set_options_len(options.len());
        header.tos = tos;
        header.ttl = ttl;
        header.id.set(id);
        header.frag_off.set(if df { ipv4::IP_DF } else { 0 });
        header.seal(&options);
        [header.as_bytes(), &options, &payload].concat()
    }
}

prop_compose! {
    /// A frame with such a packet, or with anything.
    fn frame()(
        dst: [u8; 6], src: [u8; 6], ethertype in 0x600u16.., packet in packet(), is_ip: bool,
        other in prop::collection::vec(any::<u8>(), 0..100),
    ) -> Vec<u8> {
        let (ethertype, payload) = if is_ip { (ETH_P_IP, packet) } else { (ethertype, other) };
        [eth::Header::new(dst.into(), src.into(), ethertype).as_bytes(), &payload].concat()
    }
}

fn tos() -> impl Strategy<Value = Tos> {
    prop_oneof![any::<u8>().prop_map(Tos::Fixed), Just(Tos::Inherit)]
}

prop_compose! {
    fn outer()(
        src: u32, dst: u32, tos in tos(), ttl: u8, inherit: bool, df in prop::sample::select(vec![Df::Clear, Df::Set, Df::Inherit]),
    ) -> Outer {
        let ttl = if inherit { Ttl::Inherit(ttl) } else { Ttl::Fixed(ttl) };
        Outer { src: src.into(), dst: dst.into(), tos, ttl, df }
    }
}

prop_compose! {
    fn tunnel()(outer in outer(), source: u16, port: u16, vni in 0u32..1 << 24, checksum: bool) -> vxlan::Vxlan {
        vxlan::Vxlan { outer, source, port, vni, checksum }
    }
}

proptest! {
    #[test]
    fn ipip_there_and_back(packet in packet(), outer in outer(), id: u16) {
        let mut buffer = with_room(64, &packet);
        let mut w = window(&mut buffer, 64);
        ipip::encapsulate(&mut w, &outer, id).unwrap();
        let inner = ipv4::parse(&packet).unwrap();
        let theirs = etherparse::Ipv4HeaderSlice::from_slice(w.bytes()).unwrap();
        prop_assert_eq!(theirs.header_checksum(), theirs.to_header().calc_header_checksum());
        prop_assert_eq!(usize::from(theirs.total_len()), w.bytes().len());
        prop_assert_eq!((theirs.protocol().0, theirs.identification()), (4, id));
        prop_assert_eq!((theirs.source(), theirs.destination()), (outer.src.octets(), outer.dst.octets()));
        let df = match outer.df { Df::Clear => false, Df::Set => true, Df::Inherit => inner.header.dont_fragment() };
        prop_assert_eq!((theirs.dont_fragment(), theirs.more_fragments()), (df, false));
        let header = ipip::decapsulate(&mut w).unwrap();
        prop_assert_eq!(w.bytes(), &packet[..]);
        prop_assert_eq!((header.src(), header.dst()), (outer.src, outer.dst));
    }

    #[test]
    fn vxlan_there_and_back(frame in frame(), tunnel in tunnel(), id: u16) {
        let mut buffer = with_room(vxlan::HEADERS, &frame);
        let mut w = window(&mut buffer, vxlan::HEADERS);
        vxlan::encapsulate(&mut w, &tunnel, id).unwrap();
        prop_assert_eq!(w.bytes().len(), frame.len() + 36);
        let Some(etherparse::TransportHeader::Udp(udp)) = etherparse::PacketHeaders::from_ip_slice(w.bytes()).unwrap().transport else {
            panic!("no UDP")
        };
        prop_assert_eq!((udp.source_port, udp.destination_port), (tunnel.source, tunnel.port));
        prop_assert_eq!(usize::from(udp.length), frame.len() + 16);
        let ip = pnet_packet::ipv4::Ipv4Packet::new(w.bytes()).unwrap();
        prop_assert_eq!(ip.get_checksum(), pnet_packet::ipv4::checksum(&ip));
        let udp = pnet_packet::udp::UdpPacket::new(&w.bytes()[20..]).unwrap();
        let sum = pnet_packet::udp::ipv4_checksum(&udp, &tunnel.outer.src, &tunnel.outer.dst);
        prop_assert_eq!(udp.get_checksum(), if !tunnel.checksum { 0 } else if sum == 0 { 0xffff } else { sum });
        let theirs = pnet_packet::vxlan::VxlanPacket::new(&w.bytes()[28..]).unwrap();
        prop_assert_eq!((theirs.get_flags(), theirs.get_vni()), (8, tunnel.vni));
        let found = vxlan::decapsulate(&mut w, tunnel.port).unwrap();
        prop_assert_eq!(w.bytes(), &frame[..]);
        prop_assert_eq!((found.outer.src(), found.source, found.vni), (tunnel.outer.src, tunnel.source, tunnel.vni));
    }

    /// With a UDP checksum no byte of the whole packet can be another one, nor can its end be missing.
    #[test]
    fn what_was_altered_or_cut_is_refused(frame in frame(), tunnel in tunnel(), at: prop::sample::Index, with in 1u8..) {
        let tunnel = vxlan::Vxlan { checksum: true, ..tunnel };
        let mut buffer = with_room(36, &frame);
        vxlan::encapsulate(&mut window(&mut buffer, 36), &tunnel, 1).unwrap();
        let cut = at.index(buffer.len());
        let mut short = buffer[..cut].to_vec();
        prop_assert!(vxlan::decapsulate(&mut window(&mut short, 0), tunnel.port).is_err());
        buffer[cut] ^= with;
        // A checksum that became zero is none.
        prop_assume!(buffer[26..28] != [0, 0]);
        let altered = buffer.clone();
        let refused = vxlan::decapsulate(&mut window(&mut buffer, 0), tunnel.port);
        prop_assert!(refused.is_err(), "byte {} of {:02x?}", cut, altered);
        prop_assert_eq!(buffer, altered, "what is refused stays as it is");
    }

    /// Without one, the outer headers still guard themselves, all but the UDP source port and the network number.
    #[test]
    fn an_altered_outer_header_is_refused(frame in frame(), packet in packet(), tunnel in tunnel(), at in 0usize..36, with in 1u8..) {
        prop_assume!(!(20..22).contains(&at) && !(26..28).contains(&at) && !(32..35).contains(&at));
        let tunnel = vxlan::Vxlan { checksum: false, ..tunnel };
        let mut buffer = with_room(36, &frame);
        vxlan::encapsulate(&mut window(&mut buffer, 36), &tunnel, 1).unwrap();
        buffer[at] ^= with;
        // A datagram may end before its packet does: a smaller UDP length is one.
        let shorter = (24..26).contains(&at) && u16::from_be_bytes([buffer[24], buffer[25]]) < frame.len() as u16 + 16;
        prop_assume!(!shorter);
        prop_assert!(vxlan::decapsulate(&mut window(&mut buffer, 0), tunnel.port).is_err());
        let mut buffer = with_room(20, &packet);
        ipip::encapsulate(&mut window(&mut buffer, 20), &tunnel.outer, 1).unwrap();
        buffer[at % 20] ^= with;
        prop_assert!(ipip::decapsulate(&mut window(&mut buffer, 0)).is_err());
    }

    #[test]
    fn tags_there_and_back(frame in frame(), outer in 0u16..4096, inner in 0u16..4096, priority in 0u8..8) {
        let mut buffer = with_room(8, &frame);
        let mut w = window(&mut buffer, 8);
        vlan::push(&mut w, ETH_P_8021Q, Tag::new(priority, inner, 0)).unwrap();
        vlan::push(&mut w, ETH_P_8021AD, Tag::new(0, outer, 0)).unwrap();
        let (_, behind) = etherparse::Ethernet2Header::from_slice(w.bytes()).unwrap();
        let (first, behind) = etherparse::SingleVlanHeader::from_slice(behind).unwrap();
        let (second, _) = etherparse::SingleVlanHeader::from_slice(behind).unwrap();
        prop_assert_eq!((first.vlan_id.value(), second.vlan_id.value()), (outer, inner));
        prop_assert_eq!(second.pcp.value(), priority);
        prop_assert_eq!(&w.bytes()[..12], &frame[..12]);
        prop_assert_eq!(vlan::pop(&mut w).map(|(tpid, tag)| (tpid, tag.vlan())), Ok((ETH_P_8021AD, outer)));
        prop_assert_eq!(vlan::pop(&mut w).map(|(tpid, tag)| (tpid, tag.vlan())), Ok((ETH_P_8021Q, inner)));
        prop_assert_eq!(w.bytes(), &frame[..]);
    }

    #[test]
    fn ethernet_there_and_back(packet in packet(), dst: [u8; 6], src: [u8; 6], ethertype: u16) {
        let header = eth::Header::new(MacAddr(dst), MacAddr(src), ethertype);
        let mut buffer = with_room(14, &packet);
        let mut w = window(&mut buffer, 14);
        ethernet::encapsulate(&mut w, &header).unwrap();
        prop_assert_eq!(ethernet::decapsulate(&mut w), Ok(header));
        prop_assert_eq!(w.bytes(), &packet[..]);
    }

    #[test]
    fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120), room in 0usize..40, outer in outer(), tunnel in tunnel()) {
        let try_all = |go: &dyn Fn(&mut Window<'_>) -> bool| {
            let mut buffer = with_room(room, &bytes);
            let mut w = window(&mut buffer, room);
            if !go(&mut w) {
                assert_eq!(w.bytes(), &bytes[..], "what is refused stays as it is");
            }
        };
        try_all(&|w| ipip::encapsulate(w, &outer, 0).is_ok());
        try_all(&|w| vxlan::encapsulate(w, &tunnel, 0).is_ok());
        try_all(&|w| vlan::push(w, ETH_P_8021Q, Tag::new(0, 1, 0)).is_ok());
        try_all(&|w| ipip::decapsulate(w).is_ok());
        try_all(&|w| vxlan::decapsulate(w, VXLAN_PORT).is_ok());
        try_all(&|w| vlan::pop(w).is_ok());
        try_all(&|w| ethernet::decapsulate(w).is_ok());
        flow::hash(&bytes, flow::KEY);
    }

    /// Congestion that routers marked on the way comes out, and only that.
    #[test]
    fn marks_come_out(packet in packet(), outer in outer()) {
        let mut buffer = with_room(20, &packet);
        let mut w = window(&mut buffer, 20);
        ipip::encapsulate(&mut w, &outer, 0).unwrap();
        let (header, _) = crate::wire::split_mut::<ipv4::Header>(w.bytes_mut()).unwrap();
        header.set_tos(header.tos | ecn::CE);
        let inner = *ipv4::parse(&packet).unwrap().header;
        let back = ipip::decapsulate(&mut w);
        if inner.tos & 3 == ecn::NOT_ECT {
            prop_assert_eq!(back, Err(DecapError::Congestion));
        } else {
            let out = ipv4::parse(w.bytes()).unwrap();
            prop_assert_eq!(out.header.tos, inner.tos | ecn::CE);
        }
    }

    #[test]
    fn both_directions_share_a_source_port(src: u32, dst: u32, sport: u16, dport: u16, first: u16, last: u16) {
        let frame = |a: (u32, u16), b: (u32, u16)| {
            let (sa, da): (Ipv4Addr, Ipv4Addr) = (a.0.into(), b.0.into());
            let mut ip = ipv4::Header::new(sa, da, ipv4::IPPROTO_UDP, 8);
            ip.seal(&[]);
            let udp = crate::wire::udp::Header::without_checksum(a.1, b.1, 0);
            [eth::Header::new(MacAddr([1; 6]), MacAddr([2; 6]), ETH_P_IP).as_bytes(), ip.as_bytes(), udp.as_bytes()].concat()
        };
        let (there, back) = (frame((src, sport), (dst, dport)), frame((dst, dport), (src, sport)));
        let hash = flow::hash(&there, flow::KEY);
        prop_assert_eq!(hash, flow::hash(&back, flow::KEY));
        let (first, last) = (first.min(last), first.max(last));
        let port = flow::source_port(hash, first..=last);
        prop_assert!((first..=last).contains(&port));
    }
}

#[test]
fn what_is_refused_and_why() {
    let outer = Outer::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
    let tunnel = vxlan::Vxlan { outer, source: 40000, port: VXLAN_PORT, vni: 1 << 24, checksum: true };
    let frame = [0u8; 60];
    let mut buffer = with_room(35, &frame);
    assert_eq!(vxlan::encapsulate(&mut window(&mut buffer, 35), &tunnel, 0), Err(EncapError::Number));
    let tunnel = vxlan::Vxlan { vni: 42, ..tunnel };
    assert_eq!(vxlan::encapsulate(&mut window(&mut buffer, 35), &tunnel, 0), Err(EncapError::NoHeadroom));
    let mut long = with_room(36, &[0; 65_500]);
    assert_eq!(vxlan::encapsulate(&mut window(&mut long, 36), &tunnel, 0), Err(EncapError::TooLong));
    let mut buffer = with_room(36, &frame);
    vxlan::encapsulate(&mut window(&mut buffer, 36), &tunnel, 0).unwrap();
    assert_eq!(vxlan::decapsulate(&mut window(&mut buffer, 0), 8472), Err(DecapError::Port(VXLAN_PORT)));
    assert_eq!(ipip::decapsulate(&mut window(&mut buffer, 0)), Err(DecapError::Protocol(17)));
    assert_eq!(vlan::pop(&mut window(&mut frame.to_vec(), 0)), Err(DecapError::Protocol(0)));
    assert_eq!(vlan::push(&mut window(&mut buffer, 36), ETH_P_IP, Tag::new(0, 1, 0)), Err(EncapError::Number));
    assert!(Window::new(&mut buffer, 90..97).is_none());
}
