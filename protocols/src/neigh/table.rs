//! The table of neighbours: finding, making, changing by hand, removing.

use super::entry::{NeighFlags, Neighbour, Nud, nanos, signed};
use super::machine::{Effects, News, UpdateFlags};
use super::parms::{GcThresholds, NeighParms};
use crate::fib::Insert;
use crate::wire::MacAddr;
use core::net::Ipv4Addr;
use hopwise_sim_core::{IfIndex, Time};
use rustc_hash::FxHashMap;

crate::refusal::refusals! {
    /// Why a change of the neighbours is refused.
    enum NeighError {
        /// The network may not change what was set by hand.
        NotPermitted = EPERM;
        /// `add` of an entry that exists.
        Exists = EEXIST;
        /// `change` or `del` of an entry that does not exist.
        NotFound = ENOENT;
        /// `get` of an entry that does not exist.
        EntryNotFound = ENOENT "Neighbour entry not found";
        /// A state that needs an address, without one.
        NoAddress = EINVAL "No link layer address given";
        /// The table is full: the kernel log says `neighbour: arp_cache: neighbor table overflow!`.
        TableFull = ENOBUFS;
    }
}

/// With this many entries or more, they are found by hash.
const HASHED_FROM: usize = 12;

/// State and address with which an entry is made. [`super::arp::constructor`] decides it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Initial {
    /// [`Nud::NONE`] if the address must be asked for, [`Nud::NOARP`] if it is known.
    pub state: Nud,
    /// The known address.
    pub lladdr: MacAddr,
}

/// What becomes of a packet for a neighbour.
#[derive(Debug)]
pub enum Output<P> {
    /// It goes out now, to this address.
    Send(MacAddr, P),
    /// See the effects: it may be among those to send, or it waits.
    Effects(Effects<P>),
    /// There is no room for a new entry: `SKB_DROP_REASON_NEIGH_CREATEFAIL`.
    TableFull(P),
}

/// A change of an entry by hand: RTM_NEWNEIGH.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewNeigh {
    /// The neighbour.
    pub addr: Ipv4Addr,
    /// On this link.
    pub dev: IfIndex,
    /// Its link-layer address, if given.
    pub lladdr: Option<MacAddr>,
    /// The new state (`ip neigh` says PERMANENT if none is given).
    pub state: Nud,
    /// Flags.
    pub flags: NeighFlags,
    /// `use`: do not change it, make it resolve. `NTF_USE`.
    pub use_it: bool,
    /// Who says so, `RTPROT_*`; 0: not said.
    pub protocol: u8,
}

/// The neighbours of a namespace. `P` is a packet; the table keeps those that wait.
///
/// ```
/// use hopwise_protocols::neigh::{Initial, NeighParms, NeighTable, Output};
/// use hopwise_sim_core::{IfIndex, Time};
/// let mut table = NeighTable::<&str>::default();
/// let (addr, dev, parms) = ([10, 0, 0, 2].into(), IfIndex(2), NeighParms::default());
/// let output = table.output(Time::ZERO, addr, dev, &parms, Initial::default, "ping", 768);
/// let Output::Effects(effects) = output else { unreachable!() };
/// assert!(effects.solicit.unwrap().unicast.is_none(), "all are asked");
/// assert_eq!(effects.timer.unwrap().at, Time::from_nanos(1_000_000_000));
/// ```
#[derive(Clone, Debug)]
pub struct NeighTable<P> {
    /// Address and link of each entry, for a quick search.
    keys: Vec<u64>,
    pub(super) entries: Vec<Neighbour<P>>,
    index: FxHashMap<u64, u32>,
    proxies: Vec<(Ipv4Addr, IfIndex)>,
    /// Limits on the number of entries.
    pub thresholds: GcThresholds,
    pub(super) last_flush: Option<Time>,
    generation: u32,
}

impl<P> Default for NeighTable<P> {
    fn default() -> Self {
        NeighTable {
            keys: Vec::new(),
            entries: Vec::new(),
            index: FxHashMap::default(),
            proxies: Vec::new(),
            thresholds: GcThresholds::default(),
            last_flush: None,
            generation: 0,
        }
    }
}

