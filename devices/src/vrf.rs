//! `vrf`: a routing table as a link. The links that belong to it are routed by that table, and the link itself is their
//! loopback. Models `drivers/net/vrf.c`.

use crate::describe::Describe;
use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::{Link, LinkFlags, OperState};

/// The largest packet that a link without a wire can be asked to carry (`IP6_MAX_MTU`).
const MAX_MTU: u32 = 65575;

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "vrf",
    summary: "a routing table as a link, for the links that belong to it",
    hw: HwType::Ether,
    mtu: (1280, MAX_MTU),
    setup,
    describe,
    queues: (1, 1),
    driver: "vrf",
    speed: None,
    immutable_netns: true,
};

/// The state of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vrf {
    /// The number of its routing table.
    pub table: u32,
}

fn setup(link: &mut Link) {
    link.flags = LinkFlags::MASTER | LinkFlags::NOARP;
    link.mtu = MAX_MTU;
    // "oper state is irrelevant": it has no lower layer that could be down.
    link.operstate = OperState::Up;
}

/// iproute2's `vrf_print_opt`.
fn describe(link: &Link, d: &mut Describe) {
    if let Some(vrf) = link.kind.vrf() {
        d.number("table", "table", vrf.table.into());
    }
}
