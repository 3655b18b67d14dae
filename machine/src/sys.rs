//! What a program can do: its system calls. Everything about itself, its output, its children, signals and time is here;
//! files and descriptors are in `sys_files`.

use std::collections::BTreeMap;
use std::sync::Arc;

use hopwise_sim_core::Time;

use crate::machine::Machine;
use crate::process::{Bind, Env, EnvMap, ExitStatus, FdEntry, Inherited};
use crate::program::EXEC_COST;
use crate::signal::{Signal, SignalSet};
use crate::{Errno, Kernel, MachineId, Pid, Program, ProgramTable, bash, files, work};

/// A running program's view of its machine, for the time of one step.
pub struct Sys<'a, K: Kernel> {
    /// The network side.
    pub kernel: &'a mut K,
    pub(crate) m: &'a mut Machine<K>,
    pub(crate) table: &'a Arc<ProgramTable<K>>,
    pub(crate) now: Time,
    pub(crate) number: u32,
}

/// The default search path (Debian's root).
pub(crate) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Interpreters of interpreters (Linux: `BINPRM_MAX_RECURSION`).
const SHEBANG_MAX: usize = 4;

/// A program ready to run, and its argv.
type Loaded<K> = (Box<dyn Program<K>>, Vec<String>);

/// A child to be started: what differs from its parent.
#[derive(Clone)]
pub struct Spawn<K: Kernel> {
    argv: Vec<String>,
    file: Option<String>,
    program: Option<Box<dyn Program<K>>>,
    fds: Vec<(u32, u32)>,
    closed: Vec<u32>,
    env: Vec<(String, Option<String>)>,
    new_group: bool,
    group: Option<u32>,
    ignore: Vec<Signal>,
    default: Vec<Signal>,
}

impl<K: Kernel> Spawn<K> {
    /// A program by name (searched in PATH) or path, with its arguments.
    pub fn new(argv: Vec<String>) -> Self {
        Spawn {
            argv,
            file: None,
            program: None,
            fds: Vec::new(),
            closed: Vec::new(),
            env: Vec::new(),
            new_group: false,
            group: None,
            ignore: Vec::new(),
            default: Vec::new(),
        }
    }

    /// The program's file, for who has found it already: `argv[0]` is then only what the program is told.
    #[must_use]
    pub fn file(mut self, path: String) -> Self {
        self.file = Some(path);
        self
    }

    /// A copy of the calling process that goes on with this program (`fork` without `exec`; costs no time).
    pub fn fork(program: Box<dyn Program<K>>) -> Self {
        Spawn { program: Some(program), ..Spawn::new(Vec::new()) }
    }

    /// The child's descriptor `child` is the caller's `own`.
    #[must_use]
    pub fn fd(mut self, child: u32, own: u32) -> Self {
        self.fds.push((child, own));
        self
    }

    /// The child does not have this descriptor of the caller.
    #[must_use]
    pub fn without_fd(mut self, fd: u32) -> Self {
        self.closed.push(fd);
        self
    }

    /// Sets an environment variable for the child.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), Some(value.to_owned())));
        self
    }

    /// Puts the child into a process group of its own.
    #[must_use]
    pub fn new_group(mut self) -> Self {
        self.new_group = true;
        self
    }

    /// Puts the child into this process group.
    #[must_use]
    pub fn group(mut self, group: u32) -> Self {
        self.group = Some(group);
        self
    }

    /// The child ignores this signal.
    #[must_use]
    pub fn ignoring(mut self, signal: Signal) -> Self {
        self.ignore.push(signal);
        self
    }

    /// The child does not ignore this signal.
    #[must_use]
    pub fn defaulting(mut self, signal: Signal) -> Self {
        self.default.push(signal);
        self
    }
}

/// A row of `ps`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: u32,
    /// Its parent's number.
    pub parent: u32,
    /// Its process group.
    pub group: u32,
    /// The short name.
    pub comm: String,
    /// The whole command.
    pub argv: Vec<String>,
    /// Its control group.
    pub cgroup: Arc<str>,
    /// When it began.
    pub started: Time,
    /// `R`, `S`, `T` or `Z`.
    pub state: char,
}

