//! `getaddrinfo(3)` of glibc: the hosts file, then the name servers of `resolv.conf`. The questions for IPv4 and IPv6
//! addresses go out together, from one port (`res_send.c`); when one answer is missing they are asked again one after
//! the other, which is why a lost packet costs five seconds.

use hopwise_machine::Sys;
use hopwise_sim_core::{Duration, Time};
use hopwise_stack::socket::SocketKind;
use hopwise_stack::socket::tcp::Addr;

use super::message::{Data, Message, NXDOMAIN, TYPE_A, TYPE_AAAA};
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, GaiError, Host};
use crate::sock::Sock;

/// `resolv.conf(5)`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Config {
    pub(super) servers: Vec<Addr>,
    pub(super) search: Vec<String>,
    ndots: usize,
    pub(super) timeout: Duration,
    pub(super) attempts: u32,
    single: bool,
}

impl Config {
    pub(super) fn parse(text: &str) -> Config {
        let mut config = Config {
            servers: Vec::new(),
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
            single: false,
        };
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") if config.servers.len() < 3 => {
                    config.servers.extend(words.next().and_then(|w| w.parse().ok()).map(|addr| (addr, 53)));
                }
                Some("search" | "domain") => config.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|word| config.option(word)),
                _ => {}
            }
        }
        config
    }

    fn option(&mut self, word: &str) {
        let number = |text: &str, most: u64| text.parse().unwrap_or(0).min(most);
        match word.split_once(':') {
            Some(("ndots", n)) => self.ndots = number(n, 15) as usize,
            Some(("timeout", n)) => self.timeout = Duration::from_secs(number(n, 30).max(1)),
            Some(("attempts", n)) => self.attempts = number(n, 5).max(1) as u32,
            _ if word.starts_with("single-request") => self.single = true,
            _ => {}
        }
    }

    /// The names that are tried for one, in their order (`res_search`).
    fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let mut all: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let at = if name.matches('.').count() >= self.ndots { 0 } else { all.len() };
        all.insert(at, name.to_owned());
        all
    }
}

/// Reads `/etc/resolv.conf`.
pub(super) fn config(sys: &mut Sys<'_, SimKernel>) -> Config {
    let text = sys.read_file("/etc/resolv.conf").unwrap_or_default();
    Config::parse(&String::from_utf8_lossy(&text))
}

/// A name that is being looked up.
#[derive(Clone, Debug)]
pub struct Lookup {
    name: String,
    config: Config,
    candidates: Vec<String>,
    kinds: Vec<u16>,
    candidate: usize,
    server: usize,
    attempt: u32,
    /// One question after the other.
    single: bool,
    sock: Option<Sock>,
    /// The questions: their numbers, and what was answered.
    asked: Vec<(u16, u16, Option<Message>)>,
    until: Time,
    done: Option<Result<Host, GaiError>>,
    /// Whether some server said that it does not know.
    failed: bool,
}

impl Lookup {
    /// Begins; numbers and what the hosts file has are found at once.
    pub fn begin(sys: &mut Sys<'_, SimKernel>, name: &str, family: Family) -> Lookup {
        let at_once = resolve::resolve(sys, name, family);
        let config = config(sys);
        let asks = at_once == Err(GaiError::Again) && !config.servers.is_empty();
        let kinds = match family {
            Family::V4 => vec![TYPE_A],
            Family::V6 => vec![TYPE_AAAA],
            Family::Unspec => vec![TYPE_A, TYPE_AAAA],
        };
        let mut lookup = Lookup {
            name: name.to_owned(),
            candidates: config.candidates(name),
            kinds,
            candidate: 0,
            server: 0,
            attempt: 0,
            single: config.single,
            sock: None,
            asked: Vec::new(),
            until: sys.now(),
            done: if asks { None } else { Some(at_once) },
            failed: false,
            config,
        };
        if asks {
            lookup.ask(sys);
        }
        lookup
    }

    /// The result, when there is one.
    pub fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Result<Host, GaiError>> {
        while self.done.is_none() {
            self.receive(sys);
            if self.done.is_some() {
                break;
            }
            if sys.now() < self.until {
                return None;
            }
            let some = self.asked.iter().any(|(_, _, answer)| answer.is_some());
            if some && !self.single {
                // Perhaps the server, or a box on the way, cannot do two at once.
                self.single = true;
                self.ask(sys);
            } else {
                self.next_server(sys);
            }
        }
        self.done.clone()
    }

