//! confd: writes BIRD's configuration whenever nodes, blocks, pools or peers have changed, and has BIRD read it.

use hopwise_cluster::calico::from;
use hopwise_cluster::object::Node;
use hopwise_cluster::object::calico::{BgpConfiguration, BgpPeer, BlockAffinity, IpPool};
use hopwise_machine::{Program, Signal, Spawn, Step, Sys, Wait};

use crate::kernel::SimKernel;
use crate::kube::tools;

/// Where the files lie.
const FOLDER: &str = "/etc/calico/confd/config";
/// BIRD as Calico starts it.
const BIRD: &str = "bird -R -s /var/run/calico/bird.ctl -d -c /etc/calico/confd/config/bird.cfg";

/// The agent of a node.
pub(super) fn start(node: &str) -> Box<dyn Program<SimKernel>> {
    Box::new(Confd { node: node.to_owned(), watching: false, written: None, bird: None })
}

#[derive(Clone)]
struct Confd {
    node: String,
    watching: bool,
    written: Option<[(&'static str, String); 3]>,
    bird: Option<u32>,
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
        Step::Block(Wait::event())
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
        match self.bird.filter(|pid| matches!(sys.reap(*pid), Ok(None))) {
            Some(pid) if !is_same => sys.kill(pid, Some(Signal::HUP)).map_err(|errno| format!("bird: {errno}")),
            Some(_) => Ok(()),
            None => {
                for folder in ["/var", "/var/run", "/var/run/calico"] {
                    // It may be there already.
                    let _ = sys.mkdir(folder, 0o755);
                }
                let argv = BIRD.split_whitespace().map(str::to_owned).collect();
                let pid = sys.spawn(Spawn::new(argv)).map_err(|errno| format!("bird: {errno}"))?;
                self.bird = Some(pid);
                Ok(())
            }
        }
    }
}
