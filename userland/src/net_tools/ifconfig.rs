//! `ifconfig`: shows interfaces and sets them up.

use core::net::{Ipv4Addr, Ipv6Addr};

use hopwise_devices::LinkFlags;
use hopwise_machine::{Program, Sys, once};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::Errno;

use super::interface::{Interface, SHORT_HEAD};
use super::names::{First, resolve_or_tell};
use super::{RELEASE, atoi, ether, ioctl, perror, prefix_mask};
use crate::kernel::SimKernel;

/// What `ifconfig -h` prints, divided where the lists come.
const USAGE: &str = include_str!("usage/ifconfig.txt");
const HARDWARE: &str = include_str!("usage/hardware.txt");
const FAMILIES: &str = include_str!("usage/families.txt");

/// The words that set (or, with `-` in front, clear) a flag, and which.
const FLAG_WORDS: &[(&str, u32, bool)] = &[
    ("arp", 0x80, false),
    ("-arp", 0x80, true),
    ("trailers", 0x20, false),
    ("-trailers", 0x20, true),
    ("promisc", 0x100, true),
    ("-promisc", 0x100, false),
    ("multicast", 0x1000, true),
    ("-multicast", 0x1000, false),
    ("allmulti", 0x200, true),
    ("-allmulti", 0x200, false),
    ("dynamic", 0x8000, true),
    ("-dynamic", 0x8000, false),
    ("up", 0x1 | 0x40, true),
    ("down", 0x1, false),
];

/// The words that ask for what no link here has, with the request's name and what the kernel says to it.
const UNSUPPORTED: &[(&str, &str, Errno)] = &[
    ("keepalive", "SIOCSKEEPALIVE", Errno::EOPNOTSUPP),
    ("outfill", "SIOCSOUTFILL", Errno::EOPNOTSUPP),
    ("mem_start", "mem_start: SIOCSIFMAP", Errno::EOPNOTSUPP),
    ("io_addr", "io_addr: SIOCSIFMAP", Errno::EOPNOTSUPP),
    ("irq", "irq: SIOCSIFMAP", Errno::EOPNOTSUPP),
];

/// The families whose addresses cannot be set, with their numbers.
const OTHER_FAMILIES: &[(&str, u8)] = &[
    ("unix", 1),
    ("ax25", 3),
    ("ipx", 4),
    ("ddp", 5),
    ("netrom", 6),
    ("x25", 9),
    ("rose", 11),
    ("ash", 18),
    ("ec", 19),
];

/// Starts `ifconfig`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| run(sys, &args).unwrap_or_else(|status| status))
}

/// An early end with an exit status.
type Done<T> = Result<T, i32>;

fn usage(sys: &mut Sys<'_, SimKernel>, mistake: bool) -> i32 {
    let at = USAGE.find("  <AF>=").unwrap_or(USAGE.len());
    let (front, back) = USAGE.split_at(at);
    super::usage(sys, &[(front, HARDWARE), (back, FAMILIES)], mistake)
}

fn hint(sys: &mut Sys<'_, SimKernel>) -> i32 {
    sys.err("ifconfig: `--help' gives usage information.\n");
    1
}

