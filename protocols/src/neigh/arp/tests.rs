//! A host with 10.0.0.1/24 on eth0 (2) and 10.1.0.1/24 on eth1 (3), which forwards to 10.9.0.0/16 through eth1, receives
//! ARP packets on eth0.

use super::*;
use crate::fib::RT_SCOPE_UNIVERSE;

const ETH0: IfIndex = IfIndex(2);
const ETH1: IfIndex = IfIndex(3);
const ASKER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const ASKER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OWN_ON_ETH1: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const BEHIND: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// The host, its settings, and what its table knows.
#[derive(Clone, Default)]
struct Host {
    conf: ArpConf,
    announce: u8,
    known: bool,
    locked: bool,
    proxy_entry: bool,
    other_medium: i32,
    martian: bool,
}

fn addresses(any_link: bool) -> impl Iterator<Item = IfaceAddr> {
    let addr = |local| IfaceAddr { local, address: local, prefix_len: 24, scope: RT_SCOPE_UNIVERSE };
    [addr(OWN), addr(OWN_ON_ETH1)].into_iter().take(if any_link { 2 } else { 1 })
}

fn out_dev(dst: Ipv4Addr) -> IfIndex {
    if matches!(dst.octets(), [10, 1 | 9, ..]) { ETH1 } else { ETH0 }
}

fn is_own(addr: Ipv4Addr) -> bool {
    addr == OWN || addr == OWN_ON_ETH1
}

impl ArpContext for Host {
    fn conf(&self) -> ArpConf {
        self.conf
    }
    fn dev(&self) -> IfIndex {
        ETH0
    }
    fn addresses(&self, any_link: bool) -> impl Iterator<Item = IfaceAddr> {
        addresses(any_link)
    }
    fn addr_type(&self, addr: Ipv4Addr) -> RouteType {
        if is_own(addr) { RouteType::Local } else { RouteType::Unicast }
    }
    fn route_input(&self, dst: Ipv4Addr, _: Ipv4Addr) -> Option<InputRoute> {
        let kind = self.addr_type(dst);
        (!self.martian).then_some(InputRoute { kind, dev: out_dev(dst) })
    }
    fn route_output(&self, dst: Ipv4Addr, _: Ipv4Addr) -> Option<IfIndex> {
        Some(out_dev(dst))
    }
    fn medium_id_of(&self, _: IfIndex) -> i32 {
        self.other_medium
    }
    fn is_proxy(&self, _: Ipv4Addr) -> bool {
        self.proxy_entry
    }
    fn is_known(&self, _: Ipv4Addr) -> bool {
        self.known
    }
    fn lock_time_is_over(&self, _: Ipv4Addr) -> bool {
        !self.locked
    }
}

impl SolicitContext for Host {
    fn announce(&self) -> u8 {
        self.announce
    }
    fn is_local(&self, addr: Ipv4Addr) -> bool {
        is_own(addr)
    }
    fn addresses(&self) -> impl Iterator<Item = IfaceAddr> {
        addresses(false)
    }
    fn select(&self, _: Ipv4Addr) -> Ipv4Addr {
        OWN
    }
}

fn host(change: impl FnOnce(&mut Host)) -> Host {
    let mut host = Host::default();
    change(&mut host);
    host
}

/// The asker wants `target`, by broadcast.
fn asked(target: Ipv4Addr, host: &Host) -> Decision {
    process(&ArpPacket::request(ASKER_MAC, ASKER, target), false, false, host)
}

const ASKER_IS_STALE: Learn =
    Learn { addr: ASKER, lladdr: ASKER_MAC, state: Nud::STALE, override_address: true, create: true };
const ANSWER: Decision = Decision::Reply { learn: Some(ASKER_IS_STALE), proxied: false };
const PROXIED: Decision = Decision::Reply { learn: Some(ASKER_IS_STALE), proxied: true };

#[test]
fn who_asks_for_an_own_address_is_learnt_and_answered() {
    assert_eq!(asked(OWN, &Host::default()), ANSWER);
    assert_eq!(asked(OWN_ON_ETH1, &Host::default()), ANSWER, "also for that of another link");
    assert_eq!(asked(ASKER, &Host::default()), Decision::Ignore(Ignored::Unconcerned));
    assert_eq!(asked(OWN, &host(|h| h.martian = true)), Decision::Ignore(Ignored::Unconcerned));
}

