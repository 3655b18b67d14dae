//! `ip neighbour`: `ipneigh.c` of iproute2.

use core::net::Ipv4Addr;

use hopwise_protocols::fib::Insert;
use hopwise_protocols::neigh::{NeighFlags, Neighbour, NewNeigh, Nud};
use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{IfIndex, Packet, Time};

use super::args::{self, Args, Done, Fail, Prefix, duparg, duparg2, invarg, matches};
use super::out::Json;
use super::{Family, Ip, flush, lladdr, names};

/// Carries a command out.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return show(ip, args) };
    match &*word {
        w if matches(w, "add") => modify(ip, args, Insert::ADD_ROUTE),
        w if matches(w, "change") || w == "chg" => modify(ip, args, Insert::CHANGE_ROUTE),
        w if matches(w, "replace") => modify(ip, args, Insert::REPLACE_ROUTE),
        w if matches(w, "delete") => delete(ip, args),
        w if matches(w, "get") => get(ip, args),
        w if ["show", "lst", "list"].iter().any(|full| matches(w, full)) => show(ip, args),
        w if matches(w, "flush") => flush_entries(ip, args),
        w if matches(w, "help") => Err(Fail::usage(USAGE)),
        _ => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip neigh help\"."))),
    }
}

/// The options that exist here.
const USAGE: &str = "Usage: ip neigh { add | del | change | replace }
                { ADDR [ lladdr LLADDR ] [ nud STATE ] proxy ADDR }
                [ dev DEV ] [ router ] [ use ] [ managed ] [ extern_learn ]
                [ protocol PROTO ]

       ip neigh { show | flush } [ proxy ] [ to PREFIX ] [ dev DEV ] [ nud STATE ]
                                  [ master DEV ] [ nomaster ] [ vrf NAME ]

       ip neigh get { ADDR | proxy ADDR } dev DEV

STATE := { delay | failed | incomplete | noarp | none |
           permanent | probe | reachable | stale }
";

/// The states that `nud` may name (`nud_state_a2n`); `all` is dealt with by the caller.
fn state(word: &str) -> Option<Nud> {
    const NAMES: [(&str, Nud); 9] = [
        ("permanent", Nud::PERMANENT),
        ("reachable", Nud::REACHABLE),
        ("noarp", Nud::NOARP),
        ("none", Nud::NONE),
        ("stale", Nud::STALE),
        ("incomplete", Nud::INCOMPLETE),
        ("delay", Nud::DELAY),
        ("probe", Nud::PROBE),
        ("failed", Nud::FAILED),
    ];
    let named = NAMES.iter().find(|row| matches(word, row.0)).map(|row| row.1);
    named.or_else(|| Some(Nud::from_bits_truncate(u8::try_from(args::unsigned(word)?).ok()?)))
}

/// An address whose family is not known yet.
fn any_addr(ip: &Ip<'_, '_>, word: &str) -> Done<Ipv4Addr> {
    let family = if ip.opt.family == Family::Inet { "inet" } else { "any valid" };
    args::parse_addr(word)
        .ok_or_else(|| Fail::new(1, format!("Error: {family} address is expected rather than \"{word}\".")).ending())
}

/// What the words of `add`, `replace` and `delete` say.
struct Request {
    addr: Option<Ipv4Addr>,
    dev: Option<String>,
    lladdr: Option<Vec<u8>>,
    state: Nud,
    flags: NeighFlags,
    use_it: bool,
    proxy: bool,
    protocol: u8,
}

fn parse(ip: &Ip<'_, '_>, args: &mut Args) -> Done<Request> {
    let mut r = Request {
        addr: None,
        dev: None,
        lladdr: None,
        state: Nud::PERMANENT,
        flags: NeighFlags::empty(),
        use_it: false,
        proxy: false,
        protocol: 0,
    };
    while let Some(word) = args.next() {
        match &*word {
            w if matches(w, "lladdr") => {
                let w = args.need()?;
                if r.lladdr.is_some() {
                    return Err(duparg("lladdr", &w));
                }
                r.lladdr = Some(lladdr::parse(&w)?);
            }
            "nud" => {
                let w = args.need()?;
                r.state = state(&w).ok_or_else(|| invarg("nud state is bad", &w))?;
            }
            "proxy" => {
                let w = args.need()?;
                if matches(&w, "help") {
                    return Err(Fail::usage(USAGE));
                }
                if r.addr.is_some() {
                    return Err(duparg("address", &w));
                }
                r.addr = Some(any_addr(ip, &w)?);
                r.proxy = true;
            }
            "router" => r.flags |= NeighFlags::ROUTER,
            "extern_learn" => r.flags |= NeighFlags::EXT_LEARNED,
            // Such an entry has no state of its own to begin with.
            w if matches(w, "managed") => {
                r.flags |= NeighFlags::MANAGED;
                r.state = Nud::NONE;
            }
            "use" => {
                r.use_it = true;
                r.state = Nud::NONE;
            }
            "dev" => r.dev = Some(args.need()?),
            w if matches(w, "protocol") => {
                let w = args.need()?;
                r.protocol = names::protocol(&w).ok_or_else(|| invarg("\"protocol\" value is invalid\n", &w))?;
            }
            w => {
                let word = if w == "to" { args.need()? } else { word.clone() };
                if matches(&word, "help") {
                    return Err(Fail::usage(USAGE));
                }
                if r.addr.is_some() {
                    return Err(duparg2("to", &word));
                }
                r.addr = Some(any_addr(ip, &word)?);
            }
        }
    }
    Ok(r)
}