/// Itself.
impl<K: Kernel> Sys<'_, K> {
    fn own(&self) -> Option<&Inherited<K>> {
        self.m.processes.get(&self.number).map(|p| &p.own)
    }

    fn own_mut(&mut self, change: impl FnOnce(&mut Inherited<K>)) {
        if let Some(process) = self.m.processes.get_mut(&self.number) {
            change(&mut process.own);
        }
    }

    /// The virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The calling process.
    pub fn pid(&self) -> Pid {
        self.m.pid(self.number)
    }

    /// Its parent's number (1 for orphans).
    pub fn parent(&self) -> u32 {
        self.m.processes.get(&self.number).map_or(1, |p| p.parent)
    }

    /// The machine.
    pub fn machine(&self) -> MachineId {
        self.m.id
    }

    /// The machine's name, as `hostname` prints it.
    pub fn hostname(&self) -> &str {
        &self.m.hostname
    }

    /// Renames the machine.
    pub fn set_hostname(&mut self, name: &str) {
        name.clone_into(&mut self.m.hostname);
    }

    /// All arguments, the program's name first.
    pub fn argv(&self) -> Vec<String> {
        self.own().map(|o| o.argv.clone()).unwrap_or_default()
    }

    /// Changes what `ps` shows as the command (`setproctitle(3)`).
    pub fn set_argv(&mut self, argv: Vec<String>) {
        self.own_mut(|own| own.argv = argv);
    }

    /// The name it was called by, for messages: the last component of the first argument.
    pub fn name(&self) -> String {
        self.own().and_then(|o| o.argv.first()).map(|a| files::base_name(a).to_owned()).unwrap_or_default()
    }

    /// An environment variable.
    pub fn env(&self, name: &str) -> Option<String> {
        self.own()?.env.get(name).cloned()
    }

    /// The whole environment.
    pub fn env_all(&self) -> Env {
        self.own().map(|o| o.env.clone()).unwrap_or_default()
    }

    /// Sets or removes an environment variable.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        self.own_mut(|own| {
            let env = Arc::make_mut(&mut own.env);
            match value {
                Some(value) => env.insert(name.to_owned(), value.to_owned()),
                None => env.shift_remove(name),
            };
        });
    }

    /// Replaces the whole environment.
    pub fn set_env_all(&mut self, env: EnvMap) {
        self.own_mut(|own| own.env = Arc::new(env));
    }

    /// The working folder, absolute.
    pub fn cwd(&self) -> String {
        self.own().map_or_else(|| "/".to_owned(), |o| o.cwd.clone())
    }

    /// Changes the working folder.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ELOOP.
    pub fn chdir(&mut self, path: &str) -> Result<(), Errno> {
        if self.stat(path, true)?.kind != files::FileKind::Dir {
            return Err(Errno::ENOTDIR);
        }
        let absolute = files::normalise(&files::join(&self.cwd(), path));
        self.own_mut(|own| own.cwd = absolute);
        Ok(())
    }

    /// The file mode creation mask.
    pub fn umask(&self) -> u32 {
        self.own().map_or(0o022, |o| o.umask)
    }

    /// Sets the file mode creation mask.
    pub fn set_umask(&mut self, mask: u32) {
        self.own_mut(|own| own.umask = mask & 0o777);
    }

    /// The network namespace the process lives in.
    pub fn ns(&self) -> K::Ns {
        self.own().map_or(self.m.root_ns, |o| o.ns)
    }

    /// Moves the process into a network namespace (`setns(2)`); children inherit it.
    pub fn set_ns(&mut self, ns: K::Ns) {
        let old = self.ns();
        self.own_mut(|own| own.ns = ns);
        self.m.tell_ns_left(self.kernel, old);
    }

    /// The control group that the process is in, as in `/proc/PID/cgroup`; empty: the root of them all.
    pub fn cgroup(&self) -> Arc<str> {
        self.own().map_or_else(|| "".into(), |own| own.cgroup.clone())
    }

    /// Moves the process into a control group; children inherit it.
    pub fn set_cgroup(&mut self, path: &str) {
        self.own_mut(|own| own.cgroup = path.into());
    }

    /// Something other than a process that kept a network namespace alive, as a name does, lets go of it: the kernel is
    /// told if nobody lives there.
    pub fn forget_ns(&mut self, ns: K::Ns) {
        self.m.tell_ns_left(self.kernel, ns);
    }

    /// The machine's first network namespace.
    pub fn root_ns(&self) -> K::Ns {
        self.m.root_ns
    }

    /// From now on this process and its children see `source` where `target` is (a bind mount in a mount namespace of
    /// their own, as `ip netns exec` makes them for `/etc/netns/NAME/*`). Both absolute.
    pub fn bind(&mut self, target: &str, source: &str) {
        let bind = Bind { target: files::normalise(target), source: files::normalise(source) };
        self.own_mut(|own| Arc::make_mut(&mut own.binds).push(bind));
    }

    /// 32 bits from the machine's seeded stream.
    pub fn random_u32(&mut self) -> u32 {
        self.m.rng.next_u32()
    }

    /// Counts work that a step did without system calls, in operations of about a tenth of a microsecond. Who computes much and never
    /// counts is not stopped by anything.
    pub fn charge(&mut self, operations: u64) {
        self.m.work.spend(operations);
    }

    /// Tells how many bytes of its input a program holds: too many end its command like too much work.
    pub(crate) fn hold(&mut self, bytes: usize) {
        if bytes > work::HELD_MAX {
            self.m.work.spend(u64::MAX);
        }
    }

    /// Whether the machine has no work left for this moment, so that the command is about to be stopped.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.m.work.is_over()
    }

    /// Whether the machine has stopped the command this shell is at (tells it once).
    pub(crate) fn is_abandoned(&mut self) -> bool {
        self.m.processes.get_mut(&self.number).is_some_and(|p| std::mem::take(&mut p.abandon))
    }

    /// The table of all programs.
    pub fn table(&self) -> &ProgramTable<K> {
        self.table
    }
}

