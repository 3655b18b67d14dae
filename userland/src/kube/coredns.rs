//! CoreDNS with its `kubernetes` plugin: names of Services and pods, answered from the store. Nobody else is asked.

use core::net::Ipv4Addr;

use hopwise_cluster::Store;
use hopwise_cluster::object::{EndpointSlice, Namespace, Pod, Service};
use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_stack::socket::SocketKind;

use crate::dns::message::{Data, Message, NXDOMAIN, Question, Record, TYPE_A, TYPE_PTR, reverse_name};
use crate::kernel::SimKernel;
use crate::sock::Sock;

/// The domain of the cluster.
const DOMAIN: &str = "cluster.local";
/// `ttl 30` of the Corefile that kubeadm writes.
const TTL: u32 = 30;
/// The answer to what would have to be asked elsewhere.
const SERVFAIL: u8 = 2;

/// Starts it.
pub(super) fn start() -> Box<dyn Program<SimKernel>> {
    Box::new(CoreDns { sock: None })
}

#[derive(Clone)]
struct CoreDns {
    sock: Option<Sock>,
}

impl Program<SimKernel> for CoreDns {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let sock = match self.sock {
            Some(sock) => sock,
            None => {
                let sock = Sock::open(sys, SocketKind::Udp);
                let bound =
                    sock.and_then(|s| sys.kernel.net.bind_udp(s.ns, s.id, Ipv4Addr::UNSPECIFIED, 53).map(|_| s));
                match bound {
                    Ok(sock) => {
                        sys.out(".:53\nCoreDNS-1.10.1\n");
                        *self.sock.insert(sock)
                    }
                    Err(errno) => {
                        sys.err(&format!("Listen: listen udp :53: bind: {errno}\n"));
                        return Step::Exit(1);
                    }
                }
            }
        };
        while let Some(datagram) = sock.recv(sys) {
            let Some(query) = Message::parse(&datagram.bytes).filter(|m| !m.response) else { continue };
            let answer = answer(&sys.kernel.kube.store, &query).build();
            // A client that has gone does not matter.
            let _ = sys.kernel.net.send_udp(sock.ns, sock.id, Some(datagram.from), &answer);
        }
        Step::Block(Wait::event())
    }
}

fn answer(store: &Store, query: &Message) -> Message {
    let mut answer = Message {
        id: query.id,
        response: true,
        recursion_desired: query.recursion_desired,
        recursion_available: true,
        questions: query.questions.clone(),
        edns: query.edns.map(|_| 1232),
        ..Message::default()
    };
    let Some(question) = query.questions.first() else {
        answer.rcode = 1;
        return answer;
    };
    match find(store, question) {
        Found::Records(data) => {
            answer.authoritative = true;
            let record = |data| Record { owner: question.clone(), ttl: TTL, data };
            answer.answers = data.into_iter().map(record).collect();
        }
        Found::NoSuchName => (answer.authoritative, answer.rcode) = (true, NXDOMAIN),
        Found::NotOurs => answer.rcode = SERVFAIL,
    }
    answer
}

enum Found {
    /// The name exists; it may have no record of the type.
    Records(Vec<Data>),
    NoSuchName,
    NotOurs,
}

fn find(store: &Store, question: &Question) -> Found {
    let name = question.name.trim_end_matches('.').to_ascii_lowercase();
    if question.kind == TYPE_PTR {
        let is = |service: &&Service| service.ip().is_some_and(|ip| reverse_name(ip) == name);
        return match store.list::<Service>(None).find(is) {
            Some(service) => {
                let meta = &service.metadata;
                Found::Records(vec![Data::Name(format!("{}.{}.svc.{DOMAIN}", meta.name, meta.namespace))])
            }
            None => Found::NotOurs,
        };
    }
    let Some(front) =
        name.strip_suffix(DOMAIN).and_then(|front| front.strip_suffix('.').or(front.is_empty().then_some("")))
    else {
        return Found::NotOurs;
    };
    let parts: Vec<&str> = front.rsplit('.').filter(|part| !part.is_empty()).collect();
    let addresses = match parts.as_slice() {
        [] | ["svc"] => Some(Vec::new()),
        ["svc", namespace] => store.get::<Namespace>("", namespace).map(|_| Vec::new()),
        ["svc", namespace, service] => of_service(store, namespace, service, None),
        ["svc", namespace, service, host] => of_service(store, namespace, service, Some(host)),
        ["pod", namespace, dashed] => {
            let known = store.list::<Pod>(Some(namespace)).next().is_some();
            let address = dashed.replace('-', ".").parse::<Ipv4Addr>().ok();
            address.filter(|_| known).map(|address| vec![address])
        }
        _ => None,
    };
    match addresses {
        None => Found::NoSuchName,
        Some(found) if question.kind == TYPE_A => Found::Records(found.into_iter().map(Data::A).collect()),
        Some(_) => Found::Records(Vec::new()),
    }
}

/// The addresses of a Service: its own, or those of its ready endpoints if it is headless; of one of them, by its name.
fn of_service(store: &Store, namespace: &str, name: &str, host: Option<&str>) -> Option<Vec<Ipv4Addr>> {
    let service = store.get::<Service>(namespace, name)?;
    if host.is_none() && !service.is_headless() {
        return service.ip().map(|ip| vec![ip]);
    }
    let slices = store.list::<EndpointSlice>(Some(namespace)).filter(|slice| slice.service() == Some(name));
    let endpoints = slices.flat_map(|slice| &slice.endpoints).filter(|endpoint| endpoint.is_ready());
    let named = |ip: Ipv4Addr| ip.to_string().replace('.', "-");
    let mine = endpoints.filter(|endpoint| match host {
        None => true,
        Some(host) => endpoint.hostname.as_deref() == Some(host) || endpoint.ip().map(named).as_deref() == Some(host),
    });
    let found: Vec<Ipv4Addr> = mine.filter_map(|endpoint| endpoint.ip()).collect();
    (host.is_none() || !found.is_empty()).then_some(found)
}
