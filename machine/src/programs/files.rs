//! Programs that change files: cat, mkdir, rmdir, rm, cp, mv, ln, touch, chmod, readlink, realpath, truncate.

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{Opts, curly, getopt, quoted, try_help};
use crate::files::{FileKind, base_name};
use crate::{Errno, Kernel, Open, Program, Read, Step, Sys, Wait, once};

#[derive(Clone)]
struct Cat {
    files: Vec<String>,
    at: usize,
    open: Option<u32>,
    status: i32,
}

/// `cat` with options looks at lines.
#[derive(Clone)]
struct CatLines {
    number: bool,
    number_nonblank: bool,
    squeeze: bool,
    ends: bool,
    tabs: bool,
    visible: bool,
    count: usize,
    blank: bool,
}

pub(super) fn cat<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("number", 'n'),
        ("number-nonblank", 'b'),
        ("squeeze-blank", 's'),
        ("show-ends", 'E'),
        ("show-tabs", 'T'),
        ("show-nonprinting", 'v'),
        ("show-all", 'A'),
    ];
    let opts = match getopt(args, "nbsETAeuvt", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("cat", &error, 1),
    };
    if opts.flags.iter().any(|f| f.0 != 'u') {
        let all = opts.has('A');
        let filter = CatLines {
            number: opts.has('n'),
            number_nonblank: opts.has('b'),
            squeeze: opts.has('s'),
            ends: opts.has('E') || opts.has('e') || all,
            tabs: opts.has('T') || opts.has('t') || all,
            visible: opts.has('v') || opts.has('e') || opts.has('t') || all,
            count: 0,
            blank: false,
        };
        return Box::new(Lines::new("cat", opts.operands, filter));
    }
    let files = if opts.operands.is_empty() { vec!["-".to_owned()] } else { opts.operands };
    Box::new(Cat { files, at: 0, open: None, status: 0 })
}

impl<K: Kernel> Program<K> for Cat {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(fd) = self.open else {
            let Some(name) = self.files.get(self.at) else { return Step::Exit(self.status) };
            let opened = if name == "-" { Ok(0) } else { sys.open(name, Open::Read) };
            match opened {
                Ok(fd) => self.open = Some(fd),
                Err(errno) => {
                    sys.err(&format!("cat: {name}: {errno}\n"));
                    self.status = 1;
                    self.at += 1;
                }
            }
            return Step::Again;
        };
        match sys.read(fd, 65536) {
            Ok(Read::Data(data)) => {
                if let Err(errno) = sys.write(1, &data) {
                    sys.err(&format!("cat: write error: {errno}\n"));
                    return Step::Exit(1);
                }
            }
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
            end => {
                if let Err(errno) = end {
                    let name = self.files.get(self.at).map_or("-", String::as_str);
                    sys.err(&format!("cat: {name}: {errno}\n"));
                    self.status = 1;
                }
                if fd != 0 {
                    sys.close(fd);
                }
                self.open = None;
                self.at += 1;
            }
        }
        Step::Again
    }
}

impl<K: Kernel> LineFilter<K> for CatLines {
    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], newline: bool) -> Flow {
        let blank = line.is_empty();
        if self.squeeze && blank && std::mem::replace(&mut self.blank, true) {
            return Flow::Go;
        }
        self.blank = blank;
        let mut out = Vec::with_capacity(line.len() + 1);
        if (self.number && !self.number_nonblank) || (self.number_nonblank && !blank) {
            self.count += 1;
            out.extend_from_slice(format!("{:>6}\t", self.count).as_bytes());
        }
        for &byte in line {
            match byte {
                b'\t' if self.tabs => out.extend_from_slice(b"^I"),
                b'\t' => out.push(byte),
                _ if self.visible => show_visibly(byte, &mut out),
                _ => out.push(byte),
            }
        }
        if newline {
            out.extend_from_slice(if self.ends { b"$\n" } else { b"\n" });
        }
        sys.out_bytes(&out);
        Flow::Go
    }
}

/// A byte in `^X` and `M-X` notation if it is not printable (`cat -v`).
fn show_visibly(byte: u8, out: &mut Vec<u8>) {
    let low = byte & 0x7f;
    if byte != low {
        out.extend_from_slice(b"M-");
    }
    match low {
        0x7f => out.extend_from_slice(b"^?"),
        0..0x20 => out.extend_from_slice(&[b'^', low + 0x40]),
        _ => out.push(low),
    }
}

