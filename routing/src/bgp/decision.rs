//! The decision process: which of two routes to one destination is better, and why (RFC 4271 section 9.1.2.2, RFC 4456
//! section 9, in BIRD's order).
//!
//! MED is compared only between routes of one neighbour AS, so the pairwise comparison is no order once three routes meet.
//! [`best`] with `deterministic_med` first takes the best route of each neighbour AS and then the best of these; its result
//! does not depend on the order of its input. Without it, it depends on the order, as in BIRD (and as RFC 3345 tells).

use core::cmp::Ordering;
use core::fmt;

use super::config::Peer;
use crate::attrs::{Attrs, Origin};

/// A route that takes part.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its attributes.
    pub attrs: &'a Attrs,
    /// The session it was learned from.
    pub peer: &'a Peer,
    /// Its next hop can be reached (RFC 4271 section 9.1.2.1).
    pub resolvable: bool,
    /// Its neighbour restarts for long (RFC 9494 section 4.3).
    pub stale: bool,
    /// The metric of the way to the next hop; `u32::MAX` if it is not known.
    pub igp_metric: u32,
}

impl<'a> Candidate<'a> {
    /// A route that can be used, with a next hop on the link.
    pub const fn new(attrs: &'a Attrs, peer: &'a Peer) -> Self {
        Candidate { attrs, peer, resolvable: true, stale: false, igp_metric: 0 }
    }

    fn local_pref(&self) -> u32 {
        self.attrs.local_pref.unwrap_or(self.peer.config.default_local_pref)
    }

    fn path_len(&self) -> usize {
        self.attrs.as_path.as_ref().map_or(0, |p| p.len())
    }

    fn med(&self) -> u32 {
        self.attrs.med.unwrap_or(self.peer.config.default_med)
    }

    /// The AS whose routes are comparable by MED: the first of the path, the own one for an empty path.
    pub fn neighbor_as(&self) -> u32 {
        self.attrs.first_as().unwrap_or(self.peer.config.local_as)
    }

    fn router_id(&self) -> u32 {
        self.attrs.originator_id.unwrap_or(self.peer.remote_id).into()
    }

    fn igp_metric(&self) -> u32 {
        if self.peer.config.igp_metric { self.igp_metric } else { 0 }
    }
}

/// The step of the decision that told two routes apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    /// RFC 4271 section 9.1.2.1.
    Resolvable,
    /// RFC 9494 section 4.3.
    Stale,
    /// RFC 4271 section 9.1.1.
    LocalPref,
    /// RFC 4271 section 9.1.2.2 a.
    PathLength,
    /// RFC 4271 section 9.1.2.2 b.
    Origin,
    /// RFC 4271 section 9.1.2.2 c.
    Med,
    /// RFC 4271 section 9.1.2.2 d.
    External,
    /// RFC 4271 section 9.1.2.2 e.
    IgpMetric,
    /// RFC 5004.
    Older,
    /// RFC 4271 section 9.1.2.2 f, with RFC 4456 section 9.
    RouterId,
    /// RFC 4456 section 9.
    ClusterList,
    /// RFC 4271 section 9.1.2.2 g.
    Address,
}

impl fmt::Display for Step {
    /// Why the worse route lost.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Resolvable => "its next hop is not reachable",
            Step::Stale => "its neighbour is restarting",
            Step::LocalPref => "lower local preference",
            Step::PathLength => "longer AS path",
            Step::Origin => "worse origin",
            Step::Med => "higher MED",
            Step::External => "learned from an internal peer",
            Step::IgpMetric => "farther next hop",
            Step::Older => "younger external route",
            Step::RouterId => "higher router id",
            Step::ClusterList => "longer cluster list",
            Step::Address => "higher neighbour address",
        })
    }
}

/// Compares two routes; `Less` means that `a` is better, and the step says where it was decided. `Equal` only for two routes of
/// the same neighbour. `b` is the older one, where age counts.
pub fn compare(a: &Candidate<'_>, b: &Candidate<'_>) -> (Ordering, Step) {
    let (step, order) = steps(a, b).find(|(_, order)| order.is_ne()).unwrap_or((Step::Address, Ordering::Equal));
    (order, step)
}

