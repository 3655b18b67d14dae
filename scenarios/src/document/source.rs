//! From a file's text to a lab: which form it has, its header, its steps.

use std::ops::Range;

use super::cluster;
use super::containerlab::{self, Header};
use super::topology::{Topology, plain_name};
use super::{Action, Expected, Lab, Place, Step, schema, steps, yaml};
use crate::diagnostic::{Diagnostic, position};

/// What kind of file a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Markdown document with console blocks.
    Document,
    /// A containerlab topology; its `exec` lists are the commands.
    Containerlab,
    /// A shell script, run by bash on one machine.
    Script,
}

/// The endings of the forms, the longest first.
const ENDINGS: &[(&str, Form)] = &[
    (".clab.yml", Form::Containerlab),
    (".clab.yaml", Form::Containerlab),
    (".md", Form::Document),
    (".sh", Form::Script),
];

impl Form {
    /// The form that a file's name tells, and the name without its ending.
    pub fn of(file_name: &str) -> Option<(Self, &str)> {
        ENDINGS.iter().find_map(|(ending, form)| {
            file_name.strip_suffix(ending).filter(|stem| !stem.is_empty()).map(|stem| (*form, stem))
        })
    }

    /// The endings, for messages.
    pub fn endings() -> String {
        super::topology::list(ENDINGS.iter().map(|(ending, _)| *ending))
    }
}

/// Reads a lab. `path` is for messages, and its last part gives the form and, without a `name:`, the lab's name.
pub fn read(path: &str, source: &str) -> Lab {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    let (form, stem) = Form::of(file_name).unwrap_or((Form::Document, file_name));
    let mut lab = Lab {
        path: path.to_owned(),
        source: source.to_owned(),
        form,
        name: folder_name(stem),
        topology: Topology::one_machine(),
        cluster: None,
        steps: Vec::new(),
        notes: Vec::new(),
        error: None,
    };
    let result = match form {
        Form::Document => document(&mut lab, source),
        Form::Containerlab => topology_file(&mut lab, source),
        Form::Script => {
            lab.steps.push(whole_script(file_name, source));
            Ok(())
        }
    };
    lab.error = result.err();
    lab
}

/// A lab's name from a file's: what cannot be in a folder's name becomes a hyphen.
fn folder_name(stem: &str) -> String {
    let name: String =
        stem.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' }).take(64).collect();
    if plain_name(&name) {
        name
    } else {
        format!("lab-{}", name.trim_start_matches(['.', '-', '_'])).chars().take(64).collect()
    }
}

fn document(lab: &mut Lab, source: &str) -> Result<(), Diagnostic> {
    let (front, rest) = front_matter(source)?;
    if let Some(front) = front {
        let header = containerlab::header(&yaml::parse(source, front)?, &schema::FRONT_MATTER)?;
        take_header(lab, &header);
        if let Some(topology) = header.topology {
            lab.topology = topology;
        }
        lab.notes = header.notes;
        if let Some(node) = &header.cluster {
            lab.cluster = Some(cluster::read(node, &lab.topology, source, &mut lab.notes)?);
        }
    }
    steps::read(source, rest, &lab.topology, &mut lab.steps)
}

fn take_header(lab: &mut Lab, header: &Header) {
    if let Some(name) = &header.name {
        lab.name.clone_from(name);
    }
}

/// The bytes of the front matter's YAML, if there is one, and the first byte behind it.
fn front_matter(source: &str) -> Result<(Option<Range<usize>>, usize), Diagnostic> {
    let begin = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut lines = source.get(begin..).unwrap_or("").split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else { return Ok((None, begin)) };
    let start = begin + first.len();
    let mut at = start;
    for line in lines {
        if line.trim_end() == "---" {
            return Ok((Some(start..at), at + line.len()));
        }
        at += line.len();
    }
    Err(Diagnostic::error(begin..begin + 3, "the front matter is never closed", "opened here")
        .help("end it with a line ---"))
}

fn topology_file(lab: &mut Lab, source: &str) -> Result<(), Diagnostic> {
    let header = containerlab::header(&yaml::parse(source, 0..source.len())?, &schema::CONTAINERLAB)?;
    take_header(lab, &header);
    lab.notes = header.notes;
    let Some(mut topology) = header.topology else {
        return Err(Diagnostic::whole("there is no `topology` in this file"));
    };
    // The commands are the lab here, so they are steps with a result each and not preparations.
    for (machine, spans) in topology.machines.iter_mut().zip(header.exec_spans) {
        for (command, span) in machine.exec.drain(..).zip(spans) {
            lab.steps.push(Step {
                machine: machine.name.clone(),
                action: Action::Command(command),
                expected: Expected::default(),
                place: at_line(source, span),
            });
        }
    }
    lab.topology = topology;
    Ok(())
}

fn whole_script(file_name: &str, source: &str) -> Step {
    Step {
        machine: "host".into(),
        action: Action::Script(file_name.to_owned(), source.to_owned()),
        expected: Expected::default(),
        place: at_line(source, 0..0),
    }
}

/// The place of a command that has no expected lines.
fn at_line(source: &str, span: Range<usize>) -> Place {
    let line = position(source, span.start).0;
    Place { line, body_line: line, body: span.end..span.end, command: span, ..Place::default() }
}
