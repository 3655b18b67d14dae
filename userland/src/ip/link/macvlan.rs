//! The arguments of `type macvlan`: iproute2's `iplink_macvlan.c`.

use hopwise_devices::macvlan::{BC_QUEUE_LEN, MacvlanFlags, Mode, SourceChange};
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::control::link::{MacvlanChange, MacvlanSpec};

use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, lladdr};

/// What a new one shall be, after what was said of it.
pub(super) fn spec(change: MacvlanChange, lower: Option<(NsId, IfIndex)>) -> MacvlanSpec {
    MacvlanSpec {
        lower,
        mode: change.mode.unwrap_or_default(),
        flags: change.flags.unwrap_or_default(),
        bc_queue_len: change.bc_queue_len.unwrap_or(BC_QUEUE_LEN),
        sources: change.sources,
    }
}

/// `macvlan_parse_opt`.
pub(super) fn parse(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<MacvlanChange> {
    let mut change = MacvlanChange::default();
    while let Some(word) = args.next() {
        let is = |full| args::matches(&word, full);
        match () {
            () if is("mode") => change.mode = Some(mode(&args.need()?)?),
            () if is("flag") => flag(args, &mut change)?,
            () if is("macaddr") => change.sources = Some(sources(ip, args)?),
            () if is("nopromisc") => *change.flags.get_or_insert_default() |= MacvlanFlags::NOPROMISC,
            () if is("nodst") => *change.flags.get_or_insert_default() |= MacvlanFlags::NODST,
            () if is("bcqueuelen") => change.bc_queue_len = Some(args.number::<u32>("bcqueuelen")?),
            () if is("help") => return Err(Fail::as_is(1, USAGE)),
            () => return Err(Fail::as_is(1, format!("macvlan: unknown option \"{word}\"?\n{USAGE}"))),
        }
    }
    if change.flags.unwrap_or_default().contains(MacvlanFlags::NOPROMISC) && change.mode != Some(Mode::Passthru) {
        return Err(Fail::as_is(1, format!("macvlan: nopromisc flag only valid in passthru mode\n{USAGE}")));
    }
    Ok(change)
}

fn mode(word: &str) -> Done<Mode> {
    Mode::ALL.into_iter().find(|mode| mode.name() == word).ok_or_else(|| {
        let text = "Error: argument of \"mode\" must be \"private\", \"vepa\", \"bridge\", \"passthru\" or \"source\"";
        Fail::new(1, format!("{text}, not \"{word}\""))
    })
}

fn flag(args: &mut Args, change: &mut MacvlanChange) -> Done {
    let flags = change.flags.get_or_insert_default();
    match &*args.need()? {
        "nopromisc" => *flags |= MacvlanFlags::NOPROMISC,
        "nodst" => *flags |= MacvlanFlags::NODST,
        "null" => {}
        other => {
            let text = "Error: argument of \"flag\" must be \"nopromisc\", \"nodst\" or \"null\"";
            return Err(Fail::new(1, format!("{text}, not \"{other}\"")));
        }
    }
    Ok(())
}

/// The words behind `macaddr`. `set` takes addresses as long as there are any; what is said of the first word that is none
/// is said, and that word begins something else.
fn sources(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<SourceChange> {
    match &*args.need()? {
        // An address of another length is refused without a word.
        "add" => six_bytes(&args.need()?)?.map(SourceChange::Add).ok_or_else(|| Fail::silent(1)),
        "del" => six_bytes(&args.need()?)?.map(SourceChange::Del).ok_or_else(|| Fail::silent(1)),
        "flush" => Ok(SourceChange::Flush),
        "set" => {
            let mut all = Vec::new();
            while let Some(word) = args.next() {
                match six_bytes(&word) {
                    Ok(Some(addr)) => all.push(addr),
                    other => {
                        if let Err(fail) = other {
                            ip.sys.err(&fail.text);
                        }
                        args.back();
                        break;
                    }
                }
            }
            Ok(SourceChange::Set(all))
        }
        _ => Err(Fail::as_is(1, USAGE)),
    }
}

fn six_bytes(text: &str) -> Done<Option<MacAddr>> {
    Ok(<[u8; 6]>::try_from(&*lladdr::parse(text)?).ok().map(MacAddr))
}

pub(super) const USAGE: &str = "Usage: ... macvlan mode MODE [flag MODE_FLAG] MODE_OPTS [bcqueuelen BC_QUEUE_LEN]

MODE: private | vepa | bridge | passthru | source
MODE_FLAG: null | nopromisc | nodst
MODE_OPTS: for mode \"source\":
\tmacaddr { { add | del } <macaddr> | set [ <macaddr> [ <macaddr>  ... ] ] | flush }
BC_QUEUE_LEN: Length of the rx queue for broadcast/multicast: [0-4294967295]
";
