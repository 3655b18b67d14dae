//! `ip link show`: which links are listed.

use hopwise_sim_core::IfIndex;

use super::print;
use crate::ip::Ip;
use crate::ip::args::{self, Args, Done, Fail};

/// Which links are wanted.
#[derive(Default)]
struct Filter {
    dev: Option<String>,
    up: bool,
    group: Option<u32>,
    master: Option<IfIndex>,
    kind: Option<String>,
}

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let filter = filter(ip, args)?;
    let links = match &filter.dev {
        Some(name) => {
            let link = ip.link(name).ok_or_else(|| Fail::new(1, format!("Device \"{name}\" does not exist.")))?;
            // A single link is brought up to date before it is shown; a dump shows what the link watcher has done.
            let ns = ip.ns;
            ip.net().sync_link(ns, link);
            vec![link]
        }
        None => ip.space()?.devs.indices(),
    };
    ip.out.open();
    for link in links {
        if wanted(ip, &filter, link) {
            if ip.opt.brief { print::brief(ip, link, true) } else { print::link(ip, link, true) }
        }
    }
    ip.out.close();
    Ok(())
}

fn filter(ip: &Ip<'_, '_>, args: &mut Args) -> Done<Filter> {
    let mut filter = Filter::default();
    while let Some(word) = args.next() {
        match &*word {
            "up" => filter.up = true,
            "group" => filter.group = Some(super::spec::group(args)?),
            "master" => {
                let name = args.need()?;
                let master = ip.link(&name).ok_or_else(|| args::invarg("Device does not exist\n", &name))?;
                filter.master = Some(master);
            }
            "vrf" => return Err(args::invarg("Not a valid VRF name\n", &args.need()?)),
            "nomaster" => filter.master = Some(IfIndex::NONE),
            "type" => filter.kind = Some(args.need()?),
            _ => {
                let name = if word == "dev" {
                    args.need()?
                } else if args::matches(&word, "help") {
                    return Err(super::usage());
                } else {
                    word
                };
                if filter.dev.is_some() {
                    return Err(args::duparg2("dev", &name));
                }
                filter.dev = Some(name);
            }
        }
    }
    Ok(filter)
}

fn wanted(ip: &Ip<'_, '_>, filter: &Filter, link: IfIndex) -> bool {
    let Some(dev) = ip.dev(link) else { return false };
    let is_kind = |kind: &String| match kind.as_str() {
        "bridge_slave" => dev.port.is_some(),
        kind => dev.kind.ops().name == kind,
    };
    (!filter.up || dev.is_up())
        && filter.group.is_none_or(|g| g == dev.group)
        // `nomaster` changes nothing: iproute2 6.1 does not ask the kernel for it.
        && filter.master.is_none_or(|m| !m.is_some() || m == dev.master)
        && filter.kind.as_ref().is_none_or(is_kind)
}
