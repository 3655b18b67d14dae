//! `tc filter` and `tc chain`: `tc_filter.c` and `f_bpf.c` of iproute2. Programs are put there by who loads them; here they
//! can be seen and taken away. Other classifiers are refused as by a kernel without them.

use hopwise_sim_core::IfIndex;
use hopwise_stack::control::tc::FilterKey;
use hopwise_stack::path::tc::{EGRESS, Filter, Hook, INGRESS};

use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, Out};

/// `TC_H_ROOT`.
const ROOT: u32 = 0xffff_ffff;

/// What the words of a command name.
#[derive(Default)]
struct Words {
    device: Option<String>,
    /// The parent of the filters: the number that `tc` sends for a hook.
    parent: Option<u32>,
    protocol: Option<String>,
    chain: Option<u32>,
    pref: Option<u32>,
    /// The handle, which the kind reads.
    handle: Option<String>,
    kind: Option<String>,
}

/// Puts a word where nothing may be yet.
fn once<T>(place: &mut Option<T>, value: T, name: &str, text: &str) -> Done {
    if place.replace(value).is_some() { Err(args::duparg(name, text)) } else { Ok(()) }
}

impl Words {
    /// A word that all of the commands know. `false`: it is none. `wrong`: what is said of a preference, and of a parent.
    fn common(&mut self, word: &str, args: &mut Args, wrong: (&str, &str)) -> Done<bool> {
        match word {
            "dev" => {
                let name = args.need()?;
                once(&mut self.device, name.clone(), "dev", &name)?;
            }
            "root" | "ingress" | "egress" => {
                let parent = match word {
                    "root" => ROOT,
                    "ingress" => INGRESS,
                    _ => EGRESS,
                };
                if self.parent.replace(parent).is_some() {
                    return Err(Fail::last_word(format!("Error: \"{word}\" is duplicate parent ID")));
                }
            }
            "parent" => {
                let text = args.need()?;
                let parent = class_id(&text).ok_or_else(|| args::invarg(wrong.1, &text))?;
                once(&mut self.parent, parent, "parent", &text)?;
            }
            "handle" => {
                let text = args.need()?;
                once(&mut self.handle, text.clone(), "handle", &text)?;
            }
            _ if args::matches(word, "preference") || args::matches(word, "priority") => {
                let text = args.need()?;
                let pref = text.parse().map_err(|_| args::invarg(wrong.0, &text))?;
                once(&mut self.pref, pref, "priority", &text)?;
            }
            _ if args::matches(word, "protocol") => {
                let text = args.need()?;
                if !is_protocol(&text) {
                    return Err(args::invarg("invalid protocol", &text));
                }
                once(&mut self.protocol, text.clone(), "protocol", &text)?;
            }
            _ if args::matches(word, "chain") => {
                let text = args.need()?;
                let chain = text.parse().map_err(|_| args::invarg("invalid chain index value", &text))?;
                once(&mut self.chain, chain, "chain", &text)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The link that was named.
    fn link(&self, ip: &mut Ip<'_, '_>) -> Done<Option<IfIndex>> {
        self.device.as_deref().map(|name| ip.need_link(name)).transpose()
    }

    /// What is said of the protocol: none, all, or another one.
    fn foreign(&self) -> Option<bool> {
        self.protocol.as_deref().map(|text| !is_all(text))
    }
}

/// The number of a class (`get_tc_classid`).
fn class_id(text: &str) -> Option<u32> {
    match text {
        "root" => return Some(ROOT),
        "none" => return Some(0),
        _ => {}
    }
    let number = |text: &str| if text.is_empty() { Some(0) } else { u32::from_str_radix(text, 16).ok() };
    match text.split_once(':') {
        Some((major, minor)) => {
            let (major, minor) = (number(major)?, number(minor)?);
            (major <= 0xffff && minor <= 0xffff).then_some(major << 16 | minor)
        }
        None => number(text).filter(|_| !text.is_empty()),
    }
}

/// `ll_proto_a2n`, as far as one meets these.
fn is_protocol(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "all", "ip", "ipv4", "ipv6", "arp", "rarp", "802.1q", "802.1ad", "mpls_uc", "mpls_mc", "lldp", "loop",
        "ppp_disc", "ppp_ses", "802_3", "802_2", "snap",
    ];
    let hex = text.strip_prefix("0x").map(|digits| u16::from_str_radix(digits, 16).is_ok());
    hex.unwrap_or_else(|| NAMES.iter().any(|name| name.eq_ignore_ascii_case(text)) || text.parse::<u16>().is_ok())
}

/// Whether it is `ETH_P_ALL`.
fn is_all(text: &str) -> bool {
    text.eq_ignore_ascii_case("all") || text == "0x3" || text == "3"
}

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return list(ip, args) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") || is("change") || is("replace") => {
            let words = modify(args)?;
            let link = words.link(ip)?;
            let dev = link.and_then(|link| ip.sys.kernel.net.ns(ip.ns)?.devs.get(link));
            let why = match (words.parent, dev.map(|dev| dev.clsact.is_some())) {
                (_, None) => "RTNETLINK answers: No such device",
                (None, _) => "Error: Qdisc not classful.",
                (_, Some(false)) => "Error: Parent Qdisc doesn't exists.",
                _ if words.kind.is_none() => "Error: Filter kind and protocol must be specified.",
                _ => "Error: TC classifier not found.",
            };
            Err(refused(why))
        }
        () if is("delete") => delete(ip, args),
        () if is("get") => get(ip, args),
        () if is("show") || is("list") || is("lst") => list(ip, args),
        () if is("help") => Err(Fail::as_is(0, USAGE)),
        () => Err(Fail::new(255, format!("Command \"{word}\" is unknown, try \"tc filter help\"."))),
    }
}

