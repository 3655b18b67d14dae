//! `prio`: bands by priority, each with a discipline of its own. Models `net/sched/sch_prio.c`.

use hopwise_sim_core::{Errno, Packet};

use super::fifo::Fifo;
use super::{Discipline, Env, LinkFacts, Qdisc, QdiscStats, inner};

/// The band of each priority unless told otherwise (`sch_default_prio2band`).
pub const PRIOMAP: [u8; 16] = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];

/// The most bands that there can be (`TCQ_PRIO_BANDS`).
pub const MAX_BANDS: u32 = 16;

/// The options of `tc qdisc add ... prio`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrioOptions {
    /// How many bands.
    pub bands: u32,
    /// The band of each priority.
    pub priomap: [u8; 16],
}

impl Default for PrioOptions {
    fn default() -> Self {
        PrioOptions { bands: 3, priomap: PRIOMAP }
    }
}

/// The state of the discipline.
#[derive(Clone, Debug)]
pub struct Prio {
    /// The band of each priority.
    pub priomap: [u8; 16],
    /// The bands; band 0 is class 1.
    pub bands: Vec<Qdisc>,
}

/// The queue that a band has until another one is put there.
pub(super) fn default_band(class: u16, link: LinkFacts) -> Qdisc {
    let discipline = Discipline::Fifo(Fifo::packets(link.queue_len));
    Qdisc { handle: 0, class, stats: QdiscStats::default(), discipline }
}

/// The priority of a packet: that which was given to it, else what its type of service asks for (`rt_tos2priority`).
pub(super) fn priority(packet: &mut Packet, network_offset: usize) -> u32 {
    /// `ip_tos2prio`.
    const TOS: [u8; 16] = [0, 1, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];
    if packet.priority != 0 {
        return packet.priority;
    }
    let tos = super::ipv4_mut(packet, network_offset).map_or(0, |header| header.tos);
    u32::from(TOS[usize::from((tos & 0x1e) >> 1)])
}

impl Prio {
    pub(super) fn new(options: &PrioOptions, link: LinkFacts) -> Result<Self, Errno> {
        check(options)?;
        let bands = (1..=options.bands as u16).map(|class| default_band(class, link)).collect();
        Ok(Prio { priomap: options.priomap, bands })
    }

    /// Packets of bands that go are lost with them; none can wait there unless a discipline inside holds them.
    pub(super) fn change(&mut self, options: &PrioOptions, link: LinkFacts) -> Result<(), Errno> {
        check(options)?;
        let (now, wanted) = (self.bands.len() as u16, options.bands as u16);
        if wanted < now && self.bands[usize::from(wanted)..].iter().any(|band| band.backlog().0 > 0) {
            return Err(Errno::EBUSY);
        }
        self.bands.truncate(usize::from(wanted));
        self.bands.extend((now + 1..=wanted).map(|class| default_band(class, link)));
        self.priomap = options.priomap;
        Ok(())
    }

    /// `prio_classify` without filters: a priority that names a class of this discipline means that class.
    fn band(&self, packet: &mut Packet, handle: u16, network_offset: usize) -> usize {
        let priority = priority(packet, network_offset);
        if handle != 0 && priority >> 16 == u32::from(handle) {
            let class = (priority & 0xffff) as usize;
            return if class >= 1 && class <= self.bands.len() { class - 1 } else { usize::from(self.priomap[0]) };
        }
        usize::from(self.priomap[(priority & 15) as usize])
    }

    pub(super) fn enqueue(&mut self, mut packet: Packet, handle: u16, env: &mut Env<'_>) -> bool {
        let band = self.band(&mut packet, handle, env.network_offset);
        inner::enqueue(&mut self.bands, band, packet, env)
    }
}

/// `prio_tune`.
fn check(options: &PrioOptions) -> Result<(), Errno> {
    let fits = (2..=MAX_BANDS).contains(&options.bands);
    if fits && options.priomap.iter().all(|band| u32::from(*band) < options.bands) {
        return Ok(());
    }
    Err(Errno::EINVAL)
}
