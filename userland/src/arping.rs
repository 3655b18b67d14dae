//! `arping` of iputils 20221126.

use core::net::Ipv4Addr;

use hopwise_devices::LinkFlags;
use hopwise_machine::{Program, Signal, Step, Sys, Wait};
use hopwise_protocols::wire::IntoBytes;
use hopwise_protocols::wire::arp::{self, ARPOP_REPLY, ARPOP_REQUEST, ArpPacket};
use hopwise_protocols::wire::ethernet::{ETH_HLEN, ETH_P_ARP, MacAddr};
use hopwise_sim_core::{Duration, Errno, IfIndex, PacketType, Time};
use hopwise_stack::capture::Direction;
use hopwise_stack::path::route::OutputFlow;
use hopwise_stack::socket::{Datagram, LinkDest, SocketKind};

use crate::dns::Lookup;
use crate::getopt;
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, GaiError, Host};
use crate::sock::{Sock, link_named};

const USAGE: &str = "\nUsage:\n  arping [options] <destination>\n\nOptions:\n\
\x20 -f            quit on first reply\n\
\x20 -q            be quiet\n\
\x20 -b            keep on broadcasting, do not unicast\n\
\x20 -D            duplicate address detection mode\n\
\x20 -U            unsolicited ARP mode, update your neighbours\n\
\x20 -A            ARP answer mode, update your neighbours\n\
\x20 -V            print version and exit\n\
\x20 -c <count>    how many packets to send\n\
\x20 -w <timeout>  how long to wait for a reply\n\
\x20 -i <interval> set interval between packets (default: 1 second)\n\
\x20 -I <device>   which ethernet device to use\n\
\x20 -s <source>   source ip address\n\
\x20 <destination> dns name or ip address\n\nFor more details see arping(8).\n";

/// `arping`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Arping { args: args.to_vec(), lookup: None, run: None })
}

#[derive(Clone)]
struct Arping {
    args: Vec<String>,
    lookup: Option<Box<Lookup>>,
    run: Option<Run>,
}

/// Why arping ends before its first probe: exit status and text.
type Refusal = (i32, String);

fn complain(status: i32, text: impl core::fmt::Display) -> Refusal {
    (status, format!("arping: {text}\n"))
}

/// The command line.
#[derive(Clone, Default, Debug)]
struct Options {
    quit_on_reply: bool,
    quiet: bool,
    broadcast_only: bool,
    dad: bool,
    unsolicited: bool,
    answer: bool,
    count: Option<u64>,
    timeout: Option<u64>,
    /// `-i`; 0 sends one probe and waits for ever, the timer being switched off.
    interval: u64,
    device: Option<String>,
    source: Option<Ipv4Addr>,
    target: String,
}

impl Options {
    fn parse(args: &[String]) -> Result<Options, Refusal> {
        let parsed = getopt::parse(args, "h?bfDUAqc:w:i:s:I:V", &[]);
        let mut options = Options { interval: 1, ..Options::default() };
        for option in parsed.options {
            let option = option.map_err(|why| (2, format!("arping: {why}\n{USAGE}")))?;
            let text = option.text();
            match option.key {
                'b' => options.broadcast_only = true,
                'D' => (options.dad, options.quit_on_reply) = (true, true),
                'U' => options.unsolicited = true,
                'A' => (options.unsolicited, options.answer) = (true, true),
                'q' => options.quiet = true,
                'f' => options.quit_on_reply = true,
                'c' => options.count = Some(number(text, 1)?),
                'w' => options.timeout = Some(number(text, 0)?).filter(|w| *w > 0),
                'i' => options.interval = number(text, 0)?,
                'I' => options.device = Some(text.to_owned()),
                's' => {
                    let source = resolve::inet_aton(text);
                    options.source = Some(source.ok_or_else(|| complain(2, format!("invalid source {text}")))?);
                }
                'V' => {
                    let more = "libcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes";
                    return Err((0, format!("arping from iputils 20221126\n{more}\n")));
                }
                _ => return Err((2, USAGE.to_owned())),
            }
        }
        match parsed.operands.as_slice() {
            [target] => options.target.clone_from(target),
            _ => return Err((2, USAGE.to_owned())),
        }
        Ok(options)
    }
}

