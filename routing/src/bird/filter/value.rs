//! What a variable of a filter can hold, and how `print` shows it.

use core::fmt;
use core::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;

use super::set::{MaskItem, PrefixSet, Set};
use crate::attrs::{AsPath, Community, ExtendedCommunity, LargeCommunity};

macro_rules! types {
    ($($name:ident $text:literal,)*) => {
        /// The type of a value.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Type { $(#[doc = $text] $name,)* }
        impl Type {
            /// The name that errors use.
            pub const fn name(self) -> &'static str {
                match self { $(Type::$name => $text,)* }
            }
        }
    };
}

types! {
    Void "void", Bool "bool", Int "int", Ip "ip", Prefix "prefix", Pair "pair", Quad "quad", String "string", Mask "bgpmask",
    Path "bgppath", Clist "clist", Ec "ec", Eclist "eclist", Lc "lc", Lclist "lclist", Enum "enum", Set "set",
    PrefixSet "prefix set",
}

/// A kind of enumeration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EnumKind {
    /// `RTS_*`: which protocol a route is from.
    Source,
    /// `RTD_*`: where it leads.
    Dest,
    /// `SCOPE_*`.
    Scope,
    /// `ORIGIN_*`.
    Origin,
    /// `NET_*`.
    Net,
}

/// The names of enumerations, with their values in BIRD.
pub const ENUMS: &[(&str, EnumKind, u32)] = &[
    ("RTS_DUMMY", EnumKind::Source, 0),
    ("RTS_STATIC", EnumKind::Source, 1),
    ("RTS_INHERIT", EnumKind::Source, 2),
    ("RTS_DEVICE", EnumKind::Source, 3),
    ("RTS_STATIC_DEVICE", EnumKind::Source, 4),
    ("RTS_REDIRECT", EnumKind::Source, 5),
    ("RTS_RIP", EnumKind::Source, 6),
    ("RTS_OSPF", EnumKind::Source, 7),
    ("RTS_OSPF_IA", EnumKind::Source, 8),
    ("RTS_OSPF_EXT1", EnumKind::Source, 9),
    ("RTS_OSPF_EXT2", EnumKind::Source, 10),
    ("RTS_BGP", EnumKind::Source, 11),
    ("RTS_PIPE", EnumKind::Source, 12),
    ("RTS_BABEL", EnumKind::Source, 13),
    ("RTD_UNICAST", EnumKind::Dest, 1),
    ("RTD_ROUTER", EnumKind::Dest, 1),
    ("RTD_DEVICE", EnumKind::Dest, 1),
    ("RTD_MULTIPATH", EnumKind::Dest, 1),
    ("RTD_BLACKHOLE", EnumKind::Dest, 2),
    ("RTD_UNREACHABLE", EnumKind::Dest, 3),
    ("RTD_PROHIBIT", EnumKind::Dest, 4),
    ("SCOPE_HOST", EnumKind::Scope, 0),
    ("SCOPE_LINK", EnumKind::Scope, 1),
    ("SCOPE_SITE", EnumKind::Scope, 2),
    ("SCOPE_ORGANIZATION", EnumKind::Scope, 3),
    ("SCOPE_UNIVERSE", EnumKind::Scope, 4),
    ("ORIGIN_IGP", EnumKind::Origin, 0),
    ("ORIGIN_EGP", EnumKind::Origin, 1),
    ("ORIGIN_INCOMPLETE", EnumKind::Origin, 2),
    ("NET_IP4", EnumKind::Net, 1),
    ("NET_IP6", EnumKind::Net, 2),
];

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// Nothing: an attribute that is not there.
    Void,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(u32),
    /// `ip`
    Ip(Ipv4Addr),
    /// `prefix`
    Prefix(Ipv4Net),
    /// `pair`, a community.
    Pair(u32),
    /// `quad`, a router id.
    Quad(Ipv4Addr),
    /// `string`
    Text(Arc<str>),
    /// An enumeration's value.
    Enum(EnumKind, u32),
    /// `bgpmask`
    Mask(Arc<Vec<MaskItem>>),
    /// `bgppath`
    Path(AsPath),
    /// `clist`
    Clist(Vec<Community>),
    /// `ec`
    Ec(ExtendedCommunity),
    /// `eclist`
    Eclist(Vec<ExtendedCommunity>),
    /// `lc`
    Lc(LargeCommunity),
    /// `lclist`
    Lclist(Vec<LargeCommunity>),
    /// A set of anything but prefixes.
    Set(Arc<Set>),
    /// A set of prefixes.
    PrefixSet(Arc<PrefixSet>),
}

