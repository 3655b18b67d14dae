//! `arp`: shows and changes the neighbour table.

use core::fmt::Write;
use core::net::Ipv4Addr;

use hopwise_devices::HwType;
use hopwise_machine::{Program, Sys, once};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::Errno;

use super::ioctl::{self, ArpReq};
use super::names::{self, First, resolve_or_tell};
use super::{RELEASE, ether, features, perror};
use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;
use crate::procfs::net::{ATF_COM, ATF_PERM, ATF_PUBL, ArpLine, arp_lines};

const USAGE: &str = include_str!("usage/arp.txt");
const HARDWARE: &str = include_str!("usage/arp-hardware.txt");
/// Kinds of hardware that have no ARP.
const WITHOUT_ARP: &[&str] =
    &["loop", "slip", "cslip", "slip6", "cslip6", "adaptive", "tunnel", "ppp", "hdlc", "lapb", "frad", "sit", "ec"];

const OPTIONS: &str = "A:H:adfp:nsei:Dt:vh?DNV";
const LONG: &[Long] = &[
    ("verbose", Argument::No, 'v'),
    ("version", Argument::No, 'V'),
    ("all", Argument::No, 'a'),
    ("delete", Argument::No, 'd'),
    ("file", Argument::No, 'f'),
    ("numeric", Argument::No, 'n'),
    ("set", Argument::No, 's'),
    ("protocol", Argument::Required, 'A'),
    ("hw-type", Argument::Required, 'H'),
    ("device", Argument::Required, 'i'),
    ("help", Argument::No, 'h'),
    ("use-device", Argument::No, 'D'),
    ("symbolic", Argument::No, 'N'),
];

/// Starts `arp`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| {
        let mut arp = Arp::default();
        let status = arp.run(sys, &args).unwrap_or_else(|status| status);
        sys.out(&arp.out);
        status
    })
}

/// An early end with an exit status.
type Done<T> = Result<T, i32>;
/// The exit status of everything that failed.
const FAILED: i32 = 255;

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Task {
    #[default]
    Show,
    Set,
    Delete,
    File,
}

/// The options, and what goes to standard output at the end.
#[derive(Clone, Default, Debug)]
struct Arp {
    out: String,
    task: Task,
    bsd: bool,
    numeric: bool,
    verbose: bool,
    use_device: bool,
    /// The kind of hardware, if it was said.
    hardware: Option<String>,
    device: Option<String>,
}

impl Arp {
    fn usage(sys: &mut Sys<'_, SimKernel>, mistake: bool) -> i32 {
        super::usage(sys, &[(USAGE, HARDWARE)], mistake)
    }