/// Whether two routes are so alike that both may be used for one destination (`merge paths`): the decision does not get beyond
/// the metric of the next hop.
pub fn mergeable(a: &Candidate<'_>, b: &Candidate<'_>) -> bool {
    b.resolvable && steps(a, b).take_while(|(step, _)| *step <= Step::IgpMetric).all(|(_, order)| order.is_eq())
}

/// The steps in their order, each with its verdict.
fn steps<'a>(a: &'a Candidate<'a>, b: &'a Candidate<'a>) -> impl Iterator<Item = (Step, Ordering)> + 'a {
    const ORDER: [Step; 12] = [
        Step::Resolvable,
        Step::Stale,
        Step::LocalPref,
        Step::PathLength,
        Step::Origin,
        Step::Med,
        Step::External,
        Step::IgpMetric,
        Step::Older,
        Step::RouterId,
        Step::ClusterList,
        Step::Address,
    ];
    ORDER.into_iter().map(|step| (step, verdict(step, a, b)))
}

fn verdict(step: Step, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let (mine, other) = (&a.peer.config, &b.peer.config);
    let origin = |c: &Candidate<'_>| c.attrs.origin.unwrap_or(Origin::Incomplete);
    match step {
        Step::Resolvable => b.resolvable.cmp(&a.resolvable),
        Step::Stale => a.stale.cmp(&b.stale),
        Step::LocalPref => b.local_pref().cmp(&a.local_pref()),
        Step::PathLength if mine.path_metric || other.path_metric => a.path_len().cmp(&b.path_len()),
        Step::Origin => origin(a).cmp(&origin(b)),
        Step::Med if mine.med_metric || other.med_metric || a.neighbor_as() == b.neighbor_as() => a.med().cmp(&b.med()),
        Step::External => a.peer.is_internal().cmp(&b.peer.is_internal()),
        Step::IgpMetric => a.igp_metric().cmp(&b.igp_metric()),
        Step::Older if (mine.prefer_older || other.prefer_older) && !a.peer.is_internal() => {
            if a.router_id() == b.router_id() { Ordering::Equal } else { Ordering::Greater }
        }
        Step::RouterId => a.router_id().cmp(&b.router_id()),
        Step::ClusterList => a.attrs.cluster_list.len().cmp(&b.attrs.cluster_list.len()),
        Step::Address => mine.neighbor.cmp(&other.neighbor),
        Step::PathLength | Step::Med | Step::Older => Ordering::Equal,
    }
}

/// The best of some routes: its place among them. `candidates` are in the order of their arrival, the oldest first.
pub fn best(candidates: &[Candidate<'_>], deterministic_med: bool) -> Option<usize> {
    let better = |new: usize, old: usize| compare(&candidates[new], &candidates[old]).0.is_lt();
    let pick = |of: &mut dyn Iterator<Item = usize>| of.reduce(|old, new| if better(new, old) { new } else { old });
    if !deterministic_med {
        return pick(&mut (0..candidates.len()));
    }
    // Bound: one pass per neighbour AS that is there.
    let group_best = |i: &usize| {
        let same = |j: &usize| candidates[*j].neighbor_as() == candidates[*i].neighbor_as();
        pick(&mut (0..candidates.len()).filter(same)) == Some(*i)
    };
    pick(&mut (0..candidates.len()).filter(group_best))
}

/// Of some routes all that may be used together with the best one, at most `limit`: the best first, then by their order in the
/// decision.
pub fn merge(candidates: &[Candidate<'_>], best: usize, limit: usize) -> Vec<usize> {
    let Some(first) = candidates.get(best) else { return Vec::new() };
    let mut others: Vec<usize> =
        (0..candidates.len()).filter(|i| *i != best && mergeable(first, &candidates[*i])).collect();
    others.sort_by(|a, b| compare(&candidates[*a], &candidates[*b]).0);
    core::iter::once(best).chain(others).take(limit.max(1)).collect()
}
