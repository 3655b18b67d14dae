//! When an ICMP error may be sent, how often, how much of the packet it quotes; what is remembered of errors and
//! redirects received. Models `net/ipv4/icmp.c` (`__icmp_send`, `icmpv4_xrlim_allow`, `icmp_global_allow`),
//! `inet_peer_xrlim_allow`, `ip_rt_send_redirect` and the next-hop exceptions of `net/ipv4/route.c`.

use core::net::Ipv4Addr;

use hopwise_sim_core::{Duration, Time};
use rustc_hash::FxHashMap;

use crate::wire::icmp::{self, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, NR_ICMP_TYPES};
use crate::wire::ipv4::{self, IPPROTO_ICMP};

/// An ICMP error never makes a packet longer than this (RFC 1812, section 4.3.2.3).
const MAX_ERROR: usize = 576;

/// How many errors a destination may get at once (`XRLIM_BURST_FACTOR`).
const PEER_BURST: u64 = 6;

/// At most this many destinations are remembered (`inet_peer_threshold` is about as large).
const MAX_PEERS: usize = 65_536;

/// What decides whether a packet may be answered with an error.
#[derive(Clone, Copy, Debug)]
pub struct ErrorContext<'a> {
    /// Whether the frame was addressed to this host (not broadcast or multicast).
    pub to_host: bool,
    /// The packet's header.
    pub header: &'a ipv4::Header,
    /// What follows it.
    pub payload: &'a [u8],
    /// Type of the error.
    pub kind: u8,
}

/// Whether a packet may be answered with an ICMP error: not if it is itself one, not a later fragment, not what was sent
/// to many, not what came from nobody (RFC 1122, section 3.2.2; `__icmp_send`).
pub fn may_send_error(context: &ErrorContext<'_>) -> bool {
    let (header, src) = (context.header, context.header.src());
    if !context.to_host || header.fragment_offset() != 0 {
        return false;
    }
    if src.is_unspecified() || src.is_multicast() || src.is_broadcast() {
        return false;
    }
    if header.protocol == IPPROTO_ICMP && icmp::is_error(context.kind) {
        // A type that is not known might be an error.
        return context.payload.first().is_some_and(|&kind| kind <= NR_ICMP_TYPES && !icmp::is_error(kind));
    }
    true
}

/// How many bytes of the packet an error quotes, on a route with this MTU.
///
/// ```
/// use hopwise_protocols::icmp_policy::quote_len;
/// assert_eq!(quote_len(1500, 1500), 548);
/// assert_eq!(quote_len(1500, 84), 84);
/// ```
pub fn quote_len(mtu: usize, packet: usize) -> usize {
    packet.min(mtu.min(MAX_ERROR).saturating_sub(ipv4::IP_HLEN + icmp::ICMP_HLEN))
}

/// The settings that limit ICMP messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// `icmp_ratelimit`: milliseconds between messages to one destination; 0: no limit.
    pub ratelimit_ms: u32,
    /// `icmp_ratemask`: bit set: messages of that type are limited.
    pub ratemask: u32,
    /// `icmp_msgs_per_sec`: messages of all kinds to all.
    pub msgs_per_sec: u32,
    /// `icmp_msgs_burst`.
    pub msgs_burst: u32,
}

impl Limits {
    /// Whether messages of this type and code are limited at all (`icmpv4_mask_allow`).
    pub const fn apply(&self, kind: u8, code: u8) -> bool {
        if kind > NR_ICMP_TYPES || (kind == ICMP_DEST_UNREACH && code == ICMP_FRAG_NEEDED) {
            return false;
        }
        (1 << kind) & self.ratemask != 0
    }
}

/// The token buckets of a namespace.
#[derive(Clone, Debug, Default)]
pub struct IcmpLimits {
    peers: FxHashMap<Ipv4Addr, Bucket>,
    global: Option<(Time, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Milliseconds of credit.
    tokens: u64,
    last: Time,
}

impl IcmpLimits {
    /// Takes a token for a message to `peer`; false if it may not be sent now. A destination that was never heard of
    /// begins with a full bucket (`inet_peer_xrlim_allow`).
    pub fn allow_peer(&mut self, now: Time, limits: &Limits, peer: Ipv4Addr, kind: u8, code: u8) -> bool {
        let cost = u64::from(limits.ratelimit_ms);
        if !limits.apply(kind, code) || cost == 0 {
            return true;
        }
        if self.peers.len() >= MAX_PEERS {
            self.peers.retain(|_, b| now.since(b.last) < Duration::from_secs(60));
        }
        let full = cost * PEER_BURST;
        let bucket = self.peers.entry(peer).or_insert(Bucket { tokens: full, last: now });
        let elapsed = u64::try_from(now.since(bucket.last).as_millis()).unwrap_or(u64::MAX);
        bucket.tokens = bucket.tokens.saturating_add(elapsed).min(full);
        bucket.last = now;
        let allowed = bucket.tokens >= cost;
        bucket.tokens -= if allowed { cost } else { 0 };
        allowed
    }

