//! `iptables -L`: rules as a table for people.

use core::net::Ipv4Addr;

use super::{Given, mask_len};
use crate::matches::How;
use crate::names::{Names, protocol_name};
use crate::rules::{ChainId, Counters, Inverted, IpMatch, LinkMatch, Rule, Table, Target};

/// How a list looks (`FMT_*`).
#[derive(Clone, Copy)]
pub(super) struct Look<'n> {
    /// Numbers instead of names.
    numeric: bool,
    /// Names of protocols all the same: the line that a change prints with `-v`.
    as_change: bool,
    counters: bool,
    /// Counters in full.
    exact: bool,
    line_numbers: bool,
    links: bool,
    names: &'n dyn Names,
}

impl<'n> Look<'n> {
    /// As the options of `-L` say.
    pub(super) fn of(given: Given, names: &'n dyn Names) -> Self {
        Look {
            numeric: given.contains(Given::NUMERIC),
            as_change: false,
            counters: given.contains(Given::VERBOSE),
            exact: given.contains(Given::EXACT),
            line_numbers: given.contains(Given::LINE_NUMBERS),
            links: given.contains(Given::VERBOSE),
            names,
        }
    }

    /// As a change prints its rule with `-v`.
    pub(super) fn of_change(names: &'n dyn Names) -> Self {
        Look { numeric: true, as_change: true, counters: false, exact: true, line_numbers: false, links: true, names }
    }

    /// Writes a chain with its rules.
    pub(super) fn chain(&self, out: &mut String, table: &Table, id: ChainId) {
        self.header(out, table, id);
        for (number, rule) in table.chain(id).rules().iter().enumerate() {
            self.rule(out, table, number as u32 + 1, rule, table.counters(id, number));
        }
    }

    fn header(&self, out: &mut String, table: &Table, id: ChainId) {
        let chain = table.chain(id);
        out.push_str(&format!("Chain {}", chain.name));
        if chain.hook.is_some() {
            out.push_str(&format!(" (policy {}", chain.policy.name()));
            if self.counters {
                let Counters { packets, bytes } = table.policy_counters(id);
                let (packets, bytes) = (self.count(packets), self.count(bytes));
                out.push_str(&format!(" {} packets, {} bytes", packets.trim(), bytes.trim()));
            }
            out.push_str(")\n");
        } else {
            out.push_str(&format!(" ({} references)\n", chain.references));
        }
        if self.line_numbers {
            out.push_str("num  ");
        }
        if self.counters {
            out.push_str(if self.exact { "    pkts      bytes " } else { " pkts bytes " });
        }
        out.push_str("target     prot opt");
        if self.links {
            out.push_str(" in     out    ");
        }
        out.push_str(&format!(" {:<19}  {:<19} \n", "source", "destination"));
    }

    /// Writes a rule with what it has counted.
    pub(super) fn rule(&self, out: &mut String, table: &Table, number: u32, rule: &Rule, counted: Counters) {
        if self.line_numbers {
            out.push_str(&format!("{number:<4} "));
        }
        if self.counters {
            out.push_str(&self.count(counted.packets));
            out.push_str(&self.count(counted.bytes));
        }
        let goto = matches!(rule.target, Target::Jump { goto: true, .. });
        self.head(out, target_name(table, &rule.target), &rule.ip);
        if self.as_change {
            out.push_str("  ");
        }
        if goto {
            out.push_str("[goto] ");
        }
        let how = How { numeric: self.numeric, ip: &rule.ip, names: self.names };
        for m in &rule.matches {
            m.list(out, &how);
        }
        if let Target::Ext(target) = &rule.target {
            target.list(out, &how);
        }
        out.push('\n');
    }

    fn head(&self, out: &mut String, target: &str, ip: &IpMatch) {
        let not = |bit, other: char| if ip.inv.contains(bit) { '!' } else { other };
        let protocol = self.protocol(ip.protocol);
        let not_protocol = not(Inverted::PROTOCOL, ' ');
        let flag = if ip.fragment { 'f' } else { '-' };
        let (not_fragment, not_src, not_dst) =
            (not(Inverted::FRAGMENT, '-'), not(Inverted::SRC, ' '), not(Inverted::DST, ' '));
        let (src, dst) = (self.addr(ip.src), self.addr(ip.dst));
        let input = self.link(&ip.input, ip.inv.contains(Inverted::INPUT));
        let output = self.link(&ip.output, ip.inv.contains(Inverted::OUTPUT));
        if self.as_change {
            out.push_str(&format!("{target} {not_protocol}{protocol} opt {not_fragment}{flag} "));
            out.push_str(&format!("in {input} out {output} {not_src}{src} {not_dst}-> {dst}"));
            return;
        }
        out.push_str(&format!("{target:<9} {not_protocol}{protocol:<4} {not_fragment}{flag} "));
        if self.links {
            out.push_str(&format!(" {input:<6} {output:<6} "));
        }
        out.push_str(&format!("{not_src}{src:<19} {not_dst}{dst:<19} "));
    }

    fn protocol(&self, number: u8) -> String {
        match number {
            _ if self.numeric && !self.as_change => number.to_string(),
            0 => "all".to_owned(),
            _ => protocol_name(self.names, number).unwrap_or_else(|| number.to_string()),
        }
    }

    fn link(&self, link: &LinkMatch, inv: bool) -> String {
        let name =
            if link.is_all() && !inv { if self.numeric { "*".into() } else { "any".into() } } else { link.text() };
        format!("{}{name}", if inv { "!" } else { "" })
    }

    fn addr(&self, (addr, mask): (u32, u32)) -> String {
        if mask == 0 && !self.numeric {
            return "anywhere".to_owned();
        }
        let addr = Ipv4Addr::from(addr);
        let name =
            if self.numeric { None } else { self.names.host_name(addr).or_else(|| self.names.network_name(addr)) };
        let name = name.unwrap_or_else(|| addr.to_string());
        match mask_len(mask) {
            Some(32) => name,
            Some(len) => format!("{name}/{len}"),
            None => format!("{name}/{}", Ipv4Addr::from(mask)),
        }
    }

    /// A counter with a space behind it, rounded to thousands and so on unless it is wanted exactly (`xtables_print_num`).
    fn count(&self, number: u64) -> String {
        if self.exact {
            return format!("{number:>8} ");
        }
        if number <= 99_999 {
            return format!("{number:>5} ");
        }
        let mut rest = number;
        for unit in ["K", "M", "G"] {
            rest = rest.saturating_add(500) / 1000;
            if rest <= 9999 {
                return format!("{rest:>4}{unit} ");
            }
        }
        format!("{:>4}T ", rest.saturating_add(500) / 1000)
    }
}

fn target_name<'t>(table: &'t Table, target: &'t Target) -> &'t str {
    match target {
        Target::Nothing => "",
        Target::Accept => "ACCEPT",
        Target::Drop => "DROP",
        Target::Return => "RETURN",
        Target::Jump { chain, .. } => &table.chain(*chain).name,
        Target::Ext(target) => target.listed(),
    }
}
