//! `modprobe`, `lsmod` and `dmesg`. Everything that hopwise can do is there without modules; those that networking
//! tutorials load are accepted and listed, others do not exist.

use hopwise_machine::{KERNEL_RELEASE, Program, Sys, once};
use hopwise_sim_core::{NsId, Time};

use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;

/// The modules of a machine, by their names with underscores.
const MODULES: &[&str] = &[
    "8021q",
    "act_mirred",
    "arp_tables",
    "bonding",
    "br_netfilter",
    "bridge",
    "cls_bpf",
    "cls_u32",
    "dummy",
    "fou",
    "geneve",
    "gre",
    "ifb",
    "inet_diag",
    "ip6_tables",
    "ip6_tunnel",
    "ip6table_filter",
    "ip6table_mangle",
    "ip6table_nat",
    "ip6table_raw",
    "ip_gre",
    "ip_set",
    "ip_set_hash_ip",
    "ip_set_hash_net",
    "ip_tables",
    "ip_tunnel",
    "ip_vs",
    "ip_vs_rr",
    "ip_vs_sh",
    "ip_vs_wrr",
    "ipip",
    "ipt_REJECT",
    "iptable_filter",
    "iptable_mangle",
    "iptable_nat",
    "iptable_raw",
    "ipvlan",
    "llc",
    "macvlan",
    "macvtap",
    "mpls_iptunnel",
    "mpls_router",
    "nf_conntrack",
    "nf_conntrack_netlink",
    "nf_log_syslog",
    "nf_nat",
    "nf_tables",
    "nfnetlink",
    "nfnetlink_log",
    "nft_chain_nat",
    "nft_compat",
    "nft_ct",
    "nft_masq",
    "nft_nat",
    "openvswitch",
    "overlay",
    "pktgen",
    "sch_fq",
    "sch_htb",
    "sch_ingress",
    "sch_netem",
    "sch_tbf",
    "sctp",
    "sit",
    "stp",
    "tap",
    "tcp_bbr",
    "tcp_diag",
    "tls",
    "tun",
    "tunnel4",
    "udp_diag",
    "udp_tunnel",
    "veth",
    "vrf",
    "vxlan",
    "wireguard",
    "x_tables",
    "xt_LOG",
    "xt_MASQUERADE",
    "xt_REDIRECT",
    "xt_addrtype",
    "xt_comment",
    "xt_conntrack",
    "xt_mark",
    "xt_multiport",
    "xt_nat",
    "xt_nfacct",
    "xt_set",
    "xt_statistic",
    "xt_tcpudp",
];

/// What `lsmod` shows as the size of each: there is no code behind the name.
const SHOWN_SIZE: u32 = 16_384;

const LONG: &[Long] = &[
    ("all", Argument::No, 'a'),
    ("dry-run", Argument::No, 'n'),
    ("first-time", Argument::No, 'f'),
    ("quiet", Argument::No, 'q'),
    ("remove", Argument::No, 'r'),
    ("show", Argument::No, 'n'),
    ("verbose", Argument::No, 'v'),
    ("version", Argument::No, 'V'),
];

/// `modprobe`
pub fn modprobe(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| probe(sys, &args))
}

fn probe(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> i32 {
    let parsed = getopt::parse(args, "anqrvV", LONG);
    let (mut all, mut dry, mut quiet, mut remove) = (false, false, false, false);
    for option in parsed.options {
        match option.map(|o| o.key) {
            Ok('a') => all = true,
            Ok('n') => dry = true,
            Ok('q') => quiet = true,
            Ok('r') => remove = true,
            Ok('V') => {
                sys.out("kmod version 30\n+ZSTD +XZ -ZLIB +LIBCRYPTO -EXPERIMENTAL\n");
                return 0;
            }
            Ok(_) => {}
            Err(why) => {
                sys.err(&format!("modprobe: {why}\n"));
                return 1;
            }
        }
    }
    let Some(first) = parsed.operands.first() else {
        sys.err("modprobe: ERROR: missing parameters. See -h.\n");
        return 1;
    };
    // Without -a, what follows the first name are parameters of that module.
    let names = if all || remove { parsed.operands.clone() } else { vec![first.clone()] };
    let mut status = 0;
    for name in names {
        let Some(module) = MODULES.iter().find(|m| **m == name.replace('-', "_")) else {
            status = 1;
            if !quiet {
                sys.err(&missing(&name, all, remove));
            }
            continue;
        };
        let loaded = sys.kernel.modules.entry(sys.machine()).or_default();
        if !dry {
            loaded.retain(|m| m != module);
            if !remove {
                loaded.insert(0, module);
                loaded_now(sys, module);
            }
        }
    }
    status
}

/// What a module changes by being loaded. Everything else is there from the start.
fn loaded_now(sys: &mut Sys<'_, SimKernel>, module: &str) {
    let host = SimKernel::host_of(sys.machine());
    match module {
        "8021q" => sys.kernel.net.load_vlans(host),
        "ipip" => sys.kernel.net.load_ipip(host),
        _ => {}
    }
}

fn missing(name: &str, all: bool, remove: bool) -> String {
    match (all, remove) {
        (_, true) => format!("modprobe: FATAL: Module {name} not found.\n"),
        (true, _) => {
            format!("modprobe: WARNING: Module {name} not found in directory /lib/modules/{KERNEL_RELEASE}\n")
        }
        _ => format!("modprobe: FATAL: Module {name} not found in directory /lib/modules/{KERNEL_RELEASE}\n"),
    }
}

/// `lsmod`
pub fn lsmod(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let has_args = !args.is_empty();
    once(move |sys: &mut Sys<'_, SimKernel>| {
        if has_args {
            sys.err("Usage: lsmod\n");
            return 1;
        }
        let mut text = "Module                  Size  Used by\n".to_owned();
        for module in sys.kernel.modules.get(&sys.machine()).into_iter().flatten() {
            text.push_str(&format!("{module:<19} {SHOWN_SIZE:>8}  0\n"));
        }
        sys.out(&text);
        0
    })
}

