//! The command line of tcpdump.

use hopwise_capture::file::{Precision, SNAPLEN};
use hopwise_capture::print::{Dump, PrintOptions, TimeStamp};
use hopwise_capture::{Hosts, LinkType};

use hopwise_sim_core::Duration;

use crate::getopt::{self, Argument, Long, Opt};

/// What ends tcpdump before it begins: exit status, what goes to standard output, what to standard error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    /// Exit status.
    pub status: i32,
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
}

impl Refusal {
    /// A complaint; exit status 1.
    pub(super) fn new(text: impl core::fmt::Display) -> Self {
        Refusal { status: 1, out: String::new(), err: format!("tcpdump: {text}\n") }
    }

    fn usage(complaint: &str) -> Self {
        Refusal { status: 1, out: String::new(), err: format!("tcpdump: {complaint}\n{USAGE}") }
    }
}

const USAGE: &str = include_str!("usage.txt");

/// Which way packets must pass to be shown (`-Q`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Wanted {
    /// `inout`
    #[default]
    Both,
    /// `in`
    In,
    /// `out`
    Out,
}

/// The options of tcpdump.
#[derive(Clone, Default, Debug)]
pub(super) struct Options {
    /// What packets look like.
    pub print: PrintOptions,
    /// `-i`.
    pub interface: Option<String>,
    /// `-c`.
    pub count: Option<u64>,
    /// `--count`: only the number of packets.
    pub count_only: bool,
    /// `-r`.
    pub read: Option<String>,
    /// `-w`.
    pub write: Option<String>,
    /// `--print`: also with `-w`.
    pub print_too: bool,
    /// `-s`, with 0 replaced.
    pub snaplen: u32,
    /// `-p`.
    pub no_promisc: bool,
    /// `-Q`.
    pub wanted: Wanted,
    /// `-D`.
    pub list_devices: bool,
    /// `-L`.
    pub list_types: bool,
    /// `-y`.
    pub link_type: Option<LinkType>,
    /// `-F`.
    pub filter_file: Option<String>,
    /// The words of the filter.
    pub expression: String,
    /// `-f`.
    pub foreign: bool,
    /// `-I`.
    pub monitor: bool,
    /// `-J`.
    pub list_stamps: bool,
    /// What is said before anything else.
    pub notes: String,
    /// `-Z`.
    pub user: Option<String>,
    /// `-N`: host names without their domains.
    pub no_domains: bool,
    /// `-l`: each line is written at once.
    pub line_buffered: bool,
    /// `-U`: each packet is written at once.
    pub packet_buffered: bool,
    /// `--immediate-mode`.
    pub immediate: bool,
    /// `-C`, `-G` and `-W`.
    pub rotation: Rotation,
    /// Names of addresses, for the filter.
    pub hosts: Hosts,
}

/// When `-w` begins the next file.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Rotation {
    /// `-G`: after so many seconds.
    pub seconds: Option<u64>,
    /// `-C`: when it has more bytes than this.
    pub size: Option<u64>,
    /// `-W`: how many files there may be.
    pub files: Option<u64>,
}

impl Rotation {
    /// The name of a file of the row (`MakeFilename`): with `-C` all but the first of an endless row have a number, and
    /// with `-W` all of them.
    pub(super) fn name(&self, path: &str, number: u64) -> String {
        let width = self.files.map_or(0, |files| (files.saturating_sub(1)).max(1).ilog10() as usize + 1);
        match self.size {
            Some(_) if width > 0 || number > 0 => format!("{path}{number:0width$}"),
            _ => path.to_owned(),
        }
    }
}

/// How long frames may wait in the kernel until a capture sees them, in milliseconds.
const TIMEOUT: u64 = 1000;
/// The same where somebody may be looking at the lines.
const LINE_TIMEOUT: u64 = 100;

/// tcpdump's options less what has no meaning here or is not done: `-d -E -M -T -V -z`.
const SPEC: &str = "#AbB:c:C:DeF:fG:hHi:Ij:JKlLm:nNOpqQ:r:s:StuUvw:W:xXy:Z:";

const LONG: &[Long] = &[
    ("absolute-tcp-sequence-numbers", Argument::No, 'S'),
    ("buffer-size", Argument::Required, 'B'),
    ("count", Argument::No, '%'),
    ("direction", Argument::Required, 'Q'),
    ("dont-verify-checksums", Argument::No, 'K'),
    ("help", Argument::No, 'h'),
    ("immediate-mode", Argument::No, '!'),
    ("interface", Argument::Required, 'i'),
    ("linktype", Argument::Required, 'y'),
    ("list-data-link-types", Argument::No, 'L'),
    ("list-interfaces", Argument::No, 'D'),
    ("micro", Argument::No, '1'),
    ("nano", Argument::No, '2'),
    ("list-time-stamp-types", Argument::No, 'J'),
    ("monitor-mode", Argument::No, 'I'),
    ("no-optimize", Argument::No, 'O'),
    ("no-promiscuous-mode", Argument::No, 'p'),
    ("number", Argument::No, '#'),
    ("print", Argument::No, 'P'),
    ("relinquish-privileges", Argument::Required, 'Z'),
    ("snapshot-length", Argument::Required, 's'),
    ("time-stamp-type", Argument::Required, 'j'),
    ("time-stamp-precision", Argument::Required, '3'),
    ("version", Argument::No, '4'),
];

