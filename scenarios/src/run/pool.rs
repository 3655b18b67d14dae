//! Running many labs on threads, with the same result at any number of threads.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use super::lab::{Observer, RunOptions, run_lab};
use super::output::OutputFile;
use super::report::LabReport;
use super::world::LabWorld;
use crate::document::Lab;

/// How many labs run, and how many of them at the same time.
#[derive(Clone, Copy, Debug)]
pub struct PoolOptions {
    /// Labs at the same time.
    pub jobs: NonZeroUsize,
    /// Whether labs after the first one that did not pass are run too.
    pub keep_going: bool,
}

/// The stack of a thread that runs a lab: scripts may nest deeply, and memory is only used as far as they do.
const STACK_BYTES: usize = 64 * 1024 * 1024;

type Done = (usize, LabReport, Vec<OutputFile>);

/// Runs labs. `commit` gets each lab's report and files in the labs' order, whatever order they ended in; it may add
/// problems to the report, such as a file that could not be written.
///
/// Without `keep_going` the first lab (in their order) that does not pass is the last one that is committed: a later
/// one that another thread has already run is forgotten, so that the number of threads decides nothing.
///
/// # Errors
/// If the operating system gives no thread.
pub fn run_labs<W: LabWorld>(
    labs: &[Lab],
    run: &RunOptions,
    pool: &PoolOptions,
    observer: &dyn Observer,
    commit: &mut dyn FnMut(usize, &mut LabReport, Vec<OutputFile>),
) -> std::io::Result<Vec<LabReport>> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let mut reports: Vec<LabReport> = labs.iter().map(|lab| LabReport::new(&lab.name, &lab.path)).collect();
    thread::scope(|scope| {
        let (sender, receiver) = channel::<Done>();
        for _ in 0..pool.jobs.get().min(labs.len()) {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            let worker = move || work::<W>(labs, run, observer, next, stop, &sender);
            if let Err(error) = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, worker) {
                stop.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
        drop(sender);
        let mut waiting = BTreeMap::new();
        let mut turn = 0;
        for (index, report, files) in receiver {
            waiting.insert(index, (report, files));
            while let Some((mut report, files)) = waiting.remove(&turn) {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                commit(turn, &mut report, files);
                stop.store(!report.verdict.is_good() && !pool.keep_going, Ordering::Relaxed);
                if let Some(place) = reports.get_mut(turn) {
                    *place = report;
                }
                turn += 1;
            }
        }
        Ok(())
    })?;
    Ok(reports)
}

/// Takes one lab after the other until there is none left.
fn work<W: LabWorld>(
    labs: &[Lab],
    run: &RunOptions,
    observer: &dyn Observer,
    next: &AtomicUsize,
    stop: &AtomicBool,
    sender: &Sender<Done>,
) {
    while !stop.load(Ordering::Relaxed) {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(lab) = labs.get(index) else { return };
        observer.started(index);
        let (report, files) = run_lab::<W>(lab, run, &mut |commands| observer.stepped(index, commands));
        observer.ended(index);
        if sender.send((index, report, files)).is_err() {
            return;
        }
    }
}