#[inline]
fn key(addr: Ipv4Addr, dev: IfIndex) -> u64 {
    (u64::from(addr.to_bits()) << 32) | u64::from(dev.0)
}

impl<P> NeighTable<P> {
    #[inline]
    fn find(&self, addr: Ipv4Addr, dev: IfIndex) -> Option<usize> {
        let key = key(addr, dev);
        if self.index.is_empty() {
            self.keys.iter().position(|&k| k == key)
        } else {
            self.index.get(&key).map(|&at| at as usize)
        }
    }

    /// An entry. `neigh_lookup`.
    #[inline]
    pub fn get(&self, addr: Ipv4Addr, dev: IfIndex) -> Option<&Neighbour<P>> {
        self.entries.get(self.find(addr, dev)?)
    }

    /// The address to which packets go straight out, if the neighbour is connected (REACHABLE, PERMANENT, NOARP).
    #[inline]
    pub fn connected(&self, addr: Ipv4Addr, dev: IfIndex) -> Option<MacAddr> {
        let entry = self.get(addr, dev)?;
        entry.state.intersects(Nud::CONNECTED).then_some(entry.lladdr)
    }

    /// All entries, oldest first. (The kernel prints them in the order of a random hash.)
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Neighbour<P>> + '_ {
        self.entries.iter()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.generation
    }

    /// Makes an entry. `___neigh_create`.
    fn create(
        &mut self,
        now: Time,
        addr: Ipv4Addr,
        dev: IfIndex,
        parms: &NeighParms,
        initial: Initial,
        exempt: bool,
    ) -> Result<usize, NeighError> {
        if !exempt && !self.make_room(now) {
            return Err(NeighError::TableFull);
        }
        // New, so that a timer of an earlier entry for this address means nothing to it.
        let generation = self.next_generation();
        let at = self.entries.len();
        self.keys.push(key(addr, dev));
        self.entries.push(Neighbour {
            addr,
            dev,
            state: initial.state,
            flags: NeighFlags::empty(),
            protocol: 0,
            lladdr: initial.lladdr,
            probes: 0,
            generation,
            used: now,
            updated: now,
            confirmed: signed(now).saturating_sub(nanos(parms.reachable_time).saturating_mul(2)),
            waiting: None,
        });
        if !self.index.is_empty() {
            self.index.insert(key(addr, dev), at as u32);
        } else if self.entries.len() >= HASHED_FROM {
            self.reindex();
        }
        Ok(at)
    }

    /// Builds the search structures anew after entries went.
    pub(super) fn reindex(&mut self) {
        self.keys.clear();
        self.keys.extend(self.entries.iter().map(|entry| key(entry.addr, entry.dev)));
        self.index.clear();
        if self.entries.len() >= HASHED_FROM {
            self.index.extend(self.keys.iter().zip(0u32..).map(|(&key, at)| (key, at)));
        } else {
            self.index.shrink_to_fit();
        }
    }

    /// Sends a packet of `size` bytes (as `truesize` counts it) to a neighbour, asking for its address first if
    /// needed. `initial` is asked when the entry has to be made. `neigh_output` and `ip_neigh_for_gw`.
    #[expect(clippy::too_many_arguments, reason = "the whole context of one packet")]
    #[inline]
    pub fn output(
        &mut self,
        now: Time,
        addr: Ipv4Addr,
        dev: IfIndex,
        parms: &NeighParms,
        initial: impl FnOnce() -> Initial,
        packet: P,
        size: u32,
    ) -> Output<P> {
        let found = self.find(addr, dev);
        if let Some(entry) = found.and_then(|at| self.entries.get(at))
            && entry.state.intersects(Nud::CONNECTED)
        {
            return Output::Send(entry.lladdr, packet);
        }
        let at = match found {
            Some(at) => at,
            None => match self.create(now, addr, dev, parms, initial(), false) {
                Ok(at) => at,
                Err(_) => return Output::TableFull(packet),
            },
        };
        Output::Effects(self.event_send(now, at, parms, Some((packet, size))))
    }

    #[cold]
    fn event_send(&mut self, now: Time, at: usize, parms: &NeighParms, packet: Option<(P, u32)>) -> Effects<P> {
        let generation = self.next_generation();
        let mut effects = Effects::default();
        if let Some(entry) = self.entries.get_mut(at) {
            entry.event_send(now, parms, generation, packet, &mut effects);
        }
        effects
    }

    /// The timer of an entry ran out. Nothing happens if it was set anew since, or the entry is gone.
    pub fn timer(
        &mut self,
        now: Time,
        addr: Ipv4Addr,
        dev: IfIndex,
        parms: &NeighParms,
        generation: u32,
    ) -> Effects<P> {
        let next = self.next_generation();
        let entry = self.find(addr, dev).and_then(|at| self.entries.get_mut(at));
        match entry.filter(|entry| entry.generation == generation) {
            Some(entry) => entry.timer(now, parms, next),
            None => Effects::default(),
        }
    }

    /// The upper layer heard from the neighbour (a TCP acknowledgement, `MSG_CONFIRM`). `neigh_confirm`.
    pub fn confirm(&mut self, now: Time, addr: Ipv4Addr, dev: IfIndex) {
        if let Some(entry) = self.find(addr, dev).and_then(|at| self.entries.get_mut(at)) {
            entry.confirm(now);
        }
    }

    /// The network told something about a neighbour. With `create`, an entry is made if there is none, otherwise
    /// nothing happens then. `neigh_update`, `neigh_event_ns`.
    ///
    /// # Errors
    /// [`NeighError::NotPermitted`] for entries set by hand, [`NeighError::NotFound`], [`NeighError::TableFull`].
    pub fn learn(
        &mut self,
        now: Time,
        parms: &NeighParms,
        news: &super::arp::Learn,
        dev: IfIndex,
        initial: impl FnOnce() -> Initial,
    ) -> Result<Effects<P>, NeighError> {
        let at = match self.find(news.addr, dev) {
            Some(at) => at,
            None if news.create => self.create(now, news.addr, dev, parms, initial(), false)?,
            None => return Err(NeighError::NotFound),
        };
        let how = if news.override_address { UpdateFlags::OVERRIDE } else { UpdateFlags::empty() };
        self.update(now, at, parms, News { lladdr: Some(news.lladdr), state: news.state, how })
    }

    fn update(&mut self, now: Time, at: usize, parms: &NeighParms, news: News) -> Result<Effects<P>, NeighError> {
        let generation = self.next_generation();
        let mut effects = Effects::default();
        if let Some(entry) = self.entries.get_mut(at) {
            entry.update(now, parms, generation, news, &mut effects)?;
        }
        Ok(effects)
    }

    /// `ip neigh add`, `change`, `replace`: [`Insert::ADD_ROUTE`], [`Insert::CHANGE_ROUTE`],
    /// [`Insert::REPLACE_ROUTE`]. `neigh_add`.
    ///
    /// # Errors
    /// [`NeighError::Exists`], [`NeighError::NotFound`], [`NeighError::NoAddress`] (an entry that was made for it
    /// stays, without state), [`NeighError::TableFull`].
    pub fn set(
        &mut self,
        now: Time,
        parms: &NeighParms,
        new: &NewNeigh,
        how: Insert,
        initial: impl FnOnce() -> Initial,
    ) -> Result<Effects<P>, NeighError> {
        let mut flags = UpdateFlags::ADMIN | UpdateFlags::OVERRIDE | UpdateFlags::OVERRIDE_ISROUTER;
        let at = match self.find(new.addr, new.dev) {
            Some(_) if how.contains(Insert::EXCL) => return Err(NeighError::Exists),
            Some(at) => {
                if !how.contains(Insert::REPLACE) {
                    flags -= UpdateFlags::OVERRIDE | UpdateFlags::OVERRIDE_ISROUTER;
                }
                at
            }
            None if !how.contains(Insert::CREATE) => return Err(NeighError::NotFound),
            None => {
                let exempt = new.state.contains(Nud::PERMANENT) || new.flags.contains(NeighFlags::EXT_LEARNED);
                self.create(now, new.addr, new.dev, parms, initial(), exempt)?
            }
        };
        if new.protocol != 0
            && let Some(entry) = self.entries.get_mut(at)
        {
            entry.protocol = new.protocol;
        }
        flags.set(UpdateFlags::EXT_LEARNED, new.flags.contains(NeighFlags::EXT_LEARNED));
        flags.set(UpdateFlags::ISROUTER, new.flags.contains(NeighFlags::ROUTER));
        flags.set(UpdateFlags::MANAGED, new.flags.contains(NeighFlags::MANAGED));
        flags.set(UpdateFlags::USE, new.use_it);
        let effects = self.update(now, at, parms, News { lladdr: new.lladdr, state: new.state, how: flags })?;
        if flags.intersects(UpdateFlags::USE | UpdateFlags::MANAGED) {
            return Ok(self.event_send(now, at, parms, None));
        }
        Ok(effects)
    }

    /// `ip neigh del`: those who waited are told that the neighbour cannot be reached, and the entry goes.
    /// `neigh_delete`.
    ///
    /// # Errors
    /// [`NeighError::NotFound`].
    pub fn delete(
        &mut self,
        now: Time,
        addr: Ipv4Addr,
        dev: IfIndex,
        parms: &NeighParms,
    ) -> Result<Effects<P>, NeighError> {
        let at = self.find(addr, dev).ok_or(NeighError::NotFound)?;
        let how = UpdateFlags::ADMIN | UpdateFlags::OVERRIDE;
        let effects = self.update(now, at, parms, News { lladdr: None, state: Nud::FAILED, how })?;
        self.entries.remove(at);
        self.reindex();
        Ok(effects)
    }

    /// The link is down or gone, or has another address: all its entries go, and its proxy entries. Gives the packets
    /// that waited, which are dropped (`SKB_DROP_REASON_NEIGH_DEAD`). `neigh_ifdown`, `neigh_changeaddr` (which keeps
    /// the proxies).
    pub fn link_down(&mut self, dev: IfIndex) -> Vec<P> {
        self.proxies.retain(|proxy| proxy.1 != dev);
        self.remove_if(|entry| entry.dev == dev)
    }

    /// The link's own address changed: all its entries go. `neigh_changeaddr`.
    pub fn link_address_changed(&mut self, dev: IfIndex) -> Vec<P> {
        self.remove_if(|entry| entry.dev == dev)
    }

    /// The link lost its carrier: all its entries go but permanent ones. `neigh_carrier_down`, called if
    /// `arp_evict_nocarrier` is set.
    pub fn link_lost_carrier(&mut self, dev: IfIndex) -> Vec<P> {
        self.remove_if(|entry| entry.dev == dev && !entry.state.contains(Nud::PERMANENT))
    }

    /// Takes entries out, and gives the packets that waited at them.
    pub(super) fn remove_if(&mut self, gone: impl Fn(&Neighbour<P>) -> bool) -> Vec<P> {
        let mut waited = Vec::new();
        let before = self.entries.len();
        self.entries.retain_mut(|entry| {
            let goes = gone(entry);
            if goes {
                waited.extend(entry.take_waiting());
            }
            !goes
        });
        if self.entries.len() < before {
            self.reindex();
        }
        waited
    }

    /// `ip neigh add proxy`: requests for this address are answered. Without a link ([`IfIndex::NONE`]), on all.
    pub fn add_proxy(&mut self, addr: Ipv4Addr, dev: IfIndex) {
        if !self.proxies.contains(&(addr, dev)) {
            self.proxies.push((addr, dev));
        }
    }

    /// `ip neigh del proxy`.
    ///
    /// # Errors
    /// [`NeighError::NotFound`].
    pub fn delete_proxy(&mut self, addr: Ipv4Addr, dev: IfIndex) -> Result<(), NeighError> {
        let at = self.proxies.iter().position(|proxy| *proxy == (addr, dev)).ok_or(NeighError::NotFound)?;
        self.proxies.remove(at);
        Ok(())
    }

    /// True if there is a proxy entry for this address on this link or on all. `pneigh_lookup`.
    pub fn is_proxy(&self, addr: Ipv4Addr, dev: IfIndex) -> bool {
        self.proxies.iter().any(|proxy| proxy.0 == addr && (proxy.1 == dev || !proxy.1.is_some()))
    }

    /// The proxy entries, newest first, as `ip neigh show proxy` prints those of one bucket.
    pub fn proxies(&self) -> impl Iterator<Item = (Ipv4Addr, IfIndex)> + '_ {
        self.proxies.iter().rev().copied()
    }
}
