//! The law: over a wire that loses, reorders and repeats, what is sent arrives exactly, or an error is told.

use std::collections::BTreeMap;

use hopwise_sim_core::{Duration, Rng, Time};
use proptest::prelude::*;

use super::super::congestion::Algorithm;
use super::super::{Arrived, Endpoint, Opening, Outgoing, Params, State};
use crate::wire::tcp::{Flags, Options};

/// How bad the wire is, in percent.
#[derive(Clone, Debug)]
struct Weather {
    loss: u32,
    again: u32,
    jitter_us: u32,
}

struct Flight {
    to: usize,
    segment: Outgoing,
    payload: Vec<u8>,
}

struct Net {
    ends: [Option<Endpoint>; 2],
    now: Time,
    flying: BTreeMap<(Time, u64), Flight>,
    count: u64,
    rng: Rng,
    weather: Weather,
    params: Params,
}

impl Net {
    fn new(seed: u64, weather: Weather, params: Params) -> Net {
        let opening = Opening { iss: u32::MAX - 3000, stamp_offset: 5, now: Time::ZERO };
        let client = Endpoint::connect(params.clone(), opening);
        let rng = Rng::stream(seed, "wire", 0);
        let mut net = Net {
            ends: [Some(client), None],
            now: Time::ZERO,
            flying: BTreeMap::new(),
            count: 0,
            rng,
            weather,
            params,
        };
        net.drain(0);
        net
    }

    fn drain(&mut self, from: usize) {
        let Some(end) = &mut self.ends[from] else { return };
        while let Some(segment) = end.poll() {
            assert!(segment.len <= end.info().mss.max(1), "{segment:?}");
            let mut payload = vec![0; segment.len as usize];
            end.copy_payload(&segment, &mut payload);
            let copies = 1 + u32::from(self.rng.below(100) < self.weather.again);
            for _ in 0..copies {
                if self.rng.below(100) < self.weather.loss {
                    continue;
                }
                self.count += 1;
                let delay = 100 + self.rng.below(self.weather.jitter_us + 1);
                let at = self.now + Duration::from_micros(u64::from(delay));
                self.flying.insert((at, self.count), Flight { to: 1 - from, segment, payload: payload.clone() });
            }
        }
    }

    /// The next thing happens. False if nothing is left.
    fn step(&mut self) -> bool {
        let timers = [0, 1].map(|i| self.ends[i].as_ref().and_then(Endpoint::next_timer));
        let timer = timers.iter().flatten().min().copied();
        let arrival = self.flying.first_key_value().map(|(key, _)| key.0);
        let Some(at) = [timer, arrival].into_iter().flatten().min() else { return false };
        self.now = self.now.max(at);
        if arrival == Some(at) {
            let (_, flight) = self.flying.pop_first().unwrap();
            self.arrive(flight);
        } else {
            for i in [0, 1] {
                if timers[i] == Some(at) {
                    self.ends[i].as_mut().unwrap().on_timer(at);
                    self.drain(i);
                }
            }
        }
        true
    }

    fn arrive(&mut self, flight: Flight) {
        let s = flight.segment;
        let arrived = Arrived {
            seq: s.seq,
            ack: s.ack,
            flags: s.flags,
            window: s.window,
            options: s.options,
            payload: &flight.payload,
        };
        if flight.to == 1 && self.ends[1].is_none() {
            if s.flags == Flags::SYN {
                let opening = Opening { iss: u32::MAX - 100, stamp_offset: 900, now: self.now };
                self.ends[1] = Some(Endpoint::accept(self.params.clone(), opening, &arrived));
            }
        } else if let Some(end) = &mut self.ends[flight.to] {
            end.on_segment(self.now, &arrived);
        }
        self.drain(flight.to);
    }
}

/// One side of the exchange as a program sees it.
#[derive(Default)]
struct Program {
    to_send: Vec<u8>,
    sent: usize,
    got: Vec<u8>,
    ended: bool,
    failed: bool,
    closed: bool,
}

impl Program {
    fn run(&mut self, end: &mut Endpoint, now: Time, piece: usize) {
        if matches!(end.state(), State::SynSent | State::SynRecv) {
            return;
        }
        while self.sent < self.to_send.len() {
            let next = (self.sent + piece).min(self.to_send.len());
            match end.send(now, &self.to_send[self.sent..next]) {
                Ok(n) => self.sent += n,
                Err(hopwise_sim_core::Errno::EAGAIN) => break,
                Err(_) => {
                    self.failed = true;
                    break;
                }
            }
        }
        loop {
            match end.read(now, 5_000) {
                Ok(bytes) if bytes.is_empty() => {
                    self.ended = true;
                    break;
                }
                Ok(bytes) => self.got.extend(bytes),
                Err(hopwise_sim_core::Errno::EAGAIN) => break,
                Err(_) => {
                    self.failed = true;
                    break;
                }
            }
        }
        if self.sent == self.to_send.len() && !self.closed {
            end.shutdown(now);
            self.closed = true;
        }
    }
}

