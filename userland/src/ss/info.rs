//! What `ss -i` and `ss -o` tell of a connection (`tcp_stats_print`, `tcp_timer_print`).

use hopwise_protocols::tcp::Endpoint;
use hopwise_sim_core::Duration;

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

/// The line of `-i`.
pub(super) fn text(end: &Endpoint, options: bool) -> String {
    let info = end.info();
    let mut text = String::new();
    if options && info.options.0 {
        text.push_str("ts ");
    }
    if options && info.options.1 {
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
    if info.unacked > 0 {
        text.push_str(&format!(" unacked:{}", info.unacked));
    }
    text
}
