//! The results as a JUnit file, which CI systems show.
//!
//! It has no times and no host name: two runs write the same bytes.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::report::{LabReport, StepReport, Verdict};

/// A JUnit document: a suite for each lab, a case for each command.
///
/// # Errors
/// If it cannot be written as XML.
pub fn junit(reports: &[(&LabReport, &str)]) -> Result<String, quick_junit::SerializeError> {
    let mut document = Report::new("hopwise");
    for (report, source) in reports {
        let mut suite = TestSuite::new(report.name.as_str());
        suite.add_property(("file", report.path.as_str()));
        if let Some(digest) = report.digest {
            suite.add_property(("digest", format!("{digest:032x}").as_str()));
        }
        suite.add_test_cases(report.steps.iter().map(|step| case(report, step)));
        suite.add_test_cases(whole(report, source));
        document.add_test_suite(suite);
    }
    document.to_string()
}

fn case(report: &LabReport, step: &StepReport) -> TestCase {
    let status = match &step.difference {
        Some(difference) if report.verdict != Verdict::Blessed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("{}:{}: not what the document says", report.path, step.line));
            status.set_description(difference.render(step.body_line, false));
            status
        }
        _ => TestCaseStatus::success(),
    };
    named(report, format!("line {}: {}# {}", step.line, step.machine, step.command), status)
}

/// What concerns the lab as a whole: not run, unreadable, files that could not be written.
fn whole(report: &LabReport, source: &str) -> Option<TestCase> {
    if report.verdict == Verdict::NotRun {
        return Some(named(report, "the lab".into(), TestCaseStatus::skipped()));
    }
    if report.problems.is_empty() && report.errors.is_empty() {
        return None;
    }
    let mut text = report.problems.join("\n");
    for error in &report.errors {
        text.push_str(&error.render(&report.path, source, false));
    }
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_description(text);
    Some(named(report, "the lab".into(), status))
}

fn named(report: &LabReport, name: String, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(report.name.as_str());
    case
}
