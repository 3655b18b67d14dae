//! The command line of ping.

use core::net::Ipv4Addr;

use hopwise_stack::socket::PmtuDisc;

use super::Refusal;
use crate::getopt::{self, Opt};
use crate::resolve::Family;

/// What `-T` records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stamps {
    /// Timestamps only.
    Only,
    /// Timestamps and addresses.
    WithAddresses,
}

/// The options of ping, with the meanings and units of iputils 20221126.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// `-4`, `-6`.
    pub family: Family,
    /// `-a`.
    pub audible: bool,
    /// `-A`.
    pub adaptive: bool,
    /// `-b`.
    pub broadcast: bool,
    /// `-B`, or `-I` with an address: the source does not change.
    pub strict_source: bool,
    /// `-c`.
    pub count: Option<u64>,
    /// `-D`.
    pub print_time: bool,
    /// `-e`.
    pub ident: Option<u16>,
    /// `-f`.
    pub flood: bool,
    /// `-i`, in milliseconds.
    pub interval: Option<u64>,
    /// `-I` with a link.
    pub device: Option<String>,
    /// `-I` with an address.
    pub source: Option<Ipv4Addr>,
    /// `-l`.
    pub preload: u64,
    /// `-m`.
    pub mark: Option<u32>,
    /// `-M`.
    pub pmtudisc: Option<PmtuDisc>,
    /// `-n`.
    pub numeric: bool,
    /// `-O`.
    pub outstanding: bool,
    /// `-p`.
    pub pattern: Option<Vec<u8>>,
    /// `-q`.
    pub quiet: bool,
    /// `-Q`.
    pub tos: u8,
    /// `-r`.
    pub dont_route: bool,
    /// `-R`.
    pub record_route: bool,
    /// `-s`, in bytes.
    pub size: usize,
    /// `-t`.
    pub ttl: Option<u8>,
    /// `-T`.
    pub stamps: Option<Stamps>,
    /// `-v`.
    pub verbose: bool,
    /// `-w`, in seconds.
    pub deadline: u64,
    /// `-W`, in milliseconds.
    pub linger: u64,
    /// What was found strange, for standard error.
    pub warnings: Vec<String>,
    /// The words that are no options: the last one is the destination.
    pub targets: Vec<String>,
}

/// How long to wait for the last answer if nothing came back yet (`MAXWAIT`), in milliseconds.
const MAXWAIT: u64 = 10_000;

impl Default for Options {
    fn default() -> Self {
        Options {
            family: Family::Unspec,
            audible: false,
            adaptive: false,
            broadcast: false,
            strict_source: false,
            count: None,
            print_time: false,
            ident: None,
            flood: false,
            interval: None,
            device: None,
            source: None,
            preload: 1,
            mark: None,
            pmtudisc: None,
            numeric: false,
            outstanding: false,
            pattern: None,
            quiet: false,
            tos: 0,
            dont_route: false,
            record_route: false,
            size: 56,
            ttl: None,
            stamps: None,
            verbose: false,
            deadline: 0,
            linger: MAXWAIT,
            warnings: Vec::new(),
            targets: Vec::new(),
        }
    }
}

