//! `tc qdisc`: `tc_qdisc.c` of iproute2.

use hopwise_devices::qdisc::{Discipline, Qdisc, QdiscStats, Spec};
use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::control::qdisc::{Parent, QdiscRequest, Verb};
use hopwise_stack::{Dev, NlError};

use super::{fq_codel, kinds, prio, units};
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, Options, Out};

const USAGE: &str = "Usage: tc qdisc [ add | del | replace | change | show ] dev STRING
       [ handle QHANDLE ] [ root | parent CLASSID ]
       [ [ QDISC_KIND ] [ help | OPTIONS ] ]

       tc qdisc { show | list } [ dev STRING ] [ QDISC_ID ] [ invisible ]
Where:
QDISC_KIND := { [p|b]fifo | tbf | prio | netem | fq_codel | pfifo_fast | noqueue | mq }
OPTIONS := ... try tc qdisc add <desired QDISC_KIND> help
QDISC_ID := { root | handle QHANDLE | parent CLASSID }
";

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show(ip, args) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") => modify(ip, args, Verb::Add),
        () if is("change") => modify(ip, args, Verb::Change),
        () if is("replace") => modify(ip, args, Verb::Replace),
        () if is("link") => modify(ip, args, Verb::Link),
        () if is("delete") => delete(ip, args),
        () if is("list") || is("show") || is("lst") => show(ip, args),
        () if is("help") => Err(Fail::as_is(0, USAGE.to_owned())),
        () => Err(Fail::new(255, format!("Command \"{word}\" is unknown, try \"tc qdisc help\"."))),
    }
}

/// What the words of a command name.
#[derive(Default)]
struct Words {
    device: Option<String>,
    handle: u16,
    parent: Option<Parent>,
    kind: Option<String>,
    spec: Option<Spec>,
}

fn words(args: &mut Args) -> Done<Words> {
    let mut words = Words::default();
    while let Some(word) = args.next() {
        match &*word {
            "dev" => {
                let name = args.need()?;
                if words.device.is_some() {
                    return Err(args::duparg("dev", &name));
                }
                words.device = Some(name);
            }
            "handle" => {
                if words.handle != 0 {
                    return Err(args::duparg("handle", "handle"));
                }
                let text = args.need()?;
                words.handle = handle(&text).ok_or_else(|| args::invarg("invalid qdisc ID", &text))?;
            }
            "root" => {
                if words.parent.is_some() {
                    return Err(Fail::new(255, "Error: \"root\" is duplicate parent ID"));
                }
                words.parent = Some(Parent::Root);
            }
            "parent" => {
                let text = args.need()?;
                if words.parent.is_some() {
                    return Err(args::duparg("parent", &text));
                }
                words.parent = class(&text).ok_or_else(|| args::invarg("invalid parent ID", &text))?;
            }
            "ingress" | "clsact" if words.parent.is_some() => {
                return Err(Fail::new(255, format!("Error: \"{word}\" is a duplicate parent ID")));
            }
            "ingress" | "clsact" => {
                if let Some(more) = args.next() {
                    return Err(Fail::as_is(1, format!("What is \"{more}\"?\nUsage: ... {word}\n")));
                }
                words.kind = Some(word);
            }
            "help" => return Err(Fail::as_is(0, USAGE.to_owned())),
            _ => {
                words.spec = kinds::parse(&word, args)?;
                words.kind = Some(word);
                break;
            }
        }
    }
    Ok(words)
}

/// A handle, of which only the part before the colon counts (`get_qdisc_handle`); 0: none.
fn handle(text: &str) -> Option<u16> {
    if text == "none" {
        return Some(0);
    }
    let major = text.split(':').next().unwrap_or_default();
    hex(major)
}

/// A class: `root`, `none`, or `MAJOR:MINOR` in hexadecimal (`get_tc_classid`).
fn class(text: &str) -> Option<Option<Parent>> {
    match text {
        "root" => return Some(Some(Parent::Root)),
        "none" => return Some(None),
        _ => {}
    }
    let Some((major, minor)) = text.split_once(':') else {
        return hex(text).map(|minor| Some(Parent::Class(0, minor)));
    };
    let number = |text: &str| if text.is_empty() { Some(0) } else { hex(text) };
    match (number(major)?, number(minor)?) {
        (0, 0) => Some(None),
        (major, minor) => Some(Some(Parent::Class(major, minor))),
    }
}

fn hex(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X")).unwrap_or(text);
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

/// The link, asked for only after all words were read.
fn device(ip: &mut Ip<'_, '_>, words: &Words) -> Done<IfIndex> {
    match &words.device {
        Some(name) => ip.need_link(name),
        None => Err(NlError::from(Errno::ENODEV).into()),
    }
}

fn modify(ip: &mut Ip<'_, '_>, args: &mut Args, verb: Verb) -> Done {
    let words = words(args)?;
    let link = device(ip, &words)?;
    let ns = ip.ns;
    let Words { handle, parent, kind, spec, .. } = words;
    if let Some(ingress_only) = hooks(kind.as_deref()) {
        return Ok(ip.net().clsact_modify(ns, link, verb, ingress_only)?);
    }
    if spec.is_none() && kind.is_some() {
        return Err(NlError::with(Errno::ENOENT, "Specified qdisc kind is unknown").into());
    }
    let request = QdiscRequest { verb, parent, handle, kind, spec };
    Ok(ip.net().qdisc_modify(ns, link, &request)?)
}

fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let words = words(args)?;
    let link = device(ip, &words)?;
    let ns = ip.ns;
    if let Some(ingress_only) = hooks(words.kind.as_deref()) {
        return Ok(ip.net().clsact_del(ns, link, ingress_only)?);
    }
    Ok(ip.net().qdisc_del(ns, link, words.parent, words.handle, words.kind.as_deref())?)
}

