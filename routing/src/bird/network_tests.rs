//! Daemons that are joined by wires: what they tell each other, and laws about it.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hopwise_sim_core::{Duration, Time};
use ipnet::Ipv4Net;
use proptest::prelude::*;

use super::cli::{self, Host};
use super::config;
use super::daemon::{Daemon, Iface, IfaceAddr, Output};
use crate::bgp::session::Way;

/// Daemon n has the address 10.0.0.n+1 on a segment that all share.
struct Net {
    now: Time,
    daemons: Vec<Daemon>,
    /// Where a connection's end is: the other daemon, its protocol and way.
    wires: BTreeMap<(usize, usize, Way), (usize, usize, Way)>,
    queue: VecDeque<(usize, usize, Way, Vec<u8>)>,
    /// The daemons whose link is down: nothing gets there.
    down: BTreeSet<usize>,
}

fn addr(n: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, n as u8 + 1)
}

fn config(text: &str) -> config::Config {
    config::parse("b.conf", &format!("{text}\n"), &mut |_| Err(String::new())).expect("it can be read")
}

impl Net {
    fn new(texts: &[String]) -> Net {
        let start = |(n, text): (usize, &String)| {
            let net = Ipv4Net::new(addr(n), 24).expect("a network");
            let addrs = vec![IfaceAddr { ip: addr(n), net: net.trunc(), peer: None }];
            let (loopback, point_to_point, master) = Default::default();
            let (name, mtu) = ("e0".into(), 1500);
            let iface = Iface { index: 2, name, up: true, link: true, loopback, point_to_point, mtu, master, addrs };
            Daemon::start(config(text), vec![iface], "host", n as u64, Time::ZERO).expect("it starts")
        };
        let daemons = texts.iter().enumerate().map(start).collect();
        let (wires, queue, down) = Default::default();
        let mut net = Net { now: Time::ZERO, daemons, wires, queue, down };
        net.settle();
        net
    }

    fn carry_out(&mut self, n: usize, output: Output) {
        match output {
            Output::Connect { proto, to, .. } => {
                let other = usize::from(to.0.octets()[3]) - 1;
                let from = (addr(n), 30_000);
                let cut = self.down.contains(&n) || self.down.contains(&other);
                let met = if cut { None } else { self.daemons[other].incoming(to, from) };
                match met {
                    Some(theirs) => {
                        self.wires.insert((n, proto, Way::Outgoing), (other, theirs, Way::Incoming));
                        self.wires.insert((other, theirs, Way::Incoming), (n, proto, Way::Outgoing));
                        self.daemons[n].connected(proto, addr(n));
                    }
                    None => self.daemons[n].closed(proto, Way::Outgoing, None),
                }
            }
            Output::Send(proto, way, bytes) => {
                if let Some((other, theirs, way)) = self.wires.get(&(n, proto, way)) {
                    self.queue.push_back((*other, *theirs, *way, bytes));
                }
            }
            Output::Close(proto, way) => {
                if let Some(end) = self.wires.remove(&(n, proto, way)) {
                    self.wires.remove(&end);
                    if self.down.contains(&n) || self.down.contains(&end.0) {
                        return;
                    }
                    // An empty text is the end of the stream.
                    self.queue.push_back((end.0, end.1, end.2, Vec::new()));
                }
            }
            _ => {}
        }
    }

    /// Until there is nothing left to do now.
    fn settle(&mut self) {
        loop {
            let outputs = (0..self.daemons.len()).find_map(|n| self.daemons[n].poll().map(|output| (n, output)));
            if let Some((n, output)) = outputs {
                self.carry_out(n, output);
            } else if let Some((n, proto, way, bytes)) = self.queue.pop_front() {
                if bytes.is_empty() {
                    self.daemons[n].closed(proto, way, None);
                } else {
                    self.daemons[n].received(proto, way, &bytes);
                }
            } else {
                break;
            }
        }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.daemons.iter().filter_map(Daemon::next_timer).min().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            for daemon in &mut self.daemons {
                daemon.on_timer(self.now);
            }
            self.settle();
        }
        self.now = end;
        self.daemons.iter_mut().for_each(|daemon| daemon.at(end));
    }

    fn configure(&mut self, n: usize, text: &str) {
        self.daemons[n].reconfigure(config(text));
        self.settle();
    }

    /// A command of birdc.
    fn birdc(&mut self, n: usize, text: &str) {
        let mut host = Host { config: "b.conf", read: &mut |_| Err(String::new()), restricted: false, echo: 0 };
        cli::command(&mut self.daemons[n], text, &mut host);
        self.settle();
    }

    /// The link of a daemon comes up or goes down. What was on its way there is lost, and with it the connections.
    fn link(&mut self, n: usize, up: bool) {
        if up {
            self.down.remove(&n);
        } else {
            self.down.insert(n);
            self.wires.retain(|from, to| from.0 != n && to.0 != n);
        }
        let ifaces = self.daemons[n].ifaces.iter().map(|iface| Iface { up, link: up, ..iface.clone() }).collect();
        self.daemons[n].set_ifaces(ifaces);
        self.settle();
    }

    /// What a daemon has learned: networks with the AS path of the best route.
    fn learned(&self, n: usize) -> Vec<String> {
        let table = &self.daemons[n].tables[0];
        let shown =
            |net| table.best(net).map(|route| format!("{net} {}", route.attrs.as_path.clone().unwrap_or_default()));
        table.iter().filter_map(|(net, _)| shown(net)).collect()
    }
}

