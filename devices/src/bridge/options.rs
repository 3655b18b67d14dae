//! The options of `ip link set BRIDGE type bridge OPTION VALUE`: one row each, from which come the parser, the limits
//! that the kernel enforces (`br_changelink`) and what `ip -d link` prints.
//!
//! While a host has no VLANs, its bridges show themselves as those of a kernel built without
//! `CONFIG_BRIDGE_VLAN_FILTERING`.

use hopwise_protocols::wire::ethernet::{ETH_P_8021AD, ETH_P_8021Q, MacAddr};
use hopwise_sim_core::{Duration, Errno};

use super::Bridge;
use super::vlan::{BridgeVlans, MAX_VID};
use crate::describe::{Describe, Value};
use crate::link::Link;

/// What the argument of an option is, as iproute2 reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// Up to 255.
    U8,
    /// Up to 65,535.
    U16,
    /// Up to 2^32 - 1.
    U32,
    /// Up to 2^64 - 1.
    U64,
    /// The name of the protocol of a VLAN tag.
    Protocol,
}

/// What the kernel does with a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It behaves.
    Behaves,
    /// It is kept and shown; what it would change does not exist here.
    Shown,
    /// Only this value is taken.
    Only(u64, Errno),
    /// It behaves, once the host has VLANs.
    Vlans,
}

/// One option.
#[derive(Debug)]
pub struct OptionRow {
    /// The word on the command line.
    pub word: &'static str,
    /// The key in JSON; the word is printed in text.
    pub key: &'static str,
    /// Size of the argument.
    pub width: Width,
    /// Value of a new bridge.
    pub default: u64,
    /// The least and the greatest value that is taken; beyond: ERANGE.
    pub limits: (u64, u64),
    /// What it does.
    pub effect: Effect,
}

const fn row(word: &'static str, width: Width, default: u64, effect: Effect) -> OptionRow {
    OptionRow { word, key: word, width, default, limits: (0, u64::MAX), effect }
}

use Effect::{Behaves, Only, Shown, Vlans};
use Width::{Protocol, U8, U16, U32, U64};

/// All options that take a number, in the order in which they are printed.
pub static OPTIONS: &[OptionRow] = &[
    row("forward_delay", U32, 1500, Behaves),
    OptionRow { limits: (100, 1000), ..row("hello_time", U32, 200, Behaves) },
    OptionRow { limits: (600, 4000), ..row("max_age", U32, 2000, Behaves) },
    row("ageing_time", U32, 30000, Behaves),
    row("stp_state", U32, 0, Only(0, Errno::EOPNOTSUPP)),
    row("priority", U16, 0x8000, Behaves),
    row("vlan_filtering", U8, 0, Vlans),
    row("vlan_protocol", Protocol, ETH_P_8021Q as u64, Vlans),
    row("vlan_default_pvid", U16, 1, Vlans),
    row("vlan_stats_enabled", U8, 0, Vlans),
    row("vlan_stats_per_port", U8, 0, Vlans),
    row("group_fwd_mask", U16, 0, Behaves),
    row("mcast_snooping", U8, 1, Behaves),
    row("no_linklocal_learn", U8, 0, Shown),
    row("mcast_vlan_snooping", U8, 0, Only(0, Errno::EOPNOTSUPP)),
    row("mcast_router", U8, 1, Shown),
    row("mcast_query_use_ifaddr", U8, 0, Shown),
    row("mcast_querier", U8, 0, Only(0, Errno::EOPNOTSUPP)),
    row("mcast_hash_elasticity", U32, 16, Shown),
    row("mcast_hash_max", U32, 4096, Shown),
    OptionRow { key: "mcast_last_member_cnt", ..row("mcast_last_member_count", U32, 2, Shown) },
    OptionRow { key: "mcast_startup_query_cnt", ..row("mcast_startup_query_count", U32, 2, Shown) },
    OptionRow { key: "mcast_last_member_intvl", ..row("mcast_last_member_interval", U64, 100, Shown) },
    OptionRow { key: "mcast_membership_intvl", ..row("mcast_membership_interval", U64, 26000, Shown) },
    OptionRow { key: "mcast_querier_intvl", ..row("mcast_querier_interval", U64, 25500, Shown) },
    OptionRow { key: "mcast_query_intvl", ..row("mcast_query_interval", U64, 12500, Shown) },
    OptionRow { key: "mcast_query_response_intvl", ..row("mcast_query_response_interval", U64, 1000, Shown) },
    OptionRow { key: "mcast_startup_query_intvl", ..row("mcast_startup_query_interval", U64, 3124, Shown) },
    row("mcast_stats_enabled", U8, 0, Shown),
    row("mcast_igmp_version", U8, 2, Shown),
    row("mcast_mld_version", U8, 1, Shown),
    row("nf_call_iptables", U8, 0, Behaves),
    row("nf_call_ip6tables", U8, 0, Shown),
    row("nf_call_arptables", U8, 0, Shown),
];

