//! confd: writes BIRD's configuration whenever nodes, blocks, pools or peers have changed, and has BIRD read it.

use hopwise_cluster::calico::from;
use hopwise_cluster::object::Node;
use hopwise_cluster::object::calico::{BgpConfiguration, BgpPeer, BlockAffinity, IpPool};
use hopwise_machine::{Open, Program, Signal, Spawn, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Time};

use crate::kernel::SimKernel;
use crate::kube::tools;

/// Where the files lie.
const FOLDER: &str = "/etc/calico/confd/config";
/// How soon BIRD is started again after it has ended (`runsv`).
const RESTART: Duration = Duration::from_secs(1);
/// BIRD as Calico starts it, without the recovery of a graceful restart.
const BIRD: &str = "bird -s /var/run/calico/bird.ctl -d -c /etc/calico/confd/config/bird.cfg";

/// The agent of a node.
pub(super) fn start(node: &str) -> Box<dyn Program<SimKernel>> {
    Box::new(Confd { node: node.to_owned(), watching: false, written: None, bird: None, restart: None })
}

#[derive(Clone)]
struct Confd {
    node: String,
    watching: bool,
    written: Option<[(&'static str, String); 3]>,
    bird: Option<u32>,
    /// When BIRD may be started again.
    restart: Option<Time>,
}

impl Program<SimKernel> for Confd {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if !self.watching {
            self.watching = true;
            let (pid, kube) = (sys.pid(), &mut sys.kernel.kube);
            kube.watch::<Node>(pid, None);
            kube.watch::<IpPool>(pid, None);
            kube.watch::<BlockAffinity>(pid, None);
            kube.watch::<BgpConfiguration>(pid, None);
            kube.watch::<BgpPeer>(pid, None);
        }
        if let Err(why) = self.sync(sys) {
            tools::log(sys, "calico-confd", why.trim_end());
        }
        Step::Block(Wait::event().or_until(self.restart))
    }
}

impl Confd {
    fn sync(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), String> {
        let Some(view) = from::bird(sys.kernel.store(), &self.node) else { return Ok(()) };
        let files = view.files();
        let is_same = self.written.as_ref() == Some(&files);
        // The main file comes last: with it all that it includes is there.
        for (name, text) in files.iter().rev().filter(|_| !is_same) {
            tools::write_file(sys, &format!("{FOLDER}/{name}"), text)?;
        }
        self.written = Some(files);
        let running = self.bird.filter(|pid| matches!(sys.reap(*pid), Ok(None)));
        self.bird = running;
        match running {
            Some(pid) if !is_same => sys.kill(pid, Some(Signal::HUP)).map_err(|errno| format!("bird: {errno}")),
            Some(_) => {
                self.restart = None;
                Ok(())
            }
            None if self.restart.is_some_and(|at| sys.now() < at) => Ok(()),
            None => self.start_bird(sys),
        }
    }

    fn start_bird(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), String> {
        self.restart = Some(sys.now() + RESTART);
        for folder in ["/var", "/var/run", "/var/run/calico"] {
            // It may be there already.
            let _ = sys.mkdir(folder, 0o755);
        }
        let argv = BIRD.split_whitespace().map(str::to_owned).collect();
        let mut spawn = Spawn::new(argv);
        let log = sys.open("/var/log/calico-bird.log", Open::Append).ok();
        if let Some(log) = log {
            spawn = spawn.fd(1, log).fd(2, log);
        }
        let pid = sys.spawn(spawn).map_err(|errno| format!("bird: {errno}"));
        if let Some(log) = log {
            sys.close(log);
        }
        self.bird = Some(pid?);
        Ok(())
    }
}
