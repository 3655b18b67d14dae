//! Programs that look at files: ls, stat, find.

use super::files::{missing_operand, with_opts};
use super::opts::{Opts, curly, quoted, refuse};
use crate::files::{FileKind, Stat, base_name};
use crate::{Kernel, Program, Sys, once};

fn mode_text(stat: &Stat) -> String {
    let mut out = String::from(stat.kind.letter());
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = stat.mode >> shift;
        out.push(if bits & 4 != 0 { 'r' } else { '-' });
        out.push(if bits & 2 != 0 { 'w' } else { '-' });
        out.push(match (bits & 1 != 0, stat.mode & special != 0) {
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    out
}

pub(super) fn ls<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("all", 'a'),
        ("almost-all", 'A'),
        ("directory", 'd'),
        ("recursive", 'R'),
        ("reverse", 'r'),
        ("classify", 'F'),
        ("human-readable", 'h'),
        ("color?", '~'),
    ];
    with_opts("ls", args, "1alAdRrtFhiSnpL", &long, |sys, opts| {
        let mut operands = opts.operands.clone();
        if operands.is_empty() {
            operands.push(".".to_owned());
        }
        let mut status = 0;
        let (mut plain, mut folders) = (Vec::new(), Vec::new());
        operands.sort();
        for name in operands {
            match sys.stat(&name, !opts.has('l') && !opts.has('d')).or_else(|_| sys.stat(&name, false)) {
                Err(errno) => {
                    sys.err(&format!("ls: cannot access {}: {errno}\n", quoted(&name)));
                    status = 2;
                }
                Ok(stat) if stat.kind == FileKind::Dir && !opts.has('d') => folders.push(name),
                Ok(stat) => plain.push((name, stat)),
            }
        }
        let many = folders.len() + plain.len() > 1 || status != 0;
        let mut first = plain.is_empty();
        list_rows(sys, opts, "", plain);
        let mut todo: Vec<String> = folders.into_iter().rev().collect();
        while let Some(folder) = todo.pop() {
            if many || opts.has('R') {
                sys.out(&format!("{}{folder}:\n", if first { "" } else { "\n" }));
            }
            first = false;
            let mut rows = Vec::new();
            for extra in [".", ".."].iter().filter(|_| opts.has('a')) {
                if let Ok(stat) = sys.stat(&format!("{folder}/{extra}"), true) {
                    rows.push(((*extra).to_owned(), stat));
                }
            }
            let entries = sys.list(&folder).unwrap_or_default();
            for entry in entries.into_iter().filter(|e| opts.has('a') || opts.has('A') || !e.name.starts_with('.')) {
                if let Ok(stat) = sys.stat(&format!("{folder}/{}", entry.name), false) {
                    rows.push((entry.name, stat));
                }
            }
            if opts.has('R') {
                let below = rows.iter().filter(|(n, s)| s.kind == FileKind::Dir && n != "." && n != "..");
                todo.extend(below.map(|(n, _)| format!("{}/{n}", folder.trim_end_matches('/'))).rev());
            }
            if opts.has('l') {
                sys.out("total 0\n");
            }
            list_rows(sys, opts, &folder, rows);
        }
        status
    })
}

