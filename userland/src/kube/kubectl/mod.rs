//! kubectl: shows and changes the objects of the cluster. It reaches the store from every machine.

mod args;
mod change;
mod exec;
mod get;
mod make;
mod select;
mod wait;

use hopwise_cluster::{Object, Store};
use hopwise_machine::{Program, Read, Step, Sys, Wait};

use crate::kernel::SimKernel;
use args::Args;

/// What a command has printed, and how it ended.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
struct Done {
    out: String,
    err: String,
    status: i32,
}

impl Done {
    fn ok(out: impl Into<String>) -> Self {
        Done { out: out.into(), ..Done::default() }
    }

    /// An error, with kubectl's status for errors.
    fn fail(err: impl Into<String>) -> Self {
        let mut err = err.into();
        err.push('\n');
        Done { err, status: 1, ..Done::default() }
    }
}

/// A command's result: done, or to be gone on with.
enum Next {
    Done(Done),
    /// Something has to happen first; what was printed until then.
    Later(Done, Box<dyn Later>),
}

impl From<Done> for Next {
    fn from(done: Done) -> Self {
        Next::Done(done)
    }
}

/// The rest of a command that waits for something.
trait Later: dyn_clone::DynClone + Send {
    /// Looks again.
    fn go_on(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step;
}

dyn_clone::clone_trait_object!(Later);

/// A command: reads its arguments and carries itself out. `input` is what `-f -` means.
type Run = fn(&mut Sys<'_, SimKernel>, &Args, &str) -> Result<Next, Done>;

/// The commands, one line each.
const COMMANDS: &[(&str, Run)] = &[
    ("apply", change::apply),
    ("cluster-info", get::cluster_info),
    ("create", make::create),
    ("delete", change::delete),
    ("describe", get::describe),
    ("exec", exec::exec),
    ("expose", make::expose),
    ("get", get::get),
    ("label", change::label),
    ("logs", exec::logs),
    ("rollout", wait::rollout),
    ("run", make::run),
    ("scale", change::scale),
    ("version", get::version),
    ("wait", wait::wait),
];

/// Starts `kubectl`.
pub(crate) fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Kubectl { args: args.to_vec(), input: Vec::new(), later: None })
}

#[derive(Clone)]
struct Kubectl {
    args: Vec<String>,
    /// What came through standard input for `-f -`.
    input: Vec<u8>,
    later: Option<Box<dyn Later>>,
}

impl Program<SimKernel> for Kubectl {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(later) = &mut self.later {
            return later.go_on(sys);
        }
        let args = match Args::parse(&self.args) {
            Ok(args) => args,
            Err(why) => return print(sys, &Done::fail(format!("error: {why}\nSee 'kubectl --help' for usage."))),
        };
        if args.all("filename").contains(&"-") {
            loop {
                match sys.read(0, 65_536) {
                    Ok(Read::Data(data)) => self.input.extend(data),
                    Ok(Read::WouldBlock) => return Step::Block(Wait::readable(0)),
                    Ok(Read::Eof) | Err(_) => break,
                }
            }
        }
        let input = String::from_utf8_lossy(&self.input).into_owned();
        match run(sys, &args, &input).unwrap_or_else(Next::Done) {
            Next::Done(done) => print(sys, &done),
            Next::Later(done, mut later) => {
                print(sys, &done);
                let step = later.go_on(sys);
                self.later = Some(later);
                step
            }
        }
    }
}

fn print(sys: &mut Sys<'_, SimKernel>, done: &Done) -> Step {
    sys.out(&done.out);
    sys.err(&done.err);
    Step::Exit(done.status)
}

fn run(sys: &mut Sys<'_, SimKernel>, args: &Args, input: &str) -> Result<Next, Done> {
    let Some(word) = args.words.first() else { return Ok(Done::ok(usage()).into()) };
    let Some((_, command)) = COMMANDS.iter().find(|(name, _)| name == word) else {
        return Err(Done::fail(format!("error: unknown command {word:?} for \"kubectl\"")));
    };
    if !sys.kernel.kube.is_up() && word != "version" {
        let host = "localhost:8080";
        return Err(Done::fail(format!(
            "The connection to the server {host} was refused - did you specify the right host or port?"
        )));
    }
    command(sys, args, input)
}

fn usage() -> String {
    let names: Vec<String> = COMMANDS.iter().map(|(name, _)| format!("  {name}\n")).collect();
    format!("kubectl controls the Kubernetes cluster manager.\n\nCommands:\n{}", names.concat())
}

/// `pod/web`, as messages name an object.
fn named(object: &dyn Object) -> String {
    hopwise_cluster::print::table::name(object.info(), &object.meta().name)
}

/// The store as it is.
fn store<'a>(sys: &'a mut Sys<'_, SimKernel>) -> &'a mut Store {
    sys.kernel.store()
}
