//! Policy rules by hand: RTM_NEWRULE, RTM_DELRULE. Models `fib_nl_newrule`, `fib_nl_delrule` of
//! `net/core/fib_rules.c`. The rules are read from [`crate::Namespace::fib`] itself.

use hopwise_protocols::fib::{Action, PortRange, Rule};
use hopwise_sim_core::NsId;
use ipnet::Ipv4Net;

use crate::error::{Errno, NlError};
use crate::network::Network;

/// Which rule to delete: what is `None` does not restrict. The attributes of RTM_DELRULE.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RuleMatch {
    /// Priority.
    pub priority: Option<u32>,
    /// Table, or what else it does.
    pub action: Option<Action>,
    /// Source prefix.
    pub from: Option<Ipv4Net>,
    /// Destination prefix.
    pub to: Option<Ipv4Net>,
    /// Type of service.
    pub tos: Option<u8>,
    /// Mark.
    pub fwmark: Option<u32>,
    /// Mask of the mark.
    pub fwmask: Option<u32>,
    /// Name of the link by which packets come in.
    pub iif: Option<String>,
    /// Name of the link by which they must leave.
    pub oif: Option<String>,
    /// IP protocol.
    pub ipproto: Option<u8>,
    /// Source ports.
    pub sport: Option<PortRange>,
    /// Destination ports.
    pub dport: Option<PortRange>,
    /// Suppressed prefix length.
    pub suppress_prefixlength: Option<u8>,
    /// Who made it.
    pub proto: Option<u8>,
}

impl RuleMatch {
    /// `rule_find`: what is given must be the same.
    fn fits(&self, rule: &Rule) -> bool {
        fn same<T: PartialEq>(wanted: &Option<T>, is: &T) -> bool {
            wanted.as_ref().is_none_or(|w| w == is)
        }
        let link = |wanted: &Option<String>, is: &Option<hopwise_protocols::fib::RuleLink>| {
            wanted.as_deref().is_none_or(|w| is.as_ref().is_some_and(|l| &*l.name == w))
        };
        let net =
            |wanted: Option<Ipv4Net>, is: Option<Ipv4Net>| wanted.is_none_or(|w| w.prefix_len() == 0 || is == Some(w));
        same(&self.priority, &rule.priority)
            && same(&self.action, &rule.action)
            && net(self.from, rule.from)
            && net(self.to, rule.to)
            && same(&self.tos, &rule.tos)
            && same(&self.fwmark, &rule.fwmark)
            && same(&self.fwmask, &rule.fwmask)
            && link(&self.iif, &rule.iif)
            && link(&self.oif, &rule.oif)
            && same(&self.ipproto, &rule.ipproto)
            && self.sport.is_none_or(|p| rule.sport == Some(p))
            && self.dport.is_none_or(|p| rule.dport == Some(p))
            && self.suppress_prefixlength.is_none_or(|p| rule.suppress_prefixlength == Some(p))
            && same(&self.proto, &rule.proto)
    }
}

impl Network {
    /// Adds a rule; without a priority it comes before the second rule. RTM_NEWRULE. Links are found by their names.
    ///
    /// # Errors
    /// `EEXIST`, `EINVAL` with the kernel's words.
    pub fn rule_add(&mut self, ns: NsId, priority: Option<u32>, mut rule: Rule) -> Result<(), NlError> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        rule.priority = priority.unwrap_or_else(|| space.fib.default_rule_priority());
        for link in [&mut rule.iif, &mut rule.oif].into_iter().flatten() {
            link.index = space.devs.index_of(&link.name).unwrap_or_default();
        }
        space.fib.add_rule(rule)?;
        space.pmtu.flush();
        Ok(())
    }

    /// Deletes the first rule that fits: RTM_DELRULE.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn rule_del(&mut self, ns: NsId, which: &RuleMatch) -> Result<Rule, NlError> {
        let space = self.ns_mut(ns).ok_or(Errno::ENODEV)?;
        let gone = space.fib.delete_rule(|rule| which.fits(rule))?;
        space.pmtu.flush();
        Ok(gone)
    }
}