fn list_rows<K: Kernel>(sys: &mut Sys<'_, K>, opts: &Opts, folder: &str, mut rows: Vec<(String, Stat)>) {
    if opts.has('t') {
        rows.sort_by(|a, b| b.1.mtime.cmp(&a.1.mtime).then(a.0.cmp(&b.0)));
    }
    if opts.has('S') {
        rows.sort_by(|a, b| b.1.size.cmp(&a.1.size).then(a.0.cmp(&b.0)));
    }
    if opts.has('r') {
        rows.reverse();
    }
    let width = |f: fn(&Stat) -> u64| rows.iter().map(|(_, s)| f(s).to_string().len()).max().unwrap_or(1);
    let (links, sizes) = (width(|s| u64::from(s.nlink)), width(|s| s.size));
    let mut out = String::new();
    for (name, stat) in &rows {
        let mark = match stat.kind {
            FileKind::Dir if opts.has('F') || opts.has('p') => "/",
            FileKind::Symlink if opts.has('F') => "@",
            FileKind::File if opts.has('F') && stat.mode & 0o111 != 0 => "*",
            _ => "",
        };
        if !opts.has('l') && !opts.has('n') {
            out.push_str(&format!("{name}{mark}\n"));
            continue;
        }
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let target = if stat.kind == FileKind::Symlink {
            sys.readlink(&path).map(|t| format!(" -> {t}")).unwrap_or_default()
        } else {
            String::new()
        };
        let time = crate::clock::strftime("%b %e %H:%M", (stat.mtime.unix_nanos() / 1_000_000_000) as i64, 0);
        let owner = if opts.has('n') { "0 0" } else { "root root" };
        out.push_str(&format!(
            "{} {:>links$} {owner} {:>sizes$} {time} {name}{mark}{target}\n",
            mode_text(stat),
            stat.nlink,
            stat.size
        ));
    }
    sys.out(&out);
}

pub(super) fn stat<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    with_opts("stat", args, "c:L", &[("format=", 'c'), ("printf=", 'P'), ("dereference", 'L')], |sys, opts| {
        if opts.operands.is_empty() {
            return missing_operand(sys, "stat", "operand");
        }
        let mut status = 0;
        for name in &opts.operands {
            let stat = match sys.stat(name, opts.has('L')) {
                Ok(stat) => stat,
                Err(errno) => {
                    sys.err(&format!("stat: cannot statx {}: {errno}\n", quoted(name)));
                    status = 1;
                    continue;
                }
            };
            let kind = match stat.kind {
                FileKind::File if stat.size == 0 => "regular empty file",
                FileKind::File => "regular file",
                FileKind::Dir => "directory",
                FileKind::Symlink => "symbolic link",
                FileKind::CharDevice => "character special file",
                FileKind::Pipe => "fifo",
            };
            let seconds = (stat.mtime.unix_nanos() / 1_000_000_000) as i64;
            let time = crate::clock::strftime(
                "%Y-%m-%d %H:%M:%S.%N +0000",
                seconds,
                (stat.mtime.unix_nanos() % 1_000_000_000) as u32,
            );
            let default = "  File: %n\n  Size: %s\t\tBlocks: 8          IO Block: 4096   %F\nAccess: (%a/%A)  Uid: (    0/    root)   Gid: (    0/    root)\nModify: %y";
            let format = opts.value('c').or(opts.value('P')).unwrap_or(default);
            let mut out = String::new();
            let mut chars = format.chars();
            while let Some(c) = chars.next() {
                if c != '%' {
                    out.push(c);
                    continue;
                }
                match chars.next() {
                    Some('n') => out.push_str(name),
                    Some('N') => out.push_str(&quoted(name)),
                    Some('s') => out.push_str(&stat.size.to_string()),
                    Some('a') => out.push_str(&format!("{:o}", stat.mode)),
                    Some('A') => out.push_str(&mode_text(&stat)),
                    Some('F') => out.push_str(kind),
                    Some('h') => out.push_str(&stat.nlink.to_string()),
                    Some('i') => out.push_str(&stat.ino.to_string()),
                    Some('u' | 'g') => out.push('0'),
                    Some('U' | 'G') => out.push_str("root"),
                    Some('Y' | 'X' | 'Z') => out.push_str(&seconds.to_string()),
                    Some('y' | 'x' | 'z') => out.push_str(&time),
                    Some('f') => out.push_str(&format!("{:x}", stat.mode | stat.kind.mode_bits())),
                    Some('%') | None => out.push('%'),
                    Some(_) => out.push('?'),
                }
            }
            if !opts.has('P') {
                out.push('\n');
            }
            sys.out(&out.replace("\\n", "\n"));
        }
        status
    })
}

/// One condition or action of `find`.
#[derive(Clone)]
enum Test {
    Name(String),
    Path(String),
    Kind(char),
    MaxDepth(usize),
    MinDepth(usize),
    Empty,
    Not,
    Print,
    Print0,
    Delete,
}

