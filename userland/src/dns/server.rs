//! A small name server with the options of dnsmasq 2.90: addresses from the hosts file and from its command line. It
//! asks no other server.

use core::net::{IpAddr, Ipv4Addr};

use hopwise_machine::{Program, Spawn, Step, Sys, Wait};
use hopwise_sim_core::Errno;
use hopwise_stack::socket::SocketKind;

use super::message::{
    Data, Message, NXDOMAIN, Question, REFUSED, Record, TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_PTR, reverse_name,
    type_name,
};
use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;
use crate::sock::Sock;

const LONG: &[Long] = &[
    ("address", Argument::Required, 'A'),
    ("addn-hosts", Argument::Required, 'H'),
    ("bind-interfaces", Argument::No, 'z'),
    ("bogus-priv", Argument::No, 'b'),
    ("cache-size", Argument::Required, 'c'),
    ("cname", Argument::Required, '1'),
    ("conf-file", Argument::Required, 'C'),
    ("domain-needed", Argument::No, 'D'),
    ("except-interface", Argument::Required, '4'),
    ("help", Argument::No, 'w'),
    ("host-record", Argument::Required, '2'),
    ("interface", Argument::Required, 'i'),
    ("keep-in-foreground", Argument::No, 'k'),
    ("listen-address", Argument::Required, 'a'),
    ("local", Argument::Required, 'S'),
    ("local-ttl", Argument::Required, 'T'),
    ("log-facility", Argument::Required, '8'),
    ("log-queries", Argument::Optional, 'q'),
    ("no-daemon", Argument::No, 'd'),
    ("no-hosts", Argument::No, 'h'),
    ("no-poll", Argument::No, 'n'),
    ("no-resolv", Argument::No, 'R'),
    ("pid-file", Argument::Optional, 'x'),
    ("port", Argument::Required, 'p'),
    ("server", Argument::Required, 'S'),
    ("user", Argument::Optional, 'u'),
    ("version", Argument::No, 'v'),
];

/// `dnsmasq`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Dnsmasq { args: args.to_vec(), server: None })
}

#[derive(Clone)]
struct Dnsmasq {
    args: Vec<String>,
    server: Option<Server>,
}

impl Program<SimKernel> for Dnsmasq {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(server) = &mut self.server {
            return server.step(sys);
        }
        match Server::begin(sys, &self.args) {
            Ok(server) if server.foreground => self.server.insert(server).step(sys),
            Ok(mut server) => {
                server.close(sys);
                let daemon = Dnsmasq { args: self.args.clone(), server: Some(server) };
                match sys.spawn(Spawn::fork(Box::new(daemon))) {
                    Ok(_) => Step::Exit(0),
                    Err(errno) => {
                        sys.err(&format!("\ndnsmasq: cannot fork into background: {errno}\n"));
                        Step::Exit(5)
                    }
                }
            }
            Err((status, text)) => {
                if status == 0 {
                    sys.out(&text);
                } else {
                    sys.err(&format!("\n{text}\n"));
                }
                Step::Exit(status)
            }
        }
    }
}

/// What is known.
#[derive(Clone, Default, Debug)]
struct Zone {
    /// Names and their addresses.
    hosts: Vec<(String, IpAddr)>,
    /// Domains all of whose names have an address; `None`: there is no such name.
    domains: Vec<(String, Option<Ipv4Addr>)>,
    /// Names that stand for others.
    aliases: Vec<(String, String)>,
    /// Domains that nobody else knows better.
    local: Vec<String>,
    ttl: u32,
}

#[derive(Clone, Debug)]
struct Server {
    zone: Zone,
    sock: Option<Sock>,
    at: (Ipv4Addr, u16),
    foreground: bool,
    log: bool,
}

type Refusal = (i32, String);

