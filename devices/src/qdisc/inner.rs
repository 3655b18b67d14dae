//! The disciplines inside one that has several, one for each class.

use hopwise_sim_core::Packet;

use super::{Env, Next, Qdisc};

/// Gives a packet to the one at that place.
pub(super) fn enqueue(inner: &mut [Qdisc], at: usize, packet: Packet, env: &mut Env<'_>) -> bool {
    match inner.get_mut(at) {
        Some(qdisc) => qdisc.enqueue(packet, env),
        None => {
            env.drop(packet);
            false
        }
    }
}

/// The next packet of the first that has one, else when there will be one.
pub(super) fn dequeue(inner: &mut [Qdisc], env: &mut Env<'_>) -> Next {
    let mut soonest = Next::Empty;
    for qdisc in inner {
        match (qdisc.dequeue(env), &soonest) {
            (Next::Packet(packet), _) => return Next::Packet(packet),
            (Next::At(at), Next::At(known)) if at >= *known => {}
            (Next::At(at), _) => soonest = Next::At(at),
            (Next::Empty, _) => {}
        }
    }
    soonest
}

/// Packets and bytes that wait in all of them.
pub(super) fn backlog(inner: &[Qdisc]) -> (u32, u32) {
    inner.iter().map(Qdisc::backlog).fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
}

/// Drops all that waits.
pub(super) fn reset(inner: &mut [Qdisc], env: &mut Env<'_>) {
    inner.iter_mut().for_each(|qdisc| qdisc.reset(env));
}
