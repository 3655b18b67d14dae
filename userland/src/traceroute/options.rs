//! The command line of traceroute. It has a parser of its own, unlike getopt's in wording and in what it accepts.

use core::net::Ipv4Addr;

use hopwise_sim_core::Duration;

use crate::getopt;

/// What a probe is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Method {
    /// UDP to a port that rises with each probe.
    #[default]
    Default,
    /// UDP to one port (`-U`).
    Udp,
    /// ICMP echo (`-I`).
    Icmp,
}

/// The options of traceroute.
#[derive(Clone, Debug)]
pub(super) struct Options {
    /// `-4`, `-6`: whether only IPv6 is wanted.
    pub six: bool,
    /// `-F`.
    pub dont_fragment: bool,
    /// `--mtu`: look for the MTU of each part of the way.
    pub mtu: bool,
    /// `-f`.
    pub first: usize,
    /// `-m`.
    pub max: usize,
    /// `-i`.
    pub device: Option<String>,
    /// `-N`.
    pub simultaneous: usize,
    /// `-n`.
    pub numeric: bool,
    /// `-p`.
    pub port: Option<u16>,
    /// `-t`.
    pub tos: u8,
    /// `-w MAX,HERE,NEAR`: the longest wait, and the factors for answers of the same and of a later hop.
    pub wait: (f64, f64, f64),
    /// `-r`: without gateways.
    pub direct: bool,
    /// `-q`.
    pub queries: usize,
    /// `-s`.
    pub source: Option<Ipv4Addr>,
    /// `-z`.
    pub pause: Duration,
    /// `-I`, `-U`, `-M`.
    pub method: Method,
    /// `--sport`.
    pub source_port: u16,
    /// `--fwmark`.
    pub mark: u32,
    /// The host and its place among the words.
    pub host: (String, usize, usize),
    /// The length of packets.
    pub length: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            six: false,
            dont_fragment: false,
            mtu: false,
            first: 1,
            max: 30,
            device: None,
            simultaneous: 16,
            numeric: false,
            port: None,
            tos: 0,
            wait: (5.0, 3.0, 10.0),
            direct: false,
            queries: 3,
            source: None,
            pause: Duration::ZERO,
            method: Method::Default,
            source_port: 0,
            mark: 0,
            host: (String::new(), 0, 0),
            length: None,
        }
    }
}

/// One option: its names, and what its argument is called.
struct Row(char, &'static str, Option<&'static str>);

/// What is done here. Of the real program's options, `-d -g -T -l -A -O -UL -D -P --back` are refused.
const TABLE: &[Row] = &[
    Row('4', "", None),
    Row('6', "", None),
    Row('F', "dont-fragment", None),
    Row('f', "first", Some("first_ttl")),
    Row('I', "icmp", None),
    Row('i', "interface", Some("device")),
    Row('m', "max-hops", Some("max_ttl")),
    Row('N', "sim-queries", Some("squeries")),
    Row('n', "", None),
    Row('p', "port", Some("port")),
    Row('t', "tos", Some("tos")),
    Row('w', "wait", Some("MAX,HERE,NEAR")),
    Row('q', "queries", Some("nqueries")),
    Row('r', "", None),
    Row('s', "source", Some("src_addr")),
    Row('z', "sendwait", Some("sendwait")),
    Row('e', "extensions", None),
    Row('M', "module", Some("name")),
    Row('U', "udp", None),
    Row('V', "version", None),
    Row('\u{1}', "sport", Some("num")),
    Row('\u{2}', "fwmark", Some("num")),
    Row('\u{3}', "help", None),
    Row('\u{4}', "mtu", None),
];

/// What ends traceroute before it begins: exit status and text for standard error.
pub(super) type Refusal = (i32, String);

fn refuse<T>(text: String) -> Result<T, Refusal> {
    Err((2, text + "\n"))
}

/// The largest packet that can be asked for (`MAX_PACKET_LEN`).
const MAX_PACKET_LEN: usize = 65_000;

const VERSION: &str = "Modern traceroute for Linux, version 2.1.2\n\
    Copyright (c) 2016  Dmitry Butskoy,   License: GPL v2 or any later\n";

