//! `brctl` of bridge-utils 1.7: bridges through ioctl and sysfs.

use hopwise_devices::bridge::{Bridge, options};
use hopwise_machine::{Program, Sys, once};
use hopwise_sim_core::{Errno, IfIndex, NsId, Time};
use hopwise_stack::control::bridge::{FdbState, PortOption};
use hopwise_stack::control::link::LinkSpec;
use hopwise_stack::{Namespace, Network, NlError};

use crate::ip::args::unsigned;
use crate::kernel::SimKernel;

/// A message for standard error, and what was printed before.
type Done = Result<String, String>;

/// A command: name, least number of arguments, words of the usage, and what it does.
struct Command {
    name: &'static str,
    least: usize,
    args: &'static str,
    about: &'static str,
    run: fn(&mut Brctl<'_>, &[String]) -> Done,
}

/// Where a command works.
struct Brctl<'a> {
    net: &'a mut Network,
    ns: NsId,
}

static COMMANDS: &[Command] = &[
    Command { name: "addbr", least: 1, args: "<bridge>", about: "\tadd bridge", run: add_bridge },
    Command { name: "delbr", least: 1, args: "<bridge>", about: "\tdelete bridge", run: delete_bridge },
    Command { name: "addif", least: 2, args: "<bridge> <device>", about: "add interface to bridge", run: add_port },
    Command {
        name: "delif",
        least: 2,
        args: "<bridge> <device>",
        about: "delete interface from bridge",
        run: delete_port,
    },
    Command { name: "hairpin", least: 3, args: "<bridge> <port> {on|off}", about: "turn hairpin on/off", run: hairpin },
    Command {
        name: "setageing",
        least: 2,
        args: "<bridge> <time>",
        about: "\tset ageing time",
        run: |b, a| b.time(a, "ageing_time", "ageing time", "ageing time"),
    },
    Command {
        name: "setbridgeprio",
        least: 2,
        args: "<bridge> <prio>",
        about: "\tset bridge priority",
        run: bridge_priority,
    },
    Command {
        name: "setfd",
        least: 2,
        args: "<bridge> <time>",
        about: "\tset bridge forward delay",
        run: |b, a| b.time(a, "forward_delay", "forward delay", "forward delay"),
    },
    Command {
        name: "sethello",
        least: 2,
        args: "<bridge> <time>",
        about: "\tset hello time",
        run: |b, a| b.time(a, "hello_time", "hello timer", "hello timer"),
    },
    Command {
        name: "setmaxage",
        least: 2,
        args: "<bridge> <time>",
        about: "\tset max message age",
        run: |b, a| b.time(a, "max_age", "max age", "max age"),
    },
    Command {
        name: "setpathcost",
        least: 3,
        args: "<bridge> <port> <cost>",
        about: "set path cost",
        run: |b, a| b.port_number(a, "cost", "path cost"),
    },
    Command {
        name: "setportprio",
        least: 3,
        args: "<bridge> <port> <prio>",
        about: "set port priority",
        run: |b, a| b.port_number(a, "priority", "port priority"),
    },
    Command { name: "show", least: 0, args: "[ <bridge> ]", about: "\tshow a list of bridges", run: show },
    Command { name: "showmacs", least: 1, args: "<bridge>", about: "\tshow a list of mac addrs", run: show_macs },
    Command { name: "showstp", least: 1, args: "<bridge>", about: "\tshow bridge stp info", run: show_stp },
    Command { name: "stp", least: 2, args: "<bridge> {on|off}", about: "turn stp on/off", run: stp },
];

/// Starts `brctl`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| run(sys, &args))
}

