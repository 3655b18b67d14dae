//! The shape of an expression, and how it is written.

use std::fmt;
use std::net::Ipv6Addr;

use super::FilterError;
use super::lex::needs_escape;
pub(super) use super::names::Protocol;

/// A parsed filter expression; `Display` writes it so that it parses to the same again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Matches everything: the empty text.
    All,
    /// Both.
    And(Box<Expression>, Box<Expression>),
    /// Either.
    Or(Box<Expression>, Box<Expression>),
    /// Not that.
    Not(Box<Expression>),
    /// One condition.
    Primitive(Primitive),
}

/// One condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// An address, port or protocol with its qualifiers.
    Id(Qualifiers, Id),
    /// A protocol's name alone.
    Protocol(Protocol),
    /// A comparison of byte expressions.
    Relation(Relation, Arithmetic, Arithmetic),
    /// `broadcast`, of the link or of IP.
    Broadcast(Option<Protocol>),
    /// `multicast`, of the link, IP or IPv6.
    Multicast(Option<Protocol>),
    /// `less N`: at most N bytes.
    Less(u32),
    /// `greater N`: at least N bytes.
    Greater(u32),
    /// `byte N op VALUE` on the link layer.
    Byte(u32, char, u32),
    /// Not sent by this host.
    Inbound,
    /// Sent by this host.
    Outbound,
    /// Seen on the interface with that index.
    IfIndex(u32),
    /// A VLAN tag; what follows is looked for inside.
    Vlan(Option<u32>),
    /// An MPLS label; what follows is looked for inside.
    Mpls(Option<u32>),
    /// PPPoE discovery.
    Pppoed,
    /// A PPPoE session; what follows is looked for inside.
    Pppoes(Option<u32>),
    /// A Geneve tunnel; what follows is looked for inside.
    Geneve(Option<u32>),
    /// Any frame with an LLC header.
    Llc,
}

/// What stands in front of an address, port or protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qualifiers {
    /// `tcp`, `ip`, ...
    pub protocol: Option<Protocol>,
    /// `src`, `dst`, ...
    pub direction: Option<Side>,
    /// `host`, `port`, ...
    pub kind: Option<Kind>,
}

/// Which of two addresses or ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Side {
    Source,
    Destination,
    Either,
    Both,
}

/// What kind of thing an id is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Protocol,
    ProtocolChain,
    Gateway,
}

/// An address, number or name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    /// A number.
    Number(u32),
    /// A name.
    Name(String),
    /// An IPv4 address or the beginning of one.
    Dotted(String),
    /// `ADDRESS/LENGTH`.
    Prefix(String, u32),
    /// `ADDRESS mask MASK`.
    Masked(String, String),
    /// An IPv6 address with a prefix length.
    Ip6(Ipv6Addr, u32),
    /// A link-layer address.
    Mac([u8; 6]),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum Relation {
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    LessEqual,
    Less,
}

/// A 32-bit unsigned value computed from the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// A constant.
    Number(u32),
    /// The packet's length on the wire.
    Length,
    /// `PROTOCOL[OFFSET:SIZE]`.
    Load(Protocol, Box<Arithmetic>, u32),
    /// Two values joined by an operator of C.
    Binary(&'static str, Box<Arithmetic>, Box<Arithmetic>),
    /// Two's complement.
    Negate(Box<Arithmetic>),
}

impl Expression {
    /// Parses a filter expression without asking what it means on a link.
    ///
    /// # Errors
    /// In libpcap's words.
    pub fn parse(text: &str) -> Result<Expression, FilterError> {
        super::parse::parse(text).map_err(|stopped| stopped.error)
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expression::All => Ok(()),
            Expression::And(left, right) => write!(f, "({left}) and ({right})"),
            Expression::Or(left, right) => write!(f, "({left}) or ({right})"),
            Expression::Not(inner) => write!(f, "not ({inner})"),
            Expression::Primitive(primitive) => primitive.fmt(f),
        }
    }
}

