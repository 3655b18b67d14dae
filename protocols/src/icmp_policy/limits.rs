//! How many ICMP messages and redirects are sent.

use crate::wire::icmp::{ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, NR_ICMP_TYPES};
use core::net::Ipv4Addr;
use core::time::Duration;
use hopwise_sim_core::{IfIndex, Time};
use rustc_hash::FxHashMap;

/// The settings `net.ipv4.icmp_*` that limit messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Least mean time between two messages to one host, in milliseconds; 0: no limit. `icmp_ratelimit`.
    pub ratelimit_ms: u32,
    /// Bit `1 << type` is set if messages of that type are limited. `icmp_ratemask`.
    pub ratemask: u32,
    /// Limited messages a second, to all hosts together. `icmp_msgs_per_sec`.
    pub msgs_per_sec: u32,
    /// How many of them may come at once. `icmp_msgs_burst`.
    pub msgs_burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { ratelimit_ms: 1000, ratemask: 6168, msgs_per_sec: 10_000, msgs_burst: 10_000 }
    }
}

impl Limits {
    /// `icmpv4_mask_allow`: types that are not limited, and path MTU discovery.
    fn is_free(&self, kind: u8, code: u8) -> bool {
        kind > NR_ICMP_TYPES
            || (kind == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED)
            || self.ratemask & (1 << kind) == 0
    }
}

/// A host, and the VRF that it is reached through, or [`IfIndex::NONE`]: in another one, the same address is another host
/// (`inetpeer_addr`).
pub type Peer = (Ipv4Addr, IfIndex);

/// How many messages to one host may follow each other at once: this many times what one costs. `XRLIM_BURST_FACTOR`.
const BURST: u32 = 6;

/// More hosts than this are remembered only while they are limited. `inet_peer_threshold` is of this order.
const MAX_PEERS: usize = 4096;

/// What is remembered of each host, swept now and then: the next time when there are twice as many as were left, so
/// that a flood from made-up addresses costs no more than memory for its last seconds.
#[derive(Clone, Debug)]
struct Peers<T> {
    map: FxHashMap<Peer, T>,
    sweep_at: usize,
}

impl<T> Default for Peers<T> {
    fn default() -> Self {
        Peers { map: FxHashMap::default(), sweep_at: MAX_PEERS }
    }
}

impl<T> Peers<T> {
    /// What is remembered of a host, which begins with `new`; `keep` says what must not be forgotten.
    fn entry(&mut self, host: Peer, new: T, keep: impl Fn(&T) -> bool) -> &mut T {
        if self.map.len() >= self.sweep_at {
            self.map.retain(|_, peer| keep(peer));
            self.sweep_at = MAX_PEERS.max(self.map.len() * 2);
        }
        self.map.entry(host).or_insert(new)
    }
}

/// Credit that grows with time. `inet_peer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Bucket {
    tokens: Duration,
    last: Time,
}

/// The credit for ICMP messages. Time is the credit: a message costs `icmp_ratelimit`.
#[derive(Clone, Debug, Default)]
pub struct IcmpLimits {
    peers: Peers<Bucket>,
    /// Credit of all hosts together, in messages; `None` before the first one.
    global: Option<(u32, Time)>,
}

