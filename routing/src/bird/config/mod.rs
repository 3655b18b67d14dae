//! BIRD 2's configuration language: what a file says, and in which place it is wrong.
//!
//! A file is split into words ([`lexer`]); a parser with one word of look-ahead resolves names as it goes, as BIRD does, so
//! that errors come in the same order and at the same place.

pub mod lexer;

mod bgp;
mod bird1;
mod channel;
pub mod command;
mod expr;
mod globals;
mod keywords;
mod parser;
mod protocols;
mod sets;
mod stmt;

use core::fmt;
use core::net::Ipv4Addr;
use std::sync::Arc;

use indexmap::IndexMap;
use ipnet::Ipv4Net;

use super::filter::{Filter, Function, Value};
use super::route::Dest;
use crate::bgp::config::PeerConfig;
use lexer::{Place, Read};
pub use sets::parse_expression;

/// What is wrong with a configuration, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    /// Where.
    pub place: Place,
    /// What.
    pub text: String,
}

impl fmt::Display for Error {
    /// `bird.conf:1:18 syntax error, unexpected IMPORT`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{} {}", self.place.file, self.place.line, self.place.column, self.text)
    }
}

/// A configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// `router id 1.2.3.4`
    pub router_id: Option<Ipv4Addr>,
    /// `router id from`: patterns of interfaces.
    pub router_id_from: Option<Vec<String>>,
    /// `hostname "x"`
    pub hostname: Option<String>,
    /// Where messages go.
    pub logs: Vec<Log>,
    /// The IPv4 tables; `master4` is the first.
    pub tables: Vec<String>,
    /// The protocols.
    pub protocols: Vec<Protocol>,
    /// All names, in the order of definition.
    pub symbols: IndexMap<String, Symbol>,
    /// What was accepted though BIRD 2 would not, for the log.
    pub warnings: Vec<Error>,
}

/// A `log` line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log {
    /// Where to.
    pub target: LogTarget,
    /// Which classes, by bits of their numbers ([`super::log::Class`]).
    pub classes: u32,
}

/// Where a log goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LogTarget {
    /// A file.
    File(String),
    /// The system's log, which nobody keeps.
    Syslog,
    /// Standard error output.
    Stderr,
}

/// What a name stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Symbol {
    /// `define`
    Constant(Value),
    /// A table.
    Table,
    /// A protocol.
    Protocol,
    /// A template.
    Template(Box<Protocol>),
    /// A filter.
    Filter(Arc<Filter>),
    /// A function.
    Function(Arc<Function>),
}

impl Symbol {
    /// How `show symbols` calls it.
    pub const fn class(&self) -> &'static str {
        match self {
            Symbol::Constant(_) => "constant",
            Symbol::Table => "routing table",
            Symbol::Protocol => "protocol",
            Symbol::Template(_) => "protocol template",
            Symbol::Filter(_) => "filter",
            Symbol::Function(_) => "function",
        }
    }
}

/// A protocol.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Protocol {
    /// Its name.
    pub name: String,
    /// `disabled`
    pub disabled: bool,
    /// `description "x"`
    pub description: Option<String>,
    /// A router id of its own.
    pub router_id: Option<Ipv4Addr>,
    /// `debug`: its trace goes to the log.
    pub debug: bool,
    /// Its channel to an IPv4 table.
    pub channel: Option<Channel>,
    /// What kind, with its own options.
    pub kind: Kind,
}

/// The kinds of protocols, each with its options.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Tells of interfaces.
    Device {
        /// `scan time`, in seconds.
        scan: u32,
    },
    /// Routes to networks on the link.
    Direct {
        /// Patterns of interfaces, `-` in front of those that are not meant; empty: all.
        interfaces: Vec<InterfacePattern>,
        /// `check link`
        check_link: bool,
    },
    /// The kernel's table.
    Kernel(Kernel),
    /// Routes by hand.
    Static {
        /// Them.
        routes: Vec<StaticRoute>,
        /// `check link`
        check_link: bool,
        /// `igp table`
        igp_table: Option<String>,
    },
    /// A BGP session.
    Bgp(Box<Bgp>),
}

impl Kind {
    /// The second column of `show protocols`.
    pub const fn name(&self) -> &'static str {
        match self {
            Kind::Device { .. } => "Device",
            Kind::Direct { .. } => "Direct",
            Kind::Kernel(_) => "Kernel",
            Kind::Static { .. } => "Static",
            Kind::Bgp(_) => "BGP",
        }
    }

    /// The preference of its routes.
    pub const fn preference(&self) -> u32 {
        match self {
            Kind::Direct { .. } => 240,
            Kind::Static { .. } => 200,
            Kind::Bgp(_) => 100,
            Kind::Kernel(_) => 10,
            Kind::Device { .. } => 0,
        }
    }
}

/// A pattern of interfaces: by name, by prefix of an address, or both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterfacePattern {
    /// Those that fit are not meant.
    pub negative: bool,
    /// The name.
    pub name: Option<String>,
    /// A network that an address is in.
    pub net: Option<Ipv4Net>,
}

