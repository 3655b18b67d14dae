//! `ip link show`: which links are listed.

use hopwise_sim_core::IfIndex;

use super::print;
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, vrf};

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
        match wanted(ip, &filter, link) {
            Wanted::Yes if ip.opt.brief => print::brief(ip, link, true),
            Wanted::Yes => print::link(ip, link, true),
            // What iproute2 itself leaves out has begun as an object of JSON.
            Wanted::Empty => ip.out.object(None, |_| {}),
            Wanted::No => {}
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
            "vrf" => filter.master = Some(vrf::need(ip, args)?),
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

/// Whether a link is listed.
enum Wanted {
    Yes,
    /// The kernel sends it, iproute2 does not print it.
    Empty,
    /// The kernel does not send it.
    No,
}

fn wanted(ip: &Ip<'_, '_>, filter: &Filter, link: IfIndex) -> Wanted {
    let Some(dev) = ip.dev(link) else { return Wanted::No };
    let is_kind = |kind: &String| match kind.as_str() {
        "bridge_slave" => dev.port.is_some(),
        "vrf_slave" => ip.dev(dev.master).is_some_and(|master| master.kind.vrf().is_some()),
        kind => dev.kind.ops().name == kind,
    };
    let known = |kind: &String| hopwise_devices::registry::find(kind).is_some();
    if filter.master.is_some_and(|m| m != dev.master)
        || filter.kind.as_ref().is_some_and(|kind| known(kind) && !is_kind(kind))
    {
        return Wanted::No;
    }
    let left_out = (filter.up && !dev.is_up())
        || filter.group.is_some_and(|g| g != dev.group)
        || filter.kind.as_ref().is_some_and(|kind| !is_kind(kind));
    if left_out { Wanted::Empty } else { Wanted::Yes }
}
