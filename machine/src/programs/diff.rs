//! diff: two texts compared by lines (normal output, -u, -q, -s).

use similar::{ChangeTag, DiffOp, TextDiff};

use super::opts::getopt;
use crate::{Errno, Kernel, Open, Program, Read, Step, Sys, Wait};

/// What the command line asks for.
#[derive(Clone)]
struct Diff {
    names: [String; 2],
    unified: bool,
    brief: bool,
    tell_same: bool,
    texts: Vec<Vec<u8>>,
    open: Option<(u32, Vec<u8>)>,
}

pub(super) fn start<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("brief", 'q'), ("unified", 'u'), ("report-identical-files", 's')];
    let opts = match getopt(args, "uqs", &long) {
        Ok(opts) => opts,
        Err(error) => return refuse(&error),
    };
    match opts.operands.as_slice() {
        [a, b] => Box::new(Diff {
            names: [a.clone(), b.clone()],
            unified: opts.has('u'),
            brief: opts.has('q'),
            tell_same: opts.has('s'),
            texts: Vec::new(),
            open: None,
        }),
        [_, _, extra, ..] => refuse(&format!("extra operand '{extra}'")),
        [one] => refuse(&format!("missing operand after '{one}'")),
        [] => refuse("missing operand after 'diff'"),
    }
}

/// diff names itself before its hint, as coreutils do not.
fn refuse<K: Kernel>(error: &str) -> Box<dyn Program<K>> {
    super::refuse(format!("diff: {error}\ndiff: Try 'diff --help' for more information.\n"), 2)
}

impl<K: Kernel> Program<K> for Diff {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(name) = self.names.get(self.texts.len()).cloned() else { return self.compare(sys) };
        if self.open.is_none() {
            let opened = if name == "-" { Ok(0) } else { sys.open(&name, Open::Read) };
            match opened {
                Ok(fd) => self.open = Some((fd, Vec::new())),
                Err(errno) => return failed(sys, &name, errno),
            }
        }
        let Some((fd, text)) = &mut self.open else { return Step::Again };
        match sys.read(*fd, 65536) {
            Ok(Read::Data(data)) => text.extend(data),
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(*fd)),
            Ok(Read::Eof) => {
                if *fd != 0 {
                    sys.close(*fd);
                }
                self.texts.extend(self.open.take().map(|(_, text)| text));
            }
            Err(errno) => return failed(sys, &name, errno),
        }
        Step::Again
    }
}

fn failed<K: Kernel>(sys: &mut Sys<'_, K>, name: &str, errno: Errno) -> Step {
    sys.err(&format!("diff: {name}: {errno}\n"));
    Step::Exit(2)
}

impl Diff {
    fn compare<K: Kernel>(&self, sys: &mut Sys<'_, K>) -> Step {
        let [left, right] = &self.names;
        let texts: Vec<String> = self.texts.iter().map(|t| String::from_utf8_lossy(t).into_owned()).collect();
        let [a, b] = texts.as_slice() else { return Step::Exit(2) };
        if a == b {
            if self.tell_same {
                sys.out(&format!("Files {left} and {right} are identical\n"));
            }
            return Step::Exit(0);
        }
        if self.brief {
            sys.out(&format!("Files {left} and {right} differ\n"));
            return Step::Exit(1);
        }
        let diff = TextDiff::from_lines(a.as_str(), b.as_str());
        let mut out = String::new();
        if self.unified {
            for name in [left, right] {
                let mark = if std::ptr::eq(name, left) { "---" } else { "+++" };
                out.push_str(&format!("{mark} {name}\t{}\n", self.stamp(sys, name)));
            }
            out.push_str(&diff.unified_diff().context_radius(3).to_string());
        } else {
            diff.ops().iter().for_each(|op| normal(&diff, op, &mut out));
        }
        sys.out(&out);
        Step::Exit(1)
    }

    /// A file's time, for the heads of `-u`.
    fn stamp<K: Kernel>(&self, sys: &mut Sys<'_, K>, name: &str) -> String {
        let nanos = match sys.stat(name, true) {
            Ok(stat) => stat.mtime.unix_nanos(),
            Err(_) => sys.now().unix_nanos(),
        };
        let seconds = (nanos / 1_000_000_000) as i64;
        let text = crate::clock::strftime("%Y-%m-%d %H:%M:%S", seconds, 0);
        format!("{text}.{:09} +0000", nanos % 1_000_000_000)
    }
}

/// One difference in diff's first format: `2,3c2` and the lines.
fn normal(diff: &TextDiff<'_, '_, str>, op: &DiffOp, out: &mut String) {
    let (old, new) = (op.old_range(), op.new_range());
    let letter = match (op, old.is_empty(), new.is_empty()) {
        (DiffOp::Equal { .. }, ..) => return,
        (_, true, _) => 'a',
        (_, _, true) => 'd',
        _ => 'c',
    };
    let lines = |range: &std::ops::Range<usize>| match range.len() {
        0 => range.start.to_string(),
        1 => range.end.to_string(),
        _ => format!("{},{}", range.start + 1, range.end),
    };
    out.push_str(&format!("{}{letter}{}\n", lines(&old), lines(&new)));
    let mut before = ChangeTag::Delete;
    for change in diff.iter_changes(op) {
        if change.tag() == ChangeTag::Insert && before == ChangeTag::Delete && letter == 'c' {
            out.push_str("---\n");
        }
        before = change.tag();
        let mark = if change.tag() == ChangeTag::Delete { '<' } else { '>' };
        let end = if change.missing_newline() { "\n\\ No newline at end of file\n" } else { "" };
        out.push_str(&format!("{mark} {}{end}", change.value()));
    }
}
