//! `sysctl` of procps 4.0.2: it reads and writes the files below `/proc/sys`, as the real one does.

use hopwise_machine::files::FileKind;
use hopwise_machine::{Program, Read, Step, Sys, Wait};
use hopwise_sim_core::Errno;
use regex::Regex;

use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;

/// The program.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Run { args: args.to_vec(), input: Vec::new() })
}

/// The program: it reads its standard input to the end first if a file `-` is to be loaded.
#[derive(Clone)]
struct Run {
    args: Vec<String>,
    input: Vec<u8>,
}

impl Program<SimKernel> for Run {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        while self.args.iter().any(|a| a == "-") {
            match sys.read(0, 65_536) {
                Ok(Read::Data(bytes)) => self.input.extend(bytes),
                Ok(Read::WouldBlock) => return Step::Block(Wait::readable(0)),
                Ok(Read::Eof) | Err(_) => break,
            }
        }
        let input = core::mem::take(&mut self.input);
        Step::Exit(Sysctl { input, ..Sysctl::default() }.run(sys, &self.args))
    }
}

/// Where an argument comes from, as messages name it.
const COMMAND_LINE: &str = "command line";

const LONG: &[Long] = &[
    ("all", Argument::No, 'a'),
    ("deprecated", Argument::No, '2'),
    ("dry-run", Argument::No, '3'),
    ("binary", Argument::No, 'b'),
    ("ignore", Argument::No, 'e'),
    ("names", Argument::No, 'N'),
    ("values", Argument::No, 'n'),
    ("load", Argument::Optional, 'p'),
    ("quiet", Argument::No, 'q'),
    ("write", Argument::No, 'w'),
    ("system", Argument::No, '1'),
    ("pattern", Argument::Required, 'r'),
    ("help", Argument::No, 'h'),
    ("version", Argument::No, 'V'),
];

/// Names that the kernel keeps for old programs; listed only with `--deprecated`.
const DEPRECATED: &[&str] = &["base_reachable_time", "retrans_time"];

/// The folders of `--system`, later ones override a file of the same name in earlier ones.
const SYSTEM_DIRS: &[&str] = &["/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d"];

const USAGE: &str = "
Usage:
 sysctl [options] [variable[=value] ...]

Options:
  -a, --all            display all variables
  -A                   alias of -a
  -X                   alias of -a
      --deprecated     include deprecated parameters to listing
      --dry-run        Print the key and values but do not write
  -b, --binary         print value without new line
  -e, --ignore         ignore unknown variables errors
  -N, --names          print variable names without values
  -n, --values         print only values of the given variable(s)
  -p, --load[=<file>]  read values from file
  -f                   alias of -p
      --system         read values from all system directories
  -r, --pattern <expression>
                       select setting that match expression
  -q, --quiet          do not echo variable set
  -w, --write          enable writing a value to variable
  -o                   does nothing
  -x                   does nothing
  -d                   alias of -h

 -h, --help     display this help and exit
 -V, --version  output version information and exit

For more details see sysctl(8).
";

/// A line of a file or an argument: `name = value`, perhaps with `-` in front (its failure does not matter).
#[derive(Clone, PartialEq, Eq, Debug)]
struct Setting {
    path: String,
    value: String,
    ignore_failure: bool,
    /// It came from a file: `*` in its name stands for all that fit.
    glob: bool,
}

/// What the options say, and whether anything failed.
#[derive(Default)]
struct Sysctl {
    all: bool,
    deprecated: bool,
    dry_run: bool,
    ignore: bool,
    names_only: bool,
    values_only: bool,
    no_newline: bool,
    quiet: bool,
    write: bool,
    load: bool,
    system: bool,
    pattern: Option<Regex>,
    failed: bool,
    /// How many variables could not be read: the exit status counts them.
    unread: i32,
    /// Standard input, if it is to be loaded.
    input: Vec<u8>,
}

