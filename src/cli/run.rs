//! `hopwise run`: labs are run, their output is written, differences are shown.

use std::num::NonZeroUsize;

use anstyle::Style;
use hopwise_scenarios::document::Lab;
use hopwise_scenarios::run::{
    LabReport, LabWorld, OutputFile, PoolOptions, RunOptions, Summary, Verdict, WorldOptions, discover, junit, load,
    run_labs,
};

use super::args::{ERROR, GOOD, RunArgs, WARN};
use super::clock::{Stopwatch, seconds};
use super::disk::{OutputFolder, cause, inside};
use super::progress::Progress;
use super::{Ended, Refusal};

/// Runs labs as the command line says.
pub(super) fn run<W: LabWorld>(args: &RunArgs) -> Ended {
    let watch = Stopwatch::start();
    let junit_path = args.junit.as_ref().map(|file| inside(&args.out, file)).transpose()?;
    let skip = args.out.canonicalize().ok();
    let files = discover(&args.paths, skip.as_deref()).map_err(|error| Refusal::new(error.to_string()))?;
    let labs = load(&files, &args.paths).map_err(|error| Refusal::new(error.to_string()))?;
    if labs.is_empty() {
        return Err(Refusal::new("there is no lab in these folders"));
    }
    let out = OutputFolder::open(&args.out)?;
    for lab in &labs {
        show_notes(lab);
    }

    let options =
        RunOptions { world: WorldOptions { seed: args.seed, capture: args.capture.clone() }, bless: args.bless };
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let pool = PoolOptions { jobs, keep_going: args.keep_going };
    let progress = Progress::new(&labs);
    let mut commit = |index: usize, report: &mut LabReport, files: Vec<OutputFile>| {
        for problem in out.write_lab(&report.name, &files) {
            report.problem(problem);
        }
        if let Some(lab) = labs.get(index) {
            write_blessed(lab, report);
        }
        progress.suspended(|| show_line(report, &seconds(progress.took(index))));
    };
    let reports = run_labs::<W>(&labs, &options, &pool, &progress, &mut commit)
        .map_err(|error| Refusal::new(format!("no thread to run labs on: {}", cause(&error))))?;
    progress.done();

    if let Some(path) = junit_path {
        write_junit(&out, &path, &reports, &labs)?;
    }
    show_end(&reports, &labs, &watch);
    Ok(Summary::of(&reports).exit_status())
}

fn show_notes(lab: &Lab) {
    for note in &lab.notes {
        anstream::eprintln!("{}\n", note.render(&lab.path, &lab.source, true));
    }
}

/// A blessed document goes back to where it came from, unless somebody changed it in the meantime.
fn write_blessed(lab: &Lab, report: &mut LabReport) {
    let Some(text) = report.blessed.take() else { return };
    let result = match std::fs::read_to_string(&lab.path) {
        Ok(now) if now != lab.source => Err("it has changed since it was read".to_owned()),
        Ok(_) => std::fs::write(&lab.path, text).map_err(|error| cause(&error)),
        Err(error) => Err(cause(&error)),
    };
    if let Err(why) = result {
        report.problem(format!("cannot be blessed: {why}"));
    }
}

fn write_junit(out: &OutputFolder, path: &[String], reports: &[LabReport], labs: &[Lab]) -> Result<(), Refusal> {
    let pairs: Vec<(&LabReport, &str)> = reports.iter().zip(labs.iter().map(|lab| lab.source.as_str())).collect();
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    let text = junit(&pairs).map_err(|error| Refusal::new(format!("--junit: {error}")))?;
    out.write(&parts, text.as_bytes()).map_err(|error| Refusal::new(format!("--junit: {}", cause(&error))))
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Passed => GOOD,
        Verdict::Blessed | Verdict::NotRun => WARN,
        Verdict::Failed | Verdict::Unreadable => ERROR,
    }
}

/// The line of a lab: how it ended, how much there was of it, how long it took.
fn show_line(report: &LabReport, took: &str) {
    let style = style(report.verdict);
    let commands = report.steps.len();
    let noun = if commands == 1 { "command" } else { "commands" };
    let differing = match report.differing() {
        0 => String::new(),
        n => format!(", {n} differ"),
    };
    let word = report.verdict.word();
    anstream::println!("{style}{word:>10}{style:#} {:<32} {commands:>5} {noun}{differing}, {took}", report.name);
}

