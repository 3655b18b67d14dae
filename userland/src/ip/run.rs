//! The program `ip` as a process: reads options, runs one command or a batch, becomes other programs in namespaces.

use hopwise_machine::{ExitStatus, Program, Spawn, Step, Sys, Wait};
use hopwise_sim_core::NsId;

use super::args::{self, Args, Done, Fail};
use super::batch::{Script, Source, failed, run_one};
use super::{Family, Options, Plan, command, netns};
use crate::kernel::SimKernel;

/// Starts `ip`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(IpProgram { state: State::Start, args: args.to_vec() })
}

#[derive(Clone)]
struct IpProgram {
    state: State,
    args: Vec<String>,
}

#[derive(Clone)]
enum State {
    /// Nothing was done yet.
    Start,
    /// A batch comes through standard input.
    Reading { opt: Options, ns: NsId, source: Source },
    /// A batch is carried out; `child` is the program that its last line runs in a namespace.
    Batch { opt: Options, ns: NsId, script: Script, child: Option<u32> },
    /// A program runs in each namespace.
    Each { names: Vec<(String, NsId)>, argv: Vec<String>, child: Option<u32>, home: NsId },
}

impl Program<SimKernel> for IpProgram {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        match core::mem::replace(&mut self.state, State::Start) {
            State::Start => self.begin(sys),
            State::Reading { opt, ns, source } => self.read_batch(sys, opt, ns, source),
            State::Batch { opt, ns, script, child } => self.batch(sys, opt, ns, script, child),
            State::Each { names, argv, child, home } => self.each(sys, names, argv, child, home),
        }
    }
}

impl IpProgram {
    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let mut args = Args::new(self.args.clone());
        let (opt, ns) = match options(sys, &mut args) {
            Ok(Some(found)) => found,
            Ok(None) => return Step::Exit(0),
            Err(fail) => return failed(sys, &fail),
        };
        match opt.batch.as_deref().map(|name| Source::open(sys, name)) {
            None => {
                let (result, plan) = run_one(sys, &opt, ns, args, command);
                self.finish(sys, result, plan)
            }
            Some(Ok(source)) => self.read_batch(sys, opt, ns, source),
            Some(Err(fail)) => failed(sys, &fail),
        }
    }

    fn read_batch(&mut self, sys: &mut Sys<'_, SimKernel>, opt: Options, ns: NsId, mut source: Source) -> Step {
        let text = match source.read(sys) {
            Ok(text) => text,
            Err(step) => {
                self.state = State::Reading { opt, ns, source };
                return step;
            }
        };
        let script = Script::new(source.name, &text, opt.force);
        self.batch(sys, opt, ns, script, None)
    }

    /// One line after the other. What `netns exec` runs is waited for (`cmd_exec` forks in a batch).
    fn batch(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        opt: Options,
        ns: NsId,
        mut script: Script,
        mut child: Option<u32>,
    ) -> Step {
        loop {
            let result = match child.take() {
                Some(pid) => match sys.reap(pid) {
                    Ok(None) => {
                        self.state = State::Batch { opt, ns, script, child: Some(pid) };
                        return Step::Block(Wait::event());
                    }
                    Ok(Some(ExitStatus::Code(0))) => Ok(()),
                    _ => Err(Fail::silent(1)),
                },
                None => {
                    let args = match script.command(sys) {
                        Ok(args) => args,
                        Err(status) => return Step::Exit(status),
                    };
                    match run_one(sys, &opt, ns, args, command) {
                        (Ok(()), Some(plan)) => match exec_in_batch(sys, plan) {
                            Ok(pid) => {
                                child = Some(pid);
                                continue;
                            }
                            Err(fail) => Err(fail),
                        },
                        (result, _) => result,
                    }
                }
            };
            if let Err(status) = script.became(sys, result) {
                return Step::Exit(status);
            }
        }
    }

    fn finish(&mut self, sys: &mut Sys<'_, SimKernel>, result: Done, plan: Option<Plan>) -> Step {
        if let Err(fail) = result {
            return failed(sys, &fail);
        }
        match plan {
            None => Step::Exit(0),
            Some(Plan::Become(argv)) => match check_program(sys, &argv) {
                Ok(()) => Step::Exec(argv),
                Err(fail) => failed(sys, &fail),
            },
            Some(Plan::Exec { ns: (name, ns), argv }) => {
                if let Err(fail) = check_program(sys, &argv) {
                    return failed(sys, &fail);
                }
                netns::enter(sys, &name, ns);
                Step::Exec(argv)
            }
            Some(Plan::Each { names, argv }) => {
                let home = sys.ns();
                self.each(sys, names, argv, None, home)
            }
        }
    }

    /// One namespace after the other; `child` is the program that runs in the last one.
    fn each(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        mut names: Vec<(String, NsId)>,
        argv: Vec<String>,
        mut child: Option<u32>,
        home: NsId,
    ) -> Step {
        loop {
            if let Some(pid) = child {
                if let Ok(None) = sys.reap(pid) {
                    self.state = State::Each { names, argv, child, home };
                    return Step::Block(Wait::event());
                }
                child = None;
            }
            let Some((name, ns)) = names.pop() else { return Step::Exit(0) };
            sys.out(&format!("\nnetns: {name}\n"));
            if let Err(fail) = check_program(sys, &argv) {
                sys.err(&fail.text);
                continue;
            }
            netns::enter(sys, &name, ns);
            child = sys.spawn(Spawn::new(argv.clone())).ok();
            sys.set_ns(home);
        }
    }
}

