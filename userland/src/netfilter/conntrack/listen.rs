//! `conntrack -E`: what happens to connections, as it happens.

use hopwise_machine::{Signal, Step, Sys, Wait};
use hopwise_netfilter::conntrack::{Event, EventKind};
use hopwise_sim_core::NsId;

use super::options::{Request, Table};
use super::text::Flow;
use super::{NAME, XML};
use crate::kernel::SimKernel;

/// The program while it listens.
#[derive(Clone)]
pub(super) struct Listener {
    request: Request,
    ns: NsId,
    /// The number of the next message.
    next: u64,
    shown: usize,
}

impl Listener {
    /// Begins to listen.
    pub(super) fn begin(sys: &mut Sys<'_, SimKernel>, request: Request) -> Listener {
        for signal in [Signal::INT, Signal::TERM] {
            sys.catch(signal);
        }
        let (ns, pid) = (sys.ns(), sys.pid());
        let next = sys.kernel.listen_to_conntrack(pid, ns);
        if request.format.xml {
            sys.out(XML);
        }
        Listener { request, ns, next, shown: 0 }
    }

    /// Prints what has happened since the last time.
    pub(super) fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let (from, request) = (self.next, &self.request);
        let read = sys.kernel.net.with_conntrack(self.ns, |table, now| {
            table.sweep(now);
            let events: Vec<&Event> = table.events.since(from).collect();
            let lines: Vec<String> = events.iter().filter_map(|event| line(event, request)).collect();
            (table.events.next(), lines, table.next_end())
        });
        let Some((next, lines, wake)) = read else { return Step::Exit(1) };
        self.next = next;
        self.shown += lines.len();
        sys.out(&lines.concat());
        if sys.take_signal().is_some() {
            return Step::Exit(self.end(sys));
        }
        Step::Block(Wait::event().or_until(Some(wake)))
    }

    fn end(&self, sys: &mut Sys<'_, SimKernel>) -> i32 {
        if self.request.format.xml {
            sys.out("</conntrack>\n");
        }
        let what = if self.request.table == Table::Expect { "expectation" } else { "flow" };
        sys.err(&format!("{NAME}: {} {what} events have been shown.\n", self.shown));
        0
    }
}

/// A message as it is printed; `None`: nobody asked for it.
fn line(event: &Event, request: &Request) -> Option<String> {
    let asked = request.events == [false; 3]
        || match event.kind {
            EventKind::New => request.events[0],
            EventKind::Update => request.events[1],
            EventKind::Destroy => request.events[2],
        };
    if !asked || !request.fits(&event.conn) || request.table != Table::Conntrack {
        return None;
    }
    let flow = Flow { conn: &event.conn, now: event.at, event: Some((event.kind, event.changed)), users: 0 };
    let mut text = String::new();
    if request.format.timestamp {
        let nanos = event.at.unix_nanos();
        text = format!("[{}.{:06}]\t", nanos / 1_000_000_000, nanos % 1_000_000_000 / 1000);
    }
    text.push_str(&flow.text(request.format));
    if let Some(pid) = event.by {
        text.push_str(&format!(" [USERSPACE] portid={pid} progname=conntrack"));
    }
    text.push('\n');
    Some(text)
}
