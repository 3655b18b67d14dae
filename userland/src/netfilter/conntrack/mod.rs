//! `conntrack` 1.4.7: shows and changes the connections of a namespace.

mod listen;
mod options;
mod select;
mod text;
mod words;

pub(crate) use text::proc_file;

use hopwise_machine::{Program, Read, Step, Sys, Wait};
use hopwise_netfilter::conntrack::{Change, ConnStatus, Conntrack};
use hopwise_sim_core::{ConnTag, Errno, Time};

use super::names::Files;
use crate::kernel::SimKernel;
use listen::Listener;
use options::{Request, Table};
use text::Flow;

/// How the program begins each of its messages.
const NAME: &str = "conntrack v1.4.7 (conntrack-tools)";

/// What stands before the connections in XML.
const XML: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n";

/// Starts `conntrack`.
pub(crate) fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    Box::new(Run { args, input: Vec::new(), listener: None })
}

/// The program: it reads its standard input first if that has commands, and stays if it listens.
#[derive(Clone)]
struct Run {
    args: Vec<String>,
    input: Vec<u8>,
    listener: Option<Listener>,
}

impl Program<SimKernel> for Run {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(listener) = &mut self.listener {
            return listener.step(sys);
        }
        let names = Files::read(sys);
        let request = match options::parse(&self.args, &names) {
            Ok(request) => request,
            Err(why) => return Step::Exit(refuse(sys, &why)),
        };
        match request.command {
            'E' => self.listener.insert(Listener::begin(sys, request)).step(sys),
            'R' if request.file == "-" => {
                loop {
                    match sys.read(0, 65_536) {
                        Ok(Read::Data(bytes)) => self.input.extend(bytes),
                        Ok(Read::WouldBlock) => return Step::Block(Wait::readable(0)),
                        Ok(Read::Eof) | Err(_) => break,
                    }
                }
                Step::Exit(load(sys, &names, &core::mem::take(&mut self.input)))
            }
            'R' => match sys.read_file(&request.file) {
                Ok(text) => Step::Exit(load(sys, &names, &text)),
                Err(_) => Step::Exit(refuse(sys, &format!("Failed to open file {} for reading", request.file))),
            },
            _ => Step::Exit(run(sys, &request)),
        }
    }
}

/// A command line that is wrong.
fn refuse(sys: &mut Sys<'_, SimKernel>, why: &str) -> i32 {
    sys.err(&format!("{NAME}: {why}\nTry `conntrack -h' or 'conntrack --help' for more information.\n"));
    2
}

/// The commands of a file, one a line; all are read before the first is carried out.
fn load(sys: &mut Sys<'_, SimKernel>, names: &Files, text: &[u8]) -> i32 {
    let text = String::from_utf8_lossy(text).into_owned();
    let mut requests = Vec::new();
    for line in text.lines() {
        let words: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            continue;
        }
        match options::parse(&words, names) {
            Ok(request) if matches!(request.command, 'I' | 'A' | 'U' | 'D' | 'F') => requests.push(request),
            Ok(request) => {
                return refuse(sys, &format!("Cannot use command `-{}' with --load-file", request.command));
            }
            Err(why) => return refuse(sys, &why),
        }
    }
    for request in &requests {
        let outcome = carry_out(sys, request);
        // That nothing was found is no failure here, and nothing is said of what was done.
        if let Some(errno) = outcome.failed {
            sys.err(&format!("{NAME}: Operation failed: {}\n", in_words(errno, request.command)));
            return 1;
        }
    }
    0
}

/// What a command brought about.
#[derive(Default)]
struct Outcome {
    out: String,
    err: String,
    count: usize,
    failed: Option<Errno>,
}

