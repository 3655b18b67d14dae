//! The settings of connection tracking: `net.netfilter.nf_conntrack_*`, with the defaults of Linux 6.18.

use core::time::Duration;

macro_rules! settings {
    ($($key:ident = $name:literal, $default:literal, $least:literal ..= $most:expr;)*) => {
        /// A numeric setting below `net.netfilter`; see `nf_conntrack-sysctl.rst` of the kernel's documentation.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(usize)]
        pub enum Setting { $(#[doc = concat!("`", $name, "`")] $key,)* }

        impl Setting {
            /// All of them, by name.
            pub const ALL: &'static [Setting] = &[$(Setting::$key,)*];

            /// The last part of its name.
            pub const fn name(self) -> &'static str {
                match self { $(Setting::$key => $name,)* }
            }

            /// The values that it may have.
            pub const fn limits(self) -> core::ops::RangeInclusive<u32> {
                match self { $(Setting::$key => $least..=$most,)* }
            }
        }

        const DEFAULTS: [u32; Setting::ALL.len()] = [$($default,)*];
    };
}

/// Spans of time are set in seconds and kept as jiffies in an `int` (`proc_dointvec_jiffies`, 250 of them a second).
const SECONDS: u32 = i32::MAX as u32 / 250;

const INT: u32 = i32::MAX as u32;

settings! {
    Acct = "nf_conntrack_acct", 0, 0 ..= 1;
    Buckets = "nf_conntrack_buckets", 262_144, 1 ..= INT;
    Checksum = "nf_conntrack_checksum", 1, 0 ..= 1;
    Events = "nf_conntrack_events", 2, 0 ..= 2;
    ExpectMax = "nf_conntrack_expect_max", 4096, 1 ..= INT;
    Frag6HighThresh = "nf_conntrack_frag6_high_thresh", 4_194_304, 3_145_728 ..= u32::MAX;
    Frag6LowThresh = "nf_conntrack_frag6_low_thresh", 3_145_728, 0 ..= 4_194_304;
    Frag6Timeout = "nf_conntrack_frag6_timeout", 60, 0 ..= SECONDS;
    GenericTimeout = "nf_conntrack_generic_timeout", 600, 0 ..= SECONDS;
    GreTimeout = "nf_conntrack_gre_timeout", 30, 0 ..= SECONDS;
    GreTimeoutStream = "nf_conntrack_gre_timeout_stream", 180, 0 ..= SECONDS;
    IcmpTimeout = "nf_conntrack_icmp_timeout", 30, 0 ..= SECONDS;
    Icmpv6Timeout = "nf_conntrack_icmpv6_timeout", 30, 0 ..= SECONDS;
    LogInvalid = "nf_conntrack_log_invalid", 0, 0 ..= 255;
    Max = "nf_conntrack_max", 262_144, 0 ..= INT;
    SctpClosed = "nf_conntrack_sctp_timeout_closed", 10, 0 ..= SECONDS;
    SctpCookieEchoed = "nf_conntrack_sctp_timeout_cookie_echoed", 3, 0 ..= SECONDS;
    SctpCookieWait = "nf_conntrack_sctp_timeout_cookie_wait", 3, 0 ..= SECONDS;
    SctpEstablished = "nf_conntrack_sctp_timeout_established", 210, 0 ..= SECONDS;
    SctpHeartbeatSent = "nf_conntrack_sctp_timeout_heartbeat_sent", 30, 0 ..= SECONDS;
    SctpShutdownAckSent = "nf_conntrack_sctp_timeout_shutdown_ack_sent", 3, 0 ..= SECONDS;
    SctpShutdownRecd = "nf_conntrack_sctp_timeout_shutdown_recd", 3, 0 ..= SECONDS;
    SctpShutdownSent = "nf_conntrack_sctp_timeout_shutdown_sent", 3, 0 ..= SECONDS;
    TcpBeLiberal = "nf_conntrack_tcp_be_liberal", 0, 0 ..= 1;
    TcpIgnoreInvalidRst = "nf_conntrack_tcp_ignore_invalid_rst", 0, 0 ..= 1;
    TcpLoose = "nf_conntrack_tcp_loose", 1, 0 ..= 1;
    TcpMaxRetrans = "nf_conntrack_tcp_max_retrans", 3, 0 ..= 255;
    TcpClose = "nf_conntrack_tcp_timeout_close", 10, 0 ..= SECONDS;
    TcpCloseWait = "nf_conntrack_tcp_timeout_close_wait", 60, 0 ..= SECONDS;
    TcpEstablished = "nf_conntrack_tcp_timeout_established", 432_000, 0 ..= SECONDS;
    TcpFinWait = "nf_conntrack_tcp_timeout_fin_wait", 120, 0 ..= SECONDS;
    TcpLastAck = "nf_conntrack_tcp_timeout_last_ack", 30, 0 ..= SECONDS;
    TcpRetrans = "nf_conntrack_tcp_timeout_max_retrans", 300, 0 ..= SECONDS;
    TcpSynRecv = "nf_conntrack_tcp_timeout_syn_recv", 60, 0 ..= SECONDS;
    TcpSynSent = "nf_conntrack_tcp_timeout_syn_sent", 120, 0 ..= SECONDS;
    TcpTimeWait = "nf_conntrack_tcp_timeout_time_wait", 120, 0 ..= SECONDS;
    TcpUnacknowledged = "nf_conntrack_tcp_timeout_unacknowledged", 300, 0 ..= SECONDS;
    Timestamp = "nf_conntrack_timestamp", 0, 0 ..= 1;
    UdpTimeout = "nf_conntrack_udp_timeout", 30, 0 ..= SECONDS;
    UdpTimeoutStream = "nf_conntrack_udp_timeout_stream", 120, 0 ..= SECONDS;
}

impl Setting {
    /// What it is if nobody has set it.
    pub const fn default_value(self) -> u32 {
        DEFAULTS[self as usize]
    }

    /// Whether another namespace than the first one of a host may only read it.
    pub const fn root_only(self) -> bool {
        matches!(self, Setting::Buckets | Setting::ExpectMax | Setting::Max)
    }

    /// The setting of that name (its last part).
    pub fn find(name: &str) -> Option<Setting> {
        Setting::ALL.iter().copied().find(|setting| setting.name() == name)
    }
}

/// The values of one namespace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings([u32; Setting::ALL.len()]);

impl Default for Settings {
    fn default() -> Self {
        Settings(DEFAULTS)
    }
}

impl core::ops::Index<Setting> for Settings {
    type Output = u32;
    #[inline]
    fn index(&self, setting: Setting) -> &u32 {
        &self.0[setting as usize]
    }
}

impl core::ops::IndexMut<Setting> for Settings {
    fn index_mut(&mut self, setting: Setting) -> &mut u32 {
        &mut self.0[setting as usize]
    }
}

impl Settings {
    /// A setting that is on or off.
    #[inline]
    pub fn on(&self, setting: Setting) -> bool {
        self[setting] != 0
    }

    /// A setting that is a span of time.
    #[inline]
    pub fn span(&self, setting: Setting) -> Duration {
        Duration::from_secs(u64::from(self[setting]))
    }
}
