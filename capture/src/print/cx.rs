//! What every protocol's printer works with: the text so far, the options, and reads that end the packet when they
//! reach beyond what was captured.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::PrintOptions;
use super::tcp::Conversations;
use crate::services::{self, Transport};

/// Writes into a [`Cx`], like `write!` without a result: text in memory cannot fail.
macro_rules! put {
    ($cx:expr, $($arg:tt)*) => { $cx.text(format_args!($($arg)*)) };
}
pub(super) use put;

/// A read went beyond the captured bytes: the packet ends with `[|protocol]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Truncated;

/// Result of printing a layer.
pub(super) type Done = Result<(), Truncated>;

/// How deeply headers may nest. tcpdump relies on its stack here; no real packet comes near.
const MAX_DEPTH: u32 = 64;

/// The state of printing one packet.
pub(super) struct Cx<'a> {
    pub(super) opts: &'a PrintOptions,
    pub(super) out: String,
    /// The innermost protocol begun: what `[|...]` names.
    pub(super) protocol: &'static str,
    pub(super) conversations: &'a mut Conversations,
    /// Name of the interface, for cooked captures.
    pub(super) interface: Option<&'a str>,
    depth: u32,
}

impl<'a> Cx<'a> {
    pub(super) fn new(
        opts: &'a PrintOptions,
        conversations: &'a mut Conversations,
        interface: Option<&'a str>,
    ) -> Cx<'a> {
        Cx { opts, out: String::with_capacity(256), protocol: "", conversations, interface, depth: 0 }
    }

    pub(super) fn text(&mut self, args: std::fmt::Arguments<'_>) {
        let _infallible = self.out.write_fmt(args);
    }

    /// ` [|protocol]`: the rest was not captured.
    pub(super) fn trunc(&mut self) {
        let protocol = self.protocol;
        put!(self, " [|{protocol}]");
    }

    /// ` (invalid)`: the rest contradicts itself.
    pub(super) fn invalid(&mut self) {
        self.out.push_str(" (invalid)");
    }

    /// Runs a printer that may contain this one again, unless headers nest beyond all reason.
    pub(super) fn nested(&mut self, print: impl FnOnce(&mut Cx<'a>) -> Done) -> Done {
        if self.depth == MAX_DEPTH {
            return Err(Truncated);
        }
        self.depth += 1;
        let done = print(self);
        self.depth -= 1;
        done
    }

    /// The hex and ASCII dump of what no printer knows, unless `-x` or `-X` shows it anyway.
    pub(super) fn unknown(&mut self, bytes: &[u8]) {
        if !self.opts.dumps() {
            super::dump::hex_and_ascii(&mut self.out, "\n\t", bytes);
        }
    }

    /// The dump that ends a decoded part, whatever the options (`print_unknown_data`).
    pub(super) fn unknown_data(&mut self, indent: &str, bytes: &[u8], len: usize) {
        super::dump::hex(&mut self.out, indent, bytes.upto(len));
    }

    /// An IPv4 address as `-n` demands it (`ipaddr_string`).
    pub(super) fn host(&self, address: Ipv4Addr) -> String {
        match self.opts.hosts.name_of(address) {
            Some(name) if !self.opts.numeric => name.to_owned(),
            _ => address.to_string(),
        }
    }

    /// A port as `-n` demands it.
    pub(super) fn port(&self, port: u16, transport: Transport) -> String {
        match services::port_name(port, transport) {
            Some(name) if !self.opts.numeric => name.to_owned(),
            _ => port.to_string(),
        }
    }
}

/// Reads of big-endian fields at an offset, from a slice that ends where the capture (or the enclosing length) does.
pub(super) trait Bytes {
    fn u8(&self, at: usize) -> Result<u8, Truncated>;
    fn u16(&self, at: usize) -> Result<u16, Truncated>;
    fn u24(&self, at: usize) -> Result<u32, Truncated>;
    fn u32(&self, at: usize) -> Result<u32, Truncated>;
    fn u64(&self, at: usize) -> Result<u64, Truncated>;
    fn ip4(&self, at: usize) -> Result<Ipv4Addr, Truncated>;
    fn ip6(&self, at: usize) -> Result<Ipv6Addr, Truncated>;
    fn mac(&self, at: usize) -> Result<[u8; 6], Truncated>;
    /// Exactly `len` bytes.
    fn take(&self, at: usize, len: usize) -> Result<&[u8], Truncated>;
    /// Everything from `at` on; nothing when that is beyond the end.
    fn from(&self, at: usize) -> &[u8];
    /// At most the first `len` bytes.
    fn upto(&self, len: usize) -> &[u8];
}