/// Signals and processes.
impl<K: Kernel> Sys<'_, K> {
    /// Catches a signal: it is then fetched with [`Sys::take_signal`] instead of ending the process.
    pub fn catch(&mut self, signal: Signal) {
        if let Some(process) = self.m.processes.get_mut(&self.number) {
            process.caught.insert(signal);
            process.own.ignored.remove(signal);
        }
    }

    /// Ignores a signal; children inherit that.
    pub fn ignore(&mut self, signal: Signal) {
        if let Some(process) = self.m.processes.get_mut(&self.number) {
            process.caught.remove(signal);
            process.own.ignored.insert(signal);
        }
    }

    /// Leaves a signal to its default action.
    pub fn default_signal(&mut self, signal: Signal) {
        if let Some(process) = self.m.processes.get_mut(&self.number) {
            process.caught.remove(signal);
            process.own.ignored.remove(signal);
        }
    }

    /// Whether a signal is ignored.
    pub fn ignores(&self, signal: Signal) -> bool {
        self.own().is_some_and(|o| o.ignored.contains(signal))
    }

    /// The next caught signal that has arrived.
    pub fn take_signal(&mut self) -> Option<Signal> {
        self.m.processes.get_mut(&self.number)?.pending.take_first()
    }

    /// Sends a signal to a process of this machine (`None`: only asks whether it exists).
    ///
    /// # Errors
    /// ESRCH if there is no such process.
    pub fn kill(&mut self, pid: u32, signal: Option<Signal>) -> Result<(), Errno> {
        if pid == 1 {
            return Err(Errno::EPERM);
        }
        if !self.m.processes.contains_key(&pid) {
            return Err(Errno::ESRCH);
        }
        if let Some(signal) = signal {
            self.m.signal(pid, signal);
        }
        Ok(())
    }

    /// Sends a signal to all processes of a group.
    ///
    /// # Errors
    /// ESRCH if the group is empty.
    pub fn kill_group(&mut self, group: u32, signal: Option<Signal>) -> Result<(), Errno> {
        let members: Vec<u32> = self
            .m
            .processes
            .iter()
            .filter(|(_, p)| p.own.group == group && p.ended.is_none())
            .map(|(n, _)| *n)
            .collect();
        if members.is_empty() {
            return Err(Errno::ESRCH);
        }
        for member in members {
            if let Some(signal) = signal {
                self.m.signal(member, signal);
            }
        }
        Ok(())
    }

    /// The process group of the caller.
    pub fn group(&self) -> u32 {
        self.own().map_or(self.number, |o| o.group)
    }

    /// Makes the caller the leader of a group of its own.
    pub fn set_own_group(&mut self) {
        let number = self.number;
        self.own_mut(|own| own.group = number);
    }

    /// If this child has ended: how. Fetching it lets the process go (`waitpid` with WNOHANG).
    ///
    /// # Errors
    /// ECHILD if it is not (or no more) a child of the caller.
    pub fn reap(&mut self, pid: u32) -> Result<Option<ExitStatus>, Errno> {
        match self.m.processes.get(&pid) {
            Some(process) if process.parent == self.number => {
                let ended = process.ended;
                if ended.is_some() {
                    self.m.processes.remove(&pid);
                }
                Ok(ended)
            }
            _ => Err(Errno::ECHILD),
        }
    }

    /// All processes of the machine, in order of number.
    pub fn processes(&self) -> Vec<ProcessInfo> {
        let info = |(number, p): (&u32, &crate::process::Process<K>)| ProcessInfo {
            pid: *number,
            parent: p.parent,
            group: p.own.group,
            comm: p.comm().to_owned(),
            argv: p.own.argv.clone(),
            cgroup: p.own.cgroup.clone(),
            started: p.started,
            state: match (p.ended.is_some(), p.stopped, *number == self.number) {
                (true, _, _) => 'Z',
                (_, true, _) => 'T',
                (_, _, true) => 'R',
                _ => 'S',
            },
        };
        self.m.processes.iter().map(info).collect()
    }

    /// The network namespace of a process of this machine.
    pub fn ns_of(&self, pid: u32) -> Option<K::Ns> {
        self.m.processes.get(&pid).filter(|p| p.ended.is_none()).map(|p| p.own.ns)
    }

    /// Looks a program up as `execvp` does: a name in PATH, or a path. Gives its path.
    ///
    /// # Errors
    /// ENOENT if there is none, EACCES if it is a folder or not executable.
    pub fn find_program(&mut self, name: &str) -> Result<String, Errno> {
        if name.contains('/') {
            return self.check_executable(name).map(|()| name.to_owned());
        }
        if name.is_empty() {
            return Err(Errno::ENOENT);
        }
        let path = self.env("PATH").unwrap_or_else(|| DEFAULT_PATH.to_owned());
        self.find_in_path(name, &path)
    }

    /// As [`Sys::find_program`] for a name without slash, with a given search path.
    ///
    /// # Errors
    /// ENOENT, EACCES.
    pub fn find_in_path(&mut self, name: &str, path: &str) -> Result<String, Errno> {
        let mut error = Errno::ENOENT;
        for dir in path.split(':') {
            let candidate =
                if dir.is_empty() { format!("./{name}") } else { format!("{}/{name}", dir.trim_end_matches('/')) };
            match self.check_executable(&candidate) {
                Ok(()) => return Ok(candidate),
                Err(Errno::EACCES) => error = Errno::EACCES,
                Err(_) => {}
            }
        }
        Err(error)
    }

    fn check_executable(&mut self, path: &str) -> Result<(), Errno> {
        let stat = self.stat(path, true)?;
        if stat.kind != files::FileKind::File || stat.mode & 0o111 == 0 { Err(Errno::EACCES) } else { Ok(()) }
    }

    /// The state machine of an executable file, and the argv it gets (a script's interpreter comes first).
    fn load(&mut self, path: &str, mut argv: Vec<String>) -> Result<Loaded<K>, Errno> {
        let mut path = path.to_owned();
        for _ in 0..=SHEBANG_MAX {
            self.check_executable(&path)?;
            let ino = self.m.files.find(&self.absolute(&path), true)?;
            if let Some(files::Inode { node: files::Node::Program(name), .. }) = self.m.files.get(ino) {
                let entry = self.table.get(name).ok_or(Errno::ENOEXEC)?;
                return Ok(((entry.start)(argv.get(1..).unwrap_or(&[])), argv));
            }
            let content = self.m.files.content(ino)?;
            let Some((interpreter, argument)) = shebang(&content)? else {
                return Ok((bash::script(&path, argv.get(1..).unwrap_or(&[])), argv));
            };
            let mut longer = vec![interpreter.clone()];
            longer.extend(argument);
            longer.push(path);
            longer.extend(argv.into_iter().skip(1));
            argv = longer;
            path = interpreter;
        }
        Err(Errno::ELOOP)
    }

    /// Turns the calling process into another program.
    pub(crate) fn exec(&mut self, argv: Vec<String>) -> Result<(), Errno> {
        let path = self.find_program(argv.first().map_or("", String::as_str))?;
        let (program, argv) = self.load(&path, argv)?;
        fits_exec(&argv, &self.env_all())?;
        let until = self.now + EXEC_COST;
        let Some(process) = self.m.processes.get_mut(&self.number) else { return Err(Errno::ESRCH) };
        process.program = Some(program);
        process.own.argv = argv;
        process.caught = SignalSet::default();
        process.pending = SignalSet::default();
        let closing: Vec<u32> = process.fds.iter().filter(|(_, e)| e.close_on_exec).map(|(fd, _)| *fd).collect();
        for fd in closing {
            self.close(fd);
        }
        self.m.set_deadline(self.number, Some(until));
        Ok(())
    }

    /// Goes on as another state machine after this step (same arguments, same descriptors).
    pub fn become_program(&mut self, program: Box<dyn Program<K>>) {
        if let Some(process) = self.m.processes.get_mut(&self.number) {
            process.program = Some(program);
        }
    }

    /// Starts a child process. It inherits descriptors, environment, working folder, namespace.
    ///
    /// # Errors
    /// ENOENT, EACCES if the program cannot be run; EBADF for a descriptor that is not open; EAGAIN if there are too many processes.
    pub fn spawn(&mut self, spawn: Spawn<K>) -> Result<u32, Errno> {
        let mut own = self.own().ok_or(Errno::ESRCH)?.clone();
        let forked = spawn.program.is_some();
        for (name, value) in spawn.env {
            let env = Arc::make_mut(&mut own.env);
            match value {
                Some(value) => env.insert(name, value),
                None => env.shift_remove(&name),
            };
        }
        for signal in spawn.ignore {
            own.ignored.insert(signal);
        }
        for signal in spawn.default {
            own.ignored.remove(signal);
        }
        let program = match spawn.program {
            Some(program) => program,
            None => {
                let path = match spawn.file {
                    Some(path) => path,
                    None => self.find_program(spawn.argv.first().map_or("", String::as_str))?,
                };
                let (program, argv) = self.load(&path, spawn.argv)?;
                own.argv = argv;
                program
            }
        };
        let mut plan: BTreeMap<u32, FdEntry> =
            self.m.processes.get(&self.number).map(|p| p.fds.clone()).unwrap_or_default();
        plan.retain(|fd, entry| (forked || !entry.close_on_exec) && !spawn.closed.contains(fd));
        for (child, mine) in spawn.fds {
            let entry = self.fd_entry(mine).ok_or(Errno::EBADF)?;
            plan.insert(child, FdEntry { desc: entry.desc, close_on_exec: false });
        }
        if !forked {
            fits_exec(&own.argv, &own.env)?;
        }
        for entry in plan.values() {
            self.m.hold_desc(entry.desc);
        }
        if let Some(group) = spawn.group {
            own.group = group;
        }
        let start = if forked { self.now } else { self.now + EXEC_COST };
        let child = self.m.add_process(self.number, own, plan, program, start, self.now)?;
        if spawn.new_group
            && let Some(process) = self.m.processes.get_mut(&child)
        {
            process.own.group = child;
        }
        Ok(child)
    }
}

