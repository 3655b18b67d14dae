//! `bridge`: a learning switch. Models `net/bridge/` without STP.
//!
//! What a bridge decides about a frame is a pure look at its forwarding database and ports ([`Bridge::lookup`],
//! [`Port::lets_out`]); the stack sends the copies.

use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, Time};
use indexmap::IndexMap;
use rustc_hash::FxBuildHasher;

use self::vlan::{BridgeVlans, VlanGroup};
use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::{Link, LinkFlags};

pub mod options;
pub mod vlan;

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "bridge",
    summary: "a learning switch (no STP)",
    hw: HwType::Ether,
    mtu: (68, 65535),
    setup,
    describe: options::describe,
    queues: (1, 1),
    driver: "bridge",
    speed: None,
    immutable_netns: true,
};

fn setup(link: &mut Link) {
    link.flags = LinkFlags::BROADCAST | LinkFlags::MULTICAST;
}

/// How many ports a bridge can have (`BR_MAX_PORTS`).
pub const MAX_PORTS: usize = 1023;

/// How many learned addresses are kept: a flood of made-up addresses must not eat the memory (`fdb_max_learned` is
/// unlimited by default on Linux; 65,536 is what switches have).
pub const MAX_LEARNED: usize = 65_536;

/// An entry of the forwarding database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FdbEntry {
    /// The port, or [`IfIndex::NONE`] for the bridge link itself.
    pub port: IfIndex,
    /// The address of a port or of the bridge: frames to it are for this host.
    pub local: bool,
    /// Does not age.
    pub is_static: bool,
    /// Made by `bridge fdb add`.
    pub by_user: bool,
    /// Stays on its port (`sticky`).
    pub sticky: bool,
    /// When a frame from this address was last seen.
    pub updated: Time,
    /// When a frame to this address was last sent.
    pub used: Time,
}

impl FdbEntry {
    /// Whether its time is over (`has_expired`).
    #[inline]
    fn expired(&self, now: Time, ageing_time: Duration) -> bool {
        !self.is_static && now.since(self.updated) >= ageing_time
    }
}

/// The state of a bridge.
#[derive(Clone, Debug)]
pub struct Bridge {
    /// The forwarding database, keyed by address and VLAN (0: none).
    pub fdb: IndexMap<(MacAddr, u16), FdbEntry, FxBuildHasher>,
    /// How many entries were learned (they may age).
    pub learned: usize,
    /// The ports, the one that joined last first (`list_add_rcu`): the order in which a flooded frame goes out.
    pub ports: Vec<IfIndex>,
    /// How long a learned address stays (`ageing_time`, 300 s).
    pub ageing_time: Duration,
    /// The address in the bridge's id: zero until the bridge's address first changes.
    pub id_addr: MacAddr,
    /// A port has joined it at some time.
    pub had_ports: bool,
    /// How many ports are forwarding: while there is one, the bridge has a carrier.
    pub forwarding: usize,
    /// The port numbers in use, a bit each (`br_find_port` looks through the ports instead).
    pub numbers: Vec<u64>,
    /// `forward_delay`; without STP it has no effect.
    pub forward_delay: Duration,
    /// `hello_time`.
    pub hello_time: Duration,
    /// `max_age`.
    pub max_age: Duration,
    /// Bridge priority, the upper half of the bridge id.
    pub priority: u16,
    /// `group_fwd_mask`: which link-local groups are forwarded.
    pub group_fwd_mask: u16,
    /// Whether the multicast snooping switch is on. Groups are always flooded: there is no querier here.
    pub mcast_snooping: bool,
    /// `nf_call_iptables`.
    pub nf_call_iptables: bool,
    /// The MTU was set by a person (`BROPT_MTU_SET_BY_USER`): it does not follow the ports any more.
    pub mtu_set_by_user: bool,
    /// Its VLANs; `None` while the host's kernel has no VLANs: see `Network::load_vlans` of the stack.
    pub vlans: Option<Box<BridgeVlans>>,
    /// The options that are only kept and shown, where they differ from the default: rows of [`options::OPTIONS`].
    pub shown: Vec<(&'static str, u64)>,
}

impl Default for Bridge {
    fn default() -> Self {
        Bridge {
            fdb: IndexMap::default(),
            learned: 0,
            ports: Vec::new(),
            id_addr: MacAddr::ZERO,
            had_ports: false,
            forwarding: 0,
            numbers: Vec::new(),
            ageing_time: Duration::from_secs(300),
            forward_delay: Duration::from_secs(15),
            hello_time: Duration::from_secs(2),
            max_age: Duration::from_secs(20),
            priority: 0x8000,
            group_fwd_mask: 0,
            mcast_snooping: true,
            nf_call_iptables: false,
            mtu_set_by_user: false,
            vlans: None,
            shown: Vec::new(),
        }
    }
}

/// The state of a port (`BR_STATE_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PortState {
    /// Down, or no carrier.
    #[default]
    Disabled,
    /// Set by `bridge link set ... state`.
    Listening,
    /// Learns and does not forward.
    Learning,
    /// Learns and forwards.
    Forwarding,
    /// Neither.
    Blocking,
}