impl Value {
    /// Its type.
    pub const fn kind(&self) -> Type {
        match self {
            Value::Void => Type::Void,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Ip(_) => Type::Ip,
            Value::Prefix(_) => Type::Prefix,
            Value::Pair(_) => Type::Pair,
            Value::Quad(_) => Type::Quad,
            Value::Text(_) => Type::String,
            Value::Enum(..) => Type::Enum,
            Value::Mask(_) => Type::Mask,
            Value::Path(_) => Type::Path,
            Value::Clist(_) => Type::Clist,
            Value::Ec(_) => Type::Ec,
            Value::Eclist(_) => Type::Eclist,
            Value::Lc(_) => Type::Lc,
            Value::Lclist(_) => Type::Lclist,
            Value::Set(_) => Type::Set,
            Value::PrefixSet(_) => Type::PrefixSet,
        }
    }

    /// What a variable of a type holds before anything is assigned.
    pub fn empty(kind: Type) -> Value {
        match kind {
            Type::Bool => Value::Bool(false),
            Type::Int => Value::Int(0),
            Type::Ip => Value::Ip(Ipv4Addr::UNSPECIFIED),
            Type::Pair => Value::Pair(0),
            Type::Quad => Value::Quad(Ipv4Addr::UNSPECIFIED),
            Type::String => Value::Text("".into()),
            Type::Path => Value::Path(AsPath::default()),
            Type::Clist => Value::Clist(Vec::new()),
            Type::Eclist => Value::Eclist(Vec::new()),
            Type::Lclist => Value::Lclist(Vec::new()),
            Type::Mask => Value::Mask(Arc::default()),
            Type::Prefix => Value::Prefix(Ipv4Net::default()),
            Type::Set => Value::Set(Arc::default()),
            Type::PrefixSet => Value::PrefixSet(Arc::default()),
            Type::Ec | Type::Lc | Type::Enum | Type::Void => Value::Void,
        }
    }
}

/// The parts with blanks between them, in a list's parentheses.
fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, name: &str, items: &[T]) -> fmt::Result {
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    write!(f, "({name} {})", items.join(" "))
}

impl fmt::Display for Value {
    /// As `print` writes it (`val_format` of `filter/data.c`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Void => f.write_str("(void)"),
            Value::Bool(value) => f.write_str(if *value { "TRUE" } else { "FALSE" }),
            Value::Int(value) => write!(f, "{value}"),
            Value::Ip(value) | Value::Quad(value) => write!(f, "{value}"),
            Value::Prefix(value) => write!(f, "{value}"),
            Value::Pair(value) => write!(f, "({},{})", value >> 16, value & 0xffff),
            Value::Text(value) => f.write_str(value),
            Value::Enum(kind, value) => write!(f, "(enum {:x}){value}", 0x30 + *kind as u32),
            Value::Mask(mask) => {
                f.write_str("[= ")?;
                mask.iter().try_for_each(|item| write!(f, "{item} "))?;
                f.write_str("=]")
            }
            Value::Path(path) => write!(f, "(path {path})"),
            Value::Clist(items) => list(f, "clist", items),
            Value::Ec(value) => write!(f, "{value}"),
            Value::Eclist(items) => list(f, "eclist", items),
            Value::Lc(value) => write!(f, "{value}"),
            Value::Lclist(items) => list(f, "lclist", items),
            Value::Set(set) => write!(f, "{set}"),
            Value::PrefixSet(set) => write!(f, "{set}"),
        }
    }
}
