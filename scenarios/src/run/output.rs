//! What a lab leaves behind, as data: files with checked paths, not yet on any disk.

use std::collections::BTreeSet;

use super::transcript::Transcript;
use super::world::{Captures, LabWorld, MachineFile};

/// A file of a lab's output folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// The parts of its path below the lab's folder. Each is a plain file name (see [`components`]).
    pub path: Vec<String>,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl OutputFile {
    pub(super) fn new(path: &[&str], bytes: Vec<u8>) -> Self {
        Self { path: path.iter().map(|part| (*part).to_owned()).collect(), bytes }
    }
}

/// Longest file name of the file systems people have (`NAME_MAX`).
const NAME_MAX: usize = 255;

/// The parts of a relative path, if none of them leads anywhere but down.
///
/// # Errors
/// What is wrong with the path.
pub fn components(path: &str) -> Result<Vec<&str>, String> {
    let parts: Vec<&str> = path.split('/').collect();
    let plain = |part: &&str| {
        !part.is_empty() && *part != "." && *part != ".." && part.len() <= NAME_MAX && !part.contains(['\0', '\\'])
    };
    match parts.iter().find(|part| !plain(part)) {
        None => Ok(parts),
        Some(part) => {
            Err(format!("`{}` is not written: `{}` is not a plain file name", path.escape_debug(), part.escape_debug()))
        }
    }
}

/// All files of a finished world, and a sentence for each that cannot be written.
pub(super) fn world_files<W: LabWorld>(world: &W, problems: &mut Vec<String>) -> Vec<OutputFile> {
    let mut files = machine_files(world.files(), problems);
    let seen = world.captures();
    if seen.missed > 0 {
        problems
            .push(format!("{} frames more than captures hold were not kept: `--capture` chooses links", seen.missed));
    }
    files.extend(captures(seen));
    files
}

/// The files with the transcript, sorted by path.
pub(super) fn with_transcript(mut files: Vec<OutputFile>, transcript: Transcript) -> Vec<OutputFile> {
    files.push(OutputFile::new(&["transcript.txt"], transcript.into_bytes()));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The files of an interactive session whose world has finished, and a sentence for each that cannot be written.
pub fn session_files<W: LabWorld>(world: &W, transcript: Transcript) -> (Vec<OutputFile>, Vec<String>) {
    let mut problems = Vec::new();
    let files = with_transcript(world_files(world, &mut problems), transcript);
    (files, problems)
}

/// The machines' files, and a sentence for each that cannot be written.
fn machine_files(files: Vec<MachineFile>, problems: &mut Vec<String>) -> Vec<OutputFile> {
    let mut output = Vec::new();
    for file in files {
        match components(&file.path) {
            Ok(parts) => {
                let mut path = vec![file.machine.as_str()];
                path.extend(parts);
                output.push(OutputFile::new(&path, file.bytes));
            }
            Err(why) => problems.push(format!("{}: {why}", file.machine)),
        }
    }
    output
}

/// The captures: `capture.pcapng` with everything, `captures/MACHINE_NAMESPACE_LINK.pcap` for each link.
fn captures(captures: Captures) -> Vec<OutputFile> {
    let mut taken = BTreeSet::new();
    let mut output: Vec<OutputFile> =
        captures.all.into_iter().map(|bytes| OutputFile::new(&["capture.pcapng"], bytes)).collect();
    for capture in captures.links {
        let namespace = capture.namespace.as_deref().unwrap_or("root");
        let stem = file_stem(&format!("{}_{namespace}_{}", capture.machine, capture.link));
        // Different links may be the same file name, once odd characters are replaced.
        let name =
            (1..).map(|n| if n == 1 { stem.clone() } else { format!("{stem}-{n}") }).find(|n| !taken.contains(n));
        let name = name.unwrap_or(stem);
        output.push(OutputFile::new(&["captures", &format!("{name}.pcap")], capture.pcap));
        taken.insert(name);
    }
    output
}

/// A file name from words that Linux lets people choose freely: a link may be called almost anything.
fn file_stem(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    let mut stem: String = name.chars().map(|c| if plain(c) { c } else { '_' }).take(200).collect();
    if stem.starts_with('.') {
        stem.replace_range(..1, "_");
    }
    stem
}

#[cfg(test)]
mod tests {
    use super::super::world::Capture;
    use super::*;

    #[test]
    fn only_ways_down_are_paths() {
        assert_eq!(components("a/b.pcap"), Ok(vec!["a", "b.pcap"]));
        for bad in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\0", "a\\b", &"x".repeat(256)] {
            assert!(components(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn captures_have_plain_names_of_their_own() {
        let link = |namespace: Option<&str>, link: &str| Capture {
            machine: "w".into(),
            namespace: namespace.map(str::to_owned),
            link: link.into(),
            pcap: vec![],
        };
        let all = Captures {
            links: vec![link(None, "eth0"), link(Some("../x"), "a\\b"), link(Some("..?x"), "a*b")],
            all: Some(vec![]),
            missed: 0,
        };
        let names: Vec<String> = captures(all).into_iter().map(|f| f.path.join("/")).collect();
        assert_eq!(
            names,
            ["capture.pcapng", "captures/w_root_eth0.pcap", "captures/w_.._x_a_b.pcap", "captures/w_.._x_a_b-2.pcap"]
        );
    }

    #[test]
    fn what_leads_elsewhere_is_not_written_and_said() {
        let mut problems = Vec::new();
        let files = vec![MachineFile { machine: "w".into(), path: "../../etc/passwd".into(), bytes: vec![] }];
        assert!(machine_files(files, &mut problems).is_empty());
        assert_eq!(problems, ["w: `../../etc/passwd` is not written: `..` is not a plain file name"]);
    }
}