const DMESG_LONG: &[Long] = &[
    ("clear", Argument::No, 'C'),
    ("ctime", Argument::No, 'T'),
    ("kernel", Argument::No, 'k'),
    ("notime", Argument::No, 't'),
    ("read-clear", Argument::No, 'c'),
    ("version", Argument::No, 'V'),
];

/// `dmesg`: the log of the machine's kernel, which all its namespaces share.
pub fn dmesg(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| {
        let parsed = getopt::parse(&args, "cCkTtV", DMESG_LONG);
        let (mut show, mut clear, mut stamp) = (true, false, 'k');
        for option in parsed.options {
            match option.map(|o| o.key) {
                Ok('c') => clear = true,
                Ok('C') => (show, clear) = (false, true),
                Ok('V') => {
                    sys.out("dmesg from util-linux 2.38.1\n");
                    return 0;
                }
                Ok(key) => stamp = key,
                Err(why) => {
                    sys.err(&format!("dmesg: {why}\nTry 'dmesg --help' for more information.\n"));
                    return 1;
                }
            }
        }
        let host = SimKernel::host_of(sys.machine());
        let spaces: Vec<NsId> = sys.kernel.net.namespaces().filter(|n| n.host == host).map(|n| n.id).collect();
        let mut lines: Vec<(Time, String)> = Vec::new();
        for ns in spaces {
            if let Some(space) = sys.kernel.net.ns_mut(ns) {
                lines.extend(space.log.iter().filter(|_| show).cloned());
                if clear {
                    space.log.clear();
                }
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        let text: String = lines.iter().map(|(at, text)| format!("{}{text}\n", stamped(*at, stamp))).collect();
        sys.out(&text);
        0
    })
}

/// What stands in front of a line: `[    1.234567] `, with `-T` the date, with `-t` nothing.
fn stamped(at: Time, how: char) -> String {
    match how {
        't' => String::new(),
        'T' => format!("[{}] ", ctime(at.unix_nanos() / 1_000_000_000)),
        _ => {
            let micros = at.as_nanos() / 1000;
            format!("[{:5}.{:06}] ", micros / 1_000_000, micros % 1_000_000)
        }
    }
}

/// A date as `ctime(3)` writes it, in UTC. The calendar is Howard Hinnant's `civil_from_days`.
pub(crate) fn ctime(seconds: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12;
    let year = era * 400 + year_of_era + u64::from(month < 2);
    let (weekday, month) = (DAYS[(days % 7) as usize], MONTHS[month as usize]);
    format!("{weekday} {month} {day:2} {:02}:{:02}:{:02} {year}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(ctime(1_735_689_600), "Wed Jan  1 00:00:00 2025");
        assert_eq!(ctime(951_782_399), "Mon Feb 28 23:59:59 2000");
        assert_eq!(ctime(951_782_400), "Tue Feb 29 00:00:00 2000");
    }

    #[test]
    fn lines_of_the_log_are_stamped() {
        let at = Time::from_nanos(12_345_678_901);
        assert_eq!(stamped(at, 'k'), "[   12.345678] ");
        assert_eq!(stamped(at, 'T'), "[Wed Jan  1 00:00:12 2025] ");
    }
}
