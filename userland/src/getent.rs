//! `getent` of glibc 2.36: entries of the databases that `nsswitch.conf` names, hosts first of all.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::VecDeque;

use hopwise_machine::{Program, Step, Sys};

use crate::dns::{Lookup, Reverse};
use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, Host};

const LONG: &[Long] =
    &[("no-addrconfig", Argument::No, 'A'), ("no-idn", Argument::No, 'i'), ("service", Argument::Required, 's')];

const TRY: &str = "Try `getent --help' or `getent --usage' for more information.\n";

/// Databases that a machine here does not have entries of.
const EMPTY: &[&str] = &["aliases", "ethers", "gshadow", "initgroups", "netgroup", "rpc", "shadow"];

/// `getent`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Getent { args: args.to_vec(), run: None })
}

#[derive(Clone)]
struct Getent {
    args: Vec<String>,
    run: Option<Run>,
}

impl Program<SimKernel> for Getent {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.run.is_none() {
            match begin(sys, &self.args) {
                Ok(run) => self.run = Some(run),
                Err((status, text)) => {
                    sys.err(&text);
                    return Step::Exit(status);
                }
            }
        }
        match &mut self.run {
            Some(run) => run.step(sys),
            None => Step::Exit(1),
        }
    }
}

/// Which database of hosts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Database {
    /// `hosts`: one line for each.
    Hosts,
    /// `ahosts`, `ahostsv4`, `ahostsv6`: as `getaddrinfo(3)` tells them to a program.
    Ahosts(Family),
}

/// Keys that are looked up one after the other.
#[derive(Clone)]
struct Run {
    database: Database,
    keys: VecDeque<String>,
    asking: Option<Asking>,
    status: i32,
}

#[derive(Clone)]
enum Asking {
    Name(Box<Lookup>),
    Address(Ipv4Addr, Box<Reverse>),
}

fn begin(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Run, (i32, String)> {
    let usage = |text: &str| (1, format!("{text}\n{TRY}"));
    let parsed = getopt::parse(args, "Ais:", LONG);
    if let Some(complaint) = parsed.options.iter().find_map(|option| option.as_ref().err()) {
        return Err((64, format!("getent: {complaint}\n{TRY}")));
    }
    let Some((database, keys)) = parsed.operands.split_first() else {
        return Err(usage("getent: wrong number of arguments"));
    };
    let database = match database.as_str() {
        "hosts" if keys.is_empty() => return Err((all_hosts(sys), String::new())),
        "hosts" => Database::Hosts,
        "ahosts" => Database::Ahosts(Family::Unspec),
        "ahostsv4" => Database::Ahosts(Family::V4),
        "ahostsv6" => Database::Ahosts(Family::V6),
        name if EMPTY.contains(&name) => return Err((if keys.is_empty() { 0 } else { 2 }, String::new())),
        name => match file_of(name) {
            Some(file) => return Err((entries(sys, file, keys), String::new())),
            None => return Err(usage(&format!("Unknown database: {name}"))),
        },
    };
    Ok(Run { database, keys: keys.iter().cloned().collect(), asking: None, status: 0 })
}

impl Run {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        loop {
            let Some(key) = self.keys.front().cloned() else { return Step::Exit(self.status) };
            let found = match &mut self.asking {
                None => {
                    self.asking = Some(self.ask(sys, &key));
                    continue;
                }
                Some(Asking::Name(lookup)) => match lookup.wait(sys) {
                    Err(step) => return step,
                    Ok(Ok(host)) => Some((lookup.addresses().to_vec(), canonical(&host, &key))),
                    Ok(Err(_)) => None,
                },
                Some(Asking::Address(addr, reverse)) => match reverse.step(sys) {
                    None => return Step::Block(hopwise_machine::Wait::event().or_until(Some(reverse.until()))),
                    Some(Ok(name)) => Some((vec![IpAddr::V4(*addr)], name)),
                    Some(Err(_)) => None,
                },
            };
            self.asking = None;
            self.keys.pop_front();
            match found {
                Some((addresses, name)) => self.print(sys, &addresses, &name),
                None => self.status = 2,
            }
        }
    }

    fn ask(&self, sys: &mut Sys<'_, SimKernel>, key: &str) -> Asking {
        match (self.database, key.parse::<Ipv4Addr>()) {
            (Database::Hosts, Ok(addr)) => Asking::Address(addr, Box::new(Reverse::begin(sys, addr))),
            // A machine without IPv6 is not told of such addresses (AI_ADDRCONFIG).
            (Database::Ahosts(Family::Unspec | Family::V4), _) => {
                Asking::Name(Box::new(Lookup::begin(sys, key, Family::V4)))
            }
            (Database::Ahosts(family), _) => Asking::Name(Box::new(Lookup::begin(sys, key, family))),
            // gethostbyname2(3): IPv6 first, then IPv4.
            (Database::Hosts, Err(_)) => Asking::Name(Box::new(Lookup::begin(sys, key, Family::Unspec))),
        }
    }

    fn print(&self, sys: &mut Sys<'_, SimKernel>, addresses: &[IpAddr], name: &str) {
        let mut name = name;
        for addr in addresses {
            match self.database {
                Database::Hosts => sys.out(&format!("{:<15} {name}\n", addr.to_string())),
                Database::Ahosts(_) => {
                    for kind in ["STREAM", "DGRAM", "RAW"] {
                        sys.out(&format!("{:<15} {kind:<6} {name}\n", addr.to_string()));
                        name = "";
                    }
                }
            }
        }
    }
}

