//! `ip vrf`: `ipvrf.c` of iproute2.

use hopwise_sim_core::IfIndex;

use super::args::{self, Args, Done, Fail, matches};
use super::{Ip, Plan};

/// The options that exist here.
const USAGE: &str = "Usage:\tip vrf show [NAME] ...
\tip vrf exec [NAME] cmd ...
\tip vrf identify [PID]
\tip vrf pids [NAME]
";

/// Carries a command out.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show(ip, args) };
    match &*word {
        w if matches(w, "identify") => identify(ip, args),
        w if matches(w, "pids") => pids(ip, args),
        w if matches(w, "exec") => exec(ip, args),
        w if ["show", "lst", "list"].iter().any(|full| matches(w, full)) => show(ip, args),
        w if matches(w, "help") => Err(Fail::usage(USAGE)),
        _ => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip vrf help\"."))),
    }
}

/// The VRF of that name, and its table (`ipvrf_get_table`).
pub(super) fn find(ip: &Ip<'_, '_>, name: &str) -> Option<(IfIndex, u32)> {
    let dev = ip.dev(ip.link(name)?)?;
    Some((dev.index, dev.kind.vrf()?.table))
}

/// The VRF whose name comes next, for those who want the link (`name_is_vrf`).
///
/// # Errors
/// If there is none of that name.
pub(super) fn need(ip: &Ip<'_, '_>, args: &mut Args) -> Done<IfIndex> {
    let name = args.need()?;
    find(ip, &name).map(|(vrf, _)| vrf).ok_or_else(|| args::invarg("Not a valid VRF name\n", &name))
}

/// The same for those who want the table.
///
/// # Errors
/// If there is none of that name.
pub(super) fn need_table(ip: &Ip<'_, '_>, args: &mut Args) -> Done<(IfIndex, u32)> {
    let name = args.need()?;
    find(ip, &name).ok_or_else(|| args::invarg("Invalid VRF\n", &name))
}

fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    if let Some(name) = args.next() {
        let (_, table) = find(ip, &name).ok_or_else(|| Fail::new(255, "Invalid VRF"))?;
        ip.out.text(format_args!("{name} {table}\n"));
        return Ok(());
    }
    let vrfs = ip.space()?.devs.iter().filter_map(|d| Some((d.name.to_string(), d.kind.vrf()?.table)));
    let vrfs: Vec<(String, u32)> = vrfs.collect();
    ip.out.open();
    ip.out.text("Name              Table\n-----------------------\n");
    for (name, table) in &vrfs {
        ip.out.open_object(None);
        ip.out.any("name", format_args!("{name:<16}"), name.as_str());
        ip.out.any("table", format_args!(" {table:>5}\n"), *table);
        ip.out.close_object();
    }
    if vrfs.is_empty() {
        ip.out.text("No VRF has been configured\n");
    }
    ip.out.close();
    Ok(())
}

/// The part of a control group's path that names a VRF (`vrf_identify`).
fn vrf_in(cgroup: &str) -> Option<&str> {
    cgroup.split_once("/vrf/").map(|(_, name)| name)
}

/// The VRF that a process is in, this one's if none was named.
fn identify(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let pid = match args.next() {
        None => ip.sys.pid().number,
        Some(word) if !args.is_empty() => {
            drop(word);
            return Err(Fail::new(1, "Extra arguments specified"));
        }
        Some(word) => args::unsigned(&word)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| args::invarg("Invalid pid\n", &word))?,
    };
    let found = ip.sys.processes().into_iter().find(|process| process.pid == pid);
    let cgroup = found.map(|process| process.cgroup).unwrap_or_default();
    if let Some(name) = vrf_in(&cgroup) {
        ip.out.text(format_args!("{name}\n"));
    }
    Ok(())
}

fn pids(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = args.next().filter(|_| args.is_empty()) else {
        return Err(Fail::new(1, "Invalid arguments"));
    };
    find(ip, &name).ok_or_else(|| Fail::new(1, "Invalid VRF name"))?;
    let cgroup = cgroup_of(ip, &name);
    for process in ip.sys.processes().into_iter().filter(|process| *process.cgroup == *cgroup) {
        ip.out.text(format_args!("{:5}  {}\n", process.pid, process.comm));
    }
    Ok(())
}

/// The control group of a VRF: below that which this process is in, and below the name of its namespace (`vrf_path`).
fn cgroup_of(ip: &Ip<'_, '_>, name: &str) -> String {
    let now = ip.sys.cgroup();
    let above = now.split_once("/vrf/").map_or(&*now, |(above, _)| above);
    let space = ip.sys.kernel.name_of(ip.sys.machine(), ip.ns).map(|ns| format!("/{ns}"));
    let space = space.filter(|space| !above.ends_with(space.as_str())).unwrap_or_default();
    format!("{above}{space}/vrf/{name}")
}

/// `ipvrf_exec`: the program runs in a control group whose sockets are bound to the VRF. `default` is out of all of them.
fn exec(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = args.next() else { return Err(Fail::new(1, "No VRF name specified")) };
    if args.is_empty() {
        return Err(Fail::new(1, "No command specified"));
    }
    if name == "default" {
        let now = ip.sys.cgroup();
        let above = now.split_once("/vrf/").map_or(&*now, |(above, _)| above);
        ip.sys.set_cgroup(above);
    } else {
        let (vrf, _) = find(ip, &name).ok_or_else(|| Fail::new(255, "Invalid VRF name"))?;
        let cgroup = cgroup_of(ip, &name);
        let machine = ip.sys.machine();
        ip.sys.kernel.bind_cgroup(machine, &cgroup, vrf);
        ip.sys.set_cgroup(&cgroup);
    }
    ip.plan = Some(Plan::Become(args.rest()));
    Ok(())
}