#[test]
fn arp_ignore() {
    let ignored = Decision::Ignore(Ignored::ArpIgnore);
    let on = |ignore, target, asker| {
        let host = host(|h| h.conf.ignore = ignore);
        process(&ArpPacket::request(ASKER_MAC, asker, target), false, false, &host)
    };
    let stranger = Ipv4Addr::new(172, 16, 0, 9);
    assert_eq!(on(1, OWN, ASKER), ANSWER, "1: only addresses of this link");
    assert_eq!(on(1, OWN_ON_ETH1, ASKER), ignored);
    assert!(matches!(on(1, OWN, stranger), Decision::Reply { .. }));
    assert_eq!(on(2, OWN, ASKER), ANSWER, "2: and only askers of the same subnet");
    assert_eq!(on(2, OWN, stranger), ignored);
    assert_eq!(on(3, OWN_ON_ETH1, ASKER), ANSWER, "3: any but those of scope host");
    assert_eq!(on(4, OWN, ASKER), ANSWER, "4 to 7 mean nothing");
    assert_eq!(on(8, OWN, ASKER), ignored, "8: never");
}

#[test]
fn arp_filter() {
    let filtering = host(|h| h.conf.filter = true);
    assert_eq!(asked(OWN, &filtering), ANSWER);
    let asker = Ipv4Addr::new(10, 1, 0, 7);
    let from_elsewhere = ArpPacket::request(ASKER_MAC, asker, OWN);
    assert_eq!(process(&from_elsewhere, false, false, &filtering), Decision::Ignore(Ignored::ArpFilter));
}

#[test]
fn a_probe_for_a_duplicate_address_is_answered_but_not_learnt() {
    let probe = |target, host: &Host| {
        process(&ArpPacket::request(ASKER_MAC, Ipv4Addr::UNSPECIFIED, target), false, false, host)
    };
    assert_eq!(probe(OWN, &Host::default()), Decision::Reply { learn: None, proxied: false });
    assert_eq!(probe(BEHIND, &Host::default()), Decision::Ignore(Ignored::Unconcerned));
    assert_eq!(probe(OWN, &host(|h| h.conf.ignore = 8)), Decision::Ignore(Ignored::ArpIgnore));
    assert_eq!(probe(OWN, &host(|h| h.conf.ignore = 2)), Decision::Reply { learn: None, proxied: false });
}

#[test]
fn a_proxy_answers_for_those_behind_it() {
    let router = |change: fn(&mut Host)| {
        host(|h| {
            (h.conf.forwarding, h.conf.proxy) = (true, true);
            change(h);
        })
    };
    let later = Decision::ReplyLater { learn: ASKER_IS_STALE };
    assert_eq!(asked(BEHIND, &router(|_| ())), later);
    assert_eq!(asked(BEHIND, &router(|h| h.conf.proxy_at_once = true)), PROXIED);
    let request = ArpPacket::request(ASKER_MAC, ASKER, BEHIND);
    assert_eq!(process(&request, false, true, &router(|_| ())), PROXIED, "after its delay");
    assert_eq!(process(&request, true, false, &router(|_| ())), PROXIED, "a unicast request is not delayed");
    let nothing = Decision::Ignore(Ignored::Unconcerned);
    assert_eq!(asked(BEHIND, &router(|h| h.conf.proxy = false)), nothing);
    assert_eq!(asked(BEHIND, &router(|h| h.conf.forwarding = false)), nothing, "only a router");
    assert_eq!(asked(Ipv4Addr::new(10, 0, 0, 9), &router(|_| ())), nothing, "they reach each other themselves");
    assert_eq!(asked(Ipv4Addr::new(10, 0, 0, 9), &router(|h| h.conf.proxy_pvlan = true)), later, "a private VLAN");
    assert_eq!(asked(ASKER, &router(|h| h.conf.proxy_pvlan = true)), nothing, "its own address");
    assert_eq!(asked(BEHIND, &router(|h| (h.conf.proxy, h.proxy_entry) = (false, true))), later, "ip neigh add proxy");
    assert_eq!(asked(BEHIND, &router(|h| h.conf.medium_id = -1)), nothing);
    assert_eq!(asked(BEHIND, &router(|h| (h.conf.medium_id, h.other_medium) = (3, 3))), nothing, "the same medium");
    assert_eq!(asked(BEHIND, &router(|h| (h.conf.medium_id, h.other_medium) = (3, 4))), later);
}

