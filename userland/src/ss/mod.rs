//! `ss` of iproute2 6.1.

mod filter;
mod info;
mod table;

use hopwise_machine::{Program, Sys, once};
use hopwise_protocols::tcp::State;

use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;
use crate::sockets::{self, Kind, Row, process, service};
use filter::{Condition, Parser, STATES, States};
use table::Table;

const USAGE: &str = include_str!("usage.txt");
const OPTIONS: &str = "haletuwxnro460spbEf:mMiA:D:F:vVzZN:KHSOTd";
const LONG: &[Long] = &[
    ("all", Argument::No, 'a'),
    ("extended", Argument::No, 'e'),
    ("help", Argument::No, 'h'),
    ("info", Argument::No, 'i'),
    ("ipv4", Argument::No, '4'),
    ("ipv6", Argument::No, '6'),
    ("listening", Argument::No, 'l'),
    ("memory", Argument::No, 'm'),
    ("no-header", Argument::No, 'H'),
    ("numeric", Argument::No, 'n'),
    ("oneline", Argument::No, 'O'),
    ("options", Argument::No, 'o'),
    ("packet", Argument::No, '0'),
    ("processes", Argument::No, 'p'),
    ("raw", Argument::No, 'w'),
    ("resolve", Argument::No, 'r'),
    ("summary", Argument::No, 's'),
    ("tcp", Argument::No, 't'),
    ("udp", Argument::No, 'u'),
    ("unix", Argument::No, 'x'),
    ("version", Argument::No, 'V'),
];

/// `ss`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| run(sys, &args))
}

/// What the command line asks for.
struct Options {
    keys: Vec<char>,
    states: States,
    condition: Option<Condition>,
}

impl Options {
    fn has(&self, key: char) -> bool {
        self.keys.contains(&key)
    }

    /// The kinds that are asked for; all if none is named.
    fn kinds(&self) -> Vec<Kind> {
        let all = [('0', Kind::Packet), ('w', Kind::Raw), ('u', Kind::Udp), ('t', Kind::Tcp)];
        let named: Vec<Kind> = all.iter().filter(|(key, _)| self.has(*key)).map(|(_, kind)| *kind).collect();
        let others = self.has('x') || self.has('S') || self.has('d');
        if named.is_empty() && !others { all.map(|(_, kind)| kind).to_vec() } else { named }
    }

    /// Whether only one sort is asked for, so that it need not be told.
    fn one_kind(&self) -> bool {
        ['0', 'w', 'u', 't'].iter().filter(|key| self.has(**key)).count() == 1 && !self.has('x')
    }
}