    fn run(&mut self, sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Done<i32> {
        let parsed = getopt::parse(args, OPTIONS, LONG);
        for option in parsed.options {
            let option = match option {
                Ok(option) => option,
                Err(mistake) => {
                    sys.err(&format!("arp: {mistake}\n"));
                    return Err(Self::usage(sys, true));
                }
            };
            match option.key {
                'v' => self.verbose = true,
                'n' => self.numeric = true,
                'a' => (self.task, self.bsd) = (Task::Show, true),
                'e' => self.bsd = false,
                'd' => self.task = Task::Delete,
                's' => self.task = Task::Set,
                'f' => self.task = Task::File,
                'D' => self.use_device = true,
                'N' => sys.err("arp: -N not yet supported.\n"),
                'i' => self.device = option.value,
                'A' | 'p' => family(sys, option.text())?,
                'H' | 't' => self.hardware = Some(hardware(sys, option.text())?),
                'V' => {
                    self.out = format!("{RELEASE}+I18N +SELINUX\n{}", features("(ether) "));
                    return Ok(0);
                }
                _ => return Ok(Self::usage(sys, false)),
            }
        }
        let words: Vec<&str> = parsed.operands.iter().map(String::as_str).collect();
        match self.task {
            Task::Show => self.show(sys, words.first().copied()),
            Task::Set => self.set(sys, &words),
            Task::Delete => self.delete(sys, &words),
            Task::File => self.file(sys, words.first().copied().unwrap_or("/etc/ethers")),
        }
    }

    fn show(&mut self, sys: &mut Sys<'_, SimKernel>, name: Option<&str>) -> Done<i32> {
        let host = match name {
            Some(name) => Some((name, resolve_or_tell(sys, name, First::Networks).ok_or(FAILED)?.addr)),
            None => None,
        };
        let lines = ioctl::space(sys).map(arp_lines).unwrap_or_default();
        let mut found = 0;
        for line in &lines {
            // A proxy entry for all links has no kind of hardware.
            let kind = if line.dev == "*" { "" } else { kind(line) };
            let fits = host.is_none_or(|(_, addr)| addr == line.addr)
                && self.device.as_ref().is_none_or(|dev| *dev == line.dev)
                && self.hardware.as_ref().is_none_or(|hardware| hardware == kind);
            if !fits {
                continue;
            }
            let name = if self.numeric { None } else { names::host_name(sys, line.addr) };
            if self.bsd {
                bsd_line(&mut self.out, name.as_deref(), line);
            } else {
                if found == 0 {
                    self.out
                        .push_str("Address                  HWtype  HWaddress           Flags Mask            Iface\n");
                }
                linux_line(&mut self.out, name.as_deref(), line);
            }
            found += 1;
        }
        let entries = lines.len();
        if self.verbose {
            let _ = writeln!(self.out, "Entries: {entries}\tSkipped: {}\tFound: {found}", entries - found);
        }
        let restricted = host.is_some() || self.device.is_some() || self.hardware.is_some();
        match host {
            _ if found > 0 || !restricted => {}
            Some((name, addr)) if !self.bsd => drop(writeln!(self.out, "{name} ({addr}) -- no entry")),
            _ => drop(writeln!(self.out, "arp: in {entries} entries no match found.")),
        }
        Ok(0)
    }

    /// The host that the first word names.
    fn host(sys: &mut Sys<'_, SimKernel>, words: &[&str]) -> Done<Ipv4Addr> {
        let Some(name) = words.first() else {
            sys.err("arp: need host name\n");
            return Err(FAILED);
        };
        Ok(resolve_or_tell(sys, name, First::Networks).ok_or(FAILED)?.addr)
    }

    fn set(&mut self, sys: &mut Sys<'_, SimKernel>, words: &[&str]) -> Done<i32> {
        let addr = Self::host(sys, words)?;
        let Some(hardware) = words.get(1) else {
            sys.err("arp: need hardware address\n");
            return Err(FAILED);
        };
        let ether = self.hardware.as_deref().is_none_or(|h| h == "ether");
        let mut request = ArpReq {
            addr,
            hardware: MacAddr::default(),
            ether: Some(ether),
            dev: self.device.clone(),
            permanent: true,
            public: false,
            dontpub: false,
            mask: None,
        };
        if self.use_device {
            request.hardware = match ioctl::link(sys, hardware) {
                Ok(dev) => dev.addr,
                Err(errno) => {
                    sys.err(&format!("arp: cant get HW-Address for `{hardware}': {errno}.\n"));
                    return Err(FAILED);
                }
            };
            request.dev = Some(request.dev.unwrap_or_else(|| (*hardware).to_owned()));
            request.ether = Some(ether && *hardware != "lo");
        } else if let Some(addr) = ether::parse(hardware) {
            request.hardware = addr;
        } else {
            sys.err("arp: invalid hardware address\n");
            return Err(FAILED);
        }
        keywords(sys, words.get(2..).unwrap_or_default(), &mut request)?;
        if self.verbose {
            sys.err("arp: SIOCSARP()\n");
        }
        match ioctl::set_arp(sys, &request) {
            Ok(()) => Ok(0),
            Err(errno) => {
                perror(sys, "SIOCSARP", errno);
                Err(FAILED)
            }
        }
    }

    fn delete(&mut self, sys: &mut Sys<'_, SimKernel>, words: &[&str]) -> Done<i32> {
        let addr = Self::host(sys, words)?;
        let mut request = ArpReq {
            addr,
            hardware: MacAddr::default(),
            ether: None,
            dev: self.device.clone(),
            permanent: true,
            public: false,
            dontpub: false,
            mask: None,
        };
        keywords(sys, words.get(1..).unwrap_or_default(), &mut request)?;
        // First what was learned, then what is answered for.
        let tries: &[bool] = if request.public { &[true] } else { &[false, true] };
        for public in tries {
            request.public = *public;
            let request_name = if *public { "pub" } else { "dontpub" };
            if self.verbose {
                sys.err(&format!("arp: SIOCDARP({request_name})\n"));
            }
            match ioctl::delete_arp(sys, &request) {
                Ok(()) => return Ok(0),
                Err(Errno::ENXIO | Errno::EINVAL) => {}
                Err(errno) => {
                    perror(sys, &format!("SIOCDARP({request_name})"), errno);
                    return Err(FAILED);
                }
            }
        }
        let _ = writeln!(self.out, "No ARP entry for {}", words.first().copied().unwrap_or_default());
        Err(FAILED)
    }

    /// Sets the entries of a file, one in a line.
    fn file(&mut self, sys: &mut Sys<'_, SimKernel>, path: &str) -> Done<i32> {
        let Ok(text) = sys.read_file(path) else {
            sys.err(&format!("arp: cannot open etherfile {path} !\n"));
            return Err(FAILED);
        };
        for (number, line) in (1..).zip(String::from_utf8_lossy(&text).lines()) {
            if self.verbose {
                sys.err(&format!(">> {line}\n"));
            }
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.len() < 2 {
                sys.err(&format!("arp: format error on line {number} of etherfile {path} !\n"));
            } else if self.set(sys, &words).is_err() {
                sys.err(&format!("arp: cannot set entry on line {number} of etherfile {path} !\n"));
            }
        }
        Ok(0)
    }
}

fn family(sys: &mut Sys<'_, SimKernel>, name: &str) -> Done<()> {
    if name == "inet" {
        return Ok(());
    }
    let why = if super::FAMILIES.contains(&name) { "kernel only supports 'inet'." } else { "unknown address family." };
    sys.err(&format!("arp: {name}: {why}\n"));
    Err(FAILED)
}

fn hardware(sys: &mut Sys<'_, SimKernel>, name: &str) -> Done<String> {
    let with_arp = HARDWARE.split_whitespace().zip(HARDWARE.split_whitespace().skip(1));
    if with_arp.into_iter().any(|(kind, title)| kind == name && title.starts_with('(')) {
        return Ok(name.to_owned());
    }
    let why = if WITHOUT_ARP.contains(&name) { "hardware type without ARP support." } else { "unknown hardware type." };
    sys.err(&format!("arp: {name}: {why}\n"));
    Err(FAILED)
}

/// The words behind the addresses.
fn keywords(sys: &mut Sys<'_, SimKernel>, words: &[&str], request: &mut ArpReq) -> Done<()> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "temp" => request.permanent = false,
            "pub" => request.public = true,
            "priv" => request.public = false,
            "dontpub" => request.dontpub = true,
            // Flags that Linux does not look at.
            "trail" | "auto" => {}
            "dev" => {
                let dev = words.next().ok_or_else(|| Arp::usage(sys, true))?;
                request.dev = Some((*dev).to_owned());
            }
            "netmask" => {
                let mask = words.next().ok_or_else(|| Arp::usage(sys, true))?;
                if *mask != "255.255.255.255" {
                    request.mask = Some(resolve_or_tell(sys, mask, First::Networks).ok_or(FAILED)?.addr);
                }
            }
            _ => return Err(Arp::usage(sys, true)),
        }
    }
    Ok(())
}

