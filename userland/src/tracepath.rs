//! `tracepath` of iputils 20221126: UDP probes as large as the path takes, one at a time with a rising TTL.

use core::net::Ipv4Addr;

use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_protocols::wire::icmp::{ICMP_EXC_TTL, ICMP_TIME_EXCEEDED};
use hopwise_protocols::wire::ipv4::IP_HLEN;
use hopwise_protocols::wire::udp::UDP_HLEN;
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::socket::{PmtuDisc, SockError, SocketKind};

use crate::dns::{Lookup, Names};
use crate::getopt;
use crate::kernel::SimKernel;
use crate::resolve::{Family, GaiError, Host};
use crate::sock::Sock;

const USAGE: &str = "\nUsage\n  tracepath [options] <destination>\n\nOptions:\n\
\x20 -4             use IPv4\n\
\x20 -6             use IPv6\n\
\x20 -b             print both name and ip\n\
\x20 -l <length>    use packet <length>\n\
\x20 -m <hops>      use maximum <hops>\n\
\x20 -n             no dns name resolution\n\
\x20 -p <port>      use destination <port>\n\
\x20 -V             print version and exit\n\
\x20 <destination>  dns name or ip address\n\nFor more details see tracepath(8).\n";

/// The port of the first probe (`DEFAULT_BASEPORT`).
const BASE_PORT: u16 = 44_444;
/// So many probes are remembered, each by its port (`HIS_ARRAY_SIZE`).
const HISTORY: usize = 64;
/// Bytes of IPv4 and UDP headers.
const OVERHEAD: usize = IP_HLEN + UDP_HLEN;
/// The first probe's length, with headers: more than any link takes.
const FIRST_MTU: usize = 65_535;
/// The same if the destination is an IPv6 address.
const FIRST_MTU_V6: usize = 128_000;
/// The shortest datagram that no socket sends: a longer one, of up to 2 GiB, is refused like this one.
const TOO_LONG: usize = 65_536;
/// How often a probe is sent that gets no answer.
const TRIES: usize = 3;
/// How often a probe is tried that cannot be sent.
const SENDS: usize = 10;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// The width of a hop's address (`HOST_COLUMN_SIZE`).
const HOST_COLUMN: usize = 52;

/// `tracepath`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Tracepath { args: args.to_vec(), lookup: None, run: None })
}

/// Why it ends before its first probe: exit status and text.
type Refusal = (i32, String);

/// The command line and the destination; `None`: an IPv6 address, to which nothing can be sent.
type Target = (Options, Option<Ipv4Addr>);

#[derive(Clone)]
struct Tracepath {
    args: Vec<String>,
    lookup: Option<Box<Lookup>>,
    run: Option<Box<Run>>,
}

/// The command line.
#[derive(Clone, Default, Debug)]
struct Options {
    six: bool,
    both: bool,
    numeric: bool,
    length: Option<usize>,
    max_hops: u16,
    port: Option<u16>,
    target: String,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, Refusal> {
        let parsed = getopt::parse(args, "46nbh?l:m:p:V", &[]);
        let mut options = Options { max_hops: 30, ..Options::default() };
        for option in parsed.options {
            let option = option.map_err(|why| (255, format!("tracepath: {why}\n{USAGE}")))?;
            match option.key {
                '4' => options.six = false,
                '6' => options.six = true,
                'n' => options.numeric = true,
                'b' => options.both = true,
                'l' => options.length = Some(length(option.text())?),
                'm' => options.max_hops = number(option.text(), 255)? as u16,
                'p' => options.port = Some(number(option.text(), 65_535)? as u16),
                'V' => {
                    let more = "libcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes";
                    return Err((0, format!("tracepath from iputils 20221126\n{more}\n")));
                }
                _ => return Err((255, USAGE.to_owned())),
            }
        }
        let [target] = parsed.operands.as_slice() else { return Err((255, USAGE.to_owned())) };
        options.target.clone_from(target);
        // An older way to give the port.
        if let Some((host, port)) = target.split_once('/').filter(|_| options.port.is_none()) {
            (options.target, options.port) = (host.to_owned(), port.parse().ok());
        }
        Ok(options)
    }
}