/// Runs a program on parsed options, or refuses a wrong command line.
pub(super) fn with_opts<K: Kernel>(
    name: &'static str,
    args: &[String],
    short: &str,
    long: &[(&str, char)],
    run: fn(&mut Sys<'_, K>, &Opts) -> i32,
) -> Box<dyn Program<K>> {
    match getopt(args, short, long) {
        Ok(opts) => once(move |sys: &mut Sys<'_, K>| run(sys, &opts)),
        Err(error) => try_help(name, &error, if name == "ls" { 2 } else { 1 }),
    }
}

pub(super) fn missing_operand<K: Kernel>(sys: &mut Sys<'_, K>, name: &str, what: &str) -> i32 {
    sys.err(&format!("{name}: missing {what}\nTry '{name} --help' for more information.\n"));
    1
}

pub(super) fn mkdir<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    with_opts("mkdir", args, "pvm:", &[("parents", 'p'), ("verbose", 'v'), ("mode=", 'm')], |sys, opts| {
        if opts.operands.is_empty() {
            return missing_operand(sys, "mkdir", "operand");
        }
        let mode = opts.value('m').and_then(|m| u32::from_str_radix(m, 8).ok()).unwrap_or(0o777);
        let mut status = 0;
        for name in &opts.operands {
            let mut result = Ok(());
            if opts.has('p') {
                let mut path = String::new();
                for part in name.split_inclusive('/') {
                    path.push_str(part);
                    result = match sys.mkdir(path.trim_end_matches('/'), 0o777) {
                        Err(Errno::EEXIST) if sys.stat(&path, true).is_ok_and(|s| s.kind == FileKind::Dir) => Ok(()),
                        Err(_) if path == "/" => Ok(()),
                        other => other,
                    };
                    if result.is_err() {
                        break;
                    }
                }
            } else {
                result = sys.mkdir(name, mode);
            }
            match result {
                Ok(()) if opts.has('v') => sys.out(&format!("mkdir: created directory {}\n", quoted(name))),
                Ok(()) => {}
                Err(errno) => {
                    sys.err(&format!("mkdir: cannot create directory {}: {errno}\n", curly(name)));
                    status = 1;
                }
            }
        }
        status
    })
}

pub(super) fn rmdir<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    with_opts("rmdir", args, "pv", &[("parents", 'p')], |sys, opts| {
        if opts.operands.is_empty() {
            return missing_operand(sys, "rmdir", "operand");
        }
        let mut status = 0;
        for name in &opts.operands {
            if let Err(errno) = sys.rmdir(name) {
                sys.err(&format!("rmdir: failed to remove {}: {errno}\n", quoted(name)));
                status = 1;
            }
        }
        status
    })
}

/// Removes a folder and all below it.
fn remove_tree<K: Kernel>(sys: &mut Sys<'_, K>, top: &str) -> Result<(), Errno> {
    let mut todo = vec![(top.to_owned(), false)];
    while let Some((path, emptied)) = todo.pop() {
        if sys.stat(&path, false)?.kind != FileKind::Dir {
            sys.unlink(&path)?;
        } else if emptied {
            sys.rmdir(&path)?;
        } else {
            let entries = sys.list(&path)?;
            todo.push((path.clone(), true));
            todo.extend(entries.into_iter().map(|e| (format!("{path}/{}", e.name), false)));
        }
    }
    Ok(())
}

