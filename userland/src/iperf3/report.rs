//! What is printed: lines of text, or JSON (`iperf_print_intermediate`, `iperf_print_results`).

use hopwise_machine::Sys;
use hopwise_machine::clock::strftime;
use hopwise_stack::socket::tcp::Addr;

use super::VERSION;
use super::flow::{Flow, Interval};
use super::json_report::JsonReport;
use super::options::Options;
use super::test::Test;
use super::units::{Format, general};
use crate::kernel::SimKernel;
use crate::stdio::Stream;

const SEPARATOR: &str = "- - - - - - - - - - - - - - - - - - - - - - - - -\n";

/// Where the reports go.
#[derive(Clone, Debug)]
pub(super) struct Report {
    out: Stream,
    title: Option<String>,
    format: Format,
    verbose: bool,
    /// What the other side wants to see, too (`--get-server-output`).
    pub(super) copy: Option<String>,
    pub(super) json: Option<JsonReport>,
}

impl Report {
    pub(super) fn new(options: &Options) -> Report {
        Report {
            out: Stream::new(1, options.flush),
            title: options.title.clone(),
            format: options.format,
            verbose: options.verbose,
            copy: None,
            json: options.json.then(JsonReport::default),
        }
    }

    /// Another test begins.
    pub(super) fn reset(&mut self) {
        self.copy = None;
        self.json = self.json.as_ref().map(|_| JsonReport::default());
    }

    /// Prints text (`iperf_printf`), which is nothing with `-J`.
    pub(super) fn put(&mut self, sys: &mut Sys<'_, SimKernel>, text: &str) {
        if self.json.is_some() {
            return;
        }
        if let Some(copy) = self.copy.as_mut().filter(|copy| copy.len() < 1 << 20) {
            copy.push_str(text);
        }
        match &self.title {
            Some(title) => {
                let lines: String = text.split_inclusive('\n').map(|line| format!("{title}:  {line}")).collect();
                self.out.put(sys, lines.as_bytes());
            }
            None => self.out.put(sys, text.as_bytes()),
        }
    }

    pub(super) fn flush(&mut self, sys: &mut Sys<'_, SimKernel>) {
        self.out.flush(sys);
    }

    /// Ends the JSON of a test.
    pub(super) fn finish_json(&mut self, sys: &mut Sys<'_, SimKernel>, error: Option<String>) {
        if let Some(json) = self.json.take() {
            let text = json.finish(error);
            self.out.put(sys, text.as_bytes());
            self.json = Some(JsonReport::default());
        }
    }

    /// Says why the test ended early: in the object, or on standard error.
    pub(super) fn ended_by(&mut self, sys: &mut Sys<'_, SimKernel>, text: &str) {
        if self.json.is_some() {
            self.finish_json(sys, Some(text.to_owned()));
        } else {
            sys.err(&format!("iperf3: {text}\n"));
        }
    }

    /// What comes before everything else with `-V`.
    pub(super) fn version(&mut self, sys: &mut Sys<'_, SimKernel>) {
        if self.verbose {
            let system = super::system(sys);
            self.put(sys, &format!("iperf {VERSION}\n{system}\n"));
        }
        self.version_of_json(sys);
    }

    /// The beginning of the next test's JSON.
    pub(super) fn version_of_json(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let system = super::system(sys);
        if let Some(json) = &mut self.json {
            json.version(&system);
        }
    }

    pub(super) fn listening(&mut self, sys: &mut Sys<'_, SimKernel>, port: u16, test: u32) {
        const LINE: &str = "-----------------------------------------------------------\n";
        self.put(sys, &format!("{LINE}Server listening on {port} (test #{test})\n{LINE}"));
    }

    fn time(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let text = date(sys);
        if self.verbose {
            self.put(sys, &format!("Time: {text}\n"));
        }
    }

    /// The parameters are agreed on; `peer`: who the other side is.
    pub(super) fn met(&mut self, sys: &mut Sys<'_, SimKernel>, test: &Test, cookie: &str, peer: (&str, u16), mss: u32) {
        let (host, port) = peer;
        self.time(sys);
        if let Some(json) = &mut self.json {
            let (text, seconds) = (date(sys), sys.now().unix_nanos() / 1_000_000_000);
            json.met(test, (&text, seconds), cookie, peer, mss);
            return;
        }
        if test.is_server {
            self.put(sys, &format!("Accepted connection from {host}, port {port}\n"));
        } else {
            self.put(sys, &format!("Connecting to host {host}, port {port}\n"));
            if test.settings.reverse {
                self.put(sys, &format!("Reverse mode, remote host {host} is sending\n"));
            }
        }
        if self.verbose {
            let settings = &test.settings;
            self.put(sys, &format!("      Cookie: {cookie}\n"));
            if !settings.udp {
                let text = match settings.mss {
                    0 => format!("      TCP MSS: {} (default)\n", if test.is_server { 0 } else { mss }),
                    mss => format!("      TCP MSS: {mss}\n"),
                };
                self.put(sys, &text);
            }
            if settings.rate > 0 {
                self.put(sys, &format!("      Target Bitrate: {}\n", settings.rate));
            }
        }
    }

