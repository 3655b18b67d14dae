//! `nsenter` and `unshare` of util-linux 2.38, for network namespaces. A machine has one namespace of every other kind:
//! to enter that of another process changes nothing, to make a new one is refused.

use hopwise_machine::{Program, Step, Sys};
use hopwise_sim_core::{Errno, NsId};

use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;

/// The shell that runs if neither a program nor `$SHELL` is given.
const DEFAULT_SHELL: &str = "/bin/sh";

/// Where `ip netns` keeps the names of namespaces.
const NETNS_RUN_DIR: &str = "/run/netns/";

/// What ends the program at once: exit status and text.
type Refusal = (i32, String);

fn fail<T>(text: String) -> Result<T, Refusal> {
    Err((1, text + "\n"))
}

/// Reads a command line, does what it says, and gives the program to become with its arguments.
type Prepare = fn(&mut Sys<'_, SimKernel>, &[String]) -> Result<Vec<String>, Refusal>;

/// A program that prepares itself and then becomes another one.
#[derive(Clone)]
struct Becoming {
    args: Vec<String>,
    prepare: Prepare,
}

impl Program<SimKernel> for Becoming {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        match (self.prepare)(sys, &self.args) {
            Ok(argv) => exec(sys, argv),
            Err((0, text)) => {
                sys.out(&text);
                Step::Exit(0)
            }
            Err((status, text)) => {
                sys.err(&text);
                Step::Exit(status)
            }
        }
    }
}

/// Becomes the program, or the user's shell without one (`errexec`, `exec_shell`).
fn exec(sys: &mut Sys<'_, SimKernel>, mut argv: Vec<String>) -> Step {
    if argv.is_empty() {
        argv.push(sys.env("SHELL").filter(|s| !s.is_empty()).unwrap_or_else(|| DEFAULT_SHELL.to_owned()));
    }
    let name = argv.first().cloned().unwrap_or_default();
    match sys.find_program(&name) {
        Ok(_) => Step::Exec(argv),
        Err(errno) => {
            let this = sys.name();
            sys.err(&format!("{this}: failed to execute {name}: {errno}\n"));
            Step::Exit(if errno == Errno::ENOENT { 127 } else { 126 })
        }
    }
}

/// `nsenter`
pub fn nsenter(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Becoming { args: args.to_vec(), prepare: enter })
}

/// `unshare`
pub fn unshare(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Becoming { args: args.to_vec(), prepare: leave })
}

const NSENTER_LONG: &[Long] = &[
    ("all", Argument::No, 'a'),
    ("cgroup", Argument::No, 'C'),
    ("follow-context", Argument::No, 'Z'),
    ("help", Argument::No, 'h'),
    ("ipc", Argument::No, 'i'),
    ("mount", Argument::No, 'm'),
    ("net", Argument::Optional, 'n'),
    ("no-fork", Argument::No, 'F'),
    ("pid", Argument::No, 'p'),
    ("target", Argument::Required, 't'),
    ("time", Argument::No, 'T'),
    ("user", Argument::No, 'U'),
    ("uts", Argument::No, 'u'),
    ("version", Argument::No, 'V'),
    ("wd", Argument::Required, 'w'),
];

const NSENTER_HELP: &str = "\nUsage:\n nsenter [options] [<program> [<argument>...]]\n\n\
Run a program with namespaces of other processes.\n\nOptions:\n\
\x20-a, --all              enter all namespaces\n\
\x20-t, --target <pid>     target process to get namespaces from\n\
\x20-m, -u, -i, -p, -C, -U, -T   the other namespaces of the target (a machine has one of each)\n\
\x20-n, --net[=<file>]     enter network namespace\n\
\x20-w, --wd=<dir>         set the working directory\n\
\x20-F, --no-fork          do not fork before exec'ing <program>\n\n\
\x20-h, --help             display this help\n\
\x20-V, --version          display version\n";