pub(super) fn rm<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("force", 'f'), ("recursive", 'r'), ("dir", 'd'), ("verbose", 'v'), ("interactive?", 'i')];
    with_opts("rm", args, "frRdvi", &long, |sys, opts| {
        if opts.operands.is_empty() && !opts.has('f') {
            return missing_operand(sys, "rm", "operand");
        }
        let recursive = opts.has('r') || opts.has('R');
        let mut status = 0;
        for name in &opts.operands {
            if ["/", ".", ".."].contains(&base_name(name)) {
                let text = if base_name(name) == "/" {
                    "rm: it is dangerous to operate recursively on '/'\nrm: use --no-preserve-root to override this failsafe\n".to_owned()
                } else {
                    format!("rm: refusing to remove '.' or '..' directory: skipping {}\n", quoted(name))
                };
                sys.err(&text);
                status = 1;
                continue;
            }
            let result = match sys.stat(name, false) {
                Err(Errno::ENOENT | Errno::ENOTDIR) if opts.has('f') => Ok(()),
                Err(errno) => Err(errno),
                Ok(stat) if stat.kind == FileKind::Dir && recursive => remove_tree(sys, name.trim_end_matches('/')),
                Ok(stat) if stat.kind == FileKind::Dir && opts.has('d') => sys.rmdir(name),
                Ok(_) => sys.unlink(name),
            };
            match result {
                Ok(()) if opts.has('v') => sys.out(&format!("removed {}\n", quoted(name))),
                Ok(()) => {}
                Err(errno) => {
                    sys.err(&format!("rm: cannot remove {}: {errno}\n", quoted(name)));
                    status = 1;
                }
            }
        }
        status
    })
}

/// Where each of several operands goes: into a folder, or to the one name given.
fn targets<K: Kernel>(sys: &mut Sys<'_, K>, name: &str, opts: &Opts) -> Result<Vec<(String, String)>, i32> {
    let mut operands = opts.operands.clone();
    let folder = opts.value('t').map(str::to_owned);
    let last = match folder {
        Some(folder) => folder,
        None => {
            match operands.pop() {
                None => return Err(missing_operand(sys, name, "file operand")),
                Some(only) if operands.is_empty() => {
                    sys.err(&format!("{name}: missing destination file operand after {}\nTry '{name} --help' for more information.\n", quoted(&only)));
                    return Err(1);
                }
                Some(last) => last,
            }
        }
    };
    let into = !opts.has('T')
        && sys.stat(&last, true).is_ok_and(|s| s.kind == FileKind::Dir)
        && !(name == "ln" && opts.has('n'));
    if operands.len() > 1 && !into {
        sys.err(&format!("{name}: target {}: Not a directory\n", quoted(&last)));
        return Err(1);
    }
    let place =
        |from: &String| if into { format!("{}/{}", last.trim_end_matches('/'), base_name(from)) } else { last.clone() };
    Ok(operands.iter().map(|from| (from.clone(), place(from))).collect())
}

fn copy<K: Kernel>(
    sys: &mut Sys<'_, K>,
    from: &str,
    to: &str,
    recursive: bool,
    keep_links: bool,
) -> Result<(), String> {
    let mut todo = vec![(from.to_owned(), to.to_owned())];
    while let Some((from, to)) = todo.pop() {
        let wrong = |e: Errno| format!("cannot stat {}: {e}", quoted(&from));
        let stat = sys.stat(&from, !keep_links).map_err(wrong)?;
        match stat.kind {
            FileKind::Dir if !recursive => {
                return Err(format!("-r not specified; omitting directory {}", quoted(&from)));
            }
            FileKind::Dir => {
                match sys.mkdir(&to, stat.mode) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(format!("cannot create directory {}: {errno}", quoted(&to))),
                }
                let entries = sys.list(&from).map_err(wrong)?;
                todo.extend(entries.into_iter().map(|e| (format!("{from}/{}", e.name), format!("{to}/{}", e.name))));
            }
            FileKind::Symlink => {
                let target = sys.readlink(&from).map_err(wrong)?;
                let _ = sys.unlink(&to);
                sys.symlink(&target, &to).map_err(|e| format!("cannot create symbolic link {}: {e}", quoted(&to)))?;
            }
            _ => {
                if sys.same_file(&from, &to) {
                    return Err(format!("{} and {} are the same file", quoted(&from), quoted(&to)));
                }
                let data =
                    sys.read_file(&from).map_err(|e| format!("cannot open {} for reading: {e}", quoted(&from)))?;
                let existed = sys.stat(&to, true).is_ok();
                sys.write_file(&to, &data).map_err(|e| format!("cannot create regular file {}: {e}", quoted(&to)))?;
                if !existed {
                    let _ = sys.chmod(&to, stat.mode & !sys.umask());
                }
            }
        }
    }
    Ok(())
}