/// iputils' options less those that are IPv6's alone (`-F`, `-N`).
const SPEC: &str = "h?4bRT:6aABc:CdDe:fi:I:l:Lm:M:nOp:qQ:rs:S:t:UvVw:W:";

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// ping's own words and exit status; also for `-V`, after which nothing more happens.
    pub(super) fn parse(args: &[String]) -> Result<Options, Refusal> {
        let parsed = getopt::parse(args, SPEC, &[]);
        let mut options = Options { targets: parsed.operands, ..Options::default() };
        for option in parsed.options {
            let option = option.map_err(Refusal::usage)?;
            options.take(&option)?;
        }
        if options.targets.is_empty() {
            return Err(Refusal::new(1, "usage error: Destination address required"));
        }
        Ok(options)
    }

    fn take(&mut self, option: &Opt) -> Result<(), Refusal> {
        let text = option.text();
        match option.key {
            '4' | '6' => self.set_family(if option.key == '4' { Family::V4 } else { Family::V6 })?,
            'a' => self.audible = true,
            'A' => self.adaptive = true,
            'b' => self.broadcast = true,
            'B' => self.strict_source = true,
            'c' => self.count = Some(number(text, 1, i64::MAX)? as u64),
            'D' => self.print_time = true,
            'e' => self.ident = Some(number(text, 0, 65_535)? as u16),
            'f' => self.flood = true,
            // A negative interval gets through the real program's check and is none at all.
            'i' if getopt::strtod(text).0 < 0.0 => self.interval = Some(0),
            'i' => self.interval = Some(self.milliseconds(text, "bad timing interval")?),
            'I' => match text.parse() {
                Ok(addr) => (self.source, self.strict_source) = (Some(addr), true),
                Err(_) => self.device = Some(text.to_owned()),
            },
            'l' => self.preload = number(text, 1, 65_536)? as u64,
            'm' => self.mark = Some(number(text, 0, i64::from(u32::MAX))? as u32),
            'M' => self.pmtudisc = Some(pmtudisc(text)?),
            'n' => self.numeric = true,
            'O' => self.outstanding = true,
            'p' => self.pattern = Some(pattern(text)?),
            'q' => self.quiet = true,
            'Q' => self.tos = tos(text)?,
            'r' => self.dont_route = true,
            'R' if self.stamps.is_some() => return Err(Refusal::new(2, "only one of -T or -R may be used")),
            'R' => self.record_route = true,
            's' => self.size = number(text, 0, i64::from(i32::MAX))? as usize,
            'S' => drop(number(text, 1, i64::from(i32::MAX))?),
            't' => self.ttl = Some(number(text, 0, 255)? as u8),
            'T' => self.stamps = Some(self.stamps(text)?),
            'v' => self.verbose = true,
            'V' => return Err(Refusal::version()),
            'w' => self.deadline = number(text, 0, i64::from(i32::MAX))? as u64,
            'W' => self.linger = self.milliseconds(text, "bad linger time")?,
            // What changes nothing that could be seen here: connect(), SO_DEBUG, loops of multicast, time stamps by
            // ping itself instead of the kernel.
            'C' | 'd' | 'L' | 'U' => {}
            _ => return Err(Refusal::usage(String::new())),
        }
        Ok(())
    }

    fn set_family(&mut self, family: Family) -> Result<(), Refusal> {
        if self.family != Family::Unspec && self.family != family {
            return Err(Refusal::new(2, "only one -4 or -6 option may be specified"));
        }
        self.family = family;
        Ok(())
    }

    /// Seconds with a fraction. What follows the number is complained about but accepted (`ping_strtod`).
    fn milliseconds(&mut self, text: &str, complaint: &str) -> Result<u64, Refusal> {
        let (seconds, garbage) = getopt::strtod(text);
        if !garbage.is_empty() {
            self.warnings.push(format!("option argument contains garbage: {garbage}"));
            self.warnings.push("this will become fatal error in the future".to_owned());
        }
        if seconds < 0.0 || seconds > f64::from(i32::MAX) / 1000.0 {
            return Err(Refusal::new(2, format!("{complaint}: {text}")));
        }
        Ok((seconds * 1000.0) as u64)
    }

    fn stamps(&self, text: &str) -> Result<Stamps, Refusal> {
        if self.record_route {
            return Err(Refusal::new(2, "only one of -T or -R may be used"));
        }
        match text {
            "tsonly" => Ok(Stamps::Only),
            "tsandaddr" => Ok(Stamps::WithAddresses),
            _ => Err(Refusal::new(2, format!("invalid timestamp type: {text}"))),
        }
    }
}

