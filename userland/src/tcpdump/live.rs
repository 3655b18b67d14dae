//! Where packets come from when tcpdump listens: a packet socket on a link, or on all of them. Models `pcap-linux.c`.

use std::borrow::Cow;

use hopwise_capture::{Direction, Frame, LinkType, Meta, sll2_header};
use hopwise_devices::{HwType, LinkFlags};
use hopwise_machine::Sys;
use hopwise_protocols::wire::ethernet::{ETH_HLEN, ETH_P_8021AD, ETH_P_8021Q, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6};
use hopwise_protocols::wire::vlan::VLAN_HLEN;
use hopwise_sim_core::{IfIndex, PacketType, VlanTag};
use hopwise_stack::capture;
use hopwise_stack::socket::{Datagram, SocketKind};

use super::options::{Options, Refusal, Wanted};
use crate::captures::link_type;
use crate::kernel::SimKernel;
use crate::sock::Sock;

/// Bytes of the addresses in front of a VLAN tag.
const ADDRESSES: usize = 12;
/// Bytes of a [`LinkType::LINUX_SLL`] header.
const SLL_HLEN: usize = 16;

/// The pseudo-device that stands for all links.
const ANY: &str = "any";

/// An open capture.
#[derive(Clone, Debug)]
pub(super) struct Live {
    /// The name of the device.
    pub device: String,
    /// What its frames begin with.
    pub link_type: LinkType,
    /// The netmask of its first address, for filters that ask for broadcasts.
    pub netmask: u32,
    sock: Sock,
    link: IfIndex,
    wanted: Wanted,
}

/// A frame with what is known about it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// Time and bytes.
    pub frame: Frame,
    /// The link it passed.
    pub link: IfIndex,
    /// The name of that link.
    pub name: String,
    /// How it passed.
    pub direction: Direction,
    /// Whether it is to be shown; others are only counted.
    pub wanted: bool,
    /// The VLAN tag that was beside the frame and is shown among its bytes.
    pub tag: VlanTag,
}

impl Seen {
    /// What the filter and the printer want to know.
    pub(super) fn meta(&self) -> Meta<'_> {
        let vlan = self.tag.is_some().then_some(self.tag.tci);
        Meta { interface: Some(&self.name), ifindex: Some(self.link.0), direction: Some(self.direction), vlan }
    }

    /// The bytes that the kernel's filter sees, and how many there were: a tag beside the frame is not among them.
    pub(super) fn filtered(&self, link_type: LinkType) -> (Cow<'_, [u8]>, u32) {
        let (data, len) = (&self.frame.data[..], self.frame.orig_len);
        match (data.get(..ADDRESSES), data.get(ADDRESSES + VLAN_HLEN..)) {
            (Some(front), Some(rest)) if self.tag.is_some() && link_type == LinkType::ETHERNET => {
                (Cow::Owned([front, rest].concat()), len.saturating_sub(VLAN_HLEN as u32))
            }
            _ => (Cow::Borrowed(data), len),
        }
    }
}