impl Sysctl {
    fn run(mut self, sys: &mut Sys<'_, SimKernel>, args: &[String]) -> i32 {
        if args.is_empty() {
            sys.err(USAGE);
            return 1;
        }
        let parsed = getopt::parse(args, "+neNwfp::qoxaAXr:Vdhb", LONG);
        let mut files = Vec::new();
        for option in &parsed.options {
            let option = match option {
                Ok(option) => option,
                Err(text) => {
                    sys.err(&format!("sysctl: {text}\n"));
                    sys.out(USAGE);
                    return 0;
                }
            };
            match option.key {
                'a' | 'A' | 'X' => self.all = true,
                '2' => self.deprecated = true,
                '3' => self.dry_run = true,
                'b' => (self.values_only, self.no_newline) = (true, true),
                'e' => self.ignore = true,
                'N' => self.names_only = true,
                'n' => self.values_only = true,
                'q' => self.quiet = true,
                'w' => self.write = true,
                'p' | 'f' => {
                    self.load = true;
                    files.extend(option.value.clone());
                }
                '1' => self.system = true,
                'r' => match Regex::new(option.text()) {
                    Ok(pattern) => self.pattern = Some(pattern),
                    Err(_) => {
                        sys.err(&format!("sysctl: Invalid regular expression: {}\n", option.text()));
                        return 1;
                    }
                },
                'o' | 'x' => {}
                'V' => {
                    sys.out("sysctl from procps-ng 4.0.2\n");
                    return 0;
                }
                _ => {
                    sys.out(USAGE);
                    return 0;
                }
            }
        }
        self.work(sys, files, &parsed.operands);
        self.unread | i32::from(self.failed)
    }

    fn work(&mut self, sys: &mut Sys<'_, SimKernel>, mut files: Vec<String>, operands: &[String]) {
        if self.all {
            self.show_folder(sys, "/proc/sys");
            return;
        }
        if self.system {
            self.load_system(sys);
            return;
        }
        if self.load {
            files.extend(operands.iter().cloned());
            if files.is_empty() {
                files.push("/etc/sysctl.conf".to_owned());
            }
            let mut settings = Vec::new();
            for file in &files {
                let content = if file == "-" { Ok(core::mem::take(&mut self.input)) } else { sys.read_file(file) };
                match content {
                    Ok(text) => self.parse(sys, file, &String::from_utf8_lossy(&text), &mut settings),
                    Err(errno) => {
                        sys.err(&format!("sysctl: cannot open \"{file}\": {errno}\n"));
                        self.failed = true;
                    }
                }
            }
            self.set_all(sys, &settings);
            return;
        }
        if operands.is_empty() {
            sys.err("sysctl: no variables specified\nTry `sysctl --help' for more information.\n");
            self.failed = true;
            return;
        }
        for word in operands {
            if self.write || word.contains('=') {
                let mut settings = Vec::new();
                self.parse(sys, COMMAND_LINE, word, &mut settings);
                if settings.is_empty() {
                    break;
                }
                self.set_all(sys, &settings);
            } else {
                self.show(sys, word);
            }
        }
    }

