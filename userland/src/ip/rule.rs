//! `ip rule`: `iprule.c` of iproute2.

use hopwise_protocols::fib::{Action, PortRange, RT_TABLE_MAIN, RTPROT_KERNEL, RouteType, Rule, RuleLink};
use hopwise_sim_core::IfIndex;
use hopwise_stack::control::rule::RuleMatch;
use ipnet::Ipv4Net;

use super::args::{self, Args, Done, Fail, Prefix, invarg, matches};
use super::out::Json;
use super::{Family, Ip, names};

/// Carries a command out.
///
/// # Errors
/// What the command says.
pub fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else { return list(ip, args) };
    match &*word {
        w if ["list", "lst", "show"].iter().any(|full| matches(w, full)) => list(ip, args),
        w if matches(w, "add") => add(ip, args),
        w if matches(w, "delete") => delete(ip, args),
        w if matches(w, "flush") => flush(ip, args),
        w if matches(w, "help") => Err(Fail::usage(USAGE)),
        _ => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"ip rule help\"."))),
    }
}

/// The options that exist here.
const USAGE: &str = "Usage: ip rule { add | del } SELECTOR ACTION
       ip rule { flush }
       ip rule [ list [ SELECTOR ]]
SELECTOR := [ not ] [ from PREFIX ] [ to PREFIX ] [ tos TOS ]
            [ fwmark FWMARK[/MASK] ]
            [ iif STRING ] [ oif STRING ] [ pref NUMBER ]
            [ ipproto PROTOCOL ]
            [ sport [ NUMBER | NUMBER-NUMBER ]
            [ dport [ NUMBER | NUMBER-NUMBER ] ] [ l3mdev ]
ACTION := [ table TABLE_ID ]
          [ protocol PROTO ]
          [ goto NUMBER ]
          SUPPRESSOR
SUPPRESSOR := [ suppress_prefixlength NUMBER ]
TABLE_ID := [ local | main | default | NUMBER ]
";

/// What the words of `add` and `del` say.
#[derive(Default)]
struct Request {
    invert: bool,
    wanted: RuleMatch,
    table: Option<u32>,
    kind: Option<Action>,
}

fn net(prefix: Prefix) -> Option<Ipv4Net> {
    if prefix.any { None } else { Ipv4Net::new(prefix.addr, prefix.len).ok() }
}

/// `N` or `N-M`.
fn ports(word: &str) -> Done<PortRange> {
    let (start, end) = word.split_once('-').unwrap_or((word, word));
    match (start.parse(), end.parse()) {
        (Ok(start), Ok(end)) => Ok(PortRange { start, end }),
        _ => Err(invarg("invalid port range\n", word)),
    }
}

/// `MARK` or `MARK/MASK`.
fn mark(word: &str, into: &mut RuleMatch) -> Done {
    let number = |text: &str, what: &str| {
        let number = args::unsigned(text).and_then(|n| u32::try_from(n).ok());
        number.ok_or_else(|| invarg(&format!("{what} value is invalid\n"), text))
    };
    let (mark, mask) = word.split_once('/').map_or((word, None), |(mark, mask)| (mark, Some(mask)));
    into.fwmark = Some(number(mark, "fwmark")?);
    into.fwmask = mask.map(|mask| number(mask, "fwmask")).transpose()?;
    Ok(())
}

/// The name of a link, which need not exist.
fn link_name(word: String, key: &str) -> Done<Option<String>> {
    let wrong = word.is_empty() || word.len() > 15 || word.contains(['/', ' ']);
    if wrong { Err(invarg(&format!("{key} not a valid ifname"), &word)) } else { Ok(Some(word)) }
}

impl Request {
    fn parse(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Request> {
        let mut r = Request::default();
        let family = if ip.opt.family == Family::Inet { "inet" } else { "any valid" };
        while let Some(word) = args.next() {
            let w = &mut r.wanted;
            match &*word {
                "not" => r.invert = true,
                "from" => w.from = net(args::prefix_or(&args.need()?, family)?),
                "to" => w.to = net(args::prefix_or(&args.need()?, family)?),
                word if matches(word, "preference") || matches(word, "order") || matches(word, "priority") => {
                    w.priority = Some(args.number("preference value is invalid\n")?);
                }
                word if word == "tos" || matches(word, "dsfield") => {
                    let word = args.need()?;
                    w.tos = Some(names::dsfield(&word).ok_or_else(|| invarg("TOS value is invalid\n", &word))?);
                }
                "fwmark" => mark(&args.need()?, w)?,
                "l3mdev" => r.kind = Some(Action::L3mdev),
                word if matches(word, "protocol") => {
                    let word = args.need()?;
                    let proto = names::protocol(&word);
                    w.proto = Some(proto.ok_or_else(|| invarg("\"protocol\" value is invalid\n", &word))?);
                }
                word if matches(word, "table") || matches(word, "lookup") => {
                    let word = args.need()?;
                    let table = names::table(ip, &word);
                    r.table = Some(table.ok_or_else(|| invarg("invalid table ID\n", &word))?);
                }
                word if matches(word, "suppress_prefixlength") || matches(word, "sup_pl") => {
                    w.suppress_prefixlength = Some(args.number("suppress_prefixlength value is invalid\n")?);
                }
                "dev" | "iif" => w.iif = link_name(args.need()?, "\"iif\"/\"dev\"")?,
                "oif" => w.oif = link_name(args.need()?, "\"oif\"")?,
                "ipproto" => {
                    let word = args.need()?;
                    let proto = names::ip_protocol(&word);
                    w.ipproto = Some(proto.ok_or_else(|| invarg("Invalid \"ipproto\" value\n", &word))?);
                }
                "sport" => w.sport = Some(ports(&args.need()?)?),
                "dport" => w.dport = Some(ports(&args.need()?)?),
                _ => r.kind = Some(action(&word, args)?),
            }
        }
        if r.kind == Some(Action::L3mdev) && r.table.is_some() {
            return Err(Fail::new(22, "table can not be specified for l3mdev rules"));
        }
        Ok(r)
    }

    /// What the rule does; a table may be named beside another action.
    fn action(&self) -> Option<Action> {
        match self.kind {
            Some(Action::Lookup(_)) | None => self.table.map(Action::Lookup),
            other => other,
        }
    }
}

/// `type`, `goto`, `nop` or a type of routes.
fn action(word: &str, args: &mut Args) -> Done<Action> {
    let word = if matches(word, "type") { args.need()? } else { word.to_owned() };
    if matches(&word, "goto") {
        return Ok(Action::Goto(args.number("invalid target\n")?));
    }
    if matches(&word, "nop") {
        return Ok(Action::Nop);
    }
    match names::route_type(&word) {
        Some(RouteType::Unicast) => Ok(Action::Lookup(0)),
        Some(RouteType::Unreachable) => Ok(Action::Unreachable),
        Some(RouteType::Prohibit) => Ok(Action::Prohibit),
        Some(RouteType::Blackhole) => Ok(Action::Blackhole),
        Some(_) => Err(Fail::new(2, "RTNETLINK answers: Invalid argument")),
        None => Err(invarg("Failed to parse rule type", &word)),
    }
}

fn add(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    if args.is_empty() {
        return Err(Fail::new(1, "\"ip rule add\" requires arguments."));
    }
    let r = Request::parse(ip, args)?;
    let tos = r.wanted.tos.unwrap_or(0);
    if tos & 0x03 != 0 {
        return Err(Fail::new(2, "Error: Invalid dsfield (tos): ECN bits must be 0."));
    }
    if tos & !0x1e != 0 {
        return Err(Fail::new(2, "Error: Invalid tos."));
    }
    let implied = if r.kind.is_some() { r.table.unwrap_or(0) } else { RT_TABLE_MAIN };
    let link = |name: Option<String>| name.map(|n| RuleLink { name: n.into(), index: IfIndex::NONE });
    let w = r.wanted.clone();
    let rule = Rule {
        from: w.from.filter(|net| net.prefix_len() > 0),
        to: w.to.filter(|net| net.prefix_len() > 0),
        tos,
        fwmark: w.fwmark.unwrap_or(0),
        // Without a mask all bits count, but only if there is a mark.
        fwmask: w.fwmask.unwrap_or(if w.fwmark.unwrap_or(0) == 0 { 0 } else { u32::MAX }),
        iif: link(w.iif),
        oif: link(w.oif),
        ipproto: w.ipproto.unwrap_or(0),
        sport: w.sport,
        dport: w.dport,
        invert: r.invert,
        suppress_prefixlength: w.suppress_prefixlength,
        proto: w.proto.unwrap_or(0),
        ..Rule::new(0, r.action().unwrap_or(Action::Lookup(implied)))
    };
    let ns = ip.ns;
    ip.net().rule_add(ns, w.priority, rule)?;
    Ok(())
}

fn delete(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    if args.is_empty() {
        return Err(Fail::new(1, "\"ip rule del\" requires arguments."));
    }
    let r = Request::parse(ip, args)?;
    let which = RuleMatch { action: r.action(), ..r.wanted };
    let ns = ip.ns;
    ip.net().rule_del(ns, &which)?;
    Ok(())
}

/// Which rules are listed or flushed.
#[derive(Default)]
struct Filter {
    priority: Option<u32>,
    invert: bool,
    from: Option<Prefix>,
    to: Option<Prefix>,
    tos: Option<u8>,
    mark: RuleMatch,
    iif: Option<String>,
    oif: Option<String>,
    table: Option<u32>,
    /// Only `flush` looks at it; iproute2 6.1 lists all the same.
    proto: Option<u8>,
    ipproto: Option<u8>,
    sport: Option<PortRange>,
    dport: Option<PortRange>,
}

impl Filter {
    fn parse(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done<Filter> {
        let mut f = Filter::default();
        while let Some(word) = args.next() {
            match &*word {
                w if matches(w, "preference") || matches(w, "order") || matches(w, "priority") => {
                    f.priority = Some(args.number("preference value is invalid\n")?);
                }
                "not" => f.invert = true,
                w if w == "tos" || matches(w, "dsfield") => {
                    let w = args.need()?;
                    f.tos = Some(names::dsfield(&w).ok_or_else(|| invarg("TOS value is invalid\n", &w))?);
                }
                "fwmark" => mark(&args.need()?, &mut f.mark)?,
                "dev" | "iif" => f.iif = link_name(args.need()?, "\"iif\"/\"dev\"")?,
                "oif" => f.oif = link_name(args.need()?, "\"oif\"")?,
                w if matches(w, "lookup") || matches(w, "table") => {
                    let w = args.need()?;
                    f.table = Some(names::table(ip, &w).ok_or_else(|| invarg("table id value is invalid\n", &w))?);
                }
                w if matches(w, "from") || matches(w, "src") => f.from = Some(args::prefix(&args.need()?)?),
                w if matches(w, "protocol") => {
                    let w = args.need()?;
                    let proto = names::protocol(&w);
                    f.proto = Some(proto.ok_or_else(|| invarg("invalid \"protocol\"\n", &w))?);
                }
                "ipproto" => {
                    let w = args.need()?;
                    let proto = names::ip_protocol(&w);
                    f.ipproto = Some(proto.ok_or_else(|| invarg("Invalid \"ipproto\" value\n", &w))?);
                }
                "sport" => f.sport = Some(ports(&args.need()?)?),
                "dport" => f.dport = Some(ports(&args.need()?)?),
                w => {
                    let word = if matches(w, "dst") || matches(w, "to") { args.need()? } else { word.clone() };
                    f.to = Some(args::prefix(&word)?);
                }
            }
        }
        Ok(f)
    }

    fn fits(&self, rule: &Rule) -> bool {
        let net = |wanted: Option<Prefix>, is: Option<Ipv4Net>| {
            wanted.is_none_or(|w| w.any || is == Ipv4Net::new(w.addr, w.len).ok())
        };
        let link = |wanted: &Option<String>, is: &Option<RuleLink>| {
            wanted.as_deref().is_none_or(|w| is.as_ref().is_some_and(|l| &*l.name == w))
        };
        self.priority.is_none_or(|p| p == rule.priority)
            && (!self.invert || rule.invert)
            && net(self.from, rule.from)
            && net(self.to, rule.to)
            && self.tos.is_none_or(|tos| tos == rule.tos)
            && self.mark.fwmark.is_none_or(|m| m == rule.fwmark)
            && self.mark.fwmask.is_none_or(|m| m == rule.fwmask)
            && link(&self.iif, &rule.iif)
            && link(&self.oif, &rule.oif)
            && self.table.is_none_or(|t| rule.action == Action::Lookup(t))
            && self.ipproto.is_none_or(|p| p == rule.ipproto)
            && self.sport.is_none_or(|p| rule.sport == Some(p))
            && self.dport.is_none_or(|p| rule.dport == Some(p))
    }
}

fn list(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let filter = Filter::parse(ip, args)?;
    let space = ip.space()?;
    let rules = if ip.opt.family == Family::Inet6 { Vec::new() } else { space.fib.rules().to_vec() };
    ip.out.open();
    for (at, rule) in rules.iter().enumerate() {
        if filter.fits(rule) {
            // A rule jumps only forwards; a target that is not there is told.
            let ahead = rules.get(at + 1..).unwrap_or_default();
            let resolved = |target: u32| ahead.iter().any(|r| r.priority == target);
            print(ip, rule, resolved);
        }
    }
    ip.out.close();
    Ok(())
}

fn flush(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let filter = Filter::parse(ip, args)?;
    // The first rule of all has no priority on the wire, and such are kept.
    let gone: Vec<Rule> = ip
        .space()?
        .fib
        .rules()
        .iter()
        .filter(|r| r.priority != 0 && filter.fits(r) && filter.proto.is_none_or(|p| p == r.proto))
        .cloned()
        .collect();
    let ns = ip.ns;
    for rule in gone {
        let which = RuleMatch { priority: Some(rule.priority), action: Some(rule.action), ..RuleMatch::default() };
        ip.net().rule_del(ns, &which)?;
    }
    Ok(())
}

/// `print_rule`.
fn print(ip: &mut Ip<'_, '_>, rule: &Rule, resolved: impl Fn(u32) -> bool) {
    ip.out.open_object(None);
    ip.out.any("priority", format_args!("{}:\t", rule.priority), rule.priority);
    if rule.invert {
        ip.out.any("not", "not ", Json::Null);
    }
    print_net(ip, "from", ("src", "srclen"), rule.from.as_ref());
    if rule.from.is_none() {
        ip.out.any("src", "from all", "all");
    }
    if rule.to.is_some() {
        ip.out.text(" ");
        print_net(ip, "to", ("dst", "dstlen"), rule.to.as_ref());
    }
    if rule.tos != 0 {
        let tos = names::dsfield_name(ip, rule.tos);
        ip.out.any("tos", format_args!(" tos {tos}"), &*tos);
    }
    if rule.fwmark != 0 || rule.fwmask != 0 {
        // `%#x` writes zero without a prefix.
        let hex = |n: u32| if n == 0 { "0".to_owned() } else { format!("{n:#x}") };
        let (mark, mask) = (hex(rule.fwmark), hex(rule.fwmask));
        ip.out.any("fwmark", format_args!(" fwmark {mark}"), &*mark);
        if rule.fwmask != u32::MAX {
            ip.out.any("fwmask", format_args!("/{mask}"), &*mask);
        }
    }
    for (key, detached, link) in [("iif", "iif_detached", &rule.iif), ("oif", "oif_detached", &rule.oif)] {
        if let Some(link) = link {
            ip.out.any(key, format_args!(" {key} {}", link.name), &*link.name);
            if !link.index.is_some() {
                ip.out.any(detached, " [detached]", Json::Null);
            }
        }
    }
    if rule.ipproto != 0 {
        let proto = names::ip_protocol_name(ip, rule.ipproto);
        ip.out.any("ipproto", format_args!(" ipproto {proto}"), &*proto);
    }
    print_ports(ip, ("sport", "sport_start", "sport_end"), rule.sport);
    print_ports(ip, ("dport", "dport_start", "dport_end"), rule.dport);
    print_action(ip, rule, resolved);
    if (rule.proto != 0 && rule.proto != RTPROT_KERNEL) || ip.opt.details > 0 {
        let proto = names::protocol_name(ip, rule.proto);
        ip.out.any("protocol", format_args!(" proto {proto}"), &*proto);
    }
    ip.out.end_record();
    ip.out.close_object();
}

fn print_net(ip: &mut Ip<'_, '_>, word: &str, keys: (&str, &str), net: Option<&Ipv4Net>) {
    let Some(net) = net else { return };
    ip.out.any(keys.0, format_args!("{word} {}", net.addr()), net.addr().to_string());
    if net.prefix_len() != 32 {
        ip.out.any(keys.1, format_args!("/{}", net.prefix_len()), net.prefix_len());
    }
}

fn print_ports(ip: &mut Ip<'_, '_>, keys: (&str, &str, &str), range: Option<PortRange>) {
    let Some(range) = range else { return };
    if range.start == range.end {
        ip.out.any(keys.0, format_args!(" {} {}", keys.0, range.start), range.start);
    } else {
        ip.out.any(keys.1, format_args!(" {} {}", keys.0, range.start), range.start);
        ip.out.any(keys.2, format_args!("-{}", range.end), range.end);
    }
}

fn print_action(ip: &mut Ip<'_, '_>, rule: &Rule, resolved: impl Fn(u32) -> bool) {
    match rule.action {
        Action::Lookup(table) => {
            let name = names::table_name(ip, table);
            ip.out.any("table", format_args!(" lookup {name}"), &*name);
            if let Some(len) = rule.suppress_prefixlength {
                ip.out.any("suppress_prefixlen", format_args!(" suppress_prefixlength {len}"), i64::from(len));
            }
        }
        Action::L3mdev => ip.out.any("l3mdev", " lookup [l3mdev-table]", Json::Null),
        Action::Goto(target) => {
            ip.out.any("goto", format_args!(" goto {target}"), target);
            if !resolved(target) {
                ip.out.any("unresolved", " [unresolved]", Json::Null);
            }
        }
        Action::Nop => ip.out.any("nop", " nop", Json::Null),
        Action::Unreachable => ip.out.any("action", " unreachable", "unreachable"),
        Action::Prohibit => ip.out.any("action", " prohibit", "prohibit"),
        Action::Blackhole => ip.out.any("action", " blackhole", "blackhole"),
    }
}
