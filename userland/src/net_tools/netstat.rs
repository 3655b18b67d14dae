//! `netstat`: sockets, the routing table, interfaces and counters. The table of UNIX domain
//! sockets is empty.

use core::fmt::Write;
use core::net::Ipv4Addr;

use hopwise_machine::{Program, Sys, once};
use hopwise_protocols::tcp::State;

use super::interface::{Interface, SHORT_HEAD};
use super::table::{self, Columns};
use super::{RELEASE, ROUTE_FAMILIES, features, ioctl, names, statistics};
use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;
use crate::sockets::{self, Kind, Row, process, service};

const USAGE: &str = include_str!("usage/netstat.txt");

const OPTIONS: &str = "A:CFMacdeghilnNoprsStuUvVWw2fx64?Z";
const LONG: &[Long] = &[
    ("protocol", Argument::Required, 'A'),
    ("version", Argument::No, 'V'),
    ("interfaces", Argument::No, 'i'),
    ("help", Argument::No, 'h'),
    ("route", Argument::No, 'r'),
    ("tcp", Argument::No, 't'),
    ("udp", Argument::No, 'u'),
    ("udplite", Argument::No, 'U'),
    ("sctp", Argument::No, 'S'),
    ("raw", Argument::No, 'w'),
    ("unix", Argument::No, 'x'),
    ("listening", Argument::No, 'l'),
    ("masquerade", Argument::No, 'M'),
    ("all", Argument::No, 'a'),
    ("numeric", Argument::No, 'n'),
    ("numeric-hosts", Argument::No, '!'),
    ("numeric-ports", Argument::No, '@'),
    ("numeric-users", Argument::No, '#'),
    ("programs", Argument::No, 'p'),
    ("timers", Argument::No, 'o'),
    ("extend", Argument::No, 'e'),
    ("statistics", Argument::No, 's'),
    ("continuous", Argument::No, 'c'),
    ("groups", Argument::No, 'g'),
    ("symbolic", Argument::No, 'N'),
    ("cache", Argument::No, 'C'),
    ("fib", Argument::No, 'F'),
    ("wide", Argument::No, 'W'),
    ("verbose", Argument::No, 'v'),
    ("inet", Argument::No, '4'),
    ("inet6", Argument::No, '6'),
    ("context", Argument::No, 'Z'),
];

/// Starts `netstat`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| run(sys, &args))
}

/// The options as far as they matter here.
#[derive(Clone, Default, Debug)]
struct Options {
    keys: Vec<char>,
}

impl Options {
    fn has(&self, key: char) -> bool {
        self.keys.contains(&key)
    }

    fn count(&self, key: char) -> usize {
        self.keys.iter().filter(|k| **k == key).count()
    }

    fn numeric(&self, what: char) -> bool {
        self.has('n') || self.has(what)
    }
}

fn usage(sys: &mut Sys<'_, SimKernel>, mistake: bool) -> i32 {
    super::usage(sys, &[(USAGE, ROUTE_FAMILIES)], mistake)
}

