//! One machine: its files, processes and open descriptions, and the scheduling of its processes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hopwise_sim_core::{Rng, Time};

use crate::files::FileTree;
use crate::io::{DescId, Descriptions};
use crate::machines::Console;
use crate::process::{ExitStatus, FdEntry, Inherited, Process};
use crate::signal::{DefaultAction, Signal, SignalSet};
use crate::work::{self, WORK_MAX, Work};
use crate::{Errno, Kernel, MachineId, Pid, Program, ProgramTable, Step, Sys, Wait};

/// Processes of one machine (Linux: `ulimit -u`, the pids cgroup of a container): labs have some dozen, fork bombs get no further.
const PROCESSES_MAX: usize = 1024;
/// The number of the first process that is started.
const FIRST_PID: u32 = 1000;

#[derive(Clone)]
pub(crate) struct Machine<K: Kernel> {
    pub(crate) id: MachineId,
    pub(crate) hostname: String,
    pub(crate) root_ns: K::Ns,
    pub(crate) files: FileTree,
    pub(crate) processes: BTreeMap<u32, Process<K>>,
    next_pid: u32,
    pub(crate) descs: Descriptions,
    pub(crate) outputs: BTreeMap<u32, Vec<u8>>,
    pub(crate) rng: Rng,
    pub(crate) console: Console,
    pub(crate) work: Work,
    ready: VecDeque<u32>,
    timers: BTreeSet<(Time, u32)>,
    /// Processes that ended since the kernel was told last.
    exited: Vec<(u32, K::Ns)>,
}

impl<K: Kernel> Machine<K> {
    pub(crate) fn new(id: MachineId, hostname: &str, root_ns: K::Ns, files: FileTree, rng: Rng) -> Self {
        Machine {
            id,
            hostname: hostname.to_owned(),
            root_ns,
            files,
            processes: BTreeMap::new(),
            next_pid: FIRST_PID,
            descs: Descriptions::default(),
            outputs: BTreeMap::new(),
            rng,
            console: Console::default(),
            work: Work::new(Time::ZERO),
            ready: VecDeque::new(),
            timers: BTreeSet::new(),
            exited: Vec::new(),
        }
    }

    /// The global name of a process of this machine.
    pub(crate) fn pid(&self, number: u32) -> Pid {
        Pid { machine: self.id, number }
    }

    /// Enters a new process; it is first stepped at `start`.
    pub(crate) fn add_process(
        &mut self,
        parent: u32,
        own: Inherited<K>,
        fds: BTreeMap<u32, FdEntry>,
        program: Box<dyn Program<K>>,
        start: Time,
        now: Time,
    ) -> Result<u32, Errno> {
        self.work.spend(work::SPAWN);
        if self.processes.len() >= PROCESSES_MAX {
            self.work.spend(work::FORK_REFUSED);
            for entry in fds.values() {
                self.drop_desc(entry.desc);
            }
            return Err(Errno::EAGAIN);
        }
        let number = self.next_pid;
        self.next_pid += 1;
        let process = Process {
            parent,
            own,
            started: now,
            fds,
            program: Some(program),
            wait: Wait::default(),
            deadline: None,
            queued: false,
            stopped: false,
            caught: SignalSet::default(),
            pending: SignalSet::default(),
            outbox: VecDeque::new(),
            exiting: None,
            ended: None,
            abandon: false,
        };
        self.processes.insert(number, process);
        if start > now {
            self.set_deadline(number, Some(start))
        } else {
            self.make_ready(number)
        }
        Ok(number)
    }

    /// Queues a process for its next step.
    pub(crate) fn make_ready(&mut self, number: u32) {
        if let Some(process) = self.processes.get_mut(&number)
            && !process.queued
            && process.ended.is_none()
        {
            process.queued = true;
            self.ready.push_back(number);
        }
    }

    /// The kernel has something for a process, which it looks at once it has computed what it computes.
    pub(crate) fn wake(&mut self, number: u32) {
        if self.processes.get(&number).is_some_and(|process| !process.wait.computing || process.deadline.is_none()) {
            self.make_ready(number);
        }
    }

