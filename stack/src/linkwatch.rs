//! The link watcher: the operational state follows the carrier, some links at once, others at most once a second.
//! Models `net/core/link_watch.c`.

use hopwise_devices::{Kind, OperState, Qdisc};
use hopwise_sim_core::{Duration, HostId, IfIndex, NsId, Time};

use crate::cx::TimerKind;
use crate::dev::Dev;
use crate::network::Network;

/// How long after a look the next one is allowed, for links that are not urgent (`linkwatch_nextevent`, one second).
const PAUSE: Duration = Duration::from_secs(1);

/// The links of a host whose carrier changed.
#[derive(Clone, Debug, Default)]
pub struct LinkWatch {
    pending: Vec<(NsId, IfIndex)>,
    next_event: Time,
    scheduled: Option<Time>,
}

/// Notes that a link's carrier changed (`linkwatch_fire_event`): urgent ones are looked at now, others when the pause is
/// over.
pub fn fire(net: &mut Network, ns: NsId, link: IfIndex) {
    let Some(space) = net.ns(ns) else { return };
    let host = space.host;
    let Some(dev) = space.devs.get(link) else { return };
    let urgent = is_urgent(dev);
    let now = net.now();
    let Some(owner) = net.host_mut(host) else { return };
    let watch = &mut owner.watch;
    if !watch.pending.contains(&(ns, link)) {
        watch.pending.push((ns, link));
    }
    if urgent {
        look(net, host, true);
        return;
    }
    let at = watch.next_event.max(now);
    if watch.scheduled.is_none() {
        watch.scheduled = Some(at);
        let root = owner.root;
        net.set_timer(root, at, TimerKind::LinkWatch);
    }
}

/// The timer of the watcher, kept in a host's root namespace, runs out.
pub fn run(net: &mut Network, root: NsId) {
    let Some(host) = net.ns(root).map(|n| n.host) else { return };
    if let Some(owner) = net.host_mut(host) {
        owner.watch.scheduled = None;
    }
    look(net, host, false);
}

/// A link that is stacked on another one (a veth shows its peer) or gains carrier with an active queue cannot wait
/// (`linkwatch_urgent_event`).
fn is_urgent(dev: &Dev) -> bool {
    matches!(dev.kind, Kind::Veth(_)) || dev.master.is_some() || (dev.carrier && dev.is_up() && dev.qdisc != Qdisc::Noop)
}

/// `__linkwatch_run_queue`: an urgent run looks only at the urgent links.
fn look(net: &mut Network, host: HostId, urgent_only: bool) {
    let now = net.now();
    let Some(owner) = net.host_mut(host) else { return };
    if !urgent_only {
        owner.watch.next_event = now + PAUSE;
    }
    let pending = core::mem::take(&mut owner.watch.pending);
    let (todo, later): (Vec<_>, Vec<_>) = pending
        .into_iter()
        .partition(|&(ns, link)| !urgent_only || net.ns(ns).and_then(|n| n.devs.get(link)).is_some_and(is_urgent));
    if let Some(owner) = net.host_mut(host) {
        owner.watch.pending = later;
        if urgent_only {
            owner.watch.next_event = now + PAUSE;
        }
    }
    for (ns, link) in todo {
        settle(net, ns, link);
    }
}

/// Brings a link's operational state in line with its carrier, and tells the layers above (`linkwatch_do_dev`).
pub fn settle(net: &mut Network, ns: NsId, link: IfIndex) {
    let Some(dev) = net.ns_mut(ns).and_then(|n| n.devs.get_mut(link)) else { return };
    let before = (dev.operstate, dev.active);
    dev.operstate = rfc2863(dev);
    if dev.is_up() {
        dev.active = dev.carrier;
    }
    if before != (dev.operstate, dev.active) || dev.is_up() {
        net.carrier_changed(ns, link);
    }
}

/// `rfc2863_policy` and `default_operstate`.
pub fn rfc2863(dev: &Dev) -> OperState {
    if dev.carrier {
        return OperState::Up;
    }
    if matches!(dev.kind, Kind::Veth(_)) { OperState::LowerLayerDown } else { OperState::Down }
}