    /// Settings of a text; a line without `=` is refused but does not stop the rest.
    fn parse(&mut self, sys: &mut Sys<'_, SimKernel>, from: &str, text: &str, into: &mut Vec<Setting>) {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            // Arguments have no line numbers.
            let number = if from == COMMAND_LINE { 0 } else { at + 1 };
            let (rest, ignore_failure) = match line.strip_prefix('-') {
                Some(rest) => (rest, true),
                None => (line, false),
            };
            match rest.split_once('=') {
                Some((name, value)) if !name.trim().is_empty() => {
                    let (path, value) = (path_of(name.trim()), value.trim().to_owned());
                    into.push(Setting { path, value, ignore_failure, glob: from != COMMAND_LINE });
                }
                _ => {
                    sys.err(&format!("sysctl: {from}({number}): invalid syntax, continuing...\n"));
                    self.failed |= !self.ignore;
                }
            }
        }
    }

    fn load_system(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let mut found: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
        for dir in SYSTEM_DIRS {
            for entry in sys.list(dir).unwrap_or_default() {
                if entry.name.ends_with(".conf") {
                    found.entry(entry.name.clone()).or_insert_with(|| format!("{dir}/{}", entry.name));
                }
            }
        }
        let mut files: Vec<String> = found.into_values().collect();
        files.push("/etc/sysctl.conf".to_owned());
        let mut settings = Vec::new();
        for file in files {
            let Ok(text) = sys.read_file(&file) else { continue };
            if !self.quiet {
                sys.out(&format!("* Applying {file} ...\n"));
            }
            self.parse(sys, &file, &String::from_utf8_lossy(&text), &mut settings);
        }
        self.set_all(sys, &settings);
    }

    /// Writes the settings; a name with `*` stands for all that fit.
    fn set_all(&mut self, sys: &mut Sys<'_, SimKernel>, settings: &[Setting]) {
        for setting in settings {
            if self.pattern.as_ref().is_some_and(|p| !p.is_match(&name_of(&setting.path))) {
                continue;
            }
            let paths = if setting.glob { expand(sys, &setting.path) } else { vec![setting.path.clone()] };
            for path in paths {
                self.set(sys, &path, setting);
            }
        }
    }

    fn set(&mut self, sys: &mut Sys<'_, SimKernel>, path: &str, setting: &Setting) {
        let name = name_of(path);
        if let Err(errno) = sys.stat(path, true) {
            self.missing(sys, path, errno);
            return;
        }
        let done = if self.dry_run { Ok(()) } else { sys.write_file(path, format!("{}\n", setting.value).as_bytes()) };
        if let Err(errno) = done {
            let ignored = if setting.ignore_failure { ", ignoring" } else { "" };
            sys.err(&format!("sysctl: setting key \"{name}\"{ignored}: {errno}\n"));
            self.failed |= !setting.ignore_failure;
            return;
        }
        if !self.quiet {
            self.print(sys, &name, &setting.value);
        }
    }

    /// Prints a variable, or all below a folder.
    fn show(&mut self, sys: &mut Sys<'_, SimKernel>, word: &str) {
        let path = path_of(word);
        match sys.stat(&path, true) {
            Err(errno) => {
                self.missing(sys, &path, errno);
                self.unread += i32::from(core::mem::take(&mut self.failed));
            }
            Ok(stat) if stat.kind == FileKind::Dir => self.show_folder(sys, &path),
            Ok(_) => self.show_file(sys, &path),
        }
    }

    fn missing(&mut self, sys: &mut Sys<'_, SimKernel>, path: &str, errno: Errno) {
        if errno == Errno::ENOENT && self.ignore {
            return;
        }
        sys.err(&format!("sysctl: cannot stat {path}: {errno}\n"));
        self.failed = true;
    }

    fn show_folder(&mut self, sys: &mut Sys<'_, SimKernel>, dir: &str) {
        let Ok(entries) = sys.list(dir) else { return };
        for entry in entries {
            let path = format!("{dir}/{}", entry.name);
            if entry.kind == FileKind::Dir {
                self.show_folder(sys, &path);
            } else if self.deprecated || !DEPRECATED.contains(&entry.name.as_str()) {
                self.show_file(sys, &path);
            }
        }
    }

    fn show_file(&mut self, sys: &mut Sys<'_, SimKernel>, path: &str) {
        let name = name_of(path);
        if self.pattern.as_ref().is_some_and(|p| !p.is_match(&name)) {
            return;
        }
        if self.names_only {
            sys.out(&format!("{name}\n"));
            return;
        }
        match sys.read_file(path) {
            Ok(data) => {
                let text = String::from_utf8_lossy(&data).into_owned();
                for line in text.trim_end_matches('\n').split('\n') {
                    self.print(sys, &name, line);
                }
            }
            // What can only be written is passed over.
            Err(Errno::EACCES) => {}
            Err(errno) => {
                sys.err(&format!("sysctl: reading key \"{name}\": {errno}\n"));
                self.failed = true;
            }
        }
    }

    fn print(&self, sys: &mut Sys<'_, SimKernel>, name: &str, value: &str) {
        let end = if self.no_newline { "" } else { "\n" };
        if self.names_only {
            sys.out(&format!("{name}\n"));
        } else if self.values_only {
            sys.out(&format!("{value}{end}"));
        } else {
            sys.out(&format!("{name} = {value}{end}"));
        }
    }
}

