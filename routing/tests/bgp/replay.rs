//! The session of Hand CNI 9 again: to what the leaf's BIRD 2.0.12 said a session here answers what worker 2's BIRD answered.

use std::net::Ipv4Addr;
use std::sync::Arc;

use hopwise_routing::attrs::Attrs;
use hopwise_routing::bgp::config::PeerConfig;
use hopwise_routing::bgp::export::{self, Exported};
use hopwise_routing::bgp::session::{Action, Level, Session, Way};
use hopwise_sim_core::Time;

const WORKER: Ipv4Addr = Ipv4Addr::new(192, 168, 210, 22);
const LEAF: Ipv4Addr = Ipv4Addr::new(192, 168, 210, 254);

/// What was said, one entry per segment of TCP.
fn segments() -> Vec<Vec<u8>> {
    let lines = include_str!("../data/bird-2.0.12-hand-cni-9.hex").lines().filter(|l| !l.starts_with('#'));
    let octet = |line: &str, i| u8::from_str_radix(&line[i..i + 2], 16).unwrap();
    lines.map(|line| (0..line.len()).step_by(2).map(|i| octet(line, i)).collect()).collect()
}

struct Worker {
    session: Session,
    now: Time,
}

impl Worker {
    /// All it sends, and all else it wants done.
    fn poll(&mut self) -> (Vec<u8>, Vec<Action>) {
        let (mut sent, mut rest) = (Vec::new(), Vec::new());
        while let Some(action) = self.session.poll(self.now) {
            match action {
                Action::Send(Way::Outgoing, bytes) => sent.extend(bytes),
                Action::Log(Level::Trace, _) => {}
                other => rest.push(other),
            }
        }
        (sent, rest)
    }

    fn hears(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<Action>) {
        self.session.received(self.now, Way::Outgoing, bytes);
        self.poll()
    }
}

/// What `export where source = RTS_DEVICE` lets through.
fn feed(session: &mut Session) {
    let exported =
        Exported { attrs: &Attrs::default(), source: None, gateway: None, fresh_next_hop: false, fresh_med: false };
    let attrs = export::attributes(session.peer().unwrap(), &exported).unwrap();
    session.announce("192.168.20.0/24".parse().unwrap(), Arc::new(attrs));
    session.end_feed();
}

#[test]
fn hand_cni_9_is_said_again_to_the_byte() {
    let said = segments();
    let mut session = Session::new(0, PeerConfig::new(65002, WORKER, 65000, LEAF), 1);
    session.start(Time::ZERO);
    session.neighbor_found(Time::ZERO, WORKER, 2);
    let now = session.next_timer().unwrap();
    let mut worker = Worker { session, now };
    worker.session.on_timer(now);
    assert_eq!(worker.poll(), (vec![], vec![Action::Connect]));
    worker.session.connected(now, WORKER);
    assert_eq!(worker.poll(), (said[0].clone(), vec![]));
    assert_eq!(worker.hears(&said[1]), (said[2].clone(), vec![]));
    assert_eq!(worker.hears(&said[3]), (vec![], vec![Action::Up]));
    feed(&mut worker.session);
    // The route and the end-of-RIB marker; TCP sent them in two segments.
    assert_eq!(worker.poll().0, [&*said[5], &*said[6]].concat());
    let (_, done) = worker.hears(&said[4]);
    let [Action::Routes(routes, attrs), Action::EndOfRib] = &*done else { panic!("{done:?}") };
    assert_eq!(*routes, ["192.168.10.0/24".parse().unwrap()]);
    assert_eq!((attrs.next_hop, attrs.local_pref), (Some([192, 168, 210, 21].into()), Some(100)));
    let (_, done) = worker.hears(&said[7]);
    assert!(matches!(&*done, [Action::Routes(routes, _)] if *routes == ["192.168.30.0/24".parse().unwrap()]));
    let (_, done) = worker.hears(&said[8]);
    assert_eq!(done, [Action::Withdrawn(vec!["192.168.30.0/24".parse().unwrap()])]);
    let (sent, done) = worker.hears(&said[9]);
    let log = Action::Log(Level::Remote, "Received: Administrative shutdown".into());
    assert_eq!((sent, done), (vec![], vec![log, Action::Down, Action::Close(Way::Outgoing), Action::Stopped]));
    assert_eq!(worker.session.last_error().to_string(), "Received: Administrative shutdown");
}
