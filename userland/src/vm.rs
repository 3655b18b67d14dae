//! `hopwise-vm`: a stand-in for a virtual machine behind a tap. It is no program of Linux, hence its name: where a
//! hypervisor would run a guest, it answers ARP and pings for one address, and can ping.
//!
//! ```text
//! hopwise-vm --tap tap0 --ip 10.0.0.5/24 [--mac 52:54:00:00:00:05] [--gateway 10.0.0.1] [--ping TARGET [--count N]]
//! ```
//!
//! Without `--ping` it runs until a signal ends it. With it, it sends one echo request a second, says which answers came,
//! and ends: status 0 if there was one.

use core::net::Ipv4Addr;

use hopwise_machine::{Program, Signal, Step, Sys, Wait};
use hopwise_protocols::wire::arp::{self, ARPOP_REPLY, ARPOP_REQUEST, ArpPacket};
use hopwise_protocols::wire::ethernet::{self, ETH_P_ARP, ETH_P_IP, MacAddr};
use hopwise_protocols::wire::{IntoBytes, icmp, ipv4};
use hopwise_sim_core::{Duration, Time};
use hopwise_stack::control::tun::{TunFile, TunRequest};

use crate::kernel::SimKernel;

/// Starts `hopwise-vm`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Vm { args: args.to_vec(), guest: None })
}

const USAGE: &str =
    "Usage: hopwise-vm --tap TAP --ip ADDRESS/LENGTH [--mac MAC] [--gateway ADDRESS] [--ping TARGET [--count N]]\n";

/// How long the last answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// The identifier of its echo requests.
const ECHO_ID: u16 = 0x7668;

#[derive(Clone)]
struct Vm {
    args: Vec<String>,
    guest: Option<Guest>,
}

/// What was asked for.
#[derive(Clone, Debug)]
struct Options {
    tap: String,
    ip: (Ipv4Addr, u8),
    mac: MacAddr,
    gateway: Option<Ipv4Addr>,
    ping: Option<Ipv4Addr>,
    count: u16,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, String> {
        let (mut tap, mut ip, mut mac) = (None, None, None);
        let (mut gateway, mut ping, mut count) = (None, None, 1);
        for pair in args.chunks(2) {
            let [name, value] = pair else { return Err(format!("{} needs a value", pair.join(" "))) };
            let wrong = || format!("`{value}` is no value for {name}");
            match name.as_str() {
                "--tap" => tap = Some(value.clone()),
                "--ip" => {
                    let (addr, len) = value.split_once('/').unwrap_or((value, "32"));
                    let both = addr.parse::<Ipv4Addr>().ok().zip(len.parse::<u8>().ok().filter(|len| *len <= 32));
                    ip = Some(both.ok_or_else(wrong)?);
                }
                "--mac" => mac = Some(parse_mac(value).ok_or_else(wrong)?),
                "--gateway" => gateway = Some(value.parse().map_err(|_| wrong())?),
                "--ping" => ping = Some(value.parse().map_err(|_| wrong())?),
                "--count" => count = value.parse().map_err(|_| wrong())?,
                _ => return Err(format!("{name} is not known")),
            }
        }
        let (tap, ip) = (tap.ok_or("--tap is missing")?, ip.ok_or("--ip is missing")?);
        let [_, b, c, d] = ip.0.octets();
        // QEMU's prefix, then the address.
        let mac = mac.unwrap_or(MacAddr([0x52, 0x54, 0x00, b, c, d]));
        Ok(Options { tap, ip, mac, gateway, ping, count })
    }

    /// To whom a frame for `to` goes.
    fn next_hop(&self, to: Ipv4Addr) -> Option<Ipv4Addr> {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.ip.1)).unwrap_or(0);
        if (to.to_bits() ^ self.ip.0.to_bits()) & mask == 0 { Some(to) } else { self.gateway }
    }
}

fn parse_mac(text: &str) -> Option<MacAddr> {
    let bytes: Vec<u8> = text.split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect::<Option<_>>()?;
    bytes.try_into().ok().map(MacAddr).filter(|mac| mac.is_valid())
}

impl Program<SimKernel> for Vm {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(guest) = &mut self.guest {
            return guest.step(sys);
        }
        match Guest::begin(sys, &self.args) {
            Ok(guest) => self.guest.insert(guest).step(sys),
            Err(text) => {
                sys.err(&text);
                Step::Exit(2)
            }
        }
    }
}

/// The guest: a host with one address.
#[derive(Clone)]
struct Guest {
    options: Options,
    tap: TunFile,
    /// The hardware addresses that it heard of.
    neighbours: Vec<(Ipv4Addr, MacAddr)>,
    sent: u16,
    answered: u16,
    /// When the next request is due, or the last answer too late.
    next: Option<Time>,
}

/// It remembers so many neighbours; a lab has a few.
const MAX_NEIGHBOURS: usize = 256;