fn run(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Done<i32> {
    let (mut all, mut short) = (false, false);
    let mut words = args.iter().map(String::as_str).peekable();
    while let Some(option) = words.next_if(|word| word.starts_with('-')) {
        match option {
            "-a" => all = true,
            "-s" => short = true,
            "-v" => {}
            "-V" | "-version" | "--version" => {
                sys.out(RELEASE);
                return Ok(0);
            }
            "-?" | "-h" | "-help" | "--help" => return Ok(usage(sys, false)),
            _ => {
                sys.err(&format!("ifconfig: option `{option}' not recognised.\n"));
                return Err(hint(sys));
            }
        }
    }
    let Some(name) = words.next() else {
        let shown: Vec<Interface> = Interface::all(sys).into_iter().filter(|i| all || i.is_up()).collect();
        print(sys, &shown, short);
        return Ok(0);
    };
    let name: String = name.chars().take(ioctl::NAME_MAX).collect();
    let rest: Vec<&str> = words.collect();
    let (family, rest) = match rest.split_first() {
        Some((family, rest)) if super::FAMILIES.contains(family) => (*family, rest),
        _ => ("inet", &rest[..]),
    };
    let other = OTHER_FAMILIES.iter().find(|(name, _)| *name == family);
    if let Some((_, number)) = other.filter(|_| !rest.is_empty()) {
        sys.err(&format!("Don't know how to set addresses for family {number}.\n"));
        return Err(1);
    }
    if rest.is_empty() {
        return show(sys, &name, short);
    }
    Setup { name, status: 0, mask: None, words: rest.iter() }.run(sys)
}

fn print(sys: &mut Sys<'_, SimKernel>, shown: &[Interface], short: bool) {
    if short {
        sys.out(&format!("Iface      {SHORT_HEAD}"));
    }
    for interface in shown {
        sys.out(&if short { interface.short() } else { interface.long() });
    }
}

fn show(sys: &mut Sys<'_, SimKernel>, name: &str, short: bool) -> Done<i32> {
    match Interface::named(sys, name) {
        Ok(interface) => {
            print(sys, &[interface], short);
            Ok(0)
        }
        Err(_) => {
            if short {
                sys.out(&format!("Iface      {SHORT_HEAD}"));
            }
            unknown(sys, name);
            Err(1)
        }
    }
}

fn unknown(sys: &mut Sys<'_, SimKernel>, name: &str) {
    sys.err(&format!("{name}: error fetching interface information: Device not found\n"));
}

/// The work on one interface, word by word. A failure does not stop it; the exit status collects them.
struct Setup<'w> {
    name: String,
    status: i32,
    /// The mask that came with an address, set when all is done.
    mask: Option<u32>,
    words: core::slice::Iter<'w, &'w str>,
}

impl<'w> Setup<'w> {
    fn run(mut self, sys: &mut Sys<'_, SimKernel>) -> Done<i32> {
        while let Some(word) = self.words.next() {
            self.word(sys, word)?;
        }
        if let Some(mask) = self.mask {
            let done = ioctl::set_netmask(sys, &self.name, Ipv4Addr::from(mask));
            self.check(sys, "SIOCSIFNETMASK", done);
        }
        Ok(self.status & 0xff)
    }

    fn word(&mut self, sys: &mut Sys<'_, SimKernel>, word: &str) -> Done<()> {
        if let Some((_, bits, set)) = FLAG_WORDS.iter().find(|(name, ..)| *name == word) {
            self.change_flags(sys, *bits, *set);
            return Ok(());
        }
        if let Some((_, request, errno)) = UNSUPPORTED.iter().find(|(name, ..)| *name == word) {
            self.argument(sys)?;
            let done = ioctl::link(sys, &self.name).map(|_| ()).and(Err(*errno));
            self.check(sys, request, done);
            return Ok(());
        }
        match word {
            "mtu" => {
                let mtu = atoi(self.argument(sys)?);
                let done = ioctl::set_mtu(sys, &self.name, mtu);
                self.check(sys, "SIOCSIFMTU", done);
            }
            "txqueuelen" => {
                let length = atoi(self.argument(sys)?);
                let done = ioctl::set_txqlen(sys, &self.name, length);
                self.check(sys, "SIOCSIFTXQLEN", done);
            }
            "name" => {
                let new: String = self.argument(sys)?.chars().take(ioctl::NAME_MAX).collect();
                let done = ioctl::rename(sys, &self.name, &new);
                self.check(sys, "SIOCSIFNAME", done);
            }
            "netmask" => {
                let mask = self.resolved(sys)?;
                let done = ioctl::set_netmask(sys, &self.name, mask);
                self.check(sys, "SIOCSIFNETMASK", done);
            }
            "dstaddr" => {
                let peer = self.resolved(sys)?;
                let done = ioctl::set_peer(sys, &self.name, peer);
                self.check(sys, "SIOCSIFDSTADDR", done);
            }
            "broadcast" | "pointopoint" => self.wanted_mode(sys, word)?,
            "-broadcast" => self.lasting_mode(sys, LinkFlags::BROADCAST, "BROADCAST"),
            "-pointopoint" => self.lasting_mode(sys, LinkFlags::POINTOPOINT, "POINTOPOINT"),
            "hw" => self.hardware(sys)?,
            "media" => {
                self.change_flags(sys, 0x4000, true);
                let media = self.argument(sys)?;
                self.address(sys, media)?;
            }
            "add" | "del" => self.alias(sys, word == "add")?,
            "tunnel" => {
                let peer = self.argument(sys)?;
                sys.err(&format!("{peer}: Resolver Error 0 (no error)\n"));
                return Err(1);
            }
            _ => self.address(sys, word)?,
        }
        Ok(())
    }

