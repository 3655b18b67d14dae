//! The arguments of each type, and what `-d` says about a bridge's port: iproute2's `iplink_bridge.c`,
//! `iplink_bridge_slave.c`, `link_veth.c`.

use hopwise_devices::bridge::Port;
use hopwise_devices::bridge::options::{OPTIONS, OptionRow, Width, short_id};
use hopwise_devices::describe::{Attr, Describe, Value};
use hopwise_protocols::wire::ethernet::{ETH_P_8021AD, ETH_P_8021Q};
use hopwise_stack::Dev;
use hopwise_stack::control::bridge::{PORT_OPTIONS, PortOption};
use hopwise_stack::control::link::PeerSpec;

use super::spec::Spec;
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, names};

/// What the arguments of `type bridge` or `type bridge_slave` ask for.
pub(super) enum Change<O: 'static> {
    /// An option gets a value.
    Set(&'static O, u64),
    /// What was learned is forgotten.
    Flush,
}

/// `bridge_parse_opt`: words may be abbreviated.
pub(super) fn bridge(args: &mut Args) -> Done<Vec<Change<OptionRow>>> {
    let mut changes = Vec::new();
    while let Some(word) = args.next() {
        let row = OPTIONS.iter().find(|row| args::matches(&word, row.word));
        if let Some(row) = row {
            changes.push(Change::Set(row, value(args, row)?));
        } else if args::matches(&word, "fdb_flush") {
            changes.push(Change::Flush);
        } else if args::matches(&word, "help") {
            return Err(Fail::as_is(1, bridge_usage()));
        } else {
            return Err(Fail::as_is(1, format!("bridge: unknown command \"{word}\"?\n{}", bridge_usage())));
        }
    }
    Ok(changes)
}

fn value(args: &mut Args, row: &OptionRow) -> Done<u64> {
    let message = format!("invalid {}", row.word);
    match row.width {
        Width::U8 => args.number::<u8>(&message).map(u64::from),
        Width::U16 => args.number::<u16>(&message).map(u64::from),
        Width::U32 => args.number::<u32>(&message).map(u64::from),
        Width::U64 => args.number::<u64>(&message),
        Width::Protocol => tag_protocol(args, &message).map(u64::from),
    }
}

/// The protocol of a VLAN tag: a name, or any number (`ll_proto_a2n`).
pub(super) fn tag_protocol(args: &mut Args, message: &str) -> Done<u16> {
    let text = args.need()?;
    match () {
        () if text.eq_ignore_ascii_case("802.1q") => Ok(ETH_P_8021Q),
        () if text.eq_ignore_ascii_case("802.1ad") => Ok(ETH_P_8021AD),
        () => args::unsigned(&text).and_then(|n| u16::try_from(n).ok()).ok_or_else(|| args::invarg(message, &text)),
    }
}

/// `bridge_slave_parse_opt`.
pub(super) fn bridge_slave(args: &mut Args) -> Done<Vec<Change<PortOption>>> {
    let mut changes = Vec::new();
    while let Some(word) = args.next() {
        if args::matches(&word, "fdb_flush") {
            changes.push(Change::Flush);
            continue;
        }
        // `mcast_fast_leave` is the other name of `fastleave`.
        let wanted = if args::matches(&word, "mcast_fast_leave") && word.len() > 6 { "fastleave" } else { &word };
        let Some(option) = PORT_OPTIONS.iter().find(|o| args::matches(wanted, o.word)) else {
            let text = if args::matches(&word, "help") {
                slave_usage()
            } else {
                format!("bridge_slave: unknown option \"{word}\"?\n{}", slave_usage())
            };
            return Err(Fail::as_is(1, text));
        };
        changes.push(Change::Set(option, slave_value(args, option)?));
    }
    Ok(changes)
}

fn slave_value(args: &mut Args, option: &PortOption) -> Done<u64> {
    if option.switch {
        return match &*args.need()? {
            "on" => Ok(1),
            "off" => Ok(0),
            other => {
                let key = option.word;
                let text = format!("Error: argument of \"{key}\" must be one of \"off\", \"on\", not \"{other}\"");
                Err(Fail::new(1, text))
            }
        };
    }
    match option.word {
        "state" => args.number::<u8>("state is invalid").map(u64::from),
        "priority" => args.number::<u16>("priority is invalid").map(u64::from),
        "cost" => args.number::<u32>("cost is invalid").map(u64::from),
        word => args.number::<u16>(&format!("invalid {word}")).map(u64::from),
    }
}

