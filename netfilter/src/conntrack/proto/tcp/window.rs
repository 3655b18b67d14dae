//! Whether a segment lies in the window of its receiver (`tcp_in_window`).

use hopwise_protocols::wire::ipv4::IPPROTO_TCP;

use super::segment::{Index, Segment, after, before};
use super::{Tcp, TcpEnd, TcpFlags, TcpState};
use crate::conntrack::proto::Seen;
use crate::conntrack::settings::Setting;
use crate::conntrack::tuple::Direction;

/// Acknowledgements may be late by this much at least (`MAXACKWINCONST`).
const MAX_ACK_WINDOW: u32 = 66_000;

/// What the window says of a segment (`enum nf_ct_tcp_action`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fit {
    /// It is in the window.
    Accept,
    /// It is old: it passes and changes nothing.
    Ignore,
    /// It is out of the window.
    Invalid,
}

/// The numbers of a segment, as far as they are corrected on the way.
struct Numbers {
    seq: u32,
    ack: u32,
    sack: u32,
    end: u32,
}

/// Checks a segment against the windows of both ends and moves them on.
#[inline]
pub(super) fn check(seen: &mut Seen<'_>, tcp: &mut Tcp, segment: &Segment<'_>) -> Fit {
    let direction = seen.direction;
    let [first, second] = &mut tcp.ends;
    let (sender, receiver) = match direction {
        Direction::Original => (first, second),
        Direction::Reply => (second, first),
    };
    let sack = if receiver.flags.contains(TcpFlags::SACK_PERM) { segment.sack() } else { segment.ack };
    let mut n = Numbers { seq: segment.seq, ack: segment.ack, sack, end: segment.end };
    let window = u32::from(segment.window);

    if sender.td_maxwin == 0 {
        if segment.syn() {
            answer_syn(sender, receiver, segment, direction);
            if !segment.has_ack() {
                return Fit::Accept;
            }
        } else {
            pick_up(sender, receiver, &n, window);
        }
    } else if segment.syn() && after(n.end, sender.td_end) && matches!(tcp.state, TcpState::SynSent | TcpState::SynRecv)
    {
        // The end begins anew with other numbers, as it may.
        answer_syn(sender, receiver, segment, direction);
        if direction == Direction::Reply && !segment.has_ack() {
            return Fit::Accept;
        }
    }
    if !segment.has_ack() || segment.rst() && n.ack == 0 {
        // No acknowledgement, or a zero in the RST of a careless stack: as if it were right.
        n.ack = receiver.td_end;
        n.sack = n.ack;
    }
    if segment.rst() && n.seq == 0 && tcp.state == TcpState::SynSent {
        n.seq = sender.td_end;
        n.end = n.seq;
    }
    if let Some(misfit) = misfit(sender, receiver, &n) {
        return refuse(seen, sender, misfit);
    }
    let window = if segment.syn() { window } else { window << sender.td_scale };
    move_windows(sender, receiver, segment, &n, window);
    if segment.index == Index::Ack {
        count_repeats(tcp, segment, &n, direction);
    }
    Fit::Accept
}

/// The SYN of the second end, or another one. `tcp_init_sender`.
fn answer_syn(sender: &mut TcpEnd, receiver: &mut TcpEnd, segment: &Segment<'_>, direction: Direction) {
    sender.td_end = segment.end;
    sender.td_maxend = segment.end;
    sender.td_maxwin = u32::from(segment.window).max(1);
    sender.take_options(segment);
    // Windows are scaled only if both ends say so (RFC 7323).
    let both = sender.flags & receiver.flags;
    if direction == Direction::Reply && !both.contains(TcpFlags::WINDOW_SCALE) {
        sender.td_scale = 0;
        receiver.td_scale = 0;
    }
}

/// The first segment seen of an end whose connection was there before.
fn pick_up(sender: &mut TcpEnd, receiver: &mut TcpEnd, n: &Numbers, window: u32) {
    sender.td_end = n.end;
    sender.td_maxwin = (window << sender.td_scale).max(1);
    sender.td_maxend = n.end.wrapping_add(sender.td_maxwin);
    if receiver.td_maxwin == 0 {
        receiver.td_end = n.sack;
        receiver.td_maxend = n.sack;
    } else if n.sack == receiver.td_end.wrapping_add(1) {
        // The answer to a keepalive.
        receiver.td_end = n.sack;
    }
}

/// What is wrong with the numbers of a segment.
enum Misfit {
    SeqOver(u32),
    /// More than the window allows, but not much more.
    Overshot(u32),
    AckOver(u32),
    SeqUnder(u32),
    AckUnder(u32),
}

