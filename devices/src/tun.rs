//! `tun` and `tap`: links whose other end is a program. What is sent through the link is read by the program, what the
//! program writes comes in through the link: packets without a header for a tun, Ethernet frames for a tap. Models
//! `drivers/net/tun.c`.

use std::collections::VecDeque;

use bitflags::bitflags;
use hopwise_sim_core::Packet;

use crate::describe::{Describe, Value};
use crate::hw::HwType;
use crate::kind::{Kind, KindOps};
use crate::link::{Link, LinkFlags};

/// The row of a tun.
pub static TUN_OPS: KindOps = KindOps {
    name: "tun",
    summary: "a link whose other end is a program: packets (tun) or Ethernet frames (tap)",
    hw: HwType::None,
    mtu: (68, 65535),
    setup,
    describe,
    queues: (1, 1),
    driver: "tun",
    speed: Some(10_000),
    immutable_netns: false,
};

/// The row of a tap: the same kind with another header.
pub static TAP_OPS: KindOps = KindOps { hw: HwType::Ether, mtu: (68, 65521), ..TUN_OPS };

/// The queues of a link that was made with `multi_queue` (`MAX_TAP_QUEUES`).
const MANY_QUEUES: u32 = 256;

bitflags! {
    /// The flags of a tun (`IFF_*` of `linux/if_tun.h`, with the kernel's values).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct TunFlags: u32 {
        /// Packets without a link-layer header.
        const TUN = 0x0001;
        /// Ethernet frames.
        const TAP = 0x0002;
        /// Several programs may read it, each a part.
        const MULTI_QUEUE = 0x0100;
        /// It stays without a program.
        const PERSIST = 0x0800;
        /// No protocol information in front of packets.
        const NO_PI = 0x1000;
        /// Once meant one packet at a time; kept and shown.
        const ONE_QUEUE = 0x2000;
        /// A header about offloads in front of packets.
        const VNET_HDR = 0x4000;
    }
}

/// The state of a tun or tap.
#[derive(Clone, Debug)]
pub struct Tun {
    /// How it was made.
    pub flags: TunFlags,
    /// The user who may attach to it, if only one may.
    pub owner: Option<u32>,
    /// The group that may attach to it.
    pub group: Option<u32>,
    /// The number of the open file that is attached to it, if there is one.
    pub file: Option<u32>,
    /// Who reads it: woken when there is something to be read.
    pub reader: u64,
    /// What waits to be read.
    pub queue: VecDeque<Packet>,
}

/// The header that `pi` puts in front of packets (`struct tun_pi`).
pub const PI_LEN: usize = 4;

/// The header that `vnet_hdr` puts in front of packets (`struct virtio_net_hdr`).
pub const VNET_HDR_LEN: usize = 10;

impl Tun {
    /// A tun or tap without a program.
    pub const fn new(flags: TunFlags) -> Self {
        Tun { flags, owner: None, group: None, file: None, reader: 0, queue: VecDeque::new() }
    }

    /// Whether its packets are Ethernet frames.
    pub const fn is_tap(&self) -> bool {
        self.flags.contains(TunFlags::TAP)
    }

    /// How many bytes stand in front of each packet that is read or written.
    pub const fn prefix_len(&self) -> usize {
        let pi = if self.flags.contains(TunFlags::NO_PI) { 0 } else { PI_LEN };
        let vnet = if self.flags.contains(TunFlags::VNET_HDR) { VNET_HDR_LEN } else { 0 };
        pi + vnet
    }

    /// The row of its kind.
    pub fn ops(&self) -> &'static KindOps {
        if self.is_tap() { &TAP_OPS } else { &TUN_OPS }
    }

    /// How many queues it has, in each direction.
    pub const fn queues(&self) -> u32 {
        if self.flags.contains(TunFlags::MULTI_QUEUE) { MANY_QUEUES } else { 1 }
    }
}

fn setup(link: &mut Link) {
    if link.kind.tun().is_some_and(|tun| !tun.is_tap()) {
        link.flags = LinkFlags::POINTOPOINT | LinkFlags::NOARP | LinkFlags::MULTICAST;
        // The default of a tap is that of Ethernet.
        link.tx_queue_len = 500;
    }
}

fn describe(link: &Link, out: &mut Describe) {
    let Kind::Tun(tun) = &link.kind else { return };
    let has = |flag| tun.flags.contains(flag);
    let on_off = |on: bool| if on { "on" } else { "off" };
    out.text("type", "type", if tun.is_tap() { "tap".into() } else { "tun".into() });
    for (key, on) in [("pi", !has(TunFlags::NO_PI)), ("vnet_hdr", has(TunFlags::VNET_HDR))] {
        out.push(key, Value::Bool(on), format!("{key} {} ", on_off(on)));
    }
    let many = has(TunFlags::MULTI_QUEUE);
    out.push("multi_queue", Value::Bool(many), if many { "multi_queue ".into() } else { String::new() });
    if many {
        out.number("numqueues", "numqueues", u64::from(tun.file.is_some()));
        out.number("numdisabled", "numdisabled", 0);
    }
    let persist = has(TunFlags::PERSIST);
    out.push("persist", Value::Bool(persist), format!("persist {} ", on_off(persist)));
    for (key, id) in [("user", tun.owner), ("group", tun.group)] {
        if let Some(id) = id {
            out.text(key, key, if id == 0 { "root".into() } else { id.to_string() });
        }
    }
}
