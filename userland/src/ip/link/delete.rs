//! `ip link delete`.

use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::NlError;

use super::spec::Spec;
use crate::ip::Ip;
use crate::ip::args::{Args, Done, Fail};

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    // A type may be given; the kernel does not look at it.
    let spec = Spec::parse(ip, args)?;
    let ns = ip.ns;
    if let Some(name) = &spec.dev {
        let link = ip.need_link(name)?;
        return Ok(ip.net().link_del(ns, link)?);
    }
    let Some(group) = spec.group else {
        return Err(Fail::new(255, "Not enough information: \"dev\" argument is required."));
    };
    let members: Vec<IfIndex> = ip.space()?.devs.iter().filter(|d| d.group == group).map(|d| d.index).collect();
    if members.is_empty() {
        return Err(NlError::from(Errno::ENODEV).into());
    }
    for link in members {
        // A veth's peer may have gone with it.
        if ip.dev(link).is_some() {
            ip.net().link_del(ns, link)?;
        }
    }
    Ok(())
}