/// Reads the words of a command that changes something (`tc_filter_modify`).
fn modify(args: &mut Args) -> Done<Words> {
    let mut words = Words::default();
    while let Some(word) = args.next() {
        if word == "block" {
            args.need()?;
            return Err(Fail::last_word("Error: \"dev\" and \"block\" are mutually exclusive"));
        }
        if words.common(&word, args, ("invalid priority value", "Invalid parent ID"))? {
            if words.pref.is_some_and(|pref| pref > 0xffff) {
                let text = words.pref.unwrap_or_default().to_string();
                return Err(args::invarg("invalid priority value", &text));
            }
            continue;
        }
        if args::matches(&word, "help") {
            return Err(Fail::as_is(0, USAGE));
        }
        // The kind, and behind it what is its own.
        let own = args.rest();
        if let Some(option) = own.first() {
            return Err(Fail::new(
                1,
                match &*word {
                    "bpf" => format!("What mode is \"{option}\"?\nUnable to parse bpf command line"),
                    kind => format!("Unknown filter \"{kind}\", hence option \"{option}\" is unparsable"),
                },
            ));
        }
        words.kind = Some(word);
    }
    Ok(words)
}

impl Words {
    /// Which filters are meant.
    fn key(&self) -> Done<FilterKey> {
        let mut key = FilterKey {
            pref: self.pref.and_then(|pref| u16::try_from(pref).ok()),
            foreign: self.foreign(),
            kind: self.kind.as_deref().map(|kind| kind == "bpf"),
            chain: self.chain.unwrap_or(0),
            handle: None,
        };
        if let Some(text) = &self.handle {
            let hex = text.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16));
            let number = hex.unwrap_or_else(|| text.parse()).map_err(|_| Fail::new(1, "Illegal \"handle\""))?;
            key.handle = Some(number).filter(|handle| *handle != 0);
        }
        Ok(key)
    }
}

fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let words = modify(args)?;
    if words.handle.is_some() && words.kind.is_none() {
        return Err(Fail::new(255, "Must specify filter type when using \"handle\""));
    }
    let key = words.key()?;
    let Some(link) = words.link(ip)? else { return Err(refused("RTNETLINK answers: No such device")) };
    let ns = ip.ns;
    ip.net().filter_del(ns, link, words.parent.unwrap_or(0), key).map_err(|error| refused(&error.to_string()))
}

