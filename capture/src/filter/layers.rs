//! Where a program looks: the headers of a link type, and how `vlan`, `mpls`, `pppoes` and `geneve` move them for what
//! follows in the expression. Models the offsets of libpcap's `gencode.c` (`init_linktype`, `gen_linktype`).

use super::ast::Relation;
use super::names::{self, AARP, ATALK, IPV4, IPV6, IPX_SAP, ISO_SAP, NETBEUI_SAP};
use super::program::{Node, Offset, Place, Test};
use super::{FilterError, Source};
use crate::LinkType;

/// The largest value of an Ethernet type field that is a length.
const ETHERNET_MTU: u32 = 1500;

/// Which header a link type's frames start with, as far as the language cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Ethernet,
    /// No link header: the IP version decides.
    Raw,
    /// Raw, and only this IP version.
    RawOnly(u16),
    Loopback,
    Cooked1,
    Cooked2,
    /// PPP, as a link or inside a PPPoE session.
    Ppp,
}

/// The state of compiling: where headers stand at this point of the expression.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    pub(super) link_type: LinkType,
    /// Whether the frames come from a file, perhaps of another system.
    file: bool,
    /// The next VLAN tag is known besides the bytes.
    tag_beside: bool,
    pub(super) framing: Framing,
    pub(super) link_header: Offset,
    type_field: Offset,
    pub(super) payload: Offset,
    /// How far into the payload the network header begins (behind MPLS labels).
    pub(super) network: u32,
    pub(super) mpls_labels: u32,
    /// Registers of the Geneve tunnel entered last: its link header and payload.
    tunnel: Option<(u8, u8)>,
    registers: u8,
}

impl Layers {
    pub(super) fn new(link_type: LinkType, source: &Source) -> Result<Layers, FilterError> {
        let (framing, type_field, payload) = match link_type {
            LinkType::ETHERNET => (Framing::Ethernet, 12, 14),
            LinkType::RAW => (Framing::Raw, 0, 0),
            LinkType::IPV4 => (Framing::RawOnly(IPV4), 0, 0),
            LinkType::IPV6 => (Framing::RawOnly(IPV6), 0, 0),
            LinkType::NULL => (Framing::Loopback, 0, 4),
            LinkType::PPP => (Framing::Ppp, 2, 4),
            LinkType::LINUX_SLL => (Framing::Cooked1, 14, 16),
            LinkType::LINUX_SLL2 => (Framing::Cooked2, 0, 20),
            other => return Err(FilterError::meaning(format!("unknown data link type {}", other.0))),
        };
        Ok(Layers {
            link_type,
            file: source.file,
            tag_beside: source.tags_beside,
            framing,
            link_header: Offset::constant(0),
            type_field: Offset::constant(type_field),
            payload: Offset::constant(payload),
            network: 0,
            mpls_labels: 0,
            tunnel: None,
            registers: 0,
        })
    }

    /// The network header.
    pub(super) fn network_header(&self) -> Offset {
        self.payload.plus(self.network)
    }

    /// A field of the network header.
    pub(super) fn network_field(&self, at: u32, size: u8, mask: u32, value: u32) -> Node {
        field(Place::At(self.network_header().plus(at)), size, mask, Relation::Equal, value)
    }

    /// Bytes of the link header.
    pub(super) fn link_bytes(&self, at: u32, bytes: &[u8; 6]) -> Node {
        let [a, b, c, d, e, f] = *bytes;
        let place = |more: u32| Place::At(self.link_header.plus(at + more));
        let low = field(place(2), 4, u32::MAX, Relation::Equal, u32::from_be_bytes([c, d, e, f]));
        low.and(field(place(0), 2, u32::MAX, Relation::Equal, u32::from(u16::from_be_bytes([a, b]))))
    }

    /// Inside a Geneve tunnel that carries Ethernet, the link header is the tunnel's.
    pub(super) fn in_ethernet(&self, node: Node) -> Node {
        match self.tunnel {
            Some((header, payload)) => Node::Test(Test::Differ(header, payload)).and(node),
            None => node,
        }
    }