impl Live {
    /// Opens the device that the options name, or the first useful one.
    ///
    /// # Errors
    /// In libpcap's words.
    pub(super) fn open(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<Live, Refusal> {
        let (device, chosen) = match &options.interface {
            Some(name) => (device_named(sys, name)?, true),
            None => (devices(sys).into_iter().next().map_or_else(|| ANY.to_owned(), |d| d.name), false),
        };
        let (link, link_type) = if device == ANY {
            (IfIndex::NONE, if chosen { LinkType::LINUX_SLL2 } else { LinkType::LINUX_SLL })
        } else {
            let link = usable_link(sys, &device)?;
            let dev = sys.kernel.net.ns(sys.ns()).and_then(|ns| ns.devs.get(link));
            (link, dev.map_or(LinkType::ETHERNET, |dev| link_type(dev.hw)))
        };
        if options.list_stamps {
            let out = format!("Time stamp types for {device} (use option -j to set):\n  host (Host)\n");
            return Err(Refusal { status: 0, out, err: String::new() });
        }
        if options.monitor {
            return Err(Refusal::new(format!("{device}: That device doesn't support monitor mode")));
        }
        if options.list_types {
            let dev = sys.kernel.net.ns(sys.ns()).and_then(|ns| ns.devs.get(link));
            return Err(types_of(&device, dev.map(|dev| dev.hw)));
        }
        let link_type = match options.link_type {
            Some(LinkType::LINUX_SLL | LinkType::LINUX_SLL2) if device == ANY => options.link_type.unwrap_or(link_type),
            Some(asked) if asked != link_type => {
                let name = asked.name().unwrap_or_default();
                return Err(Refusal::new(format!("{name} is not one of the DLTs supported by this device")));
            }
            _ => link_type,
        };
        if options.link_type.is_some() || link_type == LinkType::LINUX_SLL2 {
            sys.err(&format!("tcpdump: data link type {}\n", link_type.name().unwrap_or_default()));
        }
        let failed = |errno| Refusal::new(format!("{device}: {errno}"));
        let sock = Sock::open(sys, SocketKind::Packet { protocol: ETH_P_ALL }).map_err(failed)?;
        sys.kernel.net.bind_to_link(sock.ns, sock.id, link).map_err(failed)?;
        if !options.no_promisc {
            sys.kernel.net.set_promiscuous(sock.ns, sock.id, true);
        }
        let first = sys.kernel.net.ns(sock.ns).and_then(|ns| ns.devs.get(link)?.inet.addrs.first());
        let netmask = first.map_or(0, |a| u32::MAX.checked_shl(32 - u32::from(a.prefix_len)).unwrap_or(0));
        Ok(Live { device, link_type, netmask, sock, link, wanted: options.wanted })
    }

    /// Whether the link has been deleted.
    pub(super) fn is_gone(&self, sys: &Sys<'_, SimKernel>) -> bool {
        match sys.kernel.net.ns(self.sock.ns) {
            Some(ns) => self.link.is_some() && ns.devs.get(self.link).is_none(),
            None => true,
        }
    }

    /// The next frame that has passed.
    pub(super) fn next(&self, sys: &mut Sys<'_, SimKernel>) -> Option<Seen> {
        let datagram = self.sock.recv(sys)?;
        let space = sys.kernel.net.ns(self.sock.ns)?;
        let dev = space.devs.get(datagram.iif);
        let loopback = dev.is_some_and(|d| d.flags.contains(LinkFlags::LOOPBACK));
        let direction = direction(&datagram);
        let out = direction == Direction::Outgoing;
        let wanted = match self.wanted {
            // What leaves through lo comes in again at once: once is enough (linux_check_direction).
            _ if out && loopback => false,
            Wanted::Both => true,
            Wanted::In => !out,
            Wanted::Out => out,
        };
        let hw = dev.map_or(HwType::Ether, |d| d.hw);
        let data = cooked(self.link_type, &datagram, hw, direction);
        Some(Seen {
            frame: Frame::new(datagram.at.unix_nanos(), data),
            link: datagram.iif,
            name: dev.map_or_else(String::new, |d| d.name.to_string()),
            direction,
            wanted,
            tag: datagram.tag,
        })
    }
}

fn direction(datagram: &Datagram) -> Direction {
    match datagram.seen {
        Some((capture::Direction::Out, _)) => Direction::Outgoing,
        Some((_, PacketType::Broadcast)) => Direction::Broadcast,
        Some((_, PacketType::Multicast)) => Direction::Multicast,
        Some((_, PacketType::OtherHost)) => Direction::OtherHost,
        _ => Direction::Host,
    }
}

/// The frame with the header that this link type has in place of the Ethernet header.
fn cooked(link_type: LinkType, datagram: &Datagram, hw: HwType, direction: Direction) -> Vec<u8> {
    let bytes = &datagram.bytes;
    if link_type == LinkType::ETHERNET {
        return bytes.clone();
    }
    let (mut protocol, source, mut rest) = match bytes.split_first_chunk::<ETH_HLEN>() {
        _ if !hw.has_ethernet() => {
            let version = bytes.first().map_or(4, |b| b >> 4);
            (if version == 6 { ETH_P_IPV6 } else { ETH_P_IP }, &[][..], &bytes[..])
        }
        Some((header, rest)) => (u16::from_be_bytes([header[12], header[13]]), &header[6..12], rest),
        None => return bytes.clone(),
    };
    // A socket without link headers gets no tag that was beside the frame; of what is sent it gets what the network header
    // begins, of what comes in also tags that were among the bytes, with the protocol behind them (tpacket_rcv,
    // vlan_get_protocol_dgram).
    let mut outermost = datagram.tag.is_some();
    let mut behind = rest;
    while let (ETH_P_8021Q | ETH_P_8021AD, Some((tag, after))) = (protocol, behind.split_first_chunk::<VLAN_HLEN>()) {
        protocol = u16::from_be_bytes([tag[2], tag[3]]);
        behind = after;
        if core::mem::take(&mut outermost) || direction == Direction::Outgoing {
            rest = behind;
        }
    }
    let arphrd = hw.number();
    match link_type {
        LinkType::LINUX_SLL2 => [&sll2_header(protocol, datagram.iif.0, arphrd, direction, source), rest].concat(),
        LinkType::LINUX_SLL => [&sll_header(protocol, arphrd, direction, source), rest].concat(),
        _ => bytes.clone(),
    }
}

/// The header of a [`LinkType::LINUX_SLL`] capture: sort, hardware type, address, EtherType.
fn sll_header(protocol: u16, arphrd: u16, direction: Direction, address: &[u8]) -> [u8; SLL_HLEN] {
    let mut header = [0; SLL_HLEN];
    let shown = address.len().min(8);
    header[1] = direction as u8;
    header[2..4].copy_from_slice(&arphrd.to_be_bytes());
    header[5] = shown as u8;
    header[6..6 + shown].copy_from_slice(&address[..shown]);
    header[14..].copy_from_slice(&protocol.to_be_bytes());
    header
}

/// The name of the link that a cooked header tells of, as this machine knows it (`if_indextoname`).
pub(super) fn link_of_cooked(sys: &Sys<'_, SimKernel>, link_type: LinkType, data: &[u8]) -> Option<String> {
    let index = data.get(4..)?.first_chunk().filter(|_| link_type == LinkType::LINUX_SLL2)?;
    let dev = sys.kernel.net.ns(sys.ns())?.devs.get(IfIndex(u32::from_be_bytes(*index)))?;
    Some(dev.name.to_string())
}

/// A device as `-D` lists it.
pub(super) struct Device {
    /// Its name.
    pub name: String,
    flags: String,
    /// How little use it is (`get_figure_of_merit`): the list is sorted by this.
    merit: u32,
}

/// All devices in the order of libpcap: what is up and connected comes first, `any` and `lo` after that.
pub(super) fn devices(sys: &Sys<'_, SimKernel>) -> Vec<Device> {
    let mut all = vec![Device { name: ANY.to_owned(), flags: "Up, Running".to_owned(), merit: 0x0800_0000 }];
    for dev in sys.kernel.net.ns(sys.ns()).into_iter().flat_map(|ns| ns.devs.iter()) {
        let shown = dev.flags_shown();
        let loopback = shown.contains(LinkFlags::LOOPBACK);
        let running = shown.contains(LinkFlags::RUNNING);
        let connected = if loopback {
            ""
        } else if shown.contains(LinkFlags::LOWER_UP) {
            "Connected"
        } else {
            "Disconnected"
        };
        let mut flags: Vec<&str> = Vec::new();
        for (set, word) in [(dev.is_up(), "Up"), (running, "Running"), (loopback, "Loopback")] {
            flags.extend(set.then_some(word));
        }
        if flags.is_empty() {
            flags.push("none");
        }
        flags.extend(Some(connected).filter(|c| !c.is_empty()));
        let merits = [
            (!running, 0x8000_0000),
            (!dev.is_up(), 0x4000_0000),
            (connected == "Disconnected", 0x2000_0000),
            (loopback, 0x1000_0000),
        ];
        let merit = merits.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum();
        all.push(Device { name: dev.name.to_string(), flags: flags.join(", "), merit });
    }
    all.sort_by_key(|d| d.merit);
    all
}

/// What `-D` prints.
pub(super) fn device_list(sys: &Sys<'_, SimKernel>) -> String {
    let line = |(i, device): (usize, &Device)| {
        let about = if device.name == ANY { " (Pseudo-device that captures on all interfaces)" } else { "" };
        format!("{}.{}{about} [{}]\n", i + 1, device.name, device.flags)
    };
    devices(sys).iter().enumerate().map(line).collect()
}

/// The device of that name, or of that number in the list of `-D`.
fn device_named(sys: &Sys<'_, SimKernel>, name: &str) -> Result<String, Refusal> {
    if name == ANY || crate::sock::link_named(sys, name).is_some() {
        return Ok(name.to_owned());
    }
    match name.parse::<usize>() {
        Ok(number) => devices(sys)
            .into_iter()
            .nth(number.wrapping_sub(1))
            .map(|d| d.name)
            .ok_or_else(|| Refusal::new("Invalid adapter index")),
        Err(_) => {
            let mut refusal = Refusal::new(format!("{name}: No such device exists"));
            refusal.err.push_str("(No such device exists)\n");
            Err(refusal)
        }
    }
}

fn usable_link(sys: &Sys<'_, SimKernel>, name: &str) -> Result<IfIndex, Refusal> {
    let dev = sys.kernel.net.ns(sys.ns()).and_then(|ns| ns.devs.find(name));
    match dev {
        Some(dev) if dev.is_up() => Ok(dev.index),
        _ => Err(Refusal::new(format!("{name}: That device is not up"))),
    }
}

fn types_of(device: &str, hw: Option<HwType>) -> Refusal {
    let own = [link_type(hw.unwrap_or(HwType::Ether))];
    let types: &[LinkType] = if device == ANY { &[LinkType::LINUX_SLL, LinkType::LINUX_SLL2] } else { &own };
    let mut out = format!("Data link types for {device} (use option -y to set):\n");
    for link_type in types {
        out.push_str(&format!("  {link_type}\n"));
    }
    if hw == Some(HwType::Ether) {
        // An Ethernet card may be a tap of a cable modem.
        out.push_str("  DOCSIS (DOCSIS) (printing not supported)\n");
    }
    Refusal { status: 0, out, err: String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cooked_header() {
        let header = sll_header(0x0800, HwType::Loopback.number(), Direction::Outgoing, &[1, 2, 3, 4, 5, 6]);
        assert_eq!(header, [0, 4, 3, 4, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0]);
    }
}