    pub(crate) fn set_deadline(&mut self, number: u32, deadline: Option<Time>) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        if let Some(old) = std::mem::replace(&mut process.deadline, deadline) {
            self.timers.remove(&(old, number));
        }
        if let Some(new) = deadline {
            self.timers.insert((new, number));
        }
    }

    pub(crate) fn next_wake(&self, now: Time) -> Option<Time> {
        if !self.ready.is_empty() || !self.exited.is_empty() {
            return Some(now);
        }
        self.timers.first().map(|timer| timer.0)
    }

    /// Steps until nobody can go on before time does.
    pub(crate) fn step_ready(&mut self, table: &Arc<ProgramTable<K>>, now: Time, kernel: &mut K) {
        self.work.advance(now);
        while let Some(&(time, number)) = self.timers.first()
            && time <= now
        {
            self.set_deadline(number, None);
            self.make_ready(number);
        }
        while let Some(number) = self.ready.pop_front() {
            if let Some(process) = self.processes.get_mut(&number) {
                process.queued = false;
                if !process.stopped && process.ended.is_none() {
                    self.step(number, table, now, kernel);
                }
            }
            self.tell_exited(kernel);
        }
        self.tell_exited(kernel);
    }

    /// Tells the kernel who ended, and which namespaces nobody lives in any more.
    fn tell_exited(&mut self, kernel: &mut K) {
        for (number, ns) in std::mem::take(&mut self.exited) {
            kernel.proc_exited(self.pid(number));
            self.tell_ns_left(kernel, ns);
        }
    }

    /// Tells the kernel if nobody lives in this namespace any more. The dead that wait for their parent hold none
    /// (`exit_task_namespaces`).
    pub(crate) fn tell_ns_left(&self, kernel: &mut K, ns: K::Ns) {
        if !self.processes.values().any(|p| p.ended.is_none() && p.own.ns == ns) {
            kernel.ns_left(self.id, ns);
        }
    }

    fn step(&mut self, number: u32, table: &Arc<ProgramTable<K>>, now: Time, kernel: &mut K) {
        if !self.flush(number, kernel, now) {
            return;
        }
        let Some(process) = self.processes.get_mut(&number) else { return };
        if let Some(code) = process.exiting {
            return self.terminate(number, ExitStatus::Code(code));
        }
        // A process whose program is out is being stepped already: cannot happen, as steps do not nest.
        let Some(mut program) = process.program.take() else { return };
        self.work.spend(work::STEP);
        let outcome = program.step(&mut Sys { kernel, m: self, table, now, number });
        let over = self.work.is_over();
        let whereabouts = if over { program.whereabouts() } else { None };
        let Some(process) = self.processes.get_mut(&number) else { return };
        if process.ended.is_some() {
            return;
        }
        // The step may have put another program in its place.
        process.program.get_or_insert(program);
        if over && !matches!(outcome, Step::Exit(_)) {
            return self.stop_runaway(number, whereabouts);
        }
        match outcome {
            Step::Exit(code) => {
                process.exiting = Some((code & 0xff) as u8);
                if self.flush(number, kernel, now) {
                    let code = (code & 0xff) as u8;
                    self.terminate(number, ExitStatus::Code(code));
                }
            }
            Step::Again => self.make_ready(number),
            Step::Exec(argv) => {
                let loaded = Sys { kernel, m: self, table, now, number }.exec(argv);
                if let Err(errno) = loaded {
                    // The caller is expected to have looked the program up before.
                    Sys { kernel, m: self, table, now, number }.err(&format!("exec: {errno}\n"));
                    self.terminate(number, ExitStatus::Code(126));
                }
            }
            Step::Block(wait) => {
                if wait.computing && wait.until.is_some_and(|until| until > now) {
                    self.work.give_back(work::STEP);
                }
                self.block(number, wait, now);
            }
        }
    }

    fn block(&mut self, number: u32, wait: Wait, now: Time) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        let waits_for: Vec<DescId> =
            wait.readable.iter().filter_map(|fd| process.fds.get(fd)).map(|e| e.desc).collect();
        let at_once = wait.until.is_some_and(|t| t <= now)
            || !process.pending.is_empty()
            || wait.readable.iter().any(|fd| !process.fds.contains_key(fd));
        let until = wait.until;
        process.wait = wait;
        self.set_deadline(number, until);
        let mut ready = at_once;
        for desc in waits_for {
            ready |= self.is_readable(desc);
            self.wait_for_desc(desc, number);
        }
        if ready || self.has_output_waiting(number) {
            self.make_ready(number);
        }
    }

    fn has_output_waiting(&self, number: u32) -> bool {
        self.processes.get(&number).is_some_and(|p| !p.outbox.is_empty())
    }

    /// Writes what waits in a process's outbox. False: it has to go on waiting (or has just been ended by SIGPIPE).
    fn flush(&mut self, number: u32, kernel: &mut K, now: Time) -> bool {
        loop {
            let Some(process) = self.processes.get_mut(&number) else { return false };
            let ns = process.own.ns;
            let Some((desc, data)) = process.outbox.pop_front() else { return true };
            match self.write_desc(kernel, ns, desc, &data, now) {
                Ok(count) if count < data.len() => {
                    if let Some(process) = self.processes.get_mut(&number) {
                        process.outbox.push_front((desc, data.get(count..).unwrap_or(&[]).to_vec()));
                    }
                    self.wait_for_desc(desc, number);
                    return false;
                }
                Err(Errno::EPIPE) => {
                    self.drop_desc(desc);
                    self.signal(number, Signal::PIPE);
                    if self.processes.get(&number).is_none_or(|p| p.ended.is_some()) {
                        return false;
                    }
                }
                _ => self.drop_desc(desc),
            }
        }
    }

    /// The process that was just stepped used the last of the machine's work: the command it belongs to is ended as a whole, as any
    /// process of it may be the cause (a fork bomb is many small ones). A session goes on with its next command.
    fn stop_runaway(&mut self, number: u32, whereabouts: Option<String>) {
        let Some(process) = self.processes.get(&number) else { return };
        let command = process.own.command;
        let place = whereabouts.unwrap_or_else(|| process.comm().to_owned());
        let text = format!("{place}: stopped: {WORK_MAX} operations and no time has passed, this looks endless\n");
        self.outputs.entry(command).or_default().extend(text.bytes());
        let members: Vec<u32> = self
            .processes
            .iter()
            .filter(|(_, p)| p.own.command == command && p.ended.is_none())
            .map(|(n, _)| *n)
            .collect();
        let session = self.session();
        for member in members {
            if Some(member) != session {
                self.terminate(member, ExitStatus::Signal(Signal::KILL));
            } else if let Some(process) = self.processes.get_mut(&member) {
                process.abandon = true;
                self.make_ready(member);
            }
        }
        self.work.refill();
    }

    /// Sends a signal to a process.
    pub(crate) fn signal(&mut self, number: u32, signal: Signal) {
        let Some(process) = self.processes.get_mut(&number) else { return };
        if process.ended.is_some() {
            return;
        }
        if signal == Signal::CONT && process.stopped {
            process.stopped = false;
            self.make_ready(number);
        }
        let Some(process) = self.processes.get_mut(&number) else { return };
        let unstoppable = signal == Signal::KILL || signal == Signal::STOP;
        if !unstoppable && process.own.ignored.contains(signal) {
            return;
        }
        if !unstoppable && process.caught.contains(signal) {
            process.pending.insert(signal);
            return self.make_ready(number);
        }
        match signal.default_action() {
            DefaultAction::Terminate => self.terminate(number, ExitStatus::Signal(signal)),
            DefaultAction::Stop => process.stopped = true,
            DefaultAction::Ignore | DefaultAction::Continue => {}
        }
    }

    /// Ends a process: closes its descriptors, hands its children to init, tells its parent.
    pub(crate) fn terminate(&mut self, number: u32, status: ExitStatus) {
        self.set_deadline(number, None);
        let Some(process) = self.processes.get_mut(&number) else { return };
        if process.ended.is_some() {
            return;
        }
        process.ended = Some(status);
        process.program = None;
        let (parent, ns) = (process.parent, process.own.ns);
        let fds = std::mem::take(&mut process.fds);
        let outbox = std::mem::take(&mut process.outbox);
        for desc in fds.into_values().map(|e| e.desc).chain(outbox.into_iter().map(|o| o.0)) {
            self.drop_desc(desc);
        }
        self.exited.push((number, ns));
        self.shell_ended(number, status);
        let orphans: Vec<u32> = self.processes.iter().filter(|(_, p)| p.parent == number).map(|(n, _)| *n).collect();
        for orphan in orphans {
            if let Some(process) = self.processes.get_mut(&orphan) {
                process.parent = 1;
                if process.ended.is_some() {
                    self.processes.remove(&orphan);
                }
            }
        }
        if parent == 1 {
            self.processes.remove(&number);
            return;
        }
        if let Some(process) = self.processes.get_mut(&parent)
            && process.caught.contains(Signal::CHLD)
        {
            process.pending.insert(Signal::CHLD);
        }
        self.make_ready(parent);
    }
}
