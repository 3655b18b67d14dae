//! Policy rules: which table answers which flow. `net/core/fib_rules.c` and `net/ipv4/fib_rules.c`.

use super::error::RouteError;
use super::{Fib, Flow, LEGACY_TOS_MASK, RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, Route};
use hopwise_sim_core::IfIndex;
use ipnet::Ipv4Net;

/// What a rule does with a flow that matches it. `FR_ACT_*`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Look into this table; if it says nothing, go on.
    Lookup(u32),
    /// Look into the table of the flow's VRF; flows of none are not meant (`l3mdev`).
    L3mdev,
    /// Go on with the first rule of this priority. `FR_ACT_GOTO`.
    Goto(u32),
    /// Go on.
    Nop,
    /// No route: network unreachable.
    Unreachable,
    /// No route: administratively prohibited.
    Prohibit,
    /// No route, without a word.
    Blackhole,
}

/// A link that a rule names. The name stays when the link goes ("detached"), and finds it again when it comes back.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RuleLink {
    /// The name as it was given.
    pub name: Box<str>,
    /// The link of that name now; [`IfIndex::NONE`]: there is none, and the rule matches nothing.
    pub index: IfIndex,
}

/// Ports from the first to the last, both included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PortRange {
    /// The first.
    pub start: u16,
    /// The last.
    pub end: u16,
}

/// A rule. What is `None` or 0 does not restrict. `fib4_rule`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Rule {
    /// Smaller comes first; also the rule's name in `ip rule del pref N`.
    pub priority: u32,
    /// Source prefix; the host bits are kept as they were given.
    pub from: Option<Ipv4Net>,
    /// Destination prefix.
    pub to: Option<Ipv4Net>,
    /// Type of service, by the old mask `0x1c`.
    pub tos: u8,
    /// The whole DSCP field (`dscp N`, here as the dsfield byte `N << 2`), if given.
    pub dscp: Option<u8>,
    /// Mark.
    pub fwmark: u32,
    /// Which bits of the mark count.
    pub fwmask: u32,
    /// Link by which it came in; `lo`: made here.
    pub iif: Option<RuleLink>,
    /// Link by which it must leave.
    pub oif: Option<RuleLink>,
    /// `IPPROTO_*`; 0: any.
    pub ipproto: u8,
    /// Source ports.
    pub sport: Option<PortRange>,
    /// Destination ports.
    pub dport: Option<PortRange>,
    /// The rule is for all that does not match (`not`).
    pub invert: bool,
    /// What it does.
    pub action: Action,
    /// Routes with a prefix of this length or shorter do not count.
    pub suppress_prefixlength: Option<u8>,
    /// Who made it, `RTPROT_*`.
    pub proto: u8,
}

impl Rule {
    /// A rule for all flows.
    pub const fn new(priority: u32, action: Action) -> Self {
        Rule {
            priority,
            from: None,
            to: None,
            tos: 0,
            dscp: None,
            fwmark: 0,
            fwmask: 0,
            iif: None,
            oif: None,
            ipproto: 0,
            sport: None,
            dport: None,
            invert: false,
            action,
            suppress_prefixlength: None,
            proto: super::RTPROT_BOOT,
        }
    }

    /// `fib_rule_match`.
    pub(super) fn matches(&self, flow: &Flow) -> bool {
        self.selects(flow) != self.invert
    }

    /// All conditions together. `fib4_rule_match` and the first half of `fib_rule_match`.
    fn selects(&self, flow: &Flow) -> bool {
        let link =
            |wanted: &Option<RuleLink>, is: IfIndex| wanted.as_ref().is_none_or(|l| l.index.is_some() && l.index == is);
        let port = |wanted: Option<PortRange>, is: u16| wanted.is_none_or(|r| (r.start..=r.end).contains(&is));
        (self.action != Action::L3mdev || flow.l3mdev != 0)
            && link(&self.iif, flow.iif)
            && link(&self.oif, flow.oif)
            && (self.fwmark ^ flow.mark) & self.fwmask == 0
            && self.from.is_none_or(|net| net.contains(&flow.src))
            && self.to.is_none_or(|net| net.contains(&flow.dst))
            && (self.tos == 0 || self.tos == flow.tos & LEGACY_TOS_MASK)
            && self.dscp.is_none_or(|dscp| dscp == flow.tos & 0xfc)
            && (self.ipproto == 0 || self.ipproto == flow.proto)
            && port(self.sport, flow.sport)
            && port(self.dport, flow.dport)
    }

    /// `fib4_rule_suppress`.
    pub(super) fn suppresses(&self, route: &Route) -> bool {
        self.suppress_prefixlength.is_some_and(|len| route.dst.prefix_len() <= len)
    }