/// How often each option that can be repeated was given.
#[derive(Default)]
struct Repeated {
    time: u32,
    hex: u32,
    hex_ascii: u32,
    ascii: u32,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Errors
    /// tcpdump's own words; also for `--help` and `--version`, after which nothing more happens.
    pub(super) fn parse(args: &[String]) -> Result<Options, Refusal> {
        let parsed = getopt::parse(args, SPEC, LONG);
        let mut options = Options { snaplen: SNAPLEN, expression: parsed.operands.join(" "), ..Options::default() };
        let mut repeated = Repeated::default();
        for option in parsed.options {
            let option = option.map_err(|complaint| Refusal::usage(&complaint))?;
            options.take(&option, &mut repeated)?;
        }
        options.print.time_stamp = match repeated.time {
            0 => TimeStamp::TimeOfDay,
            1 => TimeStamp::None,
            2 => TimeStamp::Epoch,
            3 => TimeStamp::SincePrevious,
            4 => TimeStamp::Date,
            5 => TimeStamp::SinceFirst,
            _ => return Err(Refusal::new("only -t, -tt, -ttt, -tttt and -ttttt are supported")),
        };
        options.print.dump = match (repeated.hex_ascii, repeated.hex, repeated.ascii) {
            (0, 0, 0) => Dump::None,
            (0, 0, 1) => Dump::Ascii,
            (0, 0, _) => Dump::AsciiLink,
            (0, 1, _) => Dump::Hex,
            (0, _, _) => Dump::HexLink,
            (1, _, _) => Dump::HexAscii,
            _ => Dump::HexAsciiLink,
        };
        if options.rotation.seconds.is_some() && options.write.as_deref().is_some_and(|path| path.contains('%')) {
            return Err(Refusal::new("a file name of -G with % in it is not supported"));
        }
        Ok(options)
    }

    /// How long the kernel may hold frames back.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let millis =
            if self.line_buffered && (self.write.is_none() || self.print_too) { LINE_TIMEOUT } else { TIMEOUT };
        (!self.immediate).then_some(Duration::from_millis(millis))
    }

    /// The unit of time stamps in a file that is written.
    pub(super) fn precision(&self) -> Precision {
        if self.print.nanoseconds { Precision::Nano } else { Precision::Micro }
    }

    fn take(&mut self, option: &Opt, repeated: &mut Repeated) -> Result<(), Refusal> {
        let text = option.text();
        match option.key {
            '#' => self.print.number = true,
            'A' => repeated.ascii += 1,
            'b' => self.print.as_dot = true,
            'B' => drop(positive(text).ok_or_else(|| Refusal::new(format!("invalid packet buffer size {text}")))?),
            'c' => {
                let count = positive(text).ok_or_else(|| Refusal::new(format!("invalid packet count {text}")))?;
                self.count = Some(count);
            }
            '%' => self.count_only = true,
            'C' => {
                let millions = positive(text).ok_or_else(|| Refusal::new(format!("invalid file size {text}")))?;
                self.rotation.size = Some(millions.saturating_mul(1_000_000));
            }
            'D' => self.list_devices = true,
            'e' => self.print.link_header = true,
            'F' => self.filter_file = Some(text.to_owned()),
            'f' => self.foreign = true,
            'G' => {
                let wrong = || Refusal::new(format!("invalid number of seconds {text}"));
                let seconds = u64::try_from(getopt::strtol(text).unwrap_or(0)).map_err(|_| wrong())?; // atoi(3)
                self.rotation.seconds = Some(seconds).filter(|seconds| *seconds > 0);
            }
            'h' => return Err(Refusal { status: 0, out: USAGE.to_owned(), err: String::new() }),
            'i' => self.interface = Some(text.to_owned()),
            'I' => self.monitor = true,
            'j' if text != "host" => return Err(Refusal::new(format!("invalid time stamp type {text}"))),
            'J' => self.list_stamps = true,
            'K' => self.print.no_checksums = true,
            'L' => self.list_types = true,
            'l' => self.line_buffered = true,
            '1' => self.print.nanoseconds = false,
            '2' => self.print.nanoseconds = true,
            'm' => self.notes.push_str(&format!("tcpdump: ignoring option `-m {text}' (no libsmi support)\n")),
            'N' => self.no_domains = true,
            'n' => self.print.numeric = true,
            'p' => self.no_promisc = true,
            'P' => self.print_too = true,
            'q' => self.print.quiet = self.print.quiet.saturating_add(1),
            'Q' => self.wanted = wanted(text)?,
            'r' => self.read = Some(text.to_owned()),
            's' => self.snaplen = snaplen(text)?,
            'S' => self.print.absolute_seq = true,
            't' => repeated.time += 1,
            '3' => self.print.nanoseconds = precision(text)?,
            'v' => self.print.verbose = self.print.verbose.saturating_add(1),
            '4' => {
                let version: String = USAGE.lines().take(3).map(|line| format!("{line}\n")).collect();
                return Err(Refusal { status: 0, out: version, err: String::new() });
            }
            'U' => self.packet_buffered = true,
            '!' => self.immediate = true,
            'W' => {
                let wrong = || Refusal::new(format!("invalid number of output files {text}"));
                self.rotation.files = Some(positive(text).ok_or_else(wrong)?);
            }
            'w' => self.write = Some(text.to_owned()),
            'x' => repeated.hex += 1,
            'X' => repeated.hex_ascii += 1,
            'y' => self.link_type = Some(link_type(text)?),
            'Z' => self.user = Some(text.to_owned()),
            // What changes nothing here: no optimizer (-O), no NFS (-u), no mesh networks (-H).
            _ => {}
        }
        Ok(())
    }
}

