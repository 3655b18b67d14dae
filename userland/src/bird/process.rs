//! The daemon as a process.

use hopwise_machine::{Signal, Step, Sys, Wait};
use hopwise_routing::bird::config::{self, Config};
use hopwise_routing::bird::daemon::{Daemon, Output};
use hopwise_routing::bird::log::Class;
use hopwise_sim_core::Duration;

use super::control::Control;
use super::options::Options;
use super::peers::Peers;
use super::{kernel, log};
use crate::kernel::SimKernel;
use crate::unix;

/// How often things may follow from each other in one step; what is left comes in the next one.
const MAX_ROUNDS: usize = 1000;

/// `bird` at work.
#[derive(Clone)]
pub(super) struct Bird {
    options: Options,
    config: Option<Config>,
    daemon: Option<Box<Daemon>>,
    peers: Peers,
    control: Control,
    /// It listens to routes, too.
    routes: bool,
}

impl Bird {
    /// Not started yet.
    pub(super) fn new(options: Options, config: Config) -> Self {
        let (peers, control) = Default::default();
        Bird { options, config: Some(config), daemon: None, peers, control, routes: false }
    }

    /// Goes on.
    pub(super) fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(config) = self.config.take()
            && let Err(text) = self.begin(sys, config)
        {
            sys.err(&format!("bird: {text}\n"));
            return Step::Exit(1);
        }
        let Some(mut daemon) = self.daemon.take() else { return Step::Exit(1) };
        let ended = self.work(sys, &mut daemon);
        let next = daemon.next_timer();
        self.daemon = Some(daemon);
        if ended {
            self.clean_up(sys);
            return Step::Exit(0);
        }
        let now = sys.now();
        Step::Block(Wait::event().or_until(next.map(|at| at.max(now + Duration::from_micros(1)))))
    }

    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>, config: Config) -> Result<(), String> {
        let socket = self.options.socket.clone();
        unix::listen(sys, &socket).map_err(|errno| format!("Cannot create control socket {socket}: {errno}"))?;
        if let Some(name) = self.options.pid_file.clone() {
            let text = format!("{}\n", sys.pid().number);
            sys.write_file(&name, text.as_bytes()).map_err(|errno| format!("Can't open PID file {name}: {errno}"))?;
        }
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            sys.catch(signal);
        }
        let (hostname, seed) = (sys.hostname().to_owned(), u64::from(sys.random_u32()));
        let (links, now) = (kernel::links(sys), sys.now());
        let warnings = config.warnings.clone();
        let daemon = Daemon::start(config, links, &hostname, seed, now)?;
        for warning in warnings {
            log::write(sys, &self.options, daemon.config(), Class::Warning, &warning.to_string());
        }
        self.daemon = Some(Box::new(daemon));
        let (pid, ns) = (sys.pid(), sys.ns());
        sys.kernel.listen_to_rtnetlink(pid, ns, false);
        Ok(())
    }

    /// Does all there is to do; true if the daemon has ended.
    fn work(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon) -> bool {
        daemon.at(sys.now());
        while let Some(signal) = sys.take_signal() {
            match signal {
                Signal::HUP => self.reconfigure(sys, daemon),
                _ => daemon.shutdown(),
            }
        }
        for at in daemon.listens() {
            if let Err(errno) = self.peers.listen(sys, at) {
                let text = format!("BGP: Cannot open listening socket: {errno}");
                log::write(sys, &self.options, daemon.config(), Class::Error, &text);
            }
        }
        daemon.set_ifaces(kernel::links(sys));
        self.kernel_routes(sys, daemon);
        for _ in 0..MAX_ROUNDS {
            let mut happened = false;
            while let Some(output) = daemon.poll() {
                happened = true;
                if self.carry_out(sys, daemon, output) {
                    return true;
                }
            }
            happened |= self.peers.look(sys, daemon);
            happened |= self.control.look(sys, daemon, &self.options.config);
            let now = sys.now();
            if daemon.next_timer().is_some_and(|at| at <= now) {
                daemon.on_timer(now);
                self.kernel_routes(sys, daemon);
                happened = true;
            }
            if !happened {
                break;
            }
        }
        false
    }

    fn kernel_routes(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon) {
        let learns = daemon.learns();
        if core::mem::replace(&mut self.routes, learns) != learns {
            let (pid, ns) = (sys.pid(), sys.ns());
            sys.kernel.listen_to_rtnetlink(pid, ns, learns);
        }
        if learns || daemon.scan_is_due() {
            daemon.kernel_routes(&kernel::routes(sys));
        }
    }

    fn reconfigure(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon) {
        let path = self.options.config.clone();
        let mut read = |name: &str| sys.read_file(name).map_err(|errno| errno.to_string());
        let parsed = read(&path).map_err(|why| format!("{path}: {why}")).and_then(|bytes| {
            config::parse(&path, &String::from_utf8_lossy(&bytes), &mut read).map_err(|error| error.to_string())
        });
        match parsed {
            Ok(config) => daemon.reconfigure(config),
            Err(text) => log::write(sys, &self.options, daemon.config(), Class::Error, &text),
        }
    }

    fn carry_out(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon, output: Output) -> bool {
        match output {
            Output::Connect { proto, local, to, ttl } => self.peers.connect(sys, daemon, proto, local, to, ttl),
            Output::Send(proto, way, bytes) => self.peers.send(sys, (proto, way), &bytes),
            Output::Close(proto, way) => self.peers.close(sys, (proto, way)),
            Output::Kernel { table, metric, net, route } => {
                let said =
                    route.as_deref().map(|route| (route, sys.kernel.net.origins.add("bird", daemon.origin(route))));
                if let Err(text) = kernel::install(sys, table, metric, net, said) {
                    log::write(sys, &self.options, daemon.config(), Class::Warning, &text);
                }
            }
            Output::Log(class, text) => {
                log::write(sys, &self.options, daemon.config(), class, &text);
                self.control.echo(class, &text);
            }
            Output::Exit => return true,
        }
        false
    }

    /// Its files go with it.
    fn clean_up(&mut self, sys: &mut Sys<'_, SimKernel>) {
        // Somebody may have taken them away already.
        let _ = sys.unlink(&self.options.socket);
        if let Some(name) = &self.options.pid_file {
            let _ = sys.unlink(name);
        }
    }
}
