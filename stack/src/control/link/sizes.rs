//! How many queues a link has and how large the packets are that it cuts and joins: read, checked and shown
//! (`rtnl_create_link`, `do_setlink`).

use hopwise_devices::Link;
use hopwise_sim_core::{IfIndex, NsId};

use crate::error::{Errno, NlError};
use crate::network::Network;

/// The most queues that a link can be made with.
const MAX_QUEUES: u32 = 4096;

/// No packet that is cut is as small (`MAX_TCP_HEADER`).
const LEAST_GSO: u32 = 193;

/// The most that is joined (`GRO_MAX_SIZE`).
const MAX_GRO: u32 = 8 * 65535;

/// What was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SizesSpec {
    /// `numtxqueues`.
    pub tx_queues: Option<u32>,
    /// `numrxqueues`.
    pub rx_queues: Option<u32>,
    /// `gso_max_size`.
    pub gso_max_size: Option<u32>,
    /// `gso_max_segs`.
    pub gso_max_segs: Option<u32>,
    /// `gro_max_size`.
    pub gro_max_size: Option<u32>,
}

impl SizesSpec {
    /// Gives a new link what was asked for.
    ///
    /// # Errors
    /// In the kernel's words.
    pub(super) fn apply(&self, link: &mut Link) -> Result<(), NlError> {
        for (queues, what) in [(self.tx_queues, "transmit"), (self.rx_queues, "receive")] {
            if queues.is_some_and(|n| !(1..=MAX_QUEUES).contains(&n)) {
                return Err(NlError::with(Errno::EINVAL, format!("Invalid number of {what} queues")));
            }
        }
        link.sizes.tx_queues = self.tx_queues.unwrap_or(link.sizes.tx_queues);
        link.sizes.rx_queues = self.rx_queues.unwrap_or(link.sizes.rx_queues);
        link.sizes.used_tx_queues = self.tx_queues.unwrap_or(link.sizes.used_tx_queues);
        self.change(link)
    }

    /// The sizes alone: the number of queues stays.
    fn change(&self, link: &mut Link) -> Result<(), NlError> {
        if self.gso_max_size.is_some_and(|size| size < LEAST_GSO) {
            return Err(NlError::with(Errno::ERANGE, "integer out of range"));
        }
        let checks = [
            (self.gso_max_size, link.tso_max_size(), "too big gso_max_size"),
            (self.gso_max_segs, 65535, "too big gso_max_segs"),
            (self.gro_max_size, MAX_GRO, "too big gro_max_size"),
        ];
        for (asked, most, text) in checks {
            if asked.is_some_and(|n| n > most) {
                return Err(NlError::with(Errno::EINVAL, text));
            }
        }
        link.sizes.gso_max_size = self.gso_max_size.unwrap_or(link.sizes.gso_max_size);
        link.sizes.gso_max_segs = self.gso_max_segs.unwrap_or(link.sizes.gso_max_segs);
        link.sizes.gro_max_size = self.gro_max_size.unwrap_or(link.sizes.gro_max_size);
        Ok(())
    }
}

impl Network {
    /// `ip link set LINK gso_max_size`, `gso_max_segs`, `gro_max_size`.
    ///
    /// # Errors
    /// Beyond what the link can do; `ENODEV`.
    pub fn set_link_sizes(&mut self, ns: NsId, link: IfIndex, sizes: &SizesSpec) -> Result<(), NlError> {
        sizes.change(&mut self.link_mut(ns, link).ok_or(Errno::ENODEV)?.link)
    }
}