fn number(text: &str, min: i64) -> Result<u64, Refusal> {
    let max = i64::from(i32::MAX);
    match getopt::strtol(text) {
        Some(value) if (min..=max).contains(&value) => Ok(value as u64),
        Some(_) => Err(complain(1, format!("invalid argument: '{text}': out of range: {min} <= value <= {max}"))),
        None => Err(complain(1, format!("invalid argument: '{text}'"))),
    }
}

impl Program<SimKernel> for Arping {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(run) = &mut self.run {
            return run.step(sys);
        }
        let begun = match self.resolved(sys) {
            Err(step) => return step,
            Ok(resolved) => resolved.and_then(|(options, target)| begin(sys, options, target)),
        };
        match begun {
            Ok(run) => self.run.insert(run).step(sys),
            Err((status, text)) => {
                if status == 0 {
                    sys.out(&text)
                } else {
                    sys.err(&text)
                }
                Step::Exit(status)
            }
        }
    }
}

impl Arping {
    /// The options, and the address of the target once it is known. `Err`: what is waited for.
    fn resolved(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Result<(Options, Ipv4Addr), Refusal>, Step> {
        let options = match Options::parse(&self.args) {
            Ok(options) => options,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let lookup = self.lookup.get_or_insert_with(|| Box::new(Lookup::begin(sys, &options.target, Family::V4)));
        Ok(match lookup.wait(sys)? {
            Ok(Host::V4 { addr, .. }) => Ok((options, addr)),
            Ok(Host::V6(_)) => Err(complain(2, format!("{}: {}", options.target, GaiError::AddrFamily))),
            Err(why) => Err(complain(2, format!("{}: {why}", options.target))),
        })
    }
}

fn begin(sys: &mut Sys<'_, SimKernel>, options: Options, target: Ipv4Addr) -> Result<Run, Refusal> {
    let link = find_device(sys, &options, target)?;
    let (name, mac, flags) = {
        let dev = sys.kernel.net.ns(sys.ns()).and_then(|ns| ns.devs.get(link));
        let dev = dev.ok_or_else(|| complain(2, "Interface disappeared"))?;
        (dev.name.to_string(), dev.addr, dev.flags)
    };
    // Without the program's name, and no failure when looking for duplicates: nobody else can have the address there.
    let unfit = |what: &str| match (options.dad, options.quiet) {
        (dad, true) => (if dad { 0 } else { 2 }, String::new()),
        (dad, false) => (if dad { 0 } else { 2 }, format!("Interface \"{name}\" is {what}\n")),
    };
    if !flags.contains(LinkFlags::UP) {
        return Err(unfit("down"));
    }
    if flags.intersects(LinkFlags::NOARP | LinkFlags::LOOPBACK) {
        return Err(unfit("not ARPable"));
    }
    let wanted = options.source.or(Some(target).filter(|_| options.unsolicited));
    let source = find_source(sys, &options, wanted, target, link)?;
    if !options.quiet {
        sys.out(&format!("ARPING {target} from {source} {name}\n"));
    }
    if source.is_unspecified() && !options.dad {
        return Err(complain(2, "no source address in not-DAD mode"));
    }
    let failed = |errno: Errno| complain(2, format!("socket: {errno}"));
    let sock = Sock::open(sys, SocketKind::Packet { protocol: ETH_P_ARP }).map_err(failed)?;
    sys.kernel.net.bind_to_link(sock.ns, sock.id, link).map_err(failed)?;
    for signal in [Signal::INT, Signal::QUIT, Signal::TERM] {
        sys.catch(signal);
    }
    let deadline = options.timeout.map(|w| sys.now() + Duration::from_secs(w));
    Ok(Run {
        sock,
        link,
        source,
        target,
        mac,
        peer: MacAddr::BROADCAST,
        next: Some(sys.now()),
        last: sys.now(),
        deadline,
        options,
        sent: 0,
        broadcasts: 0,
        received: 0,
        broadcasts_received: 0,
        requests_received: 0,
    })
}

/// The link of `-I`, or the one that packets to the target leave through.
fn find_device(sys: &Sys<'_, SimKernel>, options: &Options, target: Ipv4Addr) -> Result<IfIndex, Refusal> {
    match &options.device {
        Some(name) => link_named(sys, name).ok_or_else(|| complain(2, format!("Device {name} not available."))),
        None => {
            let flow = OutputFlow { dst: target, ..OutputFlow::default() };
            let route = sys.kernel.net.route_for(sys.ns(), &flow);
            // What arping makes of netlink's refusal.
            route.map(|r| r.oif).map_err(|_| complain(1, "NETLINK_ROUTE unexpected iov element"))
        }
    }
}

/// The address to ask with: the one given if it is ours, or the one the kernel would take.
fn find_source(
    sys: &mut Sys<'_, SimKernel>,
    options: &Options,
    wanted: Option<Ipv4Addr>,
    target: Ipv4Addr,
    link: IfIndex,
) -> Result<Ipv4Addr, Refusal> {
    if options.dad && wanted.is_none() {
        return Ok(Ipv4Addr::UNSPECIFIED);
    }
    if let Some(source) = wanted {
        let own = sys.kernel.net.ns(sys.ns()).is_some_and(|ns| ns.is_own(source) || source.is_loopback());
        return if own { Ok(source) } else { Err(complain(2, format!("bind: {}", Errno::EADDRNOTAVAIL))) };
    }
    let flow = OutputFlow { dst: target, oif: link, ..OutputFlow::default() };
    let route = sys.kernel.net.route_for(sys.ns(), &flow);
    route.map(|r| r.src).map_err(|errno| complain(2, format!("connect: {errno}")))
}

/// An arping under way.
#[derive(Clone)]
struct Run {
    options: Options,
    sock: Sock,
    link: IfIndex,
    source: Ipv4Addr,
    target: Ipv4Addr,
    mac: MacAddr,
    /// Whom to ask: everybody, until somebody has answered.
    peer: MacAddr,
    /// When the next probe is due.
    next: Option<Time>,
    last: Time,
    deadline: Option<Time>,
    sent: u64,
    broadcasts: u64,
    received: u64,
    broadcasts_received: u64,
    requests_received: u64,
}

impl Run {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        while let Some(datagram) = self.sock.recv(sys) {
            let all = self.options.timeout.is_some() && self.options.count == Some(self.received + 1);
            if self.take(sys, &datagram) && (self.options.quit_on_reply || all) {
                return self.finish(sys);
            }
        }
        if sys.take_signal().is_some() {
            return self.finish(sys);
        }
        let over = self.deadline.is_some_and(|d| sys.now() >= d);
        if let Some(next) = self.next.filter(|next| sys.now() >= *next) {
            if self.options.count.is_some_and(|count| self.sent >= count) {
                return self.finish(sys);
            }
            // A probe that is due when the time is over is still sent; nobody waits for its answer.
            self.send(sys);
            let interval = Duration::from_secs(self.options.interval);
            self.next = (self.options.interval > 0).then(|| next + interval);
        }
        if over {
            return self.finish(sys);
        }
        Step::Block(Wait::event().or_until(self.next).or_until(self.deadline))
    }

    fn send(&mut self, sys: &mut Sys<'_, SimKernel>) {
        // Where RFC 826 leaves the field open, arping writes the address the frame goes to.
        let (op, about) = if self.options.answer { (ARPOP_REPLY, self.mac) } else { (ARPOP_REQUEST, self.peer) };
        let packet = ArpPacket::new(op, self.mac, self.source, about, self.target);
        let to = LinkDest { link: self.link, protocol: ETH_P_ARP, dst: self.peer };
        self.last = sys.now();
        match sys.kernel.net.send_frame(self.sock.ns, to, packet.as_bytes()) {
            Ok(_) => {
                self.sent += 1;
                self.broadcasts += u64::from(self.peer == MacAddr::BROADCAST);
            }
            Err(errno) => sys.err(&format!("arping: sendto: {errno}\n")),
        }
    }

    /// Looks at an ARP packet; true if it answers the question (`recv_pack`).
    fn take(&mut self, sys: &mut Sys<'_, SimKernel>, datagram: &Datagram) -> bool {
        let Some((Direction::In, kind)) = datagram.seen else { return false };
        if kind == PacketType::OtherHost {
            return false;
        }
        let Ok(packet) = arp::parse(datagram.bytes.get(ETH_HLEN..).unwrap_or_default()) else { return false };
        let (from, to) = (packet.sender_ip(), packet.target_ip());
        let fits = if self.options.dad {
            from == self.target && packet.sha != self.mac && (self.source.is_unspecified() || self.source == to)
        } else {
            from == self.target && to == self.source && packet.tha == self.mac
        };
        if !fits {
            return false;
        }
        if !self.options.quiet {
            self.print(sys, packet, kind, datagram.at);
        }
        self.received += 1;
        self.broadcasts_received += u64::from(kind != PacketType::Host);
        self.requests_received += u64::from(packet.op.get() == ARPOP_REQUEST);
        if !self.options.broadcast_only {
            self.peer = packet.sha;
        }
        true
    }

    fn print(&self, sys: &mut Sys<'_, SimKernel>, packet: &ArpPacket, kind: PacketType, at: Time) {
        let how = if kind == PacketType::Host { "Unicast" } else { "Broadcast" };
        let what = if packet.op.get() == ARPOP_REPLY { "reply" } else { "request" };
        let mut line = format!("{how} {what} from {} [{}] ", packet.sender_ip(), upper(packet.sha));
        let other_addr = packet.target_ip() != self.source;
        if other_addr {
            line.push_str(&format!("for {} ", packet.target_ip()));
        }
        if packet.tha != self.mac {
            line.push_str(if other_addr { "[" } else { "for [" });
            line.push_str(&format!("{}] ", upper(packet.tha)));
        }
        let micros = (at - self.last).as_micros();
        sys.out(&format!("{line} {}.{:03}ms\n", micros / 1000, micros % 1000));
    }

    fn finish(&self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if !self.options.quiet {
            let mut text = format!("Sent {} probes ({} broadcast(s))\n", self.sent, self.broadcasts);
            text.push_str(&format!("Received {} response(s)", self.received));
            let requests = Some(self.requests_received).filter(|n| *n > 0).map(|n| format!("{n} request(s)"));
            let broadcasts = Some(self.broadcasts_received).filter(|n| *n > 0).map(|n| format!("{n} broadcast(s)"));
            let more: Vec<String> = requests.into_iter().chain(broadcasts).collect();
            if !more.is_empty() {
                text.push_str(&format!(" ({})", more.join(", ")));
            }
            sys.out(&(text + "\n"));
        }
        Step::Exit(self.status())
    }

    fn status(&self) -> i32 {
        if self.options.unsolicited {
            0
        } else if self.options.dad {
            i32::from(self.broadcasts == self.received)
        } else if self.options.timeout.is_some() && self.options.count.is_none() {
            i32::from(self.received == 0)
        } else {
            i32::from(self.sent != self.received)
        }
    }
}

/// As arping prints hardware addresses.
fn upper(addr: MacAddr) -> String {
    addr.to_string().to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Refusal> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn mistakes_in_arpings_own_words() {
        for (line, status, text) in [
            ("-c x h", 1, "arping: invalid argument: 'x'\n"),
            ("-c 0 h", 1, "arping: invalid argument: '0': out of range: 1 <= value <= 2147483647\n"),
            ("-s foo h", 2, "arping: invalid source foo\n"),
            ("a b", 2, USAGE),
            ("", 2, USAGE),
        ] {
            assert_eq!(parse(line).unwrap_err(), (status, text.to_owned()), "{line}");
        }
        assert!(parse("-Z h").unwrap_err().1.starts_with("arping: invalid option -- 'Z'\n\nUsage:\n"));
    }

    #[test]
    fn duplicate_detection_ends_with_the_first_reply() {
        let options = parse("-D -w 0 -I eth0 10.0.0.1").unwrap();
        assert!(options.dad && options.quit_on_reply);
        assert_eq!((options.timeout, options.device.as_deref()), (None, Some("eth0")));
    }
}
