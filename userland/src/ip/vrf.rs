//! `ip vrf`: `ipvrf.c` of iproute2.

use hopwise_sim_core::IfIndex;

use super::Ip;
use super::args::{self, Args, Done, Fail, matches};

/// The options that exist here.
const USAGE: &str = "Usage:\tip vrf show [NAME] ...
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
        w if matches(w, "identify") => Ok(()),
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

/// No process is in a VRF: there are no control groups that could hold it there.
fn pids(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = args.next() else { return Err(Fail::usage(USAGE)) };
    find(ip, &name).map(|_| ()).ok_or_else(|| Fail::new(255, "Invalid VRF name"))
}

/// `ipvrf_exec` binds all sockets of a program by a control group with a program of its own. There are none here; `ping -I` and its
/// kin bind their sockets themselves.
fn exec(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = args.next() else { return Err(Fail::new(255, "No VRF name specified")) };
    if args.is_empty() {
        return Err(Fail::new(255, "No command specified"));
    }
    args.rest();
    let text = match find(ip, &name) {
        Some(_) => "Failed to mount cgroup2. Are CGROUPS enabled in your kernel?",
        None => "Invalid VRF name",
    };
    Err(Fail::new(255, text))
}