impl Server {
    fn begin(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Server, Refusal> {
        let at = (Ipv4Addr::UNSPECIFIED, 53);
        let mut server = Server { zone: Zone::default(), sock: None, at, foreground: false, log: false };
        let bad = |why: &str| (1, format!("dnsmasq: bad command line options: {why}"));
        let parsed = getopt::parse(args, "a:A:bc:C:dDhH:i:knp:qRS:T:u:vwx:z", LONG);
        let (mut options, mut file) = (Vec::new(), None);
        for option in parsed.options {
            let option = option.map_err(|_| bad("try --help"))?;
            match option.key {
                'v' => return Err((0, "Dnsmasq version 2.90  Copyright (c) 2000-2024 Simon Kelley\n".into())),
                'C' => file = Some(option.text().to_owned()),
                key => options.push((key, option.text().to_owned())),
            }
        }
        let path = file.clone().unwrap_or_else(|| "/etc/dnsmasq.conf".into());
        match sys.read_file(&path) {
            Ok(text) => options.extend(from_file(&String::from_utf8_lossy(&text))),
            Err(errno) if file.is_some() && errno != Errno::EISDIR => {
                return Err((3, format!("dnsmasq: cannot read {path}: {errno}")));
            }
            Err(_) => {}
        }
        let no_hosts = options.iter().any(|(key, _)| *key == 'h');
        for (key, text) in &options {
            server.option(sys, *key, text).map_err(bad)?;
        }
        if !no_hosts {
            server.zone.read_hosts(sys, "/etc/hosts");
        }
        server.open(sys)?;
        Ok(server)
    }

    fn option(&mut self, sys: &mut Sys<'_, SimKernel>, key: char, text: &str) -> Result<(), &'static str> {
        match key {
            'd' => (self.foreground, self.log) = (true, self.log),
            'k' => self.foreground = true,
            'q' => self.log = true,
            'p' => self.at.1 = text.parse().map_err(|_| "bad port")?,
            'a' => self.at.0 = text.parse().map_err(|_| "bad address")?,
            'T' => self.zone.ttl = text.parse().map_err(|_| "bad ttl")?,
            'H' => self.zone.read_hosts(sys, text),
            'A' => {
                let mut parts: Vec<&str> = text.trim_start_matches('/').split('/').collect();
                let addr = parts.pop().filter(|addr| !addr.is_empty());
                let addr = addr.map(|a| a.parse().map_err(|_| "bad address")).transpose()?;
                self.zone.domains.extend(parts.into_iter().map(|domain| (lower(domain), addr)));
            }
            'S' => {
                let parts: Vec<&str> = text.trim_start_matches('/').split('/').collect();
                match parts.split_last() {
                    Some((&"", domains)) => self.zone.local.extend(domains.iter().map(|d| lower(d))),
                    _ => return Err("other servers are not asked here"),
                }
            }
            '1' => {
                let names: Vec<&str> = text.split(',').collect();
                let (target, names) = names.split_last().filter(|(_, names)| !names.is_empty()).ok_or("bad CNAME")?;
                self.zone.aliases.extend(names.iter().map(|name| (lower(name), lower(target))));
            }
            '2' => {
                let words: Vec<&str> = text.split(',').collect();
                let addrs: Vec<IpAddr> = words.iter().filter_map(|w| w.parse().ok()).collect();
                let names = words.iter().take_while(|w| w.parse::<IpAddr>().is_err());
                let names: Vec<String> = names.map(|name| lower(name)).collect();
                self.zone.hosts.extend(names.iter().flat_map(|n| addrs.iter().map(move |addr| (n.clone(), *addr))));
            }
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), Refusal> {
        let failed = |errno: Errno| {
            let (addr, port) = self.at;
            let at = if addr.is_unspecified() { format!("port {port}") } else { addr.to_string() };
            (2, format!("dnsmasq: failed to create listening socket for {at}: {errno}"))
        };
        let sock = Sock::open(sys, SocketKind::Udp).map_err(failed)?;
        sys.kernel.net.bind_udp(sock.ns, sock.id, self.at.0, self.at.1).map_err(failed)?;
        self.sock = Some(sock);
        Ok(())
    }

    fn close(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if let Some(sock) = self.sock.take() {
            sock.close(sys);
        }
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        // The process that stays behind has sockets of its own.
        if self.sock.is_none() && self.open(sys).is_err() {
            return Step::Exit(2);
        }
        while let Some(datagram) = self.sock.and_then(|sock| sock.recv(sys)) {
            let Some(query) = Message::parse(&datagram.bytes).filter(|m| !m.response) else { continue };
            let answer = self.answer(sys, &query, datagram.from.0).build();
            let Some(sock) = self.sock else { continue };
            // The answer comes from the address that was asked.
            let net = &mut sys.kernel.net;
            let asked = net.socket_mut(sock.ns, sock.id).map(|s| core::mem::replace(&mut s.local.0, datagram.to.0));
            // A client that has gone does not matter.
            let _ = net.send_udp(sock.ns, sock.id, Some(datagram.from), &answer);
            if let (Some(local), Some(socket)) = (asked, net.socket_mut(sock.ns, sock.id)) {
                socket.local.0 = local;
            }
        }
        Step::Block(Wait::event())
    }

    fn answer(&self, sys: &mut Sys<'_, SimKernel>, query: &Message, from: Ipv4Addr) -> Message {
        let mut answer = Message {
            id: query.id,
            response: true,
            recursion_desired: query.recursion_desired,
            recursion_available: true,
            questions: query.questions.clone(),
            edns: query.edns.map(|_| 1232),
            ..Message::default()
        };
        let Some(question) = query.questions.first() else {
            answer.rcode = 1;
            return answer;
        };
        let mut told = vec![format!("query[{}] {} from {from}", type_name(question.kind), question.name)];
        match self.zone.find(question) {
            Some((records, rcode)) => {
                told.extend(records.iter().map(|r| match &r.data {
                    Data::Name(_) if r.owner.kind == TYPE_CNAME => format!("config {} is <CNAME>", r.owner.name),
                    data => format!("config {} is {}", r.owner.name, data.to_string().trim_end_matches('.')),
                }));
                // What is only known not to be there is said without authority.
                (answer.authoritative, answer.rcode, answer.answers) = (!records.is_empty(), rcode, records);
            }
            None => {
                told.push("config error is REFUSED (EDE: not ready)".into());
                answer.rcode = REFUSED;
                // RFC 8914: 14, "not ready".
                answer.edns_options = vec![0, 15, 0, 2, 0, 14];
            }
        }
        if self.log && self.foreground {
            told.iter().for_each(|line| sys.err(&format!("dnsmasq: {line}\n")));
        }
        answer
    }
}

impl Zone {
    fn read_hosts(&mut self, sys: &mut Sys<'_, SimKernel>, path: &str) {
        let text = sys.read_file(path).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
            let Some(Ok(addr)) = words.next().map(str::parse) else { continue };
            self.hosts.extend(words.map(|name| (lower(name), addr)));
        }
    }

    /// The domain of `domains` that a name is in, the longest one.
    fn domain(&self, name: &str) -> Option<Option<Ipv4Addr>> {
        let within = |domain: &str| domain == "#" || name == domain || name.ends_with(&format!(".{domain}"));
        let found = self.domains.iter().filter(|(domain, _)| within(domain));
        found.max_by_key(|(domain, _)| domain.len()).map(|(_, addr)| *addr)
    }

    /// The answer to a question; `None` if somebody else would have to be asked.
    fn find(&self, question: &Question) -> Option<(Vec<Record>, u8)> {
        let mut name = lower(&question.name);
        let mut records = Vec::new();
        let record =
            |name: &str, kind, data| Record { owner: Question { name: name.to_owned(), kind }, ttl: self.ttl, data };
        if question.kind == TYPE_PTR {
            let is = |addr: &IpAddr| matches!(addr, IpAddr::V4(addr) if reverse_name(*addr) == name);
            let host = self.hosts.iter().find(|(_, addr)| is(addr))?;
            return Some((vec![record(&name, TYPE_PTR, Data::Name(host.0.clone()))], 0));
        }
        while let Some((_, target)) =
            self.aliases.iter().find(|(alias, _)| *alias == name).filter(|_| records.len() < 10)
        {
            records.push(record(&name, TYPE_CNAME, Data::Name(target.clone())));
            name.clone_from(target);
        }
        let own: Vec<IpAddr> = self.hosts.iter().filter(|(host, _)| *host == name).map(|(_, addr)| *addr).collect();
        records.extend(own.iter().filter_map(|addr| match (question.kind, *addr) {
            (TYPE_A, IpAddr::V4(addr)) => Some(record(&name, TYPE_A, Data::A(addr))),
            (TYPE_AAAA, IpAddr::V6(addr)) => Some(record(&name, TYPE_AAAA, Data::Aaaa(addr))),
            _ => None,
        }));
        if own.is_empty() {
            match self.domain(&name) {
                Some(Some(addr)) if question.kind == TYPE_A => records.push(record(&name, TYPE_A, Data::A(addr))),
                Some(None) => return Some((records, NXDOMAIN)),
                _ => {}
            }
        }
        if !records.is_empty() {
            return Some((records, 0));
        }
        let local = self.local.iter().any(|d| d.is_empty() || name == *d || name.ends_with(&format!(".{d}")));
        let known = !own.is_empty();
        local.then_some((records, if known { 0 } else { NXDOMAIN }))
    }
}

/// The lines of a configuration file: long options without their dashes.
fn from_file(text: &str) -> Vec<(char, String)> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let option = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        LONG.iter().find(|row| row.0 == name.trim()).map(|row| (row.2, value.trim().to_owned()))
    };
    lines.filter(|line| !line.is_empty()).filter_map(option).collect()
}

fn lower(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}
