//! The packet as rules see it (`struct sk_buff` and `struct nf_hook_state`).

use core::net::Ipv4Addr;

use hopwise_sim_core::{ConnInfo, IfIndex, Packet};

use crate::conntrack::Conn;
pub use crate::conntrack::Template;

/// A link: its number, and its name padded with zeros so that it can be compared under a mask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkRef {
    /// Number; [`IfIndex::NONE`] if there is no link on this side.
    pub index: IfIndex,
    name: u128,
}

impl LinkRef {
    /// No link: its name is empty.
    pub const NONE: LinkRef = LinkRef { index: IfIndex::NONE, name: 0 };

    /// A link of that number and name (longer names are cut, as the kernel has none).
    pub fn new(index: IfIndex, name: &str) -> Self {
        LinkRef { index, name: pad(name.as_bytes()) }
    }

    /// The padded name, its first byte in the lowest bits.
    #[inline]
    pub const fn padded(self) -> u128 {
        self.name
    }

    /// The name.
    pub fn name(self) -> String {
        let bytes = self.name.to_le_bytes();
        let len = bytes.iter().position(|b| *b == 0).unwrap_or(16);
        String::from_utf8_lossy(&bytes[..len]).into_owned()
    }
}

/// A name of at most 15 bytes as one number.
pub(crate) fn pad(name: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(name.iter().take(15)) {
        *to = *from;
    }
    u128::from_le_bytes(bytes)
}

/// What the rules of one walk ask most: read from the packet once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Head {
    /// Source address, host byte order.
    pub src: u32,
    /// Destination address, host byte order.
    pub dst: u32,
    /// IP protocol.
    pub protocol: u8,
    /// Where the transport header begins.
    pub transport: usize,
    /// Fragment offset in units of eight bytes.
    pub fragment: u16,
    /// Ports, if the protocol has some, this is a first fragment and they are there.
    pub ports: Option<(u16, u16)>,
}

/// Protocols whose header begins with two ports.
const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

/// Where in the header of a protocol its ports, or the index of IPsec, stand.
pub(crate) const fn ports_place(protocol: u8) -> Option<usize> {
    match protocol {
        6 | 17 | 33 | 50 | 132 | 136 => Some(0),
        51 => Some(4),
        _ => None,
    }
}

impl Head {
    /// Reads it. A packet that is too short gives zeros: it matches nothing that asks for more.
    #[inline]
    pub fn read(data: &[u8]) -> Head {
        let Some(ip) = data.first_chunk::<20>() else { return Head::default() };
        let word = |at: usize| u32::from_be_bytes([ip[at], ip[at + 1], ip[at + 2], ip[at + 3]]);
        let transport = usize::from(ip[0] & 15) * 4;
        let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff;
        let protocol = ip[9];
        let ports = match data.get(transport..transport + 4) {
            Some(&[a, b, c, d]) if fragment == 0 && has_ports(protocol) => {
                Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
            }
            _ => None,
        };
        Head { src: word(12), dst: word(16), protocol, transport, fragment, ports }
    }
}

/// A packet at a hook.
#[derive(Debug)]
pub struct Skb<'a> {
    /// The packet: its data begins with the IPv4 header, the link-layer header may stand before it.
    pub packet: &'a mut Packet,
    /// The link it came in by.
    pub input: LinkRef,
    /// The link it leaves by.
    pub output: LinkRef,
    /// The bridge port it came in by.
    pub phys_in: LinkRef,
    /// The bridge port it leaves by.
    pub phys_out: LinkRef,
    /// The connection that `packet.conn` refers to.
    pub conn: Option<&'a mut Conn>,
    /// User and group of the program whose socket made it.
    pub owner: Option<(u32, u32)>,
    /// What a rule asked connection tracking to do.
    pub template: Template,
    /// What was read from the packet.
    pub head: Head,
}

impl<'a> Skb<'a> {
    /// A packet between two links, of no connection.
    #[inline]
    pub fn new(packet: &'a mut Packet, input: LinkRef, output: LinkRef) -> Self {
        let head = Head::read(packet.data());
        let owner = packet.from_socket.then_some((0, 0));
        Skb {
            packet,
            input,
            output,
            phys_in: LinkRef::NONE,
            phys_out: LinkRef::NONE,
            conn: None,
            owner,
            template: Template::default(),
            head,
        }
    }

    /// Reads [`Skb::head`] anew after addresses or ports were changed.
    pub fn reread(&mut self) {
        self.head = Head::read(self.packet.data());
    }

    /// The source address.
    pub fn src(&self) -> Ipv4Addr {
        self.head.src.into()
    }

    /// The destination address.
    pub fn dst(&self) -> Ipv4Addr {
        self.head.dst.into()
    }

    /// The transport header and what follows it; nothing in later fragments.
    pub fn payload(&self) -> &[u8] {
        if self.head.fragment != 0 {
            return &[];
        }
        self.packet.data().get(self.head.transport..).unwrap_or_default()
    }

    /// The ports, or what stands in their place: the index of IPsec, in two halves; zeros if the protocol has neither. `None`: they
    /// are cut off. `proto_ports_offset`.
    pub fn ports_or_index(&self) -> Option<(u16, u16)> {
        let Some(place) = ports_place(self.head.protocol).filter(|_| self.head.fragment == 0) else {
            return Some((0, 0));
        };
        let &[a, b, c, d] = self.payload().get(place..)?.first_chunk()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }

    /// A TCP header of a whole packet: at least 20 bytes, as long as it says.
    pub fn tcp(&self) -> Option<&[u8]> {
        let bytes = if self.head.protocol == 6 { self.payload() } else { &[] };
        let len = usize::from(bytes.get(12)? >> 4) * 4;
        bytes.get(..len.max(20))
    }

    /// How it stands to its connection.
    pub fn conn_info(&self) -> Option<ConnInfo> {
        self.packet.conn.map(|tag| tag.info)
    }
}
