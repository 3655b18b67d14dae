//! What a namespace's settings and a route say about a new connection.

use hopwise_protocols::tcp::Params;
use hopwise_protocols::tcp::congestion::Algorithm;
use hopwise_sim_core::Duration;

use crate::namespace::Namespace;
use crate::path::route::Route;
use crate::socket::SockOpts;
use crate::sysctl::SysctlKey;

/// Bytes of the IPv4 and TCP headers.
const HEADERS: u32 = 40;
/// The smallest MSS that is told (`net.ipv4.route.min_adv_mss`).
const MIN_ADVMSS: u32 = 256;
/// The largest: that of the largest IPv4 packet (`IPV4_MAX_PMTU`).
const MAX_ADVMSS: u32 = 65_495;

/// The parameters of a connection along `route`, by the settings and by what its socket was told.
pub(crate) fn params(ns: &Namespace, route: &Route, opts: &SockOpts) -> Params {
    let number = |key| ns.sysctl[key];
    let count = |key| u32::try_from(number(key)).unwrap_or(0);
    let millis = |key| Duration::from_millis(u64::try_from(number(key)).unwrap_or(0));
    let secs = |key| Duration::from_secs(u64::try_from(number(key)).unwrap_or(0));
    let defaults = Params::default();
    let rmem = triple(ns, "net.ipv4.tcp_rmem").unwrap_or([4096, defaults.rmem, defaults.rmem_max]);
    let wmem = triple(ns, "net.ipv4.tcp_wmem").unwrap_or([4096, 16_384, defaults.wmem_max]);
    Params {
        advmss: clamped(route.mtu.saturating_sub(HEADERS).clamp(MIN_ADVMSS, MAX_ADVMSS) as u16, opts.maxseg),
        user_mss: opts.maxseg,
        mtu: route.mtu,
        timestamps: number(SysctlKey::TcpTimestamps) != 0,
        sack: number(SysctlKey::TcpSack) != 0,
        window_scaling: number(SysctlKey::TcpWindowScaling) != 0,
        rmem: opts.rcvbuf.unwrap_or(rmem[1]),
        rcvbuf_locked: opts.rcvbuf.is_some(),
        sndbuf: opts.sndbuf,
        rmem_max: rmem[2],
        wmem_max: wmem[2],
        algorithm: match ns.sysctl.kept.get("net.ipv4.tcp_congestion_control").map(|name| &**name) {
            Some("reno") => Algorithm::Reno,
            _ => Algorithm::Cubic,
        },
        syn_retries: count(SysctlKey::TcpSynRetries),
        syn_linear_timeouts: count(SysctlKey::TcpSynLinearTimeouts),
        synack_retries: count(SysctlKey::TcpSynackRetries),
        retries2: count(SysctlKey::TcpRetries2),
        orphan_retries: match count(SysctlKey::TcpOrphanRetries) {
            0 => 8,
            tries => tries,
        },
        fin_timeout: secs(SysctlKey::TcpFinTimeout),
        rto_min: Duration::from_micros(u64::from(count(SysctlKey::TcpRtoMinUs))),
        rto_max: millis(SysctlKey::TcpRtoMaxMs),
        keepalive_time: secs(SysctlKey::TcpKeepaliveTime),
        keepalive_interval: secs(SysctlKey::TcpKeepaliveIntvl),
        keepalive_probes: count(SysctlKey::TcpKeepaliveProbes),
        slow_start_after_idle: number(SysctlKey::TcpSlowStartAfterIdle) != 0,
        invalid_ratelimit: millis(SysctlKey::TcpInvalidRatelimit),
    }
}

/// `tcp_mss_clamp`
fn clamped(mss: u16, user: u16) -> u16 {
    if user == 0 { mss } else { mss.min(user) }
}

/// A setting of three numbers, if it was set.
fn triple(ns: &Namespace, name: &str) -> Option<[u32; 3]> {
    let mut numbers = ns.sysctl.kept.get(name)?.split_ascii_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some([next()?, next()?, next()?])
}