    /// A stream is there.
    pub(super) fn connected(&mut self, sys: &mut Sys<'_, SimKernel>, fd: u32, ends: (Addr, Addr)) {
        let ((addr, port), (far, far_port)) = ends;
        if let Some(json) = &mut self.json {
            json.connected(fd, ends);
        }
        self.put(sys, &format!("[{fd:3}] local {addr} port {port} connected to {far} port {far_port}\n"));
    }

    /// The test begins.
    pub(super) fn started(&mut self, sys: &mut Sys<'_, SimKernel>, test: &Test, buffers: (u32, u32)) {
        if let Some(json) = &mut self.json {
            json.started(test, buffers);
        }
        if !self.verbose {
            return;
        }
        let s = &test.settings;
        let end = match (s.bytes, s.blocks) {
            (0, 0) => format!("{} second test", s.time),
            (0, blocks) => format!("{blocks} blocks to send"),
            (bytes, _) => format!("{bytes} bytes to send"),
        };
        let protocol = if s.udp { "UDP" } else { "TCP" };
        let text = format!(
            "Starting Test: protocol: {protocol}, {} streams, {} byte blocks, omitting {} seconds, {end}, tos {}\n",
            s.parallel, s.block, s.omit, s.tos
        );
        self.put(sys, &text);
    }

    /// The last report of each stream.
    pub(super) fn interval(&mut self, sys: &mut Sys<'_, SimKernel>, test: &Test) {
        // A short rest in which nothing was moved is not worth a line.
        let tenth = test.interval.as_micros() / 10;
        let worth = |i: &Interval| i.bytes > 0 || i.end.since(i.start).as_micros() >= tenth;
        if !test.flows.iter().filter_map(|flow| flow.last.as_ref()).any(worth) {
            return;
        }
        if let Some(json) = &mut self.json {
            json.interval(test);
            return;
        }
        let Some(first) = test.flows.first() else { return };
        if first.first {
            self.put(sys, &header(test, first.sender || test.settings.bidir, true));
        } else if test.settings.parallel > 1 {
            self.put(sys, SEPARATOR);
        }
        for group in groups(test) {
            let lines: String = group.iter().map(|flow| self.interval_line(test, flow)).collect();
            self.put(sys, &lines);
            if test.settings.parallel > 1 {
                let text = self.interval_sum(test, &group);
                self.put(sys, &text);
            }
        }
    }

    fn interval_line(&self, test: &Test, flow: &Flow) -> String {
        let Some(last) = flow.last else { return String::new() };
        let head = self.head(&label(flow), test, flow, span(flow, &last), last.bytes, last.seconds());
        let omitted = if last.omitted { "(omitted)" } else { "" };
        match (test.settings.udp, flow.sender) {
            (false, true) => {
                format!("{head}  {:3}   {}       {omitted}\n", last.retransmits, Format::Bytes.text(last.cwnd as f64))
            }
            (false, false) => format!("{head}                  {omitted}\n"),
            (true, true) => format!("{head}  {}{}  {omitted}\n", gap(test), last.packets),
            (true, false) => format!("{head}  {}  {omitted}\n", losses(last.jitter, last.lost, last.packets)),
        }
    }

    fn interval_sum(&self, test: &Test, group: &[&Flow]) -> String {
        let lasts: Vec<Interval> = group.iter().filter_map(|flow| flow.last).collect();
        let (Some(flow), Some(last)) = (group.first(), lasts.first()) else { return String::new() };
        let bytes = lasts.iter().map(|i| i.bytes).sum();
        let head = self.head("[SUM]", test, flow, span(flow, last), bytes, last.seconds());
        let omitted = if last.omitted { "(omitted)" } else { "" };
        let packets: i64 = lasts.iter().map(|i| i.packets).sum();
        match (test.settings.udp, flow.sender) {
            (false, true) => {
                format!("{head}  {:3}             {omitted}\n", lasts.iter().map(|i| i.retransmits).sum::<u64>())
            }
            (false, false) => format!("{head}                  {omitted}\n"),
            (true, true) => format!("{head}  {}{packets}  {omitted}\n", gap(test)),
            (true, false) => {
                let jitter = lasts.iter().map(|i| i.jitter).sum::<f64>() / lasts.len() as f64;
                format!("{head}  {}  {omitted}\n", losses(jitter, lasts.iter().map(|i| i.lost).sum(), packets))
            }
        }
    }