fn run(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> i32 {
    let Some((word, rest)) = args.split_first() else {
        sys.err(&usage());
        return 1;
    };
    match word.as_str() {
        "-h" | "--help" => {
            sys.out(&usage());
            return 0;
        }
        "-V" | "--version" => {
            sys.out("bridge-utils, 1.7\n");
            return 0;
        }
        _ => {}
    }
    let Some(command) = COMMANDS.iter().find(|c| c.name == word) else {
        sys.err(&format!("never heard of command [{word}]\n{}", usage()));
        return 1;
    };
    if rest.len() < command.least {
        let Command { name, args, about, .. } = command;
        sys.err(&format!("Incorrect number of arguments for command\nUsage: brctl {name} {args}\t{about}\n"));
        return 1;
    }
    let ns = sys.ns();
    let done = (command.run)(&mut Brctl { net: &mut sys.kernel.net, ns }, rest);
    match done {
        Ok(text) => {
            sys.out(&text);
            0
        }
        Err(text) => {
            sys.err(&text);
            1
        }
    }
}

fn usage() -> String {
    let mut text = "Usage: brctl [commands]\ncommands:\n".to_owned();
    for c in COMMANDS {
        text.push_str(&format!("\t{:<10}\t{}\t{}\n", c.name, c.args, c.about));
    }
    text
}

impl Brctl<'_> {
    fn space(&self) -> Result<&Namespace, String> {
        self.net.ns(self.ns).ok_or_else(|| "can't setup bridge control: No such device\n".to_owned())
    }

    fn link(&self, name: &str) -> Option<IfIndex> {
        self.net.ns(self.ns)?.devs.index_of(name)
    }

    fn bridge(&self, name: &str) -> Option<(IfIndex, &Bridge)> {
        let dev = self.net.ns(self.ns)?.devs.find(name)?;
        Some((dev.index, dev.kind.bridge()?))
    }

    /// The bridge of that name, or the failure of writing into its sysfs folder.
    fn settable(&self, name: &str, what: &str) -> Result<IfIndex, String> {
        let failed = || format!("set {what} failed: {}\n", Errno::ENODEV);
        self.bridge(name).map(|(link, _)| link).ok_or_else(failed)
    }

    /// A time in seconds, with decimals.
    fn time(&mut self, args: &[String], option: &str, bad: &str, what: &str) -> Done {
        let [name, value, ..] = args else { return Ok(String::new()) };
        let seconds: f64 = value.parse().map_err(|_| format!("bad {bad} value\n"))?;
        let link = self.settable(name, what)?;
        let row = options::find(option).ok_or_else(String::new)?;
        let set = self.net.set_bridge_option(self.ns, link, row, (seconds * 100.0) as u64);
        set.map(|()| String::new()).map_err(|e| format!("set {what} failed: {}\n", e.errno))
    }

    fn port_number(&mut self, args: &[String], word: &str, what: &str) -> Done {
        let [bridge, port, value, ..] = args else { return Ok(String::new()) };
        let value = unsigned(value).ok_or_else(|| format!("bad {what} value\n"))?;
        let failed = |errno| format!("set {what} failed: {errno}\n");
        self.set_port(bridge, port, word, value).map_err(|e| failed(e.errno))
    }

    fn set_port(&mut self, bridge: &str, port: &str, word: &str, value: u64) -> Result<String, NlError> {
        let (bridge, _) = self.bridge(bridge).ok_or(Errno::ENODEV)?;
        let link = self.link(port).ok_or(Errno::ENODEV)?;
        let option = PortOption::find(word).ok_or(Errno::EOPNOTSUPP)?;
        let is_port = self.net.ports_of(self.ns, bridge).contains(&link);
        if !is_port {
            return Err(Errno::ENOENT.into());
        }
        self.net.set_port_option(self.ns, link, option, value)?;
        Ok(String::new())
    }
}

fn add_bridge(b: &mut Brctl<'_>, args: &[String]) -> Done {
    // The ioctl's buffer has room for 15 bytes.
    let name: String = args[0].chars().take(15).collect();
    match b.net.link_add(b.ns, LinkSpec::bridge(&name)) {
        Ok(_) => Ok(String::new()),
        Err(e) if e.errno == Errno::EEXIST => {
            Err(format!("device {name} already exists; can't create bridge with the same name\n"))
        }
        Err(e) => Err(format!("add bridge failed: {}\n", e.errno)),
    }
}

fn delete_bridge(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let name = &args[0];
    let Some(link) = b.link(name) else { return Err(format!("bridge {name} doesn't exist; can't delete it\n")) };
    if b.bridge(name).is_none() {
        return Err(format!("can't delete bridge {name}: {}\n", Errno::EPERM));
    }
    if b.net.is_up(b.ns, link) {
        return Err(format!("bridge {name} is still up; can't delete it\n"));
    }
    let deleted = b.net.link_del(b.ns, link);
    deleted.map(|()| String::new()).map_err(|e| format!("can't delete bridge {name}: {}\n", e.errno))
}