/// The file of a name. Whichever of `.` and `/` comes first separates; the other one is part of a name, swapped.
fn path_of(name: &str) -> String {
    if let Some(path) = name.strip_prefix("/proc/sys/") {
        return format!("/proc/sys/{path}");
    }
    let dots_first = name.find(['.', '/']).is_some_and(|at| name.as_bytes().get(at) == Some(&b'.'));
    let swap = |c| match c {
        '.' if dots_first => '/',
        '/' if dots_first => '.',
        c => c,
    };
    format!("/proc/sys/{}", name.chars().map(swap).collect::<String>())
}

/// The name of a file, dots between its parts.
fn name_of(path: &str) -> String {
    let rest = path.strip_prefix("/proc/sys/").unwrap_or(path);
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    rest.chars().map(swap).collect()
}

/// The paths that a pattern with `*` stands for (`glob(3)`); itself if it has none.
fn expand(sys: &mut Sys<'_, SimKernel>, pattern: &str) -> Vec<String> {
    if !pattern.contains(['*', '?', '[']) {
        return vec![pattern.to_owned()];
    }
    let mut found = vec![String::new()];
    for part in pattern.split('/').skip(1) {
        let mut next = Vec::new();
        for dir in &found {
            if !part.contains(['*', '?', '[']) {
                next.push(format!("{dir}/{part}"));
                continue;
            }
            let Some(wanted) = glob(part) else { return vec![pattern.to_owned()] };
            let entries = sys.list(dir).unwrap_or_default();
            let fitting = entries.into_iter().filter(|e| wanted.is_match(&e.name));
            next.extend(fitting.map(|e| format!("{dir}/{}", e.name)));
        }
        found = next;
    }
    found.retain(|path| sys.stat(path, true).is_ok());
    if found.is_empty() { vec![pattern.to_owned()] } else { found }
}

/// A file name pattern as a regular expression.
fn glob(pattern: &str) -> Option<Regex> {
    let mut text = String::from("^");
    let mut in_set = false;
    for c in pattern.chars() {
        match c {
            '*' if !in_set => text.push_str(".*"),
            '?' if !in_set => text.push('.'),
            '[' | ']' => {
                in_set = c == '[';
                text.push(c);
            }
            '!' if text.ends_with('[') => text.push('^'),
            '-' if in_set => text.push('-'),
            c => text.push_str(&regex::escape(&c.to_string())),
        }
    }
    text.push('$');
    Regex::new(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths() {
        for (name, path) in [
            ("net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_forward"),
            ("net.ipv4.conf.eth0/1.tag", "/proc/sys/net/ipv4/conf/eth0.1/tag"),
            ("net/ipv4/conf/eth0.1/tag", "/proc/sys/net/ipv4/conf/eth0.1/tag"),
        ] {
            assert_eq!(path_of(name), path);
        }
        assert_eq!(name_of("/proc/sys/net/ipv4/conf/eth0.1/tag"), "net.ipv4.conf.eth0/1.tag");
        assert!(glob("ip_*").is_some_and(|g| g.is_match("ip_forward") && !g.is_match("xip_")));
    }
}
