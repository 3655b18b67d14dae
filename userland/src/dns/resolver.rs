//! `getaddrinfo(3)` and `getnameinfo(3)` of glibc: the hosts file, then the name servers, or as `nsswitch.conf` says.

use core::net::{IpAddr, Ipv4Addr};

use hopwise_machine::{Step, Sys, Wait};
use hopwise_sim_core::Time;

use super::asking::{Asking, Nobody, is_answer};
use super::config::{self, Config, Source};
use super::message::{Data, Message, TYPE_A, TYPE_AAAA, TYPE_PTR, reverse_name};
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, GaiError, Host};

/// A name that is being looked up.
#[derive(Clone, Debug)]
pub struct Lookup {
    name: String,
    family: Family,
    config: Config,
    /// Who is still to be asked.
    sources: Vec<Source>,
    /// The names that are tried, and which one is.
    candidates: Vec<String>,
    candidate: usize,
    asking: Option<Asking>,
    /// What the names that were tried were like: the first failure decides, then whether one of them exists.
    failed: bool,
    exists: bool,
    addresses: Vec<IpAddr>,
    until: Time,
    done: Option<Result<Host, GaiError>>,
}

impl Lookup {
    /// Begins; numbers and what the hosts file has are found at once.
    pub fn begin(sys: &mut Sys<'_, SimKernel>, name: &str, family: Family) -> Lookup {
        let config = config::of(sys);
        let mut lookup = Lookup {
            name: name.to_owned(),
            family,
            sources: config::sources_of(sys),
            candidates: config.candidates(name),
            config,
            candidate: 0,
            asking: None,
            failed: false,
            exists: false,
            addresses: Vec::new(),
            until: sys.now(),
            done: resolve::number(name, family),
        };
        lookup.note_host();
        lookup
    }

    /// The result, when there is one.
    pub fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Result<Host, GaiError>> {
        while self.done.is_none() {
            match &mut self.asking {
                None => self.next_source(sys),
                Some(asking) => match asking.step(sys) {
                    None => {
                        self.until = asking.until();
                        return None;
                    }
                    Some(Ok(answers)) => self.answered(sys, &answers),
                    Some(Err(Nobody)) => {
                        self.failed = true;
                        self.next_candidate(sys);
                    }
                },
            }
        }
        self.done.clone()
    }

