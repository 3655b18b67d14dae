//! The words of ping: ICMP errors and IP options (`pr_icmph`, `pr_options`).

use core::fmt::Write as _;
use core::net::Ipv4Addr;

use hopwise_protocols::wire::icmp::{
    ICMP_ADDRESS, ICMP_ADDRESSREPLY, ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_INFO_REPLY, ICMP_INFO_REQUEST,
    ICMP_PARAMETERPROB, ICMP_REDIRECT, ICMP_SOURCE_QUENCH, ICMP_TIME_EXCEEDED, ICMP_TIMESTAMP, ICMP_TIMESTAMPREPLY,
};
use hopwise_protocols::wire::ipv4::{IPOPT_END, IPOPT_NOOP, IPOPT_RR, IPOPT_TIMESTAMP, Options};

/// What an ICMP message says, with a line end. `rest` is the second word of its header: MTU, gateway, pointer.
pub(super) fn icmp(kind: u8, code: u8, rest: u32) -> String {
    match kind {
        ICMP_DEST_UNREACH => unreachable(code, rest),
        ICMP_REDIRECT => {
            let what = match code {
                0 => "Redirect Network".to_owned(),
                1 => "Redirect Host".to_owned(),
                2 => "Redirect Type of Service and Network".to_owned(),
                3 => "Redirect Type of Service and Host".to_owned(),
                code => format!("Redirect, Bad Code: {code}"),
            };
            format!("{what}(New nexthop: {})\n", Ipv4Addr::from(rest))
        }
        ICMP_TIME_EXCEEDED => match code {
            0 => "Time to live exceeded\n".to_owned(),
            1 => "Frag reassembly time exceeded\n".to_owned(),
            code => format!("Time exceeded, Bad Code: {code}\n"),
        },
        ICMP_PARAMETERPROB => format!("Parameter problem: pointer = {}\n", if code == 0 { rest >> 24 } else { 0 }),
        ICMP_ECHOREPLY => "Echo Reply\n".to_owned(),
        ICMP_SOURCE_QUENCH => "Source Quench\n".to_owned(),
        ICMP_ECHO => "Echo Request\n".to_owned(),
        ICMP_TIMESTAMP => "Timestamp\n".to_owned(),
        ICMP_TIMESTAMPREPLY => "Timestamp Reply\n".to_owned(),
        ICMP_INFO_REQUEST => "Information Request\n".to_owned(),
        ICMP_INFO_REPLY => "Information Reply\n".to_owned(),
        ICMP_ADDRESS => "Address Mask Request\n".to_owned(),
        ICMP_ADDRESSREPLY => "Address Mask Reply\n".to_owned(),
        kind => format!("Bad ICMP type: {kind}\n"),
    }
}

fn unreachable(code: u8, mtu: u32) -> String {
    let what = match code {
        0 => "Destination Net Unreachable",
        1 => "Destination Host Unreachable",
        2 => "Destination Protocol Unreachable",
        3 => "Destination Port Unreachable",
        4 => return format!("Frag needed and DF set (mtu = {mtu})\n"),
        5 => "Source Route Failed",
        6 => "Destination Net Unknown",
        7 => "Destination Host Unknown",
        8 => "Source Host Isolated",
        9 => "Destination Net Prohibited",
        10 => "Destination Host Prohibited",
        11 => "Destination Net Unreachable for Type of Service",
        12 => "Destination Host Unreachable for Type of Service",
        13 => "Packet filtered",
        14 => "Precedence Violation",
        15 => "Precedence Cutoff",
        code => return format!("Dest Unreachable, Bad Code: {code}\n"),
    };
    format!("{what}\n")
}

/// What was printed of the options of the packets before.
#[derive(Clone, Default, Debug)]
pub(super) struct OptionsPrinter {
    route: Vec<u8>,
}

impl OptionsPrinter {
    /// The IP options of an answer: recorded route and timestamps. `name` says how an address is shown.
    pub(super) fn text(&mut self, options: &[u8], mut name: impl FnMut(Ipv4Addr) -> String) -> String {
        let mut text = String::new();
        for option in Options::new(options).map_while(Result::ok) {
            match option.kind {
                IPOPT_END => break,
                IPOPT_RR => self.recorded_route(option.bytes, &mut text, &mut name),
                IPOPT_TIMESTAMP => timestamps(option.bytes, &mut text, &mut name),
                IPOPT_NOOP => text.push_str("\nNOP"),
                kind => {
                    let _ = write!(text, "\nunknown option {kind:x}");
                }
            }
        }
        text
    }

