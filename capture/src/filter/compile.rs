//! What each primitive means on a link type, as libpcap's `gencode.c` decides it.

use std::net::{IpAddr, Ipv6Addr};

use super::ast::{Arithmetic, Expression, Id, Kind, Primitive, Protocol, Qualifiers, Relation, Side};
use super::layers::{Framing, Layers, field};
use super::lex;
use super::names::{self, ARP, IPV4, IPV6, Means, RARP};
use super::program::{Node, Operator, Place, Program, Test, Value};
use super::{FilterError, Source};
use crate::services::{self, Transport};
use crate::{LinkType, services::port_of};

type Compiled = Result<Node, FilterError>;

const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;

/// Compiles an expression for a link type.
pub(super) fn compile(expression: &Expression, link_type: LinkType, source: &Source) -> Result<Program, FilterError> {
    let mut compiler = Compiler { layers: Layers::new(link_type, source)?, source };
    let program = Program::new(compiler.expression(expression)?);
    if program.rejects_all() {
        return Err(FilterError::meaning("expression rejects all packets"));
    }
    Ok(program)
}

/// What is wrong with the first of some conditions that is wrong at all.
pub(super) fn first_error(read: &[Primitive], link_type: LinkType, source: &Source) -> Option<FilterError> {
    let mut compiler = Compiler { layers: Layers::new(link_type, source).ok()?, source };
    read.iter().find_map(|primitive| compiler.primitive(primitive).err())
}

struct Compiler<'a> {
    layers: Layers,
    source: &'a Source,
}

fn error<T>(text: impl Into<String>) -> Result<T, FilterError> {
    Err(FilterError::Meaning(text.into()))
}

/// The address with `source` or `destination` at either place, as the direction asks.
fn sides(direction: Option<Side>, source: impl FnOnce() -> Node, destination: impl FnOnce() -> Node) -> Node {
    match direction {
        Some(Side::Source) => source(),
        Some(Side::Destination) => destination(),
        Some(Side::Both) => source().and(destination()),
        None | Some(Side::Either) => source().or(destination()),
    }
}