/// One filter (`tc_filter_get`).
fn get(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let words = modify(args)?;
    let needs = [
        (words.protocol.is_some(), "Must specify filter protocol"),
        (words.pref.is_some_and(|pref| pref != 0), "Must specify filter priority"),
        (words.parent.is_some_and(|parent| parent != 0), "Must specify filter parent"),
        (words.kind.is_some(), "Must specify filter type"),
        (words.handle.is_some(), "Must specify filter \"handle\""),
    ];
    if let Some((_, why)) = needs.iter().find(|(there, _)| !there) {
        return Err(Fail::new(255, *why));
    }
    if words.kind.as_deref() == Some("u32") && !words.handle.as_deref().unwrap_or_default().contains(':') {
        return Err(Fail::new(1, "Illegal filter ID"));
    }
    let (key, parent) = (words.key()?, words.parent.unwrap_or(0));
    let Some(link) = words.link(ip)? else { return Err(refused("RTNETLINK answers: No such device")) };
    let found = ip.sys.kernel.net.filter_get(ip.ns, link, parent, key);
    let filter = found.map_err(|error| refused(&error.to_string()))?;
    let hook = if parent == EGRESS { Hook::Egress } else { Hook::Ingress };
    ip.out.open();
    record(
        &mut ip.out,
        Some(&filter),
        filter.pref,
        &Shown { hook: Some(hook), protocol: true, pref: true, chain: true },
    );
    ip.out.close();
    Ok(())
}

fn refused(what: &str) -> Fail {
    Fail::new(2, format!("{what}\nWe have an error talking to the kernel"))
}

/// Reads the words of a command that shows something (`tc_filter_list`, `tc_chain` is read likewise).
fn shown(args: &mut Args, object: &str) -> Done<(Words, bool)> {
    let (mut words, mut help) = (Words::default(), false);
    while let Some(word) = args.next() {
        if word == "block" {
            args.need()?;
            return Err(Fail::last_word("Error: \"block\" cannot be used in the same time as \"dev\""));
        }
        if words.common(&word, args, ("invalid preference", "invalid parent ID"))? {
            continue;
        }
        if !args::matches(&word, "help") {
            return Err(Fail::new(255, format!(" What is \"{word}\"? Try \"tc {object} help\"")));
        }
        help = true;
    }
    Ok((words, help))
}

/// What is printed in front of a filter: what a command named is left out.
struct Shown {
    hook: Option<Hook>,
    protocol: bool,
    pref: bool,
    chain: bool,
}

/// The filters of a hook. Without a link or a hook nothing is shown.
fn list(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let (words, help) = shown(args, "filter")?;
    if help {
        ip.sys.err(USAGE);
    }
    let (link, parent) = (words.link(ip)?, words.parent.unwrap_or(0));
    let Ip { sys, out, ns, .. } = ip;
    out.open();
    let dev = link.and_then(|link| sys.kernel.net.ns(*ns)?.devs.get(link));
    if let Some(clsact) = dev.and_then(|dev| dev.clsact.as_deref())
        && let Some(hook) = clsact.hook_of(parent)
        && words.foreign() != Some(true)
        && words.chain.unwrap_or(0) == 0
    {
        let shown = Shown {
            hook: (clsact.ingress_only && parent != INGRESS).then_some(hook),
            protocol: words.protocol.is_none(),
            pref: words.pref.is_none(),
            chain: words.chain.is_none(),
        };
        // Only 16 bits of it are sent.
        let wanted = words.pref.map(|pref| pref as u16).filter(|pref| *pref != 0);
        let mut last = None;
        for filter in clsact.filters(hook).iter().filter(|filter| wanted.is_none_or(|pref| filter.pref == pref)) {
            // A line for the preference comes before those of its filters.
            if last != Some(filter.pref) {
                record(out, None, filter.pref, &shown);
            }
            last = Some(filter.pref);
            record(out, Some(filter), filter.pref, &shown);
        }
    }
    out.close();
    Ok(())
}

