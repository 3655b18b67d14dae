//! `macvlan`: a link with an address of its own on the link below. Models `drivers/net/macvlan.c`.

use bitflags::bitflags;
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Errno, IfIndex, NsId};

use crate::describe::{Describe, Value};
use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::Link;

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "macvlan",
    summary: "a link with an address of its own on the link below",
    hw: HwType::Ether,
    mtu: (68, 0),
    setup: |_: &mut Link| {},
    describe,
    queues: (1, 1),
    driver: "macvlan",
    speed: None,
    immutable_netns: false,
};

/// The queue that broadcasts would wait in (`MACVLAN_DEFAULT_BC_QUEUE_LEN`); shown only.
pub const BC_QUEUE_LEN: u32 = 1000;

/// How the links on one link reach each other (`MACVLAN_MODE_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Not at all.
    Private,
    /// Through a switch outside.
    #[default]
    Vepa,
    /// At once.
    Bridge,
    /// There is only one, and it has the address of the link below.
    Passthru,
    /// It hears what certain addresses send.
    Source,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 5] = [Mode::Private, Mode::Vepa, Mode::Bridge, Mode::Passthru, Mode::Source];

    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Private => "private",
            Mode::Vepa => "vepa",
            Mode::Bridge => "bridge",
            Mode::Passthru => "passthru",
            Mode::Source => "source",
        }
    }
}

bitflags! {
    /// The flags of a macvlan (`MACVLAN_FLAG_*`, with the kernel's values).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct MacvlanFlags: u16 {
        /// The link below is not made promiscuous for a passthru one.
        const NOPROMISC = 1;
        /// What one in mode `source` hears goes to nobody else.
        const NODST = 2;
    }
}

/// What is done with the list of addresses that one in mode `source` hears (`MACVLAN_MACADDR_*`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceChange {
    /// One more.
    Add(MacAddr),
    /// One less.
    Del(MacAddr),
    /// None.
    Flush,
    /// These and no others.
    Set(Vec<MacAddr>),
}

/// The state of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Macvlan {
    /// The link below, and where it is.
    pub lower: (NsId, IfIndex),
    /// How it reaches the others.
    pub mode: Mode,
    /// `bcqueuelen`, shown only.
    pub bc_queue_len: u32,
    /// The greatest one of all on the link below, shown only.
    pub bc_queue_used: u32,
    /// How the link below treats it.
    pub flags: MacvlanFlags,
    /// Whose frames it hears in mode `source`, the last one first.
    pub sources: Vec<MacAddr>,
}

impl Macvlan {
    /// Whether the link below is to stay as it is for a passthru one.
    pub const fn nopromisc(&self) -> bool {
        self.flags.contains(MacvlanFlags::NOPROMISC)
    }

    /// Changes the list of those that it hears. What came before an address that cannot be one stays done
    /// (`macvlan_changelink_sources`).
    ///
    /// # Errors
    /// `EADDRNOTAVAIL` for a group or zero address.
    pub fn change_sources(&mut self, change: &SourceChange) -> Result<(), Errno> {
        let add = |sources: &mut Vec<MacAddr>, addr: MacAddr| {
            if !addr.is_valid() {
                return Err(Errno::EADDRNOTAVAIL);
            }
            if !sources.contains(&addr) {
                sources.insert(0, addr);
            }
            Ok(())
        };
        match change {
            SourceChange::Add(addr) => add(&mut self.sources, *addr)?,
            SourceChange::Del(addr) if !addr.is_valid() => return Err(Errno::EADDRNOTAVAIL),
            SourceChange::Del(addr) => self.sources.retain(|source| source != addr),
            SourceChange::Flush => self.sources.clear(),
            SourceChange::Set(all) => {
                self.sources.clear();
                all.iter().try_for_each(|addr| add(&mut self.sources, *addr))?;
            }
        }
        Ok(())
    }

    /// Those that it hears in the order of the kernel's hash table.
    fn sources_shown(&self) -> Vec<MacAddr> {
        let mut all = self.sources.clone();
        all.sort_by_key(|addr| bucket(*addr));
        all
    }
}

/// `macvlan_eth_hash`: a multiplication by the golden ratio.
fn bucket(MacAddr([a, b, c, d, e, f]): MacAddr) -> u64 {
    let value = u64::from_le_bytes([0, 0, a, b, c, d, e, f]);
    value.wrapping_mul(0x61c8_8646_80b5_83eb) >> 56
}

