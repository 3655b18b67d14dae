//! Programs: state machines that are stepped, and the table in which each has one line.

use std::collections::BTreeMap;

use dyn_clone::DynClone;
use hopwise_sim_core::{Duration, Time};

use crate::{Kernel, Sys};

/// What starting a program costs in virtual time (fork, exec, dynamic linking on a small machine). Builtins cost nothing.
pub const EXEC_COST: Duration = Duration::from_millis(1);

/// A running program. It never waits by itself: `step` does what can be done now and says what it waits for.
///
/// Output (`sys.out`) never blocks either: what does not fit into a pipe is kept, and the program is not stepped
/// before it is gone. A program that produces without end returns [`Step::Again`] after a piece of its output, so
/// that a reader gets its turn (and SIGPIPE can arrive).
pub trait Program<K: Kernel>: DynClone + Send {
    /// Goes on until there is nothing to do, or for a bounded piece of work.
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step;

    /// Where in its work it is, if it can say more than its name: begins the diagnosis of what looks endless.
    fn whereabouts(&self) -> Option<String> {
        None
    }
}

dyn_clone::clone_trait_object!(<K: Kernel> Program<K>);

/// How a step ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The process exits with this status (its lowest 8 bits count).
    Exit(i32),
    /// Nothing to do until one of the reasons fires. A wake-up without reason is possible: check again.
    Block(Wait),
    /// More to do at once, but others get a turn first.
    Again,
    /// The process becomes another program (`execve`): argv, the program looked up in PATH.
    Exec(Vec<String>),
}

/// What a blocked process waits for, besides signals, exits of children and [`crate::Machines::wake`].
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Wait {
    /// A point in virtual time.
    pub until: Option<Time>,
    /// Descriptors with something to read (or their end).
    pub readable: Vec<u32>,
    /// It computes until then: what the kernel has for it meanwhile does not concern it.
    pub computing: bool,
}

impl Wait {
    /// Only for a signal, a child's end or a wake-up by the kernel.
    pub fn event() -> Self {
        Wait::default()
    }
    /// For a point in time.
    pub fn until(time: Time) -> Self {
        Wait { until: Some(time), ..Wait::default() }
    }
    /// For the end of what it computes. That takes virtual time, so it is not what makes time stand still: the step costs the
    /// machine nothing, however many there are.
    pub fn computing(until: Time) -> Self {
        Wait { computing: true, ..Wait::until(until) }
    }
    /// For something to read.
    pub fn readable(fd: u32) -> Self {
        Wait { readable: vec![fd], ..Wait::default() }
    }
    /// Additionally for a point in time, if there is one.
    #[must_use]
    pub fn or_until(mut self, time: Option<Time>) -> Self {
        self.until = match (self.until, time) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self
    }
    /// Additionally for something to read.
    #[must_use]
    pub fn or_readable(mut self, fd: u32) -> Self {
        self.readable.push(fd);
        self
    }
}

/// A program that does all its work in one step.
#[derive(Clone)]
struct Once<F>(F);

impl<K: Kernel, F: FnOnce(&mut Sys<'_, K>) -> i32 + Clone + Send> Program<K> for Once<F> {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        Step::Exit(self.0.clone()(sys))
    }
}

/// Makes a program from a function that does everything at once and gives the exit status.
///
/// ```
/// use hopwise_machine::{Kernel, Program, Sys, once};
/// fn whoami<K: Kernel>(_args: &[String]) -> Box<dyn Program<K>> {
///     once(|sys: &mut Sys<'_, K>| { sys.out("root\n"); 0 })
/// }
/// # let _ = whoami::<hopwise_machine::NoNetwork>(&[]);
/// ```
pub fn once<K: Kernel>(run: impl FnOnce(&mut Sys<'_, K>) -> i32 + Clone + Send + 'static) -> Box<dyn Program<K>> {
    Box::new(Once(run))
}

/// Makes the state machine of a program from its arguments (without the name).
pub type Start<K> = fn(args: &[String]) -> Box<dyn Program<K>>;

/// Where a program is installed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// `/usr/bin`
    Bin,
    /// `/usr/sbin`
    Sbin,
}

/// One line of the program table.
pub struct ProgramEntry<K: Kernel> {
    /// The name it is called by.
    pub name: &'static str,
    /// Where it lies.
    pub place: Place,
    /// The package it imitates, for the support table (`coreutils`, `iproute2`).
    pub package: &'static str,
    /// What it does, in a few words.
    pub about: &'static str,
    /// Its beginning.
    pub start: Start<K>,
}

impl<K: Kernel> Clone for ProgramEntry<K> {
    fn clone(&self) -> Self {
        ProgramEntry { name: self.name, place: self.place, package: self.package, about: self.about, start: self.start }
    }
}

/// All programs that machines have installed. `PATH` lookup, `which`, completion and the README's support table read it.
pub struct ProgramTable<K: Kernel> {
    rows: BTreeMap<&'static str, ProgramEntry<K>>,
}

impl<K: Kernel> Clone for ProgramTable<K> {
    fn clone(&self) -> Self {
        ProgramTable { rows: self.rows.clone() }
    }
}

impl<K: Kernel> Default for ProgramTable<K> {
    /// The everyday programs of this crate.
    fn default() -> Self {
        let mut table = ProgramTable::empty();
        for row in crate::programs::table() {
            table.add(row);
        }
        table
    }
}

impl<K: Kernel> ProgramTable<K> {
    /// No program at all.
    pub fn empty() -> Self {
        ProgramTable { rows: BTreeMap::new() }
    }

    /// Adds a program, or replaces the one of the same name.
    pub fn add(&mut self, row: ProgramEntry<K>) {
        self.rows.insert(row.name, row);
    }

    /// The program of this name.
    pub fn get(&self, name: &str) -> Option<&ProgramEntry<K>> {
        self.rows.get(name)
    }

    /// All programs in order of name.
    pub fn iter(&self) -> impl Iterator<Item = &ProgramEntry<K>> {
        self.rows.values()
    }

    /// The files under which they are installed.
    pub(crate) fn files(&self) -> Vec<(String, &'static str)> {
        let folder = |place| if place == Place::Bin { "/usr/bin" } else { "/usr/sbin" };
        self.rows.values().map(|row| (format!("{}/{}", folder(row.place), row.name), row.name)).collect()
    }
}