/// A line: of a filter, or of all those with a preference (`print_filter`).
fn record(out: &mut Out, filter: Option<&Filter>, pref: u16, shown: &Shown) {
    out.open_object(None);
    out.text("filter ");
    if let Some(hook) = shown.hook {
        out.any(hook.name(), format_args!("{} ", hook.name()), true);
    }
    if shown.protocol {
        out.any("protocol", "protocol all ", "all");
    }
    if shown.pref {
        out.any("pref", format_args!("pref {pref} "), u32::from(pref));
    }
    out.any("kind", "bpf ", "bpf");
    if shown.chain {
        out.any("chain", "chain 0 ", 0u32);
    }
    if let Some(filter) = filter {
        bpf(out, filter);
    }
    out.line();
    out.close_object();
}

/// A program that was loaded from an object file has no name of its own: the loader of iproute2 gives it none.
fn bpf(out: &mut Out, filter: &Filter) {
    out.object(Some("options"), |out| {
        out.any("handle", format_args!("handle 0x{:x} ", filter.handle), format!("0x{:x}", filter.handle).as_str());
        out.any("bpf_name", format_args!("{} ", filter.name), &*filter.name);
        out.any("direct-action", "direct-action ", true);
        out.any("not_in_hw", "not_in_hw ", true);
        out.object(Some("prog"), |out| {
            out.any("id", format_args!("id {} ", filter.id), filter.id);
            out.any("tag", format_args!("tag {:016x} ", filter.tag), format!("{:016x}", filter.tag).as_str());
            out.any("jited", "jited ", 1u32);
        });
    });
}

/// `tc chain`: filters are in the first chain, which is there as long as one of them is; there are no others.
pub(super) fn chain(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let word = args.next().unwrap_or_else(|| "show".into());
    let is = |full| args::matches(&word, full);
    if is("add") || is("delete") || is("get") {
        return Err(Fail::new(255, "tc chain: only `show` is supported here"));
    }
    if is("help") {
        return Err(Fail::as_is(0, CHAIN_USAGE));
    }
    if !(is("show") || is("list") || is("lst")) {
        return Err(Fail::new(255, format!("Command \"{word}\" is unknown, try \"tc chain help\".")));
    }
    let (words, _) = shown(args, "filter")?;
    let (link, parent) = (words.link(ip)?, words.parent.unwrap_or(0));
    let Ip { sys, out, ns, .. } = ip;
    out.open();
    let dev = link.and_then(|link| sys.kernel.net.ns(*ns)?.devs.get(link));
    if let Some(clsact) = dev.and_then(|dev| dev.clsact.as_deref())
        && clsact.hook_of(parent).is_some_and(|hook| !clsact.filters(hook).is_empty())
    {
        out.open_object(None);
        out.text("chain ");
        out.any("parent", "parent ffff: ", "ffff:");
        if words.chain.is_none() {
            out.any("chain", "chain 0 ", 0u32);
        }
        out.line();
        out.close_object();
    }
    out.close();
    Ok(())
}

const CHAIN_USAGE: &str = "Usage: tc chain [ add | del | get | show ] [ dev STRING ]
       tc chain [ add | del | get | show ] [ block BLOCK_INDEX ] ]
";

const USAGE: &str = "Usage: tc filter [ add | del | change | replace | show ] [ dev STRING ]
       tc filter [ add | del | change | replace | show ] [ block BLOCK_INDEX ]
       tc filter get dev STRING parent CLASSID protocol PROTO handle FILTERID pref PRIO FILTER_TYPE
       tc filter get block BLOCK_INDEX protocol PROTO handle FILTERID pref PRIO FILTER_TYPE
       [ pref PRIO ] protocol PROTO [ chain CHAIN_INDEX ]
       [ estimator INTERVAL TIME_CONSTANT ]
       [ root | ingress | egress | parent CLASSID ]
       [ handle FILTERID ] [ [ FILTER_TYPE ] [ help | OPTIONS ] ]

       tc filter show [ dev STRING ] [ root | ingress | egress | parent CLASSID ]
       tc filter show [ block BLOCK_INDEX ]
Where:
FILTER_TYPE := { rsvp | u32 | bpf | fw | route | etc. }
FILTERID := ... format depends on classifier, see there
OPTIONS := ... try tc filter add <desired FILTER_KIND> help
";