    /// Takes a token of the bucket that all messages share (`icmp_global_allow`).
    pub fn allow_global(&mut self, now: Time, limits: &Limits, kind: u8, code: u8) -> bool {
        if !limits.apply(kind, code) {
            return true;
        }
        let (last, credit) = self.global.get_or_insert((now, limits.msgs_burst));
        let gained = now.since(*last).as_millis().min(1000) as u64 * u64::from(limits.msgs_per_sec) / 1000;
        if gained > 0 {
            *credit = (u64::from(*credit) + gained).min(u64::from(limits.msgs_burst)) as u32;
            *last = now;
        }
        if *credit == 0 {
            return false;
        }
        *credit -= 1;
        true
    }
}

/// After how many ignored redirects a host gets no more of them for a while (`ip_rt_redirect_number`).
const REDIRECT_NUMBER: u32 = 9;
/// Silence after which counting begins anew (`ip_rt_redirect_silence`: 20 ms times 2 to the 10th).
const REDIRECT_SILENCE: Duration = Duration::from_millis(20 << 10);
/// The first pause, doubled with each redirect (`ip_rt_redirect_load`).
const REDIRECT_LOAD: Duration = Duration::from_millis(20);

/// How often each sender was told of a better way.
#[derive(Clone, Debug, Default)]
pub struct RedirectLimits {
    peers: FxHashMap<Ipv4Addr, (u32, Time)>,
}

impl RedirectLimits {
    /// Whether `peer` may be sent a redirect now; counts it if so (`ip_rt_send_redirect`).
    pub fn allow(&mut self, now: Time, peer: Ipv4Addr) -> bool {
        if self.peers.len() >= MAX_PEERS {
            self.peers.clear();
        }
        let (sent, last) = self.peers.entry(peer).or_insert((0, now));
        if *sent > 0 && now.since(*last) > REDIRECT_SILENCE {
            *sent = 0;
        }
        if *sent >= REDIRECT_NUMBER {
            *last = now;
            return false;
        }
        let due = *last + REDIRECT_LOAD * (1 << *sent);
        if *sent == 0 || now > due {
            *last = now;
            *sent += 1;
            return true;
        }
        false
    }
}

/// What was learned about one destination (`struct fib_nh_exception`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exception {
    /// The path MTU, if one was told.
    pub mtu: Option<u32>,
    /// Whether the MTU is below what is believed (`min_pmtu`) and packets may be fragmented.
    pub locked: bool,
    /// A better gateway, if a redirect told one.
    pub gateway: Option<Ipv4Addr>,
    /// When it is forgotten; `None`: when the routes change.
    pub expires: Option<Time>,
}

/// At most this many destinations are remembered: `FNHE_HASH_SIZE` times `FNHE_RECLAIM_DEPTH` of one next hop.
const MAX_EXCEPTIONS: usize = 2048 * 5;

/// What a namespace learned from ICMP about paths.
#[derive(Clone, Debug, Default)]
pub struct PmtuCache {
    entries: FxHashMap<Ipv4Addr, Exception>,
}

impl PmtuCache {
    /// True if nothing was learned.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is known about a destination now.
    pub fn lookup(&self, now: Time, dst: Ipv4Addr) -> Option<Exception> {
        self.entries.get(&dst).copied().filter(|e| e.expires.is_none_or(|t| t > now))
    }

    /// Learns a path MTU (`__ip_rt_update_pmtu`): never above the route's, never below `min_pmtu`.
    pub fn learn_mtu(&mut self, now: Time, dst: Ipv4Addr, mtu: u32, route_mtu: u32, min_pmtu: u32, expires: Duration) {
        let old = self.lookup(now, dst);
        if route_mtu < mtu || (old.is_some_and(|e| e.locked)) {
            return;
        }
        let locked = mtu < min_pmtu;
        let mtu = if locked { route_mtu.min(min_pmtu) } else { mtu };
        let gateway = old.and_then(|e| e.gateway);
        self.put(now, dst, Exception { mtu: Some(mtu), locked, gateway, expires: Some(now + expires) });
    }

