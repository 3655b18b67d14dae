//! The link watcher: the operational state follows the carrier, some links at once, others at most once a second.
//! Models `net/core/link_watch.c`.

use hopwise_devices::{OperState, Qdisc};
use hopwise_sim_core::{Duration, HostId, IfIndex, NsId, Time};

use crate::cx::TimerKind;
use crate::dev::{Dev, DevTable};
use crate::network::Network;

/// How long after a look the next one is allowed, for links that are not urgent (`linkwatch_nextevent`, one second).
const PAUSE: Duration = Duration::from_secs(1);

/// The links of a host whose carrier changed.
#[derive(Clone, Debug, Default)]
pub struct LinkWatch {
    /// They wait for a look (`lweventlist`); what is no longer [`Dev::watched`] was dealt with already.
    pending: Vec<(NsId, IfIndex)>,
    /// There may be something urgent: a look follows the control operation (`LW_URGENT`).
    hurry: bool,
    next_event: Time,
    scheduled: Option<Time>,
}

/// Notes that a link's carrier changed (`linkwatch_fire_event`). If that is urgent, `after` looks, else the timer does
/// when the pause is over.
pub fn fire(net: &mut Network, ns: NsId, link: IfIndex) {
    let Some(space) = net.ns_mut(ns) else { return };
    let host = space.host;
    let Some(dev) = space.devs.get_mut(link) else { return };
    let urgent = is_urgent(dev);
    let known = core::mem::replace(&mut dev.watched, true);
    let Some(owner) = net.host_mut(host) else { return };
    if !known {
        owner.watch.pending.push((ns, link));
    }
    owner.watch.hurry |= urgent;
    if !known {
        schedule(net, host);
    }
}

/// A control operation is over: the watcher's urgent work is done (it waits for the lock that the operation held).
pub(crate) fn after(net: &mut Network) {
    for host in 0..net.hosts().len() as u32 {
        let host = HostId(host);
        // What is settled may change other carriers (a bridge's), which may be urgent again.
        while net.host(host).is_some_and(|h| h.watch.hurry) {
            look(net, host);
        }
    }
}

/// The timer of the watcher, kept in a host's root namespace, runs out.
pub fn run(net: &mut Network, root: NsId) {
    let Some(host) = net.ns(root).map(|n| n.host) else { return };
    if let Some(owner) = net.host_mut(host) {
        owner.watch.scheduled = None;
    }
    look(net, host);
    after(net);
}

/// A link whose state hangs on another one cannot wait, nor one whose queue is to be started
/// (`linkwatch_urgent_event`). The link below is known by its number only: a veth whose peer has the same number in
/// another namespace is taken for one without.
fn is_urgent(dev: &Dev) -> bool {
    dev.is_up() && (dev.iflink() != dev.index || (dev.carrier && dev.qdisc != Qdisc::Noop && !dev.active))
}

fn schedule(net: &mut Network, host: HostId) {
    let now = net.now();
    let Some(owner) = net.host_mut(host) else { return };
    if owner.watch.scheduled.is_none() {
        let at = owner.watch.next_event.max(now);
        owner.watch.scheduled = Some(at);
        let root = owner.root;
        net.set_timer(root, at, TimerKind::LinkWatch);
    }
}

/// `linkwatch_event`: within the pause only what is urgent now is looked at, after it all. What was urgent when it was
/// noted need not be any more: a link that was being set up has its queue started since.
fn look(net: &mut Network, host: HostId) {
    let now = net.now();
    let Some(owner) = net.host_mut(host) else { return };
    let watch = &mut owner.watch;
    watch.hurry = false;
    let only_urgent = watch.next_event > now;
    if !only_urgent {
        watch.next_event = now + PAUSE;
    }
    let mut waiting = false;
    for (ns, link) in core::mem::take(&mut watch.pending) {
        let dev = net.ns(ns).and_then(|n| n.devs.get(link)).filter(|d| d.watched);
        let Some(dev) = dev else { continue };
        if !only_urgent || is_urgent(dev) {
            sync(net, ns, link);
        } else if let Some(owner) = net.host_mut(host) {
            owner.watch.pending.push((ns, link));
            waiting = true;
        }
    }
    if waiting {
        schedule(net, host);
    }
}

/// Brings one link up to date if something is pending for it, as `ip link show DEV` does (`linkwatch_sync_dev`).
pub fn sync(net: &mut Network, ns: NsId, link: IfIndex) {
    let Some(dev) = net.ns_mut(ns).and_then(|n| n.devs.get_mut(link)) else { return };
    if core::mem::take(&mut dev.watched) {
        settle(net, ns, link);
    }
}

/// Brings a link's operational state in line with its carrier, and tells the layers above (`linkwatch_do_dev`).
fn settle(net: &mut Network, ns: NsId, link: IfIndex) {
    let Some(space) = net.ns_mut(ns) else { return };
    let Some(state) = space.devs.get(link).map(|dev| rfc2863(&space.devs, dev)) else { return };
    let Some(dev) = space.devs.get_mut(link) else { return };
    dev.operstate = state;
    if dev.is_up() {
        dev.active = dev.carrier;
        if !dev.active {
            net.reset_queue(ns, link);
        }
        net.carrier_changed(ns, link);
    }
    net.tell_link_listeners(ns);
}

/// `rfc2863_policy` and `default_operstate`: a link without carrier is LOWERLAYERDOWN if the link below it has none
/// either. The link below is looked for by number in the same namespace, even if it is in another one (Linux 6.18).
fn rfc2863(devs: &DevTable, dev: &Dev) -> OperState {
    let below = dev.iflink();
    if dev.carrier {
        if dev.mode_dormant { OperState::Dormant } else { OperState::Up }
    } else if below != dev.index && devs.get(below).is_some_and(|d| !d.carrier) {
        OperState::LowerLayerDown
    } else {
        OperState::Down
    }
}
