//! Every parser of wire formats, each over the same bytes.

use std::net::Ipv4Addr;

use hopwise_protocols::frag;
use hopwise_protocols::wire::{self, arp, checksum, ethernet, icmp, ipv4, options, udp, vlan};

/// Parses `data` as each kind of packet and checks what follows from a success.
pub fn run(data: &[u8]) {
    let _ = ethernet::parse(data);
    let _ = wire::split::<vlan::Tag>(data);
    let _ = arp::parse(data);
    let _ = icmp::parse(data);
    let _ = udp::parse(data, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::BROADCAST);
    datagram(data);
    option_list(data);
    cut(data);
    // The sum that the checksum completes is zero: the Internet checksum's own law (RFC 1071), for even lengths.
    if data.len().is_multiple_of(2) {
        let mut with = data.to_vec();
        with.extend(checksum::checksum(data).to_be_bytes());
        assert_eq!(checksum::checksum(&with), 0, "data and its checksum sum up to nothing");
    }
}

/// An IPv4 datagram whose TTL and addresses are rewritten keeps a right checksum.
fn datagram(data: &[u8]) {
    let Ok(packet) = ipv4::parse(data) else { return };
    let _ = udp::parse(packet.payload, packet.header.src(), packet.header.dst());
    let mut bytes = data.to_vec();
    let Ok((header, _)) = hopwise_protocols::wire::split_mut::<ipv4::Header>(&mut bytes) else { return };
    if header.ttl > 0 {
        header.decrease_ttl();
    }
    header.set_src(Ipv4Addr::new(192, 0, 2, 1));
    header.set_dst(Ipv4Addr::new(198, 51, 100, 7));
    header.set_tos(0x10);
    assert!(ipv4::parse(&bytes).is_ok(), "an incremental checksum went wrong");
}

fn option_list(data: &[u8]) {
    let list = data.get(..40).unwrap_or(data);
    let all: Vec<_> = options::Options::new(list).collect();
    assert!(all.len() <= list.len(), "each option takes at least a byte");
    let mut kept = list.to_vec();
    options::keep_copied(&mut kept);
    if all.iter().all(Result::is_ok) {
        assert!(options::Options::new(&kept).all(|o| o.is_ok()), "blanking an option broke the list");
    }
}

/// The pieces of a payload are the payload.
fn cut(data: &[u8]) {
    let (room, rest) = super::choice(data);
    let mut end = 0;
    for piece in frag::pieces(rest.len(), usize::from(room)) {
        assert!(piece.start == end && piece.end > piece.start && piece.len() <= usize::from(room));
        end = piece.end;
    }
    assert!(end == rest.len() || (end == 0 && room < 8), "a payload is cut completely or not at all");
}
