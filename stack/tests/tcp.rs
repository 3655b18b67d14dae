//! TCP sockets on small networks.

mod common;

use common::*;
use hopwise_protocols::tcp::State;
use hopwise_protocols::wire::{ipv4, tcp};
use hopwise_sim_core::{Errno, NsId};
use hopwise_stack::Network;
use hopwise_stack::socket::{SocketId, SocketKind};

/// `client 10.0.0.1 --- 10.0.0.2 server`, and the server listens on port 80.
struct Lab {
    net: Network,
    client: NsId,
    server: NsId,
    listener: SocketId,
}

const SERVER: ([u8; 4], u16) = ([10, 0, 0, 2], 80);

impl Lab {
    fn new() -> Lab {
        let mut net = network();
        let (client, server) = (host(&mut net, "client", false), host(&mut net, "server", false));
        cable(&mut net, (client, "eth0", "10.0.0.1/24"), (server, "eth0", "10.0.0.2/24"));
        let listener = net.open_socket(server, 2, SocketKind::Tcp).unwrap();
        net.socket_mut(server, listener).unwrap().reuse = true;
        net.bind_tcp(server, listener, [0, 0, 0, 0].into(), 80).unwrap();
        net.listen_tcp(server, listener, 5).unwrap();
        Lab { net, client, server, listener }
    }

    fn connect(&mut self, port: u16) -> SocketId {
        let id = self.net.open_socket(self.client, 1, SocketKind::Tcp).unwrap();
        self.net.connect_tcp(self.client, id, (SERVER.0.into(), port)).unwrap();
        run(&mut self.net, 10);
        id
    }

    fn state(&self, ns: NsId, id: SocketId) -> State {
        self.net.tcp_state(ns, id).unwrap()
    }

    /// The segments that the client's link saw: flags, bytes of data, identification.
    fn segments(&self) -> Vec<(String, usize, u16)> {
        let eth0 = self.net.ns(self.client).unwrap().devs.index_of("eth0").unwrap();
        let frames = frames(&self.net, self.client, eth0);
        let segment = |frame: &Vec<u8>| {
            let ip = ipv4::view(&frame[14..]).ok().filter(|_| frame[12..14] == [8, 0])?;
            let segment = tcp::parse(ip.payload, ip.header.src(), ip.header.dst()).ok()?;
            assert!(ip.header.dont_fragment());
            let names = segment.header.flags().iter_names().map(|(name, _)| &name[..1]).collect();
            Some((names, segment.payload.len(), ip.header.id.get()))
        };
        frames.iter().filter_map(segment).collect()
    }
}

#[test]
fn bytes_go_both_ways_and_both_ends_close() {
    let mut lab = Lab::new();
    let client = lab.connect(80);
    assert_eq!(lab.state(lab.client, client), State::Established);
    let (server, from) = lab.net.accept_tcp(lab.server, lab.listener).unwrap();
    assert_eq!(from.0.octets(), [10, 0, 0, 1]);
    assert_eq!(lab.net.send_tcp(lab.client, client, b"hello"), Ok(5));
    run(&mut lab.net, 10);
    assert_eq!(lab.net.recv_tcp(lab.server, server, 100), Ok(b"hello".to_vec()));
    assert_eq!(lab.net.recv_tcp(lab.server, server, 100), Err(Errno::EAGAIN));
    assert_eq!(lab.net.send_tcp(lab.server, server, &[7; 5000]), Ok(5000));
    lab.net.close_socket(lab.server, server);
    run(&mut lab.net, 10);
    assert_eq!(lab.net.recv_tcp(lab.client, client, 9999).map(|b| b.len()), Ok(5000));
    assert_eq!(lab.net.recv_tcp(lab.client, client, 9999), Ok(vec![]));
    lab.net.close_socket(lab.client, client);
    run(&mut lab.net, 10);
    let flags: Vec<String> = lab.segments().into_iter().map(|s| format!("{}{}", s.0, s.1)).collect();
    assert_eq!(flags[..5], ["S0", "SA0", "A0", "PA5", "A0"]);
    assert_eq!(flags.iter().filter(|f| f.starts_with('F')).count(), 2);
    let remembered = |net: &Network, ns| net.ns(ns).unwrap().sockets.tcp.iter().count();
    assert_eq!((remembered(&lab.net, lab.client), remembered(&lab.net, lab.server)), (0, 1));
    // The timer wheel is two seconds coarse by then.
    run(&mut lab.net, 63_000);
    assert_eq!(remembered(&lab.net, lab.server), 0);
    conserved(&lab.net);
}