fn positive(text: &str) -> Option<u64> {
    getopt::strtol(text).and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0)
}

fn wanted(text: &str) -> Result<Wanted, Refusal> {
    match text {
        "in" => Ok(Wanted::In),
        "out" => Ok(Wanted::Out),
        "inout" => Ok(Wanted::Both),
        _ => Err(Refusal::new(format!("unknown capture direction `{text}'"))),
    }
}

fn snaplen(text: &str) -> Result<u32, Refusal> {
    match getopt::strtol(text).and_then(|n| u32::try_from(n).ok()) {
        Some(0) => Ok(SNAPLEN),
        Some(n) if n <= SNAPLEN => Ok(n),
        _ => Err(Refusal::new(format!("invalid snaplen {text} (must be >= 0 and <= {SNAPLEN})"))),
    }
}

fn precision(text: &str) -> Result<bool, Refusal> {
    match text {
        "micro" => Ok(false),
        "nano" => Ok(true),
        _ => Err(Refusal::new("unsupported time stamp precision")),
    }
}

fn link_type(text: &str) -> Result<LinkType, Refusal> {
    let known = [LinkType::ETHERNET, LinkType::RAW, LinkType::NULL, LinkType::LINUX_SLL, LinkType::LINUX_SLL2];
    let found = known.into_iter().find(|t| t.name().is_some_and(|name| name.eq_ignore_ascii_case(text)));
    found.ok_or_else(|| Refusal::new(format!("invalid data link type {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Refusal> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn mistakes_in_tcpdumps_own_words() {
        for (line, text) in [
            ("-c 0", "tcpdump: invalid packet count 0\n"),
            ("-c x", "tcpdump: invalid packet count x\n"),
            ("-s -1", "tcpdump: invalid snaplen -1 (must be >= 0 and <= 262144)\n"),
            ("-y FOO", "tcpdump: invalid data link type FOO\n"),
            ("-Q foo", "tcpdump: unknown capture direction `foo'\n"),
            ("-tttttt", "tcpdump: only -t, -tt, -ttt, -tttt and -ttttt are supported\n"),
            ("--time-stamp-precision=foo", "tcpdump: unsupported time stamp precision\n"),
            ("-C 0", "tcpdump: invalid file size 0\n"),
            ("-j adapter", "tcpdump: invalid time stamp type adapter\n"),
        ] {
            assert_eq!(parse(line).unwrap_err(), Refusal { status: 1, out: String::new(), err: text.into() }, "{line}");
        }
        let refused = parse("-d icmp").unwrap_err();
        assert!(refused.err.starts_with("tcpdump: invalid option -- 'd'\ntcpdump version 4.99.3\n"), "{}", refused.err);
        assert_eq!(parse("--version").unwrap_err().out.lines().count(), 3);
    }

    #[test]
    fn what_is_read() {
        let options = parse("-nnei any -XXvv -tt -s0 -c 3 icmp or arp -w x.pcap").unwrap();
        assert_eq!((options.interface.as_deref(), options.count, options.snaplen), (Some("any"), Some(3), SNAPLEN));
        assert_eq!((options.print.dump, options.print.verbose), (Dump::HexAsciiLink, 2));
        assert_eq!((options.expression.as_str(), options.write.as_deref()), ("icmp or arp", Some("x.pcap")));
    }
}
