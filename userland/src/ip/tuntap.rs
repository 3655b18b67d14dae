//! `ip tuntap`: `iptuntap.c` of iproute2. A tun or tap is made by opening it and told to stay.

use hopwise_devices::tun::{Tun, TunFlags};
use hopwise_sim_core::Errno;
use hopwise_stack::control::tun::TunRequest;

use super::args::{self, Args, Done, Fail};
use super::{Ip, Out};
use crate::kernel::SimKernel;

const USAGE: &str = "Usage: ip tuntap { add | del | show | list | lst | help } [ dev PHYS_DEV ]
       [ mode { tun | tap } ] [ user USER ] [ group GROUP ]
       [ one_queue ] [ pi ] [ vnet_hdr ] [ multi_queue ] [ name NAME ]

Where: USER  := { STRING | NUMBER }
       GROUP := { STRING | NUMBER }
";

/// Carries out a command.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show(ip) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") => add(ip, args),
        () if is("delete") => delete(ip, args),
        () if is("show") || is("lst") || is("list") => show(ip),
        () if is("help") => Err(Fail::usage(USAGE)),
        () => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip tuntap help\"."))),
    }
}

fn add(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let request = TunRequest { exclusive: true, ..parse(ip, args, true)? };
    let (ns, net) = (ip.ns, ip.net());
    let file = net.tun_open(ns, &request).map_err(failed)?;
    net.tun_persist(file, true).map_err(failed)?;
    net.tun_close(file);
    Ok(())
}

/// Opening makes it if it is not there; without persistence it goes when it is closed.
fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let request = parse(ip, args, false)?;
    let (ns, net) = (ip.ns, ip.net());
    let file = net.tun_open(ns, &request).map_err(failed)?;
    net.tun_persist(file, false).map_err(failed)?;
    net.tun_close(file);
    Ok(())
}

fn failed(errno: Errno) -> Fail {
    Fail::new(1, format!("ioctl(TUNSETIFF): {errno}"))
}

/// `parse_args`; `owners`: whether user and group can be given.
fn parse(ip: &mut Ip<'_, '_>, args: &mut Args, owners: bool) -> Done<TunRequest> {
    let mut request = TunRequest { flags: TunFlags::NO_PI, ..TunRequest::tun("") };
    while let Some(word) = args.next() {
        let is = |full| args::matches(&word, full);
        match () {
            () if is("mode") => mode(args, &mut request.flags)?,
            () if owners && is("user") => request.owner = id(ip, &args.need()?, "user", "/etc/passwd")?,
            () if owners && is("group") => request.group = id(ip, &args.need()?, "group", "/etc/group")?,
            () if is("pi") => request.flags.remove(TunFlags::NO_PI),
            () if is("one_queue") => request.flags.insert(TunFlags::ONE_QUEUE),
            () if is("vnet_hdr") => request.flags.insert(TunFlags::VNET_HDR),
            () if is("multi_queue") => request.flags.insert(TunFlags::MULTI_QUEUE),
            () if is("dev") => {
                let name = args.need()?;
                request.name = valid(&name).ok_or_else(|| args::invarg("\"dev\" not a valid ifname", &name))?;
            }
            () => {
                let name = if is("name") { args.need()? } else { word.clone() };
                if is("help") {
                    return Err(Fail::usage(USAGE));
                }
                if !request.name.is_empty() {
                    return Err(args::duparg2("name", &name));
                }
                request.name = valid(&name).ok_or_else(|| args::invarg("\"name\" not a valid ifname", &name))?;
            }
        }
    }
    if !request.flags.intersects(TunFlags::TUN | TunFlags::TAP) {
        return Err(Fail::new(1, "You failed to specify a tunnel mode"));
    }
    Ok(request)
}

