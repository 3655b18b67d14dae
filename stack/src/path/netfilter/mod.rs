//! The five hooks of IPv4: who is asked there about a packet, and in which order. Models `nf_hook_slow` and what stands at
//! the hooks: `ipv4_conntrack_defrag`, `ipv4_conntrack_in`, `nft_do_chain`, `nf_nat_ipv4_fn`, `nf_confirm`.
//!
//! ```text
//! PREROUTING   defrag  raw  track  mangle  nat (destination)
//! INPUT                            mangle                     filter  security  nat (source)  confirm
//! FORWARD                          mangle                     filter  security
//! OUTPUT       defrag  raw  track  mangle  nat (destination)  filter  security
//! POSTROUTING                      mangle                                       nat (source)  confirm
//! ```
//!
//! `visit` walks along one such line; `reject` answers what was rejected; `reroute` looks for another way for what was
//! changed on its way out. A namespace without rules has nothing at its hooks: one comparison a hook.

mod env;
mod log;
mod observe;
mod reject;
mod reroute;
mod tee;
mod visit;

use core::ops::ControlFlow;

use hopwise_netfilter::hook::Hook;
use hopwise_protocols::wire::{ipv4, split};
use hopwise_sim_core::{IfIndex, Packet};

use crate::cx::{Cx, Verdict};
use crate::namespace::Namespace;
use crate::path::{checksum, frag};

pub use reroute::local_out;

/// Where a packet is asked about: the hook, and the links it came in and goes out through ([`IfIndex::NONE`]: none, or not known
/// yet).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct At {
    /// The hook.
    pub hook: Hook,
    /// `-i`.
    pub input: IfIndex,
    /// `-o`.
    pub output: IfIndex,
}

impl At {
    /// A packet came in through `input`.
    pub const fn pre_routing(input: IfIndex) -> At {
        At { hook: Hook::PreRouting, input, output: IfIndex::NONE }
    }

    /// A packet that came in through `input` is for this host.
    pub const fn local_in(input: IfIndex) -> At {
        At { hook: Hook::LocalIn, input, output: IfIndex::NONE }
    }

    /// A packet goes from `input` to `output`.
    pub const fn forward(input: IfIndex, output: IfIndex) -> At {
        At { hook: Hook::Forward, input, output }
    }

    /// A packet made here goes to `output`.
    pub const fn local_out(output: IfIndex) -> At {
        At { hook: Hook::LocalOut, input: IfIndex::NONE, output }
    }

    /// A packet leaves through `output`.
    pub const fn post_routing(output: IfIndex) -> At {
        At { hook: Hook::PostRouting, input: IfIndex::NONE, output }
    }
}

/// Whether anything stands at the hooks of a namespace.
#[inline]
pub fn in_use(ns: &Namespace) -> bool {
    ns.rules.is_some()
}

/// Asks all that stand at a hook about a packet whose data begins with its IPv4 header. `NF_HOOK`.
#[inline]
pub fn hook(ns: &mut Namespace, cx: &mut Cx<'_>, at: At, packet: Packet) -> Verdict {
    if in_use(ns) { ask(ns, cx, at, packet) } else { ControlFlow::Continue(packet) }
}

fn ask(ns: &mut Namespace, cx: &mut Cx<'_>, at: At, mut packet: Packet) -> Verdict {
    checksum::finish(&mut packet);
    let tracks = ns.rules.as_ref().is_some_and(|rules| rules.uses_conntrack());
    let packet =
        if tracks && matches!(at.hook, Hook::PreRouting | Hook::LocalOut) { whole(ns, cx, packet)? } else { packet };
    visit::visit(ns, cx, at, tracks, packet)
}

/// Connections are tracked in whole packets: fragments wait for each other. `ipv4_conntrack_defrag`.
#[inline]
fn whole(ns: &mut Namespace, cx: &mut Cx<'_>, packet: Packet) -> Verdict {
    let is_fragment = split::<ipv4::Header>(packet.data()).is_ok_and(|(header, _)| header.is_fragment());
    if is_fragment { frag::defrag(ns, cx, packet) } else { ControlFlow::Continue(packet) }
}