    fn argument(&mut self, sys: &mut Sys<'_, SimKernel>) -> Done<&'w str> {
        self.words.next().copied().ok_or_else(|| usage(sys, true))
    }

    fn resolved(&mut self, sys: &mut Sys<'_, SimKernel>) -> Done<Ipv4Addr> {
        let text = self.argument(sys)?;
        resolve_or_tell(sys, text, First::Networks).map(|found| found.addr).ok_or(1)
    }

    fn check(&mut self, sys: &mut Sys<'_, SimKernel>, request: &str, done: Result<(), Errno>) {
        if let Err(errno) = done {
            perror(sys, request, errno);
            self.status |= 1;
        }
    }

    fn change_flags(&mut self, sys: &mut Sys<'_, SimKernel>, bits: u32, set: bool) {
        self.status |= change_flags(sys, &self.name, bits, set);
    }

    /// `broadcast [ADDR]`, `pointopoint [ADDR]`: the address, if one follows, and the flag.
    fn wanted_mode(&mut self, sys: &mut Sys<'_, SimKernel>, word: &str) -> Done<()> {
        let broadcast = word == "broadcast";
        if self.words.len() > 0 {
            let addr = self.resolved(sys)?;
            if broadcast {
                let done = ioctl::set_broadcast(sys, &self.name, addr);
                self.check(sys, "SIOCSIFBRDADDR", done);
            } else {
                let done = ioctl::set_peer(sys, &self.name, addr);
                self.check(sys, "SIOCSIFDSTADDR", done);
            }
        }
        self.change_flags(sys, if broadcast { 0x2 } else { 0x10 }, true);
        Ok(())
    }

    /// `-broadcast`, `-pointopoint`: kernels do not let themselves be told.
    fn lasting_mode(&mut self, sys: &mut Sys<'_, SimKernel>, flag: LinkFlags, mode: &str) {
        self.change_flags(sys, flag.bits(), false);
        match ioctl::flags(sys, &self.name) {
            Ok(flags) if flags.contains(flag) => {
                sys.err(&format!("Warning: Interface {} still in {mode} mode.\n", self.name));
            }
            Ok(_) => {}
            Err(errno) => {
                sys.err(&format!("{}: ERROR while testing interface flags: {errno}\n", self.name));
                self.status |= -1;
            }
        }
    }

    /// `hw KIND ADDR`.
    fn hardware(&mut self, sys: &mut Sys<'_, SimKernel>) -> Done<()> {
        let kind = self.argument(sys)?;
        let known = HARDWARE.split_whitespace().zip(HARDWARE.split_whitespace().skip(1));
        if !known.into_iter().any(|(name, title)| name == kind && title.starts_with('(')) {
            return Err(usage(sys, true));
        }
        if kind == "loop" {
            sys.err(&format!("hw address type `{kind}' has no handler to set address. failed.\n"));
            return Err(1);
        }
        let text = self.argument(sys)?;
        // Other kinds have addresses of their own form, which no link here takes.
        let ether = kind == "ether";
        let addr = if ether { ether::parse(text) } else { Some(MacAddr::default()) };
        let Some(addr) = addr else {
            sys.err(&format!("{text}: invalid {kind} address.\n"));
            self.status |= 1;
            return Ok(());
        };
        let done = ioctl::set_hardware_address(sys, &self.name, ether, addr);
        self.check(sys, "SIOCSIFHWADDR", done);
        Ok(())
    }

    /// A word that is nothing else: the interface's address, `ADDR[/LENGTH]`; the interface is set up with it.
    fn address(&mut self, sys: &mut Sys<'_, SimKernel>, word: &str) -> Done<()> {
        let (host, length) = word.split_once('/').map_or((word, None), |(host, length)| (host, Some(length)));
        if let Some(length) = length {
            self.mask = Some(prefix_mask(length).ok_or_else(|| usage(sys, true))?);
        }
        let Some(found) = resolve_or_tell(sys, host, First::Networks) else { return Err(hint(sys)) };
        let done = ioctl::set_address(sys, &self.name, found.addr);
        self.check(sys, "SIOCSIFADDR", done);
        self.change_flags(sys, 0x1 | 0x40, true);
        Ok(())
    }

    /// `add ADDR`, `del ADDR`: an alias with this address comes up or goes down; if there is none, one is made under the
    /// first free number, with the mask and broadcast address of the interface. `del` makes one too.
    fn alias(&mut self, sys: &mut Sys<'_, SimKernel>, up: bool) -> Done<()> {
        let text = self.argument(sys)?;
        if text.split('/').next().is_some_and(|addr| addr.parse::<Ipv6Addr>().is_ok()) {
            // There is no IPv6 here, which is how a link with `disable_ipv6` answers.
            self.check(sys, "SIOCSIFADDR", Err(Errno::EACCES));
            return Ok(());
        }
        let found = resolve_or_tell(sys, text, First::Hosts).ok_or(1)?;
        let Ok(link) = Interface::named(sys, &self.name) else {
            unknown(sys, &self.name);
            unknown(sys, &self.name);
            return Ok(());
        };
        let mut aliases = Interface::all(sys);
        aliases.retain(|i| i.alias_number(&self.name).is_some() || (i.name == self.name && i.name.contains(':')));
        if let Some(alias) = aliases.iter().find(|i| i.addr.as_ref().is_some_and(|a| a.local == found.addr)) {
            self.status |= change_flags(sys, &alias.name, if up { 0x1 | 0x40 } else { 0x1 }, up);
            return Ok(());
        }
        let taken: Vec<u32> = aliases.iter().filter_map(|i| i.alias_number(&self.name)).collect();
        let number = (0..).find(|n| !taken.contains(n)).unwrap_or(0);
        let alias: String = format!("{}:{number}", self.name).chars().take(ioctl::NAME_MAX).collect();
        let (mask, broadcast) = link.addr.as_ref().map_or((0, Ipv4Addr::UNSPECIFIED), |a| {
            (
                u32::MAX.checked_shl(32 - u32::from(a.prefix_len)).unwrap_or(0),
                a.broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED),
            )
        });
        // What the kernel refuses here is not told.
        let _ = ioctl::set_address(sys, &alias, found.addr)
            .and_then(|()| ioctl::set_netmask(sys, &alias, Ipv4Addr::from(mask)))
            .and_then(|()| ioctl::set_broadcast(sys, &alias, broadcast))
            .and_then(|()| ioctl::set_flags(sys, &alias, link.flags));
        Ok(())
    }
}

/// `set_flag`, `clr_flag`: gives -1 and tells if it did not work.
fn change_flags(sys: &mut Sys<'_, SimKernel>, name: &str, bits: u32, set: bool) -> i32 {
    let mut flags = match ioctl::flags(sys, name) {
        Ok(flags) => flags,
        Err(errno) => {
            sys.err(&format!("{name}: ERROR while getting interface flags: {errno}\n"));
            return -1;
        }
    };
    flags.set(LinkFlags::from_bits_retain(bits), set);
    match ioctl::set_flags(sys, name, flags) {
        Ok(()) => 0,
        Err(errno) => {
            perror(sys, "SIOCSIFFLAGS", errno);
            -1
        }
    }
}
