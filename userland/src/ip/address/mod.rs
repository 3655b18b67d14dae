//! `ip address`: `ipaddress.c` of iproute2.

mod modify;
mod print;
mod show;

use hopwise_stack::control::addr::AddrMode;

use super::Ip;
use super::args::{Args, Done, Fail, matches};

/// Carries a command out.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show::show(ip, args) };
    match &*word {
        w if matches(w, "add") => modify::add(ip, args, AddrMode::Add),
        w if w == "change" || w == "chg" => modify::add(ip, args, AddrMode::Replace),
        w if matches(w, "replace") => modify::add(ip, args, AddrMode::Replace),
        w if matches(w, "delete") => modify::delete(ip, args),
        w if ["show", "lst", "list"].iter().any(|full| matches(w, full)) => show::show(ip, args),
        w if matches(w, "flush") => show::flush(ip, args),
        w if matches(w, "help") => Err(Fail::usage(USAGE)),
        _ => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip address help\"."))),
    }
}

/// The options that exist here.
const USAGE: &str = "Usage: ip address {add|change|replace} IFADDR dev IFNAME [ LIFETIME ]
                                                      [ CONFFLAG-LIST ]
       ip address del IFADDR dev IFNAME
       ip address flush [ dev IFNAME ] [ scope SCOPE-ID ]
                            [ to PREFIX ] [ FLAG-LIST ] [ label LABEL ] [up]
       ip address [ show [ dev IFNAME ] [ scope SCOPE-ID ] [ master DEVICE ]
                         [ nomaster ]
                         [ type TYPE ] [ to PREFIX ] [ FLAG-LIST ]
                         [ label LABEL ] [up] ]
IFADDR := PREFIX | ADDR peer PREFIX
          [ broadcast ADDR ]
          [ label IFNAME ] [ scope SCOPE-ID ] [ metric METRIC ]
SCOPE-ID := [ host | link | global | NUMBER ]
FLAG-LIST := [ FLAG-LIST ] FLAG
FLAG  := [ permanent | dynamic | secondary | primary |
           [-]deprecated | CONFFLAG-LIST ]
CONFFLAG-LIST := [ CONFFLAG-LIST ] CONFFLAG
CONFFLAG  := [ noprefixroute ]
LIFETIME := [ valid_lft LFT ] [ preferred_lft LFT ]
LFT := forever | SECONDS
TYPE := { bridge | bridge_slave | dummy | veth }
";
