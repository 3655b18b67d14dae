//! Running one lab.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::output::{self, OutputFile};
use super::report::{LabReport, StepReport, Verdict};
use super::transcript::Transcript;
use super::world::{LabWorld, WorldOptions};
use crate::document::{Action, Form, Lab, Step};
use crate::expect::{Actual, bless_document, compare};

/// How labs run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// What each lab's world is built with.
    pub world: WorldOptions,
    /// Whether expected lines that differ are rewritten.
    pub bless: bool,
}

/// Hears how far a run is. Called on the threads that run labs.
pub trait Observer: Sync {
    /// A lab begins.
    fn started(&self, _lab: usize) {}
    /// So many of the lab's commands have run.
    fn stepped(&self, _lab: usize, _commands: usize) {}
    /// A lab has ended.
    fn ended(&self, _lab: usize) {}
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}

/// What one run collects. It survives a world that fails, so that what was done is written.
struct Run<'a> {
    lab: &'a Lab,
    report: LabReport,
    transcript: Transcript,
    files: Vec<OutputFile>,
    /// Commands to bless, by their index.
    changed: Vec<(usize, Actual)>,
}

/// Runs a lab on a world of its own. The report has everything except the files, which come beside it, sorted by path.
///
/// Commands go on after one whose output differs. A document that cannot be read to its end is run up to there.
pub fn run_lab<W: LabWorld>(
    lab: &Lab,
    options: &RunOptions,
    stepped: &mut dyn FnMut(usize),
) -> (LabReport, Vec<OutputFile>) {
    let report = LabReport { verdict: Verdict::Passed, ..LabReport::new(&lab.name, &lab.path) };
    let mut run = Run { lab, report, transcript: Transcript::default(), files: Vec::new(), changed: Vec::new() };
    // A lab whose first lines cannot be read has no topology, hence no world.
    if lab.error.is_none() || !lab.steps.is_empty() {
        // A world that panics has a bug. The other labs, and what this one did so far, are worth keeping.
        let result = catch_unwind(AssertUnwindSafe(|| run.world::<W>(options, stepped)));
        if let Err(panic) = result {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            let at = lab.steps.get(run.report.steps.len()).map_or(String::new(), |step| {
                format!(" at line {} (`{}# {}`)", step.place.line, step.machine, step.action.shown())
            });
            run.report.problem(format!("hopwise itself failed{at}, which is a bug in it: {text}"));
        }
    }
    run.conclude(options)
}

impl Run<'_> {
    fn world<W: LabWorld>(&mut self, options: &RunOptions, stepped: &mut dyn FnMut(usize)) {
        let mut world = match W::build(&self.lab.topology, &options.world) {
            Ok(world) => world,
            Err(error) => return self.report.problem(format!("the topology cannot be built: {error}")),
        };
        self.prepare(&mut world);
        if let Some(plan) = &self.lab.cluster
            && let Err(error) = world.start_cluster(plan)
        {
            return self.report.problem(format!("the cluster cannot be started: {error}"));
        }
        for (index, step) in self.lab.steps.iter().enumerate() {
            let actual = act(&mut world, step);
            self.record(index, step, actual);
            stepped(index + 1);
        }
        world.finish();
        self.files = output::world_files(&world, &mut self.report.problems);
        self.report.digest = Some(world.digest());
    }

    /// The `exec` commands of the topology. They are no part of the transcript.
    fn prepare<W: LabWorld>(&mut self, world: &mut W) {
        for machine in &self.lab.topology.machines {
            for command in &machine.exec {
                let actual = world.run(&machine.name, command);
                if actual.status != 0 {
                    let Actual { output, status } = actual;
                    let text = format!("`exec` of {}: `{command}` ended with status {status}\n{output}", machine.name);
                    self.report.problem(text.trim_end().to_owned());
                }
            }
        }
    }

    fn record(&mut self, index: usize, step: &Step, actual: Actual) {
        let shown = step.action.shown();
        self.transcript.add(&step.machine, &shown, &actual);
        let difference = compare(&step.expected, &actual);
        if difference.is_some() {
            self.changed.push((index, actual));
        }
        self.report.steps.push(StepReport {
            line: step.place.line,
            body_line: step.place.body_line,
            machine: step.machine.clone(),
            command: shown,
            difference,
        });
    }

    fn conclude(mut self, options: &RunOptions) -> (LabReport, Vec<OutputFile>) {
        if !self.changed.is_empty() {
            self.report.verdict = if options.bless { self.bless() } else { Verdict::Failed };
        }
        if !self.report.problems.is_empty() {
            self.report.verdict = Verdict::Failed;
        }
        if let Some(error) = &self.lab.error {
            self.report.verdict = Verdict::Unreadable;
            self.report.errors.push(error.clone());
        }
        (self.report, output::with_transcript(self.files, self.transcript))
    }

    fn bless(&mut self) -> Verdict {
        if self.lab.form != Form::Document {
            // Nothing is written down there that could be rewritten.
            return Verdict::Failed;
        }
        match bless_document(self.lab, &self.changed) {
            Ok(text) => {
                self.report.blessed = Some(text);
                Verdict::Blessed
            }
            Err(error) => {
                self.report.errors.push(error);
                Verdict::Failed
            }
        }
    }
}

fn act<W: LabWorld>(world: &mut W, step: &Step) -> Actual {
    let actual = match &step.action {
        Action::Command(command) => world.run(&step.machine, command),
        Action::Script(name, text) => world.run_script(&step.machine, name, text),
    };
    if step.action.in_background() { Actual { output: String::new(), ..actual } } else { actual }
}
