//! `ip link add`, and `replace`, which the kernel refuses for links that exist.

use hopwise_devices::ipip::TunnelParams;
use hopwise_devices::registry;
use hopwise_sim_core::{Errno, IfIndex, NsId};
use hopwise_stack::NlError;
use hopwise_stack::control::link::{KindSpec, LinkSpec, PeerSpec};
use hopwise_stack::control::vxlan::VxlanSpec;

use super::kinds::{self, Change};
use super::spec::Spec;
use super::{absent, macvlan, stacked_kinds, vxlan};
use crate::ip::Ip;
use crate::ip::args::{self, Args, Done, Fail};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Add,
    Replace,
}

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args, how: How) -> Done {
    let spec = Spec::parse(ip, args)?;
    let Some(kind) = spec.kind.clone() else {
        return Err(Fail::new(1, "Not enough information: \"type\" argument is required"));
    };
    let below = spec.link.as_deref().and_then(|name| ip.link(name)).map(|link| (ip.ns, link));
    let kind = kind_spec(ip, args, &kind, &spec, below)?;
    if let Some(name) = spec.link.as_deref().filter(|_| below.is_none()) {
        return Err(args::nodev(name));
    }
    if spec.addr_length.is_some() {
        return Err(NlError::from(Errno::EINVAL).into());
    }
    let here = ip.ns;
    let to = spec.netns.unwrap_or(here);
    if how == How::Replace && spec.wanted_name().is_some_and(|name| ip.link(name).is_some()) {
        return Err(NlError::from(Errno::EOPNOTSUPP).into());
    }
    let mut wanted = LinkSpec::new(spec.wanted_name(), kind);
    // Without a word about the peer it is made after the same wishes (veth_newlink); with one it is made where the
    // command runs unless it says otherwise.
    match &mut wanted.kind {
        KindSpec::Veth(peer) if peer.ns.is_none() => peer.ns = Some(here),
        _ => {}
    }
    wanted.mtu = spec.mtu;
    wanted.addr = spec.addr;
    wanted.broadcast = spec.broadcast;
    wanted.index = spec.index;
    wanted.txqlen = spec.txqlen;
    wanted.sizes = spec.sizes;
    wanted.group = spec.group;
    wanted.up = spec.up == Some(true);
    wanted.flags = spec.flags;
    wanted.master = spec.master.filter(|m| m.is_some());
    let link = ip.net().link_add(to, wanted)?;
    if let Some(mode) = spec.addrgenmode
        && let Some(dev) = ip.net().ns_mut(to).and_then(|n| n.devs.get_mut(link))
    {
        dev.addrgenmode = mode;
    }
    Ok(())
}

/// The kind, with its arguments.
fn kind_spec(
    ip: &mut Ip<'_, '_>,
    args: &mut Args,
    kind: &str,
    spec: &Spec,
    below: Option<(NsId, IfIndex)>,
) -> Done<KindSpec> {
    match kind {
        "veth" => Ok(KindSpec::Veth(match kinds::veth(ip, args)? {
            Some(peer) => kinds::peer(&peer),
            None => PeerSpec {
                mtu: spec.mtu,
                txqlen: spec.txqlen,
                sizes: spec.sizes,
                ns: spec.netns,
                ..PeerSpec::default()
            },
        })),
        "bridge" => {
            let changes = kinds::bridge(args)?;
            let set = changes.into_iter().filter_map(|change| match change {
                Change::Set(row, value) => Some((row, value)),
                Change::Flush => None,
            });
            Ok(KindSpec::Bridge(set.collect()))
        }
        "ipip" => Ok(KindSpec::Ipip(super::ipip::parse(ip, args, TunnelParams::default())?)),
        "vxlan" => {
            // Without a word nothing is sent to the kernel, which then misses it.
            let settings = if args.is_empty() { None } else { Some(vxlan::parse(ip, args, true)?) };
            Ok(KindSpec::Vxlan(Box::new(VxlanSpec { home: Some(ip.ns), settings })))
        }
        "vlan" => Ok(KindSpec::Vlan(stacked_kinds::vlan(args, below)?)),
        "macvlan" => Ok(KindSpec::Macvlan(macvlan::spec(macvlan::parse(ip, args)?, below))),
        "ipvlan" => Ok(KindSpec::Ipvlan(stacked_kinds::ipvlan(args)?.spec(below))),
        "vrf" => Ok(KindSpec::Vrf(kinds::vrf(ip, args)?)),
        kind if absent::is_absent(kind) => Err(absent::refuse(args, kind)?),
        "tun" => Err(no_tun(args)),
        _ => {
            if let Some(word) = args.peek() {
                if args::matches(word, "help") {
                    return Err(super::usage());
                }
                let text = format!("Garbage instead of arguments \"{word} ...\". Try \"ip link help\".");
                return Err(Fail::new(1, text));
            }
            match registry::find(kind) {
                Some(_) => Ok(KindSpec::Dummy),
                None => Err(NlError::with(Errno::EOPNOTSUPP, "Unknown device type").into()),
            }
        }
    }
}

/// Tuns are made by opening them: their kind refuses whatever is asked of it (`tun_validate`).
pub(super) fn no_tun(args: &mut Args) -> Fail {
    args.rest();
    NlError::with(Errno::EOPNOTSUPP, "tun/tap creation via rtnetlink is not supported").into()
}