    /// Learns a better gateway from a redirect (`__ip_do_redirect`).
    pub fn learn_gateway(&mut self, now: Time, dst: Ipv4Addr, gateway: Ipv4Addr, expires: Duration) {
        let old = self.lookup(now, dst);
        let (mtu, locked) = old.map_or((None, false), |e| (e.mtu, e.locked));
        self.put(now, dst, Exception { mtu, locked, gateway: Some(gateway), expires: Some(now + expires) });
    }

    /// Forgets everything: the routes changed (`rt_cache_flush`).
    pub fn flush(&mut self) {
        self.entries.clear();
    }

    fn put(&mut self, now: Time, dst: Ipv4Addr, exception: Exception) {
        if self.entries.len() >= MAX_EXCEPTIONS {
            self.entries.retain(|_, e| e.expires.is_none_or(|t| t > now));
            if self.entries.len() >= MAX_EXCEPTIONS {
                self.entries.clear();
            }
        }
        self.entries.insert(dst, exception);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { ratelimit_ms: 1000, ratemask: 6168, msgs_per_sec: 1000, msgs_burst: 50 };
    const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

    fn at(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn a_destination_gets_six_errors_and_then_one_a_second() {
        let mut limits = IcmpLimits::default();
        let sent = (0..10).filter(|_| limits.allow_peer(at(5), &LIMITS, PEER, ICMP_DEST_UNREACH, 1)).count();
        assert_eq!(sent, 6);
        assert!(!limits.allow_peer(at(1004), &LIMITS, PEER, ICMP_DEST_UNREACH, 1));
        assert!(limits.allow_peer(at(1005), &LIMITS, PEER, ICMP_DEST_UNREACH, 1));
        assert!(limits.allow_peer(at(1005), &LIMITS, PEER, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED));
        assert!(limits.allow_peer(at(1005), &LIMITS, PEER, icmp::ICMP_ECHOREPLY, 0));
    }

    #[test]
    fn all_destinations_share_a_thousand_a_second() {
        let mut limits = IcmpLimits::default();
        let sent = (0..100).filter(|_| limits.allow_global(at(0), &LIMITS, ICMP_DEST_UNREACH, 1)).count();
        assert_eq!(sent, 50);
        assert!(limits.allow_global(at(1), &LIMITS, ICMP_DEST_UNREACH, 1));
        assert!(!limits.allow_global(at(1), &LIMITS, ICMP_DEST_UNREACH, 1));
    }

    #[test]
    fn errors_are_not_answered_with_errors() {
        let header = ipv4::Header::new(PEER, Ipv4Addr::new(10, 0, 0, 2), IPPROTO_ICMP, 8);
        let context = |payload| ErrorContext { to_host: true, header: &header, payload, kind: ICMP_DEST_UNREACH };
        assert!(may_send_error(&context(&[icmp::ICMP_ECHO, 0][..])));
        assert!(!may_send_error(&context(&[ICMP_DEST_UNREACH, 0][..])));
        assert!(!may_send_error(&context(&[200, 0][..])));
        assert!(!may_send_error(&context(&[][..])));
        assert!(!may_send_error(&ErrorContext { to_host: false, ..context(&[icmp::ICMP_ECHO][..]) }));
    }

    #[test]
    fn path_mtus_are_learned_downwards_and_forgotten_after_their_time() {
        let mut cache = PmtuCache::default();
        let ten_minutes = Duration::from_secs(600);
        cache.learn_mtu(at(0), PEER, 1400, 1500, 552, ten_minutes);
        assert_eq!(cache.lookup(at(1), PEER).and_then(|e| e.mtu), Some(1400));
        cache.learn_mtu(at(0), PEER, 1600, 1500, 552, ten_minutes);
        assert_eq!(cache.lookup(at(1), PEER).and_then(|e| e.mtu), Some(1400));
        cache.learn_mtu(at(0), PEER, 100, 1500, 552, ten_minutes);
        assert_eq!(cache.lookup(at(1), PEER).map(|e| (e.mtu, e.locked)), Some((Some(552), true)));
        assert_eq!(cache.lookup(at(600_000), PEER), None);
    }

    #[test]
    fn redirects_become_rarer_and_stop() {
        let mut limits = RedirectLimits::default();
        let mut sent = Vec::new();
        for ms in 0..20_000 {
            if limits.allow(at(ms), PEER) {
                sent.push(ms);
            }
        }
        assert_eq!(sent, [0, 41, 122, 283, 604, 1245, 2526, 5087, 10208]);
        assert!(!limits.allow(at(40_000), PEER));
        assert!(limits.allow(at(60_481), PEER));
    }
}
