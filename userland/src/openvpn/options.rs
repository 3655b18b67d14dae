//! The options of openvpn that exist here, on the command line and in a file. All others are refused as openvpn refuses
//! those that it does not know.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;

use super::{HELP, log};
use crate::kernel::SimKernel;

/// A route to be made: network, prefix length, gateway, metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct RouteOption {
    pub(super) network: Ipv4Addr,
    pub(super) len: u8,
    /// `None`: the other end of the tunnel.
    pub(super) gateway: Option<Ipv4Addr>,
    pub(super) metric: Option<u32>,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) dev: String,
    pub(super) tap: bool,
    /// Name and port of the other end.
    pub(super) remote: Option<(String, Option<u16>)>,
    pub(super) local: Option<Ipv4Addr>,
    pub(super) lport: u16,
    pub(super) rport: u16,
    pub(super) bind: bool,
    pub(super) float: bool,
    /// Own address, and that of the other end (of a tap: the netmask).
    pub(super) ifconfig: Option<(Ipv4Addr, Ipv4Addr)>,
    pub(super) routes: Vec<RouteOption>,
    /// `--redirect-gateway`: with two halves instead of the default route?
    pub(super) redirect: Option<bool>,
    pub(super) mtu: u32,
    pub(super) verb: u32,
    pub(super) daemon: bool,
    /// The log file, and whether it is appended to.
    pub(super) log: Option<(String, bool)>,
    pub(super) writepid: Option<String>,
    pub(super) cipher_none: bool,
    pub(super) auth_none: bool,
    /// Seconds between keepalives; 0: none.
    pub(super) ping: u64,
    /// `--mktun` and `--rmtun`.
    pub(super) make: Option<bool>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            dev: String::new(),
            tap: false,
            remote: None,
            local: None,
            lport: 1194,
            rport: 1194,
            bind: true,
            float: false,
            ifconfig: None,
            routes: Vec::new(),
            redirect: None,
            mtu: 1500,
            verb: 1,
            daemon: false,
            log: None,
            writepid: None,
            cipher_none: false,
            auth_none: false,
            ping: 0,
            make: None,
        }
    }
}

/// Why nothing is done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Something else was asked for and is said.
    Said(String, i32),
    /// An option is not known, or has too few or too many words.
    Option(String, String),
    /// Options that do not fit together.
    Error(String),
}

impl Refusal {
    /// What is printed, and the exit status.
    pub(super) fn said(self) -> (String, i32) {
        match self {
            Refusal::Said(text, status) => (text, status),
            Refusal::Option(name, place) => {
                let what = "Unrecognized option or missing or extra parameter(s)";
                (format!("Options error: {what} in {place}: {name} (2.6.14)\n{HELP}"), 1)
            }
            Refusal::Error(text) => (format!("Options error: {text}\n{HELP}"), 1),
        }
    }
}

/// The most files that may name each other.
const MAX_FILES: usize = 10;

/// Reads the command line.
pub(super) fn parse(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Options, Refusal> {
    let mut options = Options::default();
    match args {
        [] => return Err(Refusal::Said(log::version(), 1)),
        [file] if !file.starts_with("--") => read_file(sys, &mut options, file, "[CMD-LINE]:1", 0)?,
        _ => {
            let mut rest = args;
            while let [name, more @ ..] = rest {
                let Some(name) = name.strip_prefix("--") else {
                    let text = "as an --option parameter but I don't see a leading '--'";
                    return Err(Refusal::Error(format!("I'm trying to parse \"{name}\" {text}")));
                };
                let count = more.iter().take_while(|word| !word.starts_with("--")).count();
                let (words, next) = more.split_at(count);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                apply(sys, &mut options, name, &words, "[CMD-LINE]:1", 0)?;
                rest = next;
            }
        }
    }
    check(&mut options)?;
    Ok(options)
}

fn read_file(
    sys: &mut Sys<'_, SimKernel>,
    options: &mut Options,
    path: &str,
    place: &str,
    depth: usize,
) -> Result<(), Refusal> {
    let text = sys.read_file(path).ok().filter(|_| depth < MAX_FILES);
    let refused = || Refusal::Error(format!("In {place}: Error opening configuration file: {path}"));
    let text = String::from_utf8_lossy(&text.ok_or_else(refused)?).into_owned();
    for (number, line) in text.lines().enumerate() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, words @ ..] = words.as_slice() {
            let place = format!("{path}:{}", number + 1);
            apply(sys, options, name.trim_start_matches("--"), words, &place, depth + 1)?;
        }
    }
    Ok(())
}