impl fmt::Display for Primitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbered = |f: &mut fmt::Formatter<'_>, word: &str, number: &Option<u32>| match number {
            Some(number) => write!(f, "{word} {number}"),
            None => f.write_str(word),
        };
        match self {
            Primitive::Id(qualifiers, id) => write!(f, "{qualifiers}{id}"),
            Primitive::Protocol(protocol) => f.write_str(protocol.name()),
            Primitive::Relation(relation, left, right) => write!(f, "{left} {relation} {right}"),
            Primitive::Broadcast(protocol) => write!(f, "{}broadcast", qualifier(*protocol)),
            Primitive::Multicast(protocol) => write!(f, "{}multicast", qualifier(*protocol)),
            Primitive::Less(length) => write!(f, "less {length}"),
            Primitive::Greater(length) => write!(f, "greater {length}"),
            Primitive::Byte(at, operator, value) => write!(f, "byte {at} {operator} {value}"),
            Primitive::Inbound => f.write_str("inbound"),
            Primitive::Outbound => f.write_str("outbound"),
            Primitive::IfIndex(index) => write!(f, "ifindex {index}"),
            Primitive::Vlan(id) => numbered(f, "vlan", id),
            Primitive::Mpls(label) => numbered(f, "mpls", label),
            Primitive::Pppoed => f.write_str("pppoed"),
            Primitive::Pppoes(session) => numbered(f, "pppoes", session),
            Primitive::Geneve(network) => numbered(f, "geneve", network),
            Primitive::Llc => f.write_str("llc"),
        }
    }
}

fn qualifier(protocol: Option<Protocol>) -> String {
    protocol.map_or(String::new(), |protocol| format!("{} ", protocol.name()))
}

impl fmt::Display for Qualifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.direction {
            None => "",
            Some(Side::Source) => "src ",
            Some(Side::Destination) => "dst ",
            Some(Side::Either) => "src or dst ",
            Some(Side::Both) => "src and dst ",
        };
        let kind = match self.kind {
            None => "",
            Some(Kind::Host) => "host ",
            Some(Kind::Net) => "net ",
            Some(Kind::Port) => "port ",
            Some(Kind::PortRange) => "portrange ",
            Some(Kind::Protocol) => "proto ",
            Some(Kind::ProtocolChain) => "protochain ",
            Some(Kind::Gateway) => "gateway ",
        };
        write!(f, "{}{side}{kind}", qualifier(self.protocol))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Number(number) => write!(f, "{number}"),
            Id::Name(name) if needs_escape(name) => write!(f, "\\{name}"),
            Id::Name(name) | Id::Dotted(name) => f.write_str(name),
            Id::Prefix(address, length) => write!(f, "{address}/{length}"),
            Id::Masked(address, mask) => write!(f, "{address} mask {mask}"),
            Id::Ip6(address, 128) => write!(f, "{address}"),
            Id::Ip6(address, length) => write!(f, "{address}/{length}"),
            Id::Mac([a, b, c, d, e, g]) => write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}"),
        }
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Relation::Greater => ">",
            Relation::GreaterEqual => ">=",
            Relation::Equal => "=",
            Relation::NotEqual => "!=",
            Relation::LessEqual => "<=",
            Relation::Less => "<",
        })
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arithmetic::Number(number) => write!(f, "{number}"),
            Arithmetic::Length => f.write_str("len"),
            Arithmetic::Load(protocol, at, 1) => write!(f, "{}[{at}]", protocol.name()),
            Arithmetic::Load(protocol, at, size) => write!(f, "{}[{at} : {size}]", protocol.name()),
            Arithmetic::Binary(operator, left, right) => write!(f, "({left} {operator} {right})"),
            Arithmetic::Negate(inner) => write!(f, "(- {inner})"),
        }
    }
}
