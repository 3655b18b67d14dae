//! md5sum, sha1sum, sha256sum, sha512sum: digests of files, and their check (`-c`).

use dyn_clone::DynClone;
use md5::Md5;
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha512};

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{getopt, try_help};
use crate::{Kernel, Open, Program, Read, Step, Sys, Wait};

/// A digest under way; a world's copy goes on with a copy of it.
trait Digest: DynDigest + DynClone + Send {}
impl<D: DynDigest + Clone + Send + 'static> Digest for D {}
dyn_clone::clone_trait_object!(Digest);

/// A digest: its program's name, the length in bytes, its state at the beginning.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    tag: &'static str,
    size: usize,
    start: fn() -> Box<dyn Digest>,
}

const MD5: Kind = Kind { name: "md5sum", tag: "MD5", size: 16, start: || Box::new(Md5::default()) };
const SHA1: Kind = Kind { name: "sha1sum", tag: "SHA1", size: 20, start: || Box::new(Sha1::default()) };
const SHA256: Kind = Kind { name: "sha256sum", tag: "SHA256", size: 32, start: || Box::new(Sha256::default()) };
const SHA512: Kind = Kind { name: "sha512sum", tag: "SHA512", size: 64, start: || Box::new(Sha512::default()) };

pub(super) fn md5sum<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    start(MD5, args)
}
pub(super) fn sha1sum<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    start(SHA1, args)
}
pub(super) fn sha256sum<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    start(SHA256, args)
}
pub(super) fn sha512sum<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    start(SHA512, args)
}

fn start<K: Kernel>(kind: Kind, args: &[String]) -> Box<dyn Program<K>> {
    let long = [
        ("check", 'c'),
        ("binary", 'b'),
        ("text", 't'),
        ("tag", 'T'),
        ("quiet", 'q'),
        ("status", 's'),
        ("strict", 'S'),
        ("warn", 'w'),
        ("ignore-missing", 'm'),
    ];
    let opts = match getopt(args, "bctw", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help(kind.name, &error, 1),
    };
    if opts.has('c') {
        let check = Check {
            kind,
            quiet: opts.has('q'),
            silent: opts.has('s'),
            strict: opts.has('S'),
            warn: opts.has('w'),
            ignore_missing: opts.has('m'),
            counts: Counts::default(),
            list: String::new(),
            line: 0,
        };
        return Box::new(Lines::new(kind.name, opts.operands.clone(), check));
    }
    if let Some(letter) = opts.flags.iter().map(|f| f.0).find(|c| "qsSwm".contains(*c)) {
        let name = long.iter().find(|row| row.1 == letter).map_or("", |row| row.0);
        let text = format!("the --{name} option is meaningful only when verifying checksums");
        return try_help(kind.name, &text, 1);
    }
    let binary = opts.has('b') && opts.flags.iter().rev().find(|f| "bt".contains(f.0)).is_some_and(|f| f.0 == 'b');
    let files = if opts.operands.is_empty() { vec!["-".to_owned()] } else { opts.operands.clone() };
    Box::new(Sum { kind, tag: opts.has('T'), binary, files, at: 0, open: None, status: 0 })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// A file under way: its descriptor and its digest so far.
#[derive(Clone)]
struct Reading {
    fd: u32,
    digest: Box<dyn Digest>,
}

#[derive(Clone)]
struct Sum {
    kind: Kind,
    tag: bool,
    binary: bool,
    files: Vec<String>,
    at: usize,
    open: Option<Reading>,
    status: i32,
}

impl Sum {
    /// A digest's line. A name with a newline or backslash is escaped, which a backslash at the line's beginning tells.
    fn row(&self, name: &str, digest: &str) -> String {
        let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        let mark = if escaped == name { "" } else { "\\" };
        if self.tag {
            return format!("{mark}{} ({escaped}) = {digest}\n", self.kind.tag);
        }
        format!("{mark}{digest} {}{escaped}\n", if self.binary { '*' } else { ' ' })
    }
}

impl<K: Kernel> Program<K> for Sum {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(name) = self.files.get(self.at).cloned() else { return Step::Exit(self.status) };
        let Some(reading) = &mut self.open else {
            let opened = if name == "-" { Ok(0) } else { sys.open(&name, Open::Read) };
            match opened {
                Ok(fd) => self.open = Some(Reading { fd, digest: (self.kind.start)() }),
                Err(errno) => {
                    sys.err(&format!("{}: {name}: {errno}\n", self.kind.name));
                    self.status = 1;
                    self.at += 1;
                }
            }
            return Step::Again;
        };
        match sys.read(reading.fd, 65536) {
            Ok(Read::Data(data)) => reading.digest.update(&data),
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(reading.fd)),
            Ok(Read::Eof) => {
                if reading.fd != 0 {
                    sys.close(reading.fd);
                }
                let digest = hex(&reading.digest.finalize_reset());
                sys.out(&self.row(&name, &digest));
                self.open = None;
                self.at += 1;
            }
            Err(errno) => {
                sys.err(&format!("{}: {name}: {errno}\n", self.kind.name));
                self.status = 1;
                self.open = None;
                self.at += 1;
            }
        }
        Step::Again
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    proper: u64,
    improper: u64,
    different: u64,
    unreadable: u64,
    matched: u64,
}

