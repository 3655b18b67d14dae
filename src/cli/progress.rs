//! A bar on the terminal while labs run, and how long each of them took.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hopwise_scenarios::document::Lab;
use hopwise_scenarios::run::Observer;
use indicatif::{ProgressBar, ProgressStyle};

use super::clock::Stopwatch;

/// Shows how far a run is. On something other than a terminal it shows nothing.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    labs: Mutex<Vec<Running>>,
}

#[derive(Clone, Debug)]
struct Running {
    name: String,
    commands: usize,
    since: Option<Stopwatch>,
    took: Duration,
}

impl Progress {
    pub(super) fn new(labs: &[Lab]) -> Self {
        let bar = ProgressBar::new(labs.len() as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:30.cyan} {pos}/{len} {wide_msg:.dim}") {
            bar.set_style(style);
        }
        let running = |lab: &Lab| Running {
            name: lab.name.clone(),
            commands: lab.steps.len(),
            since: None,
            took: Duration::ZERO,
        };
        Self { bar, labs: Mutex::new(labs.iter().map(running).collect()) }
    }

    /// Prints while the bar is away.
    pub(super) fn suspended(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    /// How long a lab took.
    pub(super) fn took(&self, lab: usize) -> Duration {
        self.with(lab, |lab| lab.took).unwrap_or_default()
    }

    /// Takes the bar away for good.
    pub(super) fn done(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows a message at the bar. Not from within [`Self::with`]: the bar has a lock too, and who prints while the bar is
    /// away holds that one first.
    fn say(&self, message: Option<String>) {
        if let Some(message) = message {
            self.bar.set_message(message);
        }
    }

    fn with<T>(&self, lab: usize, act: impl FnOnce(&mut Running) -> T) -> Option<T> {
        // A thread that panicked has left nothing half done here.
        self.labs.lock().unwrap_or_else(PoisonError::into_inner).get_mut(lab).map(act)
    }
}

impl Observer for Progress {
    fn started(&self, lab: usize) {
        let name = self.with(lab, |lab| {
            lab.since = Some(Stopwatch::start());
            lab.name.clone()
        });
        self.say(name);
    }

    fn stepped(&self, lab: usize, commands: usize) {
        // A lab of a few commands is over before anybody could read this.
        if commands.is_multiple_of(16) {
            self.say(self.with(lab, |lab| format!("{} {commands}/{}", lab.name, lab.commands)));
        }
    }

    fn ended(&self, lab: usize) {
        self.with(lab, |lab| lab.took = lab.since.map(Stopwatch::elapsed).unwrap_or_default());
        self.bar.inc(1);
    }
}