/// The configuration of daemon n, in an AS of its own, with sessions to others and routes of its own.
fn speaker(n: usize, peers: &[usize], routes: &[u8], options: &str) -> String {
    let mut text = format!("router id 1.1.1.{}; protocol device {{}} ", n + 1);
    let routes: String = routes.iter().map(|r| format!("route 192.0.{r}.0/24 blackhole; ")).collect();
    text += &format!("protocol static s {{ ipv4; {routes} }} ");
    for peer in peers {
        let (local, neighbor) = (65001 + n, 65001 + peer);
        text += &format!(
            "protocol bgp p{peer} {{ local as {local}; neighbor {} as {neighbor}; {options} ipv4 {{ import all; export all; }}; }} ",
            addr(*peer)
        );
    }
    text
}

#[test]
fn a_new_router_id_reaches_the_sessions() {
    let mut net = Net::new(&[speaker(0, &[1], &[1], ""), speaker(1, &[0], &[], "")]);
    net.run(60);
    assert_eq!(net.learned(1), ["192.0.1.0/24 65001"]);
    net.configure(0, &speaker(0, &[1], &[1], "").replace("1.1.1.1;", "1.1.1.7;"));
    net.run(120);
    let id = |net: &Net| net.daemons[1].protos[2].session.as_ref().and_then(|s| s.peer()).map(|peer| peer.remote_id);
    assert_eq!(id(&net), Some(Ipv4Addr::new(1, 1, 1, 7)));
    assert_eq!(net.learned(1), ["192.0.1.0/24 65001"]);
}

#[test]
fn a_neighbour_that_restarts_unseen_is_not_cut_off_with_its_old_connection() {
    let (waits, comes) = (speaker(0, &[1], &[1], "passive;"), speaker(1, &[0], &[2], "graceful restart;"));
    let mut net = Net::new(&[waits, comes.clone()]);
    net.run(60);
    assert_eq!(net.learned(0), ["192.0.1.0/24 ", "192.0.2.0/24 65002"]);
    // It dies without a word, and begins anew.
    net.wires.clear();
    let ifaces = net.daemons[1].ifaces.clone();
    net.daemons[1] = Daemon::start(config(&comes), ifaces, "host", 7, net.now).expect("it starts");
    net.settle();
    net.run(30);
    assert_eq!(net.learned(0), ["192.0.1.0/24 ", "192.0.2.0/24 65002"]);
    assert_eq!(net.learned(1), ["192.0.1.0/24 65001", "192.0.2.0/24 "]);
}

#[test]
fn it_says_where_a_route_comes_from() {
    let mut net = Net::new(&[speaker(0, &[1], &[1], ""), speaker(1, &[0], &[2], "")]);
    net.run(60);
    let origins = |net: &Net| {
        let daemon = &net.daemons[1];
        let best = daemon.tables[0].iter().filter_map(|(to, _)| daemon.tables[0].best(to));
        best.map(|route| daemon.origin(route)).collect::<Vec<_>>()
    };
    let told = origins(&net);
    let bgp = "BGP session p0 from 10.0.0.1 (AS 65001), learned ";
    assert!(told[0].starts_with(bgp) && told[0].ends_with(" s into the run"), "{told:?}");
    assert_eq!(told[1], "static protocol s");
}

