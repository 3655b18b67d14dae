//! Labs run on a world without a network: transcripts, verdicts, files, blessing, threads.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use hopwise_scenarios::document::{Lab, read};
use hopwise_scenarios::fake::FakeWorld;
use hopwise_scenarios::run::{
    LabReport, OutputFile, PoolOptions, RunOptions, Silent, Summary, Verdict, WorldOptions, discover, junit, load,
    run_lab, run_labs,
};
use proptest::prelude::*;

fn run(lab: &Lab, options: &RunOptions) -> (LabReport, Vec<OutputFile>) {
    run_lab::<FakeWorld>(lab, options, &mut |_| {})
}

fn lab(text: &str) -> Lab {
    read("x.md", text)
}

fn file(files: &[OutputFile], path: &str) -> Option<String> {
    let file = files.iter().find(|file| file.path.join("/") == path)?;
    Some(String::from_utf8(file.bytes.clone()).unwrap())
}

fn bless() -> RunOptions {
    RunOptions { bless: true, ..RunOptions::default() }
}

#[test]
fn the_transcript_has_the_form_of_a_recording() {
    let lab = lab("```console\n# say a\n$ put b\n# fail 2\n# say hidden &\n# nope\n```\n");
    let (_, files) = run(&lab, &RunOptions::default());
    assert_eq!(
        file(&files, "transcript.txt").unwrap(),
        "host# say a\na\nhost# put b\nbhost# fail 2\n? 2\nhost# say hidden &\nhost# nope\nbash: line 1: nope: command not found\n? 127\n"
    );
}

#[test]
fn a_lab_goes_on_after_a_difference() {
    let lab = lab("```console\n# say a\nb\n# fail 1\n# say c\nc\n```\n");
    let (report, _) = run(&lab, &RunOptions::default());
    assert_eq!((report.verdict, report.steps.len(), report.differing()), (Verdict::Failed, 3, 2));
    insta::assert_snapshot!("difference", report.details(&lab.source, false));
}

#[test]
fn what_ran_before_an_unreadable_place_is_written() {
    let lab = lab("```console\n# say a\na\n# write out/x.txt hello\nworker9# b\n```\n");
    let (report, files) = run(&lab, &RunOptions::default());
    assert_eq!((report.verdict, report.steps.len()), (Verdict::Unreadable, 2));
    assert_eq!(file(&files, "transcript.txt").unwrap(), "host# say a\na\nhost# write out/x.txt hello\n");
    assert_eq!(file(&files, "host/out/x.txt").unwrap(), "hello");
}

#[test]
fn nothing_runs_if_the_front_matter_cannot_be_read() {
    let lab = lab("---\nnam: x\n---\n```console\n# panic\n```\n");
    let (report, _) = run(&lab, &RunOptions::default());
    assert_eq!((report.verdict, report.steps.len(), report.problems.len()), (Verdict::Unreadable, 0, 0));
}

#[test]
fn a_world_that_fails_loses_nothing() {
    let lab = lab("```console\n# say a\n# panic\n# say b\n```\n");
    let (report, files) = run(&lab, &RunOptions::default());
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(
        report.problems,
        ["hopwise itself failed at line 3 (`host# panic`), which is a bug in it: the fake world was told to panic"]
    );
    assert_eq!(file(&files, "transcript.txt").unwrap(), "host# say a\na\n");
}

#[test]
fn files_stay_below_the_lab_s_folder() {
    let lab = lab("```console\n# write ../../evil x\n# write /etc/passwd x\n# write ok x\n```\n");
    let (report, files) = run(&lab, &RunOptions::default());
    let paths: Vec<String> = files.iter().map(|file| file.path.join("/")).collect();
    assert_eq!(paths, ["host/ok", "transcript.txt"]);
    assert_eq!((report.verdict, report.problems.len()), (Verdict::Failed, 2));
}

#[test]
fn captures_are_chosen_by_their_labels() {
    let text = include_str!("labs/tutorial.md");
    let paths = |capture: &str| -> Vec<String> {
        let world = WorldOptions { seed: 0, capture: capture.parse().unwrap() };
        let (_, files) = run(&lab(text), &RunOptions { world, bless: false });
        files.iter().map(|file| file.path.join("/")).collect()
    };
    let all =
        ["capture.pcapng", "captures/leaf03_root_swp1.pcap", "captures/worker1_root_enp0s9.pcap", "transcript.txt"];
    assert_eq!(paths("all"), all);
    assert_eq!(paths("none"), ["transcript.txt"]);
    assert_eq!(paths("leaf*"), ["capture.pcapng", "captures/leaf03_root_swp1.pcap", "transcript.txt"]);
}

