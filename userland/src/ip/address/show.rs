//! `ip address show` and `flush`: which addresses of which links (`ipaddr_list_flush_or_save`, `ipaddr_filter`).

use hopwise_sim_core::IfIndex;
use hopwise_stack::control::addr::AddrMatch;
use hopwise_stack::{Dev, IfAddr};
use regex::Regex;

use super::super::args::{self, Args, Done, Fail, Prefix, duparg2, invarg, matches};
use super::super::{Family, Ip, flush as told, link, names, vrf};
use super::{USAGE, print};

/// Which addresses and links; what is `None` does not restrict.
#[derive(Default)]
struct Filter {
    dev: Option<IfIndex>,
    up: bool,
    to: Option<Prefix>,
    scope: Option<u8>,
    label: Option<Regex>,
    secondary: Option<bool>,
    dynamic: Option<bool>,
    deprecated: Option<bool>,
    noprefixroute: bool,
    /// A flag that no IPv4 address has was asked for.
    nothing: bool,
    group: Option<u32>,
    master: Option<IfIndex>,
    kind: Option<String>,
}

/// A pattern of `fnmatch(3)`.
fn pattern(text: &str) -> Option<Regex> {
    let mut out = String::from("^");
    for c in text.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    Regex::new(&out).ok()
}

impl Filter {
    fn parse(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Filter> {
        let mut f = Filter::default();
        let mut dev: Option<String> = None;
        while let Some(word) = args.next() {
            match &*word {
                "to" => {
                    let family = if ip.opt.family == Family::Inet { "inet" } else { "any valid" };
                    f.to = Some(args::prefix_or(&args.need()?, family)?);
                    if ip.opt.family == Family::Unspec {
                        ip.opt.family = Family::Inet;
                    }
                }
                "scope" => {
                    let w = args.need()?;
                    f.scope = match names::scope(&w) {
                        None if w == "all" => None,
                        None => return Err(invarg("invalid \"scope\"\n", &w)),
                        some => some,
                    };
                }
                "up" => f.up = true,
                "label" => {
                    let w = args.need()?;
                    // What was escaped is always a valid expression, unless it is too long for one.
                    f.label = Some(pattern(&w).ok_or_else(|| invarg("label is too long", &w))?);
                }
                "group" => {
                    let w = args.need()?;
                    let group = args::unsigned(&w).and_then(|n| u32::try_from(n).ok());
                    let group = group.or(if w == "default" { Some(0) } else { None });
                    f.group = Some(group.ok_or_else(|| invarg("Invalid \"group\" value\n", &w))?);
                }
                "master" => {
                    let w = args.need()?;
                    f.master = Some(ip.link(&w).ok_or_else(|| invarg("Device does not exist\n", &w))?);
                }
                "vrf" => f.master = Some(vrf::need(ip, args)?),
                "nomaster" => f.master = Some(IfIndex::NONE),
                "type" => f.kind = Some(args.need()?),
                w if f.parse_flag(w) => {}
                w => {
                    let name = if w == "dev" { args.need()? } else { word.clone() };
                    if w != "dev" && matches(&name, "help") {
                        return Err(Fail::usage(USAGE));
                    }
                    if dev.is_some() {
                        return Err(duparg2("dev", &name));
                    }
                    dev = Some(name);
                }
            }
        }
        if let Some(name) = dev {
            let found = ip.link(&name);
            f.dev = Some(found.ok_or_else(|| Fail::new(1, format!("Device \"{name}\" does not exist.")))?);
        }
        Ok(f)
    }

    /// `get_filter`.
    fn parse_flag(&mut self, word: &str) -> bool {
        match word {
            "dynamic" => self.dynamic = Some(true),
            "permanent" => self.dynamic = Some(false),
            "secondary" | "temporary" => self.secondary = Some(true),
            "primary" => self.secondary = Some(false),
            "deprecated" => self.deprecated = Some(true),
            "-deprecated" => self.deprecated = Some(false),
            "noprefixroute" => self.noprefixroute = true,
            "tentative" | "dadfailed" | "optimistic" | "home" | "nodad" | "mngtmpaddr" | "autojoin" => {
                self.nothing = true;
            }
            "-tentative" | "-dadfailed" => {}
            _ => return false,
        }
        true
    }

    /// What the kernel filters links by.
    fn asks_for(&self, dev: &Dev) -> bool {
        let is_kind = |kind: &String| match kind.as_str() {
            "bridge_slave" => dev.port.is_some(),
            kind => dev.kind.ops().name == kind,
        };
        self.dev.is_none_or(|d| d == dev.index)
            && self.group.is_none_or(|g| g == dev.group)
            && self.master.is_none_or(|m| !m.is_some() || m == dev.master)
            && self.kind.as_ref().is_none_or(is_kind)
    }

    fn fits(&self, ip: &Ip<'_, '_>, addr: &IfAddr) -> bool {
        let within = |p: Prefix| (addr.local.to_bits() ^ p.addr.to_bits()).leading_zeros() >= u32::from(p.len);
        !self.nothing
            && ip.opt.family != Family::Inet6
            && self.scope.is_none_or(|scope| scope == addr.scope)
            && self.secondary.is_none_or(|s| s == addr.secondary)
            && self.dynamic.is_none_or(|d| d == addr.valid_until.is_some())
            && self.deprecated.is_none_or(|d| d == print::is_deprecated(addr, ip.sys.now()))
            && (!self.noprefixroute || addr.noprefixroute)
            && self.label.as_ref().is_none_or(|l| l.is_match(&addr.label))
            && self.to.is_none_or(within)
    }

    /// `ipaddr_filter`: a link is shown if an address of it fits, or if it has none and no family was asked for.
    fn shows(&self, ip: &Ip<'_, '_>, dev: &Dev) -> bool {
        let none = dev.inet.addrs.is_empty() && ip.opt.family == Family::Unspec;
        none || dev.inet.addrs.iter().any(|addr| self.fits(ip, addr))
    }
}

/// `ip address show`.
///
/// # Errors
/// Wrong selectors, a link that does not exist.
pub(super) fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let filter = Filter::parse(ip, args)?;
    if let Some(link) = filter.dev {
        // A single link is brought up to date before it is shown; a dump shows what the link watcher has done.
        let ns = ip.ns;
        ip.net().sync_link(ns, link);
    }
    let devs = ip.space()?.devs.iter();
    let shown: Vec<Dev> = devs.filter(|d| filter.asks_for(d) && filter.shows(ip, d)).cloned().collect();
    ip.out.open();
    for dev in &shown {
        ip.out.open_object(None);
        one(ip, &filter, dev);
        ip.out.close_object();
    }
    ip.out.close();
    Ok(())
}

