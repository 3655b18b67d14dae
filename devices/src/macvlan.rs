//! `macvlan`: a link with an address of its own on the link below. Models `drivers/net/macvlan.c`.

use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};

use crate::describe::Describe;
use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::Link;

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "macvlan",
    summary: "a link with an address of its own on the link below",
    hw: HwType::Ether,
    mtu: (68, 0),
    setup: |_: &mut Link| {},
    describe,
    queues: (1, 1),
    driver: "macvlan",
    speed: None,
    immutable_netns: false,
};

/// The queue that broadcasts would wait in (`MACVLAN_DEFAULT_BC_QUEUE_LEN`); shown only.
pub const BC_QUEUE_LEN: u32 = 1000;

/// How the links on one link reach each other (`MACVLAN_MODE_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Not at all.
    Private,
    /// Through a switch outside.
    #[default]
    Vepa,
    /// At once.
    Bridge,
    /// There is only one, and it has the address of the link below.
    Passthru,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 4] = [Mode::Private, Mode::Vepa, Mode::Bridge, Mode::Passthru];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Private => "private",
            Mode::Vepa => "vepa",
            Mode::Bridge => "bridge",
            Mode::Passthru => "passthru",
        }
    }
}

/// The state of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Macvlan {
    /// The link below, and where it is.
    pub lower: (NsId, IfIndex),
    /// How it reaches the others.
    pub mode: Mode,
    /// `bcqueuelen`, shown only.
    pub bc_queue_len: u32,
    /// The greatest one of all on the link below, shown only.
    pub bc_queue_used: u32,
    /// `nopromisc`: the link below is not made promiscuous for a passthru one.
    pub nopromisc: bool,
}

/// One macvlan as the link below knows it: the two may be in different namespaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Child {
    /// Where it is.
    pub at: (NsId, IfIndex),
    /// Its address.
    pub addr: MacAddr,
    /// Its mode.
    pub mode: Mode,
    /// Only those that are up get frames.
    pub up: bool,
}

/// The macvlans on a link (`struct macvlan_port`), in the order of their making.
#[derive(Clone, Debug, Default)]
pub struct MacvlanPort {
    /// All of them.
    pub children: Vec<Child>,
}

impl MacvlanPort {
    /// Whether the only one is a passthru one.
    pub fn is_passthru(&self) -> bool {
        self.children.first().is_some_and(|c| c.mode == Mode::Passthru)
    }

    /// The one that is up and has this address (`macvlan_hash_lookup`).
    #[inline]
    pub fn find(&self, addr: MacAddr) -> Option<&Child> {
        self.children.iter().find(|c| c.up && c.addr == addr)
    }

    /// Who gets a frame to a group that came in from outside: from the macvlan `src` if it is one of ours that was sent back
    /// by a switch (`macvlan_multicast_rx`).
    pub fn hears_from_outside(&self, src: Option<&Child>, child: &Child) -> bool {
        let Some(src) = src else { return child.up };
        let modes: &[Mode] = match src.mode {
            Mode::Vepa => &[Mode::Vepa, Mode::Bridge],
            Mode::Bridge => &[Mode::Vepa],
            // It goes back to the one that sent it.
            Mode::Private | Mode::Passthru => return child.at == src.at,
        };
        child.up && child.at != src.at && modes.contains(&child.mode)
    }
}

/// iproute2's `macvlan_print_opt`.
fn describe(link: &Link, d: &mut Describe) {
    let Some(macvlan) = link.kind.macvlan() else { return };
    d.text("mode", "mode", macvlan.mode.name().into());
    if macvlan.nopromisc {
        d.text("flags", "nopromisc", String::new());
    }
    d.number("bcqueuelen", "bcqueuelen", macvlan.bc_queue_len.into());
    d.number("usedbcqueuelen", "usedbcqueuelen", macvlan.bc_queue_used.into());
}
