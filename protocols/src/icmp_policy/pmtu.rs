//! What ICMP taught about single destinations: path MTU and better gateway. `fib_nh_exception`.

use core::net::Ipv4Addr;
use core::time::Duration;
use hopwise_sim_core::Time;
use rustc_hash::FxHashMap;

/// At most this many destinations are remembered (the kernel: 2,048 chains of five); those that expire first go.
const MAX_LEARNED: usize = 10_240;

/// A destination, and the table whose route leads there: the same address is another host in another VRF.
pub type To = (Ipv4Addr, u32);

/// What is known of a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Learned {
    /// The largest packet that arrives there, in bytes from the IPv4 header on.
    pub mtu: Option<u32>,
    /// The MTU was below `min_pmtu`: packets must rather be fragmented. `fnhe_mtu_locked`.
    pub locked: bool,
    /// The gateway that a redirect named.
    pub gateway: Option<Ipv4Addr>,
    /// When it is forgotten.
    pub expires: Option<Time>,
}

/// What was learned for the destinations of a namespace. The kernel keeps it at the next hop and loses it with the
/// route; the owner of this one calls [`PmtuCache::flush`] when routes change.
#[derive(Clone, Debug, Default)]
pub struct PmtuCache {
    learned: FxHashMap<To, Learned>,
}