/// The kind of a link's addresses, as net-tools calls it.
fn kind(line: &ArpLine) -> &'static str {
    if line.hw == HwType::Tunnel.number() { "tunnel" } else { "ether" }
}

fn linux_line(out: &mut String, name: Option<&str>, line: &ArpLine) {
    let addr = line.addr.to_string();
    let name = name.unwrap_or(&addr);
    let (kind, hardware) = if line.flags & ATF_COM != 0 {
        (kind(line), &*line.lladdr)
    } else if line.flags & ATF_PUBL != 0 {
        ("*", "<from_interface>")
    } else {
        ("", "(incomplete)")
    };
    let mut flags = String::new();
    flags.extend(
        [(ATF_COM, 'C'), (ATF_PERM, 'M'), (ATF_PUBL, 'P')]
            .iter()
            .filter(|(bit, _)| line.flags & bit != 0)
            .map(|(_, c)| c),
    );
    let _ = writeln!(out, "{name:<23.23}  {kind:<7.7} {hardware:<19} {flags:<5} {:<15} {}", "", line.dev);
}

fn bsd_line(out: &mut String, name: Option<&str>, line: &ArpLine) {
    let name = name.unwrap_or("?");
    let hardware = if line.flags & ATF_COM != 0 {
        format!("{} [ether]", line.lladdr)
    } else if line.flags & ATF_PUBL != 0 {
        "<from_interface>".to_owned()
    } else {
        "<incomplete>".to_owned()
    };
    let permanent = if line.flags & ATF_PERM != 0 { "PERM " } else { "" };
    let public = if line.flags & ATF_PUBL != 0 { "PUB " } else { "" };
    let _ = writeln!(out, "{name} ({}) at {hardware} {permanent}{public}on {}", line.addr, line.dev);
}
