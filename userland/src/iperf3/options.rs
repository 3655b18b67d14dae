//! The command line (`iperf_parse_arguments`).

use hopwise_sim_core::Duration;

use super::units::{Format, atoi, number};
use crate::getopt::{Argument, Long, parse};

/// Bytes of a TCP block where none is told (`DEFAULT_TCP_BLKSIZE`).
const TCP_BLOCK: u32 = 131_072;
/// `UDP_RATE`
const UDP_RATE: u64 = 1024 * 1024;

const SHORT: &str = "p:f:i:D1VJvsc:ub:t:n:k:l:P:Rw:B:M:N46S:O:T:C:h";
const LONG: &[Long] = &[
    ("port", Argument::Required, 'p'),
    ("format", Argument::Required, 'f'),
    ("interval", Argument::Required, 'i'),
    ("daemon", Argument::No, 'D'),
    ("one-off", Argument::No, '1'),
    ("verbose", Argument::No, 'V'),
    ("json", Argument::No, 'J'),
    ("version", Argument::No, 'v'),
    ("server", Argument::No, 's'),
    ("client", Argument::Required, 'c'),
    ("udp", Argument::No, 'u'),
    ("bitrate", Argument::Required, 'b'),
    ("bandwidth", Argument::Required, 'b'),
    ("time", Argument::Required, 't'),
    ("bytes", Argument::Required, 'n'),
    ("blockcount", Argument::Required, 'k'),
    ("length", Argument::Required, 'l'),
    ("parallel", Argument::Required, 'P'),
    ("reverse", Argument::No, 'R'),
    ("bidir", Argument::No, '\u{1}'),
    ("window", Argument::Required, 'w'),
    ("bind", Argument::Required, 'B'),
    ("bind-dev", Argument::Required, '\u{2}'),
    ("set-mss", Argument::Required, 'M'),
    ("no-delay", Argument::No, 'N'),
    ("version4", Argument::No, '4'),
    ("version6", Argument::No, '6'),
    ("tos", Argument::Required, 'S'),
    ("omit", Argument::Required, 'O'),
    ("title", Argument::Required, 'T'),
    ("congestion", Argument::Required, 'C'),
    ("repeating-payload", Argument::No, '\u{3}'),
    ("get-server-output", Argument::No, '\u{4}'),
    ("udp-counters-64bit", Argument::No, '\u{5}'),
    ("forceflush", Argument::No, '\u{6}'),
    ("pacing-timer", Argument::Required, '\u{7}'),
    ("connect-timeout", Argument::Required, '\u{8}'),
    ("dont-fragment", Argument::No, '\u{9}'),
    ("help", Argument::No, 'h'),
];

/// What only a client, and only a server may be told.
const CLIENT_ONLY: &str = "ubtnklPR\u{1}wMNSOTC\u{3}\u{4}\u{5}\u{7}\u{8}\u{9}";
const SERVER_ONLY: &str = "D1";

/// What both sides of a test agree on.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Settings {
    pub(super) udp: bool,
    /// Seconds at the beginning that do not count.
    pub(super) omit: u32,
    /// Seconds; 0 for no limit of time.
    pub(super) time: u32,
    /// Bytes, or blocks, to be sent; 0 for no limit.
    pub(super) bytes: u64,
    pub(super) blocks: u64,
    pub(super) mss: u16,
    pub(super) nodelay: bool,
    pub(super) parallel: u32,
    pub(super) reverse: bool,
    pub(super) bidir: bool,
    /// Size of the socket buffers; 0: the kernel chooses.
    pub(super) window: u32,
    /// Bytes of a block; 0: the MSS of the control connection.
    pub(super) block: u32,
    /// Bits per second; 0 for no limit.
    pub(super) rate: u64,
    /// Packets that are sent at once.
    pub(super) burst: u32,
    /// Microseconds between two looks at the rate.
    pub(super) pacing: u32,
    pub(super) tos: u8,
    pub(super) congestion: Option<String>,
    pub(super) wide_counters: bool,
    pub(super) repeating: bool,
    pub(super) dont_fragment: bool,
    pub(super) server_output: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            udp: false,
            omit: 0,
            time: 10,
            bytes: 0,
            blocks: 0,
            mss: 0,
            nodelay: false,
            parallel: 1,
            reverse: false,
            bidir: false,
            window: 0,
            block: TCP_BLOCK,
            rate: 0,
            burst: 0,
            pacing: 1000,
            tos: 0,
            congestion: None,
            wide_counters: false,
            repeating: false,
            dont_fragment: false,
            server_output: false,
        }
    }
}

/// The command line.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Options {
    /// The server to go to; `None`: to be one.
    pub(super) client: Option<String>,
    pub(super) port: u16,
    pub(super) bind: Option<String>,
    pub(super) dev: Option<String>,
    pub(super) interval: f64,
    pub(super) format: Format,
    pub(super) verbose: bool,
    pub(super) json: bool,
    pub(super) flush: bool,
    pub(super) daemon: bool,
    pub(super) once: bool,
    pub(super) v6: bool,
    pub(super) title: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) settings: Settings,
}

