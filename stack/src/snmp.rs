//! The counters of `/proc/net/snmp` (RFC 4293, RFC 4022, RFC 4113), one row each.

macro_rules! counters {
    ($($group:literal { $($field:ident = $name:literal,)* })*) => {
        /// The counters of a namespace.
        #[derive(Clone, PartialEq, Eq, Debug, Default)]
        pub struct Snmp {
            $($(#[doc = concat!("`", $group, ": ", $name, "`")] pub $field: u64,)*)*
            /// Received ICMP messages by type (`IcmpMsg: InTypeN`).
            pub icmp_in: std::collections::BTreeMap<u8, u64>,
            /// Sent ICMP messages by type (`IcmpMsg: OutTypeN`).
            pub icmp_out: std::collections::BTreeMap<u8, u64>,
        }

        impl Snmp {
            /// All counters at zero.
            const NONE: Snmp = Snmp {
                $($($field: 0,)*)*
                icmp_in: std::collections::BTreeMap::new(),
                icmp_out: std::collections::BTreeMap::new(),
            };

            /// Group, name and value of every counter, in the order of the file.
            pub fn rows(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$($(($group, $name, self.$field),)*)*]
            }
        }
    };
}

counters! {
    "Ip" {
        in_receives = "InReceives",
        in_hdr_errors = "InHdrErrors",
        in_addr_errors = "InAddrErrors",
        forw_datagrams = "ForwDatagrams",
        in_unknown_protos = "InUnknownProtos",
        in_discards = "InDiscards",
        in_delivers = "InDelivers",
        out_requests = "OutRequests",
        out_discards = "OutDiscards",
        out_no_routes = "OutNoRoutes",
        reasm_timeout = "ReasmTimeout",
        reasm_reqds = "ReasmReqds",
        reasm_oks = "ReasmOKs",
        reasm_fails = "ReasmFails",
        frag_oks = "FragOKs",
        frag_fails = "FragFails",
        frag_creates = "FragCreates",
        out_transmits = "OutTransmits",
    }
    "Icmp" {
        icmp_in_msgs = "InMsgs",
        icmp_in_errors = "InErrors",
        icmp_in_csum_errors = "InCsumErrors",
        icmp_in_dest_unreachs = "InDestUnreachs",
        icmp_in_time_excds = "InTimeExcds",
        icmp_in_parm_probs = "InParmProbs",
        icmp_in_src_quenchs = "InSrcQuenchs",
        icmp_in_redirects = "InRedirects",
        icmp_in_echos = "InEchos",
        icmp_in_echo_reps = "InEchoReps",
        icmp_in_timestamps = "InTimestamps",
        icmp_in_timestamp_reps = "InTimestampReps",
        icmp_in_addr_masks = "InAddrMasks",
        icmp_in_addr_mask_reps = "InAddrMaskReps",
        icmp_out_msgs = "OutMsgs",
        icmp_out_errors = "OutErrors",
        icmp_out_rate_limit_global = "OutRateLimitGlobal",
        icmp_out_rate_limit_host = "OutRateLimitHost",
        icmp_out_dest_unreachs = "OutDestUnreachs",
        icmp_out_time_excds = "OutTimeExcds",
        icmp_out_parm_probs = "OutParmProbs",
        icmp_out_src_quenchs = "OutSrcQuenchs",
        icmp_out_redirects = "OutRedirects",
        icmp_out_echos = "OutEchos",
        icmp_out_echo_reps = "OutEchoReps",
        icmp_out_timestamps = "OutTimestamps",
        icmp_out_timestamp_reps = "OutTimestampReps",
        icmp_out_addr_masks = "OutAddrMasks",
        icmp_out_addr_mask_reps = "OutAddrMaskReps",
    }
    "Tcp" {
        tcp_active_opens = "ActiveOpens",
        tcp_passive_opens = "PassiveOpens",
        tcp_attempt_fails = "AttemptFails",
        tcp_estab_resets = "EstabResets",
        tcp_in_segs = "InSegs",
        tcp_out_segs = "OutSegs",
        tcp_retrans_segs = "RetransSegs",
        tcp_in_errs = "InErrs",
        tcp_out_rsts = "OutRsts",
        tcp_in_csum_errors = "InCsumErrors",
    }
    "Udp" {
        udp_in_datagrams = "InDatagrams",
        udp_no_ports = "NoPorts",
        udp_in_errors = "InErrors",
        udp_out_datagrams = "OutDatagrams",
        udp_rcvbuf_errors = "RcvbufErrors",
        udp_sndbuf_errors = "SndbufErrors",
        udp_in_csum_errors = "InCsumErrors",
        udp_ignored_multi = "IgnoredMulti",
        udp_mem_errors = "MemErrors",
    }
    "TcpExt" {
        ip_reverse_path_filter = "IPReversePathFilter",
        out_of_window_icmps = "OutOfWindowIcmps",
        tw = "TW",
        paws_estab = "PAWSEstab",
        delayed_acks = "DelayedACKs",
        listen_overflows = "ListenOverflows",
        listen_drops = "ListenDrops",
        tcp_reno_recovery = "TCPRenoRecovery",
        tcp_sack_recovery = "TCPSackRecovery",
        tcp_fast_retrans = "TCPFastRetrans",
        tcp_timeouts = "TCPTimeouts",
        tcp_loss_probes = "TCPLossProbes",
        tcp_dsack_old_sent = "TCPDSACKOldSent",
        tcp_dsack_ofo_sent = "TCPDSACKOfoSent",
        tcp_abort_on_data = "TCPAbortOnData",
        tcp_abort_on_close = "TCPAbortOnClose",
        tcp_abort_on_timeout = "TCPAbortOnTimeout",
        tcp_ofo_queue = "TCPOFOQueue",
        tcp_challenge_ack = "TCPChallengeACK",
        tcp_syn_challenge = "TCPSYNChallenge",
        tcp_syn_retrans = "TCPSynRetrans",
        tcp_orig_data_sent = "TCPOrigDataSent",
        tcp_win_probe = "TCPWinProbe",
        tcp_keep_alive = "TCPKeepAlive",
        tcp_delivered = "TCPDelivered",
    }
    "IpExt" {
        in_no_routes = "InNoRoutes",
    }
}

impl Snmp {
    /// Counts a received ICMP message (`icmp_rcv`).
    pub fn icmp_received(&mut self, kind: u8) {
        *self.icmp_in.entry(kind).or_default() += 1;
        match kind {
            0 => self.icmp_in_echo_reps += 1,
            3 => self.icmp_in_dest_unreachs += 1,
            4 => self.icmp_in_src_quenchs += 1,
            5 => self.icmp_in_redirects += 1,
            8 => self.icmp_in_echos += 1,
            11 => self.icmp_in_time_excds += 1,
            12 => self.icmp_in_parm_probs += 1,
            13 => self.icmp_in_timestamps += 1,
            14 => self.icmp_in_timestamp_reps += 1,
            _ => {}
        }
    }

    /// Counts a sent ICMP message (`icmp_out_count`).
    pub fn icmp_sent(&mut self, kind: u8) {
        self.icmp_out_msgs += 1;
        *self.icmp_out.entry(kind).or_default() += 1;
        match kind {
            0 => self.icmp_out_echo_reps += 1,
            3 => self.icmp_out_dest_unreachs += 1,
            5 => self.icmp_out_redirects += 1,
            8 => self.icmp_out_echos += 1,
            11 => self.icmp_out_time_excds += 1,
            12 => self.icmp_out_parm_probs += 1,
            13 => self.icmp_out_timestamps += 1,
            14 => self.icmp_out_timestamp_reps += 1,
            _ => {}
        }
    }
}

/// The counters of a namespace, made when the first one is raised: most namespaces of a large world are idle.
#[derive(Clone, Debug, Default)]
pub struct LazySnmp(Option<Box<Snmp>>);

static NOTHING: Snmp = Snmp::NONE;

impl core::ops::Deref for LazySnmp {
    type Target = Snmp;
    #[inline]
    fn deref(&self) -> &Snmp {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl core::ops::DerefMut for LazySnmp {
    #[inline]
    fn deref_mut(&mut self) -> &mut Snmp {
        self.0.get_or_insert_default()
    }
}