#[test]
fn a_closed_port_refuses_and_the_reset_has_no_identification() {
    let mut lab = Lab::new();
    let client = lab.connect(81);
    assert_eq!(lab.state(lab.client, client), State::Close);
    assert_eq!(lab.net.with_tcp(lab.client, client, |end| end.take_error()), Ok(Some(Errno::ECONNREFUSED)));
    let segments = lab.segments();
    assert_eq!(segments[1], ("RA".into(), 0, 0));
}

#[test]
fn ports_are_taken_and_shared_as_on_linux() {
    let mut lab = Lab::new();
    let second = lab.net.open_socket(lab.server, 3, SocketKind::Tcp).unwrap();
    let any = [0, 0, 0, 0].into();
    assert_eq!(lab.net.bind_tcp(lab.server, second, any, 80), Err(Errno::EADDRINUSE));
    assert_eq!(lab.net.bind_tcp(lab.server, second, [1, 2, 3, 4].into(), 81), Err(Errno::EADDRNOTAVAIL));
    let port = lab.net.bind_tcp(lab.server, second, any, 0).unwrap();
    assert!(port % 2 == 1 && port >= 32768);
    // The port of a remembered connection can be had again with SO_REUSEADDR only.
    let client = lab.connect(80);
    let (server, _) = lab.net.accept_tcp(lab.server, lab.listener).unwrap();
    lab.net.close_socket(lab.server, server);
    run(&mut lab.net, 10);
    lab.net.close_socket(lab.client, client);
    run(&mut lab.net, 10);
    lab.net.close_socket(lab.server, lab.listener);
    let third = lab.net.open_socket(lab.server, 3, SocketKind::Tcp).unwrap();
    assert_eq!(lab.net.bind_tcp(lab.server, third, any, 80), Err(Errno::EADDRINUSE));
    lab.net.socket_mut(lab.server, third).unwrap().reuse = true;
    assert_eq!(lab.net.bind_tcp(lab.server, third, any, 80), Ok(80));
}

#[test]
fn nobody_at_the_address_ends_the_attempt() {
    let mut lab = Lab::new();
    let id = lab.net.open_socket(lab.client, 1, SocketKind::Tcp).unwrap();
    assert_eq!(lab.net.connect_tcp(lab.client, id, ([10, 9, 9, 9].into(), 80)), Err(Errno::ENETUNREACH));
    lab.net.connect_tcp(lab.client, id, ([10, 0, 0, 9].into(), 80)).unwrap();
    run(&mut lab.net, 4000);
    assert_eq!(lab.net.with_tcp(lab.client, id, |end| end.take_error()), Ok(Some(Errno::EHOSTUNREACH)));
    conserved(&lab.net);
}

#[test]
fn a_listener_that_goes_away_resets_those_that_wait() {
    let mut lab = Lab::new();
    let client = lab.connect(80);
    lab.net.close_socket(lab.server, lab.listener);
    run(&mut lab.net, 10);
    assert_eq!(lab.net.recv_tcp(lab.client, client, 9), Err(Errno::ECONNRESET));
    assert_eq!(lab.net.ns(lab.server).unwrap().sockets.tcp.iter().count(), 0);
}

#[test]
fn a_full_queue_takes_one_more_than_its_backlog() {
    let mut lab = Lab::new();
    lab.net.listen_tcp(lab.server, lab.listener, 1).unwrap();
    let clients: Vec<SocketId> = (0..3).map(|_| lab.connect(80)).collect();
    let states: Vec<State> = clients.iter().map(|&c| lab.state(lab.client, c)).collect();
    assert_eq!(states, [State::Established, State::Established, State::SynSent]);
    lab.net.accept_tcp(lab.server, lab.listener).unwrap();
    run(&mut lab.net, 1100);
    assert_eq!(lab.state(lab.client, clients[2]), State::Established);
}