/// E2BIG for arguments and environment that `execve` does not take: one of 128 KiB (`MAX_ARG_STRLEN`), or 2 MiB together (a
/// quarter of the usual stack limit).
fn fits_exec(argv: &[String], env: &EnvMap) -> Result<(), Errno> {
    let args = argv.iter().map(|a| a.len() + 1);
    let mut sizes = args.chain(env.iter().map(|(name, value)| name.len() + value.len() + 2));
    let total = sizes.try_fold(0, |sum, size| (size <= 128 << 10).then_some(sum + size + size_of::<usize>()));
    if total.is_some_and(|sum| sum <= 2 << 20) { Ok(()) } else { Err(Errno::E2BIG) }
}

/// The interpreter line of a script: interpreter and its one argument. ENOEXEC for what is not text.
fn shebang(content: &[u8]) -> Result<Option<(String, Option<String>)>, Errno> {
    let Some(rest) = content.strip_prefix(b"#!") else {
        let first_line = content.split(|b| *b == b'\n').next().unwrap_or(&[]);
        return if first_line.contains(&0) { Err(Errno::ENOEXEC) } else { Ok(None) };
    };
    let line = String::from_utf8_lossy(rest.split(|b| *b == b'\n').next().unwrap_or(&[])).trim().to_owned();
    let (interpreter, argument) =
        line.split_once([' ', '\t']).map_or((line.as_str(), None), |(a, b)| (a, Some(b.trim())));
    if interpreter.is_empty() {
        return Err(Errno::ENOEXEC);
    }
    Ok(Some((interpreter.to_owned(), argument.map(str::to_owned))))
}
