//! The settings of a namespace that are not per link: one row each, with the kernel's default.

use std::sync::Arc;

macro_rules! sysctls {
    ($($key:ident = $name:literal, $default:literal;)*) => {
        /// A numeric setting; see `ip-sysctl.rst` of the kernel's documentation.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum SysctlKey { $(#[doc = concat!("`", $name, "`")] $key,)* }

        impl SysctlKey {
            /// All of them.
            pub const ALL: &'static [SysctlKey] = &[$(SysctlKey::$key,)*];

            /// The name with dots, as `sysctl` prints it.
            pub const fn name(self) -> &'static str {
                match self { $(SysctlKey::$key => $name,)* }
            }

            /// The kernel's default.
            pub const fn default_value(self) -> i64 {
                match self { $(SysctlKey::$key => $default,)* }
            }
        }

        const DEFAULTS: [i64; SysctlKey::ALL.len()] = [$($default,)*];
    };
}

sysctls! {
    BridgeNfCallIptables = "net.bridge.bridge-nf-call-iptables", 1;
    FibMultipathHashPolicy = "net.ipv4.fib_multipath_hash_policy", 0;
    FibMultipathUseNeigh = "net.ipv4.fib_multipath_use_neigh", 0;
    IcmpEchoIgnoreAll = "net.ipv4.icmp_echo_ignore_all", 0;
    IcmpEchoIgnoreBroadcasts = "net.ipv4.icmp_echo_ignore_broadcasts", 1;
    IcmpErrorsUseInboundIfaddr = "net.ipv4.icmp_errors_use_inbound_ifaddr", 0;
    IcmpMsgsBurst = "net.ipv4.icmp_msgs_burst", 50;
    IcmpMsgsPerSec = "net.ipv4.icmp_msgs_per_sec", 1000;
    IcmpRatelimit = "net.ipv4.icmp_ratelimit", 1000;
    IcmpRatemask = "net.ipv4.icmp_ratemask", 6168;
    IpDefaultTtl = "net.ipv4.ip_default_ttl", 64;
    IpForwardUsePmtu = "net.ipv4.ip_forward_use_pmtu", 0;
    IpNoPmtuDisc = "net.ipv4.ip_no_pmtu_disc", 0;
    IpNonlocalBind = "net.ipv4.ip_nonlocal_bind", 0;
    IpfragHighThresh = "net.ipv4.ipfrag_high_thresh", 4194304;
    IpfragMaxDist = "net.ipv4.ipfrag_max_dist", 64;
    IpfragTime = "net.ipv4.ipfrag_time", 30;
    MinPmtu = "net.ipv4.route.min_pmtu", 552;
    MtuExpires = "net.ipv4.route.mtu_expires", 600;
    RawL3mdevAccept = "net.ipv4.raw_l3mdev_accept", 1;
    TcpFinTimeout = "net.ipv4.tcp_fin_timeout", 60;
    TcpInvalidRatelimit = "net.ipv4.tcp_invalid_ratelimit", 500;
    TcpKeepaliveIntvl = "net.ipv4.tcp_keepalive_intvl", 75;
    TcpKeepaliveProbes = "net.ipv4.tcp_keepalive_probes", 9;
    TcpKeepaliveTime = "net.ipv4.tcp_keepalive_time", 7200;
    TcpL3mdevAccept = "net.ipv4.tcp_l3mdev_accept", 0;
    TcpMaxSynBacklog = "net.ipv4.tcp_max_syn_backlog", 2048;
    TcpOrphanRetries = "net.ipv4.tcp_orphan_retries", 0;
    TcpRetries2 = "net.ipv4.tcp_retries2", 15;
    TcpRtoMaxMs = "net.ipv4.tcp_rto_max_ms", 120000;
    TcpRtoMinUs = "net.ipv4.tcp_rto_min_us", 200000;
    TcpSack = "net.ipv4.tcp_sack", 1;
    TcpSlowStartAfterIdle = "net.ipv4.tcp_slow_start_after_idle", 1;
    TcpSynLinearTimeouts = "net.ipv4.tcp_syn_linear_timeouts", 4;
    TcpSynRetries = "net.ipv4.tcp_syn_retries", 6;
    TcpSynackRetries = "net.ipv4.tcp_synack_retries", 5;
    TcpTimestamps = "net.ipv4.tcp_timestamps", 1;
    TcpWindowScaling = "net.ipv4.tcp_window_scaling", 1;
    UdpL3mdevAccept = "net.ipv4.udp_l3mdev_accept", 0;
    VrfStrictMode = "net.vrf.strict_mode", 0;
}

/// The values of one namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sysctl {
    /// Shared with other namespaces until one is changed.
    numbers: Arc<[i64; SysctlKey::ALL.len()]>,
    /// `net.ipv4.ip_local_port_range`.
    pub local_ports: (u16, u16),
    /// Settings that are kept but have no effect, by name, as far as they were set.
    pub kept: std::collections::BTreeMap<Box<str>, Box<str>>,
}

impl Default for Sysctl {
    fn default() -> Self {
        Sysctl { numbers: Arc::new(DEFAULTS), local_ports: (32768, 60999), kept: Default::default() }
    }
}

impl core::ops::Index<SysctlKey> for Sysctl {
    type Output = i64;
    #[inline]
    fn index(&self, key: SysctlKey) -> &i64 {
        &self.numbers[key as usize]
    }
}

impl core::ops::IndexMut<SysctlKey> for Sysctl {
    fn index_mut(&mut self, key: SysctlKey) -> &mut i64 {
        &mut Arc::make_mut(&mut self.numbers)[key as usize]
    }
}

impl Sysctl {
    /// A link is gone: what was kept for it goes too.
    pub fn forget_link(&mut self, name: &str) {
        self.kept.retain(|key, _| link_part(key) != Some(name));
    }

    /// A link has another name: what was kept for it follows.
    pub fn rename_link(&mut self, old: &str, new: &str) {
        let (moved, kept) =
            core::mem::take(&mut self.kept).into_iter().partition(|(key, _)| link_part(key) == Some(old));
        self.kept = kept;
        let moved: std::collections::BTreeMap<Box<str>, Box<str>> = moved;
        for (key, value) in moved {
            self.kept.insert(key.replacen(&format!(".{old}."), &format!(".{new}."), 1).into(), value);
        }
    }
}

/// The link that a setting belongs to: `eth0` in `net.ipv6.conf.eth0.mtu`.
fn link_part(key: &str) -> Option<&str> {
    let mut parts = key.split('.').skip(2);
    match parts.next()? {
        "conf" | "neigh" => parts.next(),
        _ => None,
    }
}
