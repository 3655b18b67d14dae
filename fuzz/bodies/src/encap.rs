//! Encapsulation over any bytes: nothing panics, what is refused stays as it is, what went in comes out.

use hopwise_protocols::encap::{DecapError, Df, Headroom, Outer, Tos, Ttl, Window, ethernet, flow, ipip, vlan, vxlan};
use hopwise_protocols::wire::ethernet::{ETH_P_8021AD, ETH_P_8021Q};
use hopwise_protocols::wire::vlan::Tag;
use hopwise_protocols::wire::vxlan::VXLAN_PORT;

/// Room in front of each input: enough for every tunnel.
const ROOM: usize = 64;

/// The first bytes choose the tunnel's settings, the others are the packet.
pub fn run(data: &[u8]) {
    let (choice, rest) = super::choice(data);
    let (port, bytes) = super::choice(rest);
    let bytes = bytes.get(..2048).unwrap_or(bytes);
    let outer = Outer {
        tos: if choice & 1 == 0 { Tos::Inherit } else { Tos::Fixed(port) },
        ttl: if choice & 2 == 0 { Ttl::Inherit(64) } else { Ttl::Fixed(port) },
        df: [Df::Clear, Df::Set, Df::Inherit][usize::from(choice >> 2) % 3],
        ..Outer::new([192, 0, 2, 1].into(), [192, 0, 2, 2].into())
    };
    take_out(bytes);
    let source = flow::source_port(flow::hash(bytes, flow::KEY), 32768..=60999);
    let tunnel = vxlan::Vxlan { outer, source, port: VXLAN_PORT, vni: u32::from(port), checksum: choice & 0x80 != 0 };
    let tag = Tag::new(choice & 7, u16::from(port), 0);
    there_and_back(bytes, |w| {
        if ipip::encapsulate(w, &outer, 1).is_err() {
            return true;
        }
        match ipip::decapsulate(w) {
            Ok(header) => header.src() == outer.src,
            // What was put in need not be sound inside: its checksum is the receiver's to check.
            Err(DecapError::Inner(_)) => w.pull_front(20),
            Err(_) => false,
        }
    });
    there_and_back(bytes, |w| {
        vxlan::encapsulate(w, &tunnel, 1).is_err()
            || vxlan::decapsulate(w, VXLAN_PORT).is_ok_and(|found| found.vni == tunnel.vni && found.source == source)
    });
    there_and_back(bytes, |w| {
        vlan::push(w, ETH_P_8021Q, tag).is_err()
            || (vlan::push(w, ETH_P_8021AD, tag).is_ok()
                && vlan::pop(w).is_ok_and(|(tpid, _)| tpid == ETH_P_8021AD)
                && vlan::pop(w).is_ok_and(|(_, popped)| popped.tci == tag.tci))
    });
}

/// Puts `bytes` in and takes them out: they must be the same afterwards, or refused.
fn there_and_back(bytes: &[u8], go: impl FnOnce(&mut Window<'_>) -> bool) {
    let mut buffer = vec![0; ROOM + bytes.len()];
    buffer[ROOM..].copy_from_slice(bytes);
    let end = buffer.len();
    let Some(mut window) = Window::new(&mut buffer, ROOM..end) else { return };
    assert!(go(&mut window), "what was put in cannot be taken out");
    assert_eq!(window.bytes(), bytes, "something else came out");
}

/// Takes `bytes` apart as each kind of tunnel would; what is refused stays.
fn take_out(bytes: &[u8]) {
    let attempts: [fn(&mut Window<'_>) -> bool; 4] = [
        |w| ipip::decapsulate(w).is_ok(),
        |w| vxlan::decapsulate(w, VXLAN_PORT).is_ok(),
        |w| vlan::pop(w).is_ok(),
        |w| ethernet::decapsulate(w).is_ok(),
    ];
    for attempt in attempts {
        let mut buffer = bytes.to_vec();
        let Some(mut window) = Window::new(&mut buffer, 0..bytes.len()) else { return };
        if !attempt(&mut window) {
            assert_eq!(window.bytes(), bytes, "a refused packet was changed");
        }
    }
}
