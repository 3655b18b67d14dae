//! `traceroute` 2.1.2: probes with rising TTL, sixteen at a time, by UDP or ICMP echo.

mod options;
mod probe;

use core::net::Ipv4Addr;

use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_protocols::wire::icmp::ICMP_HLEN;
use hopwise_protocols::wire::ipv4::IP_HLEN;
use hopwise_protocols::wire::udp::UDP_HLEN;
use hopwise_sim_core::{Duration, Errno, Time};

use crate::dns::{Lookup, Names};
use crate::kernel::SimKernel;
use crate::resolve::{Family, Host};
use crate::sock::PROBE_COST;
use options::{Method, Options, Refusal};
use probe::{Probe, Prober};

/// Bytes of a probe after its headers, unless a length is given (`DEF_DATA_LEN`), the ICMP or UDP header included.
const DEF_DATA_LEN: usize = 40;

/// What is added to the time of an answer before it is multiplied to get a time to wait (`DEF_WAIT_PREC`).
const WAIT_PRECISION: f64 = 0.001;

/// `traceroute`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Traceroute { args: args.to_vec(), lookup: None, run: None })
}

#[derive(Clone)]
struct Traceroute {
    args: Vec<String>,
    lookup: Option<Box<Lookup>>,
    run: Option<Box<Run>>,
}

impl Program<SimKernel> for Traceroute {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(run) = &mut self.run {
            return run.step(sys);
        }
        let begun = match self.resolved(sys) {
            Err(step) => return step,
            Ok(resolved) => resolved.and_then(|(options, target)| begin(sys, options, target)),
        };
        match begun {
            Ok(run) => self.run.insert(Box::new(run)).step(sys),
            Err((status, text)) => {
                sys.err(&text);
                Step::Exit(status)
            }
        }
    }
}

/// What went wrong on the way: a system call by name, and its error. The line in progress ends first.
pub(crate) fn failure(call: &str, errno: Errno) -> Refusal {
    (1, format!("\n{call}: {errno}\n"))
}

