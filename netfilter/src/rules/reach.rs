//! From which hooks a chain can be reached, and how deep: what decides whether a rule may stand there (`nft_chain_validate`).

use std::sync::Arc;

use hopwise_sim_core::Errno;

use super::chain::ChainId;
use super::rule::{IpMatch, Rule, Target};
use super::shape::Shape;
use crate::hook::{Hook, TableId};

/// Jumps beyond this depth are refused (`NFT_JUMP_STACK_SIZE`); so are loops, which are endlessly deep.
const MAX_DEPTH: u32 = 16;

/// Where a rule shall stand, for the matches and targets that do not work everywhere (`struct xt_mtchk_param`).
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The table.
    pub table: TableId,
    /// The hooks from which packets can come, one bit each. None: nothing leads there yet.
    pub hooks: u8,
    /// The rest of the rule.
    pub ip: &'a IpMatch,
}

impl Place<'_> {
    /// Whether packets come from these hooks only.
    pub fn only(&self, hooks: &[Hook]) -> bool {
        let allowed = hooks.iter().fold(0, |all, hook| all | 1 << *hook as u8);
        self.hooks & !allowed == 0
    }

    /// Whether packets come from one of these hooks.
    pub fn some(&self, hooks: &[Hook]) -> bool {
        hooks.iter().any(|hook| self.hooks & (1 << *hook as u8) != 0)
    }
}

impl Rule {
    fn check(&self, table: TableId, hooks: u8) -> Result<(), Errno> {
        let ip = &self.ip;
        // iptables-nft writes no comparison for `! -s 0.0.0.0/0`; the kernel finds the payload without one invalid.
        let never = |(_, mask): (u32, u32), bit| mask == 0 && ip.inv.contains(bit);
        if never(ip.src, super::Inverted::SRC) || never(ip.dst, super::Inverted::DST) {
            return Err(Errno::EINVAL);
        }
        let place = Place { table, hooks, ip };
        let sound = self.matches.iter().all(|m| m.may_stand(&place))
            && match &self.target {
                Target::Ext(target) => target.may_stand(&place),
                _ => true,
            };
        if sound { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

impl Shape {
    /// Whether a rule may be added to a chain. If so, what it leads to is noted.
    pub(super) fn admit(&mut self, table: TableId, id: ChainId, rule: &Rule) -> Result<(), Errno> {
        if self.stale {
            self.survey(table);
        }
        let (reach, depth) = (self.chain(id).reach, self.chain(id).depth);
        rule.check(table, reach)?;
        let Target::Jump { chain: to, .. } = rule.target else {
            self.tracking += u32::from(rule.tracks());
            return Ok(());
        };
        if self.chain(to).hook.is_some() {
            return Err(Errno::EOPNOTSUPP);
        }
        if reach != 0
            && let Err(errno) = self.spread(table, to, reach, depth + 1)
        {
            self.survey(table);
            return Err(errno);
        }
        self.chain_mut(to).references += 1;
        self.tracking += u32::from(rule.tracks());
        Ok(())
    }

    /// A rule went away.
    pub(super) fn released(&mut self, rule: &Rule) {
        self.tracking -= u32::from(rule.tracks());
        if let Target::Jump { chain, .. } = rule.target {
            let chain = self.chain_mut(chain);
            chain.references -= 1;
            self.stale |= chain.reach != 0;
        }
    }

    /// Packets from these hooks can come to a chain, at that depth: so they can to the chains behind it.
    fn spread(&mut self, table: TableId, id: ChainId, hooks: u8, depth: u32) -> Result<(), Errno> {
        if depth >= MAX_DEPTH {
            return Err(Errno::EMLINK);
        }
        let chain = self.chain(id);
        let more = hooks & !chain.reach;
        if more == 0 && depth <= chain.depth {
            return Ok(());
        }
        let chain = self.chain_mut(id);
        chain.reach |= hooks;
        chain.depth = chain.depth.max(depth);
        let (reach, depth) = (chain.reach, chain.depth);
        for number in 0..chain.rules.len() {
            let rule = &self.chain(id).rules[number];
            if more != 0 {
                rule.check(table, reach)?;
            }
            if let Target::Jump { chain, .. } = rule.target {
                self.spread(table, chain, reach, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Finds out anew what can be reached.
    fn survey(&mut self, table: TableId) {
        self.stale = false;
        let base = table.hooks().len();
        for chain in &mut self.chains[base..] {
            if (chain.reach, chain.depth) != (0, 0) {
                let chain = Arc::make_mut(chain);
                (chain.reach, chain.depth) = (0, 0);
            }
        }
        for id in 0..base {
            let id = ChainId(id as u32);
            for number in 0..self.chain(id).rules.len() {
                if let Target::Jump { chain, .. } = self.chain(id).rules[number].target {
                    // What stands was admitted: nothing of it is refused now.
                    let _ = self.spread(table, chain, self.chain(id).reach, 1);
                }
            }
        }
    }
}
