//! `-m state`: an older way to ask for the state of a connection (`xt_conntrack`'s alias), and the states themselves.

use bitflags::bitflags;

use super::{Asks, Extension, How};
use crate::conntrack::ConnStatus;
use crate::rules::Cx;
use crate::skb::Skb;
use crate::xtables::{Call, Done, Opt, Refusal};
use hopwise_sim_core::{ConnInfo, Rng};

bitflags! {
    /// States of a packet with respect to its connection, in the order in which they are printed.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct States: u8 {
        /// Of no connection.
        const INVALID = 1 << 0;
        /// The first of one.
        const NEW = 1 << 1;
        /// About one.
        const RELATED = 1 << 2;
        /// Of one that was answered.
        const ESTABLISHED = 1 << 3;
        /// Exempt from tracking.
        const UNTRACKED = 1 << 4;
        /// Its source is changed.
        const SNAT = 1 << 5;
        /// Its destination is changed.
        const DNAT = 1 << 6;
    }
}

impl States {
    /// The states of a packet.
    #[inline]
    pub(super) fn of(skb: &Skb<'_>) -> States {
        let base = match skb.conn_info() {
            None => return States::INVALID,
            Some(ConnInfo::Untracked) => return States::UNTRACKED,
            Some(ConnInfo::New) => States::NEW,
            Some(ConnInfo::Related | ConnInfo::RelatedReply) => States::RELATED,
            Some(ConnInfo::Established | ConnInfo::EstablishedReply) => States::ESTABLISHED,
        };
        let status = skb.conn.as_ref().map_or(ConnStatus::empty(), |conn| conn.status);
        let mut states = base;
        states.set(States::SNAT, status.contains(ConnStatus::SRC_NAT));
        states.set(States::DNAT, status.contains(ConnStatus::DST_NAT));
        states
    }

    /// Reads a list of names, each of which may be cut short.
    pub(super) fn parse(word: &str, allowed: States, what: &str) -> Done<States> {
        word.split(',').try_fold(States::empty(), |all, word| {
            let begins = |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
            let found = allowed.iter_names().find(|(name, _)| !word.is_empty() && begins(name));
            let (_, state) = found.ok_or_else(|| Refusal::new(format!("Bad {what} \"{word}\"")))?;
            Ok(all | state)
        })
    }

    pub(super) fn put(self, out: &mut String) {
        for (i, (name, _)) in self.iter_names().enumerate() {
            out.push_str(if i == 0 { "" } else { "," });
            out.push_str(name);
        }
    }
}

/// States.
#[derive(Clone, PartialEq, Debug)]
pub struct StateOf {
    states: States,
    inv: bool,
}

static OPTIONS: &[Opt] = &[Opt::arg("state", 0).inv().must()];

impl Extension for StateOf {
    const OPTIONS: &'static [Opt] = OPTIONS;

    fn new() -> Self {
        StateOf { states: States::empty(), inv: false }
    }

    fn option(&mut self, call: &Call<'_>) -> Done {
        let allowed = States::all() - States::SNAT - States::DNAT;
        self.states = States::parse(call.arg, allowed, "state")?;
        self.inv = call.inv;
        Ok(())
    }

    fn save(&self, out: &mut String) {
        out.push_str(if self.inv { " ! --state " } else { " --state " });
        self.states.put(out);
    }

    fn list(&self, out: &mut String, _: &How<'_>) {
        out.push_str(if self.inv { " ! state " } else { " state " });
        self.states.put(out);
    }

    fn tracks(&self) -> bool {
        true
    }

    fn sample(rng: &mut Rng) -> String {
        let inv = if rng.below(3) == 0 { "! " } else { "" };
        let states = ["NEW", "RELATED,ESTABLISHED", "INVALID,UNTRACKED"][rng.below(3) as usize];
        format!("-m state {inv}--state {states}")
    }
}

impl Asks for StateOf {
    #[inline]
    fn fits(&self, skb: &mut Skb<'_>, _: &mut Cx<'_>) -> bool {
        States::of(skb).intersects(self.states) != self.inv
    }
}