/// `veth_parse_opt`: nothing, or `peer` and the words of a link.
pub(super) fn veth(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Option<Spec>> {
    match args.next().as_deref() {
        None => Ok(None),
        Some("peer") => {
            let spec = Spec::parse(ip, args)?;
            match spec.kind {
                Some(kind) => Err(args::duparg("type", &kind)),
                None => Ok(Some(spec)),
            }
        }
        Some(_) => Err(Fail::as_is(1, VETH_USAGE)),
    }
}

/// What a peer's words mean to the kernel.
pub(super) fn peer(spec: &Spec) -> PeerSpec {
    PeerSpec {
        name: spec.wanted_name().map(Into::into),
        ns: spec.netns,
        addr: spec.addr,
        mtu: spec.mtu,
        index: spec.index,
        txqlen: spec.txqlen,
        sizes: spec.sizes,
        up: spec.up == Some(true),
    }
}

/// The usage text of a type, if it exists here.
pub(super) fn usage(kind: &str) -> Option<String> {
    match kind {
        "bridge" => Some(bridge_usage()),
        "bridge_slave" => Some(slave_usage()),
        "ipip" => Some(super::ipip::USAGE.into()),
        "veth" => Some(VETH_USAGE.into()),
        "vlan" => Some(super::stacked_kinds::VLAN_USAGE.into()),
        "macvlan" => Some(super::macvlan::USAGE.into()),
        "ipvlan" => Some(super::stacked_kinds::IPVLAN_USAGE.into()),
        "vrf" => Some(VRF_USAGE.into()),
        "dummy" => Some("Usage: ... dummy\n".into()),
        "vxlan" => Some(super::vxlan::USAGE.into()),
        _ => None,
    }
}

/// `vrf_parse_opt`: the number of the table, if it is given.
pub(super) fn vrf(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Option<u32>> {
    let mut table = None;
    while let Some(word) = args.next() {
        if args::matches(&word, "table") {
            let name = args.need()?;
            let number = names::table(ip, &name);
            table = Some(number.ok_or_else(|| args::invarg("invalid table ID\n", &name))?);
        } else if args::matches(&word, "help") {
            return Err(Fail::as_is(1, VRF_USAGE));
        } else {
            return Err(Fail::as_is(1, format!("vrf: unknown option \"{word}\"?\n{VRF_USAGE}")));
        }
    }
    Ok(table)
}

const VRF_USAGE: &str = "Usage: ... vrf table TABLEID\n";

const VETH_USAGE: &str =
    "Usage: ip link <options> type veth [peer <options>]\nTo get <options> type 'ip link add help'\n";

fn bridge_usage() -> String {
    let mut text = "Usage: ... bridge [ fdb_flush ]\n".to_owned();
    for row in OPTIONS {
        text.push_str(&format!("\t\t  [ {} {} ]\n", row.word, row.word.to_uppercase()));
    }
    text
}

fn slave_usage() -> String {
    let mut text = "Usage: ... bridge_slave [ fdb_flush ]\n".to_owned();
    for option in PORT_OPTIONS {
        let value = if option.switch { "{on | off}".into() } else { option.word.to_uppercase() };
        text.push_str(&format!("\t\t\t[ {} {value} ]\n", option.word));
    }
    text
}

/// `bridge_slave_print_opt`. The timers of the spanning tree stand still: there is none.
pub(super) fn port_attributes(port: &Port, bridge: &Dev) -> Vec<Attr> {
    let mut d = Describe::default();
    let state = port.state.name();
    d.text("state", "state", state.into());
    d.number("priority", "priority", port.priority.into());
    d.number("cost", "cost", port.cost.into());
    for (key, on) in [
        ("hairpin", port.hairpin),
        ("guard", port.guard),
        ("root_block", port.root_block),
        ("fastleave", port.fastleave),
        ("learning", port.learning),
        ("flood", port.flood),
    ] {
        switch(&mut d, key, on);
    }
    let id = (u16::from(port.priority) << 10) | port.number;
    d.text("id", "port_id", format!("{id:#x}"));
    d.text("no", "port_no", format!("{:#x}", port.number));
    d.number("designated_port", "designated_port", id.into());
    d.number("designated_cost", "designated_cost", 0);
    if let Some(state) = bridge.kind.bridge() {
        let id = short_id(state.priority, state.id_addr);
        d.text("bridge_id", "designated_bridge", id.clone());
        d.text("root_id", "designated_root", id);
    }
    for timer in ["hold_timer", "message_age_timer", "forward_delay_timer"] {
        d.push(timer, Value::Decimal("0.00".into()), format!("{timer}    0.00 "));
    }
    d.number("topology_change_ack", "topology_change_ack", 0);
    d.number("config_pending", "config_pending", 0);
    for option in PORT_OPTIONS.iter().skip_while(|o| o.word != "proxy_arp") {
        match option.word {
            "mcast_router" => {
                d.number("multicast_router", "mcast_router", option.get(port));
                d.push("", Value::Bool(port.fastleave), format!("mcast_fast_leave {} ", on_off(port.fastleave)));
            }
            "group_fwd_mask" => {
                let mask = option.get(port);
                let short = if mask == 0 { "0".to_owned() } else { format!("{mask:#x}") };
                d.text("group_fwd_mask", "group_fwd_mask", short);
                d.text("group_fwd_mask_str", "group_fwd_mask_str", format!("{mask:#x}"));
            }
            word => switch(&mut d, word, option.get(port) != 0),
        }
    }
    d.attrs
}

fn switch(d: &mut Describe, key: &'static str, on: bool) {
    d.push(key, Value::Bool(on), format!("{key} {} ", on_off(on)));
}

const fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
