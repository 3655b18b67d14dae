//! Reading of the command line (`do_parse` of `src/conntrack.c`).

use core::net::{IpAddr, Ipv4Addr};

use hopwise_netfilter::conntrack::proto::sctp::SctpState;
use hopwise_netfilter::conntrack::proto::tcp::TcpState;
use hopwise_netfilter::conntrack::{ConnStatus, Zone};
use hopwise_netfilter::names::Names;

use super::text::Format;
use super::words::{ILLEGAL, LONG, SHORT, of_protocol};
use crate::getopt::Argument;

/// What an option means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// The same as that short option.
    Short(char),
    /// A port: original source and destination, reply source and destination.
    Port(usize),
    /// The state of the protocol.
    State,
    /// ICMP's type.
    IcmpType,
    /// ICMP's code.
    IcmpCode,
    /// ICMP's id.
    IcmpId,
    /// SCTP's verification tag of a direction.
    Vtag(usize),
    /// For expectations.
    Unused,
}

/// A table that commands are about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Table {
    #[default]
    Conntrack,
    Expect,
    Dying,
    Unconfirmed,
}

/// An address with the number of its bits that count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Net {
    pub(super) addr: IpAddr,
    pub(super) len: u8,
}

/// An address to which something is translated, if one is said, and its port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Translated {
    pub(super) addr: Option<Ipv4Addr>,
    pub(super) port: Option<u16>,
}

/// What a command line asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Request {
    /// The command's letter; `\0`: none.
    pub(super) command: char,
    pub(super) table: Table,
    pub(super) file: String,
    pub(super) v6: Option<bool>,
    pub(super) protocol: Option<u8>,
    /// Original source and destination, reply source and destination.
    pub(super) addrs: [Option<Net>; 4],
    pub(super) ports: [Option<u16>; 4],
    pub(super) icmp: [Option<u8>; 2],
    pub(super) icmp_id: Option<u16>,
    pub(super) vtags: [Option<u32>; 2],
    pub(super) state: Option<u8>,
    /// Bits that must be set, or are to be.
    pub(super) status: Option<ConnStatus>,
    /// Answered or not.
    pub(super) unreplied: bool,
    pub(super) mark: Option<(u32, u32)>,
    /// Both directions, the original one, the reply one.
    pub(super) zones: [Option<Zone>; 3],
    pub(super) timeout: Option<u32>,
    pub(super) source_nat: Option<Translated>,
    pub(super) destination_nat: Option<Translated>,
    pub(super) any_nat: Option<Translated>,
    pub(super) format: Format,
    /// New, update, destroy; none said: all.
    pub(super) events: [bool; 3],
    /// The short names of the options that were given.
    pub(super) given: String,
}

/// A command line that is refused, in the program's words.
pub(super) type Refused = String;

type Done<T = ()> = Result<T, Refused>;

/// Reads the arguments of one command.
pub(super) fn parse(args: &[String], names: &dyn Names) -> Done<Request> {
    let mut reader = Reader { words: args, at: 0, long: LONG.to_vec(), names, request: Request::default() };
    while let Some(word) = reader.take() {
        if let Some(name) = word.strip_prefix("--").filter(|name| !name.is_empty()) {
            reader.long_option(word, name)?;
        } else if let Some(cluster) = word.strip_prefix('-').filter(|cluster| !cluster.is_empty()) {
            reader.short_options(cluster)?;
        }
        // Other words are passed over, as by the real one.
    }
    check(&reader.request)?;
    Ok(reader.request)
}