/// Starts what a line of a batch runs in a namespace.
fn exec_in_batch(sys: &mut Sys<'_, SimKernel>, plan: Plan) -> Done<u32> {
    let (name, ns, argv) = match plan {
        Plan::Exec { ns: (name, ns), argv } => (name, ns, argv),
        Plan::Become(argv) => {
            check_program(sys, &argv)?;
            return sys.spawn(Spawn::new(argv)).map_err(|errno| Fail::new(1, format!("fork: {errno}")));
        }
        Plan::Each { .. } => return Err(Fail::new(1, "\"-all netns exec\" cannot be used in a batch")),
    };
    check_program(sys, &argv)?;
    let home = sys.ns();
    netns::enter(sys, &name, ns);
    let child = sys.spawn(Spawn::new(argv));
    sys.set_ns(home);
    child.map_err(|errno| Fail::new(1, format!("fork: {errno}")))
}

/// The words of `execvp` failing in `cmd_exec`.
fn check_program(sys: &mut Sys<'_, SimKernel>, argv: &[String]) -> Done {
    let name = argv.first().map_or("", String::as_str);
    sys.find_program(name).map(|_| ()).map_err(|errno| Fail::new(1, format!("exec of \"{name}\" failed: {errno}")))
}

/// Reads the options before the object, in iproute2's order of abbreviations. `None`: all was said.
fn options(sys: &mut Sys<'_, SimKernel>, args: &mut Args) -> Done<Option<(Options, NsId)>> {
    let mut opt = Options::default();
    let mut ns = sys.ns();
    while let Some(word) = args.peek().filter(|w| w.starts_with('-')).map(str::to_owned) {
        args.next();
        if word == "--" {
            break;
        }
        let name = if word.starts_with("--") { word.get(1..).unwrap_or_default() } else { &word };
        match long_name(name) {
            Some("-loops") => opt.loops = args.number("\"loops\" value is invalid")?,
            Some("-family") => opt.family = family(&args.need()?)?,
            Some("-4") => opt.family = Family::Inet,
            Some("-6") => opt.family = Family::Inet6,
            Some("-0") => opt.family = Family::Link,
            Some("-M") => opt.family = Family::Mpls,
            Some("-B") => opt.family = Family::Bridge,
            Some("-human" | "-human-readable") => opt.human = true,
            Some("-iec") => opt.iec = true,
            Some("-stats" | "-statistics") => opt.stats += 1,
            Some("-details") => opt.details += 1,
            Some("-resolve") => opt.resolve = true,
            Some("-oneline") => opt.oneline = true,
            // Time stamps are printed by `ip monitor` only.
            Some("-timestamp" | "-tshort" | "-color") => {}
            Some("-Version") => {
                sys.out("ip utility, iproute2-6.1.0, libbpf 1.1.2\n");
                return Ok(None);
            }
            Some("-force") => opt.force = true,
            Some("-batch") => opt.batch = Some(args.need()?),
            Some("-brief") => opt.brief = true,
            Some("-json") => opt.json = true,
            Some("-pretty") => opt.pretty = true,
            Some("-rcvbuf") => {
                args.number::<u32>("Invalid rcvbuf size")?;
            }
            Some("-help") => return Err(Fail::usage(super::USAGE)),
            Some("-netns") => ns = netns::open(sys, &args.need()?)?,
            Some("-Numeric") => opt.numeric = true,
            Some("-all") => opt.all = true,
            _ => return Err(Fail::new(255, format!("Option \"{word}\" is unknown, try \"ip -help\"."))),
        }
    }
    Ok(Some((opt, ns)))
}

/// The option that a word abbreviates; the first in iproute2's order.
fn long_name(word: &str) -> Option<&'static str> {
    const NAMES: &[&str] = &[
        "-loops",
        "-family",
        "-4",
        "-6",
        "-0",
        "-M",
        "-B",
        "-human",
        "-human-readable",
        "-iec",
        "-stats",
        "-statistics",
        "-details",
        "-resolve",
        "-oneline",
        "-timestamp",
        "-tshort",
        "-Version",
        "-force",
        "-batch",
        "-brief",
        "-json",
        "-pretty",
        "-rcvbuf",
        "-color",
        "-help",
        "-netns",
        "-Numeric",
        "-all",
    ];
    let plain = word.split_once('=').map_or(word, |(name, _)| if name.starts_with("-c") { name } else { word });
    NAMES.iter().copied().find(|name| plain.len() > 1 && args::matches(plain, name))
}

/// `read_family`.
fn family(word: &str) -> Done<Family> {
    Ok(match word {
        "inet" => Family::Inet,
        "inet6" => Family::Inet6,
        "link" => Family::Link,
        "mpls" => Family::Mpls,
        "bridge" => Family::Bridge,
        "help" => return Err(Fail::usage(super::USAGE)),
        _ => return Err(args::invarg("invalid protocol family", word)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_be_abbreviated_in_iproute2s_order() {
        let long = |w| long_name(w).unwrap_or("?");
        assert_eq!(
            ["-b", "-br", "-s", "-st", "-d", "-o", "-n", "-N", "-a", "-c=always", "-h"].map(long),
            [
                "-batch", "-brief", "-stats", "-stats", "-details", "-oneline", "-netns", "-Numeric", "-all", "-color",
                "-human"
            ]
        );
        assert_eq!(["-foo", "-", "-5"].map(long), ["?"; 3]);
    }
}