pub(super) fn cp<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("recursive", 'r'),
        ("archive", 'a'),
        ("force", 'f'),
        ("target-directory=", 't'),
        ("no-target-directory", 'T'),
        ("verbose", 'v'),
        ("no-clobber", 'n'),
    ];
    with_opts("cp", args, "rRafpdiuvnTt:L", &long, |sys, opts| {
        let list = match targets(sys, "cp", opts) {
            Ok(list) => list,
            Err(status) => return status,
        };
        let recursive = opts.has('r') || opts.has('R') || opts.has('a');
        let mut status = 0;
        for (from, to) in list {
            if opts.has('n') && sys.stat(&to, false).is_ok() {
                continue;
            }
            if let Err(error) = copy(sys, &from, &to, recursive, opts.has('a') || opts.has('d')) {
                sys.err(&format!("cp: {error}\n"));
                status = 1;
            } else if opts.has('v') {
                sys.out(&format!("{} -> {}\n", quoted(&from), quoted(&to)));
            }
        }
        status
    })
}

pub(super) fn mv<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("force", 'f'),
        ("target-directory=", 't'),
        ("no-target-directory", 'T'),
        ("verbose", 'v'),
        ("no-clobber", 'n'),
    ];
    with_opts("mv", args, "fiuvnTt:", &long, |sys, opts| {
        let list = match targets(sys, "mv", opts) {
            Ok(list) => list,
            Err(status) => return status,
        };
        let mut status = 0;
        for (from, to) in list {
            if opts.has('n') && sys.stat(&to, false).is_ok() {
                continue;
            }
            let error = match sys.stat(&from, false) {
                Err(errno) => Some(format!("cannot stat {}: {errno}", quoted(&from))),
                Ok(_) if from != to && sys.same_file(&from, &to) => {
                    Some(format!("{} and {} are the same file", quoted(&from), quoted(&to)))
                }
                Ok(_) => match sys.rename(&from, &to) {
                    Ok(()) => None,
                    Err(Errno::EINVAL) => {
                        Some(format!("cannot move {} to a subdirectory of itself, {}", quoted(&from), quoted(&to)))
                    }
                    Err(errno) => Some(format!("cannot move {} to {}: {errno}", quoted(&from), quoted(&to))),
                },
            };
            match error {
                Some(error) => {
                    sys.err(&format!("mv: {error}\n"));
                    status = 1;
                }
                None if opts.has('v') => sys.out(&format!("renamed {} -> {}\n", quoted(&from), quoted(&to))),
                None => {}
            }
        }
        status
    })
}

pub(super) fn ln<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long =
        [("symbolic", 's'), ("force", 'f'), ("no-dereference", 'n'), ("target-directory=", 't'), ("verbose", 'v')];
    with_opts("ln", args, "sfnTrvt:", &long, |sys, opts| {
        let mut opts = opts.clone();
        if opts.operands.len() == 1 {
            opts.operands.push(".".to_owned());
        }
        let list = match targets(sys, "ln", &opts) {
            Ok(list) => list,
            Err(status) => return status,
        };
        let mut status = 0;
        for (from, to) in list {
            if opts.has('f') {
                let _ = sys.unlink(&to);
            }
            let made = if opts.has('s') { sys.symlink(&from, &to) } else { sys.link(&from, &to) };
            if let Err(errno) = made {
                let text = match (opts.has('s'), errno) {
                    (true, _) => format!("failed to create symbolic link {}: {errno}", quoted(&to)),
                    (false, Errno::EPERM) => format!("{from}: hard link not allowed for directory"),
                    (false, Errno::ENOENT) => format!("failed to access {}: {errno}", quoted(&from)),
                    _ => format!("failed to create hard link {}: {errno}", quoted(&to)),
                };
                sys.err(&format!("ln: {text}\n"));
                status = 1;
            }
        }
        status
    })
}

pub(super) fn touch<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    with_opts("touch", args, "camd:r:t:", &[("no-create", 'c'), ("date=", 'd')], |sys, opts| {
        if opts.operands.is_empty() {
            return missing_operand(sys, "touch", "file operand");
        }
        let mut status = 0;
        for name in &opts.operands {
            let result = if sys.stat(name, true).is_ok() {
                sys.set_mtime(name, sys.now())
            } else if opts.has('c') {
                Ok(())
            } else {
                sys.open(name, Open::Append).map(|fd| sys.close(fd))
            };
            if let Err(errno) = result {
                sys.err(&format!("touch: cannot touch {}: {errno}\n", quoted(name)));
                status = 1;
            }
        }
        status
    })
}

