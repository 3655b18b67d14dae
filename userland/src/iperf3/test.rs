//! A test that runs: its streams and its clock, the same on both sides (`iperf_send`, `iperf_recv`, the timers).

use hopwise_machine::{Sys, Wait};
use hopwise_sim_core::{Duration, Time};

use super::Failure;
use super::flow::Flow;
use super::options::Settings;
use super::report::Report;
use crate::kernel::SimKernel;

/// What a call that moves data costs the machine, whatever it moves.
///
/// Virtual time stands still while programs compute: a sender would fill a wire without rate with data that never ends. So moving data
/// takes the time that it takes a machine without offloads, which is the limit of such a wire.
const CALL_COST: Duration = Duration::from_micros(2);
/// And what moving a byte costs, in picoseconds: 4 Gbit/s.
const BYTE_COST_PICOS: u64 = 2_000;

/// The test.
#[derive(Clone, Debug)]
pub(super) struct Test {
    pub(super) settings: Settings,
    pub(super) is_server: bool,
    pub(super) flows: Vec<Flow>,
    pub(super) omitting: bool,
    /// Seconds between two reports; zero for none.
    pub(super) interval: Duration,
    pub(super) congestion: String,
    pub(super) remote_congestion: Option<String>,
    pub(super) remote_cpu: (f64, f64, f64),
    pub(super) remote_has_retransmits: bool,
    pub(super) server_output: Option<String>,
    block: Vec<u8>,
    started: Time,
    ended: Time,
    omit_at: Option<Time>,
    stats_at: Option<Time>,
    end_at: Option<Time>,
    look_at: Option<Time>,
    busy: Time,
    spent: Duration,
    bytes: (u64, u64),
    blocks: (u64, u64),
}

impl Test {
    pub(super) fn new(settings: Settings, is_server: bool, interval: f64, congestion: String) -> Test {
        Test {
            settings,
            is_server,
            flows: Vec::new(),
            omitting: false,
            interval: Duration::from_micros((interval * 1e6) as u64),
            congestion,
            remote_congestion: None,
            remote_cpu: (0.0, 0.0, 0.0),
            remote_has_retransmits: false,
            server_output: None,
            block: Vec::new(),
            started: Time::ZERO,
            ended: Time::ZERO,
            omit_at: None,
            stats_at: None,
            end_at: None,
            look_at: None,
            busy: Time::ZERO,
            spent: Duration::ZERO,
            bytes: (0, 0),
            blocks: (0, 0),
        }
    }

    /// How many streams there are in all.
    pub(super) fn streams(&self) -> u32 {
        self.settings.parallel * if self.settings.bidir { 2 } else { 1 }
    }

    /// Whether the stream of that place sends from this side: the client's own come first.
    pub(super) fn is_sender(&self, place: u32) -> bool {
        let client_sends = if self.settings.bidir { place < self.settings.parallel } else { !self.settings.reverse };
        client_sends != self.is_server
    }

    /// Whether this side sends anything.
    pub(super) fn sends(&self) -> bool {
        self.settings.bidir || self.settings.reverse == self.is_server
    }

    /// The clock starts (`TEST_START`).
    pub(super) fn begin(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let now = sys.now();
        let settings = &self.settings;
        let seconds = |count: u32| now + Duration::from_secs(u64::from(count));
        self.omitting = settings.omit > 0;
        self.omit_at = self.omitting.then(|| seconds(settings.omit));
        self.end_at = (settings.time > 0 && !self.is_server).then(|| seconds(settings.time + settings.omit));
        self.stats_at = (!self.interval.is_zero()).then(|| now + self.interval);
        self.look_at = (settings.rate > 0).then(|| now + self.pacing());
        (self.started, self.busy) = (now, now);
        let mut word = sys.random_u32() | 1;
        let mut next = || {
            word ^= word << 13;
            word ^= word >> 17;
            word ^= word << 5;
            (word >> 24) as u8
        };
        let repeating = settings.repeating;
        self.block = (0..settings.block).map(|at| if repeating { b'0' + (at % 10) as u8 } else { next() }).collect();
        self.flows.iter_mut().for_each(|flow| flow.begin(now));
    }

    fn pacing(&self) -> Duration {
        Duration::from_micros(u64::from(self.settings.pacing))
    }

    /// Until when the process is busy with what it has moved, if it is.
    pub(super) fn rest(&self, now: Time) -> Option<Wait> {
        (now < self.busy).then(|| Wait::computing(self.busy))
    }

    /// Goes on: what is due is done, data moved. Gives what to wait for; `None`: the test is over.
    pub(super) fn run(&mut self, sys: &mut Sys<'_, SimKernel>, report: &mut Report) -> Result<Option<Wait>, Failure> {
        let now = sys.now();
        self.tick(sys, report);
        if self.is_over(now) {
            return Ok(None);
        }
        let moved = self.receive(sys)? + self.send(sys)?;
        if moved > 0 {
            return Ok(Some(Wait::computing(self.busy)));
        }
        let due = [self.omit_at, self.stats_at, self.end_at, self.look_at.filter(|_| self.waits_for_rate())];
        Ok(Some(due.into_iter().flatten().fold(Wait::event(), |wait, at| wait.or_until(Some(at)))))
    }