struct Reader<'a> {
    words: &'a [String],
    at: usize,
    long: Vec<(&'static str, Argument, Key)>,
    names: &'a dyn Names,
    request: Request,
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    /// The next word, if it is no option (`get_optional_arg`).
    fn take_operand(&mut self) -> Option<&'a str> {
        let word = self.words.get(self.at).filter(|word| !word.starts_with('-'))?;
        self.at += 1;
        Some(word)
    }

    fn long_option(&mut self, word: &str, name: &'a str) -> Done {
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        let (argument, key) = self.find(name).ok_or_else(|| format!("unknown option `{word}'"))?;
        let value = match (argument, value) {
            (Argument::Required, None) => {
                Some(self.take().ok_or_else(|| format!("option `{word}' requires an argument"))?)
            }
            (_, value) => value,
        };
        self.option(key, value)
    }

    /// The long option of that name, which may be abbreviated.
    fn find(&self, name: &str) -> Option<(Argument, Key)> {
        let exact = self.long.iter().find(|row| row.0 == name);
        let mut like = self.long.iter().filter(|row| row.0.starts_with(name));
        let first = exact.or_else(|| like.next())?;
        let unique = exact.is_some() || like.all(|row| row.2 == first.2);
        unique.then_some((first.1, first.2))
    }

    fn short_options(&mut self, cluster: &'a str) -> Done {
        let mut rest = cluster.chars();
        while let Some(letter) = rest.next() {
            let after = SHORT.find(letter).filter(|_| letter != ':').map(|at| &SHORT[at + 1..]);
            let after = after.ok_or_else(|| format!("unknown option `-{letter}'"))?;
            let attached = Some(rest.as_str()).filter(|text| !text.is_empty());
            let value = match (after.starts_with("::"), after.starts_with(':')) {
                (true, _) => attached,
                (_, false) => {
                    self.option(Key::Short(letter), None)?;
                    continue;
                }
                _ => {
                    let value = attached.or_else(|| self.take());
                    Some(value.ok_or_else(|| format!("option `-{letter}' requires an argument"))?)
                }
            };
            return self.option(Key::Short(letter), value);
        }
        Ok(())
    }

    fn option(&mut self, key: Key, value: Option<&'a str>) -> Done {
        let text = value.unwrap_or_default();
        let request = &mut self.request;
        match key {
            Key::Short(letter) => return self.short(letter, value),
            Key::Port(which) => request.ports[which] = Some(number(text) as u16),
            Key::State => request.state = Some(state(request.protocol, text)?),
            Key::IcmpType => request.icmp[0] = Some(number(text) as u8),
            Key::IcmpCode => request.icmp[1] = Some(number(text) as u8),
            Key::IcmpId => request.icmp_id = Some(number(text) as u16),
            Key::Vtag(which) => request.vtags[which] = Some(number(text)),
            Key::Unused => {}
        }
        Ok(())
    }

    fn short(&mut self, letter: char, value: Option<&'a str>) -> Done {
        let text = value.unwrap_or_default();
        if let 'L' | 'I' | 'A' | 'U' | 'D' | 'G' | 'F' | 'E' | 'C' | 'S' | 'R' | 'V' | 'h' = letter {
            return self.command(letter, value);
        }
        self.request.given.push(letter);
        let operand = if matches!(letter, 'n' | 'g' | 'j') { value.or_else(|| self.take_operand()) } else { None };
        let request = &mut self.request;
        match letter {
            's' | 'd' | 'r' | 'q' => {
                let which = ['s', 'd', 'r', 'q'].iter().position(|l| *l == letter).unwrap_or(0);
                let net = net(text)?;
                set_family(request, net.addr.is_ipv6())?;
                request.addrs[which] = Some(net);
            }
            '{' | '}' => {
                let mask = address(text)?;
                set_family(request, mask.is_ipv6())?;
                let net = &mut request.addrs[usize::from(letter == '}')];
                let side = if letter == '}' { "dst" } else { "src" };
                let net = net.as_mut().ok_or_else(|| format!("Can't use --mask-{side} without --{side}"))?;
                net.len = match mask {
                    IpAddr::V4(mask) => mask.to_bits().leading_ones() as u8,
                    IpAddr::V6(mask) => mask.to_bits().leading_ones() as u8,
                };
            }
            'p' => {
                let protocol = protocol(text, self.names)?;
                request.protocol = Some(protocol);
                self.long.extend(of_protocol(protocol));
            }
            't' => request.timeout = Some(number(text)),
            'u' => status(request, text)?,
            'e' => events(request, text)?,
            'o' => output(&mut request.format, text)?,
            'm' => request.mark = Some(mark(text)),
            'f' => match text {
                "ipv4" => request.v6 = Some(false),
                "ipv6" => request.v6 = Some(true),
                _ => return Err(format!("`{text}' unsupported protocol")),
            },
            'w' => request.zones[0] = Some(Zone(number(text) as u16)),
            '(' => request.zones[1] = Some(Zone(number(text) as u16)),
            ')' => request.zones[2] = Some(Zone(number(text) as u16)),
            'n' => request.source_nat = Some(translated(operand)?),
            'g' => request.destination_nat = Some(translated(operand)?),
            'j' => request.any_nat = Some(translated(operand)?),
            'l' | '<' | '>' => return Err(format!("unknown label '{text}'")),
            _ => {}
        }
        Ok(())
    }

    fn command(&mut self, letter: char, value: Option<&'a str>) -> Done {
        if self.request.command != '\0' {
            return Err("Invalid commands combination".into());
        }
        self.request.command = letter;
        if letter == 'R' {
            self.request.file = value.unwrap_or_default().to_owned();
        }
        if matches!(letter, 'S' | 'R' | 'V' | 'h') {
            return Ok(());
        }
        let Some(word) = value.or_else(|| self.take_operand()) else { return Ok(()) };
        let tables = [
            ("expect", Table::Expect),
            ("conntrack", Table::Conntrack),
            ("dying", Table::Dying),
            ("unconfirmed", Table::Unconfirmed),
        ];
        let found = tables.iter().find(|row| row.0.starts_with(word));
        self.request.table = found.ok_or_else(|| format!("unknown type `{word}'"))?.1;
        Ok(())
    }
}