fn exchange(seed: u64, weather: Weather, params: Params, sizes: [usize; 2], piece: usize) -> [Program; 2] {
    let mut net = Net::new(seed, weather, params);
    let mut programs = [Program::default(), Program::default()];
    for (i, size) in sizes.into_iter().enumerate() {
        programs[i].to_send = (0..size).map(|k| (k * 31 + i * 7) as u8).collect();
    }
    for _ in 0..400_000 {
        for (i, program) in programs.iter_mut().enumerate() {
            if let Some(end) = &mut net.ends[i] {
                program.run(end, net.now, piece);
            }
            net.drain(i);
        }
        let over =
            |end: &Option<Endpoint>| end.as_ref().is_some_and(|e| matches!(e.state(), State::Close | State::TimeWait));
        if net.ends.iter().all(over) || !net.step() {
            break;
        }
    }
    programs
}

fn check(programs: &[Program; 2]) -> Result<(), TestCaseError> {
    for (me, other) in [(0, 1), (1, 0)] {
        let (got, sent) = (&programs[me].got, &programs[other].to_send);
        prop_assert!(sent.starts_with(got), "{} bytes that were not sent", got.len());
        let told = programs[me].failed || programs[other].failed;
        prop_assert!(told || (programs[me].ended && got.len() == sent.len()), "{} of {}", got.len(), sent.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_sent_arrives_exactly(
        seed: u64,
        loss in 0u32..25,
        again in 0u32..20,
        jitter_us in prop_oneof![Just(0u32), 0u32..400, 0u32..20_000],
        sizes in [0usize..60_000, 0usize..20_000],
        piece in prop_oneof![Just(100_000usize), 1usize..3000],
        timestamps: bool,
        sack: bool,
        window_scaling: bool,
        reno: bool,
    ) {
        let algorithm = if reno { Algorithm::Reno } else { Algorithm::Cubic };
        let params = Params { timestamps, sack, window_scaling, algorithm, ..Params::default() };
        check(&exchange(seed, Weather { loss, again, jitter_us }, params, sizes, piece))?;
    }

    /// No segment, in any state, makes it panic or send more than the path takes.
    #[test]
    fn any_segments_are_borne(segments in proptest::collection::vec(any_segment(), 0..60), active: bool, sends: bool) {
        let opening = Opening { iss: 1000, stamp_offset: 0, now: Time::ZERO };
        let mut end = if active {
            Endpoint::connect(Params::default(), opening)
        } else {
            let syn = Arrived { seq: 0, ack: 0, flags: Flags::SYN, window: 100, options: Options::default(), payload: &[] };
            Endpoint::accept(Params::default(), opening, &syn)
        };
        let mut now = Time::ZERO;
        for (at, (seq, ack, flags, window, options, len, act)) in segments.iter().enumerate() {
            let payload = vec![0; *len];
            let flags = Flags::from_bits_retain(*flags);
            now += Duration::from_millis(at as u64);
            end.on_segment(now, &Arrived { seq: *seq, ack: *ack, flags, window: *window, options: Options::parse(options), payload: &payload });
            match act {
                0 => { let _ = end.read(now, 100); }
                1 if sends => { let _ = end.send(now, &[1; 4000]); }
                2 => end.on_timer(now),
                3 if at > 30 => end.shutdown(now),
                4 if at > 40 => end.close(now),
                5 => end.path_mtu(now, 600),
                _ => {}
            }
            while let Some(segment) = end.poll() {
                prop_assert!(segment.len <= 1460);
                end.copy_payload(&segment, &mut vec![0; segment.len as usize]);
            }
        }
    }
}

type Parts = (u32, u32, u8, u16, Vec<u8>, usize, u8);

fn any_segment() -> impl Strategy<Value = Parts> {
    let near = |base: u32| prop_oneof![4 => (0u32..3000).prop_map(move |d| base.wrapping_add(d)), 1 => any::<u32>()];
    let flags = prop_oneof![4 => Just(0x10u8), 2 => Just(0x18), 1 => Just(0x12), 1 => Just(0x11), 1 => any::<u8>()];
    (near(0), near(1000), flags, any::<u16>(), proptest::collection::vec(any::<u8>(), 0..40), 0usize..1500, 0u8..8)
}

#[test]
fn bulk_over_a_clean_wire_is_not_sent_twice() {
    let programs = exchange(1, Weather { loss: 0, again: 0, jitter_us: 0 }, Params::default(), [2_000_000, 0], 100_000);
    assert!(check(&programs).is_ok());
}
