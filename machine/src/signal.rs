//! Signals: names, numbers, default actions, sets.

use core::fmt;

/// A signal by its Linux number (x86).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

/// What happens when a process neither ignores nor catches a signal (signal(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultAction {
    /// The process ends.
    Terminate,
    /// Nothing happens.
    Ignore,
    /// The process stops until SIGCONT.
    Stop,
    /// The process goes on.
    Continue,
}

/// `kill -l` in order of number: name without SIG, and what `bash` prints for a job that it ended.
const TABLE: &[(u8, &str, &str)] = &[
    (1, "HUP", "Hangup"),
    (2, "INT", "Interrupt"),
    (3, "QUIT", "Quit"),
    (4, "ILL", "Illegal instruction"),
    (5, "TRAP", "Trace/breakpoint trap"),
    (6, "ABRT", "Aborted"),
    (7, "BUS", "Bus error"),
    (8, "FPE", "Floating point exception"),
    (9, "KILL", "Killed"),
    (10, "USR1", "User defined signal 1"),
    (11, "SEGV", "Segmentation fault"),
    (12, "USR2", "User defined signal 2"),
    (13, "PIPE", "Broken pipe"),
    (14, "ALRM", "Alarm clock"),
    (15, "TERM", "Terminated"),
    (16, "STKFLT", "Stack fault"),
    (17, "CHLD", "Child exited"),
    (18, "CONT", "Continued"),
    (19, "STOP", "Stopped (signal)"),
    (20, "TSTP", "Stopped"),
    (21, "TTIN", "Stopped (tty input)"),
    (22, "TTOU", "Stopped (tty output)"),
    (23, "URG", "Urgent I/O condition"),
    (24, "XCPU", "CPU time limit exceeded"),
    (25, "XFSZ", "File size limit exceeded"),
    (26, "VTALRM", "Virtual timer expired"),
    (27, "PROF", "Profiling timer expired"),
    (28, "WINCH", "Window changed"),
    (29, "IO", "I/O possible"),
    (30, "PWR", "Power failure"),
    (31, "SYS", "Bad system call"),
];

impl Signal {
    /// Hangup.
    pub const HUP: Signal = Signal(1);
    /// Ctrl-C.
    pub const INT: Signal = Signal(2);
    /// Ctrl-\.
    pub const QUIT: Signal = Signal(3);
    /// Cannot be caught.
    pub const KILL: Signal = Signal(9);
    /// For the program's own use.
    pub const USR1: Signal = Signal(10);
    /// For the program's own use.
    pub const USR2: Signal = Signal(12);
    /// A write to a pipe that nobody reads.
    pub const PIPE: Signal = Signal(13);
    /// A timer.
    pub const ALRM: Signal = Signal(14);
    /// What `kill` sends.
    pub const TERM: Signal = Signal(15);
    /// A child ended.
    pub const CHLD: Signal = Signal(17);
    /// Go on after a stop.
    pub const CONT: Signal = Signal(18);
    /// Stop, cannot be caught.
    pub const STOP: Signal = Signal(19);
    /// A file or output became too large.
    pub const XFSZ: Signal = Signal(25);
    /// Ctrl-Z.
    pub const TSTP: Signal = Signal(20);

    /// The signal with this number, 1 to 31.
    pub fn from_number(number: u32) -> Option<Signal> {
        u8::try_from(number).ok().filter(|n| (1..=31).contains(n)).map(Signal)
    }

    /// The signal that a user names: `9`, `KILL`, `SIGKILL`, in any case.
    pub fn parse(text: &str) -> Option<Signal> {
        if let Ok(number) = text.parse::<u32>() {
            return Signal::from_number(number);
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        TABLE.iter().find(|row| row.1 == name).map(|row| Signal(row.0))
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its name without `SIG`.
    pub fn name(self) -> &'static str {
        TABLE.get(usize::from(self.0).wrapping_sub(1)).map_or("?", |row| row.1)
    }

    /// What bash prints for a job that ended by it (`strsignal`).
    pub fn description(self) -> &'static str {
        TABLE.get(usize::from(self.0).wrapping_sub(1)).map_or("Unknown signal", |row| row.2)
    }

    /// What happens if the process says nothing about it.
    pub const fn default_action(self) -> DefaultAction {
        match self.0 {
            17 | 23 | 28 => DefaultAction::Ignore,
            18 => DefaultAction::Continue,
            19..=22 => DefaultAction::Stop,
            _ => DefaultAction::Terminate,
        }
    }

    /// All signals, for `kill -l`.
    pub fn all() -> impl Iterator<Item = Signal> {
        (1..=31).map(Signal)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

/// A set of signals.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct SignalSet(u32);

impl SignalSet {
    /// Puts one in.
    pub fn insert(&mut self, signal: Signal) {
        self.0 |= 1 << signal.0;
    }
    /// Takes one out.
    pub fn remove(&mut self, signal: Signal) {
        self.0 &= !(1 << signal.0);
    }
    /// Whether it is in.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & (1 << signal.0) != 0
    }
    /// Takes out the one with the lowest number, as the kernel delivers them.
    pub fn take_first(&mut self) -> Option<Signal> {
        let number = self.0.trailing_zeros();
        let signal = Signal::from_number(number)?;
        self.remove(signal);
        Some(signal)
    }
    /// Whether nothing is in.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
