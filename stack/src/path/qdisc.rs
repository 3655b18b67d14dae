//! A link's queueing discipline at work: frames go in, come out when it says so, and are transmitted. Models
//! `__dev_xmit_skb`, `__qdisc_run` and `qdisc_watchdog`.

use hopwise_devices::qdisc::{Next, Root};
use hopwise_sim_core::{Detail, DropReason, Fate, IfIndex, Packet, PacketId};

use crate::cx::{Cx, TimerKind};
use crate::dev::Dev;
use crate::namespace::Namespace;
use crate::path::dev_xmit::transmit;

/// Gives a frame to the discipline of a link and sends what it lets go.
pub(super) fn queue(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> Fate {
    let id = packet.id;
    cx.note(&packet, || Detail::Held { why: "the queueing discipline of the link" });
    let Some((root, offset)) = ns.devs.get_mut(link).and_then(root_of) else {
        return cx.drop(packet, DropReason::DevReady);
    };
    let mut died = false;
    let Cx { now, ns: here, pool, journey, .. } = cx;
    root.enqueue(packet, *now, pool, offset, &mut |packet: &Packet| {
        died |= packet.id == id;
        journey.note(*now, *here, packet.id, || Detail::Dropped { reason: DropReason::Qdisc });
    });
    let sent = run(ns, cx, link, id);
    sent.unwrap_or(if died { Fate::Dropped(DropReason::Qdisc) } else { Fate::Held })
}

/// Sends what is due; a timer is set for what is not. Gives what became of the packet `id`, if it was among them.
fn run(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, id: PacketId) -> Option<Fate> {
    let mut fate = None;
    loop {
        let (root, offset) = ns.devs.get_mut(link).filter(|dev| dev.active).and_then(root_of)?;
        let Cx { now, ns: here, pool, journey, .. } = cx;
        let next = root.dequeue(*now, pool, offset, &mut |packet: &Packet| {
            journey.note(*now, *here, packet.id, || Detail::Dropped { reason: DropReason::Qdisc });
        });
        match next {
            Next::Packet(packet) => {
                let is_it = packet.id == id;
                let became = transmit(ns, cx, link, packet);
                fate = if is_it { Some(became) } else { fate };
            }
            Next::At(at) => {
                if root.watchdog.is_none_or(|set| at < set) {
                    root.watchdog = Some(at);
                    cx.timer(at, TimerKind::Qdisc { link });
                }
                return fate;
            }
            Next::Empty => return fate,
        }
    }
}

/// The timer of a link's discipline runs out.
pub(crate) fn timer(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex) {
    let Some((root, _)) = ns.devs.get_mut(link).and_then(root_of) else { return };
    if root.watchdog.is_some_and(|at| at <= cx.now) {
        root.watchdog = None;
        run(ns, cx, link, PacketId::default());
    }
}

/// The options of a discipline were changed: what is due now is sent.
pub(crate) fn kick(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex) {
    run(ns, cx, link, PacketId::default());
}

/// Drops everything that waits in a discipline: the link went down, or another discipline comes (`qdisc_reset`).
pub(crate) fn reset(root: &mut Root, cx: &mut Cx<'_>) {
    let Cx { now, ns, pool, journey, .. } = cx;
    root.reset(*now, pool, &mut |packet: &Packet| {
        journey.note(*now, *ns, packet.id, || Detail::Dropped { reason: DropReason::Qdisc });
    });
    root.watchdog = None;
}

fn root_of(dev: &mut Dev) -> Option<(&mut Root, usize)> {
    let offset = dev.header_len();
    Some((dev.link.queue.as_deref_mut()?, offset))
}