impl PmtuCache {
    /// True if nothing was learned: the quick answer for almost every namespace.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.learned.is_empty()
    }

    /// What is known of a destination. `find_exception`, `rt_bind_exception`.
    #[inline]
    pub fn lookup(&self, now: Time, to: To) -> Option<Learned> {
        let learned = *self.learned.get(&to)?;
        learned.expires.is_none_or(|expires| now <= expires).then_some(learned)
    }

    /// Until when what is known of a destination now stays as it is, unless something is learned.
    pub fn known_until(&self, now: Time, to: To) -> Time {
        self.lookup(now, to).and_then(|learned| learned.expires).unwrap_or(Time::NEVER)
    }

    /// Whether just that MTU was learned not long ago: before half the time it lasts.
    #[inline]
    pub fn is_fresh(&self, now: Time, to: To, mtu: u32, lasts: Duration) -> bool {
        let fresh = |known: Learned| known.expires.is_some_and(|expires| now + lasts / 2 < expires);
        self.lookup(now, to).is_some_and(|known| known.mtu == Some(mtu) && fresh(known))
    }

    /// "Fragmentation needed" told the MTU towards a destination, whose route has `route_mtu` so far. Below `min_pmtu`
    /// it is not believed: then `min_pmtu` counts, and is locked. Gives whether that was news. `__ip_rt_update_pmtu`.
    pub fn learn_mtu(&mut self, now: Time, to: To, mtu: u32, route_mtu: u32, min_pmtu: u32, lasts: Duration) -> bool {
        if route_mtu < mtu {
            return false;
        }
        let locked = mtu < min_pmtu;
        let mtu = if locked { route_mtu.min(min_pmtu) } else { mtu };
        if !locked && self.is_fresh(now, to, mtu, lasts) {
            return false;
        }
        let entry = self.entry(now, to);
        *entry = Learned { mtu: Some(mtu), locked, expires: Some(now + lasts), ..*entry };
        true
    }

    /// A redirect told a better gateway towards a destination. `__ip_do_redirect`.
    pub fn learn_gateway(&mut self, now: Time, to: To, gateway: Ipv4Addr, lasts: Duration) {
        let entry = self.entry(now, to);
        *entry = Learned { gateway: Some(gateway), expires: Some(now + lasts), ..*entry };
    }

    fn entry(&mut self, now: Time, to: To) -> &mut Learned {
        if self.learned.len() >= MAX_LEARNED && !self.learned.contains_key(&to) {
            self.make_room();
        }
        let entry = self.learned.entry(to).or_default();
        if entry.expires.is_some_and(|expires| now > expires) {
            *entry = Learned::default();
        }
        entry
    }

    /// Forgets the eighth that expires first: at once, so that it need not be looked for again with each new one.
    fn make_room(&mut self) {
        // A tie is decided by the address, not by the order of the hash.
        let mut order: Vec<_> = self.learned.iter().map(|(to, learned)| (learned.expires, *to)).collect();
        order.sort_unstable();
        for (_, to) in order.into_iter().take(MAX_LEARNED / 8) {
            self.learned.remove(&to);
        }
    }

    /// Forgets everything. `rt_cache_flush`, `ip route flush cache`.
    pub fn flush(&mut self) {
        self.learned = FxHashMap::default();
    }

    /// What is known now, by destination. `ip route show cache`.
    pub fn iter(&self, now: Time) -> impl Iterator<Item = (To, Learned)> {
        let mut all: Vec<_> = self.learned.iter().map(|(to, learned)| (*to, *learned)).collect();
        all.retain(|(_, learned)| learned.expires.is_none_or(|expires| now <= expires));
        all.sort_by_key(|(to, _)| *to);
        all.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DST: To = (Ipv4Addr::new(10, 0, 0, 1), 254);
    const LASTS: Duration = Duration::from_secs(600);

    fn at(secs: u64) -> Time {
        Time::ZERO + Duration::from_secs(secs)
    }

    #[test]
    fn a_path_mtu_is_learned_and_forgotten() {
        let mut cache = PmtuCache::default();
        cache.learn_mtu(at(0), DST, 1400, 1500, 552, LASTS);
        let learned = cache.lookup(at(600), DST).unwrap();
        assert_eq!(learned, Learned { mtu: Some(1400), expires: Some(at(600)), ..Learned::default() });
        assert_eq!(cache.lookup(at(601), DST), None);
        cache.learn_mtu(at(700), DST, 9000, 1500, 552, LASTS);
        assert_eq!(cache.lookup(at(700), DST), None, "larger than the route's own is not believed");
    }

    #[test]
    fn the_same_again_is_news_only_after_half_its_time() {
        let mut cache = PmtuCache::default();
        for (now, expires) in [(0, 600), (299, 600), (300, 900)] {
            cache.learn_mtu(at(now), DST, 1400, 1400, 552, LASTS);
            assert_eq!(cache.lookup(at(now), DST).unwrap().expires, Some(at(expires)));
        }
    }

    #[test]
    fn the_same_address_in_another_table_is_another_host() {
        let mut cache = PmtuCache::default();
        cache.learn_mtu(at(0), (DST.0, 10), 1400, 1500, 552, LASTS);
        assert_eq!([10, 20].map(|table| cache.lookup(at(1), (DST.0, table)).is_some()), [true, false]);
    }

    #[test]
    fn a_tiny_mtu_is_not_believed() {
        let mut cache = PmtuCache::default();
        cache.learn_mtu(at(0), DST, 68, 1500, 552, LASTS);
        let learned = cache.lookup(at(0), DST).unwrap();
        assert_eq!((learned.mtu, learned.locked), (Some(552), true));
    }

    #[test]
    fn a_redirect_and_an_mtu_stand_together() {
        let mut cache = PmtuCache::default();
        cache.learn_gateway(at(0), DST, Ipv4Addr::new(10, 0, 0, 254), Duration::from_secs(300));
        cache.learn_mtu(at(1), DST, 1400, 1500, 552, LASTS);
        let learned = cache.lookup(at(2), DST).unwrap();
        assert_eq!((learned.mtu, learned.gateway.is_some()), (Some(1400), true));
        assert_eq!(cache.iter(at(2)).count(), 1);
        cache.flush();
        assert!(cache.is_empty());
    }

    #[test]
    fn the_memory_is_limited() {
        let mut cache = PmtuCache::default();
        for n in 0..20_000u32 {
            cache.learn_mtu(at(u64::from(n) / 100), (n.into(), 254), 1400, 1500, 552, LASTS);
        }
        let left: Vec<_> = cache.iter(at(200)).map(|((dst, _), _)| dst.to_bits()).collect();
        assert!((MAX_LEARNED * 7 / 8..=MAX_LEARNED).contains(&left.len()), "{}", left.len());
        assert_eq!(left.last(), Some(&19_999));
        assert!(left.windows(2).all(|w| w[0] + 1 == w[1]), "the oldest went");
    }
}
