//! A packet's way through the chains of one table (`ipt_do_table`).

use hopwise_sim_core::OriginId;
use smallvec::SmallVec;

use super::chain::{Chain, ChainId, Policy};
use super::index::{Candidates, Index};
use super::rule::{Rule, Target};
use super::table::Table;
use super::{Shared, Verdict};
use crate::env::{Env, RuleTrace};
use crate::hook::Hook;
use crate::matches::Match;
use crate::names::NoNames;
use crate::skb::Skb;
use crate::targets::Outcome;

/// What matches and targets may use beside the packet.
pub struct Cx<'a> {
    /// The rest of the namespace.
    pub env: &'a mut dyn Env,
    /// What rules of all tables share: sets, lists of recent addresses, limits by address.
    pub shared: &'a mut Shared,
    /// Where the packet is.
    pub hook: Hook,
    /// A match found the packet too broken to go on: it is dropped (`struct xt_action_param`).
    pub hotdrop: bool,
}

/// How rules are looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Each rule of a chain is asked in turn.
    Plain,
    /// Only those that the chain's index names.
    Indexed,
}

/// Where in a chain the packet is.
#[derive(Clone, Copy)]
struct At {
    chain: ChainId,
    next: usize,
    /// The lists of candidates, if the chain has an index.
    candidates: Option<Candidates>,
}

/// What a rule that matched leads to.
enum Step {
    Next,
    Return,
    Jump(ChainId, bool),
    End(Verdict),
}

impl Table {
    /// Asks the rules of a hook. A table that does not stand there accepts.
    pub(super) fn walk(&mut self, skb: &mut Skb<'_>, cx: &mut Cx<'_>, way: Way) -> Verdict {
        let Some(base) = self.base(cx.hook) else { return Verdict::Accept };
        let watched = cx.env.tracing();
        let mut stack: SmallVec<[(ChainId, usize); 16]> = SmallVec::new();
        let mut at = self.enter(base, 0, skb, way);
        loop {
            let Some(number) = self.next(&at, skb) else {
                match stack.pop() {
                    Some((chain, next)) => at = self.enter(chain, next, skb, way),
                    None => return self.policy(base, skb, cx, watched),
                }
                continue;
            };
            at.next = number + 1;
            let rules = &self.shape.chain(at.chain).rules;
            let rule = &rules[number];
            if !fits(rule, skb, cx, || self.counts.of(at.chain, rules)[number].matches(rule)) {
                if cx.hotdrop {
                    return Verdict::Drop;
                }
                continue;
            }
            self.counts.of(at.chain, rules)[number].counters.add(skb.packet.len());
            let step = act(rule, skb, cx);
            if watched {
                self.tell(at.chain, number, &step, cx);
            }
            match step {
                Step::Next => {}
                Step::End(verdict) => return verdict,
                Step::Jump(chain, goto) => {
                    if !goto {
                        stack.push((at.chain, at.next));
                    }
                    at = self.enter(chain, 0, skb, way);
                }
                Step::Return => match stack.pop() {
                    Some((chain, next)) => at = self.enter(chain, next, skb, way),
                    None => return self.policy(base, skb, cx, watched),
                },
            }
        }
    }

    #[inline]
    fn enter(&self, id: ChainId, next: usize, skb: &Skb<'_>, way: Way) -> At {
        let Chain { rules, index, .. } = self.chain(id);
        let index = if way == Way::Indexed { Index::of(index, rules) } else { None };
        At { chain: id, next, candidates: index.map(|index| index.candidates(skb)) }
    }

    /// The number of the next rule whose demands on header and links the packet fits.
    #[inline]
    fn next(&self, at: &At, skb: &Skb<'_>) -> Option<usize> {
        let chain = self.chain(at.chain);
        match &at.candidates {
            None => {
                let ahead = chain.rules.get(at.next..)?;
                ahead.iter().position(|rule| rule.ip.fits(skb)).map(|number| at.next + number)
            }
            Some(candidates) => {
                let index = chain.index.get()?;
                let mut next = at.next;
                loop {
                    let number = index.next(candidates, next)?;
                    if chain.rules[number].ip.fits(skb) {
                        return Some(number);
                    }
                    next = number + 1;
                }
            }
        }
    }

    fn policy(&mut self, base: ChainId, skb: &Skb<'_>, cx: &mut Cx<'_>, watched: bool) -> Verdict {
        let table = self.id;
        let chain = self.shape.chain(base);
        self.counts.add_policy(base, chain, skb.packet.len());
        let policy = chain.policy;
        if watched {
            cx.env.trace(RuleTrace {
                table,
                hook: cx.hook,
                chain: chain.name.to_string(),
                number: None,
                text: format!("-P {} {}", chain.name, policy.name()),
                verdict: policy.name().to_owned(),
                origin: OriginId::NONE,
                purpose: chain.purpose,
            });
        }
        match policy {
            Policy::Accept => Verdict::Accept,
            Policy::Drop => Verdict::Drop,
        }
    }

    /// What a rule is for: what the chain is for that it leads to, or else the one that it is in.
    fn purpose(&self, chain: &Chain, rule: &Rule) -> OriginId {
        match rule.target {
            Target::Jump { chain: to, .. } => self.chain(to).purpose.or(chain.purpose),
            _ => chain.purpose,
        }
    }

    /// Tells the observer of a rule that matched.
    fn tell(&self, id: ChainId, number: usize, step: &Step, cx: &mut Cx<'_>) {
        let chain = self.chain(id);
        let rule = &chain.rules[number];
        let mut text = format!("-A {}", chain.name);
        rule.save(&mut text, &NoNames, |id| &self.chain(id).name);
        let verdict = match (step, &rule.target) {
            (Step::Jump(to, false), _) => format!("jump {}", self.chain(*to).name),
            (Step::Jump(to, true), _) => format!("goto {}", self.chain(*to).name),
            (Step::Return, _) => "RETURN".to_owned(),
            (_, Target::Ext(target)) => target.name().to_owned(),
            (Step::End(Verdict::Drop), _) => "DROP".to_owned(),
            (Step::End(_), _) => "ACCEPT".to_owned(),
            (Step::Next, _) => "continue".to_owned(),
        };
        cx.env.trace(RuleTrace {
            table: self.id,
            hook: cx.hook,
            chain: chain.name.to_string(),
            number: Some(number as u32 + 1),
            text,
            verdict,
            origin: rule.origin,
            purpose: self.purpose(chain, rule),
        });
    }
}

/// Whether all matches of a rule fit. `own` gives those of this namespace, if one of them remembers packets.
#[inline]
fn fits<'m>(rule: &Rule, skb: &mut Skb<'_>, cx: &mut Cx<'_>, own: impl FnOnce() -> &'m mut [Match]) -> bool {
    if rule.matches.iter().any(Match::remembers) {
        return own().iter_mut().all(|m| m.fits_and_remember(skb, cx));
    }
    rule.matches.iter().all(|m| m.fits(skb, cx))
}

fn act(rule: &Rule, skb: &mut Skb<'_>, cx: &mut Cx<'_>) -> Step {
    match &rule.target {
        Target::Nothing => Step::Next,
        Target::Accept => Step::End(Verdict::Accept),
        Target::Drop => Step::End(Verdict::Drop),
        Target::Return => Step::Return,
        Target::Jump { chain, goto } => Step::Jump(*chain, *goto),
        Target::Ext(target) => match target.act(skb, cx) {
            Outcome::Continue => Step::Next,
            Outcome::Verdict(verdict) => Step::End(verdict),
        },
    }
}