    /// What every line about a stream begins with.
    fn head(
        &self,
        label: &str,
        test: &Test,
        flow: &Flow,
        (start, end): (f64, f64),
        bytes: u64,
        seconds: f64,
    ) -> String {
        let role = match (test.settings.bidir, flow.sender, test.is_server) {
            (false, ..) => "",
            (_, true, false) => "[TX-C]",
            (_, false, false) => "[RX-C]",
            (_, true, true) => "[TX-S]",
            (_, false, true) => "[RX-S]",
        };
        let rate = if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
        let (amount, rate) = (Format::Bytes.text(bytes as f64), self.format.text(rate));
        format!("{label}{role} {start:6.2}-{end:<6.2} sec  {amount}  {rate}/sec")
    }

    /// The results of the whole test.
    pub(super) fn results(&mut self, sys: &mut Sys<'_, SimKernel>, test: &Test) {
        if let Some(json) = &mut self.json {
            json.results(test);
            return;
        }
        self.put(sys, SEPARATOR);
        if self.verbose {
            self.put(sys, "Test Complete. Summary Results:\n");
        }
        let retransmits = test.sends() || test.remote_has_retransmits;
        self.put(sys, &header(test, retransmits, false));
        for group in groups(test) {
            let mut text: String = group.iter().map(|flow| self.result_lines(test, flow)).collect();
            if test.settings.parallel > 1 {
                text.push_str(&self.result_sums(test, &group));
            }
            self.put(sys, &text);
        }
        if self.verbose {
            let text = epilogue(test);
            self.put(sys, &text);
        }
        if let Some(output) = &test.server_output {
            self.put(sys, &format!("\nServer output:\n{output}\n"));
        }
    }

    fn result_lines(&self, test: &Test, flow: &Flow) -> String {
        let mut text = String::new();
        for side in [true, false] {
            // A server does not know yet what the client has counted.
            if test.is_server && flow.sender != side {
                if self.verbose {
                    let side = if side { "sender" } else { "receiver" };
                    text.push_str(&format!("{} ({side} statistics not available)\n", label(flow)));
                }
                continue;
            }
            let r = Ending::of(flow, side);
            let head = self.head(&label(flow), test, flow, (0.0, r.seconds), r.bytes, r.seconds);
            text.push_str(&r.line(test, &head));
        }
        let out_of_order = flow.out_of_order - flow.omitted.out_of_order;
        if test.settings.udp && !flow.sender && out_of_order > 0 {
            let end = flow.seconds();
            text.push_str(&format!(
                "{} 0.00-{end:4.2} sec  {out_of_order} datagrams received out-of-order\n",
                label(flow)
            ));
        }
        text
    }

    fn result_sums(&self, test: &Test, group: &[&Flow]) -> String {
        let Some(first) = group.first() else { return String::new() };
        let sides = [true, false].into_iter().filter(|side| !test.is_server || first.sender == *side);
        sides
            .map(|side| {
                let all: Vec<Ending> = group.iter().map(|flow| Ending::of(flow, side)).collect();
                let r = Ending::sum(&all);
                let head = self.head("[SUM]", test, first, (0.0, r.seconds), r.bytes, r.seconds);
                r.line(test, &head)
            })
            .collect()
    }
}

/// What a stream came to, seen from its sender or its receiver.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Ending {
    pub(super) is_sender: bool,
    pub(super) seconds: f64,
    pub(super) bytes: u64,
    pub(super) retransmits: u64,
    pub(super) jitter: f64,
    pub(super) lost: i64,
    pub(super) packets: i64,
}

impl Ending {
    pub(super) fn of(flow: &Flow, is_sender: bool) -> Ending {
        let own = flow.sender == is_sender;
        let peer = &flow.peer;
        let packets = flow.packets - flow.omitted.packets;
        let errors = flow.errors - flow.omitted.errors;
        let (jitter, lost) = match (is_sender, own) {
            (true, _) => (0.0, 0),
            (false, true) => (flow.jitter, errors),
            (false, false) => (peer.jitter, peer.errors),
        };
        Ending {
            is_sender,
            seconds: if own || peer.seconds <= 0.0 { flow.seconds() } else { peer.seconds },
            bytes: if own { flow.bytes() } else { peer.bytes },
            retransmits: if own { flow.retransmits } else { peer.retransmits.unwrap_or(0) },
            jitter,
            lost,
            packets: if own { packets } else { peer.packets },
        }
    }