    fn recorded_route(&mut self, option: &[u8], text: &mut String, name: &mut impl FnMut(Ipv4Addr) -> String) {
        let filled = usize::from(option.get(2).copied().unwrap_or(4)).min(option.len() + 1);
        let Some(hops) = option.get(3..filled.saturating_sub(1)).filter(|h| !h.is_empty()) else { return };
        if self.route == hops {
            text.push_str("\t(same route)");
            return;
        }
        self.route = hops.to_vec();
        text.push_str("\nRR: ");
        for hop in addresses(hops) {
            let _ = writeln!(text, "\t{}", if hop.is_unspecified() { "0.0.0.0".to_owned() } else { name(hop) });
        }
    }
}

/// The first stamp as it is, each following one as the time since then.
fn timestamps(option: &[u8], text: &mut String, name: &mut impl FnMut(Ipv4Addr) -> String) {
    let (Some(&filled), Some(&flags)) = (option.get(2), option.get(3)) else { return };
    let with_address = flags & 0xf != 0;
    let width = if with_address { 8 } else { 4 };
    let Some(entries) = option.get(4..usize::from(filled).saturating_sub(1).min(option.len())) else { return };
    let mut first: Option<u32> = None;
    text.push_str("\nTS: ");
    for entry in entries.chunks_exact(width) {
        if with_address {
            for hop in addresses(entry.get(..4).unwrap_or_default()) {
                let _ = write!(text, "\t{}", if hop.is_unspecified() { "0.0.0.0".to_owned() } else { name(hop) });
            }
        }
        let stamp = entry.last_chunk::<4>().map_or(0, |b| u32::from_be_bytes(*b));
        let odd = if stamp & 0x8000_0000 != 0 { " not-standard" } else { "" };
        let value = stamp & 0x7fff_ffff;
        let _ = match first {
            None => writeln!(text, "\t{value} absolute{odd}"),
            Some(before) => writeln!(text, "\t{}{odd}", i64::from(value) - i64::from(before)),
        };
        first.get_or_insert(value);
    }
    if flags >> 4 != 0 {
        let _ = writeln!(text, "Unrecorded hops: {}", flags >> 4);
    }
}

fn addresses(bytes: &[u8]) -> impl Iterator<Item = Ipv4Addr> {
    bytes.chunks_exact(4).filter_map(|b| b.first_chunk::<4>()).map(|b| Ipv4Addr::from(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_errors() {
        assert_eq!(icmp(3, 1, 0), "Destination Host Unreachable\n");
        assert_eq!(icmp(3, 4, 1400), "Frag needed and DF set (mtu = 1400)\n");
        assert_eq!(icmp(11, 0, 0), "Time to live exceeded\n");
        assert_eq!(icmp(5, 1, 0x0a00_0003), "Redirect Host(New nexthop: 10.0.0.3)\n");
    }

    #[test]
    fn a_recorded_route_is_shown_once() {
        let mut printer = OptionsPrinter::default();
        let option = [7, 15, 12, 10, 0, 0, 1, 10, 0, 1, 2, 0, 0, 0, 0, 0];
        assert_eq!(printer.text(&option, |a| a.to_string()), "\nRR: \t10.0.0.1\n\t10.0.1.2\n");
        assert_eq!(printer.text(&option, |a| a.to_string()), "\t(same route)");
    }

    #[test]
    fn timestamps_are_relative_to_the_first() {
        let option = [68, 20, 21, 0x21, 10, 0, 0, 1, 0, 0, 0, 9, 10, 0, 0, 2, 0, 0, 0, 10];
        let text = OptionsPrinter::default().text(&option, |a| a.to_string());
        assert_eq!(text, "\nTS: \t10.0.0.1\t9 absolute\n\t10.0.0.2\t1\nUnrecorded hops: 2\n");
    }
}
