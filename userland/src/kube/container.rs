//! The servers that well-known images run: small answers over HTTP/1.1, one thread for all clients.

use std::collections::VecDeque;

use hopwise_machine::{Program, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::socket::tcp::Addr;

use super::kubelet::images::HTML;
use crate::http::{Head, http_date, log_date};
use crate::kernel::SimKernel;
use crate::sock::Sock;
use crate::stream::{self, Stream};

/// What a server answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// nginx 1.25: the file below its folder, or its welcome page.
    Nginx,
    /// Apache 2.4: "It works!".
    Httpd,
    /// `agnhost serve-hostname`: the pod's name.
    Hostname,
    /// `agnhost netexec`: `/hostname`, `/clientip`, `/echo?msg=`.
    Netexec,
    /// `traefik/whoami`: names, addresses, the request.
    Whoami,
}

/// From a request until its answer: what a small server needs.
const THINKING: Duration = Duration::from_micros(100);
/// The longest head of a request.
const HEAD_MAX: usize = 8192;
/// Clients at the same time (`worker_connections`).
const CLIENTS_MAX: usize = 512;
/// nginx's `listen` queue.
const BACKLOG: u32 = 511;

/// A server at a port.
pub(crate) fn http(answer: Answer, port: u16) -> Box<dyn Program<SimKernel>> {
    Box::new(Server { answer, port, listener: None, clients: Vec::new() })
}

/// A process that waits for ever.
pub(crate) fn pause() -> Box<dyn Program<SimKernel>> {
    Box::new(Pause)
}

#[derive(Clone)]
struct Pause;

impl Program<SimKernel> for Pause {
    fn step(&mut self, _: &mut Sys<'_, SimKernel>) -> Step {
        Step::Block(Wait::event())
    }
}

#[derive(Clone)]
struct Server {
    answer: Answer,
    port: u16,
    listener: Option<Sock>,
    clients: Vec<Client>,
}

#[derive(Clone)]
struct Client {
    stream: Stream,
    from: Addr,
    input: Vec<u8>,
    output: VecDeque<u8>,
    /// When the answer to the request that has come is ready.
    due: Option<Time>,
    keep: bool,
    ended: bool,
}

impl Program<SimKernel> for Server {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let listener = match self.listener {
            Some(listener) => listener,
            None => match stream::listen(sys, (core::net::Ipv4Addr::UNSPECIFIED, self.port), BACKLOG) {
                Ok(listener) => *self.listener.insert(listener),
                Err(errno) => {
                    let words = format!("bind() to 0.0.0.0:{} failed ({}: {errno})\n", self.port, errno.number());
                    sys.err(&words);
                    return Step::Exit(1);
                }
            },
        };
        while self.clients.len() < CLIENTS_MAX
            && let Ok((stream, from)) = stream::accept(sys, listener)
        {
            let (input, output) = (Vec::new(), VecDeque::new());
            self.clients.push(Client { stream, from, input, output, due: None, keep: true, ended: false });
        }
        let mut clients = core::mem::take(&mut self.clients);
        clients.retain_mut(|client| self.serve(sys, client));
        self.clients = clients;
        Step::Block(Wait::event().or_until(self.clients.iter().filter_map(|client| client.due).min()))
    }
}

impl Server {
    /// Goes on with a client; false if it is gone.
    fn serve(&self, sys: &mut Sys<'_, SimKernel>, client: &mut Client) -> bool {
        loop {
            match client.stream.recv(sys, HEAD_MAX) {
                Ok(bytes) if bytes.is_empty() => client.ended = true,
                Ok(bytes) => {
                    client.input.extend(bytes);
                    continue;
                }
                Err(Errno::EAGAIN) => {}
                Err(_) => {
                    client.stream.close(sys);
                    return false;
                }
            }
            break;
        }
        while let Some(head) = Head::parse(&client.input) {
            match client.due {
                None => client.due = Some(sys.now() + THINKING),
                Some(at) if at > sys.now() => break,
                Some(_) => {
                    client.due = None;
                    client.input.drain(..head.len);
                    self.respond(sys, client, &head);
                }
            }
        }
        if !send(sys, client) {
            client.stream.close(sys);
            return false;
        }
        let idle = client.output.is_empty() && client.due.is_none();
        if idle && (client.ended || !client.keep) || client.input.len() > HEAD_MAX {
            client.stream.shutdown(sys);
            client.stream.close(sys);
            return false;
        }
        true
    }

