//! `tc filter`: `tc_filter.c` and `f_bpf.c` of iproute2. Programs are put there by who loads them; here they can be seen
//! and taken away. Other classifiers are refused as by a kernel without them.

use hopwise_sim_core::IfIndex;
use hopwise_stack::NlError;
use hopwise_stack::control::tc::FilterKey;
use hopwise_stack::path::tc::{Filter, Hook};

use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, Out};

/// What the words of a command name.
#[derive(Default)]
struct Words {
    device: Option<String>,
    hook: Option<Hook>,
    /// The handle, which the kind reads.
    handle: Option<String>,
    /// Which filters.
    key: FilterKey,
}

/// Reads the words in front of the classifier's own.
fn words(args: &mut Args) -> Done<Words> {
    let mut words = Words::default();
    while let Some(word) = args.next() {
        match &*word {
            "dev" => words.device = Some(args.need()?),
            "ingress" => words.hook = Some(Hook::Ingress),
            "egress" => words.hook = Some(Hook::Egress),
            "parent" => {
                let text = args.need()?;
                words.hook = match &*text {
                    "ffff:" | "ffff:fff1" | "ffff:fff2" => Some(Hook::Ingress),
                    "ffff:fff3" => Some(Hook::Egress),
                    _ => None,
                };
            }
            "pref" | "preference" | "priority" | "prio" => {
                let text = args.need()?;
                words.key.pref = Some(text.parse().map_err(|_| args::invarg("invalid priority value", &text))?);
            }
            "protocol" => {
                let text = args.need()?;
                words.key.foreign = Some(match &*text {
                    "all" => false,
                    "ip" | "ipv6" | "arp" | "802.1Q" | "802.1q" | "802.1ad" => true,
                    _ => return Err(args::invarg("invalid protocol", &text)),
                });
            }
            "handle" => {
                words.handle = Some(args.need()?);
            }
            "chain" => drop(args.need()?),
            // The kind, and behind it what is its own.
            kind => {
                words.key.kind = Some(kind == "bpf");
                let own = args.rest();
                if let (false, Some(option)) = (kind == "bpf", own.first()) {
                    let why = format!("Unknown filter \"{kind}\", hence option \"{option}\" is unparsable");
                    return Err(Fail::new(1, why));
                }
            }
        }
    }
    Ok(words)
}

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let word = args.next().unwrap_or_else(|| "show".into());
    let is = |full| args::matches(&word, full);
    let words = words(args)?;
    let link = match &words.device {
        Some(name) => Some(ip.need_link(name)?),
        None => None,
    };
    match () {
        () if is("show") || is("list") || is("lst") => show(ip, link, words.hook),
        () if is("delete") => delete(ip, link, &words),
        () if is("add") || is("change") || is("replace") || is("get") => {
            let dev = link.and_then(|link| ip.sys.kernel.net.ns(ip.ns)?.devs.get(link));
            let why = match (words.hook, dev.map(|dev| dev.clsact.is_some())) {
                (Some(_), Some(false)) => "Parent Qdisc doesn't exists",
                _ => "TC classifier not found",
            };
            Err(refused(&format!("Error: {why}.")))
        }
        () => Err(Fail::new(255, format!("Command \"{word}\" is unknown, try \"tc filter help\"."))),
    }
}

fn delete(ip: &mut Ip<'_, '_>, link: Option<IfIndex>, words: &Words) -> Done {
    let (Some(link), Some(hook)) = (link, words.hook) else {
        return Err(refused("Error: TC classifier not found."));
    };
    let mut key = words.key;
    if let Some(text) = &words.handle {
        if key.kind.is_none() {
            return Err(Fail::new(255, "Must specify filter type when using \"handle\""));
        }
        let hex = text.strip_prefix("0x").map(|digits| u32::from_str_radix(digits, 16));
        let number = hex.unwrap_or_else(|| text.parse()).map_err(|_| Fail::new(1, "Illegal \"handle\""))?;
        key.handle = Some(number).filter(|handle| *handle != 0);
    }
    let ns = ip.ns;
    ip.net().filter_del(ns, link, hook, key).map_err(|error: NlError| refused(&error.to_string()))
}

fn refused(what: &str) -> Fail {
    Fail::new(2, format!("{what}\nWe have an error talking to the kernel"))
}

/// Without a link or a hook nothing is shown.
fn show(ip: &mut Ip<'_, '_>, link: Option<IfIndex>, hook: Option<Hook>) -> Done {
    let (Some(link), Some(hook)) = (link, hook) else { return Ok(()) };
    let Ip { sys, out, ns, .. } = ip;
    let dev = sys.kernel.net.ns(*ns).and_then(|space| space.devs.get(link));
    let Some(clsact) = dev.and_then(|dev| dev.clsact.as_deref()) else { return Ok(()) };
    out.open();
    let mut last = None;
    for filter in clsact.filters(hook) {
        // A line for the preference comes before those of its filters.
        if last != Some(filter.pref) {
            out.open_object(None);
            head(out, filter.pref);
            out.line();
            out.close_object();
        }
        last = Some(filter.pref);
        out.open_object(None);
        head(out, filter.pref);
        bpf(out, filter);
        out.line();
        out.close_object();
    }
    out.close();
    Ok(())
}

fn head(out: &mut Out, pref: u16) {
    out.text("filter ");
    out.any("protocol", "protocol all ", "all");
    out.any("pref", format_args!("pref {pref} "), u32::from(pref));
    out.any("kind", "bpf ", "bpf");
    out.any("chain", "chain 0 ", 0u32);
}

fn bpf(out: &mut Out, filter: &Filter) {
    out.object(Some("options"), |out| {
        out.any("handle", format_args!("handle 0x{:x} ", filter.handle), format!("0x{:x}", filter.handle).as_str());
        out.any("bpf_name", format_args!("{} ", filter.name), &*filter.name);
        out.any("direct-action", "direct-action ", true);
        out.any("not_in_hw", "not_in_hw ", true);
        out.object(Some("prog"), |out| {
            // BPF_OBJ_NAME_LEN: 15 characters and a zero.
            let section = format!("cil_{}", filter.program.name().replace('-', "_"));
            let name = section.get(..15).unwrap_or(&section);
            out.any("id", format_args!("id {} ", filter.id), filter.id);
            out.any("name", format_args!("name {name} "), name);
            out.any("tag", format_args!("tag {:016x} ", filter.tag), format!("{:016x}", filter.tag).as_str());
            out.any("jited", "jited ", 1u32);
        });
    });
}