    fn type_is(&self, relation: Relation, value: u32) -> Node {
        field(Place::At(self.type_field), 2, u32::MAX, relation, value)
    }

    /// The frame carries the protocol of an EtherType, or of an LLC access point below 1501.
    pub(super) fn carries(&self, protocol: u32) -> Result<Node, FilterError> {
        if self.mpls_labels > 0 {
            return match u16::try_from(protocol) {
                Ok(IPV4) => Ok(self.below_labels(0x40)),
                Ok(IPV6) => Ok(self.below_labels(0x60)),
                _ => Err(FilterError::meaning("unsupported protocol over mpls")),
            };
        }
        let node = match self.framing {
            Framing::Ethernet => self.ethernet_carries(protocol),
            Framing::Raw => match protocol {
                _ if protocol == u32::from(IPV4) => self.network_field(0, 1, 0xf0, 0x40),
                _ if protocol == u32::from(IPV6) => self.network_field(0, 1, 0xf0, 0x60),
                _ => Node::Test(Test::Always(false)),
            },
            Framing::RawOnly(only) => Node::Test(Test::Always(protocol == u32::from(only))),
            Framing::Loopback => match protocol {
                // The family in little-endian order, with the numbers of the capturing system; libpcap expects its own.
                _ if protocol == u32::from(IPV4) => self.family(2),
                _ if protocol == u32::from(IPV6) && self.file => {
                    // A file may come from any BSD: Darwin's, FreeBSD's and NetBSD's AF_INET6.
                    self.family(30).or(self.family(24)).or(self.family(28))
                }
                _ if protocol == u32::from(IPV6) => self.family(10),
                _ => Node::Test(Test::Always(false)),
            },
            Framing::Cooked1 => self.cooked_carries(protocol),
            Framing::Cooked2 => self.type_is(Relation::Equal, protocol),
            Framing::Ppp => self.type_is(Relation::Equal, ppp_protocol(protocol)),
        };
        Ok(match (self.tunnel, self.framing) {
            (Some(_), Framing::Ethernet) if protocol <= ETHERNET_MTU => self.in_ethernet(node),
            _ => node,
        })
    }

    fn family(&self, family: u32) -> Node {
        field(Place::At(self.link_header), 4, u32::MAX, Relation::Equal, family.swap_bytes())
    }

    /// At the bottom of the label stack, before a header with that version nibble.
    fn below_labels(&self, version: u32) -> Node {
        let bottom = field(Place::At(self.previous_label().plus(2)), 1, 1, Relation::Equal, 1);
        bottom.and(self.network_field(0, 1, 0xf0, version))
    }

    pub(super) fn previous_label(&self) -> Offset {
        self.payload.plus(self.network.wrapping_sub(4))
    }

    fn llc(&self, at: u32, size: u8, value: u32) -> Node {
        field(Place::At(self.payload.plus(at)), size, u32::MAX, Relation::Equal, value)
    }

    /// LLC with the SNAP header of an organization's protocol.
    fn snap(&self, organization: u32, protocol: u32) -> Node {
        let low = self.llc(4, 4, ((organization & 0xffff) << 16) | protocol);
        low.and(self.llc(0, 4, 0xaaaa_0300 | (organization >> 16)))
    }

    /// Any LLC frame: 802.3, but not Novell's frames without LLC.
    pub(super) fn llc_frame(&self) -> Result<Node, FilterError> {
        if self.framing != Framing::Ethernet {
            let link = self.link_type.description().unwrap_or("this link");
            return Err(FilterError::meaning(format!("'llc' not supported for {link}")));
        }
        Ok(self.is_802_3().and(self.llc(0, 2, 0xffff).not()))
    }

    fn is_802_3(&self) -> Node {
        self.type_is(Relation::Greater, ETHERNET_MTU).not()
    }

    fn ethernet_carries(&self, protocol: u32) -> Node {
        self.llc_protocol(protocol, &|llc| self.is_802_3().and(llc)).unwrap_or_else(|| {
            if protocol <= ETHERNET_MTU {
                self.is_802_3().and(self.llc(0, 1, protocol))
            } else {
                self.type_is(Relation::Equal, protocol)
            }
        })
    }