fn run(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> i32 {
    let mut options = Options::default();
    for option in getopt::parse(args, OPTIONS, LONG).options {
        match option {
            Err(mistake) => {
                sys.err(&format!("netstat: {mistake}\n"));
                return usage(sys, true);
            }
            Ok(option) if option.key == 'A' => options.keys.push(if option.text() == "inet6" { '6' } else { '4' }),
            Ok(option) => options.keys.push(option.key),
        }
    }
    if options.has('V') {
        sys.out(&format!(
            "{RELEASE}Fred Baumgarten, Alan Cox, Bernd Eckenfels, Phil Blundell, Tuan Hoang, Brian Micek and others\n\
             +NEW_ADDRT +RTF_IRTT +RTF_REJECT +FW_MASQUERADE +I18N +SELINUX\n{}",
            features(" ")
        ));
        return 0;
    }
    if options.has('h') || options.has('?') {
        return usage(sys, false);
    }
    if let Some(refused) = refusal(&options) {
        sys.err(refused);
        return 1;
    }
    if ['r', 'i', 's', 'g'].iter().filter(|key| options.has(**key)).count() > 1 {
        return usage(sys, true);
    }
    let text = if options.has('r') {
        routes(sys, &options)
    } else if options.has('i') {
        interfaces(sys, &options)
    } else if options.has('g') {
        groups(sys, options.numeric('!'))
    } else if options.has('s') {
        let wanted = |key| !['t', 'u', 'w'].iter().any(|k| options.has(*k)) || options.has(key);
        statistics::text(sys, wanted('t'), wanted('u'), wanted('w'))
    } else {
        sockets(sys, &options)
    };
    sys.out(&text);
    0
}

/// What cannot be shown, and the words for it.
fn refusal(options: &Options) -> Option<&'static str> {
    const REFUSED: &[(char, &str)] = &[
        ('M', "netstat: no support for `ip_masquerade' on this system.\n"),
        ('Z', "SELinux is not enabled on this machine.\n"),
        ('S', "netstat: no support for `AF INET (sctp)' on this system.\n"),
        (
            '2',
            "netstat: feature `AF BLUETOOTH' not supported.\n\
             Please recompile `net-tools' with newer kernel source or full configuration.\n",
        ),
        (
            'f',
            "netstat: feature `AF BLUETOOTH' not supported.\n\
             Please recompile `net-tools' with newer kernel source or full configuration.\n",
        ),
        ('c', "netstat: continuous listing (-c) is not supported here\n"),
    ];
    REFUSED.iter().find(|(key, _)| options.has(*key)).map(|(_, text)| *text)
}

fn routes(sys: &mut Sys<'_, SimKernel>, options: &Options) -> String {
    if options.has('6') {
        return "INET6 (IPv6) not configured in this system.\n".into();
    }
    let columns = match options.count('e') {
        0 => Columns::Metrics,
        1 => Columns::Use,
        _ => Columns::All,
    };
    table::routes(sys, columns, options.numeric('!'))
}

fn interfaces(sys: &Sys<'_, SimKernel>, options: &Options) -> String {
    let long = options.has('e');
    let mut text = String::from("Kernel Interface table\n");
    if !long {
        let _ = write!(text, "Iface             {SHORT_HEAD}");
    }
    for interface in Interface::all(sys).iter().filter(|i| options.has('a') || i.is_up()) {
        text.push_str(&if long { interface.long() } else { interface.short() });
    }
    text
}

/// The groups that are received: here only that of all hosts, on every link (`/proc/net/igmp`).
fn groups(sys: &mut Sys<'_, SimKernel>, numeric: bool) -> String {
    let mut text = String::from(
        "IPv6/IPv4 Group Memberships\nInterface       RefCnt Group\n--------------- ------ ---------------------\n",
    );
    let all = Ipv4Addr::new(224, 0, 0, 1);
    let name = if numeric { None } else { names::host_name(sys, all) };
    let name = name.unwrap_or_else(|| all.to_string());
    let Ok(space) = ioctl::space(sys) else { return text };
    for dev in space.devs.iter().filter(|dev| dev.is_up() && !dev.inet.addrs.is_empty()) {
        let _ = writeln!(text, "{:<15} {:<6} {name}", dev.name, 1);
    }
    text
}

fn sockets(sys: &mut Sys<'_, SimKernel>, options: &Options) -> String {
    let chosen = ['t', 'u', 'U', 'w', 'x'].iter().any(|key| options.has(*key));
    let family = options.has('4') || options.has('6');
    let inet = !chosen || ['t', 'u', 'U', 'w'].iter().any(|key| options.has(*key));
    let which = match (options.has('a'), options.has('l')) {
        (true, _) => "servers and established",
        (false, true) => "only servers",
        (false, false) => "w/o servers",
    };
    let mut text = String::new();
    if inet {
        let _ = writeln!(text, "Active Internet connections ({which})");
        text.push_str("Proto Recv-Q Send-Q Local Address           Foreign Address         State      ");
        let more = [('e', " User       Inode     "), ('p', " PID/Program name    "), ('o', " Timer")];
        text.extend(more.iter().filter(|(key, _)| options.has(*key)).map(|(_, head)| *head));
        text.push('\n');
        let wanted = |kind| !chosen || options.has(kind);
        let mut rows = rows(sys, &|kind| wanted(kind) && !options.has('6'));
        rows.retain(|row| match row.remote.1 {
            0 => options.has('a') || options.has('l'),
            _ => options.has('a') || !options.has('l'),
        });
        for row in &rows {
            line(sys, &mut text, row, options);
        }
    }
    if options.has('x') || (!chosen && !family) {
        let _ = writeln!(text, "Active UNIX domain sockets ({which})");
        let program = if options.has('p') { "PID/Program name     " } else { "" };
        let _ = writeln!(text, "Proto RefCnt Flags       Type       State         I-Node   {program}Path");
    }
    text
}

