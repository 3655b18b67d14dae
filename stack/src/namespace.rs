//! A network namespace: links, routes, neighbours, sockets, settings.

use core::net::Ipv4Addr;

use hopwise_netfilter::conntrack::Conntrack;
use hopwise_netfilter::rules::Ruleset;
use hopwise_protocols::fib::Fib;
use hopwise_protocols::frag::FragTable;
use hopwise_protocols::icmp_policy::{IcmpLimits, PmtuCache, RedirectLimits};
use hopwise_protocols::neigh::{NeighParms, NeighTable};
use hopwise_sim_core::{HostId, IfIndex, NsId, Packet, Rng, Time};
use rustc_hash::FxHashMap;

use crate::conf::{Conf, ConfKey};
use crate::dev::{Dev, DevTable};
use crate::nsid::NsIdTable;
use crate::path::arp::ProxyQueue;
use crate::path::memo::PathMemo;
use crate::path::tc::cilium;
use crate::snmp::LazySnmp;
use crate::socket::SocketTable;
use crate::sysctl::Sysctl;
use crate::tunnels::Tunnels;
use crate::vxlan::VxlanNet;

/// At most this many lines of kernel log are kept.
const MAX_LOG: usize = 10_000;

/// The settings that every new namespace begins with, in one place so that idle namespaces share them.
#[derive(Clone, Debug)]
pub struct Defaults {
    conf_all: Conf,
    conf_default: Conf,
    sysctl: Sysctl,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults { conf_all: Conf::default(), conf_default: Conf::for_links(), sysctl: Sysctl::default() }
    }
}

/// Everything of one namespace. Nothing in it refers to another namespace but a veth's `peer`, which is only an address
/// to send to.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its number in the world.
    pub id: NsId,
    /// The host it belongs to.
    pub host: HostId,
    /// Whether it is the first one of its host (`init_net`).
    pub is_root: bool,
    /// Its links.
    pub devs: DevTable,
    /// Its routing tables and rules.
    pub fib: Fib,
    /// The IPv4 neighbour table (ARP).
    pub neigh: NeighTable<Packet>,
    /// `net.ipv4.neigh.default`: what a new link begins with.
    pub neigh_default: NeighParms,
    /// `net.ipv4.conf.all`.
    pub conf_all: Conf,
    /// `net.ipv4.conf.default`: what a new link begins with.
    pub conf_default: Conf,
    /// The other settings of `net.*`.
    pub sysctl: Sysctl,
    /// Own unicast addresses and on how many links each is (`inet_addr_lst`).
    pub local_addrs: FxHashMap<Ipv4Addr, u32>,
    /// Datagrams being put together.
    pub frags: Box<FragTable<Packet>>,
    /// Path MTUs and redirects learned (`fib_nh_exception`).
    pub pmtu: PmtuCache,
    /// Limits on ICMP messages.
    pub icmp_limits: IcmpLimits,
    /// Limits on redirects.
    pub redirect_limits: RedirectLimits,
    /// Proxy ARP answers that wait for their random delay.
    pub proxy_queue: ProxyQueue,
    /// The open sockets.
    pub sockets: SocketTable,
    /// Counters of `/proc/net/snmp` and `/proc/net/netstat`.
    pub snmp: LazySnmp,
    /// Random decisions of this namespace's protocols.
    pub rng: Rng,
    /// The numbers by which this namespace knows others (`ip netns list-id`): see `Network::nsid`.
    pub nsids: NsIdTable,
    /// The last decisions about received packets.
    pub memo: PathMemo,
    /// Seed of the hash that shares flows among the next hops of a route.
    pub hash_seed: u64,
    /// The next IPv4 identification.
    pub ip_id: u16,
    /// The kernel's log lines that this namespace caused.
    pub log: Vec<(Time, String)>,
    /// Its tables of rules, if they were ever touched.
    pub rules: Option<Box<Ruleset>>,
    /// Its connections, if they were ever tracked or their settings touched.
    pub conntrack: Option<Box<Conntrack>>,
    /// The tunnels whose outer packets travel here; there is a table once the module is loaded.
    pub tunnels: Option<Box<Tunnels>>,
    /// The VXLAN links that were made in it, if there ever were any.
    pub vxlan: Option<Box<VxlanNet>>,
    /// How many VRFs it has: without any, nobody asks for them.
    pub vrfs: u32,
    /// It has, or had, a VRF: the rule of VRFs was added.
    pub had_vrf: bool,
    /// The maps of Cilium's programs, if it was ever started here.
    pub cilium: Option<Box<cilium::Maps>>,
    /// When the timer for garbage collection was set; `None`: not running.
    pub neigh_gc_at: Option<Time>,
}