/// One macvlan as the link below knows it: the two may be in different namespaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Child {
    /// Where it is.
    pub at: (NsId, IfIndex),
    /// Its address.
    pub addr: MacAddr,
    /// Its mode.
    pub mode: Mode,
    /// Only those that are up get frames.
    pub up: bool,
}

/// The macvlans on a link (`struct macvlan_port`), in the order of their making.
#[derive(Clone, Debug, Default)]
pub struct MacvlanPort {
    /// All of them.
    pub children: Vec<Child>,
    /// What those in mode `source` hear: from whom, who, and whether nobody else does then.
    pub sources: Vec<(MacAddr, (NsId, IfIndex), bool)>,
}

impl MacvlanPort {
    /// Whether the only one is a passthru one.
    pub fn is_passthru(&self) -> bool {
        self.children.first().is_some_and(|c| c.mode == Mode::Passthru)
    }

    /// The one that is up and has this address (`macvlan_hash_lookup`).
    #[inline]
    pub fn find(&self, addr: MacAddr) -> Option<&Child> {
        self.children.iter().find(|c| c.up && c.addr == addr)
    }

    /// Who gets a frame to a group that came in from outside: from the macvlan `src` if it is one of ours that was sent back
    /// by a switch (`macvlan_multicast_rx`).
    pub fn hears_from_outside(&self, src: Option<&Child>, child: &Child) -> bool {
        if child.mode == Mode::Source {
            return false;
        }
        let Some(src) = src else { return child.up };
        let modes: &[Mode] = match src.mode {
            Mode::Vepa => &[Mode::Vepa, Mode::Bridge],
            Mode::Bridge => &[Mode::Vepa],
            // It goes back to the one that sent it.
            Mode::Private | Mode::Passthru | Mode::Source => return child.at == src.at,
        };
        child.up && child.at != src.at && modes.contains(&child.mode)
    }
}

/// iproute2's `macvlan_print_opt`.
fn describe(link: &Link, d: &mut Describe) {
    let Some(macvlan) = link.kind.macvlan() else { return };
    d.text("mode", "mode", macvlan.mode.name().into());
    for (flag, name) in [(MacvlanFlags::NOPROMISC, "nopromisc"), (MacvlanFlags::NODST, "nodst")] {
        if macvlan.flags.contains(flag) {
            d.push(name, Value::Bool(true), format!("{name} "));
        }
    }
    d.number("bcqueuelen", "bcqueuelen", macvlan.bc_queue_len.into());
    d.number("usedbcqueuelen", "usedbcqueuelen", macvlan.bc_queue_used.into());
    if macvlan.mode == Mode::Source {
        let all = macvlan.sources_shown();
        d.push("macaddr_count", Value::Number(all.len() as u64), format!("remotes ({}) ", all.len()));
        if !all.is_empty() {
            let text: String = all.iter().map(|addr| format!("{addr} ")).collect();
            let list = all.iter().map(|addr| Value::Text(addr.to_string())).collect();
            d.push("macaddr_data", Value::List(list), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_shown_in_the_order_of_the_hash_table() {
        let mac = |last| MacAddr([2, 0, 0, 0, 0, last]);
        let mut macvlan = Macvlan {
            lower: (NsId(0), IfIndex(1)),
            mode: Mode::Source,
            bc_queue_len: 0,
            bc_queue_used: 0,
            flags: MacvlanFlags::default(),
            sources: Vec::new(),
        };
        let all = vec![mac(4), mac(5), mac(9), mac(0x19), MacAddr([4, 0x11, 0x22, 0x33, 0x44, 0x55])];
        macvlan.change_sources(&SourceChange::Set(all)).unwrap();
        let seen: Vec<u8> = macvlan.sources_shown().iter().map(|addr| addr.0[5]).collect();
        assert_eq!(seen, [0x55, 9, 5, 4, 0x19], "as Linux 6.18 shows them");
        let wrong = SourceChange::Set(vec![mac(1), MacAddr([1, 0, 0, 0, 0, 0])]);
        assert_eq!(macvlan.change_sources(&wrong), Err(Errno::EADDRNOTAVAIL));
        assert_eq!(macvlan.sources, [mac(1)]);
        macvlan.change_sources(&SourceChange::Add(mac(1))).unwrap();
        macvlan.change_sources(&SourceChange::Del(mac(7))).unwrap();
        assert_eq!(macvlan.sources.len(), 1);
    }
}
