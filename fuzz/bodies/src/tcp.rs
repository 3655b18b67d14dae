//! Two TCP endpoints on a wire that loses, repeats, reorders and damages segments as the input says: what one side reads
//! is always the beginning of what the other one sent.

use std::collections::VecDeque;

use hopwise_protocols::tcp::{Arrived, Endpoint, Opening, Outgoing, Params};
use hopwise_protocols::wire::tcp::Flags;
use hopwise_sim_core::{Duration, Time};

/// At most this many steps of one input.
const STEPS: usize = 600;

struct Side {
    end: Endpoint,
    inbox: VecDeque<(Outgoing, Vec<u8>)>,
    sent: u32,
    read: u32,
    damaged: bool,
}

/// Byte number `n` of the stream.
const fn byte(n: u32) -> u8 {
    (n ^ (n >> 8)) as u8
}

/// Each byte of `data` is a step: which side, and what happens to it.
pub fn run(data: &[u8]) {
    let (options, steps) = super::choice(data);
    let params = Params {
        timestamps: options & 1 == 0,
        sack: options & 2 == 0,
        window_scaling: options & 4 == 0,
        ..Params::default()
    };
    let mut now = Time::ZERO;
    let opening = |iss| Opening { iss, stamp_offset: 9, now: Time::ZERO };
    let mut client = Endpoint::connect(params.clone(), opening(u32::MAX - 5));
    let Some(syn) = client.poll() else { return };
    let server = Endpoint::accept(params, opening(77), &arrived(&syn, &[]));
    let side = |end| Side { end, inbox: VecDeque::new(), sent: 0, read: 0, damaged: false };
    let mut sides = [side(client), side(server)];
    for step in steps.iter().take(STEPS) {
        let me = usize::from(step >> 7);
        now += Duration::from_micros(300);
        act(&mut sides[me], step & 0x7f, now);
        while let Some(segment) = sides[me].end.poll() {
            let mut payload = vec![0; segment.len as usize];
            sides[me].end.copy_payload(&segment, &mut payload);
            sides[1 - me].inbox.push_back((segment, payload));
        }
    }
}

fn arrived<'a>(segment: &Outgoing, payload: &'a [u8]) -> Arrived<'a> {
    let Outgoing { seq, ack, flags, window, options, .. } = *segment;
    Arrived { seq, ack, flags, window, options, payload }
}

fn act(side: &mut Side, action: u8, now: Time) {
    match action {
        0..=63 => {
            let Some((mut segment, payload)) = side.inbox.pop_front() else { return };
            match action >> 3 {
                0 => return,
                1 => side.inbox.push_back((segment, payload.clone())),
                2 => {
                    side.inbox.push_back((segment, payload));
                    return;
                }
                3 if action & 7 == 7 => {
                    // A stranger's segment: numbers and flags as they come, no data that would be believed.
                    segment.seq = segment.seq.wrapping_add(u32::from(action) << 20);
                    segment.flags = Flags::from_bits_retain(action ^ 0x1f);
                    side.damaged = true;
                }
                _ => {}
            }
            side.end.on_segment(now, &arrived(&segment, &payload));
        }
        64..=87 => {
            let bytes: Vec<u8> = (0..u32::from(action) * 20).map(|i| byte(side.sent.wrapping_add(i))).collect();
            side.sent += side.end.send(now, &bytes).unwrap_or(0) as u32;
        }
        88..=107 => {
            let got = side.end.read(now, usize::from(action) * 30).unwrap_or_default();
            for have in got {
                assert!(side.damaged || have == byte(side.read), "byte {} is another one", side.read);
                side.read += 1;
            }
        }
        108..=123 => {
            if let Some(at) = side.end.next_timer() {
                side.end.on_timer(at.max(now));
            }
        }
        124 => side.end.shutdown(now),
        125 => side.end.path_mtu(now, 600),
        126 => side.end.close(now),
        _ => side.end.set_nodelay(now, true),
    }
}