fn canonical(host: &Host, key: &str) -> String {
    match host {
        Host::V4 { canonical, .. } => canonical.clone(),
        Host::V6(_) => key.to_owned(),
    }
}

/// The hosts file as it is understood.
fn all_hosts(sys: &mut Sys<'_, SimKernel>) -> i32 {
    let text = sys.read_file("/etc/hosts").unwrap_or_default();
    for (addr, names) in resolve::entries(&String::from_utf8_lossy(&text)) {
        sys.out(&format!("{:<15} {}\n", addr.to_string(), names.join(" ")));
    }
    0
}

/// A database that is a file with a line for each entry.
#[derive(Clone, Copy)]
struct File {
    path: &'static str,
    /// Between its fields; a blank stands for any number of them.
    between: char,
}

fn file_of(database: &str) -> Option<File> {
    let (path, between) = match database {
        "passwd" => ("/etc/passwd", ':'),
        "group" => ("/etc/group", ':'),
        "networks" => ("/etc/networks", ' '),
        "protocols" => ("/etc/protocols", ' '),
        "services" => ("/etc/services", ' '),
        _ => return None,
    };
    Some(File { path, between })
}

/// Prints the entries with these keys, or all.
fn entries(sys: &mut Sys<'_, SimKernel>, file: File, keys: &[String]) -> i32 {
    let text = sys.read_file(file.path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines = || text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    if keys.is_empty() {
        lines().for_each(|line| sys.out(&format!("{}\n", file.shown(line))));
        return 0;
    }
    let mut status = 0;
    for key in keys {
        match lines().find(|line| file.has(line, key)) {
            Some(line) => sys.out(&format!("{}\n", file.shown(line))),
            None => status = 2,
        }
    }
    status
}

impl File {
    /// Whether an entry is called so or has that number.
    fn has(self, line: &str, key: &str) -> bool {
        if self.between == ':' {
            let mut fields = line.split(':');
            return fields.next() == Some(key) || fields.nth(1) == Some(key);
        }
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let (name, number) = (words.next(), words.next().unwrap_or_default());
        let (key, protocol) = key.split_once('/').map_or((key, None), |(key, protocol)| (key, Some(protocol)));
        let (value, its) = number.split_once('/').map_or((number, None), |(value, its)| (value, Some(its)));
        (protocol.is_none() || protocol == its)
            && (name == Some(key) || value == key || words.any(|alias| alias == key))
    }

    fn shown(self, line: &str) -> String {
        if self.between == ':' {
            return line.to_owned();
        }
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let Some((name, rest)) = words.split_first() else { return String::new() };
        format!("{name:<21} {}", rest.join(" "))
    }
}