/// Carries out all commands but `-E`.
fn run(sys: &mut Sys<'_, SimKernel>, request: &Request) -> i32 {
    match request.command {
        '\0' | 'h' => {
            sys.out(words::USAGE);
            return 0;
        }
        'V' => {
            sys.out(&format!("{NAME}\n"));
            return 0;
        }
        _ => {}
    }
    if request.table != Table::Conntrack {
        return other_table(sys, request);
    }
    let mut outcome = carry_out(sys, request);
    if request.format.xml && !outcome.out.is_empty() && matches!(request.command, 'L' | 'G' | 'D' | 'U') {
        outcome.out = format!("{XML}{}</conntrack>\n", outcome.out);
    }
    // Into a pipe or a file the real one's output comes last, with the end of the program.
    sys.err(&outcome.err);
    let status = finish(sys, request, &outcome);
    sys.out(&outcome.out);
    status
}

/// Does what is asked.
fn carry_out(sys: &mut Sys<'_, SimKernel>, request: &Request) -> Outcome {
    let mut outcome = Outcome::default();
    let ns = sys.ns();
    let by = sys.pid().number;
    let done = sys.kernel.net.with_conntrack(ns, |table, now| {
        table.events.by = Some(by);
        match request.command {
            'L' => list(table, now, request, &mut outcome),
            'G' => get(table, now, request, &mut outcome),
            'D' => delete(table, now, request, &mut outcome),
            'U' => update(table, now, request, &mut outcome),
            'I' | 'A' => create(table, now, request, &mut outcome),
            'F' => {
                table.flush(now);
                outcome.err = format!("{NAME}: connection tracking table has been emptied.\n");
            }
            'C' => outcome.out = format!("{}\n", table.count(now)),
            _ => statistics(table, &mut outcome),
        }
        table.events.by = None;
    });
    debug_assert!(done.is_some(), "a program lives in a namespace");
    outcome
}

/// The last words and the status.
fn finish(sys: &mut Sys<'_, SimKernel>, request: &Request, outcome: &Outcome) -> i32 {
    if let Some(errno) = outcome.failed {
        sys.err(&format!("{NAME}: Operation failed: {}\n", in_words(errno, request.command)));
        return 1;
    }
    let done = match request.command {
        'L' | 'G' => "shown",
        'I' => "created",
        'A' => "added",
        'U' => "updated",
        'D' => "deleted",
        _ => return 0,
    };
    sys.err(&format!("{NAME}: {} flow entries have been {done}.\n", outcome.count));
    i32::from(outcome.count == 0 && !matches!(request.command, 'L' | 'A'))
}

/// What the program says of an error of the kernel (`err2str`).
fn in_words(errno: Errno, command: char) -> String {
    match (errno, command) {
        (Errno::EINVAL, _) => "invalid parameters".into(),
        (Errno::EEXIST, 'I') => "Such conntrack exists, try -U to update".into(),
        (Errno::ENOENT, 'I' | 'G' | 'D') => "such conntrack doesn't exist".into(),
        (Errno::ENOMEM, 'I' | 'G') => "not enough memory".into(),
        (Errno::EAFNOSUPPORT, 'G') => "protocol not supported".into(),
        (Errno::EPERM, _) => "sorry, you must be root or get CAP_NET_ADMIN capability to do this".into(),
        (errno, _) => errno.to_string(),
    }
}

/// Nothing is ever expected here, and what dies or is not confirmed is gone before anybody can look.
fn other_table(sys: &mut Sys<'_, SimKernel>, request: &Request) -> i32 {
    let text = match (request.table, request.command) {
        (Table::Expect, 'L' | 'E') => "0 expectations have been shown.",
        (Table::Expect, 'F') => "expectation table has been emptied.",
        (Table::Expect, 'C') => {
            sys.out("0\n");
            return 0;
        }
        (Table::Dying | Table::Unconfirmed, 'L') => "0 flow entries have been shown.",
        _ => return refuse(sys, "hopwise has no expectations"),
    };
    sys.err(&format!("{NAME}: {text}\n"));
    0
}

fn list(table: &mut Conntrack, now: Time, request: &Request, outcome: &mut Outcome) {
    for conn in table.list(now).filter(|conn| request.fits(conn)) {
        outcome.count += 1;
        outcome.out.push_str(&line(&Flow { conn, now, event: None, users: 1 }, request));
    }
    if request.given.contains('z') {
        for tag in table.tagged(now) {
            if let Some(conn) = table.conn_mut(tag).filter(|conn| request.fits(conn)) {
                conn.counters = conn.counters.map(|_| Default::default());
            }
        }
    }
}

