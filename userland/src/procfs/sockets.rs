//! `/proc/net/tcp`, `udp` and `raw`: the sockets of a namespace, one line each, in hexadecimal.

use hopwise_protocols::tcp::State;
use hopwise_sim_core::{Duration, Time};
use hopwise_stack::Namespace;
use hopwise_stack::socket::tcp::Addr;

use crate::sockets::{Kind, Row, of_namespace};

/// A line of `tcp` without its end (`TMPSZ - 1`).
const TCP_WIDTH: usize = 149;
/// A line of `udp` (`seq_setwidth(seq, 127)`).
const UDP_WIDTH: usize = 127;
/// Buckets of the tables of UDP and raw sockets, whose numbers the lines begin with.
const UDP_BUCKETS: u16 = 16_384;
const RAW_BUCKETS: u16 = 256;
/// Where a socket lies in memory is nobody's business (`kernel.kptr_restrict`).
const POINTER: &str = "0000000000000000";

/// `tcp4_seq_show`
pub(super) fn tcp(space: &Namespace, now: Time) -> String {
    let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    let mut text = format!("{head:<TCP_WIDTH$}\n");
    let rows = of_namespace(space, now);
    for (at, row) in rows.iter().filter(|row| row.kind == Kind::Tcp).enumerate() {
        let line = format!("{at:4}: {}", tcp_row(space, row));
        text.push_str(&format!("{line:<TCP_WIDTH$}\n"));
    }
    text
}

fn tcp_row(space: &Namespace, row: &Row) -> String {
    let ends = ends(row.local, row.remote);
    let (kind, when, tries) = row.timer.map_or((0, 0, 0), |t| (t.kind, ticks(t.left), t.tries));
    let remembered = row.inode == 0 && (row.state == State::TimeWait || kind == 3);
    if remembered {
        // get_timewait4_sock: what is left of a connection.
        return format!(
            "{ends} {:02X} 00000000:00000000 03:{when:08X} 00000000     0        0 0 3 {POINTER}",
            row.state as u8
        );
    }
    if row.state == State::SynRecv {
        return format!("{ends} 03 00000000:00000000 01:{when:08X} {tries:08X}     0        0 0 1 {POINTER}");
    }
    // A listener says how many wait to be accepted, and nothing as its sending queue.
    let send = if row.state == State::Listen { 0 } else { row.send };
    let (probes, tries) = if kind == 4 { (tries, 0) } else { (0, tries) };
    let queues = format!("{send:08X}:{:08X} {kind:02X}:{when:08X} {tries:08X}", row.recv);
    let head = format!("{ends} {:02X} {queues}     0 {probes:8} {}", row.state as u8, row.inode);
    let Some(conn) = row.conn.and_then(|id| space.sockets.tcp.get(id)) else {
        return format!("{head} 1 {POINTER} 100 0 0 10 0");
    };
    let info = conn.end.info();
    let ssthresh = info.cwnd.1.map_or("-1".to_owned(), |ssthresh| ssthresh.to_string());
    // The socket itself, and its timer.
    let holders = 1 + u32::from(kind != 0);
    let (rto, ato) = (ticks(info.rto), ticks(info.ato));
    let acks = info.acks.0 << 1 | u32::from(info.acks.1);
    format!("{head} {holders} {POINTER} {rto} {ato} {acks} {} {ssthresh}", info.cwnd.0)
}

/// `udp4_seq_show`
pub(super) fn udp(space: &Namespace, now: Time) -> String {
    let head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops";
    let mut text = format!("{head:<UDP_WIDTH$}\n");
    for line in datagram_lines(space, now, Kind::Udp, UDP_BUCKETS) {
        text.push_str(&format!("{line:<UDP_WIDTH$}\n"));
    }
    text
}

/// `raw_seq_show`
pub(super) fn raw(space: &Namespace, now: Time) -> String {
    let mut text = String::from(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n",
    );
    for line in datagram_lines(space, now, Kind::Raw, RAW_BUCKETS) {
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// The lines of one kind of sockets, in the order of their buckets.
fn datagram_lines(space: &Namespace, now: Time, kind: Kind, buckets: u16) -> Vec<String> {
    let mut rows = of_namespace(space, now);
    rows.retain(|row| row.kind == kind);
    rows.sort_by_key(|row| (row.local.1 % buckets, row.inode));
    let width = if kind == Kind::Udp { 5 } else { 4 };
    let line = |row: &Row| {
        let (bucket, ends) = (row.local.1 % buckets, ends(row.local, row.remote));
        let queues = format!("{:08X}:{:08X} 00:00000000 00000000", row.send, row.recv);
        let state = row.state as u8;
        format!("{bucket:width$}: {ends} {state:02X} {queues}     0        0 {} 2 {POINTER} {}", row.inode, row.drops)
    };
    rows.iter().map(line).collect()
}

/// Addresses in the byte order of the machine, which is little-endian; ports as people read them.
fn ends(local: Addr, remote: Addr) -> String {
    let one = |(addr, port): Addr| format!("{:08X}:{port:04X}", u32::from_le_bytes(addr.octets()));
    format!("{} {}", one(local), one(remote))
}

/// A span in the clock ticks that programs know: 100 a second.
fn ticks(span: Duration) -> u64 {
    (span.as_micros() / 10_000) as u64
}