/// `-c`: reads a list of digests and compares.
#[derive(Clone)]
struct Check {
    kind: Kind,
    quiet: bool,
    silent: bool,
    strict: bool,
    warn: bool,
    ignore_missing: bool,
    counts: Counts,
    list: String,
    line: u64,
}

impl Check {
    /// Digest and name of a line, in either form.
    fn split<'a>(&self, line: &'a str) -> Option<(&'a str, &'a str)> {
        if let Some((name, digest)) =
            line.strip_prefix(self.kind.tag).and_then(|l| l.strip_prefix(" (")).and_then(|l| l.rsplit_once(") = "))
        {
            return Some((digest, name));
        }
        let (digest, rest) = line.split_once(' ')?;
        let name = rest.strip_prefix([' ', '*'])?;
        let proper = digest.len() == self.kind.size * 2 && digest.bytes().all(|b| b.is_ascii_hexdigit());
        (proper && !name.is_empty()).then_some((digest, name))
    }

    fn warning<K: Kernel>(&self, sys: &mut Sys<'_, K>, count: u64, one: &str, many: &str) {
        if count > 0 && !self.silent {
            let text = if count == 1 { one } else { many };
            sys.err(&format!("{}: WARNING: {count} {text}\n", self.kind.name));
        }
    }
}

impl<K: Kernel> LineFilter<K> for Check {
    fn file_begins(&mut self, _: &mut Sys<'_, K>, name: &str) -> Flow {
        self.counts = Counts::default();
        self.line = 0;
        self.list = if name == "-" { "'standard input'".to_owned() } else { name.to_owned() };
        Flow::Go
    }

    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], _: bool) -> Flow {
        let name = self.kind.name;
        self.line += 1;
        let text = String::from_utf8_lossy(line);
        if text.starts_with('#') {
            return Flow::Go;
        }
        let Some((digest, file)) = self.split(&text) else {
            self.counts.improper += 1;
            if self.warn {
                let (list, at) = (&self.list, self.line);
                sys.err(&format!("{name}: {list}: {at}: improperly formatted {} checksum line\n", self.kind.tag));
            }
            return Flow::Go;
        };
        self.counts.proper += 1;
        match sys.read_file(file) {
            Ok(data) => {
                let mut own = (self.kind.start)();
                own.update(&data);
                sys.charge(data.len() as u64 / 64);
                let same = hex(&own.finalize_reset()).eq_ignore_ascii_case(digest);
                self.counts.different += u64::from(!same);
                self.counts.matched += u64::from(same);
                if !(self.silent || same && self.quiet) {
                    sys.out(&format!("{file}: {}\n", if same { "OK" } else { "FAILED" }));
                }
            }
            Err(crate::Errno::ENOENT) if self.ignore_missing => {}
            Err(errno) => {
                sys.err(&format!("{name}: {file}: {errno}\n"));
                self.counts.unreadable += 1;
                if !self.silent {
                    sys.out(&format!("{file}: FAILED open or read\n"));
                }
            }
        }
        Flow::Go
    }

    fn end(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        let counts = self.counts;
        if counts.proper == 0 {
            if !self.list.is_empty() {
                sys.err(&format!("{}: {}: no properly formatted checksum lines found\n", self.kind.name, self.list));
            }
            return 1;
        }
        self.warning(sys, counts.improper, "line is improperly formatted", "lines are improperly formatted");
        self.warning(sys, counts.unreadable, "listed file could not be read", "listed files could not be read");
        self.warning(sys, counts.different, "computed checksum did NOT match", "computed checksums did NOT match");
        if self.ignore_missing && counts.matched == 0 {
            sys.err(&format!("{}: {}: no file was verified\n", self.kind.name, self.list));
            return 1;
        }
        i32::from(counts.different + counts.unreadable > 0 || (self.strict && counts.improper > 0))
    }
}
