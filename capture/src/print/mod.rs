//! Packets as the lines tcpdump 4.99 prints about them.
//!
//! A [`Printer`] keeps what tcpdump keeps between packets: the time of the previous one and the first sequence
//! numbers of each TCP conversation. Everything else is a function of the packet's bytes. There is one file per
//! protocol and one table, `registry`, that says which number leads to which file.

mod arp;
mod bgp;
mod bgp_attributes;
mod bgp_names;
mod bgp_nlri;
mod bootp;
mod cooked;
mod cx;
mod dhcp_options;
mod dns;
mod dump;
mod ether;
mod groups;
mod icmp;
mod icmp6;
mod igmp;
mod ip;
mod ip6;
mod ip_options;
mod llc;
mod ntp;
mod ppp;
mod registry;
mod stp;
mod tcp;
mod tcp_options;
mod text;
mod time;
mod tunnel;
mod udp;

use cx::{Cx, put};
use time::Clock;

use crate::{Frame, Hosts, LinkType, Meta};

/// What stands in front of a packet (`-t`, `-tt`, ...).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeStamp {
    /// Hours, minutes, seconds: without an option.
    #[default]
    TimeOfDay,
    /// Nothing: `-t`.
    None,
    /// Seconds since the epoch: `-tt`.
    Epoch,
    /// Time since the previous packet: `-ttt`.
    SincePrevious,
    /// Date and time: `-tttt`.
    Date,
    /// Time since the first packet: `-ttttt`.
    SinceFirst,
}

/// How the bytes themselves are shown after the packet's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dump {
    /// Not at all.
    #[default]
    None,
    /// `-x`: hexadecimal, without the link-layer header.
    Hex,
    /// `-xx`: hexadecimal, with the link-layer header.
    HexLink,
    /// `-X`: hexadecimal and ASCII, without the link-layer header.
    HexAscii,
    /// `-XX`: hexadecimal and ASCII, with the link-layer header.
    HexAsciiLink,
    /// `-A`: ASCII, without the link-layer header.
    Ascii,
    /// `-AA`: ASCII, with the link-layer header.
    AsciiLink,
}

/// tcpdump's options that change what is printed.
#[derive(Clone, Debug, Default)]
pub struct PrintOptions {
    /// `-n`: addresses, ports and protocols as numbers.
    pub numeric: bool,
    /// Names of addresses, there being no DNS.
    pub hosts: Hosts,
    /// `-e`: the link-layer header.
    pub link_header: bool,
    /// How many `-v`.
    pub verbose: u8,
    /// How many `-q`.
    pub quiet: u8,
    /// `-t...`.
    pub time_stamp: TimeStamp,
    /// Nanoseconds instead of microseconds: `--time-stamp-precision=nano`.
    pub nanoseconds: bool,
    /// `-x`, `-X`, `-A` and their doubles.
    pub dump: Dump,
    /// `-S`: TCP sequence numbers as they are, not relative to the first.
    pub absolute_seq: bool,
    /// `-#` or `--number`: the packet's number in front.
    pub number: bool,
    /// `-K`: do not verify checksums.
    pub no_checksums: bool,
    /// `-b`: BGP AS numbers in ASDOT notation.
    pub as_dot: bool,
}

impl PrintOptions {
    /// Whether a printer need not dump what it does not know: `-x` and `-X` show every byte, `-q` wants none.
    fn dumps(&self) -> bool {
        self.quiet > 0 || matches!(self.dump, Dump::Hex | Dump::HexLink | Dump::HexAscii | Dump::HexAsciiLink)
    }
}

/// Prints packets one after the other.
#[derive(Clone, Debug)]
pub struct Printer {
    options: PrintOptions,
    clock: Clock,
    conversations: tcp::Conversations,
    count: u32,
}

impl Printer {
    /// A printer that has seen nothing yet.
    pub fn new(options: PrintOptions) -> Printer {
        let clock = Clock::new(options.time_stamp, options.nanoseconds);
        Printer { options, clock, conversations: tcp::Conversations::default(), count: 0 }
    }

    /// The text of the next packet: one or more lines, with the line end.
    pub fn line(&mut self, frame: &Frame, link_type: LinkType, meta: &Meta<'_>) -> String {
        self.count = self.count.wrapping_add(1);
        let mut cx = Cx::new(&self.options, &mut self.conversations, meta.interface);
        if self.options.number {
            put!(cx, "{:5}  ", self.count);
        }
        if !invalid_header(&mut cx, frame) {
            cx.out.push_str(&self.clock.stamp(frame.time_ns));
            let link_header = registry::print_link(&mut cx, link_type, frame);
            dump_bytes(&mut cx.out, self.options.dump, &frame.data, link_header);
        }
        cx.out.push('\n');
        cx.out
    }
}

/// Prints what is wrong with the record itself, if anything (`pretty_print_packet`).
fn invalid_header(cx: &mut Cx<'_>, frame: &Frame) -> bool {
    let (caplen, len, max) = (frame.data.len(), frame.orig_len as usize, crate::file::SNAPLEN as usize);
    let mut faults = String::new();
    if caplen == 0 {
        faults.push_str(" caplen==0");
    }
    if len == 0 {
        faults.push_str(" len==0");
    } else if len < caplen {
        faults.push_str(&format!(" len({len}) < caplen({caplen})"));
    }
    if caplen > max {
        faults.push_str(&format!(" caplen({caplen}) > {max}"));
    }
    if len > max {
        faults.push_str(&format!(" len({len}) > {max}"));
    }
    if !faults.is_empty() {
        put!(cx, "[Invalid header:{faults}]");
    }
    !faults.is_empty()
}

fn dump_bytes(out: &mut String, kind: Dump, data: &[u8], link_header: usize) {
    let payload = data.get(link_header..).unwrap_or_default();
    match kind {
        Dump::None => {}
        Dump::Hex => dump::hex(out, "\n\t", payload),
        Dump::HexLink => dump::hex(out, "\n\t", data),
        Dump::HexAscii => dump::hex_and_ascii(out, "\n\t", payload),
        Dump::HexAsciiLink => dump::hex_and_ascii(out, "\n\t", data),
        Dump::Ascii if payload.is_empty() => {}
        Dump::Ascii => dump::ascii(out, payload),
        Dump::AsciiLink => dump::ascii(out, data),
    }
}
