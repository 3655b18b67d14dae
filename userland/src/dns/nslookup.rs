//! `nslookup` of BIND 9.18, not interactive.

use core::net::Ipv4Addr;

use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno};

use super::dig::status;
use super::message::{
    Data, Message, NXDOMAIN, TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_PTR, reverse_name, type_name, type_of,
};
use super::{Exchange, Failure, config};
use crate::kernel::SimKernel;
use crate::resolve;

/// `nslookup`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Nslookup { args: args.to_vec(), run: None })
}

#[derive(Clone)]
struct Nslookup {
    args: Vec<String>,
    run: Option<Run>,
}

#[derive(Clone, Debug)]
struct Run {
    server: (Ipv4Addr, u16),
    /// What was typed.
    typed: String,
    /// What is asked for.
    name: String,
    /// The names that are asked for if that one does not exist.
    others: Vec<String>,
    search: bool,
    /// Types to be asked for.
    kinds: Vec<u16>,
    timeout: Duration,
    tries: u32,
    exchange: Option<Exchange>,
    /// Whether the server was told already.
    told: bool,
    reverse: bool,
    failed: bool,
    /// Whether there was an answer to an earlier question.
    found: bool,
}

impl Program<SimKernel> for Nslookup {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.run.is_none() {
            match Run::new(sys, &self.args) {
                Ok(run) => self.run = Some(run),
                Err(text) => {
                    sys.err(&text);
                    return Step::Exit(1);
                }
            }
        }
        match &mut self.run {
            Some(run) => run.step(sys),
            None => Step::Exit(1),
        }
    }
}

