//! Connection tracking and NAT with packets of any bytes.

use std::net::Ipv4Addr;
use std::time::Duration;

use hopwise_netfilter::conntrack::{Conntrack, Setting, Template, Verdict, Zone};
use hopwise_netfilter::hook::Hook;
use hopwise_netfilter::nat::{Choice, Manip, Range, RangeFlags};
use hopwise_protocols::wire::checksum;
use hopwise_sim_core::{IfIndex, Pool, Time};

use crate::choice;

/// So few connections that the table fills.
const MAX: u32 = 5;

/// Each record is one byte of choices, one of a length, one of time, and a packet; packets pass a router one after the other. A
/// record of the form `choices 255` answers the packet that came out last.
pub fn run(data: &[u8]) {
    let (settings, mut rest) = choice(data);
    let mut table = Conntrack::new(u64::from(settings));
    table.settings[Setting::Max] = MAX;
    table.settings[Setting::Buckets] = 1 + u32::from(settings & 1) * 1000;
    table.settings[Setting::Checksum] = u32::from(settings & 2 != 0);
    table.settings[Setting::LogInvalid] = if settings & 4 != 0 { 255 } else { 0 };
    table.settings[Setting::Acct] = u32::from(settings & 8 != 0);
    table.settings[Setting::TcpLoose] = u32::from(settings & 16 != 0);
    table.events.listen(1);
    let mut pool = Pool::default();
    let mut now = Time::ZERO;
    let mut last = Vec::new();
    while let [choices, len, wait, more @ ..] = rest {
        now += Duration::from_millis(u64::from(*wait) * 40);
        let (bytes, after) = match *len {
            255 => (turned(&last), more),
            len => {
                let (bytes, after) = more.split_at(usize::from(len).min(more.len()));
                (bytes.to_vec(), after)
            }
        };
        rest = after;
        let right = header_is_right(&bytes);
        if let Some(out) = pass(&mut table, &mut pool, now, *choices, &bytes) {
            assert_eq!(out.len(), bytes.len(), "NAT changes no length");
            assert!(!right || header_is_right(&out), "the checksum of the header stays right");
            last = out;
        }
        assert!(table.list(now).count() <= MAX as usize, "the limit holds");
        table.log.clear();
    }
    now += Duration::from_secs(10_000_000);
    assert_eq!(table.count(now), 0, "all connections end");
}

/// What stands at the hooks on the way through a router.
fn pass(table: &mut Conntrack, pool: &mut Pool, now: Time, choices: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    let (first, end) = match choices & 3 {
        0 => (Hook::LocalOut, Hook::PostRouting),
        1 => (Hook::PreRouting, Hook::LocalIn),
        _ => (Hook::PreRouting, Hook::PostRouting),
    };
    let zone = (choices & 64 != 0).then_some(Zone(7));
    let template = Template { zone_orig: zone, zone_reply: zone.filter(|_| choices & 128 != 0), events: None };
    let mut packet = pool.alloc_from(bytes);
    let passed = table.track(now, first, &mut packet, &template) == Verdict::Accept
        && table.nat(now, first, IfIndex::NONE, &mut packet, |_, _| wanted(choices >> 2, Manip::Destination))
            == Verdict::Accept
        && table.nat(now, end, IfIndex(2), &mut packet, |_, _| wanted(choices >> 4, Manip::Source)) == Verdict::Accept
        && table.confirm(now, &mut packet) == Verdict::Accept;
    let out = packet.data().to_vec();
    pool.consumed(packet);
    passed.then_some(out)
}

fn wanted(choices: u8, manip: Manip) -> Choice {
    let addr = Ipv4Addr::new(203, 0, 113, 1);
    let range = Range { flags: RangeFlags::MAP_IPS, addrs: (addr, addr), ..Range::ANY };
    let ports = Range { flags: range.flags | RangeFlags::PROTO_SPECIFIED, ports: (80, 81), ..range };
    match choices & 3 {
        0 => Choice::Nothing,
        1 => Choice::Map(manip, range),
        2 => Choice::Map(manip, ports),
        _ => Choice::Map(manip, Range { flags: ports.flags | RangeFlags::PROTO_RANDOM_FULLY, ..ports }),
    }
}

fn header_is_right(bytes: &[u8]) -> bool {
    let len = bytes.first().map_or(0, |first| usize::from(first & 15) * 4);
    len >= 20 && bytes.get(..len).is_some_and(|header| checksum::checksum(header) == 0)
}

/// The packet with its ends exchanged, as an answer has them.
fn turned(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    if out.len() >= 24 {
        let (src, dst) = (bytes[12..16].to_vec(), bytes[16..20].to_vec());
        out[12..16].copy_from_slice(&dst);
        out[16..20].copy_from_slice(&src);
        out[20..24].rotate_left(2);
    }
    out
}