/// The options of the kernel's table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kernel {
    /// `scan time`, in seconds.
    pub scan: u32,
    /// `learn`: 1, `learn all`: 2.
    pub learn: u8,
    /// `persist`
    pub persist: bool,
    /// `kernel table`
    pub table: u32,
    /// `metric`
    pub metric: u32,
    /// `merge paths`: how many at most.
    pub merge: Option<u32>,
}

/// A route by hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StaticRoute {
    /// Where to.
    pub net: Ipv4Net,
    /// What it does.
    pub target: StaticTarget,
    /// Statements that are carried out for it.
    pub body: Option<Arc<Function>>,
}

/// What a route by hand does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StaticTarget {
    /// Through these.
    Via(Vec<Via>),
    /// By the way to another address.
    Recursive(Ipv4Addr),
    /// Nowhere.
    Nowhere(Dest),
}

/// A next hop by hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Via {
    /// The router.
    pub gateway: Option<Ipv4Addr>,
    /// The interface.
    pub interface: Option<String>,
    /// From 1.
    pub weight: u32,
    /// `onlink`
    pub onlink: bool,
}

/// Which routes pass.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// `all`
    #[default]
    All,
    /// `none`
    None,
    /// What a filter accepts.
    Filter(Arc<Filter>),
}

impl Policy {
    /// How `show protocols all` shows it.
    pub fn shown(&self) -> &str {
        match self {
            Policy::All => "ACCEPT",
            Policy::None => "REJECT",
            Policy::Filter(filter) => filter.shown(),
        }
    }
}

/// What happens when there are more routes than a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LimitAction {
    /// Only a warning.
    Warn,
    /// More are not taken.
    Block,
    /// The protocol starts anew.
    Restart,
    /// The protocol stays down.
    Disable,
}

impl LimitAction {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            LimitAction::Warn => "warn",
            LimitAction::Block => "block",
            LimitAction::Restart => "restart",
            LimitAction::Disable => "disable",
        }
    }
}

/// A number of routes, and what happens beyond.
pub type Limit = (u32, LimitAction);

/// A protocol's connection with a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Channel {
    /// The table.
    pub table: String,
    /// From the protocol.
    pub import: Policy,
    /// To the protocol.
    pub export: Policy,
    /// Whether these two were said: external BGP insists.
    pub explicit: (bool, bool),
    /// More is better.
    pub preference: u32,
    /// `receive limit`, `import limit`, `export limit`
    pub limits: [Option<Limit>; 3],
    /// `import keep filtered`
    pub keep_filtered: bool,
    /// BGP: `gateway recursive` (true), `gateway direct`.
    pub gateway_recursive: Option<bool>,
    /// BGP: `igp table`
    pub igp_table: Option<String>,
}

impl Channel {
    /// A channel as it is when nothing is said.
    pub fn new(kind: &Kind) -> Self {
        // The kernel is told nothing if nobody says so, and so is everybody else.
        Channel {
            table: "master4".into(),
            import: Policy::All,
            export: Policy::None,
            explicit: (false, false),
            preference: kind.preference(),
            limits: [None; 3],
            keep_filtered: false,
            gateway_recursive: None,
            igp_table: None,
        }
    }
}

/// The options of BGP that are not the session's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bgp {
    /// What the session is told. The router id is filled in later.
    pub peer: PeerConfig,
    /// `local as` was said.
    pub has_local_as: bool,
    /// `neighbor` was said.
    pub has_neighbor: bool,
    /// The neighbour's AS was said.
    pub has_remote_as: bool,
    /// `multihop` (true) or `direct` was said.
    pub multihop: Option<bool>,
    /// `interface "x"`
    pub interface: Option<String>,
    /// The neighbour's port.
    pub port: u16,
    /// The own port.
    pub local_port: u16,
    /// `strict bind`: listens only at the own address.
    pub strict_bind: bool,
    /// `check link`
    pub check_link: bool,
}

/// Reads a configuration. `read` reads files that are included.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(file: &str, text: &str, read: &mut Read<'_>) -> Result<Config, Error> {
    match lexer::lex(file, text, read) {
        Ok(words) => parser::Parser::new(words).config(),
        Err(error) => Err(first_error(file, text, read, error)),
    }
}

/// The error of a text with a word that cannot be read: what is wrong before that word counts.
fn first_error(file: &str, text: &str, read: &mut Read<'_>, error: Error) -> Error {
    if &*error.place.file != file {
        return error;
    }
    let lines = text.split_inclusive('\n').take(error.place.line.saturating_sub(1) as usize);
    let before: String = lines.collect();
    let Ok(words) = lexer::lex(file, &before, read) else { return error };
    match parser::Parser::new(words).config() {
        // The end of what was cut off is nobody's error.
        Err(earlier) if earlier.place.column != 0 => earlier,
        _ => error,
    }
}
