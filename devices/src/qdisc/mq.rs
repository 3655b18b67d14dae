//! `mq`: each of a link's queues has a discipline of its own. Models `net/sched/sch_mq.c`.

use hopwise_sim_core::{Errno, Packet};

use super::fifo::Bands;
use super::{Discipline, Env, LinkFacts, Qdisc, QdiscStats, flow_hash, inner};

/// The state of the discipline.
#[derive(Clone, Debug)]
pub struct Mq {
    /// The queues; queue 0 is class 1.
    pub queues: Vec<Qdisc>,
    /// How many of them the link uses (`real_num_tx_queues`).
    pub used: usize,
}

/// What a queue has until something else is put there.
pub(super) fn default_queue(class: u16, link: LinkFacts) -> Qdisc {
    let discipline = Discipline::PfifoFast(Box::new(Bands::new(link.queue_len)));
    Qdisc { handle: 0, class, stats: QdiscStats::default(), discipline }
}

/// What is left of a queue whose discipline was taken away: it drops everything (`mq_graft`, `noop_qdisc`).
pub(super) fn no_queue(class: u16) -> Qdisc {
    Qdisc { handle: 0, class, stats: QdiscStats::default(), discipline: Discipline::Noop }
}

impl Mq {
    /// `mq_init`: a link with one queue has no use for it.
    pub(super) fn new(link: LinkFacts) -> Result<Self, Errno> {
        if link.queues < 2 {
            return Err(Errno::EOPNOTSUPP);
        }
        let queues = (1..=link.queues as u16).map(|class| default_queue(class, link)).collect();
        Ok(Mq { queues, used: link.used_queues.max(1) as usize })
    }

    /// The queue that a packet goes into (`skb_tx_hash`): packets of one flow go into the same one.
    fn queue_of(&self, packet: &Packet, offset: usize) -> usize {
        if self.used < 2 {
            return 0;
        }
        let hash = flow_hash(packet, offset);
        ((u64::from(hash) * self.used as u64) >> 32) as usize
    }

    pub(super) fn enqueue(&mut self, packet: Packet, env: &mut Env<'_>) -> bool {
        let queue = self.queue_of(&packet, env.network_offset);
        inner::enqueue(&mut self.queues, queue, packet, env)
    }

    /// Whether a queue's own discipline is listed: only those of queues that the link uses (`mq_attach`).
    pub fn lists(&self, class: u16) -> bool {
        usize::from(class) <= self.used
    }
}
