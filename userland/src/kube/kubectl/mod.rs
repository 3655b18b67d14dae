//! kubectl: shows and changes the objects of the cluster. It reaches the store from every machine.

mod args;
mod attach;
mod change;
mod exec;
mod get;
mod info;
mod make;
mod metadata;
mod nodes;
mod patch;
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

    /// Tells what was asked for by name and is not there.
    fn missing(&mut self, chosen: &select::Chosen) {
        for error in &chosen.missing {
            self.err.push_str(&format!("{error}\n"));
            self.status = 1;
        }
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

/// A command: its name, the flags that it takes, what it does.
struct Command {
    name: &'static str,
    flags: &'static [&'static str],
    run: Run,
}

const fn row(name: &'static str, flags: &'static [&'static str], run: Run) -> Command {
    Command { name, flags, run }
}

/// The commands, one line each. Flags that only concern how long to wait for what takes no time here are taken.
const COMMANDS: &[Command] = &[
    row("annotate", &["all", "overwrite", "selector"], metadata::annotate),
    row("api-resources", &["no-headers"], info::api_resources),
    row("api-versions", &[], info::api_versions),
    row("apply", &["dry-run", "filename", "kustomize"], change::apply),
    row("cluster-info", &[], info::cluster_info),
    row("cordon", &["selector"], nodes::cordon),
    row("create", CREATE, make::create),
    row("delete", DELETE, change::delete),
    row("describe", &["all-namespaces", "filename", "selector"], get::describe),
    row("drain", DRAIN, nodes::drain),
    row("exec", &["container", "stdin", "tty"], exec::exec),
    row("expose", EXPOSE, make::expose),
    row("get", GET, get::get),
    row("label", &["all", "overwrite", "selector"], metadata::label),
    row("logs", &["container", "filename", "follow", "tail"], exec::logs),
    row("patch", &["patch", "type"], patch::patch),
    row("replace", &["filename", "force"], patch::replace),
    row("rollout", &["timeout", "watch"], wait::rollout),
    row("run", RUN, make::run),
    row("scale", &["replicas", "selector"], change::scale),
    row("set", &[], patch::set),
    row("taint", &["all", "overwrite", "selector"], nodes::taint),
    row("uncordon", &["selector"], nodes::uncordon),
    row("version", &["short"], info::version),
    row("wait", &["all", "all-namespaces", "for", "selector", "timeout"], wait::wait),
];

const CREATE: &[&str] = &[
    "clusterip",
    "dry-run",
    "external-name",
    "filename",
    "image",
    "kustomize",
    "node-port",
    "output",
    "port",
    "replicas",
    "tcp",
];
const DELETE: &[&str] = &[
    "all",
    "all-namespaces",
    "filename",
    "force",
    "grace-period",
    "ignore-not-found",
    "kustomize",
    "now",
    "selector",
    "timeout",
    "wait",
];
const DRAIN: &[&str] = &["delete-emptydir-data", "force", "grace-period", "ignore-daemonsets", "selector", "timeout"];
const EXPOSE: &[&str] = &[
    "cluster-ip",
    "dry-run",
    "external-ip",
    "name",
    "output",
    "port",
    "protocol",
    "session-affinity",
    "target-port",
    "type",
];
const GET: &[&str] = &[
    "all-namespaces",
    "field-selector",
    "filename",
    "ignore-not-found",
    "kustomize",
    "label-columns",
    "no-headers",
    "output",
    "selector",
    "show-kind",
    "show-labels",
    "sort-by",
    "watch",
];
const RUN: &[&str] = &[
    "command",
    "dry-run",
    "env",
    "expose",
    "image",
    "image-pull-policy",
    "labels",
    "output",
    "port",
    "quiet",
    "restart",
    "rm",
    "stdin",
    "tty",
];

/// Commands of kubectl that hopwise does not have, with what can be done instead.
const ABSENT: &[(&str, &str)] = &[
    ("alpha", "it has what is stable"),
    ("attach", "ask for what was printed with `kubectl logs`, or run another command with `kubectl exec`"),
    ("auth", "everybody may do everything"),
    ("autoscale", "nothing is measured here: use `kubectl scale`"),
    ("certificate", "nothing is encrypted here"),
    ("completion", "type the whole word"),
    ("config", "there is one cluster: say the namespace with `-n`"),
    ("cp", "the containers of a pod see the files of their node"),
    ("debug", "run a pod with `kubectl run`, or a command with `kubectl exec`"),
    ("diff", "look at the object with `kubectl get -o yaml`"),
    ("edit", "there is no editor: use `kubectl patch`, or change the manifest and apply it"),
    ("events", "there are no events: `kubectl describe` tells why a pod waits"),
    ("explain", "the fields of an object are those of Kubernetes' API reference"),
    ("kustomize", "apply plain manifests with `-f`"),
    ("options", "each command refuses what it does not take"),
    ("plugin", "there are no plugins"),
    ("port-forward", "reach the pod through its address, or through a Service of type NodePort"),
    ("proxy", "the API server has no port here: ask with `kubectl get`"),
    ("top", "nothing is measured here"),
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
    if let Some((name, instead)) = ABSENT.iter().find(|(name, _)| name == word) {
        return Err(Done::fail(format!("error: hopwise has no `kubectl {name}`: {instead}")));
    }
    let Some(command) = COMMANDS.iter().find(|command| command.name == word) else {
        return Err(Done::fail(format!("error: unknown command {word:?} for \"kubectl\"")));
    };
    if let Some(flag) = args.foreign(command.flags) {
        return Err(Done::fail(format!("error: unknown flag: --{flag}\nSee 'kubectl {word} --help' for usage.")));
    }
    if args.get("kustomize").is_some() {
        return Err(Done::fail("error: hopwise has no kustomize: use -f with plain manifests"));
    }
    if !sys.kernel.kube.is_up() && word != "version" {
        let host = "localhost:8080";
        return Err(Done::fail(format!(
            "The connection to the server {host} was refused - did you specify the right host or port?"
        )));
    }
    (command.run)(sys, args, input)
}

fn usage() -> String {
    let names: Vec<String> = COMMANDS.iter().map(|command| format!("  {}\n", command.name)).collect();
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
