//! `iptables-save` and `iptables-restore` 1.8.9.

use hopwise_machine::{Open, Program, Read, Step, Sys, Wait, once};
use hopwise_netfilter::hook::TableId;
use hopwise_netfilter::xtables::restore::{self, Restore};
use hopwise_netfilter::xtables::{Tool, VERSION, save as save_rules};

use super::iptables::{print, typed, with_rules};
use super::names::Files;
use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;
use crate::kmod::ctime;

const SAVE_LONG: &[Long] = &[
    ("counters", Argument::No, 'c'),
    ("version", Argument::No, 'V'),
    ("dump", Argument::No, 'd'),
    ("table", Argument::Required, 't'),
    ("modprobe", Argument::Required, 'M'),
    ("file", Argument::Required, 'f'),
    ("ipv4", Argument::No, '4'),
    ("ipv6", Argument::No, '6'),
];

/// Starts `iptables-save`.
pub(crate) fn save(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| {
        let parsed = getopt::parse(&args, "bcdt:M:f:46V", SAVE_LONG);
        let (mut counters, mut only, mut file) = (false, None, None);
        for option in parsed.options {
            match option {
                Ok(opt) => match opt.key {
                    'c' => counters = true,
                    't' => only = opt.value,
                    'f' => file = opt.value,
                    'V' => {
                        sys.out(&format!("iptables-save {VERSION}\n"));
                        return 0;
                    }
                    _ => {}
                },
                Err(why) => {
                    let manual = "Look at manual page `iptables-save.8' for more information.";
                    sys.err(&format!("iptables-save: {why}\n{manual}\n"));
                    return 1;
                }
            }
        }
        if !parsed.operands.is_empty() {
            sys.err("Unknown arguments found on commandline\n");
            return 1;
        }
        let table = match only.as_deref().map(|name| TableId::of_name(name).ok_or(name)) {
            None => None,
            Some(Ok(id)) => Some(id),
            Some(Err(name)) => {
                sys.out(&format!("Table `{name}' does not exist\n"));
                return 1;
            }
        };
        let now = ctime(sys.now().unix_nanos() / 1_000_000_000);
        let files = Files::read(sys);
        let text = with_rules(sys, |rules| save_rules(rules, table, counters, &now, &files));
        match file {
            None => sys.out(&text),
            Some(path) => {
                if let Err(errno) = sys.write_file(&path, text.as_bytes()) {
                    sys.err(&format!("Failed to open file, error: {errno}\n"));
                    return 1;
                }
            }
        }
        0
    })
}

const RESTORE_LONG: &[Long] = &[
    ("counters", Argument::No, 'c'),
    ("verbose", Argument::No, 'v'),
    ("version", Argument::No, 'V'),
    ("test", Argument::No, 't'),
    ("help", Argument::No, 'h'),
    ("noflush", Argument::No, 'n'),
    ("modprobe", Argument::Required, 'M'),
    ("table", Argument::Required, 'T'),
    ("wait", Argument::Optional, 'w'),
    ("wait-interval", Argument::Optional, 'W'),
    ("ipv4", Argument::No, '4'),
    ("ipv6", Argument::No, '6'),
];

const USAGE: &str = "Usage: iptables-restore [-c] [-v] [-V] [-t] [-h] [-n] [-T table] [-M command] [-4] [-6] [file]
\t   [ --counters ]
\t   [ --verbose ]
\t   [ --version]
\t   [ --test ]
\t   [ --help ]
\t   [ --noflush ]
\t   [ --table=<TABLE> ]
\t   [ --modprobe=<command> ]
\t   [ --ipv4 ]
\t   [ --ipv6 ]
";

/// `iptables-restore` while it reads.
#[derive(Clone)]
struct Restoring {
    args: Vec<String>,
    /// The descriptor that is read, once it is open.
    open: Option<u32>,
    text: Vec<u8>,
    counters: bool,
    noflush: bool,
    test: bool,
    verbose: bool,
    only: Option<String>,
}

/// Starts `iptables-restore`.
pub(crate) fn restore(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Restoring {
        args: args.to_vec(),
        open: None,
        text: Vec::new(),
        counters: false,
        noflush: false,
        test: false,
        verbose: false,
        only: None,
    })
}

impl Restoring {
    /// Reads the options and opens the file. `Err`: it ends with that status.
    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<u32, i32> {
        let parsed = getopt::parse(&self.args, "bcvVthnwWM:T:46", RESTORE_LONG);
        for option in parsed.options {
            match option {
                Ok(opt) => match opt.key {
                    'c' => self.counters = true,
                    'v' => self.verbose = true,
                    't' => self.test = true,
                    'n' => self.noflush = true,
                    'T' => self.only = opt.value,
                    'V' => {
                        sys.out(&format!("iptables-restore {VERSION}\n"));
                        return Err(0);
                    }
                    'h' => {
                        sys.err(USAGE);
                        return Err(0);
                    }
                    _ => {}
                },
                Err(why) => {
                    let hint = "Try `iptables-restore -h' for more information.";
                    sys.err(&format!("iptables-restore: {why}\n{hint}\n"));
                    return Err(1);
                }
            }
        }
        // A number is what `-w` waits for; nobody holds the lock here.
        let mut operands = parsed.operands.iter().filter(|word| word.parse::<u32>().is_err());
        let Some(file) = operands.next() else { return Ok(0) };
        if operands.next().is_some() {
            sys.err("Unknown arguments found on commandline\n");
            return Err(1);
        }
        sys.open(file, Open::Read).map_err(|errno| {
            sys.err(&format!("Can't open {file}: {errno}\n"));
            1
        })
    }

    fn finish(&self, sys: &mut Sys<'_, SimKernel>) -> i32 {
        let files = Files::read(sys);
        let text = String::from_utf8_lossy(&self.text);
        let how = Restore {
            counters: self.counters,
            noflush: self.noflush,
            test: self.test,
            verbose: self.verbose,
            only: self.only.as_deref(),
        };
        let tool = Tool { name: "iptables-restore", names: &files, by: typed(sys) };
        let answer = with_rules(sys, |rules| restore::run(rules, &text, how, tool));
        print(sys, &answer)
    }
}

impl Program<SimKernel> for Restoring {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let fd = match self.open {
            Some(fd) => fd,
            None => match self.begin(sys) {
                Ok(fd) => *self.open.insert(fd),
                Err(status) => return Step::Exit(status),
            },
        };
        loop {
            match sys.read(fd, 65536) {
                Ok(Read::Data(data)) => self.text.extend_from_slice(&data),
                Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
                Ok(Read::Eof) | Err(_) => return Step::Exit(self.finish(sys)),
            }
        }
    }
}