/// The sockets of the namespace: TCP, UDP, raw.
fn rows(sys: &Sys<'_, SimKernel>, wanted: &dyn Fn(char) -> bool) -> Vec<Row> {
    let mut rows = sockets::rows(sys);
    let letter = |kind| match kind {
        Kind::Tcp => 't',
        Kind::Udp => 'u',
        Kind::Raw => 'w',
        Kind::Packet => ' ',
    };
    rows.retain(|row| row.kind != Kind::Packet && wanted(letter(row.kind)));
    rows.sort_by_key(|row| core::cmp::Reverse(row.kind));
    rows
}

/// The state's name; UDP has one only if it is connected.
fn state(row: &Row) -> &'static str {
    match (row.kind, row.state) {
        (Kind::Raw, _) => "7",
        (Kind::Udp, State::Close) => "",
        (_, State::Established) => "ESTABLISHED",
        (_, State::SynSent) => "SYN_SENT",
        (_, State::SynRecv) => "SYN_RECV",
        (_, State::FinWait1) => "FIN_WAIT1",
        (_, State::FinWait2) => "FIN_WAIT2",
        (_, State::TimeWait) => "TIME_WAIT",
        (_, State::Close) => "CLOSE",
        (_, State::CloseWait) => "CLOSE_WAIT",
        (_, State::LastAck) => "LAST_ACK",
        (_, State::Listen) => "LISTEN",
        (_, State::Closing) => "CLOSING",
    }
}

fn line(sys: &mut Sys<'_, SimKernel>, text: &mut String, row: &Row, options: &Options) {
    let protocol = if row.kind == Kind::Udp { "udp" } else { "tcp" };
    let local = endpoint(sys, row.local, options, protocol);
    let remote = endpoint(sys, row.remote, options, protocol);
    let proto = match row.kind {
        Kind::Raw => "raw",
        _ => protocol,
    };
    // A listener's queue is told by ss only.
    let send = if row.state == State::Listen { 0 } else { row.send };
    let state = state(row);
    let _ = write!(text, "{proto:<4}  {:>6} {send:>6} {local:<23} {remote:<23} {state:<11}", row.recv);
    if options.has('e') {
        let user = if options.numeric('#') { "0" } else { "root" };
        let _ = write!(text, " {user:<10} {:<10}", row.inode);
    }
    if options.has('p') {
        let process = row.user.and_then(|(owner, _)| process(sys, owner));
        let program = process.map_or_else(|| "-".to_owned(), |(pid, comm)| format!("{pid}/{comm}"));
        let _ = write!(text, " {program:<20}");
    }
    if options.has('o') {
        text.push_str(&timer(row));
    }
    text.push('\n');
}

/// The timer that runs (`-o`).
fn timer(row: &Row) -> String {
    let Some(timer) = row.timer else { return " off (0.00/0/0)".into() };
    let name = match timer.kind {
        1 => "on",
        2 => "keepalive",
        3 => "timewait",
        4 => "probe",
        _ => "unkn-",
    };
    let hundredths = timer.left.as_millis() / 10;
    format!(" {name} ({}.{:02}/{}/0)", hundredths / 100, hundredths % 100, timer.tries)
}

/// An address and a port; the address gives way if both do not fit into the column.
fn endpoint(sys: &mut Sys<'_, SimKernel>, (addr, port): (Ipv4Addr, u16), options: &Options, protocol: &str) -> String {
    let name = if options.numeric('!') || addr.is_unspecified() { None } else { names::host_name(sys, addr) };
    let host = name.unwrap_or_else(|| addr.to_string());
    let port = match port {
        0 => "*".to_owned(),
        port if options.numeric('@') => port.to_string(),
        port => service(sys, port, protocol).unwrap_or_else(|| port.to_string()),
    };
    let room = if options.has('W') { usize::MAX } else { 22usize.saturating_sub(port.len()) };
    format!("{}:{port}", host.chars().take(room).collect::<String>())
}
