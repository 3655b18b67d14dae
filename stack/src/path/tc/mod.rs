//! Programs that see every frame of a link: where it comes in before anybody else has it, and where it goes out before
//! its queue. Models `clsact`, `sch_handle_ingress`, `sch_handle_egress` and a filter of kind `bpf` in direct-action mode.
//!
//! On Linux a program is bytecode. Here it is one of a few machines written in Rust: [`cilium`] has them. What a program
//! says is an [`Action`]; `redirect` carries it out.

pub mod cilium;
mod redirect;

use hopwise_sim_core::{Detail, IfIndex, Packet, PacketType, ProgramNote};

use crate::cx::{Cx, Verdict};
use crate::dev::Dev;
use crate::namespace::Namespace;

/// The parent of filters for what comes in (`TC_H_MIN_INGRESS` of `TC_H_CLSACT`).
pub const INGRESS: u32 = 0xffff_fff2;
/// The same for what goes out (`TC_H_MIN_EGRESS`).
pub const EGRESS: u32 = 0xffff_fff3;

/// Which of the two hooks of a link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Hook {
    /// A frame came in.
    Ingress,
    /// A frame goes out.
    Egress,
}

impl Hook {
    /// The word that `tc` knows it by.
    pub const fn name(self) -> &'static str {
        match self {
            Hook::Ingress => "ingress",
            Hook::Egress => "egress",
        }
    }
}

/// What a program says about a frame (`TC_ACT_*` and the helpers `bpf_redirect*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It goes on as if there were no program.
    Ok,
    /// It dies.
    Shot,
    /// It is sent through another link (`bpf_redirect`).
    Redirect(IfIndex),
    /// It comes in through another link (`bpf_redirect` with `BPF_F_INGRESS`).
    RedirectIngress(IfIndex),
    /// It comes in through the far end of a veth, in the namespace that this one is in (`bpf_redirect_peer`).
    RedirectPeer(IfIndex),
    /// It is sent through another link with the link-layer address of its next hop (`bpf_redirect_neigh`).
    RedirectNeigh(IfIndex),
}

/// A filter of kind `bpf`.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The name that the loader gave it: file and section.
    pub name: Box<str>,
    /// What it does.
    pub program: cilium::Program,
    /// Its place among the filters of its hook (`pref`).
    pub pref: u16,
    /// Its handle.
    pub handle: u32,
    /// Number of the program.
    pub id: u32,
    /// Hash of the program's code.
    pub tag: u64,
}

/// What stands at the two hooks of a link.
#[derive(Clone, Debug, Default)]
pub struct Clsact {
    /// It is `ingress`, the older kind without a hook for what goes out.
    pub ingress_only: bool,
    /// For frames that come in.
    pub ingress: Vec<Filter>,
    /// For frames that go out.
    pub egress: Vec<Filter>,
}

impl Clsact {
    /// The filters of a hook, in their order.
    pub fn filters(&self, hook: Hook) -> &[Filter] {
        match hook {
            Hook::Ingress => &self.ingress,
            Hook::Egress => &self.egress,
        }
    }

    /// The same, to be changed.
    pub fn filters_mut(&mut self, hook: Hook) -> &mut Vec<Filter> {
        match hook {
            Hook::Ingress => &mut self.ingress,
            Hook::Egress => &mut self.egress,
        }
    }

    /// The hook that a filter's parent means. In `ingress` all mean the only one (`ingress_find`), in `clsact` each has a
    /// number of its own (`clsact_find`).
    pub const fn hook_of(&self, parent: u32) -> Option<Hook> {
        match parent {
            _ if parent >> 16 != 0xffff => None,
            _ if self.ingress_only => Some(Hook::Ingress),
            INGRESS => Some(Hook::Ingress),
            EGRESS => Some(Hook::Egress),
            _ => None,
        }
    }

    /// The name of its kind.
    pub const fn kind(&self) -> &'static str {
        if self.ingress_only { "ingress" } else { "clsact" }
    }
}

/// A frame came in through a link with programs; its Ethernet header was read and pulled. `sch_handle_ingress`.
#[cold]
pub(super) fn ingress(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Verdict {
    let Some(program) = first(ns.devs.get(link), Hook::Ingress) else { return Verdict::Continue(packet) };
    let mac_len = packet.mac_len;
    packet.push_mac_header();
    match run(ns, cx, (link, Hook::Ingress), program, &mut packet) {
        Action::Ok => {
            // The program may have given it another address.
            if let (Some(dev), Some(dst)) = (ns.devs.get(link), cilium::frame::destination(packet.data())) {
                packet.kind = retype(packet.kind, dst == dev.addr);
            }
            let pulled = packet.pull(usize::from(mac_len));
            debug_assert!(pulled, "it was pushed above");
            packet.mac_len = mac_len;
            Verdict::Continue(packet)
        }
        action => Verdict::Break(redirect::carry_out(ns, cx, (action, Hook::Ingress), packet)),
    }
}

/// `bpf_skb_store_bytes` leaves the type of a packet alone; a program that changes the address says so itself
/// (`bpf_skb_change_type`), as these do where they mean this host.
fn retype(kind: PacketType, to_us: bool) -> PacketType {
    if to_us && kind == PacketType::OtherHost { PacketType::Host } else { kind }
}

/// A frame goes out through a link with programs. `sch_handle_egress`.
#[cold]
pub(super) fn egress(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, mut packet: Packet) -> Verdict {
    let Some(program) = first(ns.devs.get(link), Hook::Egress) else { return Verdict::Continue(packet) };
    match run(ns, cx, (link, Hook::Egress), program, &mut packet) {
        Action::Ok => Verdict::Continue(packet),
        action => Verdict::Break(redirect::carry_out(ns, cx, (action, Hook::Egress), packet)),
    }
}

/// The program of a hook. In direct-action mode the first one decides.
fn first(dev: Option<&Dev>, hook: Hook) -> Option<cilium::Program> {
    let filters = dev?.clsact.as_deref()?.filters(hook);
    filters.first().map(|filter| filter.program)
}

/// Lets a program look at a frame, which begins with its Ethernet header. The maps are taken out of the namespace for as
/// long, so that the program can ask the rest of it.
fn run(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    (link, hook): (IfIndex, Hook),
    program: cilium::Program,
    packet: &mut Packet,
) -> Action {
    let Some(mut maps) = ns.cilium.take() else { return Action::Ok };
    let random = if maps.services.is_empty() { 0 } else { ns.rng.next_u32() };
    let result = cilium::run(&mut maps, &cilium::Kernel { ns, now: cx.now, link, random }, program, packet);
    if maps.events.wakes() {
        cx.wakeups.extend(maps.events.listeners());
    }
    ns.cilium = Some(maps);
    cx.note(packet, || {
        Detail::Program(Box::new(ProgramNote {
            link,
            hook: hook.name(),
            program: program.name(),
            verdict: verdict(ns, result.action),
            identity: result.identity,
            why: result.why,
        }))
    });
    result.action
}

/// An action in words.
fn verdict(ns: &Namespace, action: Action) -> String {
    let name = |link| ns.name_of(link).to_owned();
    match action {
        Action::Ok => "TC_ACT_OK".to_owned(),
        Action::Shot => "TC_ACT_SHOT".to_owned(),
        Action::Redirect(link) => format!("bpf_redirect({})", name(link)),
        Action::RedirectIngress(link) => format!("bpf_redirect({}, BPF_F_INGRESS)", name(link)),
        Action::RedirectPeer(link) => format!("bpf_redirect_peer({})", name(link)),
        Action::RedirectNeigh(link) => format!("bpf_redirect_neigh({})", name(link)),
    }
}