/// A link with its addresses, unless it is left out; in JSON an empty object remains of it then, as iproute2 has it.
fn one(ip: &mut Ip<'_, '_>, filter: &Filter, dev: &Dev) {
    // Who asks for a label does not want to see the link.
    let no_link = (ip.opt.oneline || filter.label.is_some()) && !ip.opt.brief;
    if !no_link && filter.up && !dev.is_up() {
        return;
    }
    if ip.opt.brief {
        link::print::brief(ip, dev.index, false);
    } else if !no_link {
        link::print::link(ip, dev.index, false);
    }
    ip.out.open_array(Some("addr_info"));
    for addr in &dev.inet.addrs {
        if ip.opt.family == Family::Inet6 || (filter.up && !dev.is_up()) {
            continue;
        }
        ip.out.open_object(None);
        if filter.fits(ip, addr) {
            print::address(ip, addr, (dev.index.0, &dev.name), ip.opt.oneline);
        }
        ip.out.close_object();
    }
    ip.out.close_array();
    if ip.opt.brief {
        ip.out.end_record();
    } else if !no_link && ip.opt.stats > 0 {
        link::stats::print(&mut ip.out, dev, &ip.opt);
        ip.out.end_record();
    }
}

/// `ip address flush`.
///
/// # Errors
/// Wrong selectors, or none; a link that does not exist.
pub(super) fn flush(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    if args.is_empty() {
        return Err(Fail::new(1, "Flush requires arguments."));
    }
    let filter = Filter::parse(ip, args)?;
    let mut gone: Vec<(IfIndex, String, IfAddr)> = Vec::new();
    for dev in ip.space()?.devs.iter().filter(|d| filter.asks_for(d) && (!filter.up || d.is_up())) {
        for addr in dev.inet.addrs.iter().filter(|a| filter.fits(ip, a)) {
            gone.push((dev.index, dev.name.to_string(), (**addr).clone()));
        }
    }
    // Secondaries go first: with their primary they would be gone already.
    gone.sort_by_key(|(_, _, addr)| !addr.secondary);
    let ns = ip.ns;
    for (link, name, addr) in &gone {
        if ip.opt.stats > 1 {
            print::address(ip, addr, (link.0, name), true);
        }
        let which = AddrMatch {
            local: Some(addr.local),
            address: Some((addr.peer, addr.prefix_len)),
            label: Some(addr.label.to_string()),
        };
        // It may have gone with its primary.
        let _ = ip.net().addr_del(ns, *link, &which);
    }
    told::done(ip, gone.len(), "addresses");
    Ok(())
}
