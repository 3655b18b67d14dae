//! All machines of a world, their shell sessions and the commands typed there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hopwise_sim_core::{Rng, Time};

use crate::files::{Device, FileTree};
use crate::io::Target;
use crate::machine::Machine;
use crate::process::{ExitStatus, FdEntry, Inherited};
use crate::signal::{Signal, SignalSet};
use crate::sys::DEFAULT_PATH;
use crate::{Errno, Kernel, MachineId, Pid, Program, ProgramTable, bash};

/// A command that was typed on a machine: the key to its output and status.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CommandId {
    /// Where it was typed.
    pub machine: MachineId,
    /// Its number there.
    pub number: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct CommandState {
    /// The shell that runs it.
    shell: u32,
    status: Option<i32>,
    text: Arc<str>,
}

/// The command that processes belong to which nobody typed.
const DAEMON: u32 = u32::MAX;

/// The shell side of a machine: which process is the session, what is typed but not begun.
#[derive(Clone, Default, Debug)]
pub(crate) struct Console {
    session: Option<u32>,
    typed: VecDeque<u32>,
    commands: BTreeMap<u32, CommandState>,
    next: u32,
}

impl<K: Kernel> Machine<K> {
    /// The next typed command for a session: its number and text.
    pub(crate) fn next_typed(&mut self, shell: u32) -> Option<(u32, Arc<str>)> {
        let number = *self.console.typed.front()?;
        let command = self.console.commands.get(&number).filter(|c| c.shell == shell)?;
        let text = command.text.clone();
        self.console.typed.pop_front();
        self.work.refill();
        if let Some(process) = self.processes.get_mut(&shell) {
            process.own.command = number;
        }
        Some((number, text))
    }

    /// The shell that commands are typed into.
    pub(crate) fn session(&self) -> Option<u32> {
        self.console.session
    }

    /// A session is done with a command.
    pub(crate) fn command_done(&mut self, number: u32, status: i32) {
        if let Some(command) = self.console.commands.get_mut(&number) {
            command.status = Some(status);
        }
    }

    /// A process ended: if it was a shell, so did the commands typed into it.
    pub(crate) fn shell_ended(&mut self, pid: u32, status: ExitStatus) {
        if self.console.session == Some(pid) {
            self.console.session = None;
        }
        for command in self.console.commands.values_mut().filter(|c| c.shell == pid && c.status.is_none()) {
            command.status = Some(status.shell_code());
        }
    }
}

/// Every machine of a world. Steps are driven from outside: the owner calls [`Machines::step_ready`] at each point in time at
/// which something happens, and asks [`Machines::next_wake`] for the next one.
#[derive(Clone)]
pub struct Machines<K: Kernel> {
    machines: Vec<Machine<K>>,
    table: Arc<ProgramTable<K>>,
    seed: u64,
    now: Time,
}

impl<K: Kernel> Machines<K> {
    /// No machine yet. `seed` determines `$RANDOM`, `/dev/urandom` and `mktemp`.
    pub fn new(table: ProgramTable<K>, seed: u64) -> Self {
        Machines { machines: Vec::new(), table: Arc::new(table), seed, now: Time::ZERO }
    }

    /// The programs that are installed on every machine.
    pub fn table(&self) -> &ProgramTable<K> {
        &self.table
    }

    /// Adds a machine with this hostname whose processes begin in the namespace `root_ns`.
    pub fn add_machine(&mut self, name: &str, root_ns: K::Ns) -> MachineId {
        let id = MachineId(self.machines.len() as u32);
        let rng = Rng::stream(self.seed, "machine", u64::from(id.0));
        self.machines.push(Machine::new(id, name, root_ns, FileTree::new(name, &self.table.files()), rng));
        id
    }

    /// How many machines there are.
    pub fn len(&self) -> usize {
        self.machines.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.machines.is_empty()
    }

    fn machine_mut(&mut self, id: MachineId) -> Result<&mut Machine<K>, Errno> {
        self.machines.get_mut(id.index()).ok_or(Errno::ENXIO)
    }

    /// The machine's file tree, for reading results.
    pub fn files(&self, id: MachineId) -> Option<&FileTree> {
        self.machines.get(id.index()).map(|m| &m.files)
    }

