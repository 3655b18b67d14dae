//! `iperf3` 3.12: a client and a server that measure what a path carries. They speak iperf3's own protocol over a control
//! connection and move data over others, TCP or UDP.

mod client;
mod control;
mod flow;
mod json;
mod json_report;
mod options;
mod params;
mod report;
mod server;
mod sockets;
mod test;
mod units;

use hopwise_machine::{Program, Spawn, Step, Sys};
use hopwise_sim_core::Errno;

use crate::kernel::SimKernel;
use client::Client;
use control::Trouble;
use options::{Options, Refusal};
use server::Server;

const VERSION: &str = "3.12";

/// `iperf3`
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Iperf { args: args.to_vec(), run: None })
}

#[derive(Clone)]
struct Iperf {
    args: Vec<String>,
    run: Option<Run>,
}

#[derive(Clone)]
enum Run {
    Client(Box<Client>),
    Server(Box<Server>),
}

impl Program<SimKernel> for Iperf {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        match &mut self.run {
            Some(Run::Client(client)) => client.step(sys),
            Some(Run::Server(server)) => server.step(sys),
            None => match Options::parse(&self.args) {
                Ok(options) => self.begin(sys, options),
                Err(refusal) => Step::Exit(refuse(sys, refusal)),
            },
        }
    }

    fn whereabouts(&self) -> Option<String> {
        self.run.as_ref().map(|run| match run {
            Run::Client(_) => "iperf3, as a client".to_owned(),
            Run::Server(_) => "iperf3, as a server".to_owned(),
        })
    }
}

impl Iperf {
    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>, options: Options) -> Step {
        if options.client.is_some() {
            self.run = Some(Run::Client(Box::new(Client::new(options))));
            return Step::Again;
        }
        let daemon = options.daemon;
        let run = Some(Run::Server(Box::new(Server::new(options))));
        if !daemon {
            self.run = run;
            return Step::Again;
        }
        // daemon(3): the standard descriptors end at /dev/null.
        let child = Iperf { args: self.args.clone(), run };
        match sys.spawn(Spawn::fork(Box::new(child)).without_fd(1).without_fd(2)) {
            Ok(_) => Step::Exit(0),
            Err(errno) => {
                sys.err(&format!("iperf3: error - unable to become a daemon: {errno}\n"));
                Step::Exit(1)
            }
        }
    }
}

/// Says why there is no test; gives the exit status.
fn refuse(sys: &mut Sys<'_, SimKernel>, refusal: Refusal) -> i32 {
    let usage = include_str!("usage.txt");
    match refusal {
        Refusal::Help => {
            sys.out(usage);
            0
        }
        Refusal::Version => {
            let system = system(sys);
            sys.out(&format!("iperf {VERSION} (cJSON 1.7.15)\n{system}\n"));
            0
        }
        Refusal::Usage(complaint) => {
            sys.err(&format!("iperf3: {complaint}\n{usage}"));
            1
        }
        Refusal::Parameter(complaint) => {
            sys.err(&format!("iperf3: parameter error - {complaint}\n\n"));
            sys.out(usage);
            1
        }
    }
}

/// What `uname -a` says of the machine, without the operating system.
fn system(sys: &Sys<'_, SimKernel>) -> String {
    format!("Linux {} {} #1 SMP PREEMPT_DYNAMIC x86_64", sys.hostname(), hopwise_machine::KERNEL_RELEASE)
}

/// Why a test ends before its time.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Failure(String);

impl Failure {
    fn new(text: &str) -> Failure {
        Failure(text.to_owned())
    }

    fn of(text: &str, errno: Errno) -> Failure {
        Failure(format!("{text}: {errno}"))
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Closed => Failure::new("control socket has closed unexpectedly"),
            Trouble::Broken(errno) => Failure::of("unable to receive control message", errno),
            Trouble::Nonsense => Failure::new("unable to receive results"),
        }
    }
}
