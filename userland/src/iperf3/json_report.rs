//! The report as JSON (`-J`).

use hopwise_stack::socket::tcp::Addr;

use super::VERSION;
use super::flow::{Flow, Peaks};
use super::json::{Json, object};
use super::report::{Ending, groups, span};
use super::test::Test;

/// What was gathered until now.
#[derive(Clone, Default, Debug)]
pub(super) struct JsonReport {
    connected: Vec<Json>,
    start: Vec<(&'static str, Json)>,
    intervals: Vec<Json>,
    end: Vec<(&'static str, Json)>,
}

impl JsonReport {
    pub(super) fn version(&mut self, system: &str) {
        self.start.push(("version", format!("iperf {VERSION}").into()));
        self.start.push(("system_info", system.into()));
    }

    pub(super) fn met(&mut self, test: &Test, time: (&str, u64), cookie: &str, peer: (&str, u16), mss: u32) {
        let settings = &test.settings;
        let rate = ("target_bitrate", Json::from(settings.rate));
        if test.is_server && settings.udp {
            self.start.push(rate.clone());
        }
        self.start.push(("timestamp", object! { "time": time.0, "timesecs": time.1 }));
        let name = if test.is_server { "accepted_connection" } else { "connecting_to" };
        self.start.push((name, object! { "host": peer.0, "port": peer.1 }));
        self.start.push(("cookie", cookie.into()));
        if !settings.udp {
            match settings.mss {
                0 => self.start.push(("tcp_mss_default", Json::from(if test.is_server { 0 } else { mss }))),
                mss => self.start.push(("tcp_mss", mss.into())),
            }
        }
        self.start.push(rate);
    }

    pub(super) fn connected(&mut self, fd: u32, ((addr, port), (far, far_port)): (Addr, Addr)) {
        self.connected.push(object! {
            "socket": fd, "local_host": addr.to_string(), "local_port": port, "remote_host": far.to_string(),
            "remote_port": far_port,
        });
    }

    pub(super) fn started(&mut self, test: &Test, (sndbuf, rcvbuf): (u32, u32)) {
        let s = &test.settings;
        let buffers = [
            ("sock_bufsize", Json::from(s.window)),
            ("sndbuf_actual", Json::from(sndbuf)),
            ("rcvbuf_actual", Json::from(rcvbuf)),
        ];
        // A server of TCP has made its socket before it knows the rest.
        let at = if test.is_server && !s.udp { 2.min(self.start.len()) } else { self.start.len() };
        self.start.splice(at..at, buffers);
        self.start.push((
            "test_start",
            object! {
                "protocol": if s.udp { "UDP" } else { "TCP" }, "num_streams": s.parallel, "blksize": s.block, "omit": s.omit,
                "duration": s.time, "bytes": s.bytes, "blocks": s.blocks, "reverse": u32::from(s.reverse), "tos": u32::from(s.tos),
                "target_bitrate": s.rate,
            },
        ));
    }

    pub(super) fn interval(&mut self, test: &Test) {
        let streams: Vec<Json> = test.flows.iter().map(|flow| interval(test, &[flow], Some(flow.fd))).collect();
        let mut all = object! { "streams": streams };
        for (name, group) in ["sum", "sum_bidir_reverse"].into_iter().zip(groups(test)) {
            all.add(name, interval(test, &group, None));
        }
        self.intervals.push(all);
    }

    pub(super) fn results(&mut self, test: &Test) {
        let udp = test.settings.udp;
        let stream = |flow: &Flow| if udp { udp_stream(flow) } else { tcp_stream(test, flow) };
        let mut end = object! { "streams": test.flows.iter().map(stream).collect::<Vec<_>>() };
        const NAMES: [[&str; 3]; 2] = [
            ["sum", "sum_sent", "sum_received"],
            ["sum_bidir_reverse", "sum_sent_bidir_reverse", "sum_received_bidir_reverse"],
        ];
        for (names, group) in NAMES.into_iter().zip(groups(test)) {
            let side = |sender| Ending::sum(&group.iter().map(|flow| known(test, flow, sender)).collect::<Vec<_>>());
            let (sent, received) = (side(true), side(false));
            let sender = group.first().is_some_and(|flow| flow.sender);
            if udp {
                let all = Ending { jitter: received.jitter, lost: received.lost, ..sent };
                let rate = sent.bytes as f64 * 8.0 / sent.seconds.max(1e-6);
                end.add(names[0], udp_sum(&Ending { seconds: received.seconds, ..all }, rate, sender));
                end.add(names[1], udp_sum(&sent, rate, true));
                let rate = received.bytes as f64 * 8.0 / received.seconds.max(1e-6);
                end.add(names[2], udp_sum(&received, rate, false));
            } else {
                let side = Side { sends: sender, retransmits: !test.is_server || sender, ..Side::default() };
                end.add(names[1], side.json(&sent));
                end.add(names[2], Side { retransmits: false, ..side }.json(&received));
            }
        }
        let (here, there) = (test.cpu(), test.remote_cpu);
        end.add(
            "cpu_utilization_percent",
            object! {
                "host_total": here.0, "host_user": here.1, "host_system": here.2,
                "remote_total": there.0, "remote_user": there.1, "remote_system": there.2,
            },
        );
        if !udp {
            let (snd, rcv) = test.congestions();
            if let Some(name) = snd {
                end.add("sender_tcp_congestion", name);
            }
            if let Some(name) = rcv {
                end.add("receiver_tcp_congestion", name);
            }
        }
        if let Json::Object(members) = end {
            self.end = members;
        }
    }

    /// All of it, as one text.
    pub(super) fn finish(self, error: Option<String>) -> String {
        let mut start = vec![("connected", Json::from(self.connected))];
        start.extend(self.start);
        let mut all =
            object! { "start": Json::Object(start), "intervals": self.intervals, "end": Json::Object(self.end) };
        if let Some(error) = error {
            all.add("error", error);
        }
        all.pretty() + "\n"
    }
}

/// What is known of a side: a server prints before it learns what the client has counted.
fn known(test: &Test, flow: &Flow, sender: bool) -> Ending {
    let ending = Ending::of(flow, sender);
    if !test.is_server || flow.sender == sender {
        return ending;
    }
    Ending { bytes: 0, packets: if test.settings.udp { 0 } else { ending.packets }, ..ending }
}

/// A report of one stream, or of several together.
fn interval(test: &Test, group: &[&Flow], fd: Option<u32>) -> Json {
    let mut json = object! {};
    let lasts: Vec<_> = group.iter().filter_map(|flow| flow.last).collect();
    let (Some(flow), Some(last)) = (group.first(), lasts.first()) else { return json };
    if let Some(fd) = fd {
        json.add("socket", fd);
    }
    let (start, end) = span(flow, last);
    let (bytes, seconds) = (lasts.iter().map(|i| i.bytes).sum::<u64>(), last.seconds());
    json.add("start", start);
    json.add("end", end);
    json.add("seconds", seconds);
    json.add("bytes", bytes);
    json.add("bits_per_second", if seconds > 0.0 { bytes as f64 * 8.0 / seconds } else { 0.0 });
    let packets: i64 = lasts.iter().map(|i| i.packets).sum();
    match (test.settings.udp, flow.sender) {
        (false, true) => {
            json.add("retransmits", lasts.iter().map(|i| i.retransmits).sum::<u64>());
            if fd.is_some() {
                json.add("snd_cwnd", last.cwnd);
                json.add("snd_wnd", last.wnd);
                json.add("rtt", last.rtt.0);
                json.add("rttvar", last.rtt.1);
                json.add("pmtu", last.pmtu);
            }
        }
        (false, false) => {}
        (true, true) => json.add("packets", packets),
        (true, false) => {
            let lost: i64 = lasts.iter().map(|i| i.lost).sum();
            json.add("jitter_ms", lasts.iter().map(|i| i.jitter).sum::<f64>() * 1000.0 / lasts.len() as f64);
            json.add("lost_packets", lost);
            json.add("packets", packets);
            json.add("lost_percent", percent(lost, packets));
        }
    }
    json.add("omitted", last.omitted);
    json.add("sender", flow.sender);
    json
}

fn percent(lost: i64, packets: i64) -> f64 {
    if packets > 0 { 100.0 * lost as f64 / packets as f64 } else { 0.0 }
}

fn tcp_stream(test: &Test, flow: &Flow) -> Json {
    let knows = !test.is_server || flow.sender;
    let sent = Side { fd: Some(flow.fd), sends: flow.sender, retransmits: knows, peaks: knows.then_some(flow.peaks) };
    let received = Side { fd: Some(flow.fd), sends: flow.sender, ..Side::default() };
    object! { "sender": sent.json(&known(test, flow, true)), "receiver": received.json(&known(test, flow, false)) }
}

/// How one side of TCP streams is told.
#[derive(Clone, Copy, Default)]
struct Side {
    fd: Option<u32>,
    /// Whether this process sends.
    sends: bool,
    retransmits: bool,
    peaks: Option<Peaks>,
}

impl Side {
    fn json(&self, side: &Ending) -> Json {
        let mut json = object! {};
        if let Some(fd) = self.fd {
            json.add("socket", fd);
        }
        json.add("start", 0u32);
        json.add("end", side.seconds);
        json.add("seconds", side.seconds);
        json.add("bytes", side.bytes);
        json.add("bits_per_second", side.bytes as f64 * 8.0 / side.seconds.max(1e-6));
        if self.retransmits {
            json.add("retransmits", side.retransmits);
        }
        if let Some(peaks) = self.peaks {
            json.add("max_snd_cwnd", peaks.cwnd);
            json.add("max_snd_wnd", peaks.wnd);
            json.add("max_rtt", peaks.max_rtt);
            json.add("min_rtt", peaks.min_rtt);
            json.add("mean_rtt", peaks.sum_rtt.checked_div(peaks.count).unwrap_or(0));
        }
        json.add("sender", self.sends);
        json
    }
}

fn udp_stream(flow: &Flow) -> Json {
    let (sent, received) = (Ending::of(flow, true), Ending::of(flow, false));
    let packets = if flow.sender { sent.packets } else { received.packets };
    let out_of_order = flow.out_of_order - flow.omitted.out_of_order;
    object! {
        "udp": object! {
            "socket": flow.fd, "start": 0u32, "end": sent.seconds, "seconds": sent.seconds, "bytes": sent.bytes,
            "bits_per_second": sent.bytes as f64 * 8.0 / sent.seconds.max(1e-6), "jitter_ms": received.jitter * 1000.0,
            "lost_packets": received.lost, "packets": packets, "lost_percent": percent(received.lost, packets),
            "out_of_order": out_of_order, "sender": flow.sender,
        },
    }
}

fn udp_sum(side: &Ending, rate: f64, sender: bool) -> Json {
    object! {
        "start": 0u32, "end": side.seconds, "seconds": side.seconds, "bytes": side.bytes, "bits_per_second": rate,
        "jitter_ms": side.jitter * 1000.0, "lost_packets": side.lost, "packets": side.packets,
        "lost_percent": percent(side.lost, side.packets), "sender": sender,
    }
}
