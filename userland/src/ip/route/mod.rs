//! `ip route`: `iproute.c` of iproute2.

mod get;
mod list;
mod message;
mod metrics;
mod modify;

use hopwise_protocols::fib::Insert;

use super::args::{Args, Done, Fail, matches};
use super::{Family, Ip};

/// A command: its name, and what does it.
type Command = (&'static str, fn(&mut Ip<'_, '_>, &mut Args) -> Done);

/// The commands in iproute2's order: the first that a word abbreviates is meant.
const COMMANDS: &[Command] = &[
    ("list", list::show),
    ("show", list::show),
    ("lst", list::show),
    ("get", get::get),
    ("add", |ip, args| modify::add(ip, args, Insert::ADD_ROUTE)),
    ("change", |ip, args| modify::add(ip, args, Insert::CHANGE_ROUTE)),
    ("chg", |ip, args| modify::add(ip, args, Insert::CHANGE_ROUTE)),
    ("replace", |ip, args| modify::add(ip, args, Insert::REPLACE_ROUTE)),
    ("prepend", |ip, args| modify::add(ip, args, Insert::PREPEND_ROUTE)),
    ("append", |ip, args| modify::add(ip, args, Insert::APPEND_ROUTE)),
    ("test", |ip, args| modify::add(ip, args, Insert::TEST_ROUTE)),
    ("delete", modify::delete),
    ("flush", list::flush_routes),
    ("help", |_, _| Err(Fail::usage(USAGE))),
];

/// Carries a command out.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return list::show(ip, args) };
    match COMMANDS.iter().find(|row| matches(&word, row.0)) {
        Some(row) => (row.1)(ip, args),
        None => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip route help\"."))),
    }
}

/// The family that a wrong address is said to be of: any as long as none is known.
fn family_word(ip: &Ip<'_, '_>, known: bool) -> &'static str {
    if known || ip.opt.family == Family::Inet { "inet" } else { "any valid" }
}

/// The options that exist here.
const USAGE: &str = "Usage: ip route { list | flush } SELECTOR
       ip route get [ ROUTE_GET_FLAGS ] ADDRESS
                            [ from ADDRESS iif STRING ]
                            [ oif STRING ] [ tos TOS ]
                            [ mark NUMBER ]
                            [ uid NUMBER ] [ ipproto PROTOCOL ]
                            [ sport NUMBER ] [ dport NUMBER ]
       ip route { add | del | change | append | replace } ROUTE
SELECTOR := [ root PREFIX ] [ match PREFIX ] [ exact PREFIX ]
            [ table TABLE_ID ] [ proto RTPROTO ]
            [ type TYPE ] [ scope SCOPE ]
ROUTE := NODE_SPEC [ INFO_SPEC ]
NODE_SPEC := [ TYPE ] PREFIX [ tos TOS ]
             [ table TABLE_ID ] [ proto RTPROTO ]
             [ scope SCOPE ] [ metric METRIC ]
INFO_SPEC := NH OPTIONS FLAGS [ nexthop NH ]...
NH := [ via [ FAMILY ] ADDRESS ]
      [ dev STRING ] [ weight NUMBER ] NHFLAGS
FAMILY := [ inet ]
OPTIONS := FLAGS [ mtu NUMBER ] [ advmss NUMBER ]
           [ rtt TIME ] [ rttvar TIME ] [ reordering NUMBER ]
           [ window NUMBER ] [ cwnd NUMBER ] [ initcwnd NUMBER ]
           [ ssthresh NUMBER ] [ src ADDRESS ]
           [ rto_min TIME ] [ hoplimit NUMBER ] [ initrwnd NUMBER ]
           [ features FEATURES ] [ quickack BOOL ]
           [ fastopen_no_cookie BOOL ]
TYPE := { unicast | local | broadcast | multicast | throw |
          unreachable | prohibit | blackhole | nat }
TABLE_ID := [ local | main | default | all | NUMBER ]
SCOPE := [ host | link | global | NUMBER ]
NHFLAGS := [ onlink | pervasive ]
RTPROTO := [ kernel | boot | static | NUMBER ]
TIME := NUMBER[s|ms]
BOOL := [1|0]
FEATURES := ecn
ROUTE_GET_FLAGS := [ fibmatch ]
";
