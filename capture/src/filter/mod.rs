//! The filter language of pcap-filter(7), as libpcap 1.10 understands it.
//!
//! A text goes through four files: `lex` (words), `parse` (grammar, into the types of `ast`), `compile` (what each
//! primitive means on a link type, as libpcap's `gencode.c` decides it) and `program` (a flat list of tests with jumps,
//! evaluated directly on the bytes). As in libpcap, a test that reaches beyond the captured bytes rejects the packet,
//! even under a `not`.

mod ast;
mod compile;
mod layers;
mod lex;
mod names;
mod parse;
mod program;

use std::fmt;

pub use ast::{Arithmetic, Expression, Id, Kind, Primitive, Qualifiers, Relation, Side};
pub use names::Protocol;

use crate::{Hosts, LinkType, Meta};
use program::Program;

/// A compiled filter.
///
/// ```
/// use hopwise_capture::{LinkType, Meta, filter::Filter};
/// let filter = Filter::parse("icmp or arp", LinkType::ETHERNET).unwrap();
/// let mut arp = [0; 42];
/// arp[12..14].copy_from_slice(&[0x08, 0x06]);
/// assert!(filter.matches(&arp, 42, &Meta::default()));
/// let error = Filter::parse("host foo.example", LinkType::ETHERNET).unwrap_err();
/// assert_eq!(error.to_string(), "unknown host 'foo.example'");
/// ```
#[derive(Clone, Debug)]
pub struct Filter {
    program: Program,
}

/// Where the frames come from, as far as filters care.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The IPv4 netmask of the interface, which `ip broadcast` goes by; 0 where there is none, as in a file.
    pub netmask: u32,
    /// Whether they are read from a file: then `inbound`, `outbound` and `ifindex` mean nothing unless the link header
    /// tells, and are refused.
    pub file: bool,
    /// Whether the outermost VLAN tag of a frame is not among its bytes but known besides ([`Meta::vlan`](crate::Meta::vlan)), as on
    /// a link of Linux.
    pub tags_beside: bool,
    /// Names that stand for addresses.
    pub hosts: Hosts,
}

/// Why a filter was refused. `Display` is what tcpdump prints after `tcpdump: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// The words do not make an expression.
    #[error("can't parse filter expression: syntax error")]
    Syntax,
    /// They do, but mean nothing; the text is libpcap's.
    #[error("{0}")]
    Meaning(String),
}

impl FilterError {
    fn meaning(text: impl fmt::Display) -> FilterError {
        FilterError::Meaning(text.to_string())
    }
}

impl Filter {
    /// Compiles a filter expression for frames of one link type. An empty text accepts everything.
    ///
    /// # Errors
    /// In libpcap's words.
    pub fn parse(text: &str, link_type: LinkType) -> Result<Filter, FilterError> {
        Filter::with(text, link_type, Source::default())
    }

    /// Compiles a filter expression for frames that come from `source`.
    ///
    /// # Errors
    /// In libpcap's words.
    pub fn with(text: &str, link_type: LinkType, source: Source) -> Result<Filter, FilterError> {
        let expression = parse::parse(text).map_err(|stopped| {
            // libpcap gives every condition its meaning as it reads it: what is wrong with an earlier one comes first.
            compile::first_error(&stopped.read, link_type, &source).unwrap_or(stopped.error)
        })?;
        Ok(Filter { program: compile::compile(&expression, link_type, &source)? })
    }

    /// Whether a packet passes: `packet` are the captured bytes, `orig_len` the length on the wire.
    pub fn matches(&self, packet: &[u8], orig_len: u32, meta: &Meta<'_>) -> bool {
        self.program.matches(packet, orig_len, meta)
    }
}