fn missing() -> Fail {
    Fail::new(255, "Device and destination are required arguments.")
}

/// Address and link, both of which must be given but for proxy entries.
fn place(ip: &mut Ip<'_, '_>, r: &Request) -> Done<(Ipv4Addr, IfIndex)> {
    let addr = r.addr.ok_or_else(missing)?;
    match &r.dev {
        Some(name) => Ok((addr, ip.need_link(name)?)),
        None if r.proxy => Ok((addr, IfIndex::NONE)),
        None => Err(missing()),
    }
}

fn modify(ip: &mut Ip<'_, '_>, args: &mut Args, how: Insert) -> Done {
    let r = parse(ip, args)?;
    let (addr, dev) = place(ip, &r)?;
    let ns = ip.ns;
    if r.proxy {
        if r.protocol != 0 {
            return Err(invarg("\"protocol\" value is invalid\n", "proxy"));
        }
        ip.net().neigh_add_proxy(ns, dev, addr)?;
        return Ok(());
    }
    let mac = match r.lladdr.as_deref() {
        None => None,
        Some(bytes) => {
            let needed = ip.dev(dev).map_or(6, |dev| dev.hw_addr_len());
            if bytes.len() < needed {
                return Err(Fail::new(2, "Error: Invalid link address."));
            }
            let mut mac = [0; 6];
            mac.iter_mut().zip(bytes.iter().take(needed)).for_each(|(to, from)| *to = *from);
            Some(MacAddr(mac))
        }
    };
    let new =
        NewNeigh { addr, dev, lladdr: mac, state: r.state, flags: r.flags, use_it: r.use_it, protocol: r.protocol };
    ip.net().neigh_set(ns, &new, how)?;
    Ok(())
}

fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let r = parse(ip, args)?;
    let (addr, dev) = place(ip, &r)?;
    let ns = ip.ns;
    if r.proxy {
        ip.net().neigh_del_proxy(ns, dev, addr)?;
    } else {
        ip.net().neigh_del(ns, dev, addr)?;
    }
    Ok(())
}

fn get(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let r = parse(ip, args)?;
    let (Some(addr), Some(name)) = (r.addr, &r.dev) else {
        return Err(Fail::new(1, "Device and address are required arguments."));
    };
    let dev = ip.need_link(name)?;
    let now = ip.sys.now();
    let space = ip.space()?;
    let line = if r.proxy {
        space.neigh.is_proxy(addr, dev).then(|| Line::proxy(addr, dev))
    } else {
        space.neigh.get(addr, dev).map(|entry| Line::entry(entry, now))
    };
    let line = line.ok_or_else(|| {
        Fail::new(
            2,
            if r.proxy { "Error: Proxy neighbour entry not found." } else { "Error: Neighbour entry not found." },
        )
    })?;
    // iproute2 prints this answer as text even if JSON was asked for.
    let out = core::mem::replace(&mut ip.out, super::Out::text_mode(ip.opt.oneline));
    line.print(ip, true);
    let text = ip.out.take();
    ip.out = out;
    ip.sys.out(&text);
    Ok(())
}

/// Which entries are listed or flushed.
struct Filter {
    dev: Option<IfIndex>,
    master: Option<IfIndex>,
    to: Option<Prefix>,
    state: Nud,
    /// Entries without state too.
    none: bool,
    proxy: bool,
    unused: bool,
    proto: Option<u8>,
}