fn length(text: &str) -> Result<usize, Refusal> {
    let value = number(text, i64::from(i32::MAX))? as usize;
    let why = || (1, format!("tracepath: pktlen must be within: {OVERHEAD} < value <= {}\n", i32::MAX));
    Some(value).filter(|value| *value > OVERHEAD).ok_or_else(why)
}

fn number(text: &str, max: i64) -> Result<i64, Refusal> {
    match getopt::strtol(text) {
        Some(value) if (0..=max).contains(&value) => Ok(value),
        Some(_) => Err((1, format!("tracepath: invalid argument: '{text}': out of range: 0 <= value <= {max}\n"))),
        None => Err((1, format!("tracepath: invalid argument: '{text}'\n"))),
    }
}

impl Program<SimKernel> for Tracepath {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(run) = &mut self.run {
            return run.step(sys);
        }
        let begun = match self.resolved(sys) {
            Err(step) => return step,
            Ok(resolved) => resolved.and_then(|(options, target)| Run::begin(sys, options, target)),
        };
        match begun {
            Ok(run) => self.run.insert(Box::new(run)).step(sys),
            Err((0, text)) => {
                sys.out(&text);
                Step::Exit(0)
            }
            Err((status, text)) => {
                sys.err(&text);
                Step::Exit(status)
            }
        }
    }
}

impl Tracepath {
    /// The options, and the destination once it is known. `Err`: what is waited for.
    fn resolved(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Result<Target, Refusal>, Step> {
        let options = match Options::parse(&self.args) {
            Ok(options) => options,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let family = if options.six { Family::V6 } else { Family::Unspec };
        let lookup = self.lookup.get_or_insert_with(|| Box::new(Lookup::begin(sys, &options.target, family)));
        Ok(match lookup.wait(sys)? {
            Ok(Host::V4 { addr, .. }) => Ok((options, Some(addr))),
            Ok(Host::V6(_)) => Ok((options, None)),
            Err(why) => Err((1, format!("tracepath: {}: {why}\n", options.target))),
        })
    }
}

/// What comes next.
#[derive(Clone, Debug)]
enum Phase {
    /// A probe is to be sent; so often it could not be.
    Send { failed: usize },
    /// A probe was sent, its answer is waited for until then.
    Wait(Time),
    /// The error queue is read, because of this many sends that failed or (`None`) an answer. Told meanwhile: whether
    /// there was anything.
    Read { failed: Option<usize>, told: bool },
}

/// What became of a probe (`probe_ttl`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    NoReply,
    Reply,
    /// There is nothing beyond.
    End,
}

#[derive(Clone)]
struct Run {
    options: Options,
    target: Option<Ipv4Addr>,
    sock: Sock,
    mtu: usize,
    /// The MTU when this probe began: if it has changed, the hop is probed again.
    old_mtu: usize,
    /// May be one more than a TTL can be: that ends it.
    ttl: u16,
    tries: usize,
    /// TTL and time of the probes not answered, in the places of their ports.
    history: [Option<(u8, Time)>; HISTORY],
    slot: usize,
    phase: Phase,
    /// The error whose reporter's name is looked up.
    naming: Option<SockError>,
    names: Names,
    /// Hops to the destination and, as the TTL of its answer tells, back.
    hops: Option<(u16, u16)>,
}

impl Run {
    fn begin(sys: &mut Sys<'_, SimKernel>, options: Options, target: Option<Ipv4Addr>) -> Result<Run, Refusal> {
        let failed = |errno: Errno| (1, format!("tracepath: socket: {errno}\n"));
        let sock = Sock::open(sys, SocketKind::Udp).map_err(failed)?;
        let opts = &mut sock.get(sys).map_err(failed)?.opts;
        (opts.pmtudisc, opts.recverr) = (PmtuDisc::Do, true);
        let mtu = options.length.unwrap_or(if target.is_some() { FIRST_MTU } else { FIRST_MTU_V6 });
        Ok(Run {
            options,
            target,
            sock,
            mtu,
            old_mtu: mtu,
            ttl: 1,
            tries: 0,
            history: [None; HISTORY],
            slot: 0,
            phase: Phase::Send { failed: 0 },
            naming: None,
            names: Names::default(),
            hops: None,
        })
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        loop {
            if self.ttl > self.options.max_hops {
                sys.out(&format!("     Too many hops: pmtu {}\n", self.mtu));
                return self.resume(sys);
            }
            let outcome = match self.phase {
                Phase::Send { failed } => self.send(sys, failed),
                Phase::Wait(until) => {
                    if sys.now() < until && !self.sock.is_ready(sys) {
                        return Step::Block(Wait::event().or_until(Some(until)));
                    }
                    self.answer(sys)
                }
                Phase::Read { failed, told } => match self.read(sys, failed, told) {
                    Ok(outcome) => outcome,
                    Err(step) => return step,
                },
            };
            if outcome.is_some_and(|outcome| self.is_over(sys, outcome)) {
                return self.resume(sys);
            }
        }
    }