impl Compiler<'_> {
    fn expression(&mut self, expression: &Expression) -> Compiled {
        Ok(match expression {
            Expression::All => Node::Test(Test::Always(true)),
            Expression::And(left, right) => self.expression(left)?.and(self.expression(right)?),
            Expression::Or(left, right) => self.expression(left)?.or(self.expression(right)?),
            Expression::Not(inner) => self.expression(inner)?.not(),
            Expression::Primitive(primitive) => self.primitive(primitive)?,
        })
    }

    fn primitive(&mut self, primitive: &Primitive) -> Compiled {
        let length = |relation, length| Node::Test(Test::Relation(relation, Value::Length, Value::Number(length)));
        match primitive {
            Primitive::Id(qualifiers, id) => self.id(qualifiers, id),
            Primitive::Protocol(protocol) => self.abbreviation(*protocol),
            Primitive::Relation(relation, left, right) => self.relation(*relation, left, right),
            Primitive::Broadcast(protocol) => self.broadcast(*protocol),
            Primitive::Multicast(protocol) => self.multicast(*protocol),
            Primitive::Less(most) => Ok(length(Relation::LessEqual, *most)),
            Primitive::Greater(least) => Ok(length(Relation::GreaterEqual, *least)),
            Primitive::Byte(at, operator, value) => Ok(self.byte(*at, *operator, *value)),
            Primitive::Inbound => Ok(self.outgoing()?.not()),
            Primitive::Outbound => self.outgoing(),
            Primitive::IfIndex(index) => match self.layers.link_type {
                LinkType::LINUX_SLL2 => Ok(self.physical(4, 4, *index)),
                _ if self.source.file => self.unknown_in_file("ifindex"),
                _ => Ok(Node::Test(Test::IfIndex(*index))),
            },
            Primitive::Vlan(id) => self.layers.enter_vlan(*id),
            Primitive::Mpls(label) => self.layers.enter_mpls(*label),
            Primitive::Pppoed => self.layers.carries(u32::from(names::PPPOE_DISCOVERY)),
            Primitive::Pppoes(session) => self.layers.enter_pppoe(*session),
            Primitive::Geneve(network) => self.layers.enter_geneve(*network),
            Primitive::Llc => self.layers.llc_frame(),
        }
    }

    /// A field counted from the first captured byte.
    fn physical(&self, at: u32, size: u8, value: u32) -> Node {
        field(Place::At(super::program::Offset::constant(at)), size, u32::MAX, Relation::Equal, value)
    }

    fn outgoing(&self) -> Compiled {
        const PACKET_OUTGOING: u32 = 4;
        match self.layers.link_type {
            LinkType::LINUX_SLL => Ok(self.physical(0, 2, PACKET_OUTGOING)),
            LinkType::LINUX_SLL2 => Ok(self.physical(10, 1, PACKET_OUTGOING)),
            _ if self.source.file => self.unknown_in_file("inbound/outbound"),
            _ => Ok(Node::Test(Test::Outgoing)),
        }
    }

    fn unknown_in_file(&self, what: &str) -> Compiled {
        let link = self.layers.link_type.description().unwrap_or("this link");
        error(format!("{what} not supported on {link} when reading savefiles"))
    }

    fn byte(&self, at: u32, operator: char, value: u32) -> Node {
        let place = Place::At(self.layers.link_header.plus(at));
        let compare = |relation| field(place, 1, u32::MAX, relation, value);
        match operator {
            '<' => compare(Relation::Less),
            '>' => compare(Relation::Greater),
            '&' => field(place, 1, value, Relation::NotEqual, 0),
            '|' => {
                let loaded = Value::Load(place, Box::new(Value::Number(0)), 1);
                let joined = Value::Binary(Operator::Or, Box::new(loaded), Box::new(Value::Number(value)));
                Node::Test(Test::Relation(Relation::NotEqual, joined, Value::Number(0)))
            }
            _ => compare(Relation::Equal),
        }
    }

    fn broadcast(&self, protocol: Option<Protocol>) -> Compiled {
        match protocol {
            None | Some(Protocol::Link) if self.layers.framing == Framing::Ethernet => {
                Ok(self.layers.in_ethernet(self.layers.link_bytes(0, &[0xff; 6])))
            }
            None | Some(Protocol::Link) => error("not a broadcast link"),
            Some(Protocol::Ip) => {
                let hosts = !self.source.netmask;
                let zeros = self.layers.network_field(16, 4, hosts, 0);
                let ones = self.layers.network_field(16, 4, hosts, hosts);
                Ok(self.layers.carries(u32::from(IPV4))?.and(zeros.or(ones)))
            }
            Some(_) => error("only link-layer/IP broadcast filters supported"),
        }
    }

    fn multicast(&self, protocol: Option<Protocol>) -> Compiled {
        let network =
            |at, relation, value| field(Place::At(self.layers.network_header().plus(at)), 1, u32::MAX, relation, value);
        match protocol {
            None | Some(Protocol::Link) if self.layers.framing == Framing::Ethernet => {
                let group = field(Place::At(self.layers.link_header), 1, 1, Relation::NotEqual, 0);
                Ok(self.layers.in_ethernet(group))
            }
            Some(Protocol::Ip) => {
                Ok(self.layers.carries(u32::from(IPV4))?.and(network(16, Relation::GreaterEqual, 224)))
            }
            Some(Protocol::Ip6) => Ok(self.layers.carries(u32::from(IPV6))?.and(network(24, Relation::Equal, 255))),
            _ => error(
                "link-layer multicast filters supported only on ethernet/FDDI/token ring/ARCNET/802.11/ATM LANE/Fibre \
                 Channel",
            ),
        }
    }

    /// A protocol's name alone.
    fn abbreviation(&self, protocol: Protocol) -> Compiled {
        match protocol.means() {
            Means::EtherType(value) => self.layers.carries(u32::from(value)),
            Means::Sap(value) => self.layers.carries(u32::from(value)),
            Means::IpProtocol(value) => self.protocol(u32::from(value), None),
            Means::Ip4Protocol(value) => self.protocol(u32::from(value), Some(Protocol::Ip)),
            Means::Ip6Protocol(value) => self.protocol(u32::from(value), Some(Protocol::Ip6)),
            Means::Osi(value) => self.protocol(u32::from(value), Some(Protocol::Iso)),
            Means::Nothing if protocol == Protocol::Link => error("link layer applied in wrong context"),
            Means::Nothing => error("'radio' is not a valid protocol type"),
        }
    }

    /// `[protocol] proto VALUE` (`gen_proto`).
    fn protocol(&self, value: u32, within: Option<Protocol>) -> Compiled {
        let layers = &self.layers;
        match within {
            None => {
                let ip6 = self.protocol(value, Some(Protocol::Ip6))?;
                Ok(self.protocol(value, Some(Protocol::Ip))?.or(ip6))
            }
            Some(Protocol::Link) => layers.carries(value),
            Some(Protocol::Ip) => Ok(layers.carries(u32::from(IPV4))?.and(layers.network_field(9, 1, u32::MAX, value))),
            Some(Protocol::Ip6) => {
                const FRAGMENT: u32 = 44;
                let direct = layers.network_field(6, 1, u32::MAX, value);
                let fragment = layers.network_field(6, 1, u32::MAX, FRAGMENT);
                let behind = fragment.and(layers.network_field(40, 1, u32::MAX, value));
                Ok(layers.carries(u32::from(IPV6))?.and(direct.or(behind)))
            }
            Some(Protocol::Iso) => {
                // Behind three bytes of LLC on Ethernet; libpcap does not skip them on cooked links.
                let llc = if layers.framing == Framing::Ethernet { 3 } else { 0 };
                let identifier = field(Place::At(layers.payload.plus(llc)), 1, u32::MAX, Relation::Equal, value);
                Ok(layers.carries(u32::from(names::ISO_SAP))?.and(identifier))
            }
            Some(protocol @ (Protocol::Arp | Protocol::Rarp | Protocol::Atalk | Protocol::Decnet | Protocol::Lat)) => {
                error(format!("{} does not encapsulate another protocol", protocol.name()))
            }
            Some(protocol) => error(format!("'{} proto' is bogus", protocol.name())),
        }
    }

    fn id(&self, qualifiers: &Qualifiers, id: &Id) -> Compiled {
        match id {
            Id::Number(number) => self.number(qualifiers, *number),
            Id::Name(name) => self.name(qualifiers, name),
            Id::Dotted(text) => self.dotted(qualifiers, text),
            Id::Prefix(text, length) => {
                let (address, given) = dotted_quad(text)?;
                if *length > 32 {
                    return error("mask length must be <= 32");
                }
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                let address = left_justified(address, given);
                self.masked(qualifiers, address, mask, || format!("{text}/{length}"))
            }
            Id::Masked(text, mask_text) => {
                let ((address, given), (mask, mask_given)) = (dotted_quad(text)?, dotted_quad(mask_text)?);
                let (address, mask) = (left_justified(address, given), left_justified(mask, mask_given));
                self.masked(qualifiers, address, mask, || format!("{text} mask {mask_text}"))
            }
            Id::Ip6(address, length) => self.ip6_id(qualifiers, *address, *length),
            Id::Mac(mac) => match (qualifiers.kind, qualifiers.protocol) {
                (None | Some(Kind::Host), Some(Protocol::Link)) => self.mac_host(mac, qualifiers.direction),
                _ => error("ethernet address used in non-ether expression"),
            },
        }
    }

    fn mac_host(&self, mac: &[u8; 6], direction: Option<Side>) -> Compiled {
        if self.layers.framing != Framing::Ethernet {
            return error(
                "ethernet addresses supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel",
            );
        }
        let layers = &self.layers;
        Ok(layers.in_ethernet(sides(direction, || layers.link_bytes(6, mac), || layers.link_bytes(0, mac))))
    }

    /// `gen_ncode` with a number.
    fn number(&self, qualifiers: &Qualifiers, number: u32) -> Compiled {
        let Qualifiers { protocol, direction, kind } = *qualifiers;
        match kind {
            None | Some(Kind::Host | Kind::Net) if protocol == Some(Protocol::Link) => {
                error("illegal link layer address")
            }
            Some(Kind::Net) => {
                let (mut network, mut mask) = (number, u32::MAX);
                while network != 0 && network & 0xff00_0000 == 0 {
                    network <<= 8;
                    mask <<= 8;
                }
                self.host(protocol, direction, "net", network, mask)
            }
            None | Some(Kind::Host) => self.host(protocol, direction, "host", number, u32::MAX),
            Some(Kind::Port | Kind::PortRange) => {
                let transports = port_protocols(protocol, kind)?;
                let port = u16::try_from(number).or_else(|_| error(format!("illegal port number {number} > 65535")))?;
                self.ports(&transports, direction, port, port)
            }
            Some(Kind::Protocol) => self.protocol_number(protocol, direction, number),
            Some(Kind::ProtocolChain) => self.chain(protocol, number),
            Some(Kind::Gateway) => error("'gateway' requires a name"),
        }
    }

    fn protocol_number(&self, protocol: Option<Protocol>, direction: Option<Side>, number: u32) -> Compiled {
        match direction {
            Some(_) => error("direction applied to 'proto'"),
            None => self.protocol(number, protocol),
        }
    }

    /// `gen_ncode` with dots.
    fn dotted(&self, qualifiers: &Qualifiers, text: &str) -> Compiled {
        let Qualifiers { protocol, direction, kind } = *qualifiers;
        let modifier = match kind {
            None | Some(Kind::Host | Kind::Net) => {
                if protocol == Some(Protocol::Link) {
                    return error("illegal link layer address");
                }
                let (address, given) = dotted_quad(text)?;
                let mask = left_justified(u32::MAX >> (32 - given), given);
                return self.host(protocol, direction, kind_name(kind), left_justified(address, given), mask);
            }
            Some(Kind::Gateway) => return error("'gateway' requires a name"),
            Some(Kind::Port) => "port",
            Some(Kind::PortRange) => "portrange",
            Some(Kind::Protocol) => "proto",
            Some(Kind::ProtocolChain) => "protochain",
        };
        error(format!("'{modifier}' modifier applied to ip host"))
    }

    fn masked(&self, qualifiers: &Qualifiers, address: u32, mask: u32, text: impl Fn() -> String) -> Compiled {
        if address & !mask != 0 {
            return error(format!("non-network bits set in \"{}\"", text()));
        }
        match qualifiers.kind {
            Some(Kind::Net) => self.host(qualifiers.protocol, qualifiers.direction, "net", address, mask),
            _ => error("Mask syntax for networks only"),
        }
    }

    fn ip6_id(&self, qualifiers: &Qualifiers, address: Ipv6Addr, length: u32) -> Compiled {
        if length > 128 {
            return error("mask length must be <= 128");
        }
        let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        if address.to_bits() & !mask != 0 {
            return error(format!("non-network bits set in \"{address}/{length}\""));
        }
        match qualifiers.kind {
            None | Some(Kind::Host) if length != 128 => error("Mask syntax for networks only"),
            None | Some(Kind::Host | Kind::Net) => self.host6(qualifiers, address.to_bits(), mask),
            _ => error("invalid qualifier against IPv6 address"),
        }
    }

    /// `gen_scode`: a name.
    fn name(&self, qualifiers: &Qualifiers, name: &str) -> Compiled {
        let Qualifiers { protocol, direction, kind } = *qualifiers;
        match kind {
            Some(Kind::Net) => match names::NETWORKS.iter().find(|row| row.0 == name) {
                // libpcap knows no mask for a network's name and compares all of the address.
                Some(&(_, network)) => self.host(protocol, direction, "net", network, u32::MAX),
                None => error(format!("unknown network '{name}'")),
            },
            None | Some(Kind::Host) if protocol == Some(Protocol::Link) => {
                error(format!("unknown ether host '{name}'"))
            }
            None | Some(Kind::Host) => self.named_host(qualifiers, name),
            Some(Kind::Port) => {
                let (transports, port) = named_port(protocol, name)?;
                self.ports(&transports, direction, port, port)
            }
            Some(Kind::PortRange) => self.named_range(qualifiers, name),
            Some(Kind::Protocol) => {
                let number = protocol_number(protocol, name)?;
                self.protocol_number(protocol, direction, number)
            }
            Some(Kind::ProtocolChain) => self.chain(protocol, protocol_number(protocol, name)?),
            Some(Kind::Gateway) => error("'gateway' not supported in this configuration"),
        }
    }

    fn named_host(&self, qualifiers: &Qualifiers, name: &str) -> Compiled {
        let mut found: Option<Node> = None;
        let mut addresses = services::host_of(name);
        if addresses.is_empty() {
            addresses.extend(self.source.hosts.address_of(name).map(IpAddr::V4));
        }
        for address in &addresses {
            let node = match address {
                IpAddr::V4(_) if qualifiers.protocol == Some(Protocol::Ip6) => continue,
                IpAddr::V6(_) if qualifiers.protocol.is_some_and(|protocol| protocol != Protocol::Ip6) => continue,
                IpAddr::V4(address) => {
                    self.host(qualifiers.protocol, qualifiers.direction, "host", address.to_bits(), u32::MAX)?
                }
                IpAddr::V6(address) => self.host6(qualifiers, address.to_bits(), u128::MAX)?,
            };
            found = Some(match found {
                Some(before) => before.or(node),
                None => node,
            });
        }
        match found {
            Some(node) => Ok(node),
            None if addresses.is_empty() => error(format!("unknown host '{name}'")),
            None => error(format!("unknown host '{name}' for specified address family")),
        }
    }

    /// `FIRST-LAST`, either of them a number or a name.
    fn named_range(&self, qualifiers: &Qualifiers, text: &str) -> Compiled {
        let wanted = port_protocols(qualifiers.protocol, qualifiers.kind)?;
        let bound = |part: &str| -> Result<(Vec<u8>, u16), FilterError> {
            let digits = part.split('-').next().unwrap_or(part);
            match digits.parse::<u32>() {
                Ok(port) => match u16::try_from(port) {
                    Ok(port) => Ok((wanted.clone(), port)),
                    Err(_) => error(format!("illegal port number {port} > 65535")),
                },
                Err(_) if port_of(digits, Transport::Tcp).or(port_of(digits, Transport::Udp)).is_none() => {
                    error(format!("unknown port in range '{text}'"))
                }
                Err(_) => named_port(qualifiers.protocol, digits),
            }
        };
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let ((first_known, first), (last_known, last)) = (bound(first)?, bound(last)?);
        let transports = if first_known == last_known { first_known } else { wanted.clone() };
        self.ports(&transports, qualifiers.direction, first.min(last), first.max(last))
    }

    /// `gen_host`: an IPv4 address in IP, and in ARP and RARP where no protocol is named.
    fn host(
        &self,
        protocol: Option<Protocol>,
        direction: Option<Side>,
        kind: &str,
        address: u32,
        mask: u32,
    ) -> Compiled {
        let within = |ethertype: u16, source: u32, destination: u32| -> Compiled {
            let at = |at| self.layers.network_field(at, 4, mask, address);
            Ok(self.layers.carries(u32::from(ethertype))?.and(sides(direction, || at(source), || at(destination))))
        };
        match protocol {
            None => {
                let ip = within(IPV4, 12, 16)?;
                if self.layers.mpls_labels > 0 {
                    return Ok(ip);
                }
                Ok(ip.or(within(ARP, 14, 24)?).or(within(RARP, 14, 24)?))
            }
            Some(Protocol::Ip) => within(IPV4, 12, 16),
            Some(Protocol::Arp) => within(ARP, 14, 24),
            Some(Protocol::Rarp) => within(RARP, 14, 24),
            Some(Protocol::Link) => error(format!("link-layer modifier applied to {kind}")),
            Some(Protocol::Ip6) => error("'ip6' modifier applied to ip host"),
            Some(Protocol::Atalk) => error("AppleTalk host filtering not implemented"),
            Some(Protocol::Lat) => error("LAT host filtering not implemented"),
            Some(Protocol::Moprc) => error("MOPRC host filtering not implemented"),
            Some(Protocol::Mopdl) => error("MOPDL host filtering not implemented"),
            Some(Protocol::Sca) => error("SCA host filtering not implemented"),
            Some(protocol) => error(format!("'{}' modifier applied to {kind}", protocol.name())),
        }
    }

    /// `gen_host6`.
    fn host6(&self, qualifiers: &Qualifiers, address: u128, mask: u128) -> Compiled {
        match qualifiers.protocol {
            None | Some(Protocol::Ip6) => {}
            Some(Protocol::Link) => return error("link-layer modifier applied to ip6 host"),
            Some(protocol) => {
                return error(format!("'{}' modifier applied to ip6 {}", protocol.name(), kind_name(qualifiers.kind)));
            }
        }
        let words = |value: u128| [96, 64, 32, 0].map(|shift| (value >> shift) as u32);
        let ([a, b, c, d], [ma, mb, mc, md]) = (words(address), words(mask));
        let at = |at: u32| {
            let word = |index: u32, mask, value| self.layers.network_field(at + 4 * index, 4, mask, value);
            word(3, md, d).and(word(2, mc, c)).and(word(1, mb, b)).and(word(0, ma, a))
        };
        Ok(self.layers.carries(u32::from(IPV6))?.and(sides(qualifiers.direction, || at(8), || at(24))))
    }

    /// Ports from `low` to `high` in IPv6 and in unfragmented IPv4 (`gen_port`, `gen_portrange`).
    fn ports(&self, transports: &[u8], direction: Option<Side>, low: u16, high: u16) -> Compiled {
        let network = self.layers.network_header();
        let atom = |place: Place| {
            let compare = |relation, port: u16| field(place, 2, u32::MAX, relation, u32::from(port));
            match low == high {
                true => compare(Relation::Equal, low),
                false => compare(Relation::GreaterEqual, low).and(compare(Relation::LessEqual, high)),
            }
        };
        let any_of = |at: u32, behind: &dyn Fn(u32) -> Node| {
            let mut nodes = transports.iter().map(|protocol| {
                let is = self.layers.network_field(at, 1, u32::MAX, u32::from(*protocol));
                is.and(sides(direction, || behind(0), || behind(2)))
            });
            let first = nodes.next().unwrap_or(Node::Test(Test::Always(false)));
            nodes.fold(first, Node::or)
        };
        let ip6 = any_of(6, &|at| atom(Place::At(network.plus(40 + at))));
        let ip4 = any_of(9, &|at| self.layers.unfragmented().and(atom(Place::BehindIp4(network, at))));
        let ip6 = self.layers.carries(u32::from(IPV6))?.and(ip6);
        Ok(ip6.or(self.layers.carries(u32::from(IPV4))?.and(ip4)))
    }

    fn chain(&self, protocol: Option<Protocol>, number: u32) -> Compiled {
        let network = self.layers.network_header();
        let next = u8::try_from(number).map_err(|_| FilterError::meaning("expression rejects all packets"))?;
        let chain = |ip6| Node::Test(Test::Chain { network, ip6, next });
        match protocol {
            None => Ok(self.chain(Some(Protocol::Ip), number)?.or(self.chain(Some(Protocol::Ip6), number)?)),
            Some(Protocol::Ip) => Ok(self.layers.carries(u32::from(IPV4))?.and(chain(false))),
            Some(Protocol::Ip6) => Ok(self.layers.carries(u32::from(IPV6))?.and(chain(true))),
            Some(_) => error("bad protocol applied for 'protochain'"),
        }
    }

    /// A comparison, true only where the protocols it reads from are present.
    fn relation(&self, relation: Relation, left: &Arithmetic, right: &Arithmetic) -> Compiled {
        let (left, left_needs) = self.value(left)?;
        let (right, right_needs) = self.value(right)?;
        let test = Node::Test(match (&left, &right) {
            (Value::Number(left), Value::Number(right)) => Test::Always(relation.holds(*left, *right)),
            _ => Test::Relation(relation, left, right),
        });
        let needs = [left_needs, right_needs].into_iter().flatten().reduce(Node::and);
        Ok(match needs {
            Some(needs) => needs.and(test),
            None => test,
        })
    }

    /// A value, and what has to hold for it to mean anything.
    fn value(&self, arithmetic: &Arithmetic) -> Result<(Value, Option<Node>), FilterError> {
        Ok(match arithmetic {
            Arithmetic::Number(number) => (Value::Number(*number), None),
            Arithmetic::Length => (Value::Length, None),
            Arithmetic::Negate(inner) => match self.value(inner)? {
                (Value::Number(number), needs) => (Value::Number(number.wrapping_neg()), needs),
                (value, needs) => (Value::Negate(Box::new(value)), needs),
            },
            Arithmetic::Binary(operator, left, right) => {
                let (left, left_needs) = self.value(left)?;
                let (right, _) = self.value(right)?;
                // As in libpcap, what the right side needs is not looked at.
                (binary(operator, left, right)?, left_needs)
            }
            Arithmetic::Load(protocol, index, size) => self.load(*protocol, index, *size)?,
        })
    }

    /// `gen_load`.
    fn load(&self, protocol: Protocol, index: &Arithmetic, size: u32) -> Result<(Value, Option<Node>), FilterError> {
        let size = match size {
            1 | 2 | 4 => size as u8,
            _ => return error("data size must be 1, 2, or 4"),
        };
        let (index, index_needs) = self.value(index)?;
        let layers = &self.layers;
        let network = layers.network_header();
        let (place, needs) = match (protocol, protocol.means()) {
            (Protocol::Link, _) => (Place::At(layers.link_header), None),
            (Protocol::Radio, _) => return error("radio information not present in capture"),
            (Protocol::Aarp | Protocol::Iso | Protocol::Esis | Protocol::Isis | Protocol::Clnp, _)
            | (Protocol::Stp | Protocol::Ipx | Protocol::Netbeui | Protocol::Ah | Protocol::Esp, _) => {
                return error("unsupported index operation");
            }
            (Protocol::Icmp6, _) => {
                let header = layers.network_field(6, 1, u32::MAX, 58);
                (Place::At(network.plus(40)), Some(layers.carries(u32::from(IPV6))?.and(header)))
            }
            (_, Means::EtherType(_)) => (Place::At(network), Some(self.abbreviation(protocol)?)),
            _ => {
                let transport = self.abbreviation(protocol)?.and(layers.unfragmented());
                (Place::BehindIp4(network, 0), Some(layers.carries(u32::from(IPV4))?.and(transport)))
            }
        };
        let needs = match (index_needs, needs) {
            (Some(index), Some(own)) => Some(index.and(own)),
            (index, own) => own.or(index),
        };
        Ok((Value::Load(place, Box::new(index), size), needs))
    }
}