/// `strtol_or_err` of iputils.
fn number(text: &str, min: i64, max: i64) -> Result<i64, Refusal> {
    match getopt::strtol(text) {
        Some(value) if (min..=max).contains(&value) => Ok(value),
        Some(_) => Err(Refusal::new(1, format!("invalid argument: '{text}': out of range: {min} <= value <= {max}"))),
        None => Err(Refusal::new(1, format!("invalid argument: '{text}'"))),
    }
}

fn pmtudisc(text: &str) -> Result<PmtuDisc, Refusal> {
    match text {
        "do" => Ok(PmtuDisc::Do),
        "dont" => Ok(PmtuDisc::Dont),
        "want" => Ok(PmtuDisc::Want),
        _ => Err(Refusal::new(2, format!("invalid -M argument: {text}"))),
    }
}

fn tos(text: &str) -> Result<u8, Refusal> {
    let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => getopt::strtol(text),
    };
    let value = value.ok_or_else(|| Refusal::new(2, format!("bad TOS value: {text}")))?;
    u8::try_from(value)
        .map_err(|_| Refusal::new(2, format!("the decimal value of TOS bits must be in range 0-255: {value}")))
}

/// The bytes of `-p`: up to sixteen, two digits each; a single digit at the end is a byte as well (`fill`).
fn pattern(text: &str) -> Result<Vec<u8>, Refusal> {
    if let Some(bad) = text.find(|c: char| !c.is_ascii_hexdigit()) {
        return Err(Refusal::new(2, format!("patterns must be specified as hex digits: {}", &text[bad..])));
    }
    let pairs = text.as_bytes().chunks(2).take(16);
    Ok(pairs.filter_map(|p| u8::from_str_radix(core::str::from_utf8(p).ok()?, 16).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, (i32, String)> {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&args).map_err(|r| (r.status, r.text))
    }

    #[test]
    fn mistakes_in_pings_own_words() {
        for (line, status, text) in [
            ("", 1, "ping: usage error: Destination address required\n"),
            ("-c 0 h", 1, "ping: invalid argument: '0': out of range: 1 <= value <= 9223372036854775807\n"),
            ("-c x h", 1, "ping: invalid argument: 'x'\n"),
            ("-s -1 h", 1, "ping: invalid argument: '-1': out of range: 0 <= value <= 2147483647\n"),
            ("-M foo h", 2, "ping: invalid -M argument: foo\n"),
            ("-W -1 h", 2, "ping: bad linger time: -1\n"),
            ("-p 0102zz h", 2, "ping: patterns must be specified as hex digits: zz\n"),
            ("-Q 300 h", 2, "ping: the decimal value of TOS bits must be in range 0-255: 300\n"),
            ("-Q zz h", 2, "ping: bad TOS value: zz\n"),
            ("-T foo h", 2, "ping: invalid timestamp type: foo\n"),
            ("-R -T tsonly h", 2, "ping: only one of -T or -R may be used\n"),
            ("-4 -6 h", 2, "ping: only one -4 or -6 option may be specified\n"),
        ] {
            assert_eq!(parse(line).unwrap_err(), (status, text.to_owned()), "{line}");
        }
        let (status, text) = parse("-Z").unwrap_err();
        assert_eq!(status, 2);
        assert!(text.starts_with("ping: invalid option -- 'Z'\n\nUsage\n  ping [options] <destination>\n\n"), "{text}");
    }

    #[test]
    fn what_is_read() {
        let options = parse("-c3 10.0.0.1 -i 0.2 -I eth0 -I 10.0.0.9 -p abc -W 1s").unwrap();
        assert_eq!((options.count, options.interval, options.linger), (Some(3), Some(200), 1000));
        assert_eq!((options.device.as_deref(), options.source), (Some("eth0"), Some([10, 0, 0, 9].into())));
        assert_eq!(options.pattern, Some(vec![0xab, 0x0c]));
        assert_eq!(options.warnings[0], "option argument contains garbage: s");
    }
}
