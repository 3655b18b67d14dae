//! What `ss -i` and `ss -o` tell of a connection (`tcp_stats_print`, `tcp_timer_print`).

use hopwise_protocols::tcp::{Endpoint, Info};
use hopwise_sim_core::{Duration, Time};

use crate::sockets::Timer;

/// ` timer:(NAME,TIME,TRIES)`
pub(super) fn timer(timer: &Timer) -> String {
    let name = match timer.kind {
        1 => "on",
        2 => "keepalive",
        3 => "timewait",
        4 => "persist",
        _ => "unknown",
    };
    format!(" timer:({name},{},{})", span(timer.left), timer.tries)
}

/// A time as `print_ms_timer` writes it: minutes, seconds, and milliseconds below ten seconds.
fn span(time: Duration) -> String {
    let millis = time.as_millis() as u64;
    let (minutes, seconds, rest) = (millis / 60_000, millis / 1000 % 60, millis % 1000);
    let mut text = String::new();
    if minutes > 0 {
        text.push_str(&format!("{minutes}min"));
    }
    if seconds > 0 {
        text.push_str(&format!("{seconds}{}", if minutes == 0 && seconds <= 9 { "." } else { "sec" }));
    }
    if minutes == 0 && seconds <= 9 {
        text.push_str(&format!("{rest:03}ms"));
    }
    text
}

/// A number of milliseconds as `%g` prints it.
fn millis(time: Duration) -> String {
    let micros = time.as_micros() as u64;
    let text = format!("{}.{:03}", micros / 1000, micros % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What the line of `-i` is to have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// Time stamps and SACK (`-o`).
    pub(super) options: bool,
    /// Rates as plain numbers (`-n`).
    pub(super) numeric: bool,
}

/// The line of `-i`.
pub(super) fn text(end: &Endpoint, now: Time, shown: Shown) -> String {
    let info = end.info();
    let mut text = String::new();
    if shown.options && info.options.0 {
        text.push_str("ts ");
    }
    if shown.options && info.options.1 {
        text.push_str("sack ");
    }
    text.push_str(&format!("{} wscale:{},{} rto:{}", info.algorithm, info.wscale.0, info.wscale.1, millis(info.rto)));
    if let Some((rtt, deviation)) = info.rtt {
        text.push_str(&format!(" rtt:{}/{}", millis(rtt), millis(deviation)));
    }
    if !info.ato.is_zero() {
        text.push_str(&format!(" ato:{}", millis(info.ato)));
    }
    text.push_str(&format!(" mss:{} pmtu:{} rcvmss:{} advmss:{}", info.mss, info.mtu, info.rcv_mss, info.advmss));
    text.push_str(&format!(" cwnd:{}", info.cwnd.0));
    if let Some(ssthresh) = info.cwnd.1 {
        text.push_str(&format!(" ssthresh:{ssthresh}"));
    }
    passed(&mut text, &info, now, shown);
    if info.unacked > 0 {
        text.push_str(&format!(" unacked:{}", info.unacked));
    }
    waiting(&mut text, &info);
    text
}

/// What has passed, and how fast.
fn passed(text: &mut String, info: &Info, now: Time, shown: Shown) {
    let t = &info.traffic;
    let counts = [
        ("bytes_sent", t.bytes_sent),
        ("bytes_retrans", t.bytes_retrans),
        ("bytes_acked", t.bytes_acked),
        ("bytes_received", t.bytes_received),
        ("segs_out", t.segs_out),
        ("segs_in", t.segs_in),
        ("data_segs_out", t.data_segs_out),
        ("data_segs_in", t.data_segs_in),
    ];
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        text.push_str(&format!(" {name}:{count}"));
    }
    let rtt = info.rtt.map_or(0, |(rtt, _)| rtt.as_micros() as u64);
    let window = u64::from(info.cwnd.0) * u64::from(info.mss);
    if let Some(rate) = (window * 8_000_000).checked_div(rtt) {
        text.push_str(&format!(" send {}bps", rate_text(rate, shown.numeric)));
    }
    for (name, at) in [("lastsnd", info.last_data.0), ("lastrcv", info.last_data.1), ("lastack", t.acked_at)] {
        let millis = now.since(at).as_millis();
        if millis > 0 {
            text.push_str(&format!(" {name}:{millis}"));
        }
    }
    // tcp_update_pacing_rate: twice the rate in the first half of slow start, else a fifth more.
    let ratio = if info.cwnd.1.is_none_or(|ssthresh| info.cwnd.0 < ssthresh / 2) { 200 } else { 120 };
    let out = u64::from(info.cwnd.0.max(info.unacked)) * u64::from(info.mss);
    if let Some(rate) = (out * 8_000_000 * ratio / 100).checked_div(rtt) {
        text.push_str(&format!(" pacing_rate {}bps", rate_text(rate, shown.numeric)));
    }
    if t.delivered > 0 {
        text.push_str(&format!(" delivered:{}", t.delivered));
    }
}

/// What is lost, what waits, and what the receiver sees.
fn waiting(text: &mut String, info: &Info) {
    let (resent, lost, sacked) = info.marked;
    if resent > 0 || info.total_retrans > 0 {
        text.push_str(&format!(" retrans:{resent}/{}", info.total_retrans));
    }
    let (rcv_rtt, rcv_space, rcv_ssthresh) = info.receiver;
    for (name, count) in [("lost", lost), ("sacked", sacked)] {
        if count > 0 {
            text.push_str(&format!(" {name}:{count}"));
        }
    }
    if let Some(rtt) = rcv_rtt {
        text.push_str(&format!(" rcv_rtt:{}", millis(rtt)));
    }
    text.push_str(&format!(" rcv_space:{rcv_space} rcv_ssthresh:{rcv_ssthresh}"));
    if info.notsent > 0 {
        text.push_str(&format!(" notsent:{}", info.notsent));
    }
    if let Some(rtt) = info.min_rtt {
        text.push_str(&format!(" minrtt:{}", millis(rtt)));
    }
    if info.snd_wnd > 0 {
        text.push_str(&format!(" snd_wnd:{}", info.snd_wnd));
    }
}

/// A rate as `sprint_bw` writes it.
fn rate_text(rate: u64, numeric: bool) -> String {
    match rate {
        _ if numeric => rate.to_string(),
        rate if rate > 1_000_000 => format!("{:.1}M", rate as f64 / 1e6),
        rate if rate > 1_000 => format!("{:.1}K", rate as f64 / 1e3),
        rate => rate.to_string(),
    }
}