const USAGE: &str = "Usage:\n  traceroute [ -46FInreUV ] [ -f first_ttl ] [ -i device ] [ -m max_ttl ] [ -N squeries ] \
[ -p port ] [ -t tos ] [ -w MAX,HERE,NEAR ] [ -q nqueries ] [ -s src_addr ] [ -z sendwait ] [ -M name ] [ --fwmark=num ] [ --mtu ] \
host [ packetlen ]\n";

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// traceroute's own words; also for `--help` and `-V`, after which nothing more happens.
    pub(super) fn parse(args: &[String]) -> Result<Options, Refusal> {
        let mut options = Options::default();
        let mut operands: Vec<(String, usize)> = Vec::new();
        let mut at = 0;
        while let Some(word) = args.get(at) {
            at += 1;
            if word.starts_with('-') && word.len() > 1 {
                options.word(word, args, &mut at)?;
            } else {
                operands.push((word.clone(), at));
            }
        }
        if args.is_empty() {
            return Err((0, USAGE.to_owned()));
        }
        options.operands(&operands)?;
        options.check()
    }

    /// An option word; `at` is the place of the next word, counted from argv[0].
    fn word(&mut self, word: &str, args: &[String], at: &mut usize) -> Result<(), Refusal> {
        let argc = *at;
        if let Some(text) = word.strip_prefix("--") {
            let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v.to_owned())));
            let Some(row) = TABLE.iter().find(|row| !row.1.is_empty() && row.1 == name) else {
                return refuse(format!("Bad option `--{name}' (argc {argc})"));
            };
            return match (row.2, value) {
                (Some(what), None) => {
                    refuse(format!("Option `--{name}' (argc {argc}) requires an argument: `--{name}={what}'"))
                }
                (_, value) => self.take(row.0, &format!("--{name}"), &value.unwrap_or_default(), argc),
            };
        }
        let cluster = word.strip_prefix('-').unwrap_or(word);
        for (i, key) in cluster.char_indices() {
            let Some(row) = TABLE.iter().find(|row| row.0 == key) else {
                return refuse(format!("Bad option `-{key}' (argc {argc})"));
            };
            let Some(what) = row.2 else {
                self.take(key, &format!("-{key}"), "", argc)?;
                continue;
            };
            let rest = cluster.get(i + key.len_utf8()..).unwrap_or_default();
            let missing = || refuse(format!("Option `-{key}' (argc {argc}) requires an argument: `-{key} {what}'"));
            // Within a cluster an option cannot have an argument.
            return match (i, rest, args.get(*at)) {
                (0, "", Some(value)) => {
                    *at += 1;
                    self.take(key, &format!("-{key}"), value, *at)
                }
                (0, "", None) => missing(),
                (0, value, _) => self.take(key, &format!("-{key}"), value, argc),
                _ => missing(),
            };
        }
        Ok(())
    }

    fn take(&mut self, key: char, shown: &str, text: &str, argc: usize) -> Result<(), Refusal> {
        let bad = || (2, format!("Cannot handle `{shown}' option with arg `{text}' (argc {argc})\n"));
        let number = || integer(text).ok_or_else(bad);
        let count = || number().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        match key {
            '4' => self.six = false,
            '6' => self.six = true,
            'F' => self.dont_fragment = true,
            'f' => self.first = count()?,
            'I' => self.method = Method::Icmp,
            'U' => self.method = Method::Udp,
            'i' => self.device = Some(text.to_owned()),
            'm' => self.max = count()?,
            'N' => self.simultaneous = count()?.max(1),
            'n' => self.numeric = true,
            'p' => self.port = Some(number()? as u16),
            't' => self.tos = number()? as u8,
            'w' => self.wait = waits(text).ok_or_else(bad)?,
            'q' => self.queries = count()?,
            'r' => self.direct = true,
            's' => self.source = Some(text.parse().map_err(|_| bad())?),
            'z' => self.pause = pause(text).ok_or_else(bad)?.map_err(|why| (2, why))?,
            'M' => self.method = module(text)?,
            'V' => return Err((0, VERSION.to_owned())),
            '\u{1}' => (self.source_port, self.simultaneous) = (number()? as u16, 1),
            '\u{2}' => self.mark = number()? as u32,
            '\u{3}' => return Err((0, USAGE.to_owned())),
            '\u{4}' => (self.mtu, self.dont_fragment) = (true, true),
            // -e: no router here sends extensions.
            _ => {}
        }
        Ok(())
    }

    fn operands(&mut self, operands: &[(String, usize)]) -> Result<(), Refusal> {
        if let Some((extra, argc)) = operands.get(2) {
            return refuse(format!("Extra arg `{extra}' (position 3, argc {argc})"));
        }
        let Some((host, argc)) = operands.first() else {
            return refuse("Specify \"host\" missing argument.".to_owned());
        };
        self.host = (host.clone(), 1, *argc);
        if let Some((text, argc)) = operands.get(1) {
            let Some(length) = integer(text) else {
                return refuse(format!("Cannot handle \"packetlen\" cmdline arg `{text}' on position 2 (argc {argc})"));
            };
            self.length = Some(usize::try_from(length).unwrap_or(0));
        }
        Ok(())
    }

    /// The limits, in the order in which the real program finds them.
    fn check(mut self) -> Result<Options, Refusal> {
        if self.mtu {
            (self.simultaneous, self.length) = (1, Some(MAX_PACKET_LEN));
        }
        if self.first == 0 || self.first > self.max {
            return refuse("first hop out of range".to_owned());
        }
        if self.max > 255 {
            return refuse("max hops cannot be more than 255".to_owned());
        }
        if self.queries == 0 || self.queries > 10 {
            return refuse("no more than 10 probes per hop".to_owned());
        }
        let (max, here, near) = self.wait;
        if max < 0.0 || here < 0.0 || near < 0.0 {
            return refuse(format!("bad wait specifications `{max},{here},{near}' used"));
        }
        if let Some(length) = self.length.filter(|l| *l > MAX_PACKET_LEN) {
            return refuse(format!("too big packetlen {length} specified"));
        }
        Ok(self)
    }
}

