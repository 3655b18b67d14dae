//! Who put a route or a rule where it is: a BGP session, a Service, a block, a typed line.
//!
//! Whoever makes a route or a rule may say so at that moment; a route or a rule carries only a number. What was said stays as long as
//! the world does, so that the journey of a packet can be told truly after the route has gone or its reason has changed.

use core::fmt;
use core::net::Ipv4Addr;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::IfIndex;

/// The number of something said. [`OriginId::NONE`]: nothing was said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct OriginId(u32);

impl OriginId {
    /// Nobody said anything.
    pub const NONE: OriginId = OriginId(0);

    /// Whether something was said.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }

    /// This, or if nothing was said, the other.
    #[must_use]
    pub const fn or(self, other: OriginId) -> OriginId {
        if self.is_some() { self } else { other }
    }
}

/// Who, and why.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Origin {
    /// The control plane: `bird`, `felix`, `kube-proxy`; `typed` for a command.
    pub by: &'static str,
    /// Its reason: `BGP session uplink from 10.0.0.1 (AS 64512)`; the words of a command. May be empty.
    pub why: Arc<str>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.why.is_empty() { f.write_str(self.by) } else { write!(f, "{}: {}", self.by, self.why) }
    }
}

/// So much may be said: with a hundred bytes each it takes some six megabytes. What comes later is not remembered, and then nothing is
/// told.
const MAX_ORIGINS: usize = 1 << 16;

/// All that was said, each thing once.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    said: Vec<Origin>,
    known: BTreeMap<Origin, OriginId>,
}

impl Origins {
    /// The number of what is said.
    pub fn add(&mut self, by: &'static str, why: impl Into<Arc<str>>) -> OriginId {
        let origin = Origin { by, why: why.into() };
        if let Some(known) = self.known.get(&origin) {
            return *known;
        }
        if self.said.len() >= MAX_ORIGINS {
            return OriginId::NONE;
        }
        self.said.push(origin.clone());
        let id = OriginId(self.said.len() as u32);
        self.known.insert(origin, id);
        id
    }

    /// What was said under a number.
    pub fn get(&self, id: OriginId) -> Option<&Origin> {
        self.said.get((id.0 as usize).checked_sub(1)?)
    }
}

/// Who made a route, as the journey notes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Maker {
    /// Nobody said, or several could be meant.
    #[default]
    Unknown,
    /// The kernel itself, for this address of its own on this link.
    Kernel(Ipv4Addr, IfIndex),
    /// Somebody who gave a reason.
    Said(OriginId),
    /// Somebody of whom only the number is known (`RTPROT_*`).
    Proto(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_have_the_same_number() {
        let mut origins = Origins::default();
        let typed = origins.add("typed", "ip route add default via 10.0.0.1");
        let bird = origins.add("bird", "static protocol up");
        assert_ne!(typed, bird);
        assert_eq!(origins.add("typed", "ip route add default via 10.0.0.1"), typed);
        assert_eq!(origins.get(bird).map(ToString::to_string).as_deref(), Some("bird: static protocol up"));
        assert_eq!(origins.get(OriginId::NONE), None);
        assert_eq!((OriginId::NONE.or(bird), typed.or(bird)), (bird, typed));
        let alone = origins.add("kube-proxy", "");
        assert_eq!(origins.get(alone).map(ToString::to_string).as_deref(), Some("kube-proxy"));
    }

    #[test]
    fn too_much_is_not_remembered_and_says_nothing() {
        let mut origins = Origins::default();
        for n in 0..MAX_ORIGINS {
            assert!(origins.add("typed", n.to_string()).is_some());
        }
        assert_eq!(origins.add("typed", "one more"), OriginId::NONE);
        assert!(origins.add("typed", "0").is_some(), "what is known stays known");
    }
}
