//! `openvpn` 2.6 in its oldest and simplest mode: two ends, a tun or tap, UDP, no keys. What is sent through the link
//! travels in a datagram as it is, which is what a lab wants to see: the packet inside the packet. Everything else of
//! openvpn is refused.

mod log;
mod occ;
mod options;
mod routes;
mod tunnel;

use hopwise_machine::{Open, Program, Spawn, Step, Sys};

use crate::kernel::SimKernel;
use log::Log;
use options::Options;
use tunnel::Tunnel;

/// Starts `openvpn`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Openvpn { args: args.to_vec(), options: None, tunnel: None })
}

/// What an option error is followed by.
const HELP: &str = "Use --help for more information.\n";

#[derive(Clone)]
struct Openvpn {
    args: Vec<String>,
    /// Read already: it is the process in the background.
    options: Option<Options>,
    tunnel: Option<Box<Tunnel>>,
}

impl Program<SimKernel> for Openvpn {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(tunnel) = &mut self.tunnel {
            return tunnel.step(sys);
        }
        let options = match self.options.take() {
            Some(options) => options,
            None => match options::parse(sys, &self.args) {
                Ok(options) => options,
                Err(why) => {
                    let (text, status) = why.said();
                    sys.out(&text);
                    return Step::Exit(status);
                }
            },
        };
        if let Some(on) = options.make {
            return Step::Exit(tunnel::make(sys, &options, on));
        }
        if options.daemon {
            return background(sys, options);
        }
        self.begin(sys, options)
    }
}

impl Openvpn {
    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>, options: Options) -> Step {
        let mut log = match Log::open(sys, &options) {
            Ok(log) => log,
            Err(text) => {
                sys.out(&text);
                return Step::Exit(1);
            }
        };
        if let Some(path) = &options.writepid {
            let number = sys.pid().number;
            // A file that cannot be written is complained about and forgotten.
            if let Err(errno) = sys.write_file(path, format!("{number}\n").as_bytes()) {
                log.line(sys, 1, &format!("Open error on pid file {path}: {errno}"));
            }
        }
        match Tunnel::open(sys, options, log) {
            Ok(tunnel) => self.tunnel.insert(Box::new(tunnel)).step(sys),
            Err(status) => Step::Exit(status),
        }
    }
}

/// `--daemon`: the work is done by a child; without a log file what it says goes to the system's log, which nobody keeps.
fn background(sys: &mut Sys<'_, SimKernel>, options: Options) -> Step {
    let child = Openvpn { args: Vec::new(), options: Some(Options { daemon: false, ..options }), tunnel: None };
    let null = sys.open("/dev/null", Open::ReadWrite).unwrap_or(0);
    let spawn = Spawn::fork(Box::new(child)).fd(0, null).fd(1, null).fd(2, null).new_group();
    match sys.spawn(spawn) {
        Ok(_) => Step::Exit(0),
        Err(errno) => {
            sys.out(&format!("daemon() failed or unsupported: {errno}\n"));
            Step::Exit(1)
        }
    }
}
