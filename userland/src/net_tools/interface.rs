//! What `ifconfig` and `netstat -i` show of interfaces: links, and aliases, which are addresses with a label of their
//! own.

use core::fmt::Write;
use core::net::Ipv4Addr;

use hopwise_devices::{HwType, LinkFlags, LinkStats};
use hopwise_machine::Sys;
use hopwise_sim_core::Errno;
use hopwise_stack::Dev;
use hopwise_stack::inet::IfAddr;

use super::{ether, ioctl};
use crate::kernel::SimKernel;

/// The names of flags in the order in which they are printed.
const FLAGS: &[(u32, &str)] = &[
    (0x1, "UP"),
    (0x2, "BROADCAST"),
    (0x4, "DEBUG"),
    (0x8, "LOOPBACK"),
    (0x10, "POINTOPOINT"),
    (0x20, "NOTRAILERS"),
    (0x40, "RUNNING"),
    (0x80, "NOARP"),
    (0x100, "PROMISC"),
    (0x200, "ALLMULTI"),
    (0x800, "SLAVE"),
    (0x400, "MASTER"),
    (0x1000, "MULTICAST"),
    (0x8000, "DYNAMIC"),
];

/// The letters of flags in the short list, in its order.
const LETTERS: &[(u32, char)] = &[
    (0x200, 'A'),
    (0x2, 'B'),
    (0x4, 'D'),
    (0x8, 'L'),
    (0x1000, 'M'),
    (0x8000, 'd'),
    (0x100, 'P'),
    (0x20, 'N'),
    (0x80, 'O'),
    (0x10, 'P'),
    (0x800, 's'),
    (0x400, 'm'),
    (0x40, 'R'),
    (0x1, 'U'),
];

/// The head of the short list after its first column's, which differs between the programs.
pub const SHORT_HEAD: &str = "MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n";

/// An interface as the programs see it.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Name of the link or label of the alias.
    pub name: String,
    /// The lower 16 bits of its flags.
    pub flags: LinkFlags,
    mtu: u32,
    txqlen: u32,
    hw: HwType,
    hardware: String,
    /// Its address.
    pub addr: Option<IfAddr>,
    /// Counters; an alias has none.
    stats: Option<LinkStats>,
}

impl Interface {
    fn of(dev: &Dev, name: &str) -> Interface {
        let addr = dev.inet.addrs.iter().find(|a| *a.label == *name).map(|a| (**a).clone());
        Interface {
            name: name.to_owned(),
            flags: LinkFlags::from_bits_retain(dev.flags_shown().bits() & 0xffff),
            mtu: dev.mtu,
            txqlen: dev.tx_queue_len,
            hw: dev.hw,
            hardware: dev.addr.to_string(),
            addr,
            stats: (*dev.name == *name).then_some(dev.stats),
        }
    }

    /// The interface of that name, which may be an alias without an address.
    ///
    /// # Errors
    /// `ENODEV`.
    pub fn named(sys: &Sys<'_, SimKernel>, name: &str) -> Result<Interface, Errno> {
        Ok(Interface::of(ioctl::link(sys, name)?, name))
    }