/// The row of an option's word.
pub fn find(word: &str) -> Option<&'static OptionRow> {
    OPTIONS.iter().find(|row| row.word == word)
}

/// Hundredths of a second, the unit of a bridge's times in netlink (`USER_HZ`).
fn ticks(span: Duration) -> u64 {
    u64::try_from(span.as_millis() / 10).unwrap_or(u64::MAX)
}

/// A span from hundredths of a second; kept in jiffies of 4 ms (`clock_t_to_jiffies` with HZ=250).
fn span(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(5) / 2 * 4)
}

impl Bridge {
    /// The value of an option.
    pub fn option(&self, row: &OptionRow) -> u64 {
        match row.word {
            word if row.effect == Vlans => self.vlans.as_deref().map_or(0, |vlans| vlans.option(word)),
            "forward_delay" => ticks(self.forward_delay),
            "hello_time" => ticks(self.hello_time),
            "max_age" => ticks(self.max_age),
            "ageing_time" => ticks(self.ageing_time),
            "priority" => u64::from(self.priority),
            "group_fwd_mask" => u64::from(self.group_fwd_mask),
            "mcast_snooping" => u64::from(self.mcast_snooping),
            "nf_call_iptables" => u64::from(self.nf_call_iptables),
            word => self.shown.iter().find(|(w, _)| *w == word).map_or(row.default, |(_, value)| *value),
        }
    }

    /// Changes an option (`br_changelink`).
    ///
    /// # Errors
    /// ERANGE beyond the limits, EINVAL for groups that are never forwarded, EOPNOTSUPP for what does not exist here.
    pub fn set_option(&mut self, row: &'static OptionRow, value: u64) -> Result<(), Errno> {
        if value < row.limits.0 || value > row.limits.1 {
            return Err(Errno::ERANGE);
        }
        if let Only(only, errno) = row.effect
            && value != only
        {
            return Err(errno);
        }
        match row.word {
            word if row.effect == Vlans => {
                self.vlans.as_deref_mut().ok_or(Errno::EOPNOTSUPP)?.set_option(word, value)?;
            }
            "forward_delay" => self.forward_delay = span(value),
            "hello_time" => self.hello_time = span(value),
            "max_age" => self.max_age = span(value),
            "ageing_time" => self.ageing_time = span(value),
            "priority" => self.priority = value as u16,
            // BR_GROUPFWD_RESTRICTED: STP, pause and LACP frames are never forwarded.
            "group_fwd_mask" if value & 7 != 0 => return Err(Errno::EINVAL),
            "group_fwd_mask" => self.group_fwd_mask = value as u16,
            "mcast_snooping" => self.mcast_snooping = value != 0,
            "nf_call_iptables" => self.nf_call_iptables = value != 0,
            word => {
                self.shown.retain(|(w, _)| *w != word);
                if value != row.default {
                    self.shown.push((row.word, value));
                }
            }
        }
        Ok(())
    }
}

