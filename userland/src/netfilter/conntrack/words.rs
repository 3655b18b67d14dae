//! The options of `conntrack` and what they may be combined with (`src/conntrack.c`, `extensions/*.c`).

use super::options::Key;
use crate::getopt::Argument;

/// The usage.
pub(super) const USAGE: &str = include_str!("usage.txt");

/// The long options that are always there.
pub(super) const LONG: &[(&str, Argument, Key)] = &[
    ("dump", Argument::Optional, Key::Short('L')),
    ("create", Argument::Optional, Key::Short('I')),
    ("add", Argument::Optional, Key::Short('A')),
    ("delete", Argument::Optional, Key::Short('D')),
    ("update", Argument::Optional, Key::Short('U')),
    ("get", Argument::Optional, Key::Short('G')),
    ("flush", Argument::Optional, Key::Short('F')),
    ("event", Argument::Optional, Key::Short('E')),
    ("counter", Argument::Optional, Key::Short('C')),
    ("stats", Argument::No, Key::Short('S')),
    ("load-file", Argument::Required, Key::Short('R')),
    ("version", Argument::No, Key::Short('V')),
    ("help", Argument::No, Key::Short('h')),
    ("src", Argument::Required, Key::Short('s')),
    ("dst", Argument::Required, Key::Short('d')),
    ("orig-src", Argument::Required, Key::Short('s')),
    ("orig-dst", Argument::Required, Key::Short('d')),
    ("reply-src", Argument::Required, Key::Short('r')),
    ("reply-dst", Argument::Required, Key::Short('q')),
    ("protonum", Argument::Required, Key::Short('p')),
    ("timeout", Argument::Required, Key::Short('t')),
    ("status", Argument::Required, Key::Short('u')),
    ("zero", Argument::No, Key::Short('z')),
    ("event-mask", Argument::Required, Key::Short('e')),
    ("tuple-src", Argument::Required, Key::Short('[')),
    ("tuple-dst", Argument::Required, Key::Short(']')),
    ("mask-src", Argument::Required, Key::Short('{')),
    ("mask-dst", Argument::Required, Key::Short('}')),
    ("nat-range", Argument::Required, Key::Short('a')),
    ("mark", Argument::Required, Key::Short('m')),
    ("secmark", Argument::Required, Key::Short('c')),
    ("id", Argument::Required, Key::Short('i')),
    ("family", Argument::Required, Key::Short('f')),
    ("src-nat", Argument::Optional, Key::Short('n')),
    ("dst-nat", Argument::Optional, Key::Short('g')),
    ("output", Argument::Required, Key::Short('o')),
    ("buffer-size", Argument::Required, Key::Short('b')),
    ("any-nat", Argument::Optional, Key::Short('j')),
    ("zone", Argument::Required, Key::Short('w')),
    ("label", Argument::Required, Key::Short('l')),
    ("label-add", Argument::Required, Key::Short('<')),
    ("label-del", Argument::Optional, Key::Short('>')),
    ("orig-zone", Argument::Required, Key::Short('(')),
    ("reply-zone", Argument::Required, Key::Short(')')),
];

const PORTS: &[(&str, Argument, Key)] = &[
    ("orig-port-src", Argument::Required, Key::Port(0)),
    ("orig-port-dst", Argument::Required, Key::Port(1)),
    ("sport", Argument::Required, Key::Port(0)),
    ("dport", Argument::Required, Key::Port(1)),
    ("reply-port-src", Argument::Required, Key::Port(2)),
    ("reply-port-dst", Argument::Required, Key::Port(3)),
    ("mask-port-src", Argument::Required, Key::Unused),
    ("mask-port-dst", Argument::Required, Key::Unused),
    ("tuple-port-src", Argument::Required, Key::Unused),
    ("tuple-port-dst", Argument::Required, Key::Unused),
];

const STATE: (&str, Argument, Key) = ("state", Argument::Required, Key::State);

/// The long options that `-p` adds.
pub(super) fn of_protocol(protocol: u8) -> Vec<(&'static str, Argument, Key)> {
    let own: &[(&str, Argument, Key)] = match protocol {
        1 => &[
            ("icmp-type", Argument::Required, Key::IcmpType),
            ("icmp-code", Argument::Required, Key::IcmpCode),
            ("icmp-id", Argument::Required, Key::IcmpId),
        ],
        6 => &[STATE],
        47 => &[
            ("srckey", Argument::Required, Key::Port(0)),
            ("dstkey", Argument::Required, Key::Port(1)),
            ("reply-key-src", Argument::Required, Key::Port(2)),
            ("reply-key-dst", Argument::Required, Key::Port(3)),
        ],
        132 => {
            &[STATE, ("orig-vtag", Argument::Required, Key::Vtag(0)), ("reply-vtag", Argument::Required, Key::Vtag(1))]
        }
        _ => &[],
    };
    let ports: &[(&str, Argument, Key)] = if matches!(protocol, 6 | 17 | 132 | 136 | 33) { PORTS } else { &[] };
    own.iter().chain(ports).copied().collect()
}

/// The short options (a `getopt(3)` string).
pub(super) const SHORT: &str =
    "L::I::U::D::G::E::F::A::R:hVs:d:r:q:p:t:u:e:a:z[:]:{:}:m:i:f:o:n::g::c:b:C::Sj::w:l:<:>::(:):";

/// The options that each command refuses, by their short names; the commands by theirs.
pub(super) const ILLEGAL: &[(char, &str)] = &[
    ('L', "[]tieb"),
    ('I', "ez[]{}bj"),
    ('A', "ez[]{}bj"),
    ('U', "[]()wzjecb"),
    ('D', "[]zjecb"),
    ('G', "[]{}tezab"),
    ('F', "[]{}()zwutsrqponmjigedcb"),
    ('E', "[]zuti"),
    ('C', "[]{}()zwutsrqponmjigfedcb"),
    ('S', "[]{}()zwutsrqponmjigfedcb"),
];