    /// The machine's current hostname.
    pub fn hostname(&self, id: MachineId) -> Option<&str> {
        self.machines.get(id.index()).map(|m| m.hostname.as_str())
    }

    /// Reads a file as root.
    ///
    /// # Errors
    /// ENOENT, EISDIR.
    pub fn read_file(&self, id: MachineId, path: &str) -> Result<Arc<Vec<u8>>, Errno> {
        let files = self.files(id).ok_or(Errno::ENXIO)?;
        files.content(files.find(path, true)?)
    }

    /// Writes a file as root; its folder must exist.
    ///
    /// # Errors
    /// ENOENT, EISDIR, EACCES in `/proc` and `/sys`.
    pub fn write_file(&mut self, id: MachineId, path: &str, data: &[u8]) -> Result<(), Errno> {
        let now = self.now;
        let files = &mut self.machine_mut(id)?.files;
        let ino = match files.walk(path, true)? {
            crate::files::Walk::Found(ino) => ino,
            crate::files::Walk::Missing(dir, name) => {
                files.create(dir, &name, crate::files::Node::File(Arc::default()), 0o644, now)?
            }
            crate::files::Walk::Kernel(_) => return Err(Errno::EACCES),
        };
        files.truncate(ino, 0, now)?;
        files.write_at(ino, 0, data, now)
    }

    /// Starts a process as init would: in the machine's first namespace, its input and output nowhere.
    ///
    /// # Errors
    /// ENXIO: no such machine. EAGAIN: too many processes.
    pub fn start_daemon(
        &mut self,
        id: MachineId,
        argv: Vec<String>,
        program: Box<dyn Program<K>>,
    ) -> Result<Pid, Errno> {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let number = self.start(id, program, &words, Target::Device(Device::Null), DAEMON)?;
        Ok(Pid { machine: id, number })
    }

    fn start_shell(
        &mut self,
        id: MachineId,
        program: Box<dyn Program<K>>,
        argv: &[&str],
        output: u32,
    ) -> Result<u32, Errno> {
        self.start(id, program, argv, Target::Output(output), output)
    }

