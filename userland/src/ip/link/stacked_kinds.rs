//! The arguments of types that stand on another link: iproute2's `iplink_vlan.c` and `iplink_ipvlan.c`.

use hopwise_devices::ipvlan;
use hopwise_devices::vlan::{VlanFlags, VlanOptions};
use hopwise_protocols::wire::ethernet::ETH_P_8021Q;
use hopwise_sim_core::{Errno, IfIndex, NsId};
use hopwise_stack::NlError;
use hopwise_stack::control::link::{IpvlanSpec, VlanSpec};

use super::kinds::tag_protocol;
use crate::ip::args::{self, Args, Done, Fail};

/// The switches of a VLAN, by their words.
const VLAN_SWITCHES: [(&str, VlanFlags); 3] = [
    ("reorder_hdr", VlanFlags::REORDER_HDR),
    ("loose_binding", VlanFlags::LOOSE_BINDING),
    ("bridge_binding", VlanFlags::BRIDGE_BINDING),
];

/// `vlan_parse_opt`.
pub(super) fn vlan(args: &mut Args, lower: Option<(NsId, IfIndex)>) -> Done<VlanSpec> {
    let given = args.peek().is_some();
    let mut spec = VlanSpec { lower, protocol: ETH_P_8021Q, vid: None, given, options: VlanOptions::default() };
    while let Some(word) = args.next() {
        let is = |full| args::matches(&word, full);
        match () {
            () if is("protocol") => spec.protocol = tag_protocol(args, "protocol is invalid")?,
            () if is("id") => spec.vid = Some(args.number::<u16>("id is invalid")?),
            // The protocols that tell other switches of VLANs do not exist here.
            () if is("gvrp") || is("mvrp") => {
                if on_off(args, &word)? {
                    return Err(NlError::from(Errno::EOPNOTSUPP).into());
                }
            }
            () if is("ingress-qos-map") => qos_map(args, "ingress-qos-map", &mut spec.options.ingress)?,
            () if is("egress-qos-map") => qos_map(args, "egress-qos-map", &mut spec.options.egress)?,
            () if is("help") => return Err(Fail::as_is(1, VLAN_USAGE)),
            () => match VLAN_SWITCHES.iter().find(|(name, _)| is(name)) {
                Some((name, flag)) => spec.options.flags.push((*flag, on_off(args, name)?)),
                None => {
                    let text = format!("vlan: unknown command \"{word}\"?\n{VLAN_USAGE}");
                    return Err(Fail::as_is(1, text));
                }
            },
        }
    }
    Ok(spec)
}

fn on_off(args: &mut Args, key: &str) -> Done<bool> {
    match &*args.need()? {
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(Fail::new(1, format!("Error: argument of \"{key}\" must be \"on\" or \"off\", not \"{other}\""))),
    }
}

/// `vlan_parse_qos_map`: rows `FROM:TO`, as long as there are any.
fn qos_map(args: &mut Args, name: &str, rows: &mut Vec<(u32, u32)>) -> Done {
    let first = args.need()?;
    let mut next = Some(first);
    while let Some(word) = next {
        let Some((from, to)) = word.split_once(':') else {
            args.back();
            return Ok(());
        };
        let number = |text: &str| args::unsigned(text).and_then(|n| u32::try_from(n).ok());
        match (number(from), number(to)) {
            (Some(from), Some(to)) => rows.push((from, to)),
            _ => return Err(args::invarg(&format!("invalid {name}"), from)),
        }
        next = args.next();
    }
    Ok(())
}

/// What was said of an ipvlan.
#[derive(Clone, Copy, Default)]
pub(super) struct IpvlanWords {
    pub(super) mode: Option<ipvlan::Mode>,
    pub(super) reach: Option<ipvlan::Reach>,
}

impl IpvlanWords {
    pub(super) fn spec(self, lower: Option<(NsId, IfIndex)>) -> IpvlanSpec {
        IpvlanSpec { lower, mode: self.mode, reach: self.reach }
    }
}

/// `ipvlan_parse_opt`: with any word, who reaches whom is sent along, and is `bridge` unless said otherwise. It can be said once.
pub(super) fn ipvlan(args: &mut Args) -> Done<IpvlanWords> {
    use ipvlan::{Mode, Reach};
    if args.is_empty() {
        return Ok(IpvlanWords::default());
    }
    let (mut mode, mut reach) = (None, None);
    while let Some(word) = args.next() {
        let is = |full| args::matches(&word, full);
        match () {
            () if is("mode") => {
                let name = args.need()?;
                let known = [Mode::L2, Mode::L3, Mode::L3s].into_iter().find(|m| m.name() == name);
                let text = "Error: argument of \"mode\" must be either \"l2\", \"l3\" or \"l3s\"";
                mode = Some(known.ok_or_else(|| Fail::new(1, text))?);
            }
            () if is("private") && reach.is_none() => reach = Some(Reach::Private),
            () if is("vepa") && reach.is_none() => reach = Some(Reach::Vepa),
            () if is("bridge") && reach.is_none() => reach = Some(Reach::Bridge),
            () if is("help") => return Err(Fail::as_is(1, IPVLAN_USAGE)),
            () => {
                let text = format!("ipvlan: unknown option \"{word}\"?\n{IPVLAN_USAGE}");
                return Err(Fail::as_is(1, text));
            }
        }
    }
    Ok(IpvlanWords { mode, reach: reach.or(Some(Reach::Bridge)) })
}

pub(super) const VLAN_USAGE: &str = "Usage: ... vlan id VLANID
\t\t[ protocol VLANPROTO ]
\t\t[ reorder_hdr { on | off } ]
\t\t[ loose_binding { on | off } ]
\t\t[ bridge_binding { on | off } ]
\t\t[ ingress-qos-map QOS-MAP ]
\t\t[ egress-qos-map QOS-MAP ]

VLANID := 0-4095
VLANPROTO: [ 802.1Q | 802.1ad ]
QOS-MAP := [ QOS-MAP ] QOS-MAPPING
QOS-MAPPING := FROM:TO
";

pub(super) const IPVLAN_USAGE: &str = "Usage: ... ipvlan [ mode MODE ] [ FLAGS ]

MODE: l3 | l3s | l2
FLAGS: bridge | private | vepa
(first values are the defaults if nothing is specified).
";