pub(super) fn find<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let split = args.iter().position(|a| a.starts_with('-') || a == "!" || a == "(").unwrap_or(args.len());
    let (roots, rest) = args.split_at(split);
    let mut tests = Vec::new();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().cloned();
        let test = match word.as_str() {
            "-name" => value().map(Test::Name),
            "-path" => value().map(Test::Path),
            "-type" => value().and_then(|v| v.chars().next()).map(Test::Kind),
            "-maxdepth" => value().and_then(|v| v.parse().ok()).map(Test::MaxDepth),
            "-mindepth" => value().and_then(|v| v.parse().ok()).map(Test::MinDepth),
            "-empty" => Some(Test::Empty),
            "!" | "-not" => Some(Test::Not),
            "-print" => Some(Test::Print),
            "-print0" => Some(Test::Print0),
            "-delete" => Some(Test::Delete),
            "-a" | "-and" => continue,
            other => return refuse(format!("find: unknown predicate `{other}'\n"), 1),
        };
        match test {
            Some(test) => tests.push(test),
            None => return refuse(format!("find: missing argument to `{word}'\n"), 1),
        }
    }
    let mut roots = roots.to_vec();
    if roots.is_empty() {
        roots.push(".".to_owned());
    }
    once(move |sys: &mut Sys<'_, K>| {
        let mut status = 0;
        for root in &roots {
            if let Err(errno) = sys.stat(root, false) {
                sys.err(&format!("find: {}: {errno}\n", curly(root)));
                status = 1;
                continue;
            }
            let mut todo = vec![(root.clone(), 0)];
            let deepest = tests
                .iter()
                .find_map(|t| if let Test::MaxDepth(n) = t { Some(*n) } else { None })
                .unwrap_or(usize::MAX);
            let mut doomed = Vec::new();
            while let Some((path, depth)) = todo.pop() {
                let Ok(stat) = sys.stat(&path, false) else { continue };
                if stat.kind == FileKind::Dir && depth < deepest {
                    let entries = sys.list(&path).unwrap_or_default();
                    let base = path.trim_end_matches('/').to_owned();
                    todo.extend(entries.into_iter().rev().map(|e| (format!("{base}/{}", e.name), depth + 1)));
                }
                find_one(sys, &tests, &path, &stat, depth, &mut doomed);
            }
            for path in doomed.into_iter().rev() {
                if sys.unlink(&path).or_else(|_| sys.rmdir(&path)).is_err() {
                    status = 1;
                }
            }
        }
        status
    })
}

fn find_one<K: Kernel>(
    sys: &mut Sys<'_, K>,
    tests: &[Test],
    path: &str,
    stat: &Stat,
    depth: usize,
    doomed: &mut Vec<String>,
) {
    let mut negate = false;
    let mut acted = false;
    for test in tests {
        let holds = match test {
            Test::Not => {
                negate = !negate;
                continue;
            }
            Test::Name(pattern) => crate::bash::matches_pattern(pattern, base_name(path)),
            Test::Path(pattern) => crate::bash::matches_pattern(pattern, path),
            Test::Kind(kind) => matches!(
                (kind, stat.kind),
                ('f', FileKind::File)
                    | ('d', FileKind::Dir)
                    | ('l', FileKind::Symlink)
                    | ('c', FileKind::CharDevice)
                    | ('p', FileKind::Pipe)
            ),
            Test::MaxDepth(_) => true,
            Test::MinDepth(n) => depth >= *n,
            Test::Empty if stat.kind == FileKind::Dir => sys.list(path).is_ok_and(|l| l.is_empty()),
            Test::Empty => stat.size == 0 && stat.kind == FileKind::File,
            Test::Print | Test::Print0 | Test::Delete => {
                acted = true;
                match test {
                    Test::Print => sys.out(&format!("{path}\n")),
                    Test::Print0 => sys.out(&format!("{path}\0")),
                    _ => doomed.push(path.to_owned()),
                }
                true
            }
        };
        if holds == negate {
            return;
        }
        negate = false;
    }
    let has_action = tests.iter().any(|t| matches!(t, Test::Print | Test::Print0 | Test::Delete));
    if !acted && !has_action {
        sys.out(&format!("{path}\n"));
    }
}
