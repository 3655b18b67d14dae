//! `bridge`: ports, forwarding databases and VLANs of bridges. Multicast groups are not kept: what asks for them is refused
//! as by a kernel without them.

mod fdb;
mod link;
mod vlan;

use hopwise_machine::{Program, Sys};
use hopwise_sim_core::{Errno, NsId};
use hopwise_stack::NlError;

use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::batch::{Said, Tool};
use crate::ip::{Ip, Options, Out, netns};
use crate::kernel::SimKernel;

/// Starts `bridge`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Tool { options, command }.start(args)
}

/// The options that only `bridge` has.
#[derive(Clone, Copy, Default)]
struct Extra {
    /// `-color`.
    color: bool,
    /// `-compressvlans`.
    compress: bool,
}

/// Carries out one command in a namespace, and gives what it prints.
pub(crate) fn run_in(sys: &mut Sys<'_, SimKernel>, ns: NsId, words: Vec<String>) -> Done<String> {
    let mut ip = Ip { sys, opt: Options::default(), ns, out: Out::text_mode(false), plan: None, by: None };
    command(&mut ip, &mut Args::new(words), &Extra::default())?;
    Ok(ip.out.take())
}

fn command(ip: &mut Ip<'_, '_>, args: &mut Args, extra: &Extra) -> Done {
    let Some(word) = args.next() else { return Err(Fail::usage(USAGE)) };
    let is = |full| args::matches(&word, full);
    match () {
        () if is("link") => link::run(ip, args),
        () if is("fdb") => fdb::run(ip, args),
        () if is("mdb") => mdb(ip, args),
        () if is("vlan") => vlan::run(ip, args, *extra),
        () if is("help") => Err(Fail::usage(USAGE)),
        () => Err(Fail::new(255, format!("Object \"{word}\" is unknown, try \"bridge help\"."))),
    }
}

/// `bridge mdb`: no bridge knows members of multicast groups; they are flooded.
fn mdb(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let word = args.next().unwrap_or_else(|| "show".into());
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") || is("delete") || is("replace") => Err(refused(NlError::from(Errno::EOPNOTSUPP))),
        () if is("show") || is("lst") || is("list") => {
            ip.out.open();
            ip.out.object(None, |out| {
                out.array(Some("mdb"), |_| {});
                out.object(Some("router"), |_| {});
            });
            ip.out.close();
            Ok(())
        }
        () => Err(Fail::last_word(format!("Command \"{word}\" is unknown, try \"bridge mdb help\"."))),
    }
}

/// A refusal of the kernel: `bridge` exits with -1.
fn refused(error: NlError) -> Fail {
    Fail { status: 255, ..Fail::from(error) }
}

/// Reads the options before the object. `None`: all was said.
fn options(sys: &mut Sys<'_, SimKernel>, args: &mut Args) -> Done<Option<Said<Extra>>> {
    const NAMES: &[&str] = &[
        "-help",
        "-Version",
        "-stats",
        "-statistics",
        "-details",
        "-oneline",
        "-timestamp",
        "-family",
        "-4",
        "-6",
        "-netns",
        "-color",
        "-compressvlans",
        "-force",
        "-json",
        "-pretty",
        "-batch",
        "-Numeric",
    ];
    let mut opt = Options::default();
    let (mut extra, mut ns) = (Extra::default(), sys.ns());
    while let Some(word) = args.peek().filter(|w| w.starts_with('-')).map(str::to_owned) {
        args.next();
        if word == "--" {
            break;
        }
        let name = if word.starts_with("--") { word.get(1..).unwrap_or_default() } else { &word };
        match NAMES.iter().copied().find(|full| name.len() > 1 && args::matches(name, full)) {
            Some("-help") => return Err(Fail::usage(USAGE)),
            Some("-Version") => {
                sys.out("bridge utility, 6.1.0\n");
                return Ok(None);
            }
            Some("-stats" | "-statistics") => opt.stats += 1,
            Some("-details") => opt.details += 1,
            Some("-oneline") => opt.oneline = true,
            Some("-timestamp" | "-4" | "-6") => {}
            // `-c` is the colour; the VLANs are compressed from `-com` on.
            Some("-color") => extra.color = true,
            Some("-compressvlans") => extra.compress = true,
            Some("-family") => drop(args.need()?),
            Some("-netns") => ns = netns::open(sys, &args.need()?)?,
            Some("-force") => opt.force = true,
            Some("-json") => opt.json = true,
            Some("-pretty") => opt.pretty = true,
            Some("-batch") => opt.batch = Some(args.need()?),
            Some("-Numeric") => opt.numeric = true,
            _ => return Err(Fail::new(255, format!("Option \"{word}\" is unknown, try \"bridge help\"."))),
        }
    }
    Ok(Some(Said { opt, ns, own: extra }))
}

const USAGE: &str = "Usage: bridge [ OPTIONS ] OBJECT { COMMAND | help }
       bridge [ -force ] -batch filename
where  OBJECT := { link | fdb | mdb | vlan }
       OPTIONS := { -V[ersion] | -s[tatistics] | -d[etails] |
                    -o[neline] | -t[imestamp] | -n[etns] name |
                    -c[ompressvlans] -color -p[retty] -j[son] }
";
