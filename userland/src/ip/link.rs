//! `ip link`: show, add, set, delete.

mod absent;
mod add;
mod delete;
mod ipip;
mod kinds;
mod macvlan;
pub mod print;
mod set;
mod show;
mod spec;
mod stacked_kinds;
pub mod stats;
mod vxlan;

pub(super) use ipip::{device as tunnel_dev, ttl as tunnel_ttl};

use super::Ip;
use super::args::{self, Args, Done, Fail};

/// `ip link ...`.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show::run(ip, args) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") => add::run(ip, args, add::How::Add),
        () if is("set") || is("change") => set::run(ip, args),
        () if is("replace") => add::run(ip, args, add::How::Replace),
        () if is("delete") => delete::run(ip, args),
        () if is("show") || is("lst") || is("list") => show::run(ip, args),
        () if is("help") => help(ip, args),
        () => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip link help\"."))),
    }
}

/// `ip link help [TYPE]`.
fn help(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    match args.next().as_deref().and_then(kinds::usage) {
        Some(text) => {
            ip.out.text(text);
            Ok(())
        }
        None => Err(usage()),
    }
}

/// The usage text, as a failure.
fn usage() -> Fail {
    Fail::usage(USAGE)
}

const USAGE: &str = "Usage: ip link add [ name ] NAME
		    [ txqueuelen PACKETS ]
		    [ address LLADDR ]
		    [ broadcast LLADDR ]
		    [ mtu MTU ] [index IDX ]
		    [ netns { PID | NAME } ]
		    type TYPE [ ARGS ]

	ip link delete { DEVICE | dev DEVICE | group DEVGROUP } type TYPE [ ARGS ]

	ip link set { DEVICE | dev DEVICE | group DEVGROUP }
			[ { up | down } ]
			[ type TYPE ARGS ]
		[ arp { on | off } ]
		[ dynamic { on | off } ]
		[ multicast { on | off } ]
		[ allmulticast { on | off } ]
		[ promisc { on | off } ]
		[ carrier { on | off } ]
		[ txqueuelen PACKETS ]
		[ name NEWNAME ]
		[ address LLADDR ]
		[ broadcast LLADDR ]
		[ mtu MTU ]
		[ netns { PID | NAME } ]
		[ alias NAME ]
		[ master DEVICE ]
		[ nomaster ]
		[ addrgenmode { eui64 | none | stable_secret | random } ]

	ip link show [ DEVICE | group GROUP ] [up] [master DEV] [type TYPE]
		[nomaster]

	ip link help [ TYPE ]

TYPE := { bridge | bridge_slave | dummy | ipip | veth | vxlan }
";
