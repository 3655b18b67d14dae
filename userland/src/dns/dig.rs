//! `dig` of BIND 9.18.

use core::net::Ipv4Addr;

use hopwise_machine::clock::strftime;
use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno};

use super::message::{Message, NXDOMAIN, TYPE_A, TYPE_PTR, reverse_name, type_name, type_of};
use super::{Exchange, Failure, config};
use crate::kernel::SimKernel;
use crate::resolve;

const VERSION: &str = "9.18.49-1~deb12u3-Debian";

/// `dig`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Dig { args: args.to_vec(), run: None })
}

#[derive(Clone)]
struct Dig {
    args: Vec<String>,
    run: Option<Run>,
}

/// What is asked for and how it is shown.
#[derive(Clone, Debug)]
struct Options {
    server: Option<Ipv4Addr>,
    port: u16,
    name: String,
    kind: u16,
    short: bool,
    heading: bool,
    comments: bool,
    question: bool,
    answer: bool,
    stats: bool,
    edns: bool,
    recurse: bool,
    tries: u32,
    timeout: Duration,
    search: bool,
    /// Instead of the domains and the number of dots of `/etc/resolv.conf`.
    domain: Option<String>,
    ndots: Option<usize>,
}

#[derive(Clone, Debug)]
struct Run {
    options: Options,
    /// The names that are asked for if the present one does not exist.
    others: Vec<String>,
    server: Ipv4Addr,
    exchange: Exchange,
}

impl Program<SimKernel> for Dig {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.run.is_none() {
            match begin(sys, &self.args) {
                Ok(run) => self.run = Some(run),
                Err((status, text)) => {
                    sys.out(&text);
                    return Step::Exit(status);
                }
            }
        }
        let Some(run) = &mut self.run else { return Step::Exit(1) };
        match run.exchange.step(sys) {
            None => Step::Block(Wait::event().or_until(Some(run.exchange.until()))),
            // `dighost.c`: what does not exist is looked for in the next domain.
            Some(Ok((message, ..))) if message.rcode == NXDOMAIN && !run.others.is_empty() => {
                let name = run.others.remove(0);
                match ask(sys, &run.options, &name, run.server) {
                    Ok(exchange) => {
                        run.exchange = exchange;
                        Step::Again
                    }
                    Err(errno) => {
                        let text = unanswered(&run.options, &self.args, run.server, Failure::Unreachable(errno));
                        sys.out(&text);
                        Step::Exit(9)
                    }
                }
            }
            Some(Ok((message, size, took))) => {
                let text = show(sys, run, &self.args, &message, size, took);
                sys.out(&text);
                Step::Exit(0)
            }
            Some(Err(failure)) => {
                let text = unanswered(&run.options, &self.args, run.server, failure);
                sys.out(&text);
                Step::Exit(9)
            }
        }
    }
}

fn parse(args: &[String]) -> Result<Options, (i32, String)> {
    let mut o = Options {
        server: None,
        port: 53,
        name: String::new(),
        kind: TYPE_A,
        short: false,
        heading: true,
        comments: true,
        question: true,
        answer: true,
        stats: true,
        edns: true,
        recurse: true,
        tries: 3,
        timeout: Duration::from_secs(5),
        search: false,
        domain: None,
        ndots: None,
    };
    let wrong = |text: &str| (1, format!("Invalid option: {text}\n"));
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if let Some(server) = word.strip_prefix('@') {
            let addr = resolve::inet_aton(server);
            o.server =
                Some(addr.ok_or_else(|| (10, format!("dig: couldn't get address for '{server}': not found\n")))?);
        } else if let Some(flag) = word.strip_prefix('+') {
            o.flag(flag).ok_or_else(|| wrong(word))?;
        } else if word.starts_with('-') {
            let mut value = || words.next().ok_or_else(|| wrong(word));
            match word.as_str() {
                "-p" => o.port = value()?.parse().map_err(|_| wrong(word))?,
                "-t" => o.kind = type_of(value()?).ok_or_else(|| wrong(word))?,
                "-x" => {
                    let addr = resolve::inet_aton(value()?).ok_or_else(|| wrong(word))?;
                    (o.name, o.kind) = (reverse_name(addr), TYPE_PTR);
                }
                "-q" => o.name.clone_from(value()?),
                "-4" => {}
                "-v" => return Err((0, format!("DiG {VERSION}\n"))),
                _ => return Err(wrong(word)),
            }
        } else if let Some(kind) = type_of(word).filter(|_| !o.name.is_empty()) {
            o.kind = kind;
        } else if !word.eq_ignore_ascii_case("in") {
            o.name.clone_from(word);
        }
    }
    Ok(o)
}