impl Traceroute {
    /// The options, and the address of the host once it is known. `Err`: what is waited for.
    fn resolved(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Result<(Options, Ipv4Addr), Refusal>, Step> {
        let options = match Options::parse(&self.args) {
            Ok(options) => options,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let (word, position, argc) = &options.host;
        let family = if options.six { Family::V6 } else { Family::V4 };
        let cannot = |why: &dyn core::fmt::Display| {
            let which = format!("Cannot handle \"host\" cmdline arg `{word}' on position {position} (argc {argc})");
            Err((2, format!("{word}: {why}\n{which}\n")))
        };
        let lookup = self.lookup.get_or_insert_with(|| Box::new(Lookup::begin(sys, word, family)));
        Ok(match lookup.wait(sys)? {
            Ok(Host::V4 { addr, .. }) => Ok((options, addr)),
            Ok(Host::V6(_)) => cannot(&"Address family not supported by protocol"),
            Err(why) => cannot(&why),
        })
    }
}

fn begin(sys: &mut Sys<'_, SimKernel>, options: Options, target: Ipv4Addr) -> Result<Run, Refusal> {
    let word = options.host.0.clone();
    let own_header = if options.method == Method::Icmp { ICMP_HLEN } else { UDP_HLEN };
    let headers = IP_HLEN + own_header;
    let data = options.length.map_or(DEF_DATA_LEN - own_header, |length| length.saturating_sub(headers));
    let prober = Prober::open(sys, &options, target, data)?;
    sys.out(&format!("traceroute to {word} ({target}), {} hops max, {} byte packets", options.max, headers + data));
    let count = options.max * options.queries;
    Ok(Run {
        next: (options.first - 1) * options.queries,
        end: count,
        probes: vec![Probe::default(); count],
        prober,
        last_sent: None,
        busy: sys.now(),
        names: Names::default(),
        options,
    })
}

/// Why a trace does not go on at once.
enum Pause {
    /// It waits for answers, until then.
    Until(Time),
    /// It waits for a name.
    Name(Step),
}

/// A trace under way (`do_it`).
#[derive(Clone)]
struct Run {
    options: Options,
    prober: Prober,
    probes: Vec<Probe>,
    /// The first probe that is not printed yet.
    next: usize,
    /// The first probe that is not needed.
    end: usize,
    last_sent: Option<Time>,
    /// Until when it is busy with sending: answers that come meanwhile are looked at together.
    busy: Time,
    names: Names,
}

impl Run {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        loop {
            if sys.now() < self.busy {
                return Step::Block(Wait::until(self.busy));
            }
            self.prober.receive(sys, &mut self.probes);
            if self.next >= self.end {
                sys.out("\n");
                return Step::Exit(0);
            }
            match self.round(sys) {
                Err((status, text)) => {
                    sys.err(&text);
                    return Step::Exit(status);
                }
                Ok(None) => {}
                Ok(Some(Pause::Name(step))) => return step,
                Ok(Some(_)) if self.prober.is_ready(sys, &self.probes) => {}
                Ok(Some(Pause::Until(until))) => return Step::Block(Wait::until(until)),
            }
        }
    }

    /// Looks at each probe once: too old, to be printed, to be sent. Gives until when to wait for answers.
    fn round(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Pause>, Refusal> {
        let now = sys.now();
        let (mut waiting, mut until) = (0, None::<Time>);
        let mut n = self.next;
        while n < self.end {
            self.expire(sys, n, now);
            if self.probes[n].done {
                if n == self.next {
                    if let Some(step) = self.new_address(n).and_then(|addr| self.names.wait_for(sys, addr)) {
                        return Ok(Some(Pause::Name(step)));
                    }
                    self.print(sys, n);
                    self.next += 1;
                }
                if self.probes[n].last {
                    self.end = (n / self.options.queries + 1) * self.options.queries;
                }
                n += 1;
                continue;
            }
            if self.probes[n].sent.is_none() {
                if let Some(pause) = self.pause_until(now) {
                    until = Some(until.map_or(pause, |t| t.min(pause)));
                    break;
                }
                let ttl = (n / self.options.queries + 1) as u8;
                self.prober.send(sys, &self.options, &mut self.probes, n, ttl)?;
                self.last_sent = Some(now);
                self.busy = self.busy.max(now) + PROBE_COST;
            }
            let expiry = now.max(self.probes[n].sent.unwrap_or(now) + self.patience(n));
            until = Some(until.map_or(expiry, |t| t.min(expiry)));
            waiting += 1;
            if waiting >= self.options.simultaneous {
                break;
            }
            n += 1;
        }
        Ok(until.map(Pause::Until))
    }

    /// The address of the probe's answer, if its name will be printed.
    fn new_address(&self, n: usize) -> Option<Ipv4Addr> {
        let from = self.probes[n].from.filter(|_| !self.options.numeric)?;
        let place = n % self.options.queries;
        (self.probes[n - place..n].iter().rev().find_map(|p| p.from) != Some(from)).then_some(from)
    }

    /// When the next probe may be sent, if that is not now.
    fn pause_until(&self, now: Time) -> Option<Time> {
        self.last_sent.map(|last| last + self.options.pause).filter(|t| *t > now)
    }

    fn expire(&mut self, sys: &mut Sys<'_, SimKernel>, n: usize, now: Time) {
        let probe = &self.probes[n];
        let Some(sent) = probe.sent.filter(|_| !probe.done) else { return };
        if now >= sent + self.patience(n) {
            self.prober.close(sys, &mut self.probes[n]);
            self.probes[n].done = true;
            probe::settle_expired(&mut self.probes, n, self.options.queries);
        }
    }

    /// How long to wait for this probe's answer: as long as told, or a multiple of what a neighbouring probe took
    /// (`get_timeout`).
    fn patience(&self, n: usize) -> Duration {
        let (max, here, near) = self.options.wait;
        let took = |probe: &Probe| Some((probe.received? - probe.sent?).as_secs_f64()).filter(|_| probe.done);
        let hop = n / self.options.queries * self.options.queries;
        let same_hop = self.probes[hop..hop + self.options.queries].iter().find_map(took).filter(|_| here > 0.0);
        let later = self.probes[n + 1..].iter().take_while(|p| p.sent.is_some()).find_map(took).filter(|_| near > 0.0);
        let seconds = match (same_hop, later) {
            (Some(time), _) => ((time + WAIT_PRECISION) * here).min(max),
            (None, Some(time)) => ((time + WAIT_PRECISION) * near).min(max),
            (None, None) => max,
        };
        Duration::from_micros((seconds * 1e6) as u64)
    }

    fn print(&self, sys: &mut Sys<'_, SimKernel>, n: usize) {
        let probe = &self.probes[n];
        let place = n % self.options.queries;
        let mut text = String::new();
        if place == 0 {
            text.push_str(&format!("\n{:2} ", n / self.options.queries + 1));
        }
        match probe.from {
            None => text.push_str(" *"),
            Some(from) => {
                // The address is not repeated for the same hop.
                let before = self.probes[n - place..n].iter().rev().find_map(|p| p.from);
                if before != Some(from) {
                    text.push_str(&self.name(from));
                }
            }
        }
        if let (Some(sent), Some(received)) = (probe.sent, probe.received) {
            let micros = (received - sent).as_micros();
            text.push_str(&format!("  {}.{:03} ms", micros / 1000, micros % 1000));
        }
        if !probe.remark.is_empty() {
            text.push_str(&format!(" {}", probe.remark));
        }
        sys.out(&text);
    }

    fn name(&self, addr: Ipv4Addr) -> String {
        if self.options.numeric {
            return format!(" {addr}");
        }
        let name = self.names.get(addr).map_or_else(|_| addr.to_string(), str::to_owned);
        format!(" {name} ({addr})")
    }
}
