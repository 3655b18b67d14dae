//! What `ss` is asked to show: states and conditions on addresses and ports (`ss(8)`).

use core::net::Ipv4Addr;

use hopwise_protocols::tcp::State;

use crate::sockets::Row;

/// All states, by name.
pub(super) const STATES: [(&str, &str, State); 11] = [
    ("established", "ESTAB", State::Established),
    ("syn-sent", "SYN-SENT", State::SynSent),
    ("syn-recv", "SYN-RECV", State::SynRecv),
    ("fin-wait-1", "FIN-WAIT-1", State::FinWait1),
    ("fin-wait-2", "FIN-WAIT-2", State::FinWait2),
    ("time-wait", "TIME-WAIT", State::TimeWait),
    ("closed", "UNCONN", State::Close),
    ("close-wait", "CLOSE-WAIT", State::CloseWait),
    ("last-ack", "LAST-ACK", State::LastAck),
    ("listening", "LISTEN", State::Listen),
    ("closing", "CLOSING", State::Closing),
];

/// A set of states, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct States(pub(super) u16);

const fn bit(state: State) -> u16 {
    1 << state as u8
}

impl States {
    /// Every state.
    pub(super) const ALL: States = States(0xffe);
    /// What is shown if nothing is asked for: connections (`SS_CONN`).
    pub(super) const CONNECTED: States =
        States(0xffe & !(bit(State::Listen) | bit(State::Close) | bit(State::TimeWait) | bit(State::SynRecv)));
    /// `-l`
    pub(super) const LISTENING: States = States(bit(State::Listen) | bit(State::Close));

    pub(super) const fn has(self, state: State) -> bool {
        self.0 & bit(state) != 0
    }

    /// A name, or one of those for several (`scan_state`).
    pub(super) fn named(name: &str) -> Option<States> {
        let several = match name {
            "all" => States::ALL,
            "connected" => States(0xffe & !(bit(State::Close) | bit(State::Listen))),
            "synchronized" => States(0xffe & !(bit(State::Close) | bit(State::Listen) | bit(State::SynSent))),
            "bucket" => States(bit(State::SynRecv) | bit(State::TimeWait)),
            "big" => States(0xffe & !(bit(State::SynRecv) | bit(State::TimeWait))),
            "unconnected" | "unconn" | "close" => States(bit(State::Close)),
            "estab" => States(bit(State::Established)),
            "listen" => States(bit(State::Listen)),
            "syn-rcv" => States(bit(State::SynRecv)),
            _ => {
                let row = STATES.iter().find(|row| row.0 == name)?;
                States(bit(row.2))
            }
        };
        Some(several)
    }
}

/// A condition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Port { source: bool, relation: Relation, port: u16 },
    Addr { source: bool, addr: Ipv4Addr, len: u8, port: Option<u16>, equal: bool },
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

/// How a port is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Relation {
    Eq,
    Ne,
    Ge,
    Le,
    Gt,
    Lt,
}

impl Condition {
    pub(super) fn holds(&self, row: &Row) -> bool {
        match self {
            Condition::Not(inner) => !inner.holds(row),
            Condition::And(a, b) => a.holds(row) && b.holds(row),
            Condition::Or(a, b) => a.holds(row) || b.holds(row),
            Condition::Port { source, relation, port } => {
                let own = if *source { row.local.1 } else { row.remote.1 };
                match relation {
                    Relation::Eq => own == *port,
                    Relation::Ne => own != *port,
                    Relation::Ge => own >= *port,
                    Relation::Le => own <= *port,
                    Relation::Gt => own > *port,
                    Relation::Lt => own < *port,
                }
            }
            Condition::Addr { source, addr, len, port, equal } => {
                let own = if *source { row.local } else { row.remote };
                let mask = u32::MAX.checked_shl(32 - u32::from(*len)).unwrap_or(0);
                let covered = u32::from(own.0) & mask == u32::from(*addr) & mask;
                (covered && port.is_none_or(|port| port == own.1)) == *equal
            }
        }
    }
}