impl Options {
    fn flag(&mut self, flag: &str) -> Option<()> {
        let (on, name) = match flag.strip_prefix("no") {
            Some(name) => (false, name),
            None => (true, flag),
        };
        let (name, value) = name.split_once('=').unwrap_or((name, ""));
        match name {
            "short" => self.short = on,
            "cmd" => self.heading = on,
            "comments" => self.comments = on,
            "question" => self.question = on,
            "answer" => self.answer = on,
            "stats" => self.stats = on,
            "all" => {
                (self.comments, self.question, self.answer, self.stats) = (on, on, on, on);
                self.heading = on;
            }
            "search" | "defname" => self.search = on,
            "domain" if on => self.domain = Some(value.to_owned()),
            "ndots" if on => self.ndots = Some(value.parse().ok()?),
            "edns" => self.edns = on,
            "recurse" | "rec" => self.recurse = on,
            "tries" => self.tries = value.parse().ok()?,
            "retry" => self.tries = value.parse::<u32>().ok()?.saturating_add(1),
            "time" | "timeout" => self.timeout = Duration::from_secs(value.parse::<u64>().ok()?.max(1)),
            // Records of authority and additional ones are not in any answer here.
            "authority" | "additional" | "ignore" | "adflag" => {}
            _ => return None,
        }
        Some(())
    }
}