    /// All links and aliases in the order of their names.
    pub fn all(sys: &Sys<'_, SimKernel>) -> Vec<Interface> {
        let Ok(space) = ioctl::space(sys) else { return Vec::new() };
        let mut all: Vec<Interface> = Vec::new();
        for dev in space.devs.iter() {
            all.push(Interface::of(dev, &dev.name));
            for label in dev.inet.addrs.iter().map(|a| &*a.label) {
                if !all.iter().any(|i| i.name == label) {
                    all.push(Interface::of(dev, label));
                }
            }
        }
        all.sort_by(|a, b| ether::name_order(&a.name).cmp(&ether::name_order(&b.name)));
        all
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::UP)
    }

    /// The number in the name of an alias, `3` of `eth0:3`, if it is one of this link.
    pub fn alias_number(&self, link: &str) -> Option<u32> {
        let alias = self.name.strip_prefix(link)?.strip_prefix(':')?;
        let digits = alias.bytes().take_while(u8::is_ascii_digit).count();
        alias.get(..digits)?.parse().ok()
    }

    /// The paragraph that `ifconfig` prints (`ife_print_long`).
    pub fn long(&self) -> String {
        let names: Vec<&str> =
            FLAGS.iter().filter(|(bit, _)| self.flags.bits() & bit != 0).map(|(_, name)| *name).collect();
        // The kernel hands flags over in a signed short.
        let number = self.flags.bits() as u16 as i16;
        let mut text = format!("{}: flags={number}<{}>  mtu {}\n", self.name, names.join(","), self.mtu);
        if let Some(addr) = &self.addr {
            let mask = ipnet::Ipv4Net::new_assert(addr.local, addr.prefix_len).netmask();
            let _ = write!(text, "        inet {}  netmask {mask}", addr.local);
            if self.flags.contains(LinkFlags::BROADCAST) {
                let _ = write!(text, "  broadcast {}", addr.broadcast.unwrap_or(Ipv4Addr::UNSPECIFIED));
            }
            if self.flags.contains(LinkFlags::POINTOPOINT) {
                let _ = write!(text, "  destination {}", addr.peer);
            }
            text.push('\n');
        }
        let (name, address, title) = self.hardware_words();
        let _ = writeln!(text, "        {name}{address}  txqueuelen {}  ({title})", self.txqlen);
        if let Some(s) = &self.stats {
            let _ = writeln!(text, "        RX packets {}  bytes {} ({})", s.rx_packets, s.rx_bytes, human(s.rx_bytes));
            let _ = writeln!(
                text,
                "        RX errors {}  dropped {}  overruns 0  frame {}",
                s.rx_errors, s.rx_dropped, s.rx_frame_errors
            );
            let _ = writeln!(text, "        TX packets {}  bytes {} ({})", s.tx_packets, s.tx_bytes, human(s.tx_bytes));
            let _ = writeln!(
                text,
                "        TX errors {}  dropped {} overruns 0  carrier {}  collisions {}",
                s.tx_errors, s.tx_dropped, s.tx_carrier, s.collisions
            );
        }
        text.push('\n');
        text
    }

    /// Name, address and title of the hardware type (`struct hwtype` of net-tools' `lib/hw.c`).
    fn hardware_words(&self) -> (&'static str, String, &'static str) {
        match self.hw {
            HwType::Ether => ("ether", format!(" {}", self.hardware), "Ethernet"),
            HwType::Loopback => ("loop", String::new(), "Local Loopback"),
            HwType::Tunnel => ("tunnel", " ".into(), "IPIP Tunnel"),
            HwType::None => ("unspec", " 00-00-00-00-00-00-00-00-00-00-00-00-00-00-00-00".into(), "UNSPEC"),
        }
    }

    /// The line of the short list (`ife_print_short`).
    pub fn short(&self) -> String {
        let mut text = format!("{:<15.15} {:>5} ", self.name, self.mtu);
        let _ = match &self.stats {
            Some(s) => write!(
                text,
                "{:>8} {:>6} {:>6} {:<6} {:>8} {:>6} {:>6} {:>6} ",
                s.rx_packets, s.rx_errors, s.rx_dropped, 0, s.tx_packets, s.tx_errors, s.tx_dropped, 0
            ),
            None => write!(text, "     - no statistics available -                        "),
        };
        if self.flags.is_empty() {
            text.push_str("[NO FLAGS]");
        }
        text.extend(LETTERS.iter().filter(|(bit, _)| self.flags.bits() & bit != 0).map(|(_, letter)| letter));
        text.push('\n');
        text
    }
}

/// A number of bytes in the largest unit of which there is more than one, with one digit that is cut, not rounded.
fn human(bytes: u64) -> String {
    const UNITS: &[(u32, &str)] = &[(50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = UNITS.iter().find(|(shift, _)| bytes >> shift > 0 && bytes > 1 << shift);
    let (shift, unit) = unit.copied().unwrap_or((0, "B"));
    let tenths = (u128::from(bytes) * 10) >> shift;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn bytes_for_people() {
        for (bytes, text) in [
            (0, "0.0 B"),
            (1016, "1016.0 B"),
            (1024, "1024.0 B"),
            (2032, "1.9 KiB"),
            (364_244, "355.7 KiB"),
            (1_784_868, "1.7 MiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