impl IcmpLimits {
    /// Whether the limit for all hosts together allows a message. `icmpv4_global_allow`, `icmp_global_allow`: the
    /// credit is spent by [`allow_peer`](IcmpLimits::allow_peer).
    pub fn allow_global(&mut self, now: Time, limits: &Limits, kind: u8, code: u8) -> bool {
        if limits.is_free(kind, code) {
            return true;
        }
        let Some((credit, stamp)) = self.global else {
            self.global = Some((limits.msgs_burst, now));
            return limits.msgs_burst > 0;
        };
        if credit > 0 {
            return true;
        }
        // The kernel fills up in steps of at least 20 ms, and forgets what is more than a second old.
        let elapsed = (now - stamp).min(Duration::from_secs(1));
        let more = u128::from(limits.msgs_per_sec) * elapsed.as_nanos() / Duration::from_secs(1).as_nanos();
        if elapsed < Duration::from_millis(20) || more == 0 {
            return false;
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        self.global = Some((more.min(limits.msgs_burst), now));
        true
    }

    /// Whether the sender of a packet that no route takes (or that a route refuses) is told at all; spends credit of the
    /// same account as the message itself, so that of a quick series only two go out. `ip_error`.
    pub fn allow_route_error(&mut self, now: Time, sender: Peer) -> bool {
        let limited = |bucket: &Bucket| bucket.tokens + (now - bucket.last) < ROUTE_ERROR_BURST;
        let bucket = self.peers.entry(sender, Bucket { tokens: ROUTE_ERROR_BURST, last: now }, limited);
        let tokens = (bucket.tokens + (now - bucket.last)).min(ROUTE_ERROR_BURST);
        let allowed = tokens >= ROUTE_ERROR_COST;
        *bucket = Bucket { tokens: if allowed { tokens - ROUTE_ERROR_COST } else { tokens }, last: now };
        allowed
    }

    /// Whether a message may go to this host now; spends credit if so. Not to be asked for messages that leave through
    /// loopback. `icmpv4_xrlim_allow`, `inet_peer_xrlim_allow`.
    pub fn allow_peer(&mut self, now: Time, limits: &Limits, dst: Peer, kind: u8, code: u8) -> bool {
        if limits.is_free(kind, code) {
            return true;
        }
        let cost = Duration::from_millis(u64::from(limits.ratelimit_ms));
        let full = cost * BURST;
        let limited = |bucket: &Bucket| bucket.tokens + (now - bucket.last) < full;
        let bucket = self.peers.entry(dst, Bucket { tokens: full, last: now }, limited);
        // Only if time has passed is the account looked at anew: what the routing's limit has just left in it
        // ([`allow_route_error`](IcmpLimits::allow_route_error)) stays, however little this limit would leave.
        let elapsed = now - bucket.last;
        let tokens = if elapsed.is_zero() { bucket.tokens } else { (bucket.tokens + elapsed).min(full) };
        let allowed = tokens >= cost;
        *bucket = Bucket { tokens: if allowed { tokens - cost } else { tokens }, last: now };
        if allowed && let Some((credit, _)) = &mut self.global {
            // The kernel takes 0, 1 or 2 by chance, so that nobody can count its messages from outside.
            *credit = credit.saturating_sub(1);
        }
        allowed
    }
}

/// Most credit that counts for errors of the routing. `ip_rt_error_burst`.
const ROUTE_ERROR_BURST: Duration = Duration::from_secs(5);
/// What one such error costs. `ip_rt_error_cost`.
const ROUTE_ERROR_COST: Duration = Duration::from_secs(1);

/// After this many redirects in vain, no more are sent. `ip_rt_redirect_number`.
const REDIRECT_NUMBER: u32 = 9;
/// The time after the first one; it doubles with each. `ip_rt_redirect_load`.
const REDIRECT_LOAD: Duration = Duration::from_millis(20);
/// After this much time without a packet to be redirected, it begins anew. `ip_rt_redirect_silence`.
const REDIRECT_SILENCE: Duration = Duration::from_millis(20 << (REDIRECT_NUMBER + 1));

/// The redirects sent to each host. `ip_rt_send_redirect`.
#[derive(Clone, Debug, Default)]
pub struct RedirectLimits {
    /// How many were sent, and when the last one (or the last packet, once it was given up).
    hosts: Peers<(u32, Time)>,
}

impl RedirectLimits {
    /// Whether the sender of a packet that should have taken another way is told so now.
    pub fn allow(&mut self, now: Time, host: Peer) -> bool {
        let (sent, last) = self.hosts.entry(host, (0, now), |(_, last)| now <= *last + REDIRECT_SILENCE);
        if now > *last + REDIRECT_SILENCE {
            *sent = 0;
        }
        if *sent >= REDIRECT_NUMBER {
            *last = now;
            return false;
        }
        let allowed = *sent == 0 || now > *last + REDIRECT_LOAD * (1 << *sent);
        if allowed {
            *last = now;
            *sent += 1;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::icmp::*;

    const HOST: Peer = (Ipv4Addr::new(10, 0, 0, 1), IfIndex::NONE);

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn six_at_once_then_one_a_second() {
        let (mut state, limits) = (IcmpLimits::default(), Limits::default());
        let mut ask = |ms| state.allow_peer(at(ms), &limits, HOST, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH);
        assert_eq!((0..10).filter(|_| ask(0)).count(), 6);
        assert!(!ask(999) && ask(1000) && !ask(1001));
        assert!(!ask(1999) && ask(2000), "what is refused costs nothing");
        assert_eq!((0..10).filter(|_| ask(60_000)).count(), 6);
    }

    #[test]
    fn without_a_limit_of_its_own_a_message_empties_the_account_of_the_routing() {
        let (mut state, limits) = (IcmpLimits::default(), Limits { ratelimit_ms: 0, ..Limits::default() });
        assert!(state.allow_peer(at(0), &limits, HOST, ICMP_TIME_EXCEEDED, 0));
        assert!(state.allow_peer(at(10), &limits, HOST, ICMP_TIME_EXCEEDED, 0));
        // As Linux does with `ping -i 0.2` to destinations without a route: one or two are answered.
        let mut ask = |ms| {
            state.allow_route_error(at(ms), HOST)
                && state.allow_peer(at(ms), &limits, HOST, ICMP_DEST_UNREACH, ICMP_NET_UNREACH)
        };
        let answers: Vec<bool> = [20, 220, 1220, 1420, 2420, 2620, 4820, 5020].into_iter().map(&mut ask).collect();
        assert_eq!(answers, [false, false, true, false, true, false, true, true]);
    }

    #[test]
    fn in_another_vrf_the_same_address_is_another_host() {
        let (mut state, limits) = (IcmpLimits::default(), Limits::default());
        let mut ask = |vrf| state.allow_peer(at(0), &limits, (HOST.0, IfIndex(vrf)), ICMP_TIME_EXCEEDED, 0);
        assert_eq!((0..10).filter(|_| ask(7)).count(), 6);
        assert_eq!((0..10).filter(|_| ask(8)).count(), 6);
    }

    #[test]
    fn not_all_types_are_limited() {
        let (mut state, limits) = (IcmpLimits::default(), Limits::default());
        let mut all = |kind, code| (0..100).all(|_| state.allow_peer(at(0), &limits, HOST, kind, code));
        assert!(all(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED) && all(ICMP_REDIRECT, 0) && all(ICMP_ECHOREPLY, 0));
        assert!(!all(ICMP_TIME_EXCEEDED, 0), "6168 is types 3, 4, 11 and 12");
        let free = Limits { ratelimit_ms: 0, ..limits };
        assert!((0..100).all(|_| state.allow_peer(at(0), &free, HOST, ICMP_TIME_EXCEEDED, 0)));
    }

    #[test]
    fn all_hosts_share_one_credit() {
        let mut state = IcmpLimits::default();
        let limits = Limits { msgs_per_sec: 100, msgs_burst: 5, ..Limits::default() };
        let mut ask = |ms, n: u32| {
            state.allow_global(at(ms), &limits, ICMP_TIME_EXCEEDED, 0)
                && state.allow_peer(at(ms), &limits, (Ipv4Addr::from_bits(n), IfIndex::NONE), ICMP_TIME_EXCEEDED, 0)
        };
        assert_eq!((0..20).filter(|&n| ask(0, n)).count(), 5);
        assert!(!ask(19, 30), "no sooner than after 20 ms");
        assert_eq!((40..60).filter(|&n| ask(30, n)).count(), 3);
        assert_eq!((60..80).filter(|&n| ask(5000, n)).count(), 5, "never more than the burst");
    }

    #[test]
    fn a_flood_of_made_up_hosts_is_forgotten() {
        let (mut state, limits) = (IcmpLimits::default(), Limits::default());
        for n in 0..100_000u32 {
            assert!(state.allow_peer(at(u64::from(n)), &limits, (n.into(), IfIndex::NONE), ICMP_TIME_EXCEEDED, 0));
        }
        assert!(state.peers.map.len() < 3 * MAX_PEERS, "{}", state.peers.map.len());
    }

    #[test]
    fn redirects_become_rarer_and_stop() {
        let mut state = RedirectLimits::default();
        let sent: Vec<u64> = (0..15_000).filter(|ms| state.allow(at(*ms), HOST)).collect();
        assert_eq!(sent, [0, 41, 122, 283, 604, 1245, 2526, 5087, 10208]);
        assert!(!state.allow(at(30_000), HOST), "nobody listens");
        assert!(state.allow(at(30_000 + 20_481), HOST), "after a silence it begins anew");
    }
}