fn add_port(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let Some((name, ports)) = args.split_first() else { return Ok(String::new()) };
    for port in ports {
        let Some(link) = b.link(port) else { return Err(format!("interface {port} does not exist!\n")) };
        let Some(bridge) = b.link(name) else { return Err(format!("bridge {name} does not exist!\n")) };
        if b.space()?.devs.get(link).is_some_and(|d| d.port.is_some()) {
            return Err(format!("device {port} is already a member of a bridge; can't add it to bridge {name}.\n"));
        }
        match b.net.set_link_master(b.ns, link, Some(bridge)) {
            Ok(()) => {}
            Err(e) if e.errno == Errno::ELOOP => {
                let text = "is a bridge device itself; can't add a bridge device to a bridge device";
                return Err(format!("device {port} {text}.\n"));
            }
            Err(e) => return Err(format!("can't add {port} to bridge {name}: {}\n", e.errno)),
        }
    }
    Ok(String::new())
}

fn delete_port(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let Some((name, ports)) = args.split_first() else { return Ok(String::new()) };
    for port in ports {
        let Some(link) = b.link(port) else { return Err(format!("interface {port} does not exist!\n")) };
        let Some((bridge, _)) = b.bridge(name) else { return Err(format!("bridge {name} does not exist!\n")) };
        if !b.net.ports_of(b.ns, bridge).contains(&link) {
            return Err(format!("device {port} is not a port of {name}\n"));
        }
        if let Err(e) = b.net.set_link_master(b.ns, link, None) {
            return Err(format!("can't delete {port} from {name}: {}\n", e.errno));
        }
    }
    Ok(String::new())
}

/// `on`, `off` and their kin.
fn on_off(word: &str) -> Result<bool, String> {
    match word {
        "on" | "yes" | "1" => Ok(true),
        "off" | "no" | "0" => Ok(false),
        _ => Err("expect on/off for argument\n".into()),
    }
}

fn hairpin(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let on = on_off(&args[2])?;
    if b.link(&args[1]).is_none() {
        return Err(format!("interface {} does not exist!\n", args[1]));
    }
    b.set_port(&args[0], &args[1], "hairpin", on.into())
        .map_err(|e| format!("can't set {} to hairpin on bridge {}: {}\n", args[1], args[0], e.errno))
}

fn bridge_priority(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let value = unsigned(&args[1]).filter(|n| *n <= 0xffff).ok_or("bad priority\n")?;
    let link = b.settable(&args[0], "bridge priority")?;
    let row = options::find("priority").ok_or_else(String::new)?;
    let set = b.net.set_bridge_option(b.ns, link, row, value);
    set.map(|()| String::new()).map_err(|e| format!("set bridge priority failed: {}\n", e.errno))
}

/// `stp on` is refused: there is no spanning tree here.
fn stp(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let on = on_off(&args[1])?;
    let link = b.settable(&args[0], "stp status")?;
    let row = options::find("stp_state").ok_or_else(String::new)?;
    let set = b.net.set_bridge_option(b.ns, link, row, on.into());
    set.map(|()| String::new()).map_err(|e| format!("set stp status failed: {}\n", e.errno))
}

fn show(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let mut text = String::new();
    let space = b.space()?;
    let mut names: Vec<&str> = args.iter().map(String::as_str).collect();
    if names.is_empty() {
        names = space.devs.iter().filter(|d| d.kind.bridge().is_some()).map(|d| &*d.name).collect();
        names.sort_unstable();
    }
    for name in names {
        let Some(dev) = space.devs.find(name) else { return Err(format!("bridge {name} does not exist!\n")) };
        let Some(bridge) = dev.kind.bridge() else { return Err(format!("device {name} is not a bridge!\n{text}")) };
        if text.is_empty() {
            text.push_str("bridge name\tbridge id\t\tSTP enabled\tinterfaces\n");
        }
        let mut ports: Vec<&str> = bridge.ports.iter().map(|p| space.name_of(*p)).collect();
        ports.sort_unstable();
        text.push_str(&format!(
            "{name}\t\t{}\tno\t\t{}\n",
            bridge.id_text(),
            ports.first().copied().unwrap_or_default()
        ));
        for port in ports.iter().skip(1) {
            text.push_str(&format!("\t\t\t\t\t\t\t{port}\n"));
        }
    }
    Ok(text)
}

