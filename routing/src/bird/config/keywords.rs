//! The keywords of BIRD 2.0.12, also those of protocols that are not here: an error names them.

/// The keyword of this spelling.
pub(super) fn find(word: &str) -> Option<&'static str> {
    KEYWORDS.binary_search(&word).ok().map(|at| KEYWORDS[at])
}

/// Whether a word cannot be a name of the user's: it belongs to something that is not here, or that is known by its place here.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.binary_search(&word).is_ok()
}

/// How a syntax error names a keyword.
pub(super) fn error_name(word: &str) -> String {
    word.to_ascii_uppercase()
}

/// How a syntax error names a mark.
pub(super) fn mark_name(mark: &str) -> String {
    match mark {
        "!=" => "NEQ".into(),
        "<=" => "LEQ".into(),
        ">=" => "GEQ".into(),
        "&&" => "AND".into(),
        "||" => "OR".into(),
        "!~" => "NMA".into(),
        ".." => "DDOT".into(),
        "[=" => "PO".into(),
        "=]" => "PC".into(),
        mark => format!("'{mark}'"),
    }
}

/// In alphabetic order.
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "accept", "action", "add", "address", "advertise", "aggregate", "all", "allow", "always", "announce", "as",
    "attempts", "authentication", "babel", "bfd", "bgp", "blackhole", "block", "bool", "bt_assert", "case", "cell",
    "check", "class", "clist", "cluster", "community", "confederation", "configure", "confirm", "connect", "cost",
    "count", "debug", "default", "define", "defined", "delay", "delete", "description", "deterministic", "device",
    "direct", "disable", "disabled", "discard", "down", "dscp", "dual", "dump", "ec", "echo", "eclist", "else",
    "empty", "enable", "enforce", "error", "eval", "events", "exp", "export", "exported", "extended", "external",
    "false", "file", "filter", "filtered", "filters", "first", "for", "forget", "from", "function", "gateway",
    "generic", "graceful", "gw", "hold", "hop", "hostentry", "hostname", "id", "if", "igp", "import", "in",
    "instance", "int", "interface", "interfaces", "internal", "interpret", "ip", "ipv4", "ipv6", "keep", "keepalive",
    "kernel", "label", "last", "lc", "lclist", "learn", "len", "limit", "lived", "llgr", "local", "log", "long",
    "loops", "max", "med", "memory", "merge", "metric", "missing", "mpls", "multihop", "name", "neighbor", "net",
    "next", "no", "noexport", "none", "nonempty", "off", "older", "on", "ospf", "pair", "passive", "password",
    "passwords", "path", "paths", "peer", "persist", "pipe", "port", "preexport", "prefer", "preference", "prefix",
    "prepend", "primary", "print", "printn", "prohibit", "proto", "protocol", "protocols", "quad", "radv", "range",
    "rd", "receive", "recursive", "refresh", "reject", "reload", "remote", "require", "reset", "restart", "restrict",
    "return", "rip", "ro", "roa", "route", "router", "routes", "rr", "rs", "rt", "scan", "scope", "secondary",
    "security", "self", "server", "session", "set", "setkey", "show", "soft", "source", "stale", "startup", "states",
    "static", "stats", "status", "strict", "string", "stub", "summary", "symbols", "syslog", "table", "template",
    "then", "time", "timeformat", "timeout", "timers", "true", "ttl", "tx", "type", "undo", "unknown", "unreachable",
    "unset", "untyped", "via", "virtual", "vpn", "vrf", "wait", "warning", "watchdog", "weight", "where", "yes",
];