#[test]
fn preparations_that_fail_fail_the_lab() {
    let lab = lab("---\ntopology: {nodes: {a: {exec: [fail 3]}}}\n---\n```console\n# say x\n```\n");
    let (report, files) = run(&lab, &RunOptions::default());
    assert_eq!(report.problems, ["`exec` of a: `fail 3` ended with status 3"]);
    assert_eq!((report.verdict, file(&files, "transcript.txt").unwrap().as_str()), (Verdict::Failed, "a# say x\nx\n"));
}

#[test]
fn a_topology_that_cannot_be_built_is_a_failure() {
    let (report, _) = run(&lab("---\ntopology: {nodes: {impossible: }}\n---\n```console\n# say x\n```\n"), &bless());
    assert_eq!(report.problems, ["the topology cannot be built: `impossible` cannot be built"]);
    assert_eq!(report.verdict, Verdict::Failed);
}

#[test]
fn scripts_and_topologies_have_transcripts_too() {
    let (report, files) = run(&read("go.sh", "#!/bin/bash\nsay a\nfail 4\n"), &RunOptions::default());
    assert_eq!(report.verdict, Verdict::Failed);
    assert_eq!(file(&files, "transcript.txt").unwrap(), "host# bash go.sh\ngo.sh on host\na\n? 4\n");
    let (report, files) =
        run(&read("a.clab.yml", "topology: {nodes: {r1: {exec: [say a, machines]}, r2: }}"), &bless());
    assert_eq!(report.verdict, Verdict::Passed);
    assert_eq!(file(&files, "transcript.txt").unwrap(), "r1# say a\na\nr1# machines\n`r1` and `r2`\n");
}

#[test]
fn blessing_rewrites_in_place_and_is_stable() {
    let text = "# T\n\nprose\n\n```console\n# say a\\nb=7 ms\\nc\nA\nc=[..] ms\n...\n\n# say quiet\n# fail 5\n\n# put x\ny\n? 3\n```\n\n\
                1. list\n   ```console\n   # say one\\ntwo\n   one\n\n   # say z\n   ```\n> ```console\n> # say # hidden\n> x\n> ```\nend\n";
    let (report, _) = run(&lab(text), &bless());
    assert_eq!(report.verdict, Verdict::Blessed, "{:?}", report.errors);
    let blessed = report.blessed.unwrap();
    assert_eq!(
        blessed,
        "# T\n\nprose\n\n```console\n# say a\\nb=7 ms\\nc\na\nb=[..] ms\n...\n\n# say quiet\n# fail 5\n? 5\n\n# put x\nx\n```\n\n\
         1. list\n   ```console\n   # say one\\ntwo\n   one\n   two\n\n   # say z\n   ```\n> ```console\n> # say # hidden\n> [..] hidden\n> ```\nend\n"
    );
    let (again, _) = run(&lab(&blessed), &bless());
    assert_eq!((again.verdict, again.blessed), (Verdict::Passed, None));
}

#[test]
fn blessing_keeps_carriage_returns() {
    let (report, _) = run(&lab("```console\r\n# say a\\nb\r\nx\r\n```\r\n"), &bless());
    assert_eq!(report.blessed.unwrap(), "```console\r\n# say a\\nb\r\na\r\nb\r\n```\r\n");
}

fn many() -> Vec<Lab> {
    let text = |n: usize| match n {
        5 => "```console\n# say a\nb\n```\n".to_owned(),
        9 => "```console\n# say a\nworker9# b\n```\n".to_owned(),
        n => format!("```console\n# write f{n} x\n{}```\n", "# random\n".repeat(1 + n * 37 % 11)),
    };
    (0..20).map(|n| read(&format!("lab{n:02}.md"), &text(n))).collect()
}

#[test]
fn any_number_of_threads_gives_the_same() {
    let labs = many();
    for keep_going in [false, true] {
        let mut results = Vec::new();
        for jobs in [1, 2, 3, 8, 40] {
            let pool = PoolOptions { jobs: NonZeroUsize::new(jobs).unwrap(), keep_going };
            let mut committed = Vec::new();
            let mut commit = |index, _: &mut LabReport, files: Vec<OutputFile>| committed.push((index, files));
            let reports = run_labs::<FakeWorld>(&labs, &RunOptions::default(), &pool, &Silent, &mut commit).unwrap();
            results.push((reports, committed));
        }
        assert!(results.iter().all(|result| *result == results[0]));
        let (reports, committed) = &results[0];
        let order: Vec<usize> = committed.iter().map(|(index, _)| *index).collect();
        let summary = Summary::of(reports).to_string();
        if keep_going {
            assert_eq!(order, (0..20).collect::<Vec<_>>());
            assert!(summary.starts_with("20 labs: 18 passed, 1 failed, 1 unreadable;"), "{summary}");
        } else {
            assert_eq!(order, (0..6).collect::<Vec<_>>());
            assert!(summary.starts_with("20 labs: 5 passed, 1 failed, 14 not run;"), "{summary}");
        }
    }
}