    fn start(
        &mut self,
        id: MachineId,
        program: Box<dyn Program<K>>,
        argv: &[&str],
        output: Target,
        command: u32,
    ) -> Result<u32, Errno> {
        let now = self.now;
        let machine = self.machine_mut(id)?;
        let stdin = machine.add_desc(Target::Device(Device::Null));
        let stdout = machine.add_desc(output);
        let stderr = machine.hold_desc(stdout);
        let entry = |desc| FdEntry { desc, close_on_exec: false };
        let fds = BTreeMap::from([(0, entry(stdin)), (1, entry(stdout)), (2, entry(stderr))]);
        let env =
            [("HOME", "/root"), ("LANG", "C.UTF-8"), ("LOGNAME", "root"), ("PATH", DEFAULT_PATH), ("PWD", "/root")];
        let more = [("SHELL", "/bin/bash"), ("SHLVL", "1"), ("TERM", "dumb"), ("USER", "root"), ("_", "/usr/bin/bash")];
        let own = Inherited {
            argv: argv.iter().map(|a| (*a).to_owned()).collect(),
            env: Arc::new(env.iter().chain(more.iter()).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
            cwd: "/root".to_owned(),
            umask: 0o022,
            cgroup: "".into(),
            ns: machine.root_ns,
            binds: Arc::default(),
            ignored: SignalSet::default(),
            group: 0,
            command,
        };
        machine.add_process(1, own, fds, program, now, now)
    }

    /// Types a command into the machine's shell session, which is begun if there is none (or the last one has exited). Variables,
    /// functions, the working folder and jobs stay from command to command. It runs when [`Machines::step_ready`] is called;
    /// commands typed meanwhile wait.
    ///
    /// # Errors
    /// ENXIO: no such machine. EAGAIN: too many processes.
    pub fn submit(&mut self, id: MachineId, text: &str) -> Result<CommandId, Errno> {
        let console = &mut self.machine_mut(id)?.console;
        let number = console.next;
        console.next += 1;
        let shell = match console.session {
            Some(shell) => shell,
            None => {
                let shell = self.start_shell(id, bash::session(), &["-bash"], number)?;
                self.machine_mut(id)?.console.session = Some(shell);
                shell
            }
        };
        let machine = self.machine_mut(id)?;
        machine.outputs.insert(number, Vec::new());
        machine.console.commands.insert(number, CommandState { shell, status: None, text: text.into() });
        machine.console.typed.push_back(number);
        machine.make_ready(shell);
        Ok(CommandId { machine: id, number })
    }

    /// Runs a script in a shell of its own, as `bash NAME` would: messages begin with `NAME: line N: `.
    ///
    /// # Errors
    /// ENXIO: no such machine. EAGAIN: too many processes.
    pub fn run_script(&mut self, id: MachineId, name: &str, text: &str) -> Result<CommandId, Errno> {
        let console = &mut self.machine_mut(id)?.console;
        let number = console.next;
        console.next += 1;
        let shell = self.start_shell(id, bash::text(name, text), &["bash", name], number)?;
        let machine = self.machine_mut(id)?;
        machine.outputs.entry(number).or_default();
        machine.work.refill();
        machine.console.commands.insert(number, CommandState { shell, status: None, text: text.into() });
        Ok(CommandId { machine: id, number })
    }

    /// The command's exit status, once its foreground part is over.
    pub fn status(&self, command: CommandId) -> Option<i32> {
        self.machines.get(command.machine.index())?.console.commands.get(&command.number)?.status
    }

    /// The shell process that runs (or ran) the command.
    pub fn shell_of(&self, command: CommandId) -> Option<Pid> {
        let shell = self.machines.get(command.machine.index())?.console.commands.get(&command.number)?.shell;
        Some(Pid { machine: command.machine, number: shell })
    }

    /// What the command has printed until now: standard output and standard error in the order of writing. What it left running in
    /// the background goes on writing here.
    pub fn output(&self, command: CommandId) -> &[u8] {
        let machine = self.machines.get(command.machine.index());
        machine.and_then(|m| m.outputs.get(&command.number)).map_or(&[], Vec::as_slice)
    }

    /// Takes the output away, so that long sessions do not keep it.
    pub fn take_output(&mut self, command: CommandId) -> Vec<u8> {
        let machine = self.machines.get_mut(command.machine.index());
        machine.and_then(|m| m.outputs.get_mut(&command.number)).map(std::mem::take).unwrap_or_default()
    }

    /// Steps every process that can go on at `now`, until all wait. Time must not go backwards.
    pub fn step_ready(&mut self, now: Time, kernel: &mut K) {
        self.now = now.max(self.now);
        for machine in &mut self.machines {
            machine.step_ready(&self.table, self.now, kernel);
        }
    }

    /// When the next process wants to go on: the present if one can go on now, `None` if all wait for something else than time.
    pub fn next_wake(&self) -> Option<Time> {
        self.machines.iter().filter_map(|m| m.next_wake(self.now)).min()
    }

    /// The network side has something for this process: it is stepped again.
    pub fn wake(&mut self, pid: Pid) {
        if let Ok(machine) = self.machine_mut(pid.machine) {
            machine.wake(pid.number);
        }
    }

    /// Sends a signal from outside, for example Ctrl-C.
    ///
    /// # Errors
    /// ESRCH if the process does not exist.
    pub fn kill(&mut self, pid: Pid, signal: Signal) -> Result<(), Errno> {
        let machine = self.machine_mut(pid.machine)?;
        if !machine.processes.contains_key(&pid.number) {
            return Err(Errno::ESRCH);
        }
        machine.signal(pid.number, signal);
        Ok(())
    }

    /// Sends SIGINT to what the machine's session runs in the foreground.
    pub fn interrupt(&mut self, command: CommandId) {
        let Some(shell) = self.shell_of(command) else { return };
        if let Ok(machine) = self.machine_mut(shell.machine) {
            let children: Vec<u32> =
                machine.processes.iter().filter(|(_, p)| p.parent == shell.number).map(|(n, _)| *n).collect();
            for child in children {
                machine.signal(child, Signal::INT);
            }
            machine.signal(shell.number, Signal::INT);
        }
    }

    /// The processes of a machine that have not ended, in order of number.
    pub fn alive(&self, id: MachineId) -> Vec<Pid> {
        let machine = self.machines.get(id.index());
        let alive =
            machine.map(|m| m.processes.iter().filter(|(_, p)| p.ended.is_none()).map(|(n, _)| m.pid(*n)).collect());
        alive.unwrap_or_default()
    }
}
