//! CoreDNS with its plugins `kubernetes` (names of Services and pods, answered from the store) and `forward` (everything else goes to
//! the name server of the node).

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use hopwise_cluster::Store;
use hopwise_cluster::object::{EndpointSlice, Namespace, Pod, Service, decode};
use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::socket::SocketKind;
use hopwise_stack::socket::tcp::Addr;

use crate::dns::message::{
    Data, Message, NXDOMAIN, Question, REFUSED, Record, TYPE_A, TYPE_CNAME, TYPE_PTR, reverse_name,
};
use crate::kernel::SimKernel;
use crate::sock::Sock;

/// The domain of the cluster.
pub(super) const DOMAIN: &str = "cluster.local";
/// `ttl 30` of the Corefile that kubeadm writes.
const TTL: u32 = 30;
/// The answer if the servers that were asked do not say anything.
const SERVFAIL: u8 = 2;
/// How long they are waited for (`defaultTimeout` of `plugin/forward`).
const FORWARD_TIMEOUT: Duration = Duration::from_secs(5);
/// Questions that wait for other servers at the same time (`max_concurrent` of the Corefile).
const PENDING_MAX: usize = 1000;
/// How many names may stand for each other in a row.
const ALIASES_MAX: usize = 8;

/// What `kubeadm init phase addon coredns` brings, without what only the API server's permissions need. It has no probes: nothing answers
/// at `/ready` here.
const ADDON: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  replicas: 2
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      tolerations:
      - {key: CriticalAddonsOnly, operator: Exists}
      - {key: node-role.kubernetes.io/control-plane, effect: NoSchedule}
      nodeSelector: {kubernetes.io/os: linux}
      priorityClassName: system-cluster-critical
      serviceAccountName: coredns
      dnsPolicy: Default
      containers:
      - name: coredns
        image: registry.k8s.io/coredns/coredns:v1.10.1
        args: [-conf, /etc/coredns/Corefile]
        ports:
        - {containerPort: 53, name: dns, protocol: UDP}
        - {containerPort: 53, name: dns-tcp, protocol: TCP}
        - {containerPort: 9153, name: metrics, protocol: TCP}
---
apiVersion: v1
kind: Service
metadata:
  name: kube-dns
  namespace: kube-system
  labels: {k8s-app: kube-dns, kubernetes.io/cluster-service: 'true', kubernetes.io/name: CoreDNS}
  annotations: {prometheus.io/port: '9153', prometheus.io/scrape: 'true'}
spec:
  clusterIP: ADDRESS
  selector: {k8s-app: kube-dns}
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, protocol: TCP}
  - {name: metrics, port: 9153, protocol: TCP}
";

/// Puts CoreDNS into a new cluster, at the tenth address of the Services.
pub(super) fn install(store: &mut Store) -> Result<(), String> {
    let text = ADDON.replace("ADDRESS", &store.services.nth(10).to_string());
    for manifest in decode::manifests(&text).map_err(|refused| refused.text("coredns"))? {
        store.create(manifest.object).map_err(|why| why.to_string())?;
    }
    Ok(())
}

/// Starts it.
pub(super) fn start() -> Box<dyn Program<SimKernel>> {
    Box::new(CoreDns { sock: None, upstream: None, pending: VecDeque::new() })
}

#[derive(Clone)]
struct CoreDns {
    sock: Option<Sock>,
    /// A socket for questions to the server of `/etc/resolv.conf`, and that server.
    upstream: Option<(Sock, Addr)>,
    pending: VecDeque<Pending>,
}

/// A question that another server was asked.
#[derive(Clone)]
struct Pending {
    /// Its number there.
    id: u16,
    from: Addr,
    query: Message,
    until: Time,
}

impl Program<SimKernel> for CoreDns {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let sock = match self.sock {
            Some(sock) => sock,
            None => match self.begin(sys) {
                Ok(sock) => *self.sock.insert(sock),
                Err(errno) => {
                    sys.err(&format!("Listen: listen udp :53: bind: {errno}\n"));
                    return Step::Exit(1);
                }
            },
        };
        while let Some(datagram) = sock.recv(sys) {
            let Some(query) = Message::parse(&datagram.bytes).filter(|m| !m.response) else { continue };
            match answer(&sys.kernel.kube.store, &query) {
                Some(answer) => send(sys, sock, datagram.from, &answer),
                None => self.forward(sys, sock, datagram.from, query, datagram.bytes),
            }
        }
        self.hand_back(sys, sock);
        Step::Block(Wait::event().or_until(self.pending.front().map(|pending| pending.until)))
    }
}

impl CoreDns {
    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Sock, Errno> {
        let sock = Sock::open(sys, SocketKind::Udp)?;
        sys.kernel.net.bind_udp(sock.ns, sock.id, Ipv4Addr::UNSPECIFIED, 53)?;
        // `forward . /etc/resolv.conf`: the pod has the file of its node.
        if let Some(server) = crate::dns::first_server(sys) {
            self.upstream = Some((Sock::open(sys, SocketKind::Udp)?, server));
        }
        sys.out(".:53\nCoreDNS-1.10.1\n");
        Ok(sock)
    }

    /// Asks the next server. Without one the question is refused, as by a Corefile without `forward`.
    fn forward(&mut self, sys: &mut Sys<'_, SimKernel>, sock: Sock, from: Addr, query: Message, mut bytes: Vec<u8>) {
        let Some((up, server)) = self.upstream.filter(|_| self.pending.len() < PENDING_MAX) else {
            return send(sys, sock, from, &Message { rcode: REFUSED, ..reply(&query) });
        };
        let id = sys.random_u32() as u16;
        if let Some(place) = bytes.get_mut(..2) {
            place.copy_from_slice(&id.to_be_bytes());
        }
        // If it cannot be sent, nothing comes back, and the client hears of it in the end.
        let _ = sys.kernel.net.send_udp(up.ns, up.id, Some(server), &bytes);
        self.pending.push_back(Pending { id, from, query, until: sys.now() + FORWARD_TIMEOUT });
    }