/// Why there is no test.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// The text of `-h`.
    Help,
    /// The text of `-v`.
    Version,
    /// getopt's complaint.
    Usage(String),
    /// Options that do not go together, or values that cannot be.
    Parameter(&'static str),
}

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Options, Refusal> {
        let mut options = Options {
            client: None,
            port: 5201,
            bind: None,
            dev: None,
            interval: 1.0,
            format: Format::Bits,
            verbose: false,
            json: false,
            flush: false,
            daemon: false,
            once: false,
            v6: false,
            title: None,
            connect_timeout: None,
            settings: Settings::default(),
        };
        let mut given = Given::default();
        for option in parse(args, SHORT, LONG).options {
            let option = option.map_err(Refusal::Usage)?;
            given.client_only |= CLIENT_ONLY.contains(option.key);
            given.server_only |= SERVER_ONLY.contains(option.key);
            options.option(&mut given, option.key, option.text())?;
        }
        options.check(&given).map_err(Refusal::Parameter)?;
        Ok(options)
    }

    fn option(&mut self, given: &mut Given, key: char, text: &str) -> Result<(), Refusal> {
        match key {
            'h' => return Err(Refusal::Help),
            'v' => return Err(Refusal::Version),
            's' => {
                given.server = true;
                if self.client.is_some() {
                    return Err(Refusal::Parameter("cannot be both server and client"));
                }
            }
            'c' => {
                if given.server {
                    return Err(Refusal::Parameter("cannot be both server and client"));
                }
                let (host, dev) = with_dev(text);
                (self.client, self.dev) = (Some(host), dev.or(self.dev.take()));
            }
            _ => self.value(given, key, text).map_err(Refusal::Parameter)?,
        }
        Ok(())
    }

    fn value(&mut self, given: &mut Given, key: char, text: &str) -> Result<(), &'static str> {
        let settings = &mut self.settings;
        match key {
            'p' => {
                let port = u16::try_from(atoi(text)).ok().filter(|port| *port > 0);
                self.port = port.ok_or("port number must be between 1 and 65535 inclusive")?;
            }
            'f' => {
                let format = text.chars().next().and_then(Format::of);
                self.format = format.ok_or("bad format specifier (valid formats are in the set [kmgtKMGT])")?;
            }
            'i' => {
                self.interval = crate::getopt::strtod(text).0;
                if self.interval != 0.0 && !(0.1..=60.0).contains(&self.interval) {
                    return Err("invalid report interval (min = 0.1, max = 60 seconds)");
                }
            }
            'D' => self.daemon = true,
            '1' => self.once = true,
            'V' => self.verbose = true,
            'J' => self.json = true,
            'u' => settings.udp = true,
            'b' => {
                let (rate, burst) = text.split_once('/').unwrap_or((text, ""));
                given.rate = true;
                settings.rate = number(rate, 1000.0) as u64;
                settings.burst = atoi(burst).clamp(0, i64::from(u32::MAX)) as u32;
                if !burst.is_empty() && !(1..=1000).contains(&settings.burst) {
                    return Err("invalid burst count (maximum = 1000)");
                }
            }
            't' => {
                given.ends += u32::from(!core::mem::replace(&mut given.time, true));
                settings.time = atoi(text).max(0) as u32;
                if atoi(text) > 86_400 {
                    return Err("test duration too long (maximum = 86400 seconds)");
                }
            }
            'n' => settings.bytes = number(text, 1024.0) as u64,
            'k' => settings.blocks = number(text, 1024.0) as u64,
            'l' => {
                given.block = true;
                settings.block = number(text, 1024.0) as u32;
            }
            _ => return self.more(key, text),
        }
        Ok(())
    }

    fn more(&mut self, key: char, text: &str) -> Result<(), &'static str> {
        let settings = &mut self.settings;
        match key {
            'P' => {
                settings.parallel = atoi(text).max(0) as u32;
                if settings.parallel > 128 {
                    return Err("number of parallel streams too large (maximum = 128)");
                }
            }
            'R' if settings.bidir => return Err("cannot be both reverse and bidirectional"),
            'R' => settings.reverse = true,
            '\u{1}' if settings.reverse => return Err("cannot be both reverse and bidirectional"),
            '\u{1}' => settings.bidir = true,
            'w' => {
                let size = number(text, 1024.0);
                if size > 536_870_912.0 {
                    return Err("socket buffer size too large (maximum = 536870912 bytes)");
                }
                settings.window = size as u32;
            }
            'B' => {
                let (addr, dev) = with_dev(text);
                (self.bind, self.dev) = (Some(addr), dev.or(self.dev.take()));
            }
            '\u{2}' => self.dev = Some(text.to_owned()),
            'M' => {
                if atoi(text) > 9216 {
                    return Err("TCP MSS too large (maximum = 9216 bytes)");
                }
                settings.mss = atoi(text).max(0) as u16;
            }
            'N' => settings.nodelay = true,
            '6' => self.v6 = true,
            'S' => {
                let tos = integer(text).filter(|tos| *tos <= 255);
                settings.tos = tos.ok_or("bad TOS value (must be between 0 and 255 inclusive)")? as u8;
            }
            'O' => {
                let omit = u32::try_from(atoi(text)).ok().filter(|omit| *omit <= 60);
                settings.omit = omit.ok_or("bogus value for --omit")?;
            }
            'T' => self.title = Some(text.to_owned()),
            'C' => settings.congestion = Some(text.to_owned()),
            '\u{3}' => settings.repeating = true,
            '\u{4}' => settings.server_output = true,
            '\u{5}' => settings.wide_counters = true,
            '\u{6}' => self.flush = true,
            '\u{7}' => settings.pacing = (number(text, 1000.0) as u32).max(1),
            '\u{8}' => self.connect_timeout = Some(Duration::from_millis(atoi(text).max(0) as u64)),
            '\u{9}' => settings.dont_fragment = true,
            // -4 is all there is.
            _ => {}
        }
        Ok(())
    }

    /// What does not go together.
    fn check(&mut self, given: &Given) -> Result<(), &'static str> {
        if self.client.is_none() && !given.server {
            return Err("must either be a client (-c) or server (-s)");
        }
        if given.server && given.client_only {
            return Err("some option you are trying to set is client only");
        }
        if !given.server && given.server_only {
            return Err("some option you are trying to set is server only");
        }
        let settings = &mut self.settings;
        if settings.udp {
            if !given.block {
                settings.block = 0;
            }
            if settings.block != 0 && !(16..=65_507).contains(&settings.block) {
                return Err("block size invalid (minimum = 16 bytes, maximum = 65507 bytes)");
            }
            if !given.rate {
                settings.rate = UDP_RATE;
            }
        } else {
            if settings.block == 0 {
                settings.block = TCP_BLOCK;
            }
            if settings.block > 1_048_576 {
                return Err("block size too large (maximum = 1048576 bytes)");
            }
        }
        let ends = given.ends + u32::from(settings.bytes != 0) + u32::from(settings.blocks != 0);
        if ends > 1 {
            return Err("only one test end condition (-t, -n, -k) may be specified");
        }
        if settings.bytes != 0 || settings.blocks != 0 {
            settings.time = 0;
        }
        settings.parallel = settings.parallel.max(1);
        Ok(())
    }
}

