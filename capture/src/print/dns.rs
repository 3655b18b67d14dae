//! DNS (RFC 1035), over UDP and TCP, and its multicast form (RFC 6762).

use super::cx::{Bytes, Cx, Done, Row, Truncated, bits, name, put, safe_string};
use super::registry::Ports;
use super::time::duration;

const HEADER: usize = 12;
const INTERNET: u16 = 1;
const OPT: u16 = 41;

const TYPES: &[Row] = &[
    (1, "A"),
    (2, "NS"),
    (3, "MD"),
    (4, "MF"),
    (5, "CNAME"),
    (6, "SOA"),
    (7, "MB"),
    (8, "MG"),
    (9, "MR"),
    (10, "NULL"),
    (11, "WKS"),
    (12, "PTR"),
    (13, "HINFO"),
    (14, "MINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (19, "X25"),
    (20, "ISDN"),
    (21, "RT"),
    (22, "NSAP"),
    (23, "NSAP_PTR"),
    (24, "SIG"),
    (25, "KEY"),
    (26, "PX"),
    (27, "GPOS"),
    (28, "AAAA"),
    (29, "LOC"),
    (30, "NXT"),
    (31, "EID"),
    (32, "NIMLOC"),
    (33, "SRV"),
    (34, "ATMA"),
    (35, "NAPTR"),
    (36, "KX"),
    (37, "CERT"),
    (38, "A6"),
    (39, "DNAME"),
    (40, "SINK"),
    (41, "OPT"),
    (42, "APL"),
    (43, "DS"),
    (44, "SSHFP"),
    (45, "IPSECKEY"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (99, "SPF"),
    (100, "UINFO"),
    (101, "UID"),
    (102, "GID"),
    (103, "UNSPEC"),
    (104, "NID"),
    (105, "L32"),
    (106, "L64"),
    (107, "LP"),
    (108, "EUI48"),
    (109, "EUI64"),
    (249, "TKEY"),
    (250, "TSIG"),
    (251, "IXFR"),
    (252, "AXFR"),
    (253, "MAILB"),
    (254, "MAILA"),
    (255, "ANY"),
    (256, "URI"),
];

const CLASSES: &[Row] = &[(1, "IN"), (2, "CS"), (3, "CHAOS"), (4, "HS"), (255, "ANY")];

const OPERATIONS: [&str; 16] = [
    "",
    " inv_q",
    " stat",
    " op3",
    " notify",
    " update",
    " op6",
    " op7",
    " op8",
    " updateA",
    " updateD",
    " updateDA",
    " updateM",
    " updateMA",
    " zoneInit",
    " zoneRef",
];

const RESPONSES: [&str; 16] = [
    "",
    " FormErr",
    " ServFail",
    " NXDomain",
    " NotImp",
    " Refused",
    " YXDomain",
    " YXRRSet",
    " NXRRSet",
    " NotAuth",
    " NotZone",
    " Resp11",
    " Resp12",
    " Resp13",
    " Resp14",
    " NoChange",
];

const EDNS_OPTIONS: &[Row] = &[
    (1, "LLQ"),
    (2, "UL"),
    (3, "NSID"),
    (5, "DAU"),
    (6, "DHU"),
    (7, "N3U"),
    (8, "ECS"),
    (9, "EXPIRE"),
    (10, "COOKIE"),
    (11, "KEEPALIVE"),
    (12, "PADDING"),
    (13, "CHAIN"),
    (14, "KEY-TAG"),
    (16, "CLIENT-TAG"),
    (17, "SERVER-TAG"),
];

const DNSSEC_OK: &[Row] = &[(0x8000, " DO")];

/// One message being printed.
struct Message<'a> {
    bytes: &'a [u8],
    multicast: bool,
}

pub(super) fn unicast(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    print(cx, bp, length, false)
}

pub(super) fn multicast(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    print(cx, bp, length, true)
}

/// Over TCP each message has its length before it.
pub(super) fn over_tcp(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    cx.protocol = "domain";
    if length < 2 {
        put!(cx, " [DNS over TCP: length {length} < 2]");
        cx.invalid();
        return Ok(());
    }
    let announced = usize::from(bp.u16(0)?);
    if length - 2 != announced {
        put!(cx, " [prefix length({announced}) != length({})]", length - 2);
        cx.invalid();
        return Ok(());
    }
    cx.out.push(' ');
    print(cx, bp.from(2).upto(announced), announced, false)
}

fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, multicast: bool) -> Done {
    cx.protocol = "domain";
    if length < HEADER {
        put!(cx, " [length {length} < {HEADER}]");
        cx.invalid();
        return Ok(());
    }
    bp.take(0, HEADER)?;
    let message = Message { bytes: bp, multicast };
    if bp.u16(2)? & 0x8000 != 0 {
        message.response(cx)?
    } else {
        message.request(cx)?
    }
    put!(cx, " ({length})");
    Ok(())
}

