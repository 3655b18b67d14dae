//! UDP and UDP-Lite. Models `net/netfilter/nf_conntrack_proto_udp.c`.

use core::time::Duration;

use hopwise_protocols::wire::ipv4::IPPROTO_UDP;
use hopwise_protocols::wire::udp::UDP_HLEN;

use super::{Outcome, Proto, Seen};
use crate::conntrack::conn::{Conn, ConnStatus};
use crate::conntrack::events::EventMask;
use crate::conntrack::settings::Setting;
use crate::conntrack::tuple::{IPPROTO_UDPLITE, u16_at};

/// A datagram. `nf_conntrack_udp_packet`.
#[inline]
pub(crate) fn packet(seen: &mut Seen<'_>, conn: &mut Conn) -> Outcome {
    // udp_error
    let udp = seen.transport();
    let (Some(len), Some(check)) = (u16_at(udp, 4), u16_at(udp, 6)) else {
        return seen.invalid(IPPROTO_UDP, || "short packet".into());
    };
    let len = usize::from(len);
    if len > udp.len() || len < UDP_HLEN {
        return seen.invalid(IPPROTO_UDP, || "truncated/malformed packet".into());
    }
    if check != 0 && seen.verifies() && !seen.checksum_is_right(IPPROTO_UDP, len) {
        return seen.invalid(IPPROTO_UDP, || "bad checksum".into());
    }
    track(seen, conn)
}

/// A datagram of UDP-Lite, whose third word is the checksum's coverage. `udplite_error`.
pub(crate) fn lite_packet(seen: &mut Seen<'_>, conn: &mut Conn) -> Outcome {
    let udp = seen.transport();
    let (Some(covered), Some(check)) = (u16_at(udp, 4), u16_at(udp, 6)) else {
        return seen.invalid(IPPROTO_UDPLITE, || "short packet".into());
    };
    let covered = if covered == 0 { udp.len() } else { usize::from(covered) };
    if covered < UDP_HLEN || covered > udp.len() {
        return seen.invalid(IPPROTO_UDPLITE, || "invalid checksum coverage".into());
    }
    if check == 0 {
        return seen.invalid(IPPROTO_UDPLITE, || "checksum missing".into());
    }
    track(seen, conn)
}

fn track(seen: &Seen<'_>, conn: &mut Conn) -> Outcome {
    if !conn.status.contains(ConnStatus::CONFIRMED) {
        conn.proto = Proto::Udp { stream_from: seen.now + Duration::from_secs(2) };
    }
    if !conn.status.contains(ConnStatus::SEEN_REPLY) {
        seen.refresh(conn, Setting::UdpTimeout);
        return Outcome::Accept;
    }
    // Still active after two seconds: a stream, which lives longer and is not thrown away early.
    let stream = matches!(conn.proto, Proto::Udp { stream_from } if seen.now > stream_from);
    seen.refresh(conn, if stream { Setting::UdpTimeoutStream } else { Setting::UdpTimeout });
    if stream && !conn.status.contains(ConnStatus::NAT_CLASH) {
        conn.raise(ConnStatus::ASSURED, EventMask::ASSURED);
    }
    Outcome::Accept
}