    fn respond(&self, sys: &mut Sys<'_, SimKernel>, client: &mut Client, head: &Head) {
        let mut words = head.first.split_ascii_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or("/"));
        let version = words.next().unwrap_or("HTTP/1.0");
        let asked = head.field("connection").map(str::to_ascii_lowercase);
        client.keep = match asked.as_deref() {
            Some("close") => false,
            Some("keep-alive") => true,
            _ => version == "HTTP/1.1",
        };
        let (code, kind, body) = self.body(sys, client, head, method, target);
        let reason = if code == 200 { "OK" } else { "Not Found" };
        let server = match self.answer {
            Answer::Nginx => "Server: nginx/1.25.3\r\n",
            Answer::Httpd => "Server: Apache/2.4.58 (Unix)\r\n",
            _ => "",
        };
        let connection = if client.keep { "keep-alive" } else { "close" };
        let date = http_date(sys.now());
        let text = format!(
            "HTTP/1.1 {code} {reason}\r\n{server}Date: {date}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n",
            body.len()
        );
        client.output.extend(text.bytes());
        if method != "HEAD" {
            client.output.extend(&body);
        }
        if matches!(self.answer, Answer::Nginx | Answer::Httpd) {
            let agent = head.field("user-agent").unwrap_or("-");
            let (from, at) = (client.from.0, log_date(sys.now()));
            sys.out(&format!("{from} - - [{at}] \"{}\" {code} {} \"-\" \"{agent}\" \"-\"\n", head.first, body.len()));
        }
    }

    fn body(
        &self,
        sys: &mut Sys<'_, SimKernel>,
        client: &Client,
        head: &Head,
        method: &str,
        target: &str,
    ) -> (u16, &'static str, Vec<u8>) {
        let plain = |text: String| (200, "text/plain; charset=utf-8", text.into_bytes());
        let host = sys.env("HOSTNAME").unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match self.answer {
            Answer::Httpd => (200, "text/html", b"<html><body><h1>It works!</h1></body></html>\n".to_vec()),
            Answer::Hostname => plain(host),
            Answer::Netexec => match path {
                "/hostname" | "/hostName" => plain(host),
                "/clientip" => plain(format!("{}:{}", client.from.0, client.from.1)),
                "/echo" => plain(query.strip_prefix("msg=").unwrap_or_default().to_owned()),
                _ => plain(format!("NOW: {}", http_date(sys.now()))),
            },
            Answer::Whoami => {
                let ip = client.stream.ends(sys).map_or(String::new(), |(own, _)| own.0.to_string());
                let mut text = format!(
                    "Hostname: {host}\nIP: 127.0.0.1\nIP: {ip}\nRemoteAddr: {}:{}\n",
                    client.from.0, client.from.1
                );
                text.push_str(&format!("{method} {target} HTTP/1.1\n"));
                for name in ["Host", "User-Agent", "Accept"] {
                    let value = head.field(&name.to_ascii_lowercase()).unwrap_or_default();
                    text.push_str(&format!("{name}: {value}\n"));
                }
                plain(text + "\n")
            }
            Answer::Nginx => {
                let inside = !path.split('/').any(|part| part == "..");
                let file = format!("{HTML}{}{}", path, if path.ends_with('/') { "index.html" } else { "" });
                match sys.read_file(&file) {
                    Ok(bytes) if inside => (200, "text/html", bytes),
                    _ if path == "/" || path == "/index.html" => (200, "text/html", WELCOME.as_bytes().to_vec()),
                    _ => (404, "text/html", NOT_FOUND.as_bytes().to_vec()),
                }
            }
        }
    }
}

/// Sends what is taken; false if the connection has broken.
fn send(sys: &mut Sys<'_, SimKernel>, client: &mut Client) -> bool {
    while !client.output.is_empty() {
        let part = client.output.as_slices().0.to_vec();
        match client.stream.send(sys, &part) {
            Ok(count) => drop(client.output.drain(..count)),
            Err(Errno::EAGAIN) => return true,
            Err(_) => return false,
        }
    }
    true
}

const WELCOME: &str = "<!DOCTYPE html>\n<html>\n<head>\n<title>Welcome to nginx!</title>\n</head>\n<body>\n\
<h1>Welcome to nginx!</h1>\n</body>\n</html>\n";

const NOT_FOUND: &str = "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n\
<hr><center>nginx/1.25.3</center>\r\n</body>\r\n</html>\r\n";