/// After the labs' lines: what differed, and the sum.
fn show_end(reports: &[LabReport], labs: &[Lab], watch: &Stopwatch) {
    for (report, lab) in reports.iter().zip(labs) {
        let details = report.details(&lab.source, true);
        if !details.is_empty() {
            let style = style(report.verdict);
            anstream::println!("\n{style}{}{style:#} {}\n\n{}", report.verdict.word(), report.name, details.trim_end());
        }
    }
    let summary = Summary::of(reports);
    let style = if summary.exit_status() == 0 { GOOD } else { ERROR };
    anstream::println!("\n{style}{summary}{style:#} in {}", seconds(watch.elapsed()));
    if summary.not_run > 0 {
        anstream::println!("The labs after the first one that did not pass were not run: --keep-going runs them.");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use clap::Parser;
    use hopwise_scenarios::fake::FakeWorld;

    use super::super::args::{Args, Command};
    use super::*;

    /// A folder with labs in it, and the command line that runs them.
    struct Case {
        folder: tempfile::TempDir,
    }

    impl Case {
        fn new(labs: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, text) in labs {
                fs::write(folder.path().join(name), text).unwrap();
            }
            Self { folder }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn run(&self, more: &[&str]) -> Ended {
            let labs = self.folder.path().to_str().unwrap();
            let out = self.path("out");
            let mut words = vec!["hopwise", "run", labs, "--out", out.to_str().unwrap()];
            words.extend(more);
            match Args::try_parse_from(words).unwrap().command {
                Command::Run(args) => run::<FakeWorld>(&args),
                _ => unreachable!(),
            }
        }

        fn read(&self, path: &str) -> String {
            fs::read_to_string(self.path(path)).unwrap_or_default()
        }
    }

    const GOOD: &str = "```console\n# say a\na\n# write d/f.txt text\n# random\n```\n";
    const BAD: &str = "```console\n# say a\nb\n```\n";
    const UNREADABLE: &str = "```console\n# say a\nb# c\n```\n";

    /// Every file below a folder with its content.
    fn tree(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files.extend(tree(&path));
            } else {
                files.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
        files.sort();
        files
    }

    #[test]
    fn exit_statuses() {
        assert_eq!(Case::new(&[("a.md", GOOD)]).run(&[]).unwrap(), 0);
        assert_eq!(Case::new(&[("a.md", GOOD), ("b.md", BAD)]).run(&[]).unwrap(), 1);
        assert_eq!(Case::new(&[("a.md", BAD), ("b.md", UNREADABLE)]).run(&["--keep-going"]).unwrap(), 2);
        assert!(Case::new(&[("a.txt", "")]).run(&[]).is_err());
        assert!(Case::new(&[("a.md", GOOD)]).run(&["no-such-file.md"]).is_err());
    }

    #[test]
    fn the_output_folder_has_a_folder_for_each_lab() {
        let case = Case::new(&[("a.md", GOOD), ("b.md", UNREADABLE), ("c.md", GOOD)]);
        assert_eq!(case.run(&["--keep-going"]).unwrap(), 2);
        assert_eq!(case.read("out/a/host/d/f.txt"), "text");
        assert!(case.read("out/a/transcript.txt").starts_with("host# say a\na\nhost# write"));
        assert_eq!(case.read("out/b/transcript.txt"), "host# say a\na\n");
        assert!(case.path("out/c/transcript.txt").is_file());
    }

    #[test]
    fn without_keep_going_later_labs_write_nothing() {
        let case = Case::new(&[("a.md", GOOD), ("b.md", BAD), ("c.md", GOOD)]);
        assert_eq!(case.run(&["-j4"]).unwrap(), 1);
        assert!(case.path("out/b/transcript.txt").is_file() && !case.path("out/c").exists());
    }

    #[test]
    fn two_runs_write_the_same_bytes() {
        let case = Case::new(&[("a.md", GOOD), ("b.md", BAD), ("c.sh", "random\nsay x\n")]);
        let mut trees = Vec::new();
        for jobs in ["-j1", "-j1", "-j3"] {
            let junit = case.path("out/junit.xml");
            let status = case.run(&[jobs, "--seed", "7", "--keep-going", "--junit", junit.to_str().unwrap()]).unwrap();
            assert_eq!(status, 1);
            trees.push(tree(&case.path("out")));
            fs::remove_dir_all(case.path("out")).unwrap();
        }
        assert_eq!(trees[0].len(), 5);
        assert!(trees.iter().all(|tree| *tree == trees[0]));
    }

    #[test]
    fn bless_rewrites_the_document() {
        let case = Case::new(&[("a.md", GOOD), ("b.md", BAD)]);
        assert_eq!(case.run(&["--bless"]).unwrap(), 0);
        assert_eq!(
            (case.read("a.md"), case.read("b.md")),
            (GOOD.to_owned(), "```console\n# say a\na\n```\n".to_owned())
        );
        assert_eq!(case.run(&[]).unwrap(), 0);
    }

    #[test]
    fn nothing_is_written_outside() {
        let lab = "```console\n# write ../../../escaped x\n# write /escaped x\n# write ok x\n```\n";
        let case = Case::new(&[("a.md", lab)]);
        let elsewhere = case.path("elsewhere");
        fs::create_dir_all(&elsewhere).unwrap();
        fs::create_dir_all(case.path("out/a")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, case.path("out/a/host")).unwrap();
        assert_eq!(case.run(&[]).unwrap(), 1);
        assert!(tree(&elsewhere).is_empty() && !case.path("escaped").exists());
        assert!(case.run(&["--junit", case.path("junit.xml").to_str().unwrap()]).is_err());
        assert!(!case.path("junit.xml").exists());
    }
}
