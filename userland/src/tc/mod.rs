//! `tc` of iproute2 6.1: queueing disciplines. There are no filters and no actions, and no classes that can be made:
//! what asks for them is refused as by a kernel without them.

mod class;
mod fifo;
mod kinds;
mod netem;
mod prio;
mod qdisc;
mod tbf;
mod units;

use hopwise_machine::{Program, Sys, once};
use hopwise_sim_core::NsId;

use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, Options, Out, netns};
use crate::kernel::SimKernel;

/// Starts `tc`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let words = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| {
        let mut args = Args::new(words);
        let result = match options(sys, &mut args) {
            Ok(Some((opt, ns))) => match opt.batch.clone() {
                Some(file) => return batch(sys, &opt, ns, &file),
                None => run_one(sys, &opt, ns, &mut args),
            },
            Ok(None) => Ok(()),
            Err(fail) => Err(fail),
        };
        match result {
            Ok(()) => 0,
            Err(fail) => {
                sys.err(&fail.text);
                fail.status
            }
        }
    })
}

fn run_one(sys: &mut Sys<'_, SimKernel>, opt: &Options, ns: NsId, args: &mut Args) -> Done {
    let out = if opt.json { Out::json_mode(opt.pretty) } else { Out::text_mode(opt.oneline) };
    let mut ip = Ip { sys, opt: opt.clone(), ns, out, plan: None };
    let result = command(&mut ip, args);
    let text = ip.out.take();
    sys.out(&text);
    result
}

/// A batch: one command per line of a file.
fn batch(sys: &mut Sys<'_, SimKernel>, opt: &Options, ns: NsId, file: &str) -> i32 {
    let text = match sys.read_file(file) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(errno) => {
            sys.err(&format!("Cannot open file \"{file}\" for reading: {errno}\n"));
            return 255;
        }
    };
    let mut status = 0;
    for (number, line) in text.lines().enumerate() {
        let words: Vec<String> =
            line.split('#').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            continue;
        }
        if let Err(fail) = run_one(sys, opt, ns, &mut Args::new(words)) {
            sys.err(&format!("{}Command failed {file}:{}\n", fail.text, number + 1));
            status = 1;
            if !opt.force {
                break;
            }
        }
    }
    status
}

fn command(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(word) = args.next() else {
        // Without an object the usage is all that was asked for.
        return Err(Fail { text: USAGE.to_owned(), status: 0 });
    };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("qdisc") => qdisc::run(ip, args),
        () if is("class") => class::run(ip, args),
        () if is("filter") => filter(ip, args),
        () if is("chain") => filter(ip, args),
        () if is("help") => Err(Fail { text: USAGE.to_owned(), status: 0 }),
        () => Err(Fail::new(255, format!("Object \"{word}\" is unknown, try \"tc help\"."))),
    }
}

/// `tc filter`: there are none. Adding one is refused as by a kernel that was built without classifiers.
fn filter(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let word = args.next().unwrap_or_else(|| "show".into());
    let is = |full| args::matches(&word, full);
    let device = device(args);
    match () {
        () if is("show") || is("list") || is("lst") => device.map_or(Ok(()), |name| ip.need_link(&name).map(|_| ())),
        () if is("add") || is("change") || is("replace") || is("delete") || is("get") => {
            if let Some(name) = device {
                ip.need_link(&name)?;
            }
            Err(Fail::new(2, "Error: TC classifier not found.\nWe have an error talking to the kernel"))
        }
        () => Err(Fail::new(255, format!("Command \"{word}\" is unknown, try \"tc filter help\"."))),
    }
}

/// The word after `dev`.
fn device(args: &mut Args) -> Option<String> {
    let words = args.rest();
    let at = words.iter().position(|word| word == "dev")?;
    words.get(at + 1).cloned()
}

/// Reads the options before the object. `None`: all was said.
fn options(sys: &mut Sys<'_, SimKernel>, args: &mut Args) -> Done<Option<(Options, NsId)>> {
    const NAMES: &[&str] = &[
        "-stats",
        "-statistics",
        "-details",
        "-pretty",
        "-iec",
        "-help",
        "-force",
        "-batch",
        "-netns",
        "-Numeric",
        "-names",
        "-nm",
        "-color",
        "-timestamp",
        "-tshort",
        "-json",
        "-oneline",
        "-brief",
        "-Version",
    ];
    let mut opt = Options::default();
    let mut ns = sys.ns();
    while let Some(word) = args.peek().filter(|w| w.starts_with('-')).map(str::to_owned) {
        args.next();
        if word == "--" {
            break;
        }
        let name = if word.starts_with("--") { word.get(1..).unwrap_or_default() } else { &word };
        match NAMES.iter().copied().find(|full| name.len() > 1 && args::matches(name, full)) {
            Some("-stats" | "-statistics") => opt.stats += 1,
            Some("-details") => opt.details += 1,
            Some("-pretty") => opt.pretty = true,
            Some("-iec") => opt.iec = true,
            Some("-help") => return Err(Fail { text: USAGE.to_owned(), status: 0 }),
            Some("-force") => opt.force = true,
            Some("-batch") => opt.batch = Some(args.next().ok_or_else(|| Fail::usage(USAGE))?),
            Some("-netns") => ns = netns::open(sys, &args.need()?)?,
            Some("-Numeric" | "-names" | "-nm" | "-color" | "-timestamp" | "-tshort" | "-brief") => {}
            Some("-json") => opt.json = true,
            Some("-oneline") => opt.oneline = true,
            Some("-Version") => {
                sys.out("tc utility, iproute2-6.1.0, libbpf 1.1.2\n");
                return Ok(None);
            }
            _ => return Err(Fail::new(255, format!("Option \"{word}\" is unknown, try \"tc -help\"."))),
        }
    }
    Ok(Some((opt, ns)))
}

const USAGE: &str = "Usage:\ttc [ OPTIONS ] OBJECT { COMMAND | help }
\ttc [-force] -batch filename
where  OBJECT := { qdisc | class | filter | chain }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] |
\t\t    -o[neline] | -j[son] | -p[retty] | -c[olor]
\t\t    -b[atch] [filename] | -n[etns] name | -N[umeric] |
\t\t     -nm | -nam[es] |
\t\t     -br[ief] }
";