impl Bytes for [u8] {
    fn u8(&self, at: usize) -> Result<u8, Truncated> {
        self.get(at).copied().ok_or(Truncated)
    }
    fn u16(&self, at: usize) -> Result<u16, Truncated> {
        chunk(self, at).map(u16::from_be_bytes)
    }
    fn u24(&self, at: usize) -> Result<u32, Truncated> {
        chunk(self, at).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }
    fn u32(&self, at: usize) -> Result<u32, Truncated> {
        chunk(self, at).map(u32::from_be_bytes)
    }
    fn u64(&self, at: usize) -> Result<u64, Truncated> {
        chunk(self, at).map(u64::from_be_bytes)
    }
    fn ip4(&self, at: usize) -> Result<Ipv4Addr, Truncated> {
        chunk::<4>(self, at).map(Ipv4Addr::from)
    }
    fn ip6(&self, at: usize) -> Result<Ipv6Addr, Truncated> {
        chunk::<16>(self, at).map(Ipv6Addr::from)
    }
    fn mac(&self, at: usize) -> Result<[u8; 6], Truncated> {
        chunk(self, at)
    }
    fn take(&self, at: usize, len: usize) -> Result<&[u8], Truncated> {
        at.checked_add(len).and_then(|end| self.get(at..end)).ok_or(Truncated)
    }
    fn from(&self, at: usize) -> &[u8] {
        self.get(at..).unwrap_or_default()
    }
    fn upto(&self, len: usize) -> &[u8] {
        self.get(..len).unwrap_or(self)
    }
}

fn chunk<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Truncated> {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().ok_or(Truncated)
}

/// A row of a table of names.
pub(super) type Row = (u32, &'static str);

/// The name of `value` in a table.
pub(super) fn name(table: &[Row], value: impl Into<u32>) -> Option<&'static str> {
    let value = value.into();
    table.iter().find(|row| row.0 == value).map(|row| row.1)
}

/// The name of `value`, or `unknown` where the table has none.
pub(super) fn name_or(table: &[Row], value: impl Into<u32>, unknown: &'static str) -> &'static str {
    name(table, value).unwrap_or(unknown)
}

/// The names of the bits set in `value`, joined by `separator`; `none` when no bit of the table is set.
pub(super) fn bits(table: &[Row], value: impl Into<u32>, separator: &str, none: &str) -> String {
    let value = value.into();
    let set: Vec<&str> = table.iter().filter(|row| value & row.0 == row.0).map(|row| row.1).collect();
    if set.is_empty() { none.to_owned() } else { set.join(separator) }
}

/// Bytes as lowercase hex joined by colons.
pub(super) fn hex_colon(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (index, byte) in bytes.iter().enumerate() {
        let _infallible = write!(text, "{}{byte:02x}", if index == 0 { "" } else { ":" });
    }
    text
}

/// Bytes as text the way tcpdump shows strings: what is not printable ASCII becomes `^X` or `M-x`.
pub(super) fn safe_string(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        let mut c = byte;
        if c >= 0x80 {
            text.push_str("M-");
            c &= 0x7f;
        }
        if !(0x20..0x7f).contains(&c) {
            text.push('^');
            c ^= 0x40;
        }
        text.push(char::from(c));
    }
    text
}

/// The one's complement sum of 16-bit words (RFC 1071) over consecutive parts, folded but not complemented.
pub(super) fn ones_sum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    let mut high = true;
    for &byte in parts.iter().copied().flatten() {
        sum += if high { u64::from(byte) << 8 } else { u64::from(byte) };
        high = !high;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// What remains when a checksum is verified: 0 when it is right (`in_cksum`).
pub(super) fn residue(parts: &[&[u8]]) -> u16 {
    !ones_sum(parts)
}

/// The checksum that should stand where `found` stands, given the residue (`in_cksum_shouldbe`).
pub(super) fn should_be(found: u16, residue: u16) -> u16 {
    // RFC 1624: HC' = ~(~HC + ~m + m'), here with the whole packet's residue in place of the difference.
    let mut sum = u32::from(found) + u32::from(residue);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sum as u16
}