fn misfit(sender: &mut TcpEnd, receiver: &TcpEnd, n: &Numbers) -> Option<Misfit> {
    let upper = sender.td_maxend.wrapping_add(1);
    let oldest_seq = sender.td_end.wrapping_sub(receiver.td_maxwin).wrapping_sub(1);
    let oldest_ack = receiver.td_end.wrapping_sub(sender.td_maxwin.max(MAX_ACK_WINDOW)).wrapping_sub(1);
    let next_ack = receiver.td_end.wrapping_add(1);
    if !before(n.seq, upper) {
        let overshot = n.end.wrapping_sub(sender.td_maxend).wrapping_add(1);
        let in_window = receiver.td_maxwin != 0 && after(n.end, oldest_seq);
        let ack_ok = after(n.sack, oldest_ack) && before(n.sack, next_ack);
        if in_window && ack_ok && overshot <= receiver.td_maxwin {
            // Rules may let it pass, and the other end acknowledge it.
            sender.td_end = n.end;
            sender.flags.insert(TcpFlags::DATA_UNACKNOWLEDGED);
            return Some(Misfit::Overshot(overshot));
        }
        return Some(Misfit::SeqOver(upper));
    }
    if !before(n.sack, next_ack) {
        return Some(Misfit::AckOver(next_ack));
    }
    if receiver.td_maxwin != 0 && !after(n.end, oldest_seq) {
        return Some(Misfit::SeqUnder(oldest_seq));
    }
    (!after(n.sack, oldest_ack)).then_some(Misfit::AckUnder(oldest_ack))
}

/// `nf_tcp_log_invalid`: who is liberal accepts it nevertheless.
#[cold]
fn refuse(seen: &mut Seen<'_>, sender: &TcpEnd, misfit: Misfit) -> Fit {
    if sender.flags.contains(TcpFlags::BE_LIBERAL) || seen.settings.on(Setting::TcpBeLiberal) {
        return Fit::Accept;
    }
    seen.log(IPPROTO_TCP, || match misfit {
        Misfit::SeqOver(bound) => format!("SEQ is over upper bound {bound} (over the window of the receiver)"),
        Misfit::Overshot(bytes) => format!("{bytes} bytes more than expected"),
        Misfit::AckOver(bound) => format!("ACK is over upper bound {bound} (ACKed data not seen yet)"),
        Misfit::SeqUnder(bound) => format!("SEQ is under lower bound {bound} (already ACKed data retransmitted)"),
        Misfit::AckUnder(bound) => format!("ignored ACK under lower bound {bound} (possible overly delayed)"),
    });
    match misfit {
        Misfit::SeqOver(_) | Misfit::AckOver(_) => Fit::Invalid,
        Misfit::Overshot(_) | Misfit::SeqUnder(_) | Misfit::AckUnder(_) => Fit::Ignore,
    }
}

#[inline]
fn move_windows(sender: &mut TcpEnd, receiver: &mut TcpEnd, segment: &Segment<'_>, n: &Numbers, window: u32) {
    sender.td_maxwin = sender.td_maxwin.max(window.wrapping_add(n.sack.wrapping_sub(n.ack)));
    if after(n.end, sender.td_end) {
        sender.td_end = n.end;
        sender.flags.insert(TcpFlags::DATA_UNACKNOWLEDGED);
    }
    if segment.has_ack() && (!sender.flags.contains(TcpFlags::MAXACK_SET) || after(n.ack, sender.td_maxack)) {
        sender.td_maxack = n.ack;
        sender.flags.insert(TcpFlags::MAXACK_SET);
    }
    if receiver.td_maxwin != 0 && after(n.end, sender.td_maxend) {
        receiver.td_maxwin = receiver.td_maxwin.wrapping_add(n.end.wrapping_sub(sender.td_maxend));
    }
    let allowed = n.sack.wrapping_add(window);
    if after(allowed, receiver.td_maxend.wrapping_sub(1)) {
        receiver.td_maxend = allowed.wrapping_add(u32::from(window == 0));
    }
    if n.ack == receiver.td_end {
        receiver.flags.remove(TcpFlags::DATA_UNACKNOWLEDGED);
    }
}

/// Counts how often an end says the same again.
#[inline]
fn count_repeats(tcp: &mut Tcp, segment: &Segment<'_>, n: &Numbers, direction: Direction) {
    let same = tcp.last_from(direction)
        && tcp.last_seq == n.seq
        && tcp.last_ack == n.ack
        && tcp.last_end == n.end
        && tcp.last_win == segment.window;
    if same {
        tcp.retrans = tcp.retrans.wrapping_add(1);
    } else {
        tcp.last_direction = direction as u8;
        tcp.last_seq = n.seq;
        tcp.last_ack = n.ack;
        tcp.last_end = n.end;
        tcp.last_win = segment.window;
        tcp.retrans = 0;
    }
}