#[test]
fn the_seed_decides_and_nothing_else() {
    let lab = lab("```console\n# random\n# write x y\n```\n");
    let with = |seed| {
        let world = WorldOptions { seed, ..WorldOptions::default() };
        run(&lab, &RunOptions { world, bless: false })
    };
    assert_eq!(with(1), with(1));
    assert_ne!(with(1).0.digest, with(2).0.digest);
}

#[test]
fn results_for_ci() {
    let lab = lab("```console\n# say a\nb \u{1}<&\n# say c\nc\nworker9# x\n```\n");
    let (report, _) = run(&lab, &RunOptions::default());
    let not_run = LabReport::new("later", "later.md");
    let text = junit(&[(&report, &lab.source), (&not_run, "")]).unwrap();
    let digest = format!("{:032x}", report.digest.unwrap());
    insta::assert_snapshot!("junit", text.replace(&digest, "DIGEST"));
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

const RUNS: &str = "```console\n# say x\n```\n";

#[test]
fn labs_are_found_in_order() {
    let folder = folder(&[
        ("b/two.md", RUNS),
        ("b/.hidden/x.md", RUNS),
        ("a.md", RUNS),
        ("README.md", "no commands"),
        ("c.sh", "say x"),
        ("d.clab.yml", "topology: {nodes: {a: {exec: [say x]}}}"),
        ("note.txt", RUNS),
        ("out/a/host/x.md", RUNS),
    ]);
    let root = vec![folder.path().to_owned(), folder.path().join("a.md")];
    let out = folder.path().join("out").canonicalize().unwrap();
    let files = discover(&root, Some(&out)).unwrap();
    let names: Vec<String> = load(&files, &root).unwrap().into_iter().map(|lab| lab.name).collect();
    assert_eq!(names, ["a", "two", "c", "d"]);
}

#[test]
fn paths_that_are_no_labs_are_refused() {
    let folder = folder(&[("a.txt", ""), ("empty.md", "x"), ("x/a.md", RUNS), ("y/a.md", RUNS)]);
    std::fs::write(folder.path().join("latin.md"), b"a\n\xe9\n").unwrap();
    let refuse = |paths: &[&str]| {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        let error = discover(&paths, None).and_then(|files| load(&files, &paths)).unwrap_err().to_string();
        error.replace(&format!("{}/", folder.path().display()), "")
    };
    assert_eq!(refuse(&["nope.md"]), "nope.md: No such file or directory");
    assert_eq!(refuse(&["a.txt"]), "a.txt: not a lab: labs end in `.clab.yml`, `.clab.yaml`, `.md` and `.sh`");
    assert_eq!(refuse(&["empty.md"]), "empty.md: there is no command in it: commands stand in ```console blocks");
    assert_eq!(refuse(&["latin.md"]), "latin.md: line 2 is not UTF-8 text");
    assert_eq!(
        refuse(&["x", "y"]),
        "y/a.md: its name is `a`, as that of x/a.md: their output would go to the same folder"
    );
}

proptest! {
    /// Whatever a command prints and the document expected: blessed once, it passes, and blessing again changes nothing.
    #[test]
    fn what_is_blessed_passes(
        steps in prop::collection::vec((
            "[a-c #$?`~.0-9\t-]{0,8}(\\\\n[a-c #$?`~.\\[\\]0-9-]{0,8}){0,3}",
            prop::collection::vec("([a-c]{0,3}(\\[\\.\\.\\])?[a-c]{0,3})|\\.\\.\\.", 0..4),
            0..3u8,
        ), 1..5),
        indent in prop::sample::select(vec!["", "  ", "> "]),
    ) {
        let mut text = format!("{indent}```console\n");
        for (output, lines, status) in steps {
            text += &format!("{indent}host# say {output}\n");
            for line in lines {
                text += format!("{indent}{line}").trim_end();
                text.push('\n');
            }
            text += &if status == 0 { String::new() } else { format!("{indent}? {status}\n") };
        }
        text += &format!("{indent}```\n");
        let first = lab(&text);
        prop_assume!(first.error.is_none());
        let (report, _) = run(&first, &bless());
        prop_assert!(report.errors.is_empty(), "{}\n{:?}", text, report.errors);
        let blessed = report.blessed.unwrap_or(text);
        let (again, _) = run(&lab(&blessed), &bless());
        prop_assert_eq!(again.verdict, Verdict::Passed, "{}", blessed);
    }
}
