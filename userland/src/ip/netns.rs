//! `ip netns`: named namespaces. They are files in `/run/netns`, as on Linux.

use hopwise_machine::{FileKind, Sys};
use hopwise_sim_core::{Errno, NsId};

use super::args::{self, Args, Done, Fail};
use super::{Ip, Plan};
use crate::kernel::SimKernel;

/// Where the names are.
const RUN_DIR: &str = "/run/netns";

/// `ip netns ...`.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return list(ip) };
    if !ip.opt.all
        && let Some(name) = args.peek().filter(|n| is_bad_name(n))
    {
        return Err(Fail::new(255, format!("Invalid netns name \"{name}\"")));
    }
    let is = |full| args::matches(&word, full);
    match () {
        () if is("list") || is("show") || is("lst") => list(ip),
        () if is("list-id") => list_id(ip, args),
        () if is("help") => Err(Fail::usage(USAGE)),
        () if is("add") => add(ip, args),
        () if is("set") => set(ip, args),
        () if is("delete") => delete(ip, args),
        () if is("identify") => identify(ip, args),
        () if is("pids") => pids(ip, args),
        () if is("exec") => exec(ip, args),
        () if is("attach") => attach(ip, args),
        () => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip netns help\"."))),
    }
}

fn is_bad_name(name: &str) -> bool {
    matches!(name, "" | "." | "..") || name.len() > 255 || name.contains('/')
}

/// The names, the newest first (the order in which a tmpfs lists them).
pub fn names(sys: &mut Sys<'_, SimKernel>) -> Vec<(String, NsId)> {
    let machine = sys.machine();
    let mut found: Vec<(String, NsId)> = sys
        .kernel
        .names
        .get(machine.index())
        .into_iter()
        .flat_map(|names| names.iter().rev().map(|(name, ns)| (name.clone(), *ns)))
        .collect();
    // Names made by hand: symbolic links to /proc/PID/ns/net.
    for entry in sys.list(RUN_DIR).unwrap_or_default() {
        if entry.kind == FileKind::Symlink
            && let Some(ns) = linked(sys, &entry.name)
        {
            found.insert(0, (entry.name, ns));
        }
    }
    found
}

/// The namespace that `/run/netns/NAME`, a symbolic link to `/proc/PID/ns/net`, means.
fn linked(sys: &mut Sys<'_, SimKernel>, name: &str) -> Option<NsId> {
    let target = sys.readlink(&format!("{RUN_DIR}/{name}")).ok()?;
    let pid = target.strip_prefix("/proc/")?.strip_suffix("/ns/net")?;
    let pid = if pid == "self" { sys.pid().number } else { pid.parse().ok()? };
    sys.ns_of(pid)
}

/// The namespace of that name.
pub fn find(sys: &mut Sys<'_, SimKernel>, name: &str) -> Option<NsId> {
    sys.kernel.named(sys.machine(), name).or_else(|| linked(sys, name))
}

/// The namespace of that name.
///
/// # Errors
/// `Cannot open network namespace "..."`, status 255.
pub fn open(sys: &mut Sys<'_, SimKernel>, name: &str) -> Done<NsId> {
    let plain = name.strip_prefix("/run/netns/").or_else(|| name.strip_prefix("/var/run/netns/")).unwrap_or(name);
    find(sys, plain).ok_or_else(|| cannot_open(name, 255))
}

fn cannot_open(name: &str, status: i32) -> Fail {
    Fail::new(status, format!("Cannot open network namespace \"{name}\": {}", Errno::ENOENT))
}

/// The namespace that `netns NAME` or `netns PID` of `ip link` means.
///
/// # Errors
/// `Invalid "netns" value`, or ESRCH for a process that does not exist.
pub fn name_or_pid(sys: &mut Sys<'_, SimKernel>, word: &str) -> Done<NsId> {
    if let Some(ns) = find(sys, word) {
        return Ok(ns);
    }
    match word.parse::<u32>() {
        Ok(pid) => sys.ns_of(pid).ok_or_else(|| hopwise_stack::NlError::from(Errno::ESRCH).into()),
        Err(_) => Err(args::invarg("Invalid \"netns\" value\n", word)),
    }
}