    /// Cooked captures say "802.2" with a protocol of 4, "802.3 without LLC" with 1.
    fn cooked_carries(&self, protocol: u32) -> Node {
        let is_802_2 = || self.type_is(Relation::Equal, 4);
        if protocol == u32::from(IPX_SAP) {
            let llc = self.llc(0, 1, protocol).or(self.snap(0, 0x8137));
            let raw = self.type_is(Relation::Equal, 1);
            return raw.or(is_802_2().and(llc)).or(self.type_is(Relation::Equal, 0x8137));
        }
        self.llc_protocol(protocol, &|llc| is_802_2().and(llc)).unwrap_or_else(|| {
            if protocol <= ETHERNET_MTU {
                is_802_2().and(self.llc(0, 1, protocol))
            } else {
                self.type_is(Relation::Equal, protocol)
            }
        })
    }

    /// Protocols with an own way of saying so behind LLC.
    fn llc_protocol(&self, protocol: u32, behind: &dyn Fn(Node) -> Node) -> Option<Node> {
        let sap = u8::try_from(protocol).ok();
        Some(match sap {
            Some(sap @ (ISO_SAP | NETBEUI_SAP | 0x06)) => behind(self.llc(0, 2, u32::from(sap) << 8 | u32::from(sap))),
            Some(IPX_SAP) => {
                let llc = self.llc(0, 1, protocol).or(self.llc(0, 2, 0xffff)).or(self.snap(0, 0x8137));
                behind(llc).or(self.type_is(Relation::Equal, 0x8137))
            }
            _ if protocol == u32::from(ATALK) => {
                self.type_is(Relation::Equal, protocol).or(behind(self.snap(0x08_0007, protocol)))
            }
            _ if protocol == u32::from(AARP) => {
                self.type_is(Relation::Equal, protocol).or(behind(self.snap(0, protocol)))
            }
            _ => return None,
        })
    }

    /// A VLAN tag; what follows is looked for behind it.
    pub(super) fn enter_vlan(&mut self, id: Option<u32>) -> Result<Node, FilterError> {
        const MOST: u32 = 0xfff;
        if self.mpls_labels > 0 {
            return Err(FilterError::meaning("no VLAN match after MPLS"));
        }
        if self.framing != Framing::Ethernet {
            return Err(self.unsupported("VLAN"));
        }
        if let Some(id) = id.filter(|id| *id > MOST) {
            return Err(FilterError::meaning(format!("VLAN tag {id} greater than maximum {MOST}")));
        }
        if core::mem::take(&mut self.tag_beside) {
            return Ok(self.in_ethernet(Node::Test(Test::Tagged(id))));
        }
        let types = [0x8100, 0x88a8, 0x9100].map(|tag| self.type_is(Relation::Equal, tag));
        let [first, second, third] = types;
        let mut node = first.or(second).or(third);
        if let Some(id) = id {
            node = node.and(field(Place::At(self.payload), 2, MOST, Relation::Equal, id));
        }
        self.type_field = self.type_field.plus(4);
        self.payload = self.payload.plus(4);
        Ok(self.in_ethernet(node))
    }

    fn unsupported(&self, what: &str) -> FilterError {
        FilterError::meaning(format!("no {what} support for {}", self.link_type.description().unwrap_or("this link")))
    }

    /// An MPLS label; what follows is looked for behind it.
    pub(super) fn enter_mpls(&mut self, label: Option<u32>) -> Result<Node, FilterError> {
        const MOST: u32 = 0xf_ffff;
        let mut node = if self.mpls_labels > 0 {
            field(Place::At(self.previous_label().plus(2)), 1, 1, Relation::Equal, 0)
        } else {
            match self.framing {
                Framing::Ethernet => self.carries(u32::from(names::MPLS))?,
                Framing::Ppp => self.type_is(Relation::Equal, 0x0281),
                _ => return Err(self.unsupported("MPLS")),
            }
        };
        if let Some(label) = label {
            if label > MOST {
                return Err(FilterError::meaning(format!("MPLS label {label} greater than maximum {MOST}")));
            }
            node = node.and(self.network_field(0, 4, 0xffff_f000, label << 12));
        }
        self.network += 4;
        self.mpls_labels += 1;
        Ok(node)
    }

