//! What a session is told ([`PeerConfig`]) and what it found out about its neighbour ([`Peer`]).

use std::net::Ipv4Addr;
use std::sync::Arc;

/// Which AS the neighbour may belong to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RemoteAs {
    /// This one.
    Number(u32),
    /// The local one, whatever it is (`neighbor internal`).
    Internal,
    /// Any but the local one (`neighbor external`).
    External,
}

/// For routes from which kind of session an option holds (`next hop self ibgp`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum For {
    /// None.
    #[default]
    None,
    /// Those learned from internal peers.
    Ibgp,
    /// Those learned from external peers.
    Ebgp,
    /// All.
    All,
}

/// How graceful restart (RFC 4724) is spoken of in OPEN.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GracefulRestart {
    /// Not at all.
    Off,
    /// A neighbour's restart is borne, the own one is not announced: BIRD's default.
    #[default]
    Aware,
    /// The neighbour is told to bear the own restart too. After it nothing is left here of what was known before.
    On,
}

/// Times in seconds, as BIRD 2 sets them by default. Timers are shortened by up to a quarter at random (RFC 4271 section 10).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// A session without a message for so long has ended; the smaller one of both neighbours holds (RFC 4271 section 4.2).
    pub hold: u16,
    /// The same until the first OPEN.
    pub startup_hold: u16,
    /// Between two KEEPALIVEs; a third of the hold time if not given.
    pub keepalive: Option<u16>,
    /// Before connecting, so that the neighbour may come first (`DelayOpenTime` does not exist in BIRD).
    pub connect_delay: u16,
    /// Before an attempt to connect is given up for the next one (`ConnectRetryTime`).
    pub connect_retry: u16,
    /// After an error: the first pause and the longest, doubled with each error (`IdleHoldTime`).
    pub error_wait: (u16, u16),
    /// After so long an error is forgotten.
    pub error_forget: u16,
}

impl Default for Times {
    fn default() -> Self {
        Times {
            hold: 240,
            startup_hold: 240,
            keepalive: None,
            connect_delay: 5,
            connect_retry: 120,
            error_wait: (60, 300),
            error_forget: 300,
        }
    }
}

/// What a session is told. The names are those of BIRD's options.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerConfig {
    /// The own AS.
    pub local_as: u32,
    /// The neighbour's.
    pub remote_as: RemoteAs,
    /// The own BGP identifier.
    pub router_id: Ipv4Addr,
    /// The neighbour's address.
    pub neighbor: Ipv4Addr,
    /// The address to speak from; the one in the neighbour's network if not given.
    pub local: Option<Ipv4Addr>,
    /// Number of hops to a neighbour that is not on a shared segment; it is the TTL of what is sent. `None`: direct, TTL 1.
    pub multihop: Option<u8>,
    /// TTL 255, and nothing else is taken (RFC 5082).
    pub ttl_security: bool,
    /// Waits for the neighbour to connect.
    pub passive: bool,
    /// Times.
    pub times: Times,
    /// `enable as4`: four-octet AS numbers (RFC 6793).
    pub as4: bool,
    /// `enable route refresh` (RFC 2918, RFC 7313).
    pub route_refresh: bool,
    /// `enable extended messages` (RFC 8654).
    pub extended_messages: bool,
    /// `graceful restart`.
    pub graceful_restart: GracefulRestart,
    /// `graceful restart time`: seconds that the neighbour is asked to wait.
    pub restart_time: u16,
    /// `long lived graceful restart` (RFC 9494): understood or not.
    pub long_lived: bool,
    /// The neighbour is a client of this route reflector (RFC 4456).
    pub rr_client: bool,
    /// The reflector's cluster; its router id if not given.
    pub rr_cluster_id: Option<Ipv4Addr>,
    /// The neighbour is a client of this route server: the path is not prepended.
    pub rs_client: bool,
    /// `next hop self`.
    pub next_hop_self: For,
    /// `next hop keep`.
    pub next_hop_keep: For,
    /// `next hop address`: told instead of the own address.
    pub next_hop_address: Option<Ipv4Addr>,
    /// LOCAL_PREF of routes that have none.
    pub default_local_pref: u32,
    /// MED of routes that have none.
    pub default_med: u32,
    /// LOCAL_PREF is taken from and told to external peers.
    pub allow_local_pref: bool,
    /// How often the own AS may be in a received path (`allow local as`).
    pub allow_local_as: usize,
    /// Paths of an external neighbour have to begin with its AS.
    pub enforce_first_as: bool,
    /// Well-known communities are obeyed (`interpret communities`).
    pub interpret_communities: bool,
    /// Path lengths are compared (`path metric`).
    pub path_metric: bool,
    /// MEDs of routes from different neighbour ASes are compared.
    pub med_metric: bool,
    /// The metric of the way to the next hop is compared.
    pub igp_metric: bool,
    /// The older one of two external routes wins (RFC 5004).
    pub prefer_older: bool,
    /// MEDs are compared within the routes of each neighbour AS first.
    pub deterministic_med: bool,
    /// After an error the session stays down.
    pub disable_after_error: bool,
}