    /// As [`Lookup::step`], for a program that can do nothing else meanwhile.
    ///
    /// # Errors
    /// What the program has to wait for.
    pub fn wait(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Result<Host, GaiError>, Step> {
        self.step(sys).ok_or_else(|| Step::Block(Wait::event().or_until(Some(self.until))))
    }

    /// Until when an answer is waited for.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// All addresses that were found, in the order in which they would be tried.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    fn next_source(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if self.sources.is_empty() {
            self.done = Some(Err(match (self.failed, self.exists) {
                (true, _) => GaiError::Again,
                (false, true) => GaiError::NoData,
                (false, false) => GaiError::NoName,
            }));
            return;
        }
        match self.sources.remove(0) {
            Source::Files => {
                self.done = resolve::in_hosts(sys, &self.name, self.family);
                self.note_host();
            }
            Source::Dns if is_host_name(&self.name) => self.ask(sys),
            Source::Dns => {}
        }
    }

    /// Asks about the present candidate.
    fn ask(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let kinds: &[u16] = match self.family {
            Family::V4 => &[TYPE_A],
            Family::V6 => &[TYPE_AAAA],
            Family::Unspec => &[TYPE_A, TYPE_AAAA],
        };
        if let Some(name) = self.candidates.get(self.candidate) {
            self.asking = Some(Asking::begin(sys, &self.config, name, kinds));
        }
    }

    fn answered(&mut self, sys: &mut Sys<'_, SimKernel>, answers: &[Message]) {
        let mut canonical = None;
        for record in answers.iter().flat_map(|m| &m.answers) {
            match record.data {
                Data::A(addr) => self.addresses.push(addr.into()),
                Data::Aaaa(addr) => self.addresses.push(addr.into()),
                _ => continue,
            }
            canonical.get_or_insert_with(|| record.owner.name.clone());
        }
        let host = match (self.addresses.first(), canonical) {
            (Some(&IpAddr::V4(addr)), Some(canonical)) => Host::V4 { addr, canonical, numeric: false },
            (Some(&IpAddr::V6(addr)), _) => Host::V6(addr),
            _ => {
                self.exists |= answers.iter().any(|m| is_answer(m) && m.rcode == 0);
                return self.next_candidate(sys);
            }
        };
        self.asking = None;
        self.done = Some(Ok(host));
    }

    /// The next name to try; after the last one the next source. `__res_context_search`.
    fn next_candidate(&mut self, sys: &mut Sys<'_, SimKernel>) {
        self.asking = None;
        let as_it_is = self.candidates.iter().position(|name| *name == self.name).unwrap_or(0);
        // A server that fails for one domain of the search list is not asked for the others, only for the name as it is.
        let next = if self.failed && self.candidate < as_it_is { as_it_is } else { self.candidate + 1 };
        if next < self.candidates.len() {
            self.candidate = next;
            self.ask(sys);
        }
    }

    fn note_host(&mut self) {
        match &self.done {
            Some(Ok(Host::V4 { addr, .. })) => self.addresses.push((*addr).into()),
            Some(Ok(Host::V6(addr))) => self.addresses.push((*addr).into()),
            _ => {}
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Whether a server would be asked (`res_hnok`).
fn is_host_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let label = |label: &str| !label.is_empty() && label.len() < 64 && label.bytes().all(allowed);
    let name = name.strip_suffix('.').unwrap_or(name);
    !name.starts_with('-') && name.len() < 254 && name.split('.').all(label)
}

/// The name of an address that is being looked up.
#[derive(Clone, Debug)]
pub struct Reverse {
    addr: Ipv4Addr,
    sources: Vec<Source>,
    asking: Option<Asking>,
    until: Time,
}

impl Reverse {
    /// Begins.
    pub fn begin(sys: &mut Sys<'_, SimKernel>, addr: Ipv4Addr) -> Reverse {
        Reverse { addr, sources: config::sources_of(sys), asking: None, until: sys.now() }
    }

    /// The name, when it is known or known not to be.
    pub fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Result<String, GaiError>> {
        let mut error = GaiError::NoName;
        loop {
            if let Some(asking) = &mut self.asking {
                let Some(answers) = asking.step(sys) else {
                    self.until = asking.until();
                    return None;
                };
                self.asking = None;
                let found = answers.map(|answers| answers.into_iter().flat_map(|m| m.answers).find_map(pointer));
                match found {
                    Ok(Some(name)) => return Some(Ok(name)),
                    Ok(None) => error = GaiError::NoName,
                    Err(Nobody) => error = GaiError::Again,
                }
            }
            if self.sources.is_empty() {
                return Some(Err(error));
            }
            match self.sources.remove(0) {
                Source::Files => match resolve::reverse(sys, self.addr) {
                    Some(name) => return Some(Ok(name)),
                    None => error = GaiError::NoName,
                },
                Source::Dns => {
                    let config = config::of(sys);
                    self.asking = Some(Asking::begin(sys, &config, &reverse_name(self.addr), &[TYPE_PTR]));
                }
            }
        }
    }

    /// Until when an answer is waited for.
    pub const fn until(&self) -> Time {
        self.until
    }
}

fn pointer(record: super::message::Record) -> Option<String> {
    match record.data {
        Data::Name(name) if record.owner.kind == TYPE_PTR => Some(name.trim_end_matches('.').to_owned()),
        _ => None,
    }
}

/// The names of addresses, for a program that prints one after the other: the last one is remembered.
#[derive(Clone, Default, Debug)]
pub struct Names {
    known: Option<(Ipv4Addr, Result<String, GaiError>)>,
    asking: Option<Reverse>,
}

impl Names {
    /// Asks for a name. `Some`: it is not known yet, and this is what the program waits for before it calls again.
    pub fn wait_for(&mut self, sys: &mut Sys<'_, SimKernel>, addr: Ipv4Addr) -> Option<Step> {
        if self.known.as_ref().is_some_and(|(known, _)| *known == addr) {
            return None;
        }
        let mut asking = match self.asking.take() {
            Some(asking) if asking.addr == addr => asking,
            _ => Reverse::begin(sys, addr),
        };
        match asking.step(sys) {
            Some(name) => {
                self.known = Some((addr, name));
                None
            }
            None => {
                let until = asking.until();
                self.asking = Some(asking);
                Some(Step::Block(Wait::event().or_until(Some(until))))
            }
        }
    }

    /// The name that was asked for last.
    ///
    /// # Errors
    /// Why there is none.
    pub fn get(&self, addr: Ipv4Addr) -> Result<&str, GaiError> {
        match &self.known {
            Some((known, name)) if *known == addr => name.as_deref().map_err(|why| *why),
            _ => Err(GaiError::NoName),
        }
    }
}