    fn waits_for_rate(&self) -> bool {
        self.flows.iter().any(|flow| flow.sender && !flow.green)
    }

    /// The timers.
    fn tick(&mut self, sys: &mut Sys<'_, SimKernel>, report: &mut Report) {
        let now = sys.now();
        if let Some(at) = self.stats_at.filter(|at| *at <= now && self.end_at.is_none_or(|end| now < end)) {
            self.gather(sys);
            report.interval(sys, self);
            self.stats_at = Some(at + self.interval);
        }
        if self.omit_at.is_some_and(|at| at <= now) {
            self.omit_at = None;
            self.omitting = false;
            (self.bytes, self.blocks) = ((0, 0), (0, 0));
            self.started = now;
            self.spent = Duration::ZERO;
            self.flows.iter_mut().for_each(|flow| flow.omit(sys));
            self.stats_at = self.stats_at.map(|_| now + self.interval);
        }
        if self.look_at.is_some_and(|at| at <= now) {
            let step = self.pacing();
            let rate = self.settings.rate;
            self.flows.iter_mut().for_each(|flow| flow.green = flow.is_below(rate, now));
            // The next look is a whole number of steps after the beginning.
            let steps = now.since(self.started).as_micros() as u64 / u64::from(self.settings.pacing) + 1;
            self.look_at = Some((self.started + step.saturating_mul(steps as u32)).max(now + Duration::from_micros(1)));
        }
    }

    fn is_over(&self, now: Time) -> bool {
        let settings = &self.settings;
        let enough = |limit: u64, (sent, received): (u64, u64)| limit > 0 && (sent >= limit || received >= limit);
        !self.is_server
            && !self.omitting
            && (self.end_at.is_some_and(|at| at <= now)
                || enough(settings.bytes, self.bytes)
                || enough(settings.blocks, self.blocks))
    }

    fn charge(&mut self, now: Time, bytes: usize) {
        let cost = CALL_COST + Duration::from_nanos(bytes as u64 * BYTE_COST_PICOS / 1000);
        self.busy = self.busy.max(now) + cost;
        self.spent += cost;
    }

    fn receive(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<usize, Failure> {
        let mut moved = 0;
        for at in 0..self.flows.len() {
            let Some(flow) = self.flows.get_mut(at).filter(|flow| !flow.sender) else { continue };
            let received = flow.receive(sys, &self.settings);
            if let Some(count) = received.map_err(|errno| Failure::of("unable to read from stream socket", errno))? {
                self.bytes.1 += count as u64;
                self.blocks.1 += 1;
                self.charge(sys.now(), count);
                moved += 1;
            }
        }
        Ok(moved)
    }

    fn send(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<usize, Failure> {
        let mut moved = 0;
        let rate = self.settings.rate;
        for _ in 0..self.settings.burst.max(1) {
            let before = moved;
            for at in 0..self.flows.len() {
                let Some(flow) = self.flows.get_mut(at).filter(|flow| flow.sender && flow.green) else { continue };
                let sent = flow.send(sys, &self.settings, &mut self.block);
                let sent = sent.map_err(|errno| Failure::of("unable to write to stream socket", errno))?;
                let Some(count) = sent else { continue };
                self.bytes.0 += count as u64;
                self.blocks.0 += u64::from(flow.is_between_blocks());
                if rate > 0 && self.settings.burst == 0 {
                    flow.green = flow.is_below(rate, sys.now());
                }
                self.charge(sys.now(), count);
                moved += 1;
            }
            if moved == before {
                break;
            }
        }
        if rate > 0 && self.settings.burst > 0 {
            let now = sys.now();
            self.flows.iter_mut().for_each(|flow| flow.green = flow.is_below(rate, now));
        }
        Ok(moved)
    }

    /// Ends a report's worth of every stream.
    pub(super) fn gather(&mut self, sys: &Sys<'_, SimKernel>) {
        self.ended = sys.now();
        let omitting = self.omitting;
        self.flows.iter_mut().for_each(|flow| flow.gather(sys, omitting));
    }

    /// Per cent of the time that moving data took: all, in the program, in the kernel.
    pub(super) fn cpu(&self) -> (f64, f64, f64) {
        let elapsed = self.ended.since(self.started).as_micros();
        if elapsed == 0 {
            return (0.0, 0.0, 0.0);
        }
        let share = (self.spent.as_micros() as f64 * 100.0 / elapsed as f64).min(100.0);
        (share, 0.0, share)
    }

    /// The congestion controls of the sender and the receiver, as far as they are known.
    pub(super) fn congestions(&self) -> (Option<&str>, Option<&str>) {
        let (own, other) = (Some(&*self.congestion), self.remote_congestion.as_deref());
        if self.sends() { (own, other) } else { (other, own) }
    }

    pub(super) fn close(&self, sys: &mut Sys<'_, SimKernel>) {
        self.flows.iter().for_each(|flow| flow.close(sys));
    }
}