fn begin(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Run, (i32, String)> {
    let options = parse(args)?;
    let config = config::of(sys);
    let first = config.servers.first().map(|server| server.0);
    let server = options.server.or(first).unwrap_or(Ipv4Addr::LOCALHOST);
    let domains = options.domain.clone().map_or_else(|| config.search.clone(), |domain| vec![domain]);
    let domains: &[String] = if options.search { &domains } else { &[] };
    let mut others = config::searched(&options.name, domains, options.ndots.unwrap_or(config.ndots));
    let name = others.remove(0);
    match ask(sys, &options, &name, server) {
        Ok(exchange) => Ok(Run { options, others, server, exchange }),
        Err(errno) => Err((9, unanswered(&options, args, server, Failure::Unreachable(errno)))),
    }
}

fn ask(sys: &mut Sys<'_, SimKernel>, options: &Options, name: &str, server: Ipv4Addr) -> Result<Exchange, Errno> {
    let mut query = Message::query(sys.random_u32() as u16, name, options.kind);
    query.recursion_desired = options.recurse;
    query.authentic = true;
    query.edns = options.edns.then_some(1232);
    if options.edns {
        // A cookie of eight bytes (RFC 7873).
        let cookie = [sys.random_u32(), sys.random_u32()].into_iter().flat_map(u32::to_be_bytes);
        query.edns_options = [0, 10, 0, 8].into_iter().chain(cookie).collect();
    }
    Exchange::begin(sys, (server, options.port), query, options.timeout, options.tries)
}

fn heading(options: &Options, args: &[String]) -> String {
    if !options.heading || options.short || !options.comments {
        return String::new();
    }
    let one = if options.server.is_some() { "; (1 server found)\n" } else { "" };
    format!("\n; <<>> DiG {VERSION} <<>> {}\n{one};; global options: +cmd\n", args.join(" "))
}

fn unanswered(options: &Options, args: &[String], server: Ipv4Addr, failure: Failure) -> String {
    let port = options.port;
    let line = match failure {
        Failure::TimedOut => {
            format!(";; communications error to {server}#{port}: timed out\n").repeat(options.tries as usize)
        }
        Failure::Unreachable(errno) => {
            let why = match errno {
                Errno::ECONNREFUSED => "connection refused".to_owned(),
                Errno::EHOSTUNREACH => "host unreachable".to_owned(),
                Errno::ENETUNREACH => {
                    let line = format!(
                        ";; UDP setup with {server}#{port}({server}) for {} failed: network unreachable.\n",
                        options.name
                    );
                    return format!(
                        "{}{}\n{}",
                        line.repeat(3),
                        heading(options, args).trim_start_matches('\n'),
                        ";; no servers could be reached\n\n"
                    );
                }
                other => other.to_string().to_lowercase(),
            };
            format!(";; communications error to {server}#{port}: {why}\n")
        }
    };
    format!("{line}{};; no servers could be reached\n", heading(options, args))
}

/// Goes to a column with tabs, or by one blank if the text is there already (`indent` of `lib/dns/masterdump.c`).
fn to_column(text: &mut String, column: usize) {
    let at = text.chars().fold(0, |at, c| if c == '\t' { at / 8 * 8 + 8 } else { at + 1 });
    match column.saturating_sub(at).div_ceil(8) {
        0 => text.push(' '),
        tabs => text.push_str(&"\t".repeat(tabs)),
    }
}

/// The columns of a line: owner, time to live, class, type, data.
fn columns(owner: &str, fields: &[(usize, &str)]) -> String {
    let mut line = owner.to_owned();
    for (column, field) in fields {
        to_column(&mut line, *column);
        line.push_str(field);
    }
    line.push('\n');
    line
}

fn show(
    sys: &Sys<'_, SimKernel>,
    run: &Run,
    args: &[String],
    message: &Message,
    size: usize,
    took: Duration,
) -> String {
    let o = &run.options;
    if o.short {
        return message.answers.iter().map(|record| format!("{}\n", record.data)).collect();
    }
    let mut text = heading(o, args);
    if o.comments {
        text.push_str(&comments(message));
    }
    if o.question {
        text.push_str(";; QUESTION SECTION:\n");
        for q in &message.questions {
            // The semicolon takes no column.
            text.push(';');
            text.push_str(&columns(&format!("{}.", q.name), &[(32, "IN"), (40, &type_name(q.kind))]));
        }
        text.push('\n');
    }
    if o.answer && !message.answers.is_empty() {
        if o.comments {
            text.push_str(";; ANSWER SECTION:\n");
        }
        for record in &message.answers {
            let (ttl, kind, data) = (record.ttl.to_string(), type_name(record.owner.kind), record.data.to_string());
            let fields = [(24, &*ttl), (32, "IN"), (40, &*kind), (48, &*data)];
            text.push_str(&columns(&format!("{}.", record.owner.name), &fields));
        }
        if o.comments {
            text.push('\n');
        }
    }
    if o.stats {
        let when = strftime("%a %b %d %H:%M:%S UTC %Y", (sys.now().unix_nanos() / 1_000_000_000) as i64, 0);
        text.push_str(&format!(
            ";; Query time: {} msec\n;; SERVER: {server}#{}({server}) (UDP)\n;; WHEN: {when}\n;; MSG SIZE  rcvd: {size}\n\n",
            took.as_millis(),
            o.port,
            server = run.server
        ));
    }
    text
}

/// What is said about names that belong to multicast DNS (RFC 6762).
const LOCAL: &str = ";; WARNING: .local is reserved for Multicast DNS\n\
;; You are currently testing what happens when an mDNS query is leaked to DNS\n";

fn comments(message: &Message) -> String {
    let flags = [
        (message.response, " qr"),
        (message.authoritative, " aa"),
        (message.recursion_desired, " rd"),
        (message.recursion_available, " ra"),
        (message.authentic, " ad"),
    ];
    let flags: String = flags.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
    let local = message.questions.first().is_some_and(|q| q.name.to_ascii_lowercase().ends_with(".local"));
    let warning = if local { LOCAL } else { "" };
    let mut text = format!(
        ";; Got answer:\n{warning};; ->>HEADER<<- opcode: QUERY, status: {}, id: {}\n;; flags:{flags}; QUERY: {}, ANSWER: {}, \
         AUTHORITY: {}, ADDITIONAL: {}\n\n",
        status(message.rcode),
        message.id,
        message.questions.len(),
        message.answers.len(),
        message.authority,
        message.additional
    );
    if message.recursion_desired && !message.recursion_available {
        text.insert_str(text.len() - 1, ";; WARNING: recursion requested but not available\n");
    }
    if let Some(udp) = message.edns {
        text.push_str(&format!(";; OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: {udp}\n"));
        if message.edns_options.starts_with(&[0, 15, 0, 2, 0, 14]) {
            text.push_str("; EDE: 14 (Not Ready)\n");
        }
    }
    text
}

/// The name of a response code.
pub(super) fn status(rcode: u8) -> String {
    let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    names.get(usize::from(rcode)).map_or_else(|| format!("RESERVED{rcode}"), |name| (*name).to_owned())
}
