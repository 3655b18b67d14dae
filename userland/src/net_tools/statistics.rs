//! `netstat -s`: the counters of `/proc/net/snmp` and `/proc/net/netstat` in words.

use core::fmt::Write;

use hopwise_machine::Sys;

use super::ioctl;
use crate::kernel::SimKernel;
use crate::procfs::net::FILES;

/// When a counter is printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    /// Always.
    Always,
    /// If it is not 0.
    Counted,
    /// Never.
    Never,
    /// If it is not 0, in the list of received messages.
    In,
    /// If it is not 0, in the list of sent messages.
    Out,
}

use When::{Always, Counted, In, Never, Out};

/// The words for counters: group, name, when, words with `{}` for the number. A counter that is not here is printed with
/// its name, if it is not 0.
const WORDS: &[(&str, &str, When, &str)] = &[
    ("Ip", "DefaultTTL", Never, ""),
    ("Ip", "InReceives", Always, "{} total packets received"),
    ("Ip", "InHdrErrors", Counted, "{} with invalid headers"),
    ("Ip", "InAddrErrors", Counted, "{} with invalid addresses"),
    ("Ip", "ForwDatagrams", Always, "{} forwarded"),
    ("Ip", "InUnknownProtos", Counted, "{} with unknown protocol"),
    ("Ip", "InDiscards", Always, "{} incoming packets discarded"),
    ("Ip", "InDelivers", Always, "{} incoming packets delivered"),
    ("Ip", "OutRequests", Always, "{} requests sent out"),
    ("Ip", "OutDiscards", Counted, "{} outgoing packets dropped"),
    ("Ip", "OutNoRoutes", Counted, "{} dropped because of missing route"),
    ("Ip", "ReasmTimeout", Counted, "{} fragments dropped after timeout"),
    ("Ip", "ReasmReqds", Counted, "{} reassemblies required"),
    ("Ip", "ReasmOKs", Counted, "{} packets reassembled ok"),
    ("Ip", "ReasmFails", Counted, "{} packet reassemblies failed"),
    ("Ip", "FragOKs", Counted, "{} fragments received ok"),
    ("Ip", "FragFails", Counted, "{} fragments failed"),
    ("Ip", "FragCreates", Counted, "{} fragments created"),
    ("Icmp", "InMsgs", Always, "{} ICMP messages received"),
    ("Icmp", "InErrors", Always, "{} input ICMP message failed"),
    ("Icmp", "InDestUnreachs", In, "destination unreachable: {}"),
    ("Icmp", "InTimeExcds", In, "timeout in transit: {}"),
    ("Icmp", "InParmProbs", In, "wrong parameters: {}"),
    ("Icmp", "InSrcQuenchs", In, "source quenches: {}"),
    ("Icmp", "InRedirects", In, "redirects: {}"),
    ("Icmp", "InEchos", In, "echo requests: {}"),
    ("Icmp", "InEchoReps", In, "echo replies: {}"),
    ("Icmp", "InTimestamps", In, "timestamp request: {}"),
    ("Icmp", "InTimestampReps", In, "timestamp reply: {}"),
    ("Icmp", "InAddrMasks", In, "address mask request: {}"),
    ("Icmp", "InAddrMaskReps", In, "address mask replies: {}"),
    ("Icmp", "OutMsgs", Always, "{} ICMP messages sent"),
    ("Icmp", "OutErrors", Always, "{} ICMP messages failed"),
    ("Icmp", "OutDestUnreachs", Out, "destination unreachable: {}"),
    ("Icmp", "OutTimeExcds", Out, "time exceeded: {}"),
    ("Icmp", "OutParmProbs", Out, "wrong parameters: {}"),
    ("Icmp", "OutSrcQuenchs", Out, "source quench: {}"),
    ("Icmp", "OutRedirects", Out, "redirect: {}"),
    ("Icmp", "OutEchos", Out, "echo requests: {}"),
    ("Icmp", "OutEchoReps", Out, "echo replies: {}"),
    ("Icmp", "OutTimestamps", Out, "timestamp requests: {}"),
    ("Icmp", "OutTimestampReps", Out, "timestamp replies: {}"),
    ("Icmp", "OutAddrMasks", Out, "address mask requests: {}"),
    ("Icmp", "OutAddrMaskReps", Out, "address mask replies: {}"),
    ("Tcp", "RtoAlgorithm", Never, ""),
    ("Tcp", "RtoMin", Never, ""),
    ("Tcp", "RtoMax", Never, ""),
    ("Tcp", "MaxConn", Never, ""),
    ("Tcp", "ActiveOpens", Always, "{} active connection openings"),
    ("Tcp", "PassiveOpens", Always, "{} passive connection openings"),
    ("Tcp", "AttemptFails", Always, "{} failed connection attempts"),
    ("Tcp", "EstabResets", Always, "{} connection resets received"),
    ("Tcp", "CurrEstab", Always, "{} connections established"),
    ("Tcp", "InSegs", Always, "{} segments received"),
    ("Tcp", "OutSegs", Always, "{} segments sent out"),
    ("Tcp", "RetransSegs", Always, "{} segments retransmitted"),
    ("Tcp", "InErrs", Always, "{} bad segments received"),
    ("Tcp", "OutRsts", Always, "{} resets sent"),
    ("TcpExt", "TCPHPHits", Always, "{} packet headers predicted"),
    ("Udp", "InDatagrams", Always, "{} packets received"),
    ("Udp", "NoPorts", Always, "{} packets to unknown port received"),
    ("Udp", "InErrors", Always, "{} packet receive errors"),
    ("Udp", "OutDatagrams", Always, "{} packets sent"),
    ("Udp", "RcvbufErrors", Always, "{} receive buffer errors"),
    ("Udp", "SndbufErrors", Always, "{} send buffer errors"),
];