/// What was on the command line, besides values.
#[derive(Clone, Copy, Default, Debug)]
struct Given {
    server: bool,
    client_only: bool,
    server_only: bool,
    rate: bool,
    block: bool,
    time: bool,
    ends: u32,
}

/// `HOST%DEV`
fn with_dev(text: &str) -> (String, Option<String>) {
    match text.split_once('%') {
        Some((host, dev)) => (host.to_owned(), Some(dev.to_owned())),
        None => (text.to_owned(), None),
    }
}

/// What `strtol` reads in base 0.
fn integer(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u32::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Options, Refusal> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn refusals_in_iperf3s_words() {
        let complaint = |line: &str| match parsed(line) {
            Err(Refusal::Parameter(text)) => text,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(complaint("-J"), "must either be a client (-c) or server (-s)");
        assert_eq!(complaint("-s -c h"), "cannot be both server and client");
        assert_eq!(complaint("-s -t 3"), "some option you are trying to set is client only");
        assert_eq!(complaint("-c h -D"), "some option you are trying to set is server only");
        assert_eq!(complaint("-c h -t 3 -n 1M"), "only one test end condition (-t, -n, -k) may be specified");
        assert_eq!(complaint("-c h -n 1M -k 2"), "only one test end condition (-t, -n, -k) may be specified");
        assert_eq!(complaint("-c h -R --bidir"), "cannot be both reverse and bidirectional");
        assert_eq!(complaint("-c h -u -l 10"), "block size invalid (minimum = 16 bytes, maximum = 65507 bytes)");
        assert_eq!(complaint("-c h -p x"), "port number must be between 1 and 65535 inclusive");
        assert_eq!(complaint("-c h -i 0.01"), "invalid report interval (min = 0.1, max = 60 seconds)");
        assert_eq!(parsed("-x"), Err(Refusal::Usage("invalid option -- 'x'".into())));
        assert_eq!(parsed("-c h --sctp"), Err(Refusal::Usage("unrecognized option '--sctp'".into())));
    }

    #[test]
    fn values() {
        let options = parsed("-c 10.0.0.2%eth1 -u -b 20M/4 -w 64K -O 2 -S 0x10").unwrap();
        assert_eq!((options.client.as_deref(), options.dev.as_deref()), (Some("10.0.0.2"), Some("eth1")));
        let settings = options.settings;
        assert_eq!((settings.rate, settings.burst, settings.window), (20_000_000, 4, 65_536));
        assert_eq!((settings.omit, settings.tos, settings.block, settings.time), (2, 16, 0, 10));
        assert_eq!(parsed("-c h -u").unwrap().settings.rate, 1_048_576);
        assert_eq!(parsed("-c h -n 2M").unwrap().settings.time, 0);
    }
}