/// Whether a kind is one of those that stand for the hooks of a link; true: the one without a hook for what goes out.
fn hooks(kind: Option<&str>) -> Option<bool> {
    match kind {
        Some("ingress") => Some(true),
        Some("clsact") => Some(false),
        _ => None,
    }
}

/// The handle of that kind, the disciplines' own minor numbers aside (`TC_H_INGRESS`).
const HOOKS: u16 = 0xffff;

/// Which disciplines are shown.
#[derive(Default)]
struct Filter {
    link: Option<IfIndex>,
    handle: u16,
    parent: Option<Parent>,
    hooks_only: bool,
}

fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let (mut name, mut filter) = (None, Filter::default());
    while let Some(word) = args.next() {
        match &*word {
            "dev" => name = Some(args.need()?),
            "root" if filter.parent.is_some() => {
                return Err(Fail::new(255, "Error: \"root\" is duplicate parent ID"));
            }
            "root" => filter.parent = Some(Parent::Root),
            "handle" => {
                let text = args.need()?;
                filter.handle = handle(&text).ok_or_else(|| args::invarg("invalid qdisc ID", &text))?;
            }
            "parent" => {
                let text = args.need()?;
                filter.parent = class(&text).ok_or_else(|| args::invarg("invalid parent ID", &text))?;
            }
            // Disciplines that the kernel made itself are not kept apart here.
            "invisible" => {}
            "ingress" | "clsact" => filter.hooks_only = true,
            "help" => return Err(Fail::as_is(0, USAGE.to_owned())),
            _ => return Err(Fail::new(255, format!("What is \"{word}\"? Try \"tc qdisc help\"."))),
        }
    }
    if let Some(name) = &name {
        filter.link = Some(ip.need_link(name)?);
    }
    let Ip { sys, opt, out, ns, .. } = ip;
    let Some(space) = sys.kernel.net.ns(*ns) else { return Ok(()) };
    out.open();
    for dev in space.devs.iter().filter(|dev| filter.link.is_none_or(|link| link == dev.index)) {
        if !filter.hooks_only {
            show_link(out, opt, dev, &filter);
        }
        show_hooks(out, opt, dev, &filter);
    }
    out.close();
    Ok(())
}

fn show_link(out: &mut Out, opt: &Options, dev: &Dev, filter: &Filter) {
    let Some(queue) = &dev.queue else {
        if dev.qdisc != hopwise_devices::Qdisc::Noop
            && filter.handle == 0
            && filter.parent.is_none_or(|p| p == Parent::Root)
        {
            show_own(out, opt, dev, filter);
        }
        return;
    };
    show_tree(out, opt, dev, &queue.qdisc, filter);
}

/// `clsact` or `ingress`, which stand beside the root.
fn show_hooks(out: &mut Out, opt: &Options, dev: &Dev, filter: &Filter) {
    let Some(clsact) = &dev.clsact else { return };
    let parent = Parent::Class(HOOKS, 0xfff1);
    if (filter.handle != 0 && filter.handle != HOOKS) || filter.parent.is_some_and(|wanted| wanted != parent) {
        return;
    }
    out.open_object(None);
    head(out, dev, (clsact.kind(), HOOKS), parent, 1, filter);
    out.object(Some("options"), |out| {
        if clsact.ingress_only {
            out.text("---------------- ");
        }
    });
    tail(out, opt, QdiscStats::default(), (0, 0));
    out.close_object();
}

/// The root, then all inside in the order of the kernel's hash table (`qdisc_hash`, 16 buckets).
fn show_tree(out: &mut Out, opt: &Options, dev: &Dev, root: &Qdisc, filter: &Filter) {
    let mut all = Vec::new();
    inside(root, &mut all);
    all.sort_by_key(|(qdisc, _)| (u32::from(qdisc.handle) << 16).wrapping_mul(0x61c8_8647) >> 28);
    all.insert(0, (root, Parent::Root));
    for (qdisc, parent) in all {
        let chosen = filter.handle == 0 || filter.handle == qdisc.handle;
        if !chosen || filter.parent.is_some_and(|wanted| wanted != parent) {
            continue;
        }
        out.open_object(None);
        let is_mq = matches!(qdisc.discipline, Discipline::Mq(_));
        let refs = if parent == Parent::Root && !is_mq { 1 + dev.sizes.tx_queues } else { 1 };
        head(out, dev, (qdisc.kind(), qdisc.handle), parent, refs, filter);
        let print = kinds::find(qdisc.kind()).map(|row| row.print);
        out.object(Some("options"), |out| print.into_iter().for_each(|print| print(out, opt, qdisc)));
        let sum = |stats: QdiscStats, child: &Qdisc| QdiscStats {
            bytes: stats.bytes + child.stats.bytes,
            packets: stats.packets + child.stats.packets,
            drops: stats.drops + child.stats.drops,
            ..stats
        };
        // mq_dump: the sum of its queues.
        let stats = if is_mq { qdisc.children().fold(QdiscStats::default(), sum) } else { qdisc.stats };
        tail(out, opt, stats, qdisc.backlog());
        if let Discipline::FqCodel(fq) = &qdisc.discipline
            && opt.stats > 0
        {
            fq_codel::print_stats(out, fq);
        }
        out.close_object();
    }
}