/// Reads conditions from words.
pub(super) struct Parser<'a> {
    words: Vec<String>,
    at: usize,
    /// Finds the number of a named port.
    ports: &'a dyn Fn(&str) -> Option<u16>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(words: &[String], ports: &'a dyn Fn(&str) -> Option<u16>) -> Parser<'a> {
        let text = words.join(" ").replace('(', " ( ").replace(')', " ) ").replace("==", " = ").replace("!=", " ne ");
        let text = text.replace(">=", " ge ").replace("<=", " le ").replace('>', " gt ").replace('<', " lt ");
        let text = text.replace('=', " = ").replace('!', " not ");
        Parser { words: text.split_whitespace().map(str::to_owned).collect(), at: 0, ports }
    }

    /// The whole expression; `None` if it is none.
    pub(super) fn whole(mut self) -> Option<Condition> {
        let condition = self.any()?;
        (self.at == self.words.len()).then_some(condition)
    }

    fn peek(&self) -> &str {
        self.words.get(self.at).map_or("", String::as_str)
    }

    fn eat(&mut self, words: &[&str]) -> bool {
        let fits = words.contains(&self.peek());
        self.at += usize::from(fits);
        fits
    }

    fn next(&mut self) -> Option<String> {
        let word = self.words.get(self.at)?.clone();
        self.at += 1;
        Some(word)
    }

    fn any(&mut self) -> Option<Condition> {
        let mut left = self.all()?;
        while self.eat(&["or", "|", "||"]) {
            left = Condition::Or(Box::new(left), Box::new(self.all()?));
        }
        Some(left)
    }

    fn all(&mut self) -> Option<Condition> {
        let mut left = self.one()?;
        while self.at < self.words.len() && !matches!(self.peek(), ")" | "or" | "|" | "||") {
            self.eat(&["and", "&", "&&"]);
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Condition> {
        if self.eat(&["not"]) {
            return Some(Condition::Not(Box::new(self.one()?)));
        }
        if self.eat(&["("]) {
            let inner = self.any()?;
            return self.eat(&[")"]).then_some(inner);
        }
        let word = self.next()?;
        let source = matches!(word.as_str(), "sport" | "src");
        match word.as_str() {
            "sport" | "dport" => {
                let relation = self.relation().unwrap_or(Relation::Eq);
                let port = self.next()?;
                let port = self.port(port.rsplit(':').next()?)?;
                Some(Condition::Port { source, relation, port })
            }
            "src" | "dst" => {
                let equal = self.relation().is_none_or(|relation| relation == Relation::Eq);
                let text = self.next()?;
                self.addr(source, equal, &text)
            }
            _ => None,
        }
    }

    fn relation(&mut self) -> Option<Relation> {
        let relation = match self.peek() {
            "=" | "eq" => Relation::Eq,
            "ne" | "neq" => Relation::Ne,
            "ge" | "geq" => Relation::Ge,
            "le" | "leq" => Relation::Le,
            "gt" => Relation::Gt,
            "lt" => Relation::Lt,
            _ => return None,
        };
        self.at += 1;
        Some(relation)
    }

    fn port(&self, text: &str) -> Option<u16> {
        text.parse().ok().or_else(|| (self.ports)(text))
    }

    fn addr(&self, source: bool, equal: bool, text: &str) -> Option<Condition> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port).filter(|p| *p != "*")),
            None => (text, None),
        };
        let port = match port {
            Some(port) => Some(self.port(port)?),
            None => None,
        };
        let (addr, len) = host.split_once('/').unwrap_or((host, "32"));
        let any = matches!(addr, "" | "*");
        let addr = if any { Ipv4Addr::UNSPECIFIED } else { crate::resolve::inet_aton(addr)? };
        let len = if any { 0 } else { len.parse().ok().filter(|len| *len <= 32)? };
        Some(Condition::Addr { source, addr, len, port, equal })
    }
}