/// An operation, computed at once where both sides are known.
fn binary(operator: &str, left: Value, right: Value) -> Result<Value, FilterError> {
    let operator = match operator {
        "+" => Operator::Add,
        "-" => Operator::Subtract,
        "*" => Operator::Multiply,
        "/" => Operator::Divide,
        "%" => Operator::Modulo,
        "&" => Operator::And,
        "|" => Operator::Or,
        "^" => Operator::Xor,
        "<<" => Operator::ShiftLeft,
        _ => Operator::ShiftRight,
    };
    match (operator, &right) {
        (Operator::Divide, Value::Number(0)) => return error("division by zero"),
        (Operator::Modulo, Value::Number(0)) => return error("modulus by zero"),
        (Operator::ShiftLeft | Operator::ShiftRight, Value::Number(32..)) => {
            return error("shift by more than 31 bits");
        }
        _ => {}
    }
    if let (Value::Number(left), Value::Number(right)) = (&left, &right)
        && let Some(value) = operator.apply(*left, *right)
    {
        return Ok(Value::Number(value));
    }
    Ok(Value::Binary(operator, Box::new(left), Box::new(right)))
}

fn kind_name(kind: Option<Kind>) -> &'static str {
    if kind == Some(Kind::Net) { "net" } else { "host" }
}

