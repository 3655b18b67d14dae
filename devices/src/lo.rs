//! `lo`, the loopback link: what is sent comes back in. Models `drivers/net/loopback.c`.

use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::Duration;

use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::{Link, LinkFlags};

/// How long a packet takes to come back in: the order of a softirq.
pub const CROSSING: Duration = Duration::from_micros(5);

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "",
    summary: "loopback link of every namespace",
    hw: HwType::Loopback,
    mtu: (0, 0),
    setup,
    describe: |_, _| {},
    queues: (1, 1),
    driver: "",
    speed: None,
    immutable_netns: true,
};

fn setup(link: &mut Link) {
    link.flags = LinkFlags::LOOPBACK;
    link.mtu = 65536;
    link.broadcast = MacAddr::default();
}