#[test]
fn what_is_never_for_us() {
    let ignored = |target| asked(target, &Host::default());
    assert_eq!(ignored(Ipv4Addr::new(224, 0, 0, 1)), Decision::Ignore(Ignored::BadTarget));
    assert_eq!(ignored(Ipv4Addr::LOCALHOST), Decision::Ignore(Ignored::BadTarget));
    assert_ne!(
        asked(Ipv4Addr::LOCALHOST, &host(|h| h.conf.route_localnet = true)),
        Decision::Ignore(Ignored::BadTarget)
    );
    let mut reverse = ArpPacket::request(ASKER_MAC, ASKER, OWN);
    reverse.op.set(crate::wire::arp::ARPOP_RREQUEST);
    assert_eq!(process(&reverse, false, false, &Host::default()), Decision::Ignore(Ignored::Operation));
}

#[test]
fn an_answer_is_believed_if_we_know_the_neighbour() {
    let own_mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let reply = ArpPacket::reply(ASKER_MAC, ASKER, own_mac, OWN);
    let heard = |to_host, host: &Host| process(&reply, to_host, false, host);
    let learnt = |state, override_address, create| {
        Decision::Learn(Learn { addr: ASKER, lladdr: ASKER_MAC, state, override_address, create })
    };
    let known = host(|h| h.known = true);
    assert_eq!(heard(true, &known), learnt(Nud::REACHABLE, true, false));
    assert_eq!(heard(false, &known), learnt(Nud::STALE, true, false), "an answer to all proves nothing");
    let just_learnt = host(|h| (h.known, h.locked) = (true, true));
    assert_eq!(heard(true, &just_learnt), learnt(Nud::REACHABLE, false, false), "the first answer counts");
    assert_eq!(heard(true, &Host::default()), Decision::Ignore(Ignored::Unconcerned), "nobody asked");
    assert_eq!(heard(true, &host(|h| h.conf.accept = 1)), learnt(Nud::REACHABLE, false, true), "arp_accept");
}

#[test]
fn gratuitous_announcements() {
    let announced =
        |op, tha, host: &Host| process(&ArpPacket::new(op, ASKER_MAC, ASKER, tha, ASKER), false, false, host);
    let learnt = |create| {
        let news = Learn { addr: ASKER, lladdr: ASKER_MAC, state: Nud::STALE, override_address: true, create };
        Decision::Learn(news)
    };
    let just_learnt = host(|h| (h.known, h.locked) = (true, true));
    assert_eq!(announced(ARPOP_REQUEST, MacAddr::ZERO, &just_learnt), learnt(false), "the lock time does not count");
    assert_eq!(announced(ARPOP_REPLY, ASKER_MAC, &just_learnt), learnt(false));
    assert_ne!(announced(ARPOP_REPLY, MacAddr::ZERO, &just_learnt), learnt(false), "a reply must name itself twice");
    assert_eq!(announced(ARPOP_REQUEST, MacAddr::ZERO, &Host::default()), Decision::Ignore(Ignored::Unconcerned));
    assert_eq!(announced(ARPOP_REQUEST, MacAddr::ZERO, &host(|h| h.conf.accept = 1)), learnt(true));
    assert_eq!(announced(ARPOP_REQUEST, MacAddr::ZERO, &host(|h| h.conf.accept = 2)), learnt(true));
    let dropping = host(|h| (h.known, h.conf.drop_gratuitous) = (true, true));
    assert_eq!(announced(ARPOP_REQUEST, MacAddr::ZERO, &dropping), Decision::Ignore(Ignored::Gratuitous));
    let stranger = Ipv4Addr::new(172, 16, 0, 9);
    let foreign = ArpPacket::request(ASKER_MAC, stranger, stranger);
    let choosy = host(|h| h.conf.accept = 2);
    assert_eq!(process(&foreign, false, false, &choosy), Decision::Ignore(Ignored::Unconcerned), "another subnet");
}

#[test]
fn arp_announce() {
    let from = |announce, packet_src| solicit_source(ASKER, packet_src, &host(|h| h.announce = announce));
    assert_eq!(from(0, Some(OWN_ON_ETH1)), OWN_ON_ETH1, "0: the packet's own source");
    assert_eq!(from(0, Some(BEHIND)), OWN, "unless it is somebody else's");
    assert_eq!(from(0, None), OWN);
    assert_eq!(from(1, Some(OWN_ON_ETH1)), OWN, "1: one that the target can know");
    assert_eq!(from(1, Some(OWN)), OWN);
    assert_eq!(from(2, Some(OWN_ON_ETH1)), OWN, "2: the best one of the link");
}
