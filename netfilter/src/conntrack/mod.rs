//! Connection tracking. Models `net/netfilter/nf_conntrack_core.c` and the trackers of each protocol.
//!
//! - [`Conntrack::track`] finds a packet's connection or makes one (`nf_conntrack_in`).
//! - [`Conntrack::confirm`] puts a new one into the table when its first packet survived (`nf_conntrack_confirm`).
//! - [`Conntrack::list`], [`Conntrack::create`], [`Conntrack::change`], [`Conntrack::delete`] are what the `conntrack` command does by netlink.
//!
//! Nothing here has a timer. An entry whose time is over does not exist: whoever meets it takes it out. A connection that is not
//! confirmed belongs to the packet that is on its way in this instant of virtual time; what is left of it later is reused, unless the packet waits ([`Conntrack::hold`]).

mod confirm;
mod conn;
mod control;
mod error;
mod events;
pub mod proto;
mod settings;
mod store;
mod table;
mod template;
mod track;
mod tuple;

pub use conn::{Conn, ConnStatus, Counter, Zone};
pub use control::Change;
pub use events::{Event, EventKind, EventMask, Events, LogLine, Stats};
pub use settings::{Setting, Settings};
pub use store::Others;
pub use template::Template;
pub use track::answer_tag;
pub use tuple::{Direction, End, IPPROTO_UDPLITE, Tuple, has_ports, is_icmp_query, transport};

use hopwise_sim_core::{ConnInfo, ConnTag, Rng, Time};

pub(crate) use table::scale;

/// The tag of a packet that connection tracking shall not see.
pub const UNTRACKED: ConnTag = ConnTag { slot: 0, generation: 0, info: ConnInfo::Untracked };

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It goes on.
    Accept,
    /// It does not.
    Drop,
}

/// The connections of one namespace. An empty one owns no memory.
#[derive(Clone, Debug)]
pub struct Conntrack {
    /// `net.netfilter.nf_conntrack_*`.
    pub settings: Settings,
    /// What `conntrack -S` shows.
    pub stats: Stats,
    /// What `conntrack -E` shows.
    pub events: Events,
    /// Lines for the kernel's log, for the caller to take.
    pub log: Vec<LogLine>,
    /// Random ports.
    pub(crate) rng: Rng,
    /// The connections themselves.
    pub(crate) store: store::Store,
    /// When the last messages of a full table were logged, and how many may still be.
    full_log: (Time, u32),
}

impl Conntrack {
    /// An empty table; its random decisions (the seed of the hash, ports) follow from `seed`.
    pub fn new(seed: u64) -> Conntrack {
        let mut rng = Rng::stream(seed, "conntrack", 0);
        let hash_seed = rng.next_u64();
        Conntrack {
            settings: Settings::default(),
            stats: Stats::default(),
            events: Events::default(),
            log: Vec::new(),
            rng,
            store: store::Store::new(hash_seed),
            full_log: (Time::ZERO, 0),
        }
    }
}

#[cfg(test)]
mod replay;
#[cfg(test)]
mod tests;