    /// The last line.
    fn resume(&self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let hops = self.hops.map_or(String::new(), |(to, back)| format!("hops {to} back {back} "));
        sys.out(&format!("     Resume: pmtu {} {hops}\n", self.mtu));
        Step::Exit(0)
    }

    /// Goes on to the next probe, unless this was the last one.
    fn is_over(&mut self, sys: &mut Sys<'_, SimKernel>, outcome: Outcome) -> bool {
        self.phase = Phase::Send { failed: 0 };
        self.tries += 1;
        if self.mtu != self.old_mtu {
            self.tries = 0;
        } else if outcome == Outcome::End {
            return true;
        } else if outcome == Outcome::Reply || self.tries == TRIES {
            if outcome == Outcome::NoReply {
                sys.out(&format!("{:2}:  no reply\n", self.ttl));
            }
            (self.ttl, self.tries) = (self.ttl + 1, 0);
        }
        self.old_mtu = self.mtu;
        false
    }

    fn send(&mut self, sys: &mut Sys<'_, SimKernel>, failed: usize) -> Option<Outcome> {
        if failed == SENDS {
            sys.out(&format!("{:2}:  send failed\n", self.ttl));
            return Some(Outcome::End);
        }
        let port = self.options.port.unwrap_or(BASE_PORT).wrapping_add(self.slot as u16);
        let (ttl, now) = (u8::try_from(self.ttl).unwrap_or(u8::MAX), sys.now());
        if let Ok(socket) = self.sock.get(sys) {
            socket.opts.ttl = Some(ttl);
        }
        let payload = payload(ttl, now, (self.mtu - OVERHEAD).min(TOO_LONG));
        let sent = match self.target {
            Some(target) => sys.kernel.net.send_udp(self.sock.ns, self.sock.id, Some((target, port)), &payload),
            None => Err(Errno::ENETUNREACH),
        };
        if sent.is_ok() {
            self.history[self.slot] = Some((ttl, now));
            self.slot = (self.slot + 1) % HISTORY;
            self.phase = Phase::Wait(now + PATIENCE);
        } else {
            self.history[self.slot] = None;
            self.phase = Phase::Read { failed: Some(failed + 1), told: false };
        }
        None
    }