impl PortState {
    /// The name that `bridge link` prints.
    pub const fn name(self) -> &'static str {
        match self {
            PortState::Disabled => "disabled",
            PortState::Listening => "listening",
            PortState::Learning => "learning",
            PortState::Forwarding => "forwarding",
            PortState::Blocking => "blocking",
        }
    }

    /// The kernel's number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The state of that number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            0 => PortState::Disabled,
            1 => PortState::Listening,
            2 => PortState::Learning,
            3 => PortState::Forwarding,
            4 => PortState::Blocking,
            _ => return None,
        })
    }
}

/// A link's state as a port of a bridge.
#[derive(Clone, Debug)]
pub struct Port {
    /// The bridge.
    pub bridge: IfIndex,
    /// Port number, from 1.
    pub number: u16,
    /// State.
    pub state: PortState,
    /// STP priority, shown only.
    pub priority: u8,
    /// STP path cost, shown only: 2 for veth (10 Gbit/s), 100 for a link without a speed (`port_cost`).
    pub cost: u32,
    /// The cost was set by a person (`BR_ADMIN_COST`).
    pub admin_cost: bool,
    /// Send frames back out of the port they came in through.
    pub hairpin: bool,
    /// No frames between isolated ports.
    pub isolated: bool,
    /// Learn source addresses.
    pub learning: bool,
    /// Flood unknown unicast frames to it.
    pub flood: bool,
    /// Flood multicast frames to it.
    pub mcast_flood: bool,
    /// Flood broadcast frames to it.
    pub bcast_flood: bool,
    /// Do not accept BPDUs.
    pub guard: bool,
    /// Never become root port; shown only.
    pub root_block: bool,
    /// Forget addresses of a group at once when it is left; shown only.
    pub fastleave: bool,
    /// Answer ARP for known neighbours; shown only.
    pub neigh_suppress: bool,
    /// Drop frames from addresses that are not in the database.
    pub locked: bool,
    /// The VLANs it belongs to.
    pub vlans: VlanGroup,
    /// Switches and numbers that are only kept and shown, where they differ from the default.
    pub shown: Vec<(&'static str, u64)>,
}

impl Port {
    /// A port with the defaults of a new one.
    pub fn new(bridge: IfIndex, number: u16) -> Self {
        Port {
            bridge,
            number,
            state: PortState::Disabled,
            priority: 32,
            cost: 2,
            admin_cost: false,
            hairpin: false,
            isolated: false,
            learning: true,
            flood: true,
            mcast_flood: true,
            bcast_flood: true,
            guard: false,
            root_block: false,
            fastleave: false,
            neigh_suppress: false,
            locked: false,
            vlans: VlanGroup::default(),
            shown: Vec::new(),
        }
    }

    /// Whether a frame may leave through this port `to` that came in through `from` (`None`: sent by the bridge link
    /// itself). `should_deliver`: never back to where it came from unless hairpin, never between isolated ports.
    #[inline]
    pub fn lets_out(&self, to: IfIndex, from: Option<(IfIndex, bool)>) -> bool {
        self.state == PortState::Forwarding
            && from.is_none_or(|(port, isolated)| (port != to || self.hairpin) && !(isolated && self.isolated))
    }

    /// Whether a frame of that sort is flooded to this port (`br_flood`).
    #[inline]
    pub const fn floods(&self, sort: FrameSort) -> bool {
        match sort {
            FrameSort::Unicast => self.flood,
            FrameSort::Multicast => self.mcast_flood,
            FrameSort::Broadcast => self.bcast_flood,
        }
    }
}

/// Sort of a frame by its destination address (`enum br_pkt_type`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameSort {
    /// To one station.
    Unicast,
    /// To a group.
    Multicast,
    /// To all.
    Broadcast,
}

impl FrameSort {
    /// The sort of a destination address.
    #[inline]
    pub fn of(dst: MacAddr) -> Self {
        if dst.is_unicast() {
            FrameSort::Unicast
        } else if dst.is_broadcast() {
            FrameSort::Broadcast
        } else {
            FrameSort::Multicast
        }
    }
}

/// What learning from a frame's source address found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// New, refreshed or moved.
    Known,
    /// The address is one of the bridge's own: somebody sends our frames back to us.
    OwnAddress,
}