impl BridgeVlans {
    fn option(&self, word: &str) -> u64 {
        match word {
            "vlan_filtering" => self.filtering.into(),
            "vlan_protocol" => self.protocol.into(),
            "vlan_default_pvid" => self.default_pvid.into(),
            "vlan_stats_enabled" => self.counts.into(),
            _ => self.per_port.into(),
        }
    }

    /// The ports follow `vlan_default_pvid`: that is the work of who calls this.
    fn set_option(&mut self, word: &str, value: u64) -> Result<(), Errno> {
        match (word, value) {
            ("vlan_filtering", on) => self.filtering = on != 0,
            ("vlan_protocol", value) => {
                let known = [ETH_P_8021Q, ETH_P_8021AD].into_iter().find(|p| u64::from(*p) == value);
                self.protocol = known.ok_or(Errno::EPROTONOSUPPORT)?;
            }
            ("vlan_default_pvid", vid) => {
                let vid = u16::try_from(vid).ok().filter(|v| *v <= MAX_VID);
                self.default_pvid = vid.ok_or(Errno::EINVAL)?;
            }
            ("vlan_stats_enabled", on @ 0..=1) => self.counts = on != 0,
            ("vlan_stats_per_port", on @ 0..=1) => self.per_port = on != 0,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    /// The group that frames of the spanning tree go to (`recalculate_group_addr`).
    fn group_addr(&self) -> MacAddr {
        let provider = self.filtering && self.protocol == ETH_P_8021AD;
        MacAddr([0x01, 0x80, 0xc2, 0, 0, if provider { 8 } else { 0 }])
    }
}

/// The name of the protocol of a VLAN tag, as iproute2 writes it.
pub const fn protocol_name(protocol: u16) -> &'static str {
    if protocol == ETH_P_8021AD { "802.1ad" } else { "802.1Q" }
}

/// iproute2's `bridge_print_opt`.
pub(super) fn describe(link: &Link, d: &mut Describe) {
    let Some(bridge) = link.kind.bridge() else { return };
    let id = short_id(bridge.priority, bridge.id_addr);
    for row in OPTIONS {
        let value = bridge.option(row);
        match row.word {
            "vlan_protocol" => {
                if let Some(vlans) = bridge.vlans.as_deref() {
                    d.text("vlan_protocol", "vlan_protocol", protocol_name(vlans.protocol).into());
                }
                bridge_id(d, &id);
            }
            word if row.effect == Vlans && word != "vlan_filtering" && bridge.vlans.is_none() => {}
            "group_fwd_mask" => {
                d.push(
                    "group_fwd_mask",
                    Value::Text(format!("{value:#x}").replace("0x0", "0")),
                    format!("group_fwd_mask {value:#x} ").replace("0x0 ", "0 "),
                );
                let group =
                    bridge.vlans.as_deref().map_or(BridgeVlans::default().group_addr(), BridgeVlans::group_addr);
                d.text("group_addr", "group_address", group.to_string());
            }
            word => d.number(row.key, word, value),
        }
    }
}

/// The part that says who is the root of the spanning tree: always this bridge.
fn bridge_id(d: &mut Describe, id: &str) {
    d.text("bridge_id", "bridge_id", id.to_owned());
    d.text("root_id", "designated_root", id.to_owned());
    for word in ["root_port", "root_path_cost", "topology_change", "topology_change_detected"] {
        d.number(word, word, 0);
    }
    for key in ["hello_timer", "tcn_timer", "topology_change_timer", "gc_timer"] {
        d.push(key, Value::Decimal("0.00".into()), format!("{key}    0.00 "));
    }
}

/// A bridge's id as `ip -d link` prints it: bytes without leading zeros.
pub fn short_id(priority: u16, addr: MacAddr) -> String {
    let bytes: Vec<String> = addr.0.iter().map(|b| format!("{b:x}")).collect();
    format!("{priority:04x}.{}", bytes.join(":"))
}