/// `644`, `u+x,go-w`
fn new_mode(text: &str, old: u32, is_dir: bool) -> Option<u32> {
    if let Ok(mode) = u32::from_str_radix(text, 8) {
        return (mode <= 0o7777).then_some(mode);
    }
    let mut mode = old;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let (who, action) = clause.split_at(at);
        let mut mask = 0;
        for c in who.chars() {
            mask |= match c {
                'u' => 0o700,
                'g' => 0o070,
                'o' => 0o007,
                'a' => 0o777,
                _ => return None,
            };
        }
        if who.is_empty() {
            mask = 0o777;
        }
        let mut bits = 0;
        for c in action.chars().skip(1) {
            bits |= match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_dir || old & 0o111 != 0 => 0o111,
                'X' => 0,
                _ => return None,
            };
        }
        match action.chars().next()? {
            '+' => mode |= bits & mask,
            '-' => mode &= !(bits & mask),
            _ => mode = (mode & !mask) | (bits & mask),
        }
    }
    Some(mode)
}

pub(super) fn chmod<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    // `-x` is a mode.
    let args: Vec<String> = args
        .iter()
        .map(|a| {
            if a.starts_with("-x") || a.starts_with("-w") || a.starts_with("-r") { format!("a{a}") } else { a.clone() }
        })
        .collect();
    with_opts("chmod", &args, "Rvcf", &[("recursive", 'R')], |sys, opts| {
        let [mode, files @ ..] = opts.operands.as_slice() else { return missing_operand(sys, "chmod", "operand") };
        let mut status = 0;
        for name in files {
            let result = sys.stat(name, true).map(|s| new_mode(mode, s.mode, s.kind == FileKind::Dir));
            match result {
                Ok(Some(bits)) => {
                    if let Err(errno) = sys.chmod(name, bits) {
                        sys.err(&format!("chmod: changing permissions of {}: {errno}\n", quoted(name)));
                        status = 1;
                    }
                }
                Ok(None) => {
                    sys.err(&format!(
                        "chmod: invalid mode: {}\nTry 'chmod --help' for more information.\n",
                        quoted(mode)
                    ));
                    return 1;
                }
                Err(errno) => {
                    sys.err(&format!("chmod: cannot access {}: {errno}\n", quoted(name)));
                    status = 1;
                }
            }
        }
        status
    })
}

pub(super) fn readlink<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    with_opts("readlink", args, "femnqsv", &[("canonicalize", 'f')], |sys, opts| {
        if opts.operands.is_empty() {
            return missing_operand(sys, "readlink", "operand");
        }
        let mut status = 0;
        for name in &opts.operands {
            let canonical = opts.has('f') || opts.has('e') || opts.has('m');
            let result = if canonical { sys.real_path(name) } else { sys.readlink(name) };
            match result {
                Ok(text) => sys.out(&format!("{text}{}", if opts.has('n') { "" } else { "\n" })),
                Err(_) => status = 1,
            }
        }
        status
    })
}

pub(super) fn realpath<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    with_opts("realpath", args, "emqs", &[], |sys, opts| {
        if opts.operands.is_empty() {
            return missing_operand(sys, "realpath", "operand");
        }
        let mut status = 0;
        for name in &opts.operands {
            match sys.real_path(name) {
                Ok(text) => sys.out(&format!("{text}\n")),
                Err(errno) => {
                    sys.err(&format!("realpath: {name}: {errno}\n"));
                    status = 1;
                }
            }
        }
        status
    })
}

pub(super) fn truncate<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    with_opts("truncate", args, "s:c", &[("size=", 's')], |sys, opts| {
        let Some(size) = opts.value('s').and_then(|s| s.parse::<usize>().ok()) else {
            sys.err("truncate: you must specify either '--size' or '--reference'\nTry 'truncate --help' for more information.\n");
            return 1;
        };
        for name in &opts.operands {
            let mut data = sys.read_file(name).unwrap_or_default();
            data.resize(size.min(16 << 20), 0);
            if let Err(errno) = sys.write_file(name, &data) {
                sys.err(&format!("truncate: cannot open {} for writing: {errno}\n", quoted(name)));
                return 1;
            }
        }
        0
    })
}