/// One option with its words.
fn apply(
    sys: &mut Sys<'_, SimKernel>,
    options: &mut Options,
    name: &str,
    words: &[&str],
    place: &str,
    depth: usize,
) -> Result<(), Refusal> {
    let unknown = || Refusal::Option(name.to_owned(), place.to_owned());
    let port = |word: &str| {
        let resolve = format!(
            "RESOLVE: Cannot resolve host address: undefined:{word} (Servname not supported for ai_socktype)\n"
        );
        word.parse::<u16>().map_err(|_| Refusal::Said(format!("{resolve}Exiting due to fatal error\n"), 1))
    };
    match (name, words) {
        ("version", []) => return Err(Refusal::Said(log::version(), 0)),
        ("help", []) => return Err(Refusal::Said(USAGE.to_owned(), 1)),
        ("config", [path]) => read_file(sys, options, path, place, depth)?,
        ("dev", [dev]) => options.dev = (*dev).to_owned(),
        ("remote", [host]) => options.remote = Some(((*host).to_owned(), None)),
        ("remote", [host, number] | [host, number, "udp" | "udp4"]) => {
            options.remote = Some(((*host).to_owned(), Some(port(number)?)));
        }
        ("proto", ["udp" | "udp4"]) | ("persist-tun" | "persist-key", []) => {}
        ("local", [host]) => options.local = Some(host.parse().map_err(|_| unknown())?),
        ("port", [number]) => (options.lport, options.rport) = (port(number)?, port(number)?),
        ("lport", [number]) => options.lport = port(number)?,
        ("rport", [number]) => options.rport = port(number)?,
        ("nobind", []) => options.bind = false,
        ("float", []) => options.float = true,
        ("ifconfig", [local, remote]) => {
            let addresses = local.parse().ok().zip(remote.parse().ok());
            let text = format!("ifconfig parms '{local}' and '{remote}' must be valid addresses");
            options.ifconfig = Some(addresses.ok_or(Refusal::Error(text))?);
        }
        ("route", [network, rest @ ..]) if rest.len() <= 3 => {
            options.routes.push(route(network, rest).ok_or_else(unknown)?);
        }
        ("redirect-gateway", words) if words.iter().all(|word| *word == "def1") => {
            options.redirect = Some(!words.is_empty());
        }
        ("tun-mtu", [number]) => {
            options.mtu = number.parse().ok().filter(|n| (100..=65535).contains(n)).ok_or_else(unknown)?
        }
        ("verb", [number]) => options.verb = number.parse().ok().filter(|verb| *verb <= 3).ok_or_else(unknown)?,
        ("daemon", [] | [_]) => options.daemon = true,
        ("log", [path]) => options.log = Some(((*path).to_owned(), false)),
        ("log-append", [path]) => options.log = Some(((*path).to_owned(), true)),
        ("writepid", [path]) => options.writepid = Some((*path).to_owned()),
        ("cipher", ["none"]) => options.cipher_none = true,
        ("auth", ["none"]) => options.auth_none = true,
        ("ping", [number]) => options.ping = number.parse().map_err(|_| unknown())?,
        ("mktun", []) => options.make = Some(true),
        ("rmtun", []) => options.make = Some(false),
        _ => return Err(unknown()),
    }
    Ok(())
}

/// `--route NETWORK [NETMASK [GATEWAY [METRIC]]]`.
fn route(network: &str, rest: &[&str]) -> Option<RouteOption> {
    let given = |at: usize| rest.get(at).copied().filter(|word| *word != "default");
    let mask: Ipv4Addr = given(0).map_or(Some(Ipv4Addr::BROADCAST), |mask| mask.parse().ok())?;
    let len = mask.to_bits().leading_ones();
    if mask.to_bits().checked_shl(len).unwrap_or(0) != 0 {
        return None;
    }
    let gateway = match given(1) {
        None | Some("vpn_gateway") => None,
        Some(gateway) => Some(gateway.parse().ok()?),
    };
    let metric = given(2).map(str::parse).transpose().ok()?;
    Some(RouteOption { network: network.parse().ok()?, len: len as u8, gateway, metric })
}

/// What must fit together.
fn check(options: &mut Options) -> Result<(), Refusal> {
    if options.dev.is_empty() {
        return Err(Refusal::Error("You must define TUN/TAP device (--dev)".into()));
    }
    options.tap = options.dev.starts_with("tap");
    if !options.bind && options.remote.is_none() {
        return Err(Refusal::Error("--nobind doesn't make sense unless used with --remote".into()));
    }
    Ok(())
}

const USAGE: &str = "\
General Options:
--config file   : Read configuration options from file.
--help          : Show options.
--version       : Show copyright and version information.

Tunnel Options:
--local host    : Local host name or IP address to bind to.
--remote host [port] : Remote host name or IP address.
--proto udp
--float         : Allow remote to change its IP address/port.
--port port, --lport port, --rport port, --nobind
--dev tunX|tapX : TUN/TAP device.
--ifconfig l rn : Addresses of the two ends, or address and netmask of a tap.
--route network [netmask] [gateway] [metric]
--redirect-gateway [def1]
--tun-mtu n     : MTU of the device.
--ping n        : Send a keepalive every n seconds.
--cipher none, --auth none
--mktun, --rmtun : Make or remove a persistent device.
--daemon, --log file, --log-append file, --writepid file, --verb n
";