/// The disciplines inside another one that are listed, each with its place: those with a handle, and those of the queues that a
/// link uses, the last one first.
fn inside<'a>(qdisc: &'a Qdisc, all: &mut Vec<(&'a Qdisc, Parent)>) {
    let mq = match &qdisc.discipline {
        Discipline::Mq(mq) => Some(mq),
        _ => None,
    };
    let mut children: Vec<&Qdisc> = qdisc.children().collect();
    if mq.is_some() {
        children.reverse();
    }
    for child in children {
        let is_there = !matches!(child.discipline, Discipline::Noop);
        if child.handle != 0 || (is_there && mq.is_some_and(|mq| mq.lists(child.class))) {
            all.push((child, Parent::Class(qdisc.handle, child.class)));
        }
        inside(child, all);
    }
}

/// The discipline that a link has by itself.
fn show_own(out: &mut Out, opt: &Options, dev: &Dev, filter: &Filter) {
    let places: Vec<Parent> = (1..=dev.sizes.used_tx_queues as u16).rev().map(|n| Parent::Class(0, n)).collect();
    let places = if dev.has_own_mq() {
        out.open_object(None);
        head(out, dev, ("mq", 0), Parent::Root, 1, filter);
        out.object(Some("options"), |_| {});
        tail(out, opt, own_stats(dev), (0, 0));
        out.close_object();
        places
    } else {
        vec![Parent::Root]
    };
    for place in places {
        show_own_queue(out, opt, dev, place, filter);
    }
}

/// What went through it: nothing ever waits there.
fn own_stats(dev: &Dev) -> QdiscStats {
    let mut stats = QdiscStats::default();
    if dev.qdisc == hopwise_devices::Qdisc::PfifoFast {
        (stats.packets, stats.bytes) = (dev.stats.tx_packets, dev.stats.tx_bytes);
    }
    stats
}

fn show_own_queue(out: &mut Out, opt: &Options, dev: &Dev, place: Parent, filter: &Filter) {
    out.open_object(None);
    head(out, dev, (dev.qdisc.name(), 0), place, if place == Parent::Root { 2 } else { 1 }, filter);
    let fast = dev.qdisc == hopwise_devices::Qdisc::PfifoFast;
    out.object(Some("options"), |out| {
        if fast {
            prio::print_fast(out);
        }
    });
    tail(out, opt, own_stats(dev), (0, 0));
    out.close_object();
}

fn head(out: &mut Out, dev: &Dev, (kind, handle): (&str, u16), parent: Parent, refs: u32, filter: &Filter) {
    out.any("kind", format_args!("qdisc {kind}"), kind);
    out.any("handle", format_args!(" {handle:x}: "), format!("{handle:x}:").as_str());
    if filter.link.is_none() {
        out.any("dev", format_args!("dev {} ", dev.name), &*dev.name);
    }
    match parent {
        Parent::Root => out.any("root", "root ", true),
        Parent::Class(major, minor) => {
            let class = match (major, minor) {
                (0, minor) => format!(":{minor:x}"),
                (major, 0) => format!("{major:x}:"),
                (major, minor) => format!("{major:x}:{minor:x}"),
            };
            out.any("parent", format_args!("parent {class} "), class.as_str());
        }
    }
    if refs != 1 {
        out.any("refcnt", format_args!("refcnt {refs} "), refs);
    }
}

pub(super) fn tail(out: &mut Out, opt: &Options, stats: QdiscStats, (packets, bytes): (u32, u32)) {
    out.line();
    if opt.stats > 0 {
        out.any("bytes", format_args!(" Sent {} bytes", stats.bytes), stats.bytes);
        out.any("packets", format_args!(" {} pkt", stats.packets), stats.packets);
        out.any("drops", format_args!(" (dropped {},", stats.drops), stats.drops);
        out.any("overlimits", format_args!(" overlimits {}", stats.overlimits), stats.overlimits);
        out.any("requeues", format_args!(" requeues {}) ", stats.requeues), stats.requeues);
        out.line();
        out.any("backlog", format_args!(" backlog {}", units::show_size(bytes)), bytes);
        out.any("qlen", format_args!(" {packets}p"), packets);
        out.text(format_args!(" requeues {}", stats.requeues));
        out.line();
    }
}