/// Numbers are read as by `strtoul(..., 0)`, and what is none is 0.
fn number(text: &str) -> u32 {
    let digits = |text: &str, radix: u32| -> u32 {
        let end = text.find(|c: char| !c.is_digit(radix)).unwrap_or(text.len());
        u64::from_str_radix(&text[..end], radix).map_or(0, |value| value as u32)
    };
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => digits(hex, 16),
        None if text.starts_with('0') => digits(text, 8),
        None => digits(text, 10),
    }
}

fn address(text: &str) -> Done<IpAddr> {
    text.parse().map_err(|_| format!("Invalid IP address `{text}'"))
}

fn net(text: &str) -> Done<Net> {
    let (addr, len) = text.split_once('/').map_or((text, None), |(addr, len)| (addr, Some(len)));
    let addr = address(addr)?;
    let most = if addr.is_ipv6() { 128 } else { 32 };
    let len = match len {
        None => most,
        Some(len) => len.parse().ok().filter(|len| *len <= most).ok_or("Invalid netmask")?,
    };
    Ok(Net { addr, len })
}

fn set_family(request: &mut Request, v6: bool) -> Done {
    if request.v6.is_some_and(|known| known != v6) {
        return Err("mismatched address family".into());
    }
    request.v6 = Some(v6);
    Ok(())
}

fn protocol(text: &str, names: &dyn Names) -> Done<u8> {
    const OWN: [(&str, u8); 8] = [
        ("tcp", 6),
        ("udp", 17),
        ("udplite", 136),
        ("icmp", 1),
        ("icmpv6", 58),
        ("sctp", 132),
        ("dccp", 33),
        ("gre", 47),
    ];
    let own = OWN.iter().find(|row| row.0.eq_ignore_ascii_case(text)).map(|row| row.1);
    own.or_else(|| text.parse().ok())
        .or_else(|| names.protocol_of(text))
        .ok_or_else(|| format!("`{text}' unsupported protocol"))
}

fn state(protocol: Option<u8>, text: &str) -> Done<u8> {
    if protocol == Some(132) {
        let found = SctpState::ALL.iter().find(|state| state.name() == text);
        return found.map(|state| *state as u8).ok_or_else(|| format!("unknown SCTP state `{text}'"));
    }
    if text == "LISTEN" {
        return Ok(TcpState::SynSent2 as u8);
    }
    let found = TcpState::ALL.iter().find(|state| state.name() == text);
    found.map(|state| *state as u8).ok_or_else(|| format!("unknown TCP state `{text}'"))
}

/// The words of a list; a wrong one is refused with what follows it. `parse_parameter`.
fn each(text: &str, mut known: impl FnMut(&str) -> bool) -> Done {
    let mut rest = text;
    loop {
        let (word, more) = rest.split_once(',').map_or((rest, None), |(word, more)| (word, Some(more)));
        if !known(word) {
            return Err(format!("Bad parameter `{rest}'"));
        }
        match more {
            Some(more) => rest = more,
            None => return Ok(()),
        }
    }
}

