//! Felix: whatever changes in the store, this node's links, sets, rules and routes follow.

use std::collections::BTreeSet;

use hopwise_cluster::calico::felix::{IpSet, Tables, purposes, render, sets};
use hopwise_cluster::calico::from;
use hopwise_cluster::calico::routes::{Route, Vtep};
use hopwise_cluster::object::calico::{
    BlockAffinity, CalicoNetworkPolicy, FelixConfiguration, GlobalNetworkPolicy, IpPool,
};
use hopwise_cluster::object::{Namespace, NetworkPolicy, Node, Pod};
use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_netfilter::hook::TableId;
use hopwise_sim_core::Duration;

use super::{startup, tunnels};
use crate::kernel::SimKernel;
use crate::kube::tools;

/// How soon it tries again what could not be done, and looks for the node's address.
const RETRY: Duration = Duration::from_secs(1);

/// The agent of a node.
pub(super) fn start(node: &str) -> Box<dyn Program<SimKernel>> {
    Box::new(Felix {
        node: node.to_owned(),
        watching: false,
        rules: Tables::default(),
        sets: Vec::new(),
        routes: BTreeSet::new(),
        vteps: BTreeSet::new(),
    })
}

/// What it has done already lies beside what is wanted: only the difference is carried out.
#[derive(Clone)]
struct Felix {
    node: String,
    watching: bool,
    rules: Tables,
    sets: Vec<IpSet>,
    routes: BTreeSet<Route>,
    vteps: BTreeSet<Vtep>,
}

impl Program<SimKernel> for Felix {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if !self.watching {
            self.watch(sys);
        }
        if !startup::run(sys, &self.node) {
            return Step::Block(Wait::until(sys.now() + RETRY));
        }
        match self.sync(sys) {
            Ok(()) => Step::Block(Wait::event()),
            Err(why) => {
                tools::log(sys, "calico-felix", why.trim_end());
                Step::Block(Wait::until(sys.now() + RETRY))
            }
        }
    }
}

impl Felix {
    fn watch(&mut self, sys: &mut Sys<'_, SimKernel>) {
        self.watching = true;
        let (pid, kube) = (sys.pid(), &mut sys.kernel.kube);
        kube.watch::<Node>(pid, None);
        kube.watch::<Pod>(pid, None);
        kube.watch::<Namespace>(pid, None);
        kube.watch::<NetworkPolicy>(pid, None);
        kube.watch::<IpPool>(pid, None);
        kube.watch::<BlockAffinity>(pid, None);
        kube.watch::<FelixConfiguration>(pid, None);
        kube.watch::<CalicoNetworkPolicy>(pid, None);
        kube.watch::<GlobalNetworkPolicy>(pid, None);
    }

    fn sync(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), String> {
        let root = sys.root_ns();
        tools::sysctl(sys, root, "net.ipv4.ip_forward", "1")?;
        tunnels::sync(sys, &self.node)?;
        self.sync_rules(sys)?;
        self.sync_routes(sys)
    }

    fn sync_rules(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), String> {
        let (view, refused) = from::rules(sys.kernel.store(), &self.node);
        for why in refused {
            tools::log(sys, "calico-felix", &why);
        }
        let (rules, sets) = render(&view);
        let root = sys.root_ns();
        let text = sets::update(&sets, &self.sets);
        if !text.is_empty() {
            tools::ipset_restore(sys, root, &text)?;
        }
        let text = rules.update(&self.rules);
        if !text.is_empty() {
            tools::iptables_restore(sys, root, ("felix", ""), &text)?;
            tools::purposes(sys, root, TableId::Filter, "felix", purposes::of_filter(&view));
        }
        // Pools may change without a rule: the rules ask sets.
        tools::purposes(sys, root, TableId::Nat, "felix", purposes::of_nat(&view));
        self.rules = rules;
        let text = sets::remove(&sets, &self.sets);
        self.sets = sets;
        if text.is_empty() { Ok(()) } else { tools::ipset_restore(sys, root, &text) }
    }

    fn sync_routes(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), String> {
        let link = startup::internal_ip(sys, &self.node).and_then(|ip| startup::link_of(sys, ip));
        let Some((link, ..)) = link else { return Ok(()) };
        let Some(view) = from::routes(sys.kernel.store(), &self.node, &link) else { return Ok(()) };
        tunnels::sync_vteps(sys, &view.vteps(), &mut self.vteps)?;
        let mut wanted: BTreeSet<Route> = view.routes().into_iter().collect();
        // A pod whose link is not there any longer is on its way out.
        wanted.retain(|route| !matches!(route, Route::Pod(_, link) if !has_link(sys, link)));
        let root = sys.root_ns();
        let gone: Vec<Route> = self.routes.difference(&wanted).cloned().collect();
        for route in gone {
            // With a link its routes have gone already.
            let _ = tools::ip(sys, root, &format!("route del {}", route.named()));
            self.routes.remove(&route);
        }
        for route in wanted {
            if !self.routes.contains(&route) {
                tools::ip_for(sys, root, ("felix", &view.why(&route)), &format!("route replace {route}"))?;
                self.routes.insert(route);
            }
        }
        Ok(())
    }
}

fn has_link(sys: &Sys<'_, SimKernel>, name: &str) -> bool {
    sys.kernel.net.ns(sys.root_ns()).is_some_and(|ns| ns.devs.index_of(name).is_some())
}