impl Guest {
    fn begin(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Guest, String> {
        let options = Options::parse(args).map_err(|why| format!("hopwise-vm: {why}\n{USAGE}"))?;
        let (pid, ns) = (sys.pid(), sys.ns());
        let opened = sys.kernel.open_tun(pid, ns, &TunRequest::tap(&options.tap));
        let tap = opened.map_err(|errno| format!("hopwise-vm: {}: {errno}\n", options.tap))?;
        for signal in [Signal::INT, Signal::TERM] {
            sys.catch(signal);
        }
        let next = options.ping.map(|_| sys.now());
        Ok(Guest { options, tap, neighbours: Vec::new(), sent: 0, answered: 0, next })
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if sys.take_signal().is_some() {
            return Step::Exit(0);
        }
        loop {
            match sys.kernel.net.tun_read(self.tap) {
                Ok(Some(frame)) => self.receive(sys, &frame),
                Ok(None) => break,
                Err(errno) => {
                    sys.err(&format!("hopwise-vm: {}: {errno}\n", self.options.tap));
                    return Step::Exit(1);
                }
            }
        }
        let Some(target) = self.options.ping else { return Step::Block(Wait::event()) };
        if self.answered > 0 && self.answered == self.options.count {
            return Step::Exit(0);
        }
        if self.next.is_some_and(|at| at <= sys.now()) {
            if self.sent == self.options.count {
                return Step::Exit(i32::from(self.answered == 0));
            }
            self.sent += 1;
            self.ping(sys, target);
            self.next = Some(sys.now() + PATIENCE);
        }
        Step::Block(Wait::event().or_until(self.next))
    }

    /// Sends an echo request, or asks first whom to send it to.
    fn ping(&mut self, sys: &mut Sys<'_, SimKernel>, target: Ipv4Addr) {
        let Some(hop) = self.options.next_hop(target) else { return };
        let Some((_, mac)) = self.neighbours.iter().find(|(addr, _)| *addr == hop).copied() else {
            let (own, mac) = (self.options.ip.0, self.options.mac);
            let question = ArpPacket::new(ARPOP_REQUEST, mac, own, MacAddr::default(), hop);
            return self.send(sys, MacAddr::BROADCAST, ETH_P_ARP, question.as_bytes());
        };
        let [high, low] = self.sent.to_be_bytes();
        let [id_high, id_low] = ECHO_ID.to_be_bytes();
        let payload = [0x76; 56];
        let header = icmp::Header::new(icmp::ICMP_ECHO, 0, [id_high, id_low, high, low], &payload);
        self.send_ip(sys, mac, target, &[header.as_bytes(), &payload].concat());
    }

    fn send(&self, sys: &mut Sys<'_, SimKernel>, to: MacAddr, protocol: u16, payload: &[u8]) {
        let header = ethernet::Header::new(to, self.options.mac, protocol);
        // While the tap is down its frames are lost, as on a cable that is not plugged in.
        let _ = sys.kernel.net.tun_write(self.tap, &[header.as_bytes(), payload].concat());
    }

    fn send_ip(&self, sys: &mut Sys<'_, SimKernel>, mac: MacAddr, to: Ipv4Addr, message: &[u8]) {
        let mut header = ipv4::Header::new(self.options.ip.0, to, ipv4::IPPROTO_ICMP, message.len() as u16);
        header.seal(&[]);
        self.send(sys, mac, ETH_P_IP, &[header.as_bytes(), message].concat());
    }

    fn receive(&mut self, sys: &mut Sys<'_, SimKernel>, frame: &[u8]) {
        let Ok((header, payload)) = ethernet::parse(frame) else { return };
        let (source, to) = (header.src, header.dst);
        if to != self.options.mac && !to.is_multicast() {
            return;
        }
        match header.protocol() {
            ETH_P_ARP => self.arp(sys, payload),
            ETH_P_IP => self.ip(sys, source, payload),
            _ => {}
        }
    }

    /// Answers who asks for its address; a first answer that was waited for lets the ping go.
    fn arp(&mut self, sys: &mut Sys<'_, SimKernel>, payload: &[u8]) {
        let Ok(packet) = arp::parse(payload) else { return };
        let (own, from) = (self.options.ip.0, packet.sender_ip());
        if packet.target_ip() != own {
            return;
        }
        let known = self.neighbours.iter().any(|(addr, _)| *addr == from);
        self.neighbours.retain(|(addr, _)| *addr != from);
        if self.neighbours.len() < MAX_NEIGHBOURS {
            self.neighbours.push((from, packet.sha));
        }
        if packet.op.get() == ARPOP_REQUEST {
            let answer = ArpPacket::new(ARPOP_REPLY, self.options.mac, own, packet.sha, from);
            self.send(sys, packet.sha, ETH_P_ARP, answer.as_bytes());
        } else if let Some(target) =
            self.options.ping.filter(|target| !known && self.options.next_hop(*target) == Some(from))
        {
            self.ping(sys, target);
        }
    }

    /// Answers echo requests, and notes the answers to its own.
    fn ip(&mut self, sys: &mut Sys<'_, SimKernel>, source: MacAddr, payload: &[u8]) {
        let Ok(packet) = ipv4::parse(payload) else { return };
        if packet.header.dst() != self.options.ip.0 || packet.header.protocol != ipv4::IPPROTO_ICMP {
            return;
        }
        let from = packet.header.src();
        let Ok((header, data)) = icmp::parse(packet.payload) else { return };
        let rest = header.rest;
        match header.kind {
            icmp::ICMP_ECHO => {
                let answer = icmp::Header::new(icmp::ICMP_ECHOREPLY, 0, rest, data);
                self.send_ip(sys, source, from, &[answer.as_bytes(), data].concat());
            }
            icmp::ICMP_ECHOREPLY if rest[..2] == ECHO_ID.to_be_bytes() => {
                self.answered += 1;
                let number = u16::from_be_bytes([rest[2], rest[3]]);
                sys.out(&format!("hopwise-vm: answer {number} from {from}, ttl {}\n", packet.header.ttl));
            }
            _ => {}
        }
    }
}