fn status(request: &mut Request, text: &str) -> Done {
    let mut bits = request.status.unwrap_or_default();
    let mut unreplied = request.unreplied;
    each(text, |word| {
        match word.to_ascii_uppercase().as_str() {
            "ASSURED" => bits |= ConnStatus::ASSURED,
            "SEEN_REPLY" => bits |= ConnStatus::SEEN_REPLY,
            "FIXED_TIMEOUT" => bits |= ConnStatus::FIXED_TIMEOUT,
            "EXPECTED" => bits |= ConnStatus::EXPECTED,
            "UNREPLIED" => unreplied = true,
            "UNSET" => {}
            _ => return false,
        }
        true
    })?;
    request.status = Some(bits);
    request.unreplied = unreplied;
    Ok(())
}

fn events(request: &mut Request, text: &str) -> Done {
    let asked = &mut request.events;
    each(text, |word| {
        match word.to_ascii_uppercase().as_str() {
            "ALL" => *asked = [true; 3],
            "NEW" => asked[0] = true,
            "UPDATES" => asked[1] = true,
            "DESTROY" => asked[2] = true,
            _ => return false,
        }
        true
    })
}

fn output(format: &mut Format, text: &str) -> Done {
    each(text, |word| {
        match word.to_ascii_lowercase().as_str() {
            "xml" => format.xml = true,
            "extended" => format.extended = true,
            "timestamp" => format.timestamp = true,
            "id" => format.id = true,
            "ktimestamp" => format.ktimestamp = true,
            "save" => format.save = true,
            "labels" | "userspace" => {}
            _ => return false,
        }
        true
    })
}

/// `VALUE[/MASK]`.
fn mark(text: &str) -> (u32, u32) {
    text.split_once('/').map_or((number(text), u32::MAX), |(value, mask)| (number(value), number(mask)))
}

/// `ADDR[:PORT]`. `nat_parse`.
fn translated(text: Option<&str>) -> Done<Translated> {
    let Some(text) = text else { return Ok(Translated::default()) };
    if let Ok(addr) = text.parse() {
        return Ok(Translated { addr: Some(addr), port: None });
    }
    let wrong = || format!("Invalid IP address `{text}'");
    let (addr, port) = text.split_once(':').filter(|(_, port)| !port.contains(':')).ok_or_else(wrong)?;
    if port.is_empty() {
        return Err("No port specified after `:'".into());
    }
    let port = port.parse().map_err(|_| format!("Invalid port `{port}'"))?;
    Ok(Translated { addr: Some(addr.parse().map_err(|_| wrong())?), port: Some(port) })
}

/// Whether the options fit the command. `generic_opt_check`, and what each protocol demands.
fn check(request: &Request) -> Done {
    let refused = ILLEGAL.iter().find(|row| row.0 == request.command).map_or("", |row| row.1);
    if let Some(letter) = request.given.chars().find(|letter| refused.contains(*letter)) {
        let name = LONG.iter().find(|row| row.2 == Key::Short(letter)).map_or("", |row| row.0);
        return Err(format!("Illegal option `--{name}' with this command"));
    }
    if request.any_nat.is_some() && (request.source_nat.is_some() || request.destination_nat.is_some()) {
        return Err("cannot specify `--src-nat' or `--dst-nat' with `--any-nat'".into());
    }
    if request.table != Table::Conntrack || !matches!(request.command, 'I' | 'A' | 'G') {
        return Ok(());
    }
    let need = |there: bool, name: &str| {
        if there { Ok(()) } else { Err(format!("You need to supply the `--{name}' option for this command")) }
    };
    let pair = |there: [bool; 4], names: [&str; 2]| {
        if there[0] && there[1] || there[2] && there[3] {
            return Ok(());
        }
        Err(format!("you have to specify `--{}' and `--{}'", names[0], names[1]))
    };
    let creates = request.command != 'G';
    need(request.protocol.is_some(), "protonum")?;
    need(!creates || request.timeout.is_some(), "timeout")?;
    pair(request.addrs.map(|addr| addr.is_some()), ["src", "dst"])?;
    let ports = request.ports.map(|port| port.is_some());
    match request.protocol {
        Some(1) => {
            need(request.icmp[0].is_some(), "icmp-type")?;
            need(request.icmp[1].is_some(), "icmp-code")
        }
        Some(47) => pair(ports, ["srckey", "dstkey"]),
        Some(6 | 132) => {
            need(!creates || request.state.is_some(), "state")?;
            pair(ports, ["sport", "dport"])
        }
        Some(17 | 33 | 136) => pair(ports, ["sport", "dport"]),
        _ => Ok(()),
    }
}