impl Message<'_> {
    /// Questions, answers, authorities, additional records.
    fn counts(&self) -> Result<[u16; 4], Truncated> {
        Ok([self.bytes.u16(4)?, self.bytes.u16(6)?, self.bytes.u16(8)?, self.bytes.u16(10)?])
    }

    fn operation(flags: u16) -> &'static str {
        OPERATIONS[usize::from(flags >> 11 & 15)]
    }

    fn response(&self, cx: &mut Cx<'_>) -> Done {
        let (id, flags) = (self.bytes.u16(0)?, self.bytes.u16(2)?);
        let [questions, answers, authorities, additional] = self.counts()?;
        let mark = |bit: u16, set: &'static str, clear: &'static str| if flags & bit != 0 { set } else { clear };
        put!(
            cx,
            "{id}{}{}{}{}{}{}",
            Self::operation(flags),
            RESPONSES[usize::from(flags & 15)],
            mark(0x0400, "*", ""),
            mark(0x0080, "", "-"),
            mark(0x0200, "|", ""),
            mark(0x0020, "$", "")
        );
        if questions != 1 {
            put!(cx, " [{questions}q]");
        }
        let mut at = HEADER;
        for index in 0..questions {
            if cx.opts.verbose > 1 {
                cx.out.push_str(if index == 0 { " q:" } else { "," });
                at = self.question(cx, at)?;
            } else {
                at = self.skip_name(at)? + 4;
            }
        }
        put!(cx, " {answers}/{authorities}/{additional}");
        at = self.records(cx, at, answers, "")?;
        if cx.opts.verbose > 1 {
            at = self.records(cx, at, authorities, " ns:")?;
            self.records(cx, at, additional, " ar:")?;
        }
        Ok(())
    }

    fn request(&self, cx: &mut Cx<'_>) -> Done {
        const INVERSE: u16 = 1;
        let (id, flags) = (self.bytes.u16(0)?, self.bytes.u16(2)?);
        let [questions, answers, authorities, additional] = self.counts()?;
        let recursion = if flags & 0x0100 != 0 { "+" } else { "" };
        let checking = if flags & 0x0010 != 0 { "%" } else { "" };
        put!(cx, "{id}{}{recursion}{checking}", Self::operation(flags));
        if flags & 0x06cf != 0 {
            put!(cx, " [b2&3=0x{flags:x}]");
        }
        let (usual_answers, usual_questions) = if flags >> 11 & 15 == INVERSE { (1, 0) } else { (0, 1) };
        if usual_questions == 0 {
            if questions != 0 {
                put!(cx, " [{questions}q]");
            }
            if answers != usual_answers {
                put!(cx, " [{answers}a]");
            }
        } else {
            if answers != 0 {
                put!(cx, " [{answers}a]");
            }
            if questions != 1 {
                put!(cx, " [{questions}q]");
            }
        }
        if authorities != 0 {
            put!(cx, " [{authorities}n]");
        }
        if additional != 0 {
            put!(cx, " [{additional}au]");
        }
        let mut at = HEADER;
        for _ in 0..questions {
            at = self.question(cx, at)?;
        }
        if cx.opts.verbose > 1 {
            at = self.records(cx, at, answers, "")?;
            at = self.records(cx, at, authorities, " ns:")?;
            self.records(cx, at, additional, " ar:")?;
        }
        Ok(())
    }

    fn records(&self, cx: &mut Cx<'_>, mut at: usize, count: u16, title: &str) -> Result<usize, Truncated> {
        for index in 0..count {
            if index > 0 && at >= self.bytes.len() {
                return Err(Truncated);
            }
            cx.out.push_str(if index == 0 { title } else { "," });
            at = self.record(cx, at)?;
        }
        Ok(at)
    }

    fn question(&self, cx: &mut Cx<'_>, at: usize) -> Result<usize, Truncated> {
        let behind = self.skip_name(at)?;
        let (kind, mut class) = (self.bytes.u16(behind)?, self.bytes.u16(behind + 2)?);
        put!(cx, " {}", type_name(kind));
        let unicast = class & 0x8000 != 0;
        if self.multicast {
            class &= 0x7fff;
        }
        if class != INTERNET {
            put!(cx, " {}", class_name(class));
        }
        if self.multicast {
            cx.out.push_str(if unicast { " (QU)" } else { " (QM)" });
        }
        cx.out.push_str("? ");
        self.print_name(cx, at)?;
        Ok(behind + 4)
    }

    fn record(&self, cx: &mut Cx<'_>, at: usize) -> Result<usize, Truncated> {
        let Ok(behind) = self.skip_name(at) else { return Ok(self.bytes.len()) };
        if cx.opts.verbose > 0 {
            cx.out.push(' ');
            self.print_name(cx, at)?;
        }
        let bytes = self.bytes;
        if bytes.take(behind, 10).is_err() {
            return Ok(bytes.len()); // the capture ends here; tcpdump only notices when more records are due
        }
        let (kind, mut class) = (bytes.u16(behind)?, bytes.u16(behind + 2)?);
        let flush = self.multicast && kind != OPT && class & 0x8000 != 0;
        if self.multicast && kind != OPT {
            class &= 0x7fff;
        }
        if class != INTERNET && kind != OPT {
            put!(cx, " {}", class_name(class));
        }
        if flush {
            cx.out.push_str(" (Cache flush)");
        }
        if kind != OPT && cx.opts.verbose > 2 {
            put!(cx, " [{}]", duration(bytes.u32(behind + 4)?));
        }
        let len = usize::from(bytes.u16(behind + 8)?);
        let (start, end) = (behind + 10, behind + 10 + len);
        put!(cx, " {}", type_name(kind));
        bytes.take(start, len)?;
        self.data(cx, kind, behind, start, end)?;
        Ok(end)
    }

    fn data(&self, cx: &mut Cx<'_>, kind: u16, head: usize, start: usize, end: usize) -> Done {
        let bytes = self.bytes;
        match kind {
            1 => put!(cx, " {}", bytes.ip4(start)?),
            2 | 5 | 12 | 39 => {
                cx.out.push(' ');
                self.print_name(cx, start)?;
            }
            6 if cx.opts.verbose > 0 => {
                cx.out.push(' ');
                self.print_name(cx, start)?;
                cx.out.push(' ');
                let second = self.skip_name(start)?;
                self.print_name(cx, second)?;
                let numbers = self.skip_name(second)?;
                for index in 0..5 {
                    put!(cx, " {}", bytes.u32(numbers + 4 * index)?);
                }
            }
            15 => {
                cx.out.push(' ');
                self.print_name(cx, start + 2)?;
                put!(cx, " {}", bytes.u16(start)?);
            }
            16 => {
                let mut at = start;
                while at < end {
                    let len = usize::from(bytes.u8(at)?);
                    put!(cx, " \"{}\"", safe_string(bytes.take(at + 1, len)?));
                    at += 1 + len;
                }
            }
            28 => put!(cx, " {}", bytes.ip6(start)?),
            33 => {
                cx.out.push(' ');
                self.print_name(cx, start + 6)?;
                put!(cx, ":{} {} {}", bytes.u16(start + 4)?, bytes.u16(start)?, bytes.u16(start + 2)?);
            }
            OPT => self.edns(cx, head, start, end)?,
            250 if cx.opts.verbose > 0 => {
                cx.out.push(' ');
                self.print_name(cx, start)?;
                let at = self.skip_name(start)? + 6;
                put!(cx, " fudge={}", bytes.u16(at)?);
                let mac = usize::from(bytes.u16(at + 2)?);
                put!(cx, " maclen={mac}");
                let at = at + 4 + mac;
                put!(cx, " origid={} error={} otherlen={}", bytes.u16(at)?, bytes.u16(at + 2)?, bytes.u16(at + 4)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// The pseudo-record of EDNS (RFC 6891).
    fn edns(&self, cx: &mut Cx<'_>, head: usize, start: usize, end: usize) -> Done {
        let flags = self.bytes.u16(head + 6)?;
        put!(cx, " UDPsize={}{}", self.bytes.u16(head + 2)?, bits(DNSSEC_OK, flags, "", ""));
        let mut at = start;
        if at >= end {
            return Ok(());
        }
        cx.out.push_str(" [");
        while at < end {
            let (option, len) = (self.bytes.u16(at)?, usize::from(self.bytes.u16(at + 2)?));
            if at > start {
                cx.out.push(',');
            }
            match name(EDNS_OPTIONS, option) {
                Some(name) => cx.out.push_str(name),
                None => put!(cx, "Opt{option}"),
            }
            let data = self.bytes.take(at + 4, len)?;
            if !data.is_empty() {
                cx.out.push(' ');
                for byte in data {
                    put!(cx, "{byte:02x}");
                }
            }
            at += 4 + len;
        }
        cx.out.push(']');
        Ok(())
    }

    /// Where a name ends: at its root label or behind its first pointer.
    fn skip_name(&self, mut at: usize) -> Result<usize, Truncated> {
        loop {
            match self.bytes.u8(at)? {
                0 => return Ok(at + 1),
                0xc0..=0xff => return Ok(at + 2),
                len @ 1..=63 => at += 1 + usize::from(len),
                _ => return Err(Truncated),
            }
        }
    }

    /// A name, through its pointers, which may only lead back (so that they cannot form a ring).
    fn print_name(&self, cx: &mut Cx<'_>, start: usize) -> Done {
        let (mut at, mut limit) = (start, self.bytes.len());
        if self.bytes.u8(at)? == 0 {
            cx.out.push('.');
            return Ok(());
        }
        loop {
            match self.bytes.u8(at)? {
                0 => return Ok(()),
                0xc0..=0xff => {
                    let target = usize::from(self.bytes.u16(at)? & 0x3fff);
                    if target >= limit.min(at) {
                        cx.out.push_str("<BAD PTR>");
                        return Err(Truncated);
                    }
                    limit = target.min(at);
                    at = target;
                    if self.bytes.u8(at)? == 0 && start == at {
                        cx.out.push('.');
                    }
                }
                len @ 1..=63 => {
                    let label = self.bytes.take(at + 1, usize::from(len))?;
                    put!(cx, "{}.", safe_string(label));
                    at += 1 + usize::from(len);
                }
                other => {
                    put!(cx, "<{other}>");
                    return Err(Truncated);
                }
            }
        }
    }
}

fn type_name(kind: u16) -> String {
    name(TYPES, kind).map_or(format!("Type{kind}"), str::to_owned)
}

fn class_name(class: u16) -> String {
    name(CLASSES, class).map_or(format!("(Class {class})"), str::to_owned)
}