    /// Gives clients what the next server has answered, and tells those who have waited for too long.
    fn hand_back(&mut self, sys: &mut Sys<'_, SimKernel>, sock: Sock) {
        while let Some(datagram) = self.upstream.and_then(|(up, _)| up.recv(sys)) {
            let id = datagram.bytes.get(..2).map(|two| u16::from_be_bytes([two[0], two[1]]));
            let Some(at) = self.pending.iter().position(|pending| Some(pending.id) == id) else { continue };
            let Some(pending) = self.pending.remove(at) else { continue };
            let mut bytes = datagram.bytes;
            bytes[..2].copy_from_slice(&pending.query.id.to_be_bytes());
            // A client that has gone does not matter.
            let _ = sys.kernel.net.send_udp(sock.ns, sock.id, Some(pending.from), &bytes);
        }
        while self.pending.front().is_some_and(|pending| pending.until <= sys.now()) {
            let Some(late) = self.pending.pop_front() else { return };
            send(sys, sock, late.from, &Message { rcode: SERVFAIL, ..reply(&late.query) });
        }
    }
}

fn send(sys: &mut Sys<'_, SimKernel>, sock: Sock, to: Addr, answer: &Message) {
    // A client that has gone does not matter.
    let _ = sys.kernel.net.send_udp(sock.ns, sock.id, Some(to), &answer.build());
}

/// An answer that says nothing yet.
fn reply(query: &Message) -> Message {
    Message {
        id: query.id,
        response: true,
        recursion_desired: query.recursion_desired,
        recursion_available: true,
        questions: query.questions.clone(),
        edns: query.edns.map(|_| 1232),
        ..Message::default()
    }
}

/// What the store answers. `None`: it is not about this cluster.
fn answer(store: &Store, query: &Message) -> Option<Message> {
    let mut answer = reply(query);
    let Some(question) = query.questions.first() else {
        answer.rcode = 1;
        return Some(answer);
    };
    match find(store, question) {
        Found::Records(records) => (answer.authoritative, answer.answers) = (true, records),
        Found::NoSuchName => (answer.authoritative, answer.rcode) = (true, NXDOMAIN),
        Found::NotOurs => return None,
    }
    Some(answer)
}

enum Found {
    /// The name exists; it may have no record of the type.
    Records(Vec<Record>),
    NoSuchName,
    NotOurs,
}

/// What a name of the cluster leads to.
enum Leads {
    To(Vec<Ipv4Addr>),
    /// To another name: a Service of the type `ExternalName`.
    On(String),
}

fn find(store: &Store, question: &Question) -> Found {
    let name = question.name.trim_end_matches('.').to_ascii_lowercase();
    let record = |owner: &str, kind, data| Record { owner: Question { name: owner.to_owned(), kind }, ttl: TTL, data };
    if question.kind == TYPE_PTR {
        let is = |service: &&Service| service.ip().is_some_and(|ip| reverse_name(ip) == name);
        return store.list::<Service>(None).find(is).map_or(Found::NotOurs, |service| {
            let meta = &service.metadata;
            let target = format!("{}.{}.svc.{DOMAIN}", meta.name, meta.namespace);
            Found::Records(vec![record(&question.name, TYPE_PTR, Data::Name(target))])
        });
    }
    let (mut owner, mut records) = (question.name.clone(), Vec::new());
    for _ in 0..ALIASES_MAX {
        let asked = owner.trim_end_matches('.').to_ascii_lowercase();
        let Some(front) = front_of(&asked) else {
            // Where an alias leads outside, the client asks on.
            return if records.is_empty() { Found::NotOurs } else { Found::Records(records) };
        };
        match leads(store, front) {
            None if records.is_empty() => return Found::NoSuchName,
            None => break,
            Some(Leads::On(target)) => {
                records.push(record(&owner, TYPE_CNAME, Data::Name(target.clone())));
                owner = target;
            }
            Some(Leads::To(found)) => {
                let found = found.into_iter().filter(|_| question.kind == TYPE_A);
                records.extend(found.map(|address| record(&owner, TYPE_A, Data::A(address))));
                break;
            }
        }
    }
    Found::Records(records)
}

/// What stands before the cluster's domain.
fn front_of(name: &str) -> Option<&str> {
    let front = name.strip_suffix(DOMAIN)?;
    front.strip_suffix('.').or(front.is_empty().then_some(""))
}

fn leads(store: &Store, front: &str) -> Option<Leads> {
    let parts: Vec<&str> = front.rsplit('.').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        [] | ["svc"] => Some(Leads::To(Vec::new())),
        ["svc", namespace] => store.get::<Namespace>("", namespace).map(|_| Leads::To(Vec::new())),
        ["svc", namespace, service] => match store.get::<Service>(namespace, service)?.spec.external_name.clone() {
            Some(target) => Some(Leads::On(target.trim_end_matches('.').to_owned())),
            None => of_service(store, namespace, service, None).map(Leads::To),
        },
        ["svc", namespace, service, host] => of_service(store, namespace, service, Some(host)).map(Leads::To),
        ["pod", namespace, dashed] => {
            let known = store.list::<Pod>(Some(namespace)).next().is_some();
            let address = dashed.replace('-', ".").parse::<Ipv4Addr>().ok();
            address.filter(|_| known).map(|address| Leads::To(vec![address]))
        }
        _ => None,
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