impl Filter {
    fn parse(ip: &mut Ip<'_, '_>, args: &mut Args, flush: bool) -> Done<Filter> {
        let all = Nud::all();
        let fresh = if flush { all - (Nud::PERMANENT | Nud::NOARP) } else { all - Nud::NOARP };
        let mut f = Filter {
            dev: None,
            master: None,
            to: None,
            state: fresh,
            none: false,
            proxy: false,
            unused: false,
            proto: None,
        };
        let (mut dev, mut state_given) = (None, false);
        let family = if ip.opt.family == Family::Inet { "inet" } else { "any valid" };
        while let Some(word) = args.next() {
            match &*word {
                "dev" => {
                    let w = args.need()?;
                    if dev.is_some() {
                        return Err(duparg("dev", &w));
                    }
                    dev = Some(w);
                }
                "master" => {
                    let w = args.need()?;
                    let found = ip.link(&w);
                    f.master = Some(found.ok_or_else(|| invarg("Device does not exist\n", &w))?);
                }
                "vrf" => f.master = Some(super::vrf::need(ip, args)?),
                "nomaster" => f.master = Some(IfIndex::NONE),
                "unused" => f.unused = true,
                "nud" => {
                    let w = args.need()?;
                    if !state_given {
                        (f.state, f.none, state_given) = (Nud::NONE, false, true);
                    }
                    if w == "all" {
                        (f.state, f.none) = (all, true);
                        if flush {
                            f.state -= Nud::NOARP;
                        }
                    } else {
                        let s = state(&w).ok_or_else(|| invarg("nud state is bad", &w))?;
                        f.none |= s == Nud::NONE;
                        f.state |= s;
                    }
                }
                "proxy" => f.proxy = true,
                w if matches(w, "protocol") => {
                    let w = args.need()?;
                    let proto = names::protocol(&w);
                    f.proto = Some(proto.ok_or_else(|| invarg("invalid protocol value\n", &w))?);
                }
                w => {
                    let word = if w == "to" { args.need()? } else { word.clone() };
                    if matches(&word, "help") {
                        return Err(Fail::usage(USAGE));
                    }
                    // `flush all` and `show all` are prefixes of length 0.
                    f.to = Some(args::prefix_or(&word, family)?);
                }
            }
        }
        if let Some(name) = dev {
            f.dev = Some(ip.need_link(&name)?);
        }
        Ok(f)
    }

    fn fits(&self, ip: &Ip<'_, '_>, line: &Line) -> bool {
        let by_state = line.state.intersects(self.state)
            || line.flags.contains(NeighFlags::EXT_LEARNED)
            || line.proxy
            || (self.none && line.state == Nud::NONE);
        let master = |dev| ip.dev(dev).map_or(IfIndex::NONE, |d| d.master);
        let within = |p: Prefix| (line.addr.to_bits() ^ p.addr.to_bits()).leading_zeros() >= u32::from(p.len);
        by_state
            && self.dev.is_none_or(|dev| dev == line.dev)
            && self.master.is_none_or(|wanted| {
                // `nomaster` is a filter that the kernel ignores for neighbours.
                !wanted.is_some() || master(line.dev) == wanted
            })
            && self.to.is_none_or(within)
            && (!self.unused || line.refs == 0)
            && self.proto.is_none_or(|p| p == line.protocol)
    }

    fn select(&self, ip: &Ip<'_, '_>) -> Done<Vec<Line>> {
        if ip.opt.family == Family::Inet6 {
            return Ok(Vec::new());
        }
        let now = ip.sys.now();
        let space = ip.space()?;
        let lines: Vec<Line> = if self.proxy {
            space.neigh.proxies().map(|(addr, dev)| Line::proxy(addr, dev)).collect()
        } else {
            space.neigh.iter().map(|entry| Line::entry(entry, now)).collect()
        };
        Ok(lines.into_iter().filter(|line| self.fits(ip, line)).collect())
    }
}

fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let filter = Filter::parse(ip, args, false)?;
    let lines = filter.select(ip)?;
    ip.out.open();
    for line in lines {
        line.print(ip, filter.dev.is_none());
    }
    ip.out.close();
    Ok(())
}

fn flush_entries(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    if args.is_empty() {
        return Err(Fail::new(1, "Flush requires arguments."));
    }
    let filter = Filter::parse(ip, args, true)?;
    let lines = filter.select(ip)?;
    let ns = ip.ns;
    for line in &lines {
        if ip.opt.stats > 1 {
            line.print(ip, filter.dev.is_none());
        }
        if line.proxy {
            ip.net().neigh_del_proxy(ns, line.dev, line.addr)?;
        } else {
            ip.net().neigh_del(ns, line.dev, line.addr)?;
        }
    }
    flush::done(ip, lines.len(), "entries");
    Ok(())
}

