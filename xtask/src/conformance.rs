//! `cargo xtask conformance DIR`: how far `iptables` agrees with test data that others wrote and that is not kept here: the `*.t` files
//! of iptables' extensions (`rule;how it is saved;OK or FAIL`), folders of saved rule sets (`*.rules`), and the suite of
//! conntrack-tools.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hopwise_netfilter::rules::Ruleset;
use hopwise_netfilter::sets::command::{self as ipset, Place};
use hopwise_netfilter::xtables::restore::{self, Restore};
use hopwise_netfilter::xtables::{Answer, Tool, command, save, split};
use hopwise_sim_core::Time;

use names::Few;

mod conntrack;
mod names;

/// Cases that agree, all cases, and those that differ.
#[derive(Default)]
struct Count {
    agree: u32,
    all: u32,
    differ: Vec<String>,
}

impl Count {
    fn note(&mut self, agrees: bool, what: impl FnOnce() -> String) {
        self.all += 1;
        if agrees {
            self.agree += 1;
        } else {
            self.differ.push(what());
        }
    }
}

/// Runs all data below a folder and tells how many cases agree, by file.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn run(folder: &Path) -> Result<String, String> {
    let mut files = Vec::new();
    collect(folder, &mut files).map_err(|error| format!("{}: {error}", folder.display()))?;
    files.sort();
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".t") {
            extension(&text, counts.entry(name).or_default());
        } else if conntrack::is_suite(&file) {
            conntrack::suite(&text, counts.entry(format!("conntrack {name}")).or_default());
        } else {
            let group = counts.entry("saved rule sets".to_owned()).or_default();
            group.note(round_trip(&text), || name);
        }
    }
    Ok(told(&counts))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "t" || end == "rules") || conntrack::is_suite(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn told(counts: &BTreeMap<String, Count>) -> String {
    let mut out = String::new();
    let (mut agree, mut all) = (0, 0);
    for (name, count) in counts {
        out.push_str(&format!("{:>4} of {:>4}  {name}\n", count.agree, count.all));
        for case in &count.differ {
            out.push_str(&format!("              {case}\n"));
        }
        (agree, all) = (agree + count.agree, all + count.all);
    }
    out + &format!("{agree:>4} of {all:>4}  together")
}

const NAMES: Few = Few;

fn iptables(rules: &mut Ruleset, line: &str) -> Answer {
    let words = split(line);
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    command::run(rules, &words, Tool::new("iptables", &NAMES))
}

fn extension(text: &str, count: &mut Count) {
    let (mut chains, mut table) = (Vec::new(), "filter");
    let mut sets: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '%'])) {
        if let Some(list) = line.strip_prefix(':') {
            chains = list.split(',').collect();
        } else if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if let Some(outer) = line.strip_prefix('@') {
            sets.extend(outer.strip_prefix("ipset "));
        } else {
            case(line, table, &chains, &sets, count);
        }
    }
}

/// One rule in each of its chains: whether it is accepted, and how it is saved.
fn case(line: &str, table: &str, chains: &[&str], sets: &[&str], count: &mut Count) {
    let parts: Vec<&str> = line.split(';').collect();
    let [rule, saved, outcome, rest @ ..] = &parts[..] else { return };
    // What only the older iptables does.
    if rest.contains(&"LEGACY") {
        return;
    }
    let saved = if *saved == "=" { rule } else { saved };
    let agrees = chains.iter().all(|chain| {
        let mut rules = Ruleset::default();
        for set in sets {
            let words: Vec<&str> = set.split_whitespace().collect();
            ipset::run(&mut Place { rules: &mut rules, names: &NAMES, now: Time::ZERO }, &words);
        }
        let taken = iptables(&mut rules, &format!("-t {table} -A {chain} {rule}")).status == 0;
        let listed = iptables(&mut rules, &format!("-t {table} -S {chain}")).out;
        let expected = format!("-A {chain} {}", saved.trim());
        taken == (*outcome == "OK") && (!taken || listed.lines().any(|line| line.trim() == expected.trim()))
    });
    count.note(agrees, || line.to_owned());
}

/// Whether a rule set comes back as it was read.
fn round_trip(text: &str) -> bool {
    let mut rules = Ruleset::default();
    let tool = Tool::new("iptables-restore", &NAMES);
    if restore::run(&mut rules, text, Restore::default(), tool).status != 0 {
        return false;
    }
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with("-A")).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    lines(text) == lines(&save(&rules, None, false, "now", &NAMES))
}