impl Bridge {
    /// The entry of an address, if there is one that has not aged out (`br_fdb_find_rcu` and `has_expired`).
    #[inline]
    pub fn lookup(&self, now: Time, addr: MacAddr, vlan: u16) -> Option<&FdbEntry> {
        self.fdb.get(&(addr, vlan)).filter(|e| !e.expired(now, self.ageing_time))
    }

    /// Where a frame to `addr` goes: whether to this host, and out of which port. To have sent a frame there counts as
    /// a use of the entry.
    #[inline]
    pub fn destination(&mut self, now: Time, addr: MacAddr, vlan: u16) -> Option<(bool, IfIndex)> {
        let ageing_time = self.ageing_time;
        let entry = self.fdb.get_mut(&(addr, vlan)).filter(|e| !e.expired(now, ageing_time))?;
        if !entry.local {
            entry.used = now;
        }
        Some((entry.local, entry.port))
    }

    /// Learns that `addr` is behind `port` (`br_fdb_update`).
    #[inline]
    pub fn learn(&mut self, now: Time, addr: MacAddr, vlan: u16, port: IfIndex) -> Learned {
        match self.fdb.get_mut(&(addr, vlan)) {
            Some(entry) if entry.local => Learned::OwnAddress,
            Some(entry) => {
                if entry.port != port && !entry.sticky {
                    entry.port = port;
                }
                entry.updated = now;
                Learned::Known
            }
            None => {
                self.learn_new(now, addr, vlan, port);
                Learned::Known
            }
        }
    }

    #[cold]
    fn learn_new(&mut self, now: Time, addr: MacAddr, vlan: u16, port: IfIndex) {
        if self.learned >= MAX_LEARNED {
            self.forget_aged(now);
        }
        if self.learned < MAX_LEARNED {
            self.learned += 1;
            let entry = FdbEntry {
                port,
                local: false,
                is_static: false,
                by_user: false,
                sticky: false,
                updated: now,
                used: now,
            };
            self.fdb.insert((addr, vlan), entry);
        }
    }

    /// Removes the learned entries whose time is over (`br_fdb_cleanup`).
    pub fn forget_aged(&mut self, now: Time) {
        let ageing_time = self.ageing_time;
        self.fdb.retain(|_, e| !e.expired(now, ageing_time));
        self.learned = self.fdb.values().filter(|e| !e.is_static).count();
    }

    /// Adds the address of a port, or of the bridge itself ([`IfIndex::NONE`]), as a local entry. An entry of the same
    /// address that is local already stays (`fdb_add_local`). Gives true if a learned entry had to go for it.
    pub fn add_local(&mut self, now: Time, addr: MacAddr, vlan: u16, port: IfIndex) -> bool {
        if !addr.is_valid() {
            return false;
        }
        let was_learned = match self.fdb.get(&(addr, vlan)) {
            Some(entry) if entry.local => return false,
            Some(_) => self.remove(addr, vlan).is_some(),
            None => false,
        };
        let entry =
            FdbEntry { port, local: true, is_static: true, by_user: false, sticky: false, updated: now, used: now };
        self.fdb.insert((addr, vlan), entry);
        was_learned
    }

    /// Takes the lowest free port number, from 1; `None` if all are in use.
    pub fn take_number(&mut self) -> Option<u16> {
        let word = self.numbers.iter().position(|w| *w != u64::MAX).unwrap_or(self.numbers.len());
        if word == self.numbers.len() {
            self.numbers.push(u64::from(word == 0));
        }
        let bits = self.numbers.get_mut(word)?;
        let number = word * 64 + bits.trailing_ones() as usize;
        if number > MAX_PORTS {
            return None;
        }
        *bits |= 1 << (number % 64);
        u16::try_from(number).ok()
    }

    /// Gives a port number back.
    pub fn free_number(&mut self, number: u16) {
        if let Some(bits) = self.numbers.get_mut(usize::from(number) / 64) {
            *bits &= !(1 << (number % 64));
        }
    }

    /// Removes an entry, keeping the order of the others.
    pub fn remove(&mut self, addr: MacAddr, vlan: u16) -> Option<FdbEntry> {
        let gone = self.fdb.shift_remove(&(addr, vlan))?;
        self.learned -= usize::from(!gone.is_static);
        Some(gone)
    }