/// `-w`: one value sets the factors to zero, for none.
fn waits(text: &str) -> Option<(f64, f64, f64)> {
    let mut values = [0.0; 3];
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > values.len() {
        return None;
    }
    for (value, part) in values.iter_mut().zip(parts) {
        let (number, rest) = getopt::strtod(part);
        if part.is_empty() || !rest.is_empty() {
            return None;
        }
        *value = number;
    }
    let [max, here, near] = values;
    Some((max, here, near))
}

/// A number as C writes it (`strtol` of base 0): `0x10` and `010` are no tens.
fn integer(text: &str) -> Option<i64> {
    let unsigned = text.trim_start().trim_start_matches(['-', '+']);
    let (radix, digits) = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (8, unsigned.strip_prefix('0').unwrap_or_default()),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        // Neither of them; `08` is no number at all.
        return getopt::strtol(text).filter(|n| *n == 0 || !unsigned.starts_with('0'));
    }
    let value = i64::from_str_radix(digits, radix).unwrap_or(i64::MAX);
    match text.trim_start().strip_suffix(unsigned)? {
        "" | "+" => Some(value),
        "-" => Some(-value),
        _ => None,
    }
}

/// `-z`: seconds, or milliseconds if it is more than ten. `None` is no number; a negative one is complained about.
fn pause(text: &str) -> Option<Result<Duration, String>> {
    let (number, rest) = getopt::strtod(text);
    if text.is_empty() || !rest.is_empty() || number >= 1e9 {
        return None;
    }
    if number < 0.0 {
        return Some(Err(format!("bad sendtime `{number}' specified\n")));
    }
    let millis = if number > 10.0 { number } else { number * 1000.0 };
    Some(Ok(Duration::from_micros((millis * 1000.0) as u64)))
}

fn module(text: &str) -> Result<Method, Refusal> {
    match text {
        "default" => Ok(Method::Default),
        "icmp" => Ok(Method::Icmp),
        "udp" => Ok(Method::Udp),
        _ => refuse(format!("Unknown traceroute module {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Refusal> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn mistakes_in_traceroutes_own_words() {
        for (line, text) in [
            ("-Z 10.0.1.3", "Bad option `-Z' (argc 1)\n"),
            ("--foo 10.0.1.3", "Bad option `--foo' (argc 1)\n"),
            ("-q x 10.0.1.3", "Cannot handle `-q' option with arg `x' (argc 2)\n"),
            ("-q", "Option `-q' (argc 1) requires an argument: `-q nqueries'\n"),
            ("-n --queries 2 h", "Option `--queries' (argc 2) requires an argument: `--queries=nqueries'\n"),
            ("-nq2 h", "Option `-q' (argc 1) requires an argument: `-q nqueries'\n"),
            ("-q 20 h", "no more than 10 probes per hop\n"),
            ("-m 300 h", "max hops cannot be more than 255\n"),
            ("-f 40 h", "first hop out of range\n"),
            ("-w -1 h", "bad wait specifications `-1,0,0' used\n"),
            ("-z -0.5 h", "bad sendtime `-0.5' specified\n"),
            ("-z x h", "Cannot handle `-z' option with arg `x' (argc 2)\n"),
            ("-m 0x h", "Cannot handle `-m' option with arg `0x' (argc 2)\n"),
            ("-M foo h", "Unknown traceroute module foo\n"),
            ("-n h x", "Cannot handle \"packetlen\" cmdline arg `x' on position 2 (argc 3)\n"),
            ("h 100 200", "Extra arg `200' (position 3, argc 3)\n"),
            ("-n h 70000", "too big packetlen 70000 specified\n"),
        ] {
            assert_eq!(parse(line).unwrap_err(), (2, text.to_owned()), "{line}");
        }
    }

    #[test]
    fn what_is_read() {
        let options = parse("-nI -q1 -w 1,2 10.0.1.3 --sport=1000 100").unwrap();
        assert_eq!((options.queries, options.wait, options.simultaneous), (1, (1.0, 2.0, 0.0), 1));
        assert_eq!((options.host, options.length), (("10.0.1.3".into(), 1, 5), Some(100)));
        let millis = |text| pause(text).and_then(Result::ok).map(|pause| pause.as_millis());
        assert_eq!((millis("0.5"), millis("200")), (Some(500), Some(200)));
    }

    #[test]
    fn numbers_are_those_of_c() {
        let read =
            ["0x10", "010", "08", "0", "-1", "-0x2", "0x", "+7", "--3", "-0-1", "2x", "", "0xffffffffffffffffff"]
                .map(integer);
        let expected = [
            Some(16),
            Some(8),
            None,
            Some(0),
            Some(-1),
            Some(-2),
            None,
            Some(7),
            None,
            None,
            None,
            None,
            Some(i64::MAX),
        ];
        assert_eq!(read, expected);
    }
}