/// Further words that BIRD 2.0.12 refuses as names, in alphabetic order.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "administrative", "after", "aigp", "algorithm", "area", "as4", "asn", "attribute", "attributes", "auth",
    "autonomous", "aware", "babel_metric", "base", "bcast", "bgp_aggregator", "bgp_aigp", "bgp_atomic_aggr",
    "bgp_cluster_list", "bgp_community", "bgp_ext_community", "bgp_large_community", "bgp_local_pref", "bgp_med",
    "bgp_next_hop", "bgp_origin", "bgp_originator_id", "bgp_otc", "bgp_path", "bgpmask", "bgppath", "bind", "bird",
    "blake2b256", "blake2b512", "blake2s128", "blake2s256", "broadcast", "bt_check_assign", "bt_test_same",
    "bt_test_suite", "buffer", "bug", "by", "capabilities", "cease", "change", "channels", "circuit", "client", "code",
    "collision", "commands", "communities", "config", "configuration", "connection", "contains", "cost2",
    "cryptographic", "current", "data", "data1", "data2", "dead", "deconfigured", "demand", "dest", "dev", "digits",
    "dnssl", "do", "domain", "dont_fragment", "dport", "drop", "dst", "dynamic", "ebgp", "ecmp", "eligible", "entries",
    "exit", "expire", "fatal", "filename", "first_fragment", "flags", "flow4", "flow6", "flush", "format", "fragment",
    "free", "garbage", "gc", "generate", "global", "gw_mpls", "header", "hello", "help", "hidden", "high", "hit",
    "hmac", "horizon", "ibgp", "icmp", "idle", "ifindex", "ifname", "ignore", "igp_metric", "infinity", "info",
    "interval", "ipv4_mc", "ipv4_mpls", "ipv6_mc", "ipv6_mpls", "ipv6_sadr", "is_fragment", "is_v4", "is_v6", "iso",
    "key", "keyed", "krt_advmss", "krt_cwnd", "krt_feature_allfrag", "krt_feature_ecn", "krt_hoplimit", "krt_initcwnd",
    "krt_initrwnd", "krt_lock_advmss", "krt_lock_cwnd", "krt_lock_hoplimit", "krt_lock_mtu", "krt_lock_reordering",
    "krt_lock_rto_min", "krt_lock_rtt", "krt_lock_rttvar", "krt_lock_sstresh", "krt_lock_window", "krt_metric",
    "krt_mtu", "krt_prefsrc", "krt_quickack", "krt_realm", "krt_reordering", "krt_rto_min", "krt_rtt", "krt_rttvar",
    "krt_scope", "krt_source", "krt_sstresh", "krt_window", "large", "last_fragment", "last_nonaggregated", "latency",
    "length", "lifetime", "linger", "link", "lladdr", "low", "lsa", "lsadb", "lsid", "mac", "managed", "mandatory",
    "mask", "match", "maxlen", "md5", "medium", "member", "messages", "meticulous", "min", "mode", "mrt", "mrtdump",
    "ms", "mtu", "mult", "multicast", "multiplier", "nbma", "neighbors", "netlink", "netmask", "networks", "ng",
    "nonbroadcast", "normal", "ns", "nssa", "of", "offset", "onlink", "only", "originate", "ospf_metric1",
    "ospf_metric2", "ospf_router_id", "ospf_tag", "other", "out", "packets", "pe", "perf", "period", "permissive",
    "plaintext", "pointomultipoint", "pointopoint", "poison", "poll", "preferred", "pri", "priority", "private",
    "propagate", "ptmp", "ptp", "public", "quit", "ra", "ra_lifetime", "ra_preference", "randomize", "rdnss",
    "reachable", "real", "rejected", "repeat", "resources", "retrans", "retransmit", "retry", "reverse",
    "rfc1583compat", "rfc5838", "rip_metric", "rip_tag", "roa4", "roa6", "roa_check", "roles", "rpki", "rx", "rxcost",
    "sadr", "sec", "sensitive", "sessions", "sets", "settle", "sha1", "sha256", "sha384", "sha512", "short", "shutdown",
    "simple", "skip", "sockets", "solicited", "sorted", "split", "sport", "src", "ssh", "stability", "start", "state",
    "stderr", "stubnet", "suppression", "tag", "tcp", "threshold", "tick", "timer", "to", "topology", "trace",
    "translator", "transmit", "transport", "trie", "trigger", "unicast", "update", "us", "user", "v2", "v3", "valid",
    "validate", "version", "vpn4", "vpn4_mc", "vpn4_mpls", "vpn6", "vpn6_mc", "vpn6_mpls", "warn", "wired", "wireless",
    "zero",
];

#[cfg(test)]
mod tests {
    #[test]
    fn keywords_are_in_order() {
        assert!(super::KEYWORDS.is_sorted() && super::RESERVED.is_sorted());
    }
}