impl PeerConfig {
    /// A session with BIRD's defaults: an internal neighbour may be 64 hops away, an external one is direct.
    pub fn new(local_as: u32, router_id: Ipv4Addr, remote_as: u32, neighbor: Ipv4Addr) -> Self {
        PeerConfig {
            local_as,
            remote_as: RemoteAs::Number(remote_as),
            router_id,
            neighbor,
            local: None,
            multihop: (local_as == remote_as).then_some(64),
            ttl_security: false,
            passive: false,
            times: Times::default(),
            as4: true,
            route_refresh: true,
            extended_messages: false,
            graceful_restart: GracefulRestart::Aware,
            restart_time: 120,
            long_lived: true,
            rr_client: false,
            rr_cluster_id: None,
            rs_client: false,
            next_hop_self: For::None,
            next_hop_keep: For::None,
            next_hop_address: None,
            default_local_pref: 100,
            default_med: 0,
            allow_local_pref: false,
            allow_local_as: 0,
            enforce_first_as: false,
            interpret_communities: true,
            path_metric: true,
            med_metric: false,
            igp_metric: true,
            prefer_older: false,
            deterministic_med: false,
            disable_after_error: false,
        }
    }

    /// Whether the neighbour belongs to the own AS.
    pub fn is_internal(&self) -> bool {
        match self.remote_as {
            RemoteAs::Number(asn) => asn == self.local_as,
            RemoteAs::Internal => true,
            RemoteAs::External => false,
        }
    }

    /// Whether a neighbour of this AS is the one meant.
    pub fn accepts_as(&self, asn: u32) -> bool {
        match self.remote_as {
            RemoteAs::Number(wanted) => asn == wanted,
            RemoteAs::Internal => asn == self.local_as,
            RemoteAs::External => asn != self.local_as,
        }
    }

    /// The cluster id of a reflector's session with a client (RFC 4456 section 7).
    pub fn cluster_id(&self) -> Option<Ipv4Addr> {
        self.rr_client.then(|| self.rr_cluster_id.unwrap_or(self.router_id))
    }

    /// The TTL of the packets that carry this session.
    pub const fn ttl(&self) -> u8 {
        match self.multihop {
            _ if self.ttl_security => 255,
            Some(hops) => hops,
            None => 1,
        }
    }
}

/// What is known of a session and its neighbour; routes learned from it refer to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Peer {
    /// The session's number, given by its owner: two peers with one number are the same session.
    pub id: u32,
    /// What the session was told.
    pub config: Arc<PeerConfig>,
    /// The neighbour's BGP identifier, from its OPEN.
    pub remote_id: Ipv4Addr,
    /// The neighbour's AS, from its OPEN.
    pub remote_as: u32,
    /// The own address on this session: what `next hop self` tells.
    pub local_address: Ipv4Addr,
    /// The interface of a direct neighbour. `None` for one over several hops.
    pub interface: Option<u32>,
    /// The neighbour understands long-lived graceful restart.
    pub llgr_aware: bool,
}

impl Peer {
    /// Whether the neighbour belongs to the own AS.
    pub fn is_internal(&self) -> bool {
        self.config.is_internal()
    }
}