    /// Something has come, or nothing in time.
    fn answer(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Outcome> {
        self.phase = Phase::Read { failed: None, told: false };
        // A pending error makes recv(2) fail, whether there is a datagram or not.
        if self.sock.take_pending(sys).is_none() && self.sock.recv(sys).is_some() {
            sys.out(&format!("{:2}?: reply received 8)\n", self.ttl));
            return Some(Outcome::End);
        }
        None
    }

    /// Reads one entry of the error queue and prints it; at its end tells what became of the probe (`recverr`).
    fn read(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        failed: Option<usize>,
        told: bool,
    ) -> Result<Option<Outcome>, Step> {
        let Some(error) = self.naming.take().or_else(|| self.sock.recv_error(sys)) else {
            return Ok(match (failed, told) {
                (Some(_), true) => self.again(0),
                (Some(failed), false) => self.again(failed),
                (None, true) => Some(Outcome::Reply),
                (None, false) => Some(Outcome::NoReply),
            });
        };
        if let Some(from) = error.from.filter(|_| !self.options.numeric || self.options.both)
            && let Some(step) = self.names.wait_for(sys, from)
        {
            self.naming = Some(error);
            return Err(step);
        }
        self.phase = Phase::Read { failed, told: true };
        Ok(self.tell(sys, &error))
    }

    fn again(&mut self, failed: usize) -> Option<Outcome> {
        self.phase = Phase::Send { failed };
        None
    }

    /// Prints an error. `End`: nothing comes after it.
    fn tell(&mut self, sys: &mut Sys<'_, SimKernel>, error: &SockError) -> Option<Outcome> {
        let probe = self.probe_of(error.to.1);
        let mut line = match (error.from, probe) {
            (None, _) => format!("{:2}?: {:<32} ", self.ttl, "[LOCALHOST]"),
            (Some(from), Some((ttl, _))) => format!("{ttl:2}:  {:<HOST_COLUMN$}", self.name(from)),
            (Some(from), None) => format!("{:2}?: {:<HOST_COLUMN$}", self.ttl, self.name(from)),
        };
        if let (Some(_), Some((_, sent))) = (error.from, probe) {
            let took = (error.at - sent).as_micros();
            line.push_str(&format!("{:3}.{:03}ms ", took / 1000, took % 1000));
        }
        let (hop, back) = (probe.map_or(self.ttl, |(ttl, _)| ttl.into()), u16::from(hops_back(error.ttl)));
        let expired = error.from.is_some() && error.icmp == (ICMP_TIME_EXCEEDED, ICMP_EXC_TTL);
        let outcome = match error.errno {
            Errno::EMSGSIZE => {
                line.push_str(&format!("pmtu {}", error.info));
                self.mtu = (error.info as usize).max(OVERHEAD);
                None
            }
            Errno::EHOSTUNREACH if expired => {
                if back != hop {
                    line.push_str(&format!("asymm {back:2} "));
                }
                None
            }
            Errno::ECONNREFUSED => {
                line.push_str("reached");
                self.hops = Some((hop, back));
                Some(Outcome::End)
            }
            errno => {
                line.push_str(remark(errno));
                Some(Outcome::End)
            }
        };
        line.push('\n');
        sys.out(&line);
        if outcome.is_some() && remark(error.errno).is_empty() && error.errno != Errno::ECONNREFUSED {
            sys.err(&format!("tracepath: NET ERROR: {}\n", error.errno));
        }
        outcome
    }

    /// The probe that was sent to a port: its TTL and when; it is answered by this.
    fn probe_of(&mut self, port: u16) -> Option<(u8, Time)> {
        let slot = port.wrapping_sub(self.options.port.unwrap_or(BASE_PORT));
        self.history.get_mut(usize::from(slot))?.take()
    }

    /// What is printed of an address. A name server that does not answer makes the name unknown; one that knows none
    /// leaves the number.
    fn name(&self, addr: Ipv4Addr) -> String {
        let name = match self.names.get(addr) {
            _ if self.options.numeric && !self.options.both => addr.to_string(),
            Ok(name) => name.to_owned(),
            Err(GaiError::NoName) => addr.to_string(),
            Err(_) => "???".to_owned(),
        };
        let text = if self.options.both { format!("{name} ({addr})") } else { name };
        // At least one space follows.
        if text.len() < HOST_COLUMN { text } else { format!("{text} ") }
    }
}

/// What stands in a probe: its TTL and when it was sent (`struct probehdr`), then zeros.
fn payload(ttl: u8, now: Time, length: usize) -> Vec<u8> {
    let micros = now.unix_nanos() / 1000;
    let mut bytes = Vec::with_capacity(length.max(24));
    bytes.extend(u64::from(ttl).to_le_bytes());
    bytes.extend((micros / 1_000_000).to_le_bytes());
    bytes.extend((micros % 1_000_000).to_le_bytes());
    bytes.resize(length, 0);
    bytes
}

/// How many hops an answer has made, if it began with 64, 128 or 255.
fn hops_back(ttl: u8) -> u8 {
    match ttl {
        ..=64 => 65 - ttl,
        65..=128 => 129 - ttl,
        _ => (256 - u16::from(ttl)) as u8,
    }
}

/// What an error that ends the path is called; empty if it has no name.
fn remark(errno: Errno) -> &'static str {
    match errno {
        Errno::EPROTO => "!P",
        Errno::EHOSTUNREACH => "!H",
        Errno::ENETUNREACH => "!N",
        Errno::EACCES => "!A",
        _ => "",
    }
}