    /// Until when an answer is waited for.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// Asks the present server about the present name.
    fn ask(&mut self, sys: &mut Sys<'_, SimKernel>) {
        self.hang_up(sys);
        self.until = sys.now() + self.config.timeout;
        self.asked = self.kinds.clone().into_iter().map(|kind| (kind, sys.random_u32() as u16, None)).collect();
        let Some(&server) = self.config.servers.get(self.server) else { return };
        let Ok(sock) = Sock::open(sys, SocketKind::Udp) else { return };
        self.sock = Some(sock);
        if sys.kernel.net.connect_udp(sock.ns, sock.id, server).is_err() {
            self.until = sys.now();
            return;
        }
        let count = if self.single { 1 } else { self.asked.len() };
        for index in 0..count {
            self.send(sys, index);
        }
    }

    fn send(&mut self, sys: &mut Sys<'_, SimKernel>, index: usize) {
        let (Some(sock), Some(name)) = (self.sock, self.candidates.get(self.candidate)) else { return };
        let Some((kind, id, _)) = self.asked.get(index) else { return };
        let query = Message::query(*id, name, *kind).build();
        if sys.kernel.net.send_udp(sock.ns, sock.id, None, &query).is_err() {
            self.until = sys.now();
        }
    }

    fn receive(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let Some(sock) = self.sock else { return };
        while let Some(datagram) = sock.recv(sys) {
            let Some(answer) = Message::parse(&datagram.bytes).filter(|m| m.response) else { continue };
            let Some(place) = self.asked.iter().position(|(_, id, got)| *id == answer.id && got.is_none()) else {
                continue;
            };
            self.asked[place].2 = Some(answer);
            let next = place + 1;
            if self.single && next < self.asked.len() {
                self.until = sys.now() + self.config.timeout;
                self.send(sys, next);
            }
        }
        if sock.take_pending(sys).is_some() {
            self.next_server(sys);
            return;
        }
        if self.asked.iter().all(|(_, _, answer)| answer.is_some()) {
            self.answered(sys);
        }
    }

    /// All answers are there.
    fn answered(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let answers: Vec<&Message> = self.asked.iter().filter_map(|(_, _, answer)| answer.as_ref()).collect();
        let found = answers.iter().flat_map(|m| &m.answers).find_map(|record| match &record.data {
            Data::A(addr) => Some((*addr, record.owner.name.clone())),
            _ => None,
        });
        let refused = answers.iter().all(|m| m.rcode != 0 && m.rcode != NXDOMAIN);
        if let Some((addr, canonical)) = found {
            self.finish(sys, Ok(Host::V4 { addr, canonical, numeric: false }));
        } else if refused {
            self.failed = true;
            self.next_server(sys);
        } else if self.candidate + 1 < self.candidates.len() {
            self.candidate += 1;
            (self.server, self.attempt) = (0, 0);
            self.ask(sys);
        } else {
            self.finish(sys, Err(GaiError::NoName));
        }
    }

    fn next_server(&mut self, sys: &mut Sys<'_, SimKernel>) {
        self.server += 1;
        if self.server >= self.config.servers.len() {
            self.server = 0;
            self.attempt += 1;
        }
        // Who refuses is not asked a second time.
        if self.attempt >= self.config.attempts || (self.failed && self.server == 0) {
            self.finish(sys, Err(GaiError::Again));
        } else {
            self.ask(sys);
        }
    }

    fn finish(&mut self, sys: &mut Sys<'_, SimKernel>, result: Result<Host, GaiError>) {
        self.hang_up(sys);
        self.done = Some(result);
    }

    fn hang_up(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if let Some(sock) = self.sock.take() {
            sock.close(sys);
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_pod() {
        let config = Config::parse("search a.svc svc\nnameserver 10.96.0.10\noptions ndots:5 timeout:2 attempts:9\n");
        assert_eq!((config.servers.len(), config.timeout, config.attempts), (1, Duration::from_secs(2), 5));
        assert_eq!(config.candidates("web"), ["web.a.svc", "web.svc", "web"]);
        assert_eq!(config.candidates("web.x."), ["web.x"]);
        assert_eq!(Config::parse("search d").candidates("a.b"), ["a.b", "a.b.d"]);
    }
}