fn show_macs(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let Some((link, _)) = b.bridge(&args[0]) else {
        return Err(format!("read of forward table failed: {}\n", Errno::ENODEV));
    };
    let now = b.net.now();
    let mut rows = b.net.fdb_rows(b.ns);
    // The kernel's table has no entries of the bridge itself.
    rows.retain(|r| r.master == Some(link) && r.link != link);
    rows.sort_by_key(|r| r.addr);
    let space = b.space()?;
    let mut text = "port no\tmac addr\t\tis local?\tageing timer\n".to_owned();
    for row in rows {
        let number = space.devs.get(row.link).and_then(|d| d.port.as_deref()).map_or(0, |p| p.number);
        let local = if row.state == FdbState::Permanent { "yes" } else { "no" };
        let age = match row.state {
            FdbState::Reachable => row.ages.map_or(Time::ZERO.since(now), |(_, updated)| updated),
            _ => Time::ZERO.since(now),
        };
        let (seconds, hundredths) = (age.as_secs(), age.subsec_millis() / 10);
        text.push_str(&format!("{number:3}\t{}\t{local}\t\t{seconds:4}.{hundredths:02}\n", row.addr));
    }
    Ok(text)
}

/// A number of hundredths of a second, as a time.
fn seconds(ticks: u64) -> String {
    format!("{:4}.{:02}", ticks / 100, ticks % 100)
}

fn show_stp(b: &mut Brctl<'_>, args: &[String]) -> Done {
    let name = &args[0];
    let Some((_, bridge)) = b.bridge(name) else { return Err(format!("bridge {name} does not exist!\n")) };
    let space = b.space()?;
    let id = bridge.id_text();
    let option = |word: &str| options::find(word).map_or(0, |row| bridge.option(row));
    let time = |word: &str| seconds(option(word));
    let none = seconds(0);
    let mut text =
        format!("{name}\n bridge id\t\t{id}\n designated root\t{id}\n root port\t\t   0\t\t\tpath cost\t\t   0\n");
    for (left, right, word) in [
        ("max age\t\t", "bridge max age\t\t", "max_age"),
        ("hello time\t\t", "bridge hello time\t", "hello_time"),
        ("forward delay\t\t", "bridge forward delay\t", "forward_delay"),
    ] {
        text.push_str(&format!(" {left}{0}\t\t\t{right}{0}\n", time(word)));
    }
    text.push_str(&format!(" ageing time\t\t{}\n", time("ageing_time")));
    text.push_str(&format!(" hello timer\t\t{none}\t\t\ttcn timer\t\t{none}\n"));
    text.push_str(&format!(" topology change timer\t{none}\t\t\tgc timer\t\t{none}\n flags\t\t\t\n\n\n"));
    let mut ports: Vec<&str> = bridge.ports.iter().map(|p| space.name_of(*p)).collect();
    ports.sort_unstable();
    for name in ports {
        let Some(port) = space.devs.find(name).and_then(|d| d.port.as_deref()) else { continue };
        let number = (u16::from(port.priority) << 10) | port.number;
        text.push_str(&format!(
            "{name} ({})\n port id\t\t{number:04x}\t\t\tstate\t\t{:>15}\n designated root\t{id}\tpath cost\t\t{:4}\n \
             designated bridge\t{id}\tmessage age timer\t{none}\n designated port\t{number:04x}\t\t\tforward delay \
             timer\t{none}\n designated cost\t{:4}\t\t\thold timer\t\t{none}\n flags\t\t\t\n",
            port.number,
            port.state.name(),
            port.cost,
            0,
        ));
        if port.hairpin {
            text.push_str(" hairpin mode\t\t   1\n");
        }
        text.push('\n');
    }
    Ok(text)
}