    /// A PPPoE session; what follows is looked for inside.
    pub(super) fn enter_pppoe(&mut self, session: Option<u32>) -> Result<Node, FilterError> {
        const MOST: u32 = 0xffff;
        const PPPOE_HEADER: u32 = 6;
        let mut node = self.carries(u32::from(names::PPPOE_SESSION))?;
        if let Some(session) = session {
            if session > MOST {
                return Err(FilterError::meaning(format!(
                    "PPPoE session number {session} greater than maximum {MOST}"
                )));
            }
            node = node.and(self.network_field(0, 4, 0xffff, session));
        }
        self.framing = Framing::Ppp;
        self.link_header = self.network_header().plus(PPPOE_HEADER);
        self.type_field = self.link_header;
        self.payload = self.link_header.plus(2);
        self.network = 0;
        Ok(node)
    }

    /// A Geneve tunnel over UDP port 6081; what follows is looked for inside.
    pub(super) fn enter_geneve(&mut self, network: Option<u32>) -> Result<Node, FilterError> {
        const MOST: u32 = 0xff_ffff;
        let [link_header, link_type, payload] = [self.registers, self.registers + 1, self.registers + 2];
        if usize::from(payload) >= super::program::REGISTERS {
            return Err(FilterError::meaning("out of registers"));
        }
        if let Some(network) = network.filter(|network| *network > MOST) {
            return Err(FilterError::meaning(format!("Geneve VNI {network} greater than maximum {MOST}")));
        }
        let behind_udp = 8;
        let tunnel = |header: &dyn Fn(u32) -> Place| {
            let port = field(header(2), 2, u32::MAX, Relation::Equal, 6081);
            let version = field(header(behind_udp), 1, 0xc0, Relation::Equal, 0);
            let mut node = port.and(version);
            if let Some(network) = network {
                node = node.and(field(header(behind_udp + 4), 4, 0xffff_ff00, Relation::Equal, network << 8));
            }
            node.and(Node::Test(Test::EnterGeneve { header: header(behind_udp), link_header, link_type, payload }))
        };
        let start = self.network_header();
        let udp4 = self.carries(u32::from(IPV4))?.and(self.network_field(9, 1, u32::MAX, 17)).and(self.unfragmented());
        let udp6 = self.carries(u32::from(IPV6))?.and(self.network_field(6, 1, u32::MAX, 17));
        let node4 = udp4.and(tunnel(&|at| Place::BehindIp4(start, at)));
        let node6 = udp6.and(tunnel(&|at| Place::At(start.plus(40 + at))));
        self.registers += 3;
        self.framing = Framing::Ethernet;
        self.link_header = Offset { register: Some(link_header), constant: 0 };
        self.type_field = Offset { register: Some(link_type), constant: 0 };
        self.payload = Offset { register: Some(payload), constant: 0 };
        self.network = 0;
        self.tunnel = Some((link_header, payload));
        Ok(node4.or(node6))
    }

    /// The first fragment of an IPv4 datagram, or a whole one.
    pub(super) fn unfragmented(&self) -> Node {
        self.network_field(6, 2, 0x1fff, 0)
    }
}

/// A test of one field.
pub(super) fn field(place: Place, size: u8, mask: u32, relation: Relation, value: u32) -> Node {
    if mask == 0 {
        return Node::Test(Test::Always(relation.holds(0, value)));
    }
    Node::Test(Test::Field { place, size, mask, relation, value })
}

/// The PPP protocol number of an EtherType or LLC access point (RFC 1661's assigned numbers).
fn ppp_protocol(protocol: u32) -> u32 {
    match protocol {
        0x0800 => 0x0021,
        0x86dd => 0x0057,
        0x6003 => 0x0027,
        0x809b => 0x0029,
        0x0600 => 0x0025,
        0xfe => 0x0023,
        0x42 => 0x0031,
        0xe0 => 0x002b,
        other => other,
    }
}
