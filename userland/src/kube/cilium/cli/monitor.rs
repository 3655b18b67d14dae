//! `cilium monitor`: what the programs tell, as it happens.

use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::path::tc::cilium::event::{Debug, Event, Kind};

use super::message::{Style, Verbosity, lines};
use super::{agent, maps};
use crate::kernel::SimKernel;

const USAGE: &str = "Usage:
  cilium monitor [flags]

Flags:
      --from []uint16         Filter by source endpoint id
  -h, --help                  help for monitor
      --hex                   Do not dissect, print payload in HEX
  -n, --numeric               Display all security identities as numeric values
      --related-to []uint16   Filter by either source or destination endpoint id
      --to []uint16           Filter by destination endpoint id
  -t, --type []string         Filter by event types [agent capture debug drop l7 policy-verdict recorder trace trace-sock]
  -v, --verbose bools[=false] Enable verbose output (-v, -vv)
";

/// Starts `cilium monitor`.
pub(super) fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Monitor { args: args.to_vec(), listening: None, filter: Filter::default() })
}

#[derive(Clone)]
struct Monitor {
    args: Vec<String>,
    /// The namespace of the node, and the number of the next event.
    listening: Option<(NsId, u64)>,
    filter: Filter,
}

/// What is printed, and how.
#[derive(Clone, Default)]
struct Filter {
    verbose: u8,
    hex: bool,
    numeric: bool,
    from: Vec<u16>,
    to: Vec<u16>,
    related: Vec<u16>,
    kinds: Vec<String>,
}

const KINDS: &[&str] =
    &["agent", "capture", "debug", "drop", "l7", "policy-verdict", "recorder", "trace", "trace-sock"];

impl Filter {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut filter = Filter::default();
        let mut words = args.iter().map(|word| &**word);
        while let Some(word) = words.next() {
            let (name, glued) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            match name {
                "-v" => filter.verbose += 1,
                "-vv" => filter.verbose += 2,
                "--verbose" => filter.verbose += u8::from(glued != Some("false")),
                "--hex" => filter.hex = true,
                "-n" | "--numeric" => filter.numeric = true,
                "-h" | "--help" => return Err(USAGE.to_owned()),
                "--from" | "--to" | "--related-to" | "-t" | "--type" => {
                    let value = glued.or_else(|| words.next());
                    let value = value.ok_or_else(|| format!("Error: flag needs an argument: {name}\n{USAGE}"))?;
                    filter.add(name, value)?;
                }
                _ => return Err(format!("Error: unknown flag: {word}\n{USAGE}")),
            }
        }
        Ok(filter)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        for part in value.split(',') {
            if matches!(name, "-t" | "--type") {
                if !KINDS.contains(&part) {
                    return Err(format!(
                        "Error: invalid argument {part:?} for \"-t, --type\" flag: Unknown type ({part}). Please use one of the following ones {KINDS:?}\n"
                    ));
                }
                self.kinds.push(part.to_owned());
                continue;
            }
            let number = part.parse().map_err(|_| {
                format!("Error: invalid argument {value:?} for {name:?} flag: strconv.ParseUint: parsing {part:?}: invalid syntax\n")
            })?;
            match name {
                "--from" => self.from.push(number),
                "--to" => self.to.push(number),
                _ => self.related.push(number),
            }
        }
        Ok(())
    }

    const fn verbosity(&self) -> Verbosity {
        match self.verbose {
            0 => Verbosity::Info,
            1 => Verbosity::Debug,
            _ => Verbosity::Verbose,
        }
    }

    /// Whether an event is wanted (`MonitorFormatter.match`).
    fn wants(&self, event: &Event) -> bool {
        let kind = match event.kind {
            Kind::Debug(Debug::Delivery(_)) => "capture",
            Kind::Debug(_) => "debug",
            Kind::Trace { .. } => "trace",
            Kind::Drop { .. } => "drop",
            Kind::Verdict { .. } => "policy-verdict",
        };
        if !self.kinds.is_empty() && !self.kinds.iter().any(|wanted| wanted == kind) {
            return false;
        }
        let to = match event.kind {
            Kind::Trace { to, .. } | Kind::Drop { to, .. } => to,
            Kind::Debug(_) | Kind::Verdict { .. } => 0,
        };
        let all = self.from.is_empty() && self.to.is_empty() && self.related.is_empty();
        all || self.from.contains(&event.source)
            || self.to.contains(&to)
            || self.related.contains(&event.source)
            || self.related.contains(&to)
    }
}

impl Program<SimKernel> for Monitor {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if self.listening.is_none() {
            self.filter = match Filter::parse(&self.args) {
                Ok(filter) => filter,
                Err(text) => {
                    let help = text == USAGE;
                    if help {
                        sys.out(&text)
                    } else {
                        sys.err(&text)
                    }
                    return Step::Exit(i32::from(!help));
                }
            };
            match agent(sys).map(|node| node.ns) {
                Ok(ns) => {
                    let pid = sys.pid();
                    self.listening = Some((ns, sys.kernel.listen_to_cilium(pid, ns)));
                    sys.out("Listening for events on 1 CPUs with 64x4096 of shared memory\nPress Ctrl-C to quit\n");
                }
                Err(text) => {
                    sys.err(&text);
                    return Step::Exit(1);
                }
            }
        }
        let mut text = String::new();
        if let Some((ns, next)) = self.listening {
            let (printed, next) = self.print(sys, ns, next);
            text = printed;
            self.listening = Some((ns, next));
        }
        if !text.is_empty() {
            sys.out(&text);
        }
        Step::Block(Wait::event())
    }
}

impl Monitor {
    /// The lines of all events from a number on, and the number of the next one.
    fn print(&self, sys: &Sys<'_, SimKernel>, ns: NsId, mut next: u64) -> (String, u64) {
        let mut text = String::new();
        let Ok(maps) = maps(sys) else { return (text, next) };
        let space = sys.kernel.net.ns(ns);
        let link = |index: u32| {
            let dev = space.and_then(|space| space.devs.get(IfIndex(index)));
            dev.map_or_else(|| index.to_string(), |dev| dev.name.to_string())
        };
        let Filter { hex, numeric, .. } = self.filter;
        let style = Style { verbosity: self.filter.verbosity(), hex, numeric, link: &link };
        while let Some((event, following)) = maps.events.next(next) {
            next = following;
            if self.filter.wants(event) {
                text += &lines(event, &style);
            }
        }
        (text, next)
    }
}