/// One to four numbers with dots: the value so far and how many bits it has.
fn dotted_quad(text: &str) -> Result<(u32, u32), FilterError> {
    let (mut value, mut bits) = (0u32, 0);
    for part in text.split('.') {
        match lex::number(part) {
            Ok(byte) if byte <= 255 => value = value << 8 | byte,
            _ => return error(format!("invalid IPv4 address '{text}'")),
        }
        bits += 8;
    }
    Ok((value, bits))
}

fn left_justified(value: u32, bits: u32) -> u32 {
    value.checked_shl(32 - bits).unwrap_or(0)
}

/// The IP protocols a port may belong to.
fn port_protocols(protocol: Option<Protocol>, kind: Option<Kind>) -> Result<Vec<u8>, FilterError> {
    match protocol {
        None => Ok(vec![SCTP, TCP, UDP]),
        Some(Protocol::Tcp) => Ok(vec![TCP]),
        Some(Protocol::Udp) => Ok(vec![UDP]),
        Some(Protocol::Sctp) => Ok(vec![SCTP]),
        Some(_) if kind == Some(Kind::PortRange) => error("illegal qualifier of 'portrange'"),
        Some(_) => error("illegal qualifier of 'port'"),
    }
}

/// A service's name: its port, and the protocols it is known for among those asked for.
fn named_port(protocol: Option<Protocol>, name: &str) -> Result<(Vec<u8>, u16), FilterError> {
    let transports = port_protocols(protocol, Some(Kind::Port))?;
    let (tcp, udp) = (port_of(name, Transport::Tcp), port_of(name, Transport::Udp));
    let known: &[u8] = match (tcp, udp) {
        (Some(tcp), Some(udp)) if tcp == udp => &[TCP, UDP, SCTP],
        (Some(_), _) => &[TCP],
        (None, Some(_)) => &[UDP],
        (None, None) => return error(format!("unknown port '{name}'")),
    };
    let port = tcp.or(udp).unwrap_or(0);
    let kept: Vec<u8> = transports.iter().copied().filter(|transport| known.contains(transport)).collect();
    if kept.is_empty() {
        return error(format!("port '{name}' is {}", if known == [TCP] { "tcp" } else { "udp" }));
    }
    Ok((kept, port))
}

fn protocol_number(within: Option<Protocol>, name: &str) -> Result<u32, FilterError> {
    match within {
        None | Some(Protocol::Ip | Protocol::Ip6) => match services::protocol_of(name) {
            Some(number) => Ok(u32::from(number)),
            None => error(format!("unknown ip proto '{name}'")),
        },
        Some(Protocol::Link) => match names::ETHER_PROTOCOLS.iter().find(|row| row.0 == name) {
            Some(row) => Ok(u32::from(row.1)),
            None => error(format!("unknown ether proto '{name}'")),
        },
        Some(Protocol::Iso) => match Protocol::named(name).map(Protocol::means) {
            Some(Means::Osi(number)) => Ok(u32::from(number)),
            _ => error(format!("unknown osi proto '{name}'")),
        },
        Some(_) => error(format!("unknown protocol: {name}")),
    }
}
