//! `dummy`: a link that is always ready and swallows what is sent. Models `drivers/net/dummy.c`.

use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::{Link, LinkFlags};

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "dummy",
    summary: "a link that is always ready and swallows what is sent",
    hw: HwType::Ether,
    mtu: (0, 0),
    setup,
    describe: |_, _| {},
    queues: (1, 1),
    driver: "dummy",
    speed: None,
    immutable_netns: false,
};

fn setup(link: &mut Link) {
    link.flags = LinkFlags::BROADCAST | LinkFlags::NOARP;
}