/// The groups that only one of the options shows, with the option: TCP, UDP or the rest.
const OWNERS: &[(&str, char)] = &[("Tcp", 't'), ("TcpExt", 't'), ("Udp", 'u'), ("Ip", 'w'), ("Icmp", 'w')];

/// All groups that are wanted. Messages by type, and what is known of no option, are always shown.
pub fn text(sys: &Sys<'_, SimKernel>, tcp: bool, udp: bool, raw: bool) -> String {
    let Ok(space) = ioctl::space(sys) else { return String::new() };
    let now = sys.now();
    let read = |name: &str| FILES.iter().find(|file| file.name == name).map(|file| (file.read)(space, now));
    let (snmp, netstat) = (read("snmp").unwrap_or_default(), read("netstat").unwrap_or_default());
    let groups: Vec<_> = groups(&snmp).into_iter().chain(groups(&netstat)).collect();
    let mut text = String::new();
    // The indent of the list of messages follows that of the group in front of it.
    let mut indent = 4;
    for (name, counters) in &groups {
        let owner = OWNERS.iter().find(|(group, _)| group == name).map(|(_, owner)| *owner);
        let wanted = match owner {
            Some('t') => tcp,
            Some('u') => udp,
            Some(_) => raw,
            None => true,
        };
        if wanted {
            indent = group(&mut text, name, counters, if *name == "IcmpMsg" { indent } else { 4 });
        }
    }
    text
}

/// The pairs of lines of a file: names, then values.
fn groups(file: &str) -> Vec<(&str, Vec<(&str, i64)>)> {
    let lines: Vec<&str> = file.lines().collect();
    let mut groups = Vec::new();
    for two in lines.chunks_exact(2) {
        let Some((name, names)) = two[0].split_once(": ") else { continue };
        let values = two[1].split_once(": ").map_or("", |(_, values)| values);
        let numbers = values.split_whitespace().map(|v| v.parse().unwrap_or(0));
        groups.push((name, names.split_whitespace().zip(numbers).collect()));
    }
    groups
}

/// Prints a group; gives the indent at its end.
fn group(text: &mut String, name: &str, counters: &[(&str, i64)], mut indent: usize) -> usize {
    let _ = writeln!(text, "{name}:");
    let mut list = Always;
    for (counter, value) in counters {
        let known = WORDS.iter().find(|(group, name_of, ..)| *group == name && name_of == counter);
        let (when, words) = known.map_or((Counted, None), |(_, _, when, words)| (*when, Some(*words)));
        let listed = matches!(when, In | Out);
        if when == Never || (*value == 0 && when != Always) {
            continue;
        }
        if listed && list != when {
            let heading = if when == In { "ICMP input histogram:" } else { "ICMP output histogram:" };
            let _ = writeln!(text, "    {heading}");
            list = when;
        }
        indent = if listed {
            8
        } else if known.is_some() {
            4
        } else {
            indent
        };
        let words = words.map_or_else(|| format!("{counter}: {{}}"), str::to_owned);
        let _ = writeln!(text, "{:indent$}{}", "", words.replace("{}", &value.to_string()));
    }
    indent
}