impl Run {
    fn new(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Run, String> {
        let config = config::of(sys);
        let first = config.servers.first().copied().unwrap_or((Ipv4Addr::LOCALHOST, 53));
        let (mut domains, mut ndots) = (config.search.clone(), config.ndots);
        let mut run = Run {
            server: first,
            typed: String::new(),
            name: String::new(),
            others: Vec::new(),
            search: true,
            kinds: vec![TYPE_A, TYPE_AAAA],
            timeout: Duration::from_secs(5),
            tries: 3,
            exchange: None,
            told: false,
            reverse: false,
            failed: false,
            found: false,
        };
        let mut operands = Vec::new();
        for word in args {
            let Some(option) = word.strip_prefix('-') else {
                operands.push(word.as_str());
                continue;
            };
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            match name {
                "type" | "query" | "querytype" | "q" | "ty" => {
                    run.kinds = vec![type_of(value).ok_or_else(|| format!("unknown query type: {value}\n"))?];
                }
                "timeout" => run.timeout = Duration::from_secs(value.parse().unwrap_or(5).max(1)),
                "retry" => run.tries = value.parse::<u32>().unwrap_or(2).saturating_add(1),
                "search" | "sea" => run.search = true,
                "nosearch" | "nosea" => run.search = false,
                "domain" | "do" => domains = vec![value.to_owned()],
                "ndots" => ndots = value.parse().map_err(|_| format!("Couldn't parse ndots: {value}\n"))?,
                "port" => run.server.1 = value.parse().map_err(|_| format!("invalid port: {value}\n"))?,
                _ => return Err(format!("*** Invalid option: {name}\n")),
            }
        }
        match operands.as_slice() {
            [name] => run.name = (*name).to_owned(),
            [name, server] => {
                let addr = resolve::inet_aton(server);
                run.server.0 =
                    addr.ok_or_else(|| format!("nslookup: couldn't get address for '{server}': not found\n"))?;
                run.name = (*name).to_owned();
            }
            _ => return Err("nslookup: only NAME [SERVER] is supported here, not the interactive mode\n".into()),
        }
        if let Ok(addr) = run.name.parse::<Ipv4Addr>() {
            (run.name, run.kinds, run.reverse) = (reverse_name(addr), vec![TYPE_PTR], true);
            run.search = false;
        }
        run.typed.clone_from(&run.name);
        let domains: &[String] = if run.search { &domains } else { &[] };
        run.others = config::searched(&run.typed, domains, ndots);
        run.name = run.others.remove(0);
        Ok(run)
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        loop {
            let Some(exchange) = &mut self.exchange else {
                let Some(&kind) = self.kinds.first() else {
                    sys.out("\n");
                    return Step::Exit(i32::from(self.failed));
                };
                let query = Message::query(sys.random_u32() as u16, &self.name, kind);
                match Exchange::begin(sys, self.server, query, self.timeout, self.tries) {
                    Ok(exchange) => self.exchange = Some(exchange),
                    Err(errno) => return self.unanswered(sys, Failure::Unreachable(errno)),
                }
                continue;
            };
            match exchange.step(sys) {
                None => {
                    let until = exchange.until();
                    return Step::Block(Wait::event().or_until(Some(until)));
                }
                Some(Err(failure)) => return self.unanswered(sys, failure),
                Some(Ok((message, _, _))) => self.show(sys, &message),
            }
            self.exchange = None;
        }
    }

    fn unanswered(&self, sys: &mut Sys<'_, SimKernel>, failure: Failure) -> Step {
        let (addr, port) = self.server;
        let line = match failure {
            Failure::TimedOut => {
                format!(";; communications error to {addr}#{port}: timed out\n").repeat(self.tries as usize)
            }
            Failure::Unreachable(Errno::ENETUNREACH) => {
                format!(";; UDP setup with {addr}#{port}({addr}) for {} failed: network unreachable.\n", self.name)
            }
            Failure::Unreachable(errno) => {
                let why = match errno {
                    Errno::ECONNREFUSED => "connection refused".to_owned(),
                    Errno::EHOSTUNREACH => "host unreachable".to_owned(),
                    other => other.to_string().to_lowercase(),
                };
                format!(";; communications error to {addr}#{port}: {why}\n").repeat(self.tries as usize)
            }
        };
        sys.out(&format!("{line};; no servers could be reached\n\n"));
        Step::Exit(1)
    }

    fn show(&mut self, sys: &mut Sys<'_, SimKernel>, message: &Message) {
        if message.rcode == NXDOMAIN && !self.others.is_empty() {
            self.name = self.others.remove(0);
            return;
        }
        let kind = self.kinds.remove(0);
        // The other questions are about the name that exists.
        self.others.clear();
        if !core::mem::replace(&mut self.told, true) && !self.reverse {
            let (addr, port) = self.server;
            sys.out(&format!("Server:\t\t{addr}\nAddress:\t{addr}#{port}\n\n"));
        }
        if message.rcode != 0 {
            sys.out(&format!("** server can't find {}: {}\n", self.name, status(message.rcode)));
            self.failed = true;
            self.kinds.clear();
            return;
        }
        let nothing = message.answers.is_empty() && self.kinds.is_empty() && !self.found;
        if !message.authoritative && !self.found && (nothing || !message.answers.is_empty()) && !self.reverse {
            sys.out("Non-authoritative answer:\n");
        }
        if nothing {
            sys.out(&format!("*** Can't find {}: No answer\n", self.typed));
        }
        self.found |= !message.answers.is_empty();
        for record in &message.answers {
            let owner = &record.owner.name;
            let text = match &record.data {
                Data::A(addr) => format!("Name:\t{owner}\nAddress: {addr}\n"),
                Data::Aaaa(addr) => format!("Name:\t{owner}\nAddress: {addr}\n"),
                Data::Name(name) if record.owner.kind == TYPE_CNAME => {
                    // The rest is asked for by the true name.
                    self.name.clone_from(name);
                    format!("{owner}\tcanonical name = {name}.\n")
                }
                Data::Name(name) if record.owner.kind == TYPE_PTR => format!("{owner}\tname = {name}.\n"),
                data => format!("{owner}\t{} = {data}\n", type_name(record.owner.kind)),
            };
            if kind == TYPE_AAAA && record.owner.kind == TYPE_CNAME && self.kinds.is_empty() {
                continue;
            }
            sys.out(&text);
        }
    }
}