/// What happens to four daemons that are all joined with all.
#[derive(Clone, Debug)]
enum Step {
    /// A daemon announces a route, or no longer.
    Toggle(usize, u8),
    /// `restart` of a session at one end.
    Restart(usize, usize),
    /// `disable` or `enable` of a session at one end.
    Switch(usize, usize),
    /// A daemon's link goes down or comes up.
    Link(usize),
    /// Some seconds pass.
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let pair = || (0usize..4, 1usize..4).prop_map(|(n, more)| (n, (n + more) % 4));
    prop_oneof![
        4 => (0usize..4, 0u8..4).prop_map(|(n, route)| Step::Toggle(n, route)),
        2 => pair().prop_map(|(n, m)| Step::Restart(n, m)),
        2 => pair().prop_map(|(n, m)| Step::Switch(n, m)),
        2 => (0usize..4).prop_map(Step::Link),
        4 => (1u64..60).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Four daemons, all joined with all: in which order they change what they announce does not show in the end.
    #[test]
    fn convergence_is_independent_of_the_order_of_events(
        routes in proptest::collection::vec(proptest::collection::vec(0u8..6, 0..4), 4),
        order in Just((0..4).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let others = |n: usize| (0..4).filter(|m| *m != n).collect::<Vec<_>>();
        let tidy = |routes: &[u8]| BTreeSet::from_iter(routes.iter().copied()).into_iter().collect::<Vec<_>>();
        let texts: Vec<_> = (0..4).map(|n| speaker(n, &others(n), &tidy(&routes[n]), "")).collect();
        let empty: Vec<_> = (0..4).map(|n| speaker(n, &others(n), &[], "")).collect();
        let mut at_once = Net::new(&texts);
        at_once.run(120);
        let mut later = Net::new(&empty);
        later.run(120);
        for n in order {
            later.configure(n, &texts[n]);
            later.run(1);
        }
        later.run(60);
        for n in 0..4 {
            prop_assert_eq!(at_once.learned(n), later.learned(n));
        }
    }

    /// Announcements, withdrawals, sessions that are reset or switched off and on, links that fail: when all is quiet the tables are
    /// those of daemons that were told the final state at once.
    #[test]
    fn the_tables_forget_how_they_came_to_be(steps in proptest::collection::vec(step(), 0..16)) {
        let others = |n: usize| (0..4).filter(|m| *m != n).collect::<Vec<_>>();
        let text = |n: usize, routes: &[BTreeSet<u8>]| {
            speaker(n, &others(n), &routes[n].iter().copied().collect::<Vec<_>>(), "")
        };
        let mut routes = vec![BTreeSet::new(); 4];
        let (mut off, mut down) = (BTreeSet::new(), BTreeSet::new());
        let mut net = Net::new(&(0..4).map(|n| text(n, &routes)).collect::<Vec<_>>());
        for step in steps {
            match step {
                Step::Toggle(n, route) => {
                    if !routes[n].remove(&route) {
                        routes[n].insert(route);
                    }
                    net.configure(n, &text(n, &routes));
                    // Reading the configuration switches on what was switched off by hand.
                    off.retain(|(at, _)| *at != n);
                }
                Step::Restart(n, m) => net.birdc(n, &format!("restart p{m}")),
                Step::Switch(n, m) => {
                    let on = off.remove(&(n, m));
                    net.birdc(n, &format!("{} p{m}", if on { "enable" } else { "disable" }));
                    if !on {
                        off.insert((n, m));
                    }
                }
                Step::Link(n) => {
                    let up = down.remove(&n);
                    net.link(n, up);
                    if !up {
                        down.insert(n);
                    }
                }
                Step::Wait(seconds) => net.run(seconds),
            }
        }
        // Longer than the hold time, for neighbours that left without a word.
        net.run(900);
        let mut fresh = Net::new(&(0..4).map(|n| text(n, &routes)).collect::<Vec<_>>());
        down.iter().for_each(|n| fresh.link(*n, false));
        off.iter().for_each(|(n, m)| fresh.birdc(*n, &format!("disable p{m}")));
        fresh.run(900);
        for n in 0..4 {
            prop_assert_eq!(net.learned(n), fresh.learned(n), "daemon {}", n);
        }
    }

    /// Withdrawing all that was announced leaves nothing.
    #[test]
    fn what_is_withdrawn_leaves_nothing(
        routes in proptest::collection::vec(proptest::collection::vec(0u8..6, 0..4), 3),
        order in Just((0..3).collect::<Vec<usize>>()).prop_shuffle(),
    ) {
        let others = |n: usize| (0..3).filter(|m| *m != n).collect::<Vec<_>>();
        let tidy = |routes: &[u8]| BTreeSet::from_iter(routes.iter().copied()).into_iter().collect::<Vec<_>>();
        let texts: Vec<_> = (0..3).map(|n| speaker(n, &others(n), &tidy(&routes[n]), "")).collect();
        let mut net = Net::new(&texts);
        net.run(120);
        let all: BTreeSet<u8> = routes.iter().flatten().copied().collect();
        for n in 0..3 {
            prop_assert_eq!(net.learned(n).len(), all.len());
        }
        for n in order {
            net.configure(n, &speaker(n, &others(n), &[], ""));
        }
        net.run(60);
        for n in 0..3 {
            prop_assert_eq!(net.learned(n).len(), 0);
            let channels = net.daemons[n].protos.iter().map(|proto| &proto.channel);
            let left: Vec<_> = channels.map(|c| (c.imported, c.preferred, c.exported.len())).filter(|c| *c != (0, 0, 0)).collect();
            prop_assert_eq!(left, []);
        }
    }
}