impl Namespace {
    /// An empty namespace: the caller adds `lo`.
    pub fn new(id: NsId, host: HostId, seed: u64, defaults: &Defaults) -> Self {
        let mut rng = Rng::stream(seed, "namespace", u64::from(id.0));
        let ip_id = rng.next_u32() as u16;
        Namespace {
            id,
            vrfs: 0,
            had_vrf: false,
            host,
            is_root: false,
            devs: DevTable::default(),
            fib: Fib::default(),
            memo: PathMemo::default(),
            hash_seed: rng.next_u64(),
            neigh: NeighTable::default(),
            neigh_default: NeighParms::default(),
            conf_all: defaults.conf_all.clone(),
            conf_default: defaults.conf_default.clone(),
            sysctl: defaults.sysctl.clone(),
            local_addrs: FxHashMap::default(),
            frags: Box::default(),
            pmtu: PmtuCache::default(),
            icmp_limits: IcmpLimits::default(),
            redirect_limits: RedirectLimits::default(),
            proxy_queue: ProxyQueue::default(),
            sockets: SocketTable::default(),
            snmp: LazySnmp::default(),
            rng,
            nsids: NsIdTable::default(),
            ip_id,
            log: Vec::new(),
            rules: None,
            conntrack: None,
            tunnels: None,
            vxlan: None,
            cilium: None,
            neigh_gc_at: None,
        }
    }

    /// Its connections; from now on there is a table of them.
    #[inline]
    pub fn conntrack(&mut self) -> &mut Conntrack {
        let seed = self.hash_seed;
        self.conntrack.get_or_insert_with(|| Box::new(Conntrack::new(seed)))
    }

    /// The name of a link, `*` if there is none of that number.
    pub fn name_of(&self, link: IfIndex) -> &str {
        self.devs.get(link).map_or("*", |d| &d.name)
    }

    /// The connections, taken out to be worked with; the caller puts them back.
    pub fn take_conntrack(&mut self) -> Box<Conntrack> {
        self.conntrack.take().unwrap_or_else(|| Box::new(Conntrack::new(self.hash_seed)))
    }

    /// Writes a line into the kernel's log.
    pub fn log(&mut self, now: Time, text: String) {
        if self.log.len() < MAX_LOG {
            self.log.push((now, text));
        }
    }

    /// Whether `addr` is an address of one of this namespace's links.
    #[inline]
    pub fn is_own(&self, addr: Ipv4Addr) -> bool {
        self.local_addrs.contains_key(&addr)
    }

    /// A setting that is on if it is on for the link or for all (`IN_DEV_ORCONF`).
    #[inline]
    pub fn conf_or(&self, dev: &Dev, key: ConfKey) -> bool {
        self.conf_all[key] != 0 || dev.inet.conf[key] != 0
    }

    /// A setting that is on only if it is on for the link and for all (`IN_DEV_ANDCONF`).
    #[inline]
    pub fn conf_and(&self, dev: &Dev, key: ConfKey) -> bool {
        self.conf_all[key] != 0 && dev.inet.conf[key] != 0
    }

    /// A setting whose greater value counts, the link's or that for all (`IN_DEV_MAXCONF`).
    #[inline]
    pub fn conf_max(&self, dev: &Dev, key: ConfKey) -> i32 {
        self.conf_all[key].max(dev.inet.conf[key])
    }

    /// How many packets wait in this namespace: for ARP answers, for other fragments, for a proxy's delay, in queueing
    /// disciplines, for programs that read a tun.
    pub fn held(&self) -> u64 {
        let neigh: usize = self.neigh.iter().map(|e| e.waiting().count()).sum();
        let queues = self.devs.iter().filter_map(|dev| dev.queue.as_ref());
        let queued: u32 = queues.map(|queue| queue.qdisc.backlog().0).sum();
        let unread: usize = self.devs.iter().filter_map(|dev| dev.kind.tun()).map(|tun| tun.queue.len()).sum();
        (neigh + self.frags.held() + self.proxy_queue.len() + unread) as u64 + u64::from(queued)
    }

    /// The next IPv4 identification for a packet made here.
    pub fn next_ip_id(&mut self) -> u16 {
        self.ip_id = self.ip_id.wrapping_add(1);
        self.ip_id
    }
}