fn line(flow: &Flow<'_>, request: &Request) -> String {
    let mut text = flow.text(request.format);
    if request.format.save && request.command == 'D' {
        text.replace_range(..2, "-D");
    }
    text.push('\n');
    text
}

fn show(table: &Conntrack, now: Time, tag: ConnTag, users: u32, request: &Request, outcome: &mut Outcome) {
    if let Some(conn) = table.conn(tag) {
        outcome.count += 1;
        outcome.out.push_str(&line(&Flow { conn, now, event: None, users }, request));
    }
}

fn get(table: &mut Conntrack, now: Time, request: &Request, outcome: &mut Outcome) {
    let [original, reply] = request.tuples();
    let found = original.or(reply).and_then(|tuple| table.lookup(now, &tuple, request.zone_pair()));
    match found {
        Some(tag) => show(table, now, tag, 2, request, outcome),
        None => outcome.failed = Some(Errno::ENOENT),
    }
}

fn delete(table: &mut Conntrack, now: Time, request: &Request, outcome: &mut Outcome) {
    for tag in table.tagged(now) {
        if table.conn(tag).is_some_and(|conn| request.fits(conn)) {
            show(table, now, tag, 1, request, outcome);
            table.delete(now, tag);
        }
    }
}

fn update(table: &mut Conntrack, now: Time, request: &Request, outcome: &mut Outcome) {
    for tag in table.tagged(now) {
        let Some(conn) = table.conn(tag).filter(|conn| request.fits(conn)) else { continue };
        let mark = request.mark.map(|(value, mask)| (conn.mark & !mask) ^ value).filter(|mark| *mark != conn.mark);
        let bits = request.status.map(|bits| conn.status | bits).filter(|bits| *bits != conn.status);
        let timeout = request.timeout.filter(|t| u64::from(*t) != conn.remaining(now).as_secs());
        if mark.is_none() && bits.is_none() && timeout.is_none() {
            continue;
        }
        if request.v6.is_none() {
            // The message names no family: Linux refuses it, and the program gives up.
            let errno = Errno::EOPNOTSUPP;
            outcome.err.push_str(&format!("Operation failed: {errno}\n"));
            outcome.failed = Some(errno);
            return;
        }
        let status = bits.map(|bits| bits & (ConnStatus::SEEN_REPLY | ConnStatus::ASSURED | ConnStatus::FIXED_TIMEOUT));
        let expected = conn.status & ConnStatus::EXPECTED;
        let change = Change { mark, status: status.map(|bits| bits | expected), timeout, ..Change::default() };
        if let Err(errno) = table.change(now, tag, &change) {
            outcome.err.push_str(&format!("Operation failed: {}\n", in_words(errno, 'U')));
        }
        show(table, now, tag, 2, request, outcome);
    }
}

fn create(table: &mut Conntrack, now: Time, request: &Request, outcome: &mut Outcome) {
    if request.v6 == Some(true) {
        outcome.err.push_str("(hopwise has no IPv6)\n");
        outcome.failed = Some(Errno::EAFNOSUPPORT);
        return;
    }
    let done = request.new_tuples().ok_or(Errno::EINVAL);
    let done = done.and_then(|tuples| table.create(now, tuples, request.zone_pair(), &request.change()));
    match done {
        Ok(()) => outcome.count = 1,
        Err(Errno::EEXIST) if request.command == 'A' => {}
        Err(errno) => outcome.failed = Some(errno),
    }
}

/// `-S`. A machine here has one processor.
fn statistics(table: &Conntrack, outcome: &mut Outcome) {
    let s = &table.stats;
    outcome.out = format!(
        "cpu=0   \tfound={} invalid={} insert={} insert_failed={} drop={} early_drop={} error={} search_restart=0 \
         clash_resolve={} chaintoolong={} \n",
        s.found, s.invalid, s.insert, s.insert_failed, s.drop, s.early_drop, s.error, s.clash_resolve, s.chaintoolong
    );
}