/// The name by which the namespace of `ip` knows the one with a number, if it has one (`get_name_from_nsid`).
pub fn name_of_nsid(sys: &mut Sys<'_, SimKernel>, ns: NsId, id: u32) -> Option<String> {
    let wanted = sys.kernel.net.ns_of_nsid(ns, id)?;
    let known = sys.kernel.names.get(sys.machine().index());
    if let Some((name, _)) = known.and_then(|names| names.iter().rev().find(|(_, n)| **n == wanted)) {
        return Some(name.clone());
    }
    names(sys).into_iter().find(|(_, n)| *n == wanted).map(|(name, _)| name)
}

/// Moves the process into a namespace, with the files of `/etc/netns/NAME` in place of those of `/etc`
/// (`netns_switch`).
pub fn enter(sys: &mut Sys<'_, SimKernel>, name: &str, ns: NsId) {
    sys.set_ns(ns);
    let dir = format!("/etc/netns/{name}");
    for entry in sys.list(&dir).unwrap_or_default() {
        sys.bind(&format!("/etc/{}", entry.name), &format!("{dir}/{}", entry.name));
    }
}

fn list(ip: &mut Ip<'_, '_>) -> Done {
    let names = names(ip.sys);
    ip.out.open();
    for (name, ns) in names {
        let id = ip.sys.kernel.net.nsid_of(ip.ns, ns);
        ip.out.object(None, |out| {
            out.any("name", &name, name.as_str());
            if let Some(id) = id {
                out.any("id", format_args!(" (id: {id})"), id);
            }
            out.end_record();
        });
    }
    ip.out.close();
    Ok(())
}

fn list_id(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let mut only = None;
    while let Some(word) = args.next() {
        match &*word {
            "nsid" => only = Some(args.number::<u32>("\"nsid\" value is invalid")?),
            "target-nsid" => {
                let id = args.number::<u32>("\"target-nsid\" value is invalid")?;
                match ip.sys.kernel.net.ns_of_nsid(ip.ns, id) {
                    Some(ns) => ip.ns = ns,
                    None => return Err(Fail::new(1, "Error: Invalid target network namespace id.\nDump terminated")),
                }
            }
            _ => return Err(Fail::usage(USAGE)),
        }
    }
    if let Some(id) = only
        && ip.sys.kernel.net.ns_of_nsid(ip.ns, id).is_none()
    {
        return Err(Fail::new(2, "Error: Peer netns reference is invalid."));
    }
    let count = ip.space()?.nsids.len() as u32;
    ip.out.open();
    for id in (0..count).filter(|id| only.is_none_or(|o| o == *id)) {
        if ip.sys.kernel.net.ns_of_nsid(ip.ns, id).is_none() {
            continue;
        }
        let name = name_of_nsid(ip.sys, ip.ns, id);
        ip.out.object(None, |out| {
            out.any("nsid", format_args!("nsid {id} "), id);
            if let Some(name) = name {
                out.any("name", format_args!("(iproute2 netns name: {name})"), name.as_str());
            }
            out.end_record();
        });
    }
    ip.out.close();
    Ok(())
}

/// The file that stands for a name.
fn create_file(sys: &mut Sys<'_, SimKernel>, name: &str) -> Done {
    let path = format!("{RUN_DIR}/{name}");
    let cannot = |errno| Fail::new(1, format!("Cannot create namespace file \"{path}\": {errno}"));
    if sys.stat(&path, false).is_ok() {
        return Err(cannot(Errno::EEXIST));
    }
    if sys.stat(RUN_DIR, true).is_err() {
        sys.mkdir(RUN_DIR, 0o755).map_err(cannot)?;
    }
    sys.write_file(&path, &[]).map_err(cannot)
}

fn add(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = args.next() else { return Err(Fail::new(1, "No netns name specified")) };
    create_file(ip.sys, &name)?;
    let machine = ip.machine();
    let ns = ip.net().add_namespace(SimKernel::host_of(machine));
    remember(ip, name, ns);
    Ok(())
}

fn remember(ip: &mut Ip<'_, '_>, name: String, ns: NsId) {
    let machine = ip.machine();
    if let Some(names) = ip.sys.kernel.names.get_mut(machine.index()) {
        names.insert(name, ns);
    }
}

/// `ip netns attach NAME PID`: a name for the namespace of a process.
fn attach(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = args.next() else { return Err(Fail::new(1, "No netns name and PID specified")) };
    let Some(pid) = args.next() else { return Err(Fail::new(1, "No PID specified")) };
    let Ok(number) = pid.parse::<u32>() else { return Err(Fail::new(1, format!("Invalid PID: {pid}"))) };
    let Some(ns) = ip.sys.ns_of(number) else {
        let text = format!("Bind /proc/{number}/ns/net -> {RUN_DIR}/{name} failed: {}", Errno::ENOENT);
        return Err(Fail::new(1, text));
    };
    create_file(ip.sys, &name)?;
    remember(ip, name, ns);
    Ok(())
}

fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    if ip.opt.all {
        for (name, _) in names(ip.sys) {
            delete_one(ip, &name)?;
        }
        return Ok(());
    }
    match args.next() {
        Some(name) => delete_one(ip, &name),
        None => Err(Fail::new(1, "No netns name specified")),
    }
}

/// The name goes; the namespace goes with it unless it has another one or a process lives in it.
fn delete_one(ip: &mut Ip<'_, '_>, name: &str) -> Done {
    let path = format!("{RUN_DIR}/{name}");
    let cannot = |errno| Fail::new(1, format!("Cannot remove namespace file \"{path}\": {errno}"));
    ip.sys.unlink(&path).map_err(cannot)?;
    let machine = ip.machine();
    let gone = ip.sys.kernel.names.get_mut(machine.index()).and_then(|names| names.shift_remove(name));
    if let Some(ns) = gone {
        ip.sys.forget_ns(ns);
    }
    Ok(())
}

fn set(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = args.next() else { return Err(Fail::new(1, "No netns name specified")) };
    let Some(id) = args.next() else { return Err(Fail::new(1, "No nsid specified")) };
    let wanted = match &*id {
        "auto" => None,
        _ => Some(
            args::unsigned(&id)
                .and_then(|n| u32::try_from(n).ok())
                .ok_or_else(|| args::invarg("Invalid \"netnsid\" value", &id))?,
        ),
    };
    let other = find(ip.sys, &name).ok_or_else(|| cannot_open(&name, 1))?;
    let ns = ip.ns;
    match wanted {
        Some(id) => ip.net().set_nsid(ns, other, id)?,
        None if ip.net().nsid_of(ns, other).is_some() => {
            return Err(Fail::new(2, "Error: Peer netns already has a nsid assigned."));
        }
        None => {
            ip.net().nsid(ns, other);
        }
    }
    Ok(())
}

fn identify(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let pid = match args.next().as_deref() {
        None | Some("self") => ip.sys.pid().number,
        Some(text) => {
            text.parse::<u32>().map_err(|_| Fail::new(1, format!("Specified string '{text}' is not a pid")))?
        }
    };
    let missing = || Fail::new(1, format!("Cannot open network namespace: {}", Errno::ENOENT));
    let ns = ip.sys.ns_of(pid).ok_or_else(missing)?;
    let names: Vec<String> = names(ip.sys).into_iter().filter(|(_, n)| *n == ns).map(|(name, _)| name).collect();
    ip.out.text(format_args!("{}\n", names.join("\n")));
    Ok(())
}

fn pids(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = args.next() else { return Err(Fail::new(1, "No netns name specified")) };
    let missing = || Fail::new(1, format!("Cannot open network namespace: {}", Errno::ENOENT));
    let ns = find(ip.sys, &name).ok_or_else(missing)?;
    for process in ip.sys.processes() {
        if ip.sys.ns_of(process.pid) == Some(ns) {
            ip.out.text(format_args!("{}\n", process.pid));
        }
    }
    Ok(())
}

fn exec(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let nothing = || Fail::new(1, "No command specified");
    if ip.opt.all {
        let argv = args.rest();
        if argv.is_empty() {
            return Err(nothing());
        }
        let mut names = names(ip.sys);
        names.reverse();
        ip.plan = Some(Plan::Each { names, argv });
        return Ok(());
    }
    let Some(name) = args.next() else { return Err(Fail::new(1, "No netns name specified")) };
    let argv = args.rest();
    if argv.is_empty() {
        return Err(nothing());
    }
    let ns = open(ip.sys, &name)?;
    ip.plan = Some(Plan::Exec { ns: (name, ns), argv });
    Ok(())
}

const USAGE: &str = "Usage:	ip netns list
	ip netns add NAME
	ip netns attach NAME PID
	ip netns set NAME NETNSID
	ip [-all] netns delete [NAME]
	ip netns identify [PID]
	ip netns pids NAME
	ip [-all] netns exec [NAME] cmd ...
	ip netns list-id [target-nsid POSITIVE-INT] [nsid POSITIVE-INT]
NETNSID := auto | POSITIVE-INT
";