/// An entry as netlink tells it.
struct Line {
    addr: Ipv4Addr,
    dev: IfIndex,
    lladdr: Option<MacAddr>,
    state: Nud,
    flags: NeighFlags,
    proxy: bool,
    refs: u32,
    /// Seconds since it was used, confirmed, updated.
    ages: [u64; 3],
    probes: u32,
    protocol: u8,
}

impl Line {
    fn entry(entry: &Neighbour<Packet>, now: Time) -> Self {
        Line {
            addr: entry.addr(),
            dev: entry.dev(),
            lladdr: entry.lladdr(),
            state: entry.state(),
            flags: entry.flags(),
            proxy: false,
            refs: entry.references(),
            ages: entry.ages(now).map(|age| age.as_secs()),
            probes: entry.probes(),
            protocol: entry.protocol(),
        }
    }

    /// The link-layer address as its link prints addresses: on a tunnel it is an IPv4 address, the near end's if nobody said
    /// another one (`arp_constructor`).
    fn lladdr_on(&self, ip: &Ip<'_, '_>) -> Option<String> {
        let mac = self.lladdr?;
        let Some(bare) = ip.dev(self.dev).filter(|dev| !dev.has_ethernet()) else { return Some(mac.to_string()) };
        let shown = if self.state.contains(Nud::NOARP) { bare.address_shown() } else { bare.shown(mac) };
        Some(shown).filter(|text| !text.is_empty())
    }

    fn proxy(addr: Ipv4Addr, dev: IfIndex) -> Self {
        Line {
            addr,
            dev,
            lladdr: None,
            state: Nud::NONE,
            flags: NeighFlags::empty(),
            proxy: true,
            refs: 0,
            ages: [0; 3],
            probes: 0,
            protocol: 0,
        }
    }

    /// `print_neigh`.
    fn print(&self, ip: &mut Ip<'_, '_>, with_dev: bool) {
        if ip.opt.brief {
            return self.print_brief(ip, with_dev);
        }
        ip.out.open_object(None);
        ip.out.any("dst", format_args!("{} ", self.addr), self.addr.to_string());
        if with_dev && self.dev.is_some() {
            let name = ip.link_name(self.dev);
            ip.out.any("dev", format_args!("dev {name} "), &*name);
        }
        if let Some(lladdr) = self.lladdr_on(ip) {
            ip.out.any("lladdr", format_args!("lladdr {lladdr} "), lladdr.as_str());
        }
        for (is, word) in [
            (self.flags.contains(NeighFlags::ROUTER), "router"),
            (self.proxy, "proxy"),
            (self.flags.contains(NeighFlags::EXT_LEARNED), "extern_learn"),
            (self.flags.contains(NeighFlags::MANAGED), "managed"),
        ] {
            if is {
                ip.out.any(word, format_args!("{word} "), Json::Null);
            }
        }
        if ip.opt.stats > 0 && !self.proxy {
            self.print_stats(ip);
        }
        if !self.state.is_empty() {
            self.print_state(ip);
        }
        if self.protocol != 0 {
            let proto = names::protocol_name(ip, self.protocol);
            ip.out.any("protocol", format_args!("proto {proto} "), &*proto);
        }
        ip.out.end_record();
        ip.out.close_object();
    }

    /// `print_neigh_brief`.
    fn print_brief(&self, ip: &mut Ip<'_, '_>, with_dev: bool) {
        ip.out.open_object(None);
        let addr = self.addr.to_string();
        ip.out.any("dst", format_args!("{addr:<39} "), addr.as_str());
        if with_dev && self.dev.is_some() {
            let name = ip.link_name(self.dev);
            ip.out.any("dev", format_args!("{name:<16} "), &*name);
        }
        if let Some(lladdr) = self.lladdr_on(ip) {
            ip.out.any("lladdr", &lladdr, lladdr.as_str());
        }
        ip.out.end_record();
        ip.out.close_object();
    }

    fn print_stats(&self, ip: &mut Ip<'_, '_>) {
        if self.refs != 0 {
            ip.out.any("refcnt", format_args!(" ref {}", self.refs), self.refs);
        }
        let [used, confirmed, updated] = self.ages;
        ip.out.any("used", format_args!(" used {used}/"), used);
        ip.out.any("confirmed", format_args!("{confirmed}/"), confirmed);
        ip.out.any("updated", format_args!("{updated}"), updated);
        ip.out.any("probes", format_args!("probes {} ", self.probes), self.probes);
    }

    fn print_state(&self, ip: &mut Ip<'_, '_>) {
        ip.out.open_array(Some("state"));
        for (state, name) in Nud::NAMES {
            if self.state.contains(state) {
                ip.out.item(format_args!("{name} "), name);
            }
        }
        ip.out.close_array();
    }
}