fn enter(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Vec<String>, Refusal> {
    let parsed = getopt::parse(args, "+ahVt:n::muipCUTFZw:", NSENTER_LONG);
    let (mut target, mut file, mut net, mut others, mut folder) = (None, None, false, false, None);
    for option in parsed.options {
        let option =
            option.or_else(|why| fail(format!("nsenter: {why}\nTry 'nsenter --help' for more information.")))?;
        match option.key {
            'h' => return Err((0, NSENTER_HELP.to_owned())),
            'V' => return Err((0, "nsenter from util-linux 2.38.1\n".to_owned())),
            't' => {
                let pid = option.text().parse::<u32>();
                target = Some(pid.or_else(|_| fail(format!("nsenter: failed to parse pid: '{}'", option.text())))?);
            }
            'n' => {
                net = true;
                file = option.value.or(file);
            }
            'a' => (net, others) = (true, true),
            'w' => folder = option.value,
            // No SELinux here, so there is no context to follow.
            'F' | 'Z' => {}
            _ => others = true,
        }
    }
    if net {
        let ns = match (file, target) {
            (Some(path), _) => namespace_of_file(sys, &path)?,
            (None, Some(pid)) => namespace_of_process(sys, pid)?,
            (None, None) => return fail("nsenter: neither filename nor target pid supplied for ns/net".to_owned()),
        };
        sys.set_ns(ns);
    }
    match target {
        Some(pid) if others => drop(namespace_of_process(sys, pid)?),
        None if others => return fail("nsenter: no target PID specified".to_owned()),
        _ => {}
    }
    if let Some(folder) = folder {
        sys.chdir(&folder).or_else(|errno| fail(format!("nsenter: cannot open {folder}: {errno}")))?;
    }
    Ok(parsed.operands)
}

fn namespace_of_process(sys: &Sys<'_, SimKernel>, pid: u32) -> Result<NsId, Refusal> {
    let missing = || fail(format!("nsenter: cannot open /proc/{pid}/ns/net: {}", Errno::ENOENT));
    sys.ns_of(pid).map_or_else(missing, Ok)
}

/// The namespace that a path stands for: a name of `ip netns`, or a process's entry in `/proc`.
fn namespace_of_file(sys: &mut Sys<'_, SimKernel>, path: &str) -> Result<NsId, Refusal> {
    let wanted = path.strip_prefix("/var").filter(|p| p.starts_with("/run/")).unwrap_or(path).to_owned();
    let wanted = sys.real_path(&wanted).unwrap_or(wanted);
    if let Some(name) = wanted.strip_prefix(NETNS_RUN_DIR)
        && let Some(ns) = sys.kernel.named(sys.machine(), name)
    {
        return Ok(ns);
    }
    let pid = path.strip_prefix("/proc/").and_then(|rest| rest.strip_suffix("/ns/net"));
    match pid {
        Some("self") => return Ok(sys.ns()),
        Some(pid) if let Some(ns) = pid.parse().ok().and_then(|pid| sys.ns_of(pid)) => return Ok(ns),
        _ => {}
    }
    match sys.stat(path, true) {
        Ok(_) => fail(format!("nsenter: reassociate to namespace 'ns/net' failed: {}", Errno::EINVAL)),
        Err(errno) => fail(format!("nsenter: cannot open {path}: {errno}")),
    }
}

const UNSHARE_LONG: &[Long] = &[
    ("cgroup", Argument::Optional, 'C'),
    ("fork", Argument::No, 'f'),
    ("help", Argument::No, 'h'),
    ("ipc", Argument::Optional, 'i'),
    ("map-root-user", Argument::No, 'r'),
    ("mount", Argument::No, 'm'),
    ("net", Argument::No, 'n'),
    ("pid", Argument::Optional, 'p'),
    ("time", Argument::Optional, 'T'),
    ("user", Argument::Optional, 'U'),
    ("uts", Argument::Optional, 'u'),
    ("version", Argument::No, 'V'),
    ("wd", Argument::Required, 'w'),
];

const UNSHARE_HELP: &str = "\nUsage:\n unshare [options] [<program> [<argument>...]]\n\n\
Run a program with some namespaces unshared from the parent.\n\nOptions:\n\
\x20-m, --mount               unshare mounts namespace\n\
\x20-n, --net                 unshare network namespace\n\
\x20-f, --fork                fork before launching <program>\n\
\x20-r, --map-root-user       map current user to root\n\
\x20-w, --wd=<dir>            change working directory to <dir>\n\n\
\x20-h, --help                display this help\n\
\x20-V, --version             display version\n";

fn leave(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Result<Vec<String>, Refusal> {
    let parsed = getopt::parse(args, "+hVmuinpCTUfrw:", UNSHARE_LONG);
    let mut net = false;
    for option in parsed.options {
        let option =
            option.or_else(|why| fail(format!("unshare: {why}\nTry 'unshare --help' for more information.")))?;
        match option.key {
            'h' => return Err((0, UNSHARE_HELP.to_owned())),
            'V' => return Err((0, "unshare from util-linux 2.38.1\n".to_owned())),
            'n' => net = true,
            // Binds belong to a process anyway; whoever is root already stays root.
            'm' | 'f' | 'r' => {}
            'w' => {
                let folder = option.text();
                sys.chdir(folder).or_else(|errno| fail(format!("unshare: cannot chdir to '{folder}': {errno}")))?;
            }
            _ => return fail(format!("unshare: unshare failed: {}", Errno::EINVAL)),
        }
    }
    if net {
        let ns = sys.kernel.net.add_namespace(SimKernel::host_of(sys.machine()));
        sys.set_ns(ns);
    }
    Ok(parsed.operands)
}
