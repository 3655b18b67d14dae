//! `tc` of iproute2 6.1: queueing disciplines, and the programs at a link's hooks. There are no actions, and no classes that
//! can be made: what asks for them is refused as by a kernel without them.

mod class;
mod fifo;
mod filter;
mod fq_codel;
mod kinds;
mod netem;
mod prio;
mod qdisc;
mod tbf;
mod units;

use hopwise_machine::{Program, Sys};

use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::batch::{Said, Tool};
use crate::ip::{Ip, Options, netns};
use crate::kernel::SimKernel;

/// Starts `tc`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Tool { options, command }.start(args)
}

fn command(ip: &mut Ip<'_, '_>, args: &mut Args, (): &()) -> Done {
    let Some(word) = args.next() else {
        // Without an object the usage is all that was asked for.
        return Err(Fail::as_is(0, USAGE.to_owned()));
    };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("qdisc") => qdisc::run(ip, args),
        () if is("class") => class::run(ip, args),
        () if is("filter") => filter::run(ip, args),
        () if is("chain") => filter::chain(ip, args),
        () if is("help") => Err(Fail::as_is(0, USAGE.to_owned())),
        () => Err(Fail::new(255, format!("Object \"{word}\" is unknown, try \"tc help\"."))),
    }
}

/// The word after `dev`.
fn device(args: &mut Args) -> Option<String> {
    let words = args.rest();
    let at = words.iter().position(|word| word == "dev")?;
    words.get(at + 1).cloned()
}

/// Reads the options before the object. `None`: all was said.
fn options(sys: &mut Sys<'_, SimKernel>, args: &mut Args) -> Done<Option<Said<()>>> {
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
            Some("-help") => return Err(Fail::as_is(0, USAGE.to_owned())),
            Some("-force") => opt.force = true,
            Some("-batch") => {
                opt.batch = args.next();
                // The words follow once more, as without any object.
                if opt.batch.is_none() {
                    sys.err(USAGE);
                }
            }
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
    Ok(Some(Said { opt, ns, own: () }))
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
