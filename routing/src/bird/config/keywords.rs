//! The keywords of BIRD 2.0.12, also those of protocols that are not here: an error names them.

/// The keyword of this spelling.
pub(super) fn find(word: &str) -> Option<&'static str> {
    KEYWORDS.binary_search(&word).ok().map(|at| KEYWORDS[at])
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

#[cfg(test)]
mod tests {
    #[test]
    fn keywords_are_in_order() {
        assert!(super::KEYWORDS.is_sorted());
    }
}