    pub(super) fn sum(all: &[Ending]) -> Ending {
        let mut sum = all.last().copied().unwrap_or_default();
        (sum.bytes, sum.retransmits, sum.lost, sum.packets, sum.jitter) = (0, 0, 0, 0, 0.0);
        for one in all {
            sum.bytes = sum.bytes.saturating_add(one.bytes);
            sum.retransmits = sum.retransmits.saturating_add(one.retransmits);
            sum.lost = sum.lost.saturating_add(one.lost);
            sum.packets = sum.packets.saturating_add(one.packets);
            sum.jitter += one.jitter / all.len() as f64;
        }
        sum
    }

    fn line(&self, test: &Test, head: &str) -> String {
        let side = if self.is_sender { "sender" } else { "receiver" };
        match (test.settings.udp, self.is_sender) {
            (true, _) => format!("{head}  {}  {side}\n", losses(self.jitter, self.lost, self.packets)),
            (false, true) => format!("{head}  {:3}             {side}\n", self.retransmits),
            (false, false) => format!("{head}                  {side}\n"),
        }
    }
}

/// The streams, those of one direction together.
pub(super) fn groups(test: &Test) -> Vec<Vec<&Flow>> {
    let Some(first) = test.flows.first() else { return Vec::new() };
    let (own, others): (Vec<&Flow>, Vec<&Flow>) = test.flows.iter().partition(|flow| flow.sender == first.sender);
    [own, others].into_iter().filter(|group| !group.is_empty()).collect()
}

fn label(flow: &Flow) -> String {
    format!("[{:3}]", flow.fd)
}

/// Between which seconds of the test it was.
pub(super) fn span(flow: &Flow, interval: &Interval) -> (f64, f64) {
    let seconds = |at: hopwise_sim_core::Time| at.since(flow.start).as_micros() as f64 / 1e6;
    // What was reported before the seconds to be omitted were over began before the stream's own time.
    let begin = if interval.omitted || interval.start >= flow.start { seconds(interval.start) } else { 0.0 };
    (begin, seconds(interval.end))
}

fn gap(test: &Test) -> &'static str {
    if test.settings.bidir { "          " } else { "" }
}

fn losses(jitter: f64, lost: i64, packets: i64) -> String {
    let percent = if packets > 0 { 100.0 * lost as f64 / packets as f64 } else { 0.0 };
    format!("{:5.3} ms  {lost}/{packets} ({}%)", jitter * 1000.0, general(percent, 2))
}

fn header(test: &Test, sender: bool, interval: bool) -> String {
    let role = if test.settings.bidir { "[Role]" } else { "" };
    let rest = match (test.settings.udp, sender, interval) {
        (true, true, true) if !test.settings.bidir => "         Total Datagrams",
        (true, ..) => "         Jitter    Lost/Total Datagrams",
        (false, true, true) => "         Retr  Cwnd",
        (false, true, false) => "         Retr",
        (false, false, _) => "",
    };
    format!("[ ID]{role} Interval           Transfer     Bitrate{rest}\n")
}

/// What `-V` tells at the end.
fn epilogue(test: &Test) -> String {
    let mut text = String::new();
    let ((local, remote), sender) = ((test.cpu(), test.remote_cpu), test.sends());
    if !test.is_server {
        let part = |(total, user, system): (f64, f64, f64)| format!("{total:.1}% ({user:.1}%u/{system:.1}%s)");
        let (here, there) = if sender { ("sender", "receiver") } else { ("receiver", "sender") };
        text = format!("CPU Utilization: local/{here} {}, remote/{there} {}\n", part(local), part(remote));
    }
    if !test.settings.udp {
        let (snd, rcv) = test.congestions();
        if let Some(name) = snd {
            text.push_str(&format!("snd_tcp_congestion {name}\n"));
        }
        if let Some(name) = rcv {
            text.push_str(&format!("rcv_tcp_congestion {name}\n"));
        }
    }
    text
}

/// The date as iperf3 writes it.
fn date(sys: &Sys<'_, SimKernel>) -> String {
    strftime("%a, %d %b %Y %H:%M:%S GMT", (sys.now().unix_nanos() / 1_000_000_000) as i64, 0)
}