fn mode(args: &mut Args, flags: &mut TunFlags) -> Done {
    let word = args.need()?;
    let wanted = match () {
        () if args::matches(&word, "tun") => TunFlags::TUN,
        () if args::matches(&word, "tap") => TunFlags::TAP,
        () => return Err(Fail::new(255, format!("Unknown tunnel mode \"{word}\""))),
    };
    flags.insert(wanted);
    if flags.contains(TunFlags::TUN | TunFlags::TAP) {
        return Err(Fail::new(255, "You managed to ask for more than one tunnel mode."));
    }
    Ok(())
}

/// `get_ifname`: what can be the name of a link.
fn valid(name: &str) -> Option<String> {
    let fits = (1..16).contains(&name.len()) && !name.contains(['/', ' ', '\t', '\n']);
    fits.then(|| name.to_owned())
}

/// The number of a user or group, by number or by name; `None`: -1, which is nobody.
fn id(ip: &mut Ip<'_, '_>, word: &str, what: &str, file: &str) -> Done<Option<u32>> {
    if let Ok(number) = word.parse::<i64>() {
        return Ok(Some(number as u32).filter(|id| *id != u32::MAX));
    }
    let text = ip.sys.read_file(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let found =
        text.lines().find_map(|line| line.strip_prefix(word)?.strip_prefix(':')?.split(':').nth(1)?.parse().ok());
    found.map(Some).ok_or_else(|| Fail::new(255, format!("invalid {what} \"{word}\"")))
}

/// The flags with their names, in the order of printing. The last one is printed where the first of all is not set.
fn flag_names(tun: &Tun) -> impl Iterator<Item = &'static str> + use<> {
    let flags = tun.flags;
    let pi = !flags.contains(TunFlags::NO_PI);
    [
        (flags.contains(TunFlags::TUN), "tun"),
        (flags.contains(TunFlags::TAP), "tap"),
        (pi, "pi"),
        (flags.contains(TunFlags::ONE_QUEUE), "one_queue"),
        (flags.contains(TunFlags::MULTI_QUEUE), "multi_queue"),
        (flags.contains(TunFlags::VNET_HDR), "vnet_hdr"),
        (flags.contains(TunFlags::PERSIST), "persist"),
        // IFF_NOFILTER has the bit of IFF_NO_PI.
        (pi, "filter"),
    ]
    .into_iter()
    .filter_map(|(on, name)| on.then_some(name))
}

/// All of them, whatever else was said.
fn show(ip: &mut Ip<'_, '_>) -> Done {
    let Ip { sys, opt, out, ns, .. } = ip;
    let mut rows: Vec<(String, Tun)> = Vec::new();
    if let Some(space) = sys.kernel.net.ns(*ns) {
        rows.extend(space.devs.iter().filter_map(|dev| Some((dev.name.to_string(), dev.kind.tun()?.clone()))));
    }
    out.open();
    for (name, tun) in rows {
        out.open_object(None);
        out.any("ifname", format_args!("{name}:"), name.as_str());
        out.array(Some("flags"), |out| flag_names(&tun).for_each(|name| out.item(format_args!(" {name}"), name)));
        for (key, id) in [("user", tun.owner), ("group", tun.group)] {
            if let Some(id) = id {
                out.any(key, format_args!(" {key} {id}"), id);
            }
        }
        if opt.details > 0 {
            let pid = tun.file.map(|_| SimKernel::pid_of(tun.reader)).filter(|_| tun.reader != 0);
            let process = pid.and_then(|pid| {
                let found = sys.processes().into_iter().find(|process| process.pid == pid.number);
                found.map(|process| (process.comm, pid.number))
            });
            out.line();
            out.text("\tAttached to processes:");
            attached(out, process);
        }
        out.end_record();
        out.close_object();
    }
    out.close();
    Ok(())
}

fn attached(out: &mut Out, process: Option<(String, u32)>) {
    out.array(Some("processes"), |out| {
        if let Some((name, pid)) = process {
            out.open_object(None);
            out.any("name", format_args!(" {name}"), name.as_str());
            out.any("pid", format_args!("({pid})"), pid);
            out.close_object();
        }
    });
}