fn run(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> i32 {
    let mut keys = Vec::new();
    let parsed = getopt::parse(args, OPTIONS, LONG);
    for option in parsed.options {
        match option {
            Ok(option) => keys.push(option.key),
            Err(why) => {
                sys.err(&format!("ss: {why}\n{USAGE}"));
                return 255;
            }
        }
    }
    let has = |key| keys.contains(&key);
    if has('h') {
        sys.out(USAGE);
        return 0;
    }
    if has('V') {
        sys.out("ss utility, iproute2-6.1.0, libbpf 1.1.2\n");
        return 0;
    }
    if has('Z') || has('z') {
        sys.err("ss: SELinux is not enabled.\n");
        return 1;
    }
    if let Some(key) = keys.iter().find(|key| "EKNAfDFM".contains(**key)) {
        sys.err(&format!("ss: option -{key} is not supported here\n"));
        return 255;
    }
    if has('s') {
        let text = summary(sys);
        sys.out(&text);
        return 0;
    }
    match options(sys, keys, &parsed.operands) {
        Ok(options) => {
            let text = list(sys, &options);
            sys.out(&text);
            0
        }
        Err(text) => {
            sys.err(&text);
            255
        }
    }
}

/// States come first, then conditions.
fn options(sys: &mut Sys<'_, SimKernel>, keys: Vec<char>, operands: &[String]) -> Result<Options, String> {
    let mut named: Option<u16> = None;
    let mut rest = operands;
    while let [word, name, more @ ..] = rest {
        let wanted = match word.as_str() {
            "state" => true,
            "exclude" | "excl" => false,
            _ => break,
        };
        let states = States::named(name).ok_or_else(|| format!("ss: wrong state name: {name}\n"))?;
        let before = named.unwrap_or(if wanted { 0 } else { States::ALL.0 });
        named = Some(if wanted { before | states.0 } else { before & !states.0 });
        rest = more;
    }
    let has = |key| keys.contains(&key);
    let states = match named {
        Some(states) => States(states),
        None if has('a') => States::ALL,
        None if has('l') => States::LISTENING,
        None => States::CONNECTED,
    };
    let services = sys.read_file("/etc/services").unwrap_or_default();
    let services = String::from_utf8_lossy(&services).into_owned();
    let number = |name: &str| {
        let line = services.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        line.split_whitespace().nth(1)?.split('/').next()?.parse().ok()
    };
    let condition = if rest.is_empty() {
        None
    } else {
        let condition = Parser::new(rest, &number).whole();
        Some(condition.ok_or_else(|| format!("ss: bison bellows (while parsing filter): \"syntax error!\"\n{USAGE}"))?)
    };
    Ok(Options { keys, states, condition })
}

fn list(sys: &mut Sys<'_, SimKernel>, options: &Options) -> String {
    let kinds = options.kinds();
    let mut rows = sockets::rows(sys);
    rows.retain(|row| {
        let six = options.has('6') && !options.has('4');
        let holds = options.condition.as_ref().is_none_or(|condition| condition.holds(row));
        kinds.contains(&row.kind) && shows(options.states, row) && !six && holds
    });
    let mut table = Table::default();
    for row in &rows {
        let entries = entries(sys, options, row);
        table.push(entries);
    }
    // Datagrams have no states but two, of which only one is shown by default.
    let connections = kinds.contains(&Kind::Tcp) || options.has('x') || options.has('l') || !options.one_kind();
    let states = if connections { options.states.0 } else { options.states.0 & (1 << 1 | 1 << 7) };
    let mut hidden = [false; 9];
    hidden[0] = options.one_kind();
    hidden[1] = states.count_ones() == 1;
    table.render(!options.has('H'), hidden)
}

fn shows(states: States, row: &Row) -> bool {
    states.has(row.state)
}

fn entries(sys: &mut Sys<'_, SimKernel>, options: &Options, row: &Row) -> [String; 9] {
    let netid = match row.kind {
        Kind::Packet => "p_raw",
        Kind::Raw if row.local.1 == 1 => "icmp",
        Kind::Raw => "raw",
        Kind::Udp => "udp",
        Kind::Tcp => "tcp",
    };
    let state = STATES.iter().find(|named| named.2 == row.state).map_or("", |named| named.1);
    let (local, local_port) = end(sys, options, row, row.local);
    let (remote, remote_port) = match row.kind {
        Kind::Packet => ("*".to_owned(), String::new()),
        _ => end(sys, options, row, if row.kind == Kind::Raw { (row.remote.0, 0) } else { row.remote }),
    };
    [
        netid.to_owned(),
        state.to_owned(),
        format!("{:<6}", row.recv),
        format!("{:<6}", row.send),
        local,
        local_port,
        remote,
        remote_port,
        details(sys, options, row),
    ]
}

/// An end: the address with a colon, and the port.
fn end(
    sys: &mut Sys<'_, SimKernel>,
    options: &Options,
    row: &Row,
    (addr, port): hopwise_stack::socket::tcp::Addr,
) -> (String, String) {
    let numeric = options.has('n');
    if row.kind == Kind::Packet {
        let link = sys.kernel.net.ns(sys.ns()).map(|ns| ns.name_of(row.dev).to_owned());
        let protocol = if port == 3 { "*".to_owned() } else { port.to_string() };
        return (format!("{protocol}:"), link.unwrap_or_default());
    }
    let dev = match sys.kernel.net.ns(sys.ns()) {
        Some(ns) if row.dev.is_some() && (addr, port) == row.local => format!("%{}", ns.name_of(row.dev)),
        _ => String::new(),
    };
    let protocol = if row.kind == Kind::Udp { "udp" } else { "tcp" };
    let port = match (row.kind, port) {
        (_, 0) => "*".to_owned(),
        (Kind::Raw, 1) if !numeric => "icmp".to_owned(),
        (Kind::Raw, number) => number.to_string(),
        (_, number) if numeric => number.to_string(),
        (_, number) => service(sys, number, protocol).unwrap_or_else(|| number.to_string()),
    };
    let name = if options.has('r') && !addr.is_unspecified() { crate::resolve::reverse(sys, addr) } else { None };
    (format!("{}{dev}:", name.unwrap_or_else(|| addr.to_string())), port)
}

/// What stands behind the addresses: processes, timers, and more if it is asked for.
fn details(sys: &Sys<'_, SimKernel>, options: &Options, row: &Row) -> String {
    let mut text = String::new();
    if options.has('p')
        && let Some((owner, fd)) = row.user
        && let Some((pid, comm)) = process(sys, owner)
    {
        text.push_str(&format!(" users:((\"{comm}\",pid={pid},fd={fd}))"));
    }
    if (options.has('o') || options.has('e'))
        && let Some(timer) = row.timer
    {
        text.push_str(&info::timer(&timer));
    }
    if options.has('e') {
        let cookie = if row.inode == 0 { 0x1000 } else { row.inode - 20_000 };
        text.push_str(&format!(" ino:{} sk:{:x}", row.inode, cookie + 1));
        if row.inode != 0 {
            text.push_str(if row.state == State::CloseWait { " -->" } else { " <->" });
        }
    }
    if (options.has('i') || options.has('m'))
        && row.kind == Kind::Tcp
        && let Some(ns) = sys.kernel.net.ns(sys.ns())
    {
        text.push_str(if options.has('O') { " " } else { "\n\t " });
        if let Some(conn) = row.conn.and_then(|id| ns.sockets.tcp.get(id)) {
            let shown = info::Shown { options: options.has('o'), numeric: options.has('n') };
            text.push_str(&info::text(&conn.end, sys.now(), shown));
        } else {
            text.push_str("cubic cwnd:10");
        }
    }
    text
}

/// `ss -s`
fn summary(sys: &Sys<'_, SimKernel>) -> String {
    let rows = sockets::rows(sys);
    let count = |wanted: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| wanted(row)).count();
    let of = |kind| count(&|row: &Row| row.kind == kind);
    let waits = count(&|row| row.kind == Kind::Tcp && row.inode == 0 && row.state == State::TimeWait);
    let orphans = count(&|row| {
        row.kind == Kind::Tcp && row.user.is_none() && !matches!(row.state, State::TimeWait | State::SynRecv)
    });
    let open = count(&|row| row.kind == Kind::Tcp && matches!(row.state, State::Established | State::CloseWait));
    let (raw, udp, tcp) = (of(Kind::Raw), of(Kind::Udp), of(Kind::Tcp) - waits);
    let total = sys.kernel.net.ns(sys.ns()).map_or(0, |ns| ns.sockets.iter().count());
    let line = |name: &str, n: usize| format!("{name}\t  {n:<9} {n:<9} {:<9}\n", 0);
    format!(
        "Total: {total}\nTCP:   {} (estab {open}, closed {waits}, orphaned {orphans}, timewait {waits})\n\n\
         Transport Total     IP        IPv6\n{}{}{}{}{}\n",
        tcp + waits,
        line("RAW", raw),
        line("UDP", udp),
        line("TCP", tcp),
        line("INET", raw + udp + tcp),
        line("FRAG", 0)
    )
}

#[cfg(test)]
mod tests;