    /// True if the kernel takes `new` for this rule again: what `new` leaves open in addresses and tos may be anything
    /// here, and `not` and the target of `goto` do not count. `rule_exists`, `fib4_rule_compare`.
    fn is_same_as(&self, new: &Rule) -> bool {
        let action = match (self.action, new.action) {
            (Action::Goto(_), Action::Goto(_)) => true,
            (ours, theirs) => ours == theirs,
        };
        let name = |link: &Option<RuleLink>| link.as_ref().map(|link| link.name.clone());
        action
            && self.priority == new.priority
            && name(&self.iif) == name(&new.iif)
            && name(&self.oif) == name(&new.oif)
            && (self.fwmark, self.fwmask) == (new.fwmark, new.fwmask)
            && (self.ipproto, self.sport, self.dport) == (new.ipproto, new.sport, new.dport)
            && (self.suppress_prefixlength, self.proto) == (new.suppress_prefixlength, new.proto)
            && (new.from.is_none() || new.from == self.from)
            && (new.to.is_none() || new.to == self.to)
            && (new.tos == 0 || new.tos == self.tos)
            && (new.dscp.is_none() || new.dscp == self.dscp)
    }
}

/// The place of the first rule of exactly this priority; `Err`: there is none.
pub(super) fn first_at(rules: &[Rule], priority: u32) -> Result<usize, ()> {
    let at = rules.partition_point(|rule| rule.priority < priority);
    if rules.get(at).is_some_and(|rule| rule.priority == priority) { Ok(at) } else { Err(()) }
}

/// The rule that comes with the first VRF of a namespace. `vrf_fib_rule`.
pub const L3MDEV_RULE: Rule = {
    let mut rule = Rule::new(1000, Action::L3mdev);
    rule.proto = super::RTPROT_KERNEL;
    rule
};

/// The rules of a fresh namespace. `fib_default_rules_init`.
pub const DEFAULT_RULES: [Rule; 3] =
    [kernel_rule(0, RT_TABLE_LOCAL), kernel_rule(0x7ffe, RT_TABLE_MAIN), kernel_rule(0x7fff, RT_TABLE_DEFAULT)];

const fn kernel_rule(priority: u32, table: u32) -> Rule {
    let mut rule = Rule::new(priority, Action::Lookup(table));
    rule.proto = super::RTPROT_KERNEL;
    rule
}

impl Fib {
    /// The rules in force, in order.
    pub fn rules(&self) -> &[Rule] {
        const DEFAULT: &[Rule] = &DEFAULT_RULES;
        self.rules.as_ref().map_or(DEFAULT, |rules| rules)
    }

    /// The rules, to be changed: from now on `local` and `main` are searched apart. `fib_unmerge`.
    fn custom_rules(&mut self) -> &mut Vec<Rule> {
        self.generation = self.generation.wrapping_add(1);
        self.rules.get_or_insert_with(|| DEFAULT_RULES.to_vec())
    }

    /// The priority of a rule for which none was given: one before the second rule. `fib_default_rule_pref`.
    pub fn default_rule_priority(&self) -> u32 {
        self.rules().get(1).map_or(0, |second| second.priority.saturating_sub(1))
    }

    /// Adds a rule behind those of the same priority. RTM_NEWRULE with `NLM_F_EXCL`, as `ip rule add` sends it.
    ///
    /// # Errors
    /// [`RouteError::Exists`], [`RouteError::BackwardGoto`], [`RouteError::RuleWithoutTable`].
    pub fn add_rule(&mut self, rule: Rule) -> Result<(), RouteError> {
        match rule.action {
            Action::Goto(target) if target <= rule.priority => return Err(RouteError::BackwardGoto),
            Action::Lookup(super::RT_TABLE_UNSPEC) => return Err(RouteError::RuleWithoutTable),
            _ => {}
        }
        if self.rules().iter().any(|other| other.is_same_as(&rule)) {
            return Err(RouteError::Exists);
        }
        let rules = self.custom_rules();
        let at = rules.partition_point(|other| other.priority <= rule.priority);
        rules.insert(at, rule);
        Ok(())
    }

    /// Deletes the first rule for which `which` is true, and gives it. RTM_DELRULE.
    ///
    /// # Errors
    /// [`RouteError::NotFound`].
    pub fn delete_rule(&mut self, which: impl FnMut(&Rule) -> bool) -> Result<Rule, RouteError> {
        let at = self.rules().iter().position(which).ok_or(RouteError::NotFound)?;
        Ok(self.custom_rules().remove(at))
    }

    /// A link got (or had) this name, was renamed to it, or is gone ([`IfIndex::NONE`]): rules that name it follow.
    /// `attach_rules`, `detach_rules`.
    pub fn rules_follow_link(&mut self, name: &str, index: IfIndex) {
        let Some(rules) = self.rules.as_mut() else { return };
        for link in rules.iter_mut().flat_map(|rule| [&mut rule.iif, &mut rule.oif]).flatten() {
            if *link.name == *name {
                link.index = index;
            }
        }
    }
}