    /// The address of `port` ([`IfIndex::NONE`]: of the bridge) is no longer one of the bridge's own, unless another
    /// port or the bridge itself has it too: then the entry becomes theirs (`fdb_delete_local`).
    pub fn remove_local(&mut self, addr: MacAddr, vlan: u16, port: IfIndex, heir: Option<IfIndex>) {
        let Some(entry) = self.fdb.get_mut(&(addr, vlan)).filter(|e| e.local && e.port == port) else { return };
        match heir {
            Some(heir) => {
                entry.port = heir;
                entry.by_user = false;
            }
            None => {
                self.remove(addr, vlan);
            }
        }
    }

    /// Removes what was learned behind a port, in all VLANs (0) or in one (`br_fdb_delete_by_port` without `do_all`).
    pub fn forget_learned(&mut self, port: IfIndex, vlan: u16) {
        self.fdb.retain(|(_, v), e| e.port != port || e.is_static || (vlan != 0 && vlan != *v));
        self.learned = self.fdb.values().filter(|e| !e.is_static).count();
    }

    /// Whether it looks at VLANs.
    #[inline]
    pub fn filters_vlans(&self) -> bool {
        self.vlans.as_deref().is_some_and(|v| v.filtering)
    }

    /// The VLANs of the bridge link itself, as of a port.
    #[inline]
    pub fn own_vlans(&self) -> Option<&VlanGroup> {
        self.vlans.as_deref().map(|v| &v.own)
    }

    /// The eight bytes of the bridge id as `brctl show` prints them: `8000.0a0b0c0d0e0f`.
    pub fn id_text(&self) -> String {
        let hex: String = self.id_addr.0.iter().map(|b| format!("{b:02x}")).collect();
        format!("{:04x}.{hex}", self.priority)
    }
}

/// True for `01:80:c2:00:00:0X`, the groups that never leave a link (`is_link_local_ether_addr`).
#[inline]
pub fn is_link_local(addr: MacAddr) -> bool {
    addr.0[..5] == [0x01, 0x80, 0xc2, 0, 0] && addr.0[5] & 0xf0 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    #[test]
    fn an_address_is_learned_moves_and_ages() {
        let mut bridge = Bridge::default();
        let t0 = Time::ZERO;
        bridge.learn(t0, A, 0, IfIndex(2));
        assert_eq!(bridge.lookup(t0, A, 0).map(|e| e.port), Some(IfIndex(2)));
        bridge.learn(t0 + Duration::from_secs(10), A, 0, IfIndex(3));
        assert_eq!(bridge.lookup(t0, A, 0).map(|e| e.port), Some(IfIndex(3)));
        assert!(bridge.lookup(t0 + Duration::from_secs(309), A, 0).is_some());
        assert!(bridge.lookup(t0 + Duration::from_secs(310), A, 0).is_none());
        bridge.forget_aged(t0 + Duration::from_secs(310));
        assert_eq!((bridge.fdb.len(), bridge.learned), (0, 0));
    }

    #[test]
    fn port_numbers_are_the_lowest_free_ones() {
        let mut bridge = Bridge::default();
        let taken: Vec<u16> = (0..MAX_PORTS).filter_map(|_| bridge.take_number()).collect();
        assert_eq!(taken, (1..=MAX_PORTS as u16).collect::<Vec<u16>>());
        assert_eq!(bridge.take_number(), None);
        bridge.free_number(70);
        bridge.free_number(3);
        assert_eq!([bridge.take_number(), bridge.take_number(), bridge.take_number()], [Some(3), Some(70), None]);
    }

    #[test]
    fn a_local_address_is_not_learned_elsewhere() {
        let mut bridge = Bridge::default();
        bridge.add_local(Time::ZERO, A, 0, IfIndex(2));
        assert_eq!(bridge.learn(Time::ZERO, A, 0, IfIndex(3)), Learned::OwnAddress);
        assert_eq!(bridge.lookup(Time::ZERO, A, 0).map(|e| (e.port, e.local)), Some((IfIndex(2), true)));
    }

    #[test]
    fn frames_go_back_only_through_hairpin_ports_and_never_between_isolated_ones() {
        let mut port = Port::new(IfIndex(9), 1);
        port.state = PortState::Forwarding;
        assert!(!port.lets_out(IfIndex(2), Some((IfIndex(2), false))));
        assert!(port.lets_out(IfIndex(2), Some((IfIndex(3), true))));
        port.hairpin = true;
        port.isolated = true;
        assert!(port.lets_out(IfIndex(2), Some((IfIndex(2), false))));
        assert!(!port.lets_out(IfIndex(2), Some((IfIndex(3), true))));
        assert!(port.lets_out(IfIndex(2), None));
    }

    #[test]
    fn link_local_groups_are_recognised() {
        assert!(is_link_local(MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x0e])));
        assert!(!is_link_local(MacAddr([0x01, 0x80, 0xc2, 0, 0, 0x10])));
    }
}
