//! What the C library's resolver is told: `/etc/resolv.conf` and `/etc/nsswitch.conf`.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_sim_core::Duration;
use hopwise_stack::socket::tcp::Addr;

use crate::kernel::SimKernel;

/// Servers that are listened to (`MAXNS`).
pub(super) const MAX_SERVERS: usize = 3;

/// `resolv.conf(5)`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Config {
    pub(super) servers: Vec<Addr>,
    pub(super) search: Vec<String>,
    /// A name with fewer dots is looked for in the domains first.
    pub(super) ndots: usize,
    pub(super) timeout: Duration,
    pub(super) attempts: u32,
    /// One question after the other (`RES_SNGLKUP`).
    pub(super) single: bool,
    /// The second one from another socket (`RES_SNGLKUPREOP`).
    pub(super) reopen: bool,
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
            reopen: false,
        };
        for line in text.lines().filter(|line| !line.starts_with(['#', ';'])) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") if config.servers.len() < MAX_SERVERS => {
                    config.servers.extend(words.next().and_then(|w| w.parse().ok()).map(|addr| (addr, 53)));
                }
                Some("search" | "domain") => config.search = words.map(str::to_owned).collect(),
                Some("options") => words.for_each(|word| config.option(word)),
                _ => {}
            }
        }
        if config.servers.is_empty() {
            config.servers.push((Ipv4Addr::LOCALHOST, 53));
        }
        config
    }

    /// How long an answer of the `n`th server is waited for. `get_timeout` of `res_send.c`.
    pub(super) fn patience(&self, n: usize) -> Duration {
        let shared = if n == 0 { 1 } else { self.servers.len().max(1) as u64 };
        Duration::from_secs(((self.timeout.as_secs() << n) / shared).max(1))
    }

    fn option(&mut self, word: &str) {
        let number = |text: &str, most: u64| text.parse().unwrap_or(0).min(most);
        match word.split_once(':') {
            Some(("ndots", n)) => self.ndots = number(n, 15) as usize,
            Some(("timeout", n)) => self.timeout = Duration::from_secs(number(n, 30).max(1)),
            Some(("attempts", n)) => self.attempts = number(n, 5).max(1) as u32,
            _ if word == "single-request" => self.single = true,
            // What is sent from another socket is sent when the first answer is there.
            _ if word == "single-request-reopen" => (self.single, self.reopen) = (true, true),
            _ => {}
        }
    }

    /// The names that are tried for one, in their order (`res_search`).
    pub(super) fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(absolute) = name.strip_suffix('.') {
            return vec![absolute.to_owned()];
        }
        let mut all: Vec<String> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let at = if name.matches('.').count() >= self.ndots { 0 } else { all.len() };
        all.insert(at, name.to_owned());
        all
    }
}

/// The names that BIND's `dig` and `nslookup` try for one, if they search: those in the domains if it has few dots, and at last the name
/// as it is. They stop at the first that exists. `next_origin` of `dighost.c`.
pub(super) fn searched(name: &str, domains: &[String], ndots: usize) -> Vec<String> {
    if let Some(absolute) = name.strip_suffix('.').filter(|rest| !rest.is_empty()) {
        return vec![absolute.to_owned()];
    }
    let few = name.matches('.').count() < ndots;
    let inside = domains.iter().filter(|_| few).map(|domain| format!("{name}.{}", domain.trim_matches('.')));
    inside.chain([name.to_owned()]).collect()
}

/// The first server of `/etc/resolv.conf` that is not this machine itself.
pub(crate) fn first_server(sys: &mut Sys<'_, SimKernel>) -> Option<Addr> {
    of(sys).servers.into_iter().find(|(address, _)| !address.is_loopback())
}

/// Who is asked about hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// `/etc/hosts`
    Files,
    /// The name servers.
    Dns,
}

/// The line `hosts` of `nsswitch.conf(5)`. Other sources know no host of a network here; what follows `[NOTFOUND=return]` is asked
/// only if the one before it does not answer, and that a file always does.
pub(super) fn sources(text: &str) -> Vec<Source> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("hosts:"));
    let Some(line) = line else { return vec![Source::Files, Source::Dns] };
    let (mut found, mut before) = (Vec::new(), "");
    for word in line.split('#').next().unwrap_or_default().split_whitespace() {
        match word {
            "files" => found.push(Source::Files),
            "dns" => found.push(Source::Dns),
            "[NOTFOUND=return]" if before == "files" => break,
            _ => {}
        }
        before = word;
    }
    found
}

/// The same, of this machine.
pub(super) fn sources_of(sys: &mut Sys<'_, SimKernel>) -> Vec<Source> {
    sources(&String::from_utf8_lossy(&sys.read_file("/etc/nsswitch.conf").unwrap_or_default()))
}

/// Reads `/etc/resolv.conf`.
pub(super) fn of(sys: &mut Sys<'_, SimKernel>) -> Config {
    let text = sys.read_file("/etc/resolv.conf").unwrap_or_default();
    Config::parse(&String::from_utf8_lossy(&text))
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
        assert_eq!(searched("web", &config.search, config.ndots), ["web.a.svc", "web.svc", "web"]);
        assert_eq!(searched("a.b.c.d.e.f", &config.search, config.ndots), ["a.b.c.d.e.f"]);
        assert_eq!(searched("web.", &config.search, config.ndots), ["web"]);
        assert_eq!(Config::parse("").servers, [(Ipv4Addr::LOCALHOST, 53)]);
        let three = Config::parse("nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4");
        assert_eq!([0, 1, 2].map(|n| three.patience(n).as_secs()), [5, 3, 6]);
        assert_eq!(Config::parse("search d").candidates("a.b"), ["a.b", "a.b.d"]);
    }

    #[test]
    fn who_is_asked() {
        assert_eq!(sources(""), [Source::Files, Source::Dns]);
        assert_eq!(sources("passwd: files\nhosts:\tdns files # x"), [Source::Dns, Source::Files]);
        assert_eq!(sources("hosts: files mdns4_minimal [NOTFOUND=return] dns"), [Source::Files, Source::Dns]);
        assert_eq!(sources("hosts: files [NOTFOUND=return] dns"), [Source::Files]);
    }
}
