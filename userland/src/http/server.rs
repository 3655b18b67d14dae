//! `python3 -m http.server` of Python 3.11.

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use hopwise_machine::{FileKind, Program, Signal, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::socket::tcp::Addr;

use super::pages;
use super::{Head, MAX_HEAD, latin1, unquote};
use crate::getopt::{self, Argument, Long};
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, Host};
use crate::sock::Sock;
use crate::stream::{self, Stream};

/// From a request until the head of its answer is written: a thread is started and Python thinks.
const THINKING: Duration = Duration::from_micros(400);
/// From one write to the next, and to the close.
const NEXT_WRITE: Duration = Duration::from_micros(100);
/// `shutil.COPY_BUFSIZE`: how much of a file is written at once.
const COPY_BUFSIZE: usize = 64 << 10;
/// `request_queue_size` of `socketserver.TCPServer`.
const BACKLOG: u32 = 5;
/// The longest request line (`http.server`).
const MAX_LINE: usize = 65_536;

const USAGE: &str = "usage: server.py [-h] [--cgi] [-b ADDRESS] [-d DIRECTORY] [-p VERSION] [port]\n";
const HELP: &str = "\npositional arguments:\n  port                  bind to this port (default: 8000)\n\noptions:\n  \
-h, --help            show this help message and exit\n  --cgi                 run as CGI server\n  \
-b ADDRESS, --bind ADDRESS\n                        bind to this address (default: all interfaces)\n  \
-d DIRECTORY, --directory DIRECTORY\n                        serve this directory (default: current directory)\n  \
-p VERSION, --protocol VERSION\n                        conform to this HTTP version (default: HTTP/1.0)\n";

/// `python3`, of which only the HTTP server is here.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Python { args: args.to_vec(), server: None })
}

#[derive(Clone)]
struct Python {
    args: Vec<String>,
    server: Option<Box<Server>>,
}

/// Why it ends before it serves: exit status, output, error output.
type Refusal = (i32, String, String);

impl Program<SimKernel> for Python {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(server) = &mut self.server {
            return server.step(sys);
        }
        match options(sys, &self.args).and_then(|options| Server::begin(sys, options)) {
            Ok(server) => self.server.insert(Box::new(server)).step(sys),
            Err((status, out, err)) => {
                sys.out(&out);
                sys.err(&err);
                Step::Exit(status)
            }
        }
    }
}

/// What the command line asks for.
struct Options {
    unbuffered: bool,
    port: u16,
    bind: Option<String>,
    directory: String,
    protocol: String,
}

fn options(sys: &Sys<'_, SimKernel>, args: &[String]) -> Result<Options, Refusal> {
    let unbuffered = args.first().is_some_and(|arg| arg == "-u");
    let rest = if unbuffered { &args[1..] } else { args };
    let words: Vec<&str> = rest.iter().map(String::as_str).collect();
    let rest = match words.as_slice() {
        ["-V" | "--version", ..] => return Err((0, "Python 3.11.7\n".into(), String::new())),
        ["-m", "http.server", ..] => &rest[2..],
        ["-m", module, ..] => return Err((1, String::new(), format!("/usr/bin/python3: No module named {module}\n"))),
        _ => return Err((1, String::new(), "python3: only `python3 -m http.server' is supported here\n".into())),
    };
    const LONG: &[Long] = &[
        ("bind", Argument::Required, 'b'),
        ("cgi", Argument::No, 'c'),
        ("directory", Argument::Required, 'd'),
        ("help", Argument::No, 'h'),
        ("protocol", Argument::Required, 'p'),
    ];
    let wrong = |text: String| (2, String::new(), format!("{USAGE}server.py: error: {text}\n"));
    let mut options = Options {
        unbuffered: unbuffered || sys.env("PYTHONUNBUFFERED").is_some_and(|v| !v.is_empty()),
        port: 8000,
        bind: None,
        directory: sys.cwd(),
        protocol: "HTTP/1.0".into(),
    };
    let parsed = getopt::parse(rest, "b:d:hp:", LONG);
    for option in parsed.options {
        let option = option.map_err(|_| wrong(format!("unrecognized arguments: {}", rest.join(" "))))?;
        match option.key {
            'b' => options.bind = Some(option.text().to_owned()),
            'd' => options.directory = hopwise_machine::files::join(&sys.cwd(), option.text()),
            'p' => options.protocol = option.text().to_owned(),
            'h' => return Err((0, format!("{USAGE}{HELP}"), String::new())),
            _ => return Err((1, String::new(), "python3: a CGI server (--cgi) is not supported here\n".into())),
        }
    }
    match parsed.operands.as_slice() {
        [] => {}
        [port] => {
            let number = getopt::strtol(port);
            let number = number.ok_or_else(|| wrong(format!("argument port: invalid int value: '{port}'")))?;
            let refusal = || traceback("OverflowError: bind(): port must be 0-65535.");
            options.port = u16::try_from(number).map_err(|_| refusal())?;
        }
        [_, more @ ..] => return Err(wrong(format!("unrecognized arguments: {}", more.join(" ")))),
    }
    Ok(options)
}

/// What Python says when the server cannot bind.
fn traceback(last: &str) -> Refusal {
    const FRAMES: &[(&str, u32, &str, &str)] = &[
        ("http/server.py", 1313, "<module>", "test("),
        ("http/server.py", 1260, "test", "with ServerClass(addr, HandlerClass) as httpd:"),
        ("socketserver.py", 456, "__init__", "self.server_bind()"),
        ("http/server.py", 1307, "server_bind", "return super().server_bind()"),
        ("http/server.py", 136, "server_bind", "socketserver.TCPServer.server_bind(self)"),
        ("socketserver.py", 472, "server_bind", "self.socket.bind(self.server_address)"),
    ];
    let mut text = String::from(
        "Traceback (most recent call last):\n  File \"<frozen runpy>\", line 198, in _run_module_as_main\n  \
         File \"<frozen runpy>\", line 88, in _run_code\n",
    );
    for (file, line, function, code) in FRAMES {
        text.push_str(&format!("  File \"/usr/lib/python3.11/{file}\", line {line}, in {function}\n    {code}\n"));
        if code.starts_with("with ") {
            text.push_str(&format!("         {}\n", "^".repeat(31)));
        }
    }
    (1, String::new(), format!("{text}{last}\n"))
}

/// A server at work.
#[derive(Clone)]
struct Server {
    listener: Sock,
    directory: String,
    protocol: String,
    clients: Vec<Client>,
    /// What its standard output holds back until it ends.
    greeting: String,
}

/// Somebody who is served, by a thread of the server.
#[derive(Clone)]
struct Client {
    stream: Stream,
    from: Addr,
    input: Vec<u8>,
    /// What is still to be written, each with one call.
    writes: VecDeque<Vec<u8>>,
    /// How much of the first write was taken.
    taken: usize,
    /// When it goes on; `None`: it waits for a request.
    next: Option<Time>,
    /// Whether another request may follow.
    keep: bool,
}

impl Server {
    fn begin(sys: &mut Sys<'_, SimKernel>, options: Options) -> Result<Server, Refusal> {
        let addr = match &options.bind {
            None => Ipv4Addr::UNSPECIFIED,
            Some(name) => match resolve::resolve(sys, name, Family::Unspec) {
                Ok(Host::V4 { addr, .. }) => addr,
                Ok(Host::V6(_)) => return Err(traceback("OSError: [Errno 99] Cannot assign requested address")),
                Err(_) => return Err(traceback("socket.gaierror: [Errno -2] Name or service not known")),
            },
        };
        let failed = |errno: Errno| traceback(&format!("OSError: [Errno {}] {errno}", errno.number()));
        let listener = stream::listen(sys, (addr, options.port), BACKLOG).map_err(failed)?;
        let port = listener.get(sys).map(|socket| socket.local.1).unwrap_or(options.port);
        let mut greeting = format!("Serving HTTP on {addr} port {port} (http://{addr}:{port}/) ...\n");
        if options.unbuffered {
            sys.out(&core::mem::take(&mut greeting));
        }
        if !sys.ignores(Signal::INT) {
            sys.catch(Signal::INT);
        }
        let Options { directory, protocol, .. } = options;
        Ok(Server { listener, directory, protocol, clients: Vec::new(), greeting })
    }

    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if sys.take_signal().is_some() {
            sys.out(&format!("{}\nKeyboard interrupt received, exiting.\n", self.greeting));
            return Step::Exit(0);
        }
        while let Ok((stream, from)) = stream::accept(sys, self.listener) {
            let (input, writes) = (Vec::new(), VecDeque::new());
            self.clients.push(Client { stream, from, input, writes, taken: 0, next: None, keep: true });
        }
        let mut clients = core::mem::take(&mut self.clients);
        clients.retain_mut(|client| self.serve(sys, client));
        self.clients = clients;
        let now = sys.now();
        let next = self.clients.iter().filter_map(|client| client.next).filter(|at| *at > now).min();
        Step::Block(Wait::event().or_until(next))
    }

    /// Goes on with a client; false if it is gone.
    fn serve(&self, sys: &mut Sys<'_, SimKernel>, client: &mut Client) -> bool {
        loop {
            match client.next {
                Some(at) if at > sys.now() => return true,
                Some(_) if client.writes.is_empty() => {
                    if !client.keep {
                        client.stream.shutdown(sys);
                        client.stream.close(sys);
                        return false;
                    }
                    client.next = None;
                }
                Some(_) => match client.write(sys) {
                    Ok(true) => client.next = Some(sys.now() + NEXT_WRITE),
                    Ok(false) => return true,
                    Err(errno) => {
                        sys.err(&broken(client.from, errno));
                        client.stream.close(sys);
                        return false;
                    }
                },
                None => {
                    if !self.listen_to(sys, client) {
                        return true;
                    }
                }
            }
        }
    }

    /// Reads a request; false if it is not complete yet.
    fn listen_to(&self, sys: &mut Sys<'_, SimKernel>, client: &mut Client) -> bool {
        let mut ended = false;
        loop {
            match client.stream.recv(sys, MAX_HEAD) {
                Ok(bytes) if bytes.is_empty() => ended = true,
                Ok(bytes) => {
                    client.input.extend(bytes);
                    continue;
                }
                Err(Errno::EAGAIN) => {}
                Err(_) => (ended, client.input) = (true, Vec::new()),
            }
            break;
        }
        let line = client.input.iter().position(|b| *b == b'\n').unwrap_or(client.input.len());
        let head = Head::parse(&client.input);
        if line > MAX_LINE {
            self.refuse(sys, client, ("", "HTTP/1.0"), 414, "Request-URI Too Long");
        } else if let Some(head) = head {
            client.input.drain(..head.len);
            self.answer(sys, client, &head);
        } else if ended || client.input.len() > MAX_HEAD {
            (client.keep, client.next) = (false, Some(sys.now()));
            return true;
        } else {
            return false;
        }
        client.next = Some(sys.now() + THINKING);
        true
    }

    /// `parse_request`, and then the method.
    fn answer(&self, sys: &mut Sys<'_, SimKernel>, client: &mut Client, head: &Head) {
        let line = head.first.as_str();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        client.keep = false;
        let (method, target, version) = match words.as_slice() {
            [] => return,
            [method, target] if *method == "GET" => (*method, *target, "HTTP/0.9"),
            [method, _] => {
                let message = format!("Bad HTTP/0.9 request type ('{method}')");
                return self.refuse(sys, client, (line, "HTTP/0.9"), 400, &message);
            }
            [method, target, version] => match http_version(version) {
                None => {
                    let message = format!("Bad request version ('{version}')");
                    return self.refuse(sys, client, (line, "HTTP/0.9"), 400, &message);
                }
                Some((2.., _)) => {
                    let number = version.trim_start_matches("HTTP/");
                    let message = format!("Invalid HTTP version ({number})");
                    return self.refuse(sys, client, (line, "HTTP/0.9"), 505, &message);
                }
                Some(number) => {
                    let close = head.field("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
                    client.keep = number >= (1, 1) && &*self.protocol >= "HTTP/1.1" && !close;
                    (*method, *target, *version)
                }
            },
            _ => {
                let message = format!("Bad request syntax ('{line}')");
                return self.refuse(sys, client, (line, "HTTP/0.9"), 400, &message);
            }
        };
        if !matches!(method, "GET" | "HEAD") {
            let message = format!("Unsupported method ('{method}')");
            return self.refuse(sys, client, (line, version), 501, &message);
        }
        self.get(sys, client, (line, version), target, method == "HEAD");
    }

    /// `send_head` and `copyfile`
    fn get(&self, sys: &mut Sys<'_, SimKernel>, client: &mut Client, request: (&str, &str), target: &str, head: bool) {
        // One slash only at the beginning, lest the target be taken for a host (gh-87389).
        let single = format!("/{}", target.trim_start_matches('/'));
        let target = if target.starts_with("//") { &single } else { target };
        let plain = target.split(['?', '#']).next().unwrap_or_default();
        let mut path = translate(&self.directory, plain);
        let kind = |sys: &mut Sys<'_, SimKernel>, path: &str| sys.stat(path, true).ok().map(|stat| stat.kind);
        if kind(sys, &path) == Some(FileKind::Dir) {
            if !plain.ends_with('/') {
                let location = format!("{plain}/{}", &target[plain.len()..]);
                let fields = [("Location", location), ("Content-Length", "0".into())];
                return self.respond(sys, client, request, (301, "Moved Permanently"), &fields, None);
            }
            let folder = path.trim_end_matches('/').to_owned();
            let index = ["index.html", "index.htm"].map(|name| format!("{folder}/{name}"));
            match index.into_iter().find(|file| kind(sys, file) == Some(FileKind::File)) {
                Some(file) => path = file,
                None => {
                    let shown = String::from_utf8_lossy(&unquote(target)).into_owned();
                    let Some(page) = pages::listing(sys, &folder, &shown) else {
                        return self.refuse(sys, client, request, 404, "No permission to list directory");
                    };
                    let fields = [
                        ("Content-type", "text/html; charset=utf-8".to_owned()),
                        ("Content-Length", page.len().to_string()),
                    ];
                    let body = Some(page.into_bytes()).filter(|_| !head);
                    return self.respond(sys, client, request, (200, "OK"), &fields, body);
                }
            }
        }
        let modified = sys.stat(&path, true).map(|stat| stat.mtime);
        let content = if path.ends_with('/') { Err(Errno::ENOENT) } else { sys.read_file(&path) };
        let (Ok(content), Ok(modified)) = (content, modified) else {
            return self.refuse(sys, client, request, 404, "File not found");
        };
        let fields = [
            ("Content-type", pages::guess_type(&path).to_owned()),
            ("Content-Length", content.len().to_string()),
            ("Last-Modified", pages::http_date(modified)),
        ];
        self.respond(sys, client, request, (200, "OK"), &fields, Some(content).filter(|_| !head));
    }

    /// `send_error`
    fn refuse(&self, sys: &mut Sys<'_, SimKernel>, client: &mut Client, request: (&str, &str), code: u16, why: &str) {
        client.keep = false;
        log(sys, client.from, &format!("code {code}, message {why}"));
        let page = pages::error_page(code, why);
        let fields = [
            ("Connection", "close".to_owned()),
            ("Content-Type", "text/html;charset=utf-8".to_owned()),
            ("Content-Length", page.len().to_string()),
        ];
        let body = Some(page.into_bytes()).filter(|_| !request.0.starts_with("HEAD "));
        self.respond(sys, client, request, (code, why), &fields, body);
    }

    /// Logs the request and has the answer written: head and body each by a call of its own.
    fn respond(
        &self,
        sys: &mut Sys<'_, SimKernel>,
        client: &mut Client,
        (line, version): (&str, &str),
        (code, reason): (u16, &str),
        fields: &[(&str, String)],
        body: Option<Vec<u8>>,
    ) {
        log(sys, client.from, &format!("\"{line}\" {code} -"));
        if version != "HTTP/0.9" {
            let now = sys.now() + THINKING;
            client.writes.push_back(pages::head(&self.protocol, code, reason, now, fields));
        }
        let body = body.unwrap_or_default();
        client.writes.extend(body.chunks(COPY_BUFSIZE).map(<[u8]>::to_vec));
    }
}

impl Client {
    /// Writes as much as is taken of the first write; whether it is done.
    fn write(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<bool, Errno> {
        while let Some(rest) = self.writes.front().and_then(|w| w.get(self.taken..)).filter(|rest| !rest.is_empty()) {
            match self.stream.send(sys, rest) {
                Ok(count) => self.taken += count,
                Err(Errno::EAGAIN) => return Ok(false),
                Err(errno) => return Err(errno),
            }
        }
        self.writes.pop_front();
        self.taken = 0;
        Ok(true)
    }
}

/// `HTTP/MAJOR.MINOR`
fn http_version(word: &str) -> Option<(u32, u32)> {
    let (major, minor) = word.strip_prefix("HTTP/")?.split_once('.')?;
    let number = |t: &str| t.bytes().all(|b| b.is_ascii_digit()).then(|| t.parse().ok()).flatten();
    Some((number(major)?, number(minor)?))
}

/// `translate_path`: the file that a target means; it never lies outside of the folder.
fn translate(directory: &str, target: &str) -> String {
    let text = String::from_utf8(unquote(target)).unwrap_or_else(|why| latin1(why.as_bytes()));
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let slash = if text.trim_end().ends_with('/') { "/" } else { "" };
    let path = parts.iter().fold(directory.trim_end_matches('/').to_owned(), |path, part| format!("{path}/{part}"));
    format!("{path}{slash}")
}

/// `log_message`
fn log(sys: &mut Sys<'_, SimKernel>, from: Addr, text: &str) {
    let date = pages::log_date(sys.now());
    sys.err(&format!("{} - - [{date}] {text}\n", from.0));
}

/// What a thread says whose client has gone.
fn broken(from: Addr, errno: Errno) -> String {
    const FRAMES: &[(&str, u32, &str, &str)] = &[
        ("socketserver.py", 691, "process_request_thread", "self.finish_request(request, client_address)"),
        ("http/server.py", 1310, "finish_request", "self.RequestHandlerClass(request, client_address, self,"),
        ("http/server.py", 671, "__init__", "super().__init__(*args, **kwargs)"),
        ("socketserver.py", 755, "__init__", "self.handle()"),
        ("http/server.py", 436, "handle", "self.handle_one_request()"),
        ("http/server.py", 424, "handle_one_request", "method()"),
        ("http/server.py", 678, "do_GET", "self.copyfile(f, self.wfile)"),
        ("http/server.py", 877, "copyfile", "shutil.copyfileobj(source, outputfile)"),
        ("shutil.py", 200, "copyfileobj", "fdst_write(buf)"),
        ("socketserver.py", 834, "write", "self._sock.sendall(b)"),
    ];
    let rule = "-".repeat(40);
    let mut text = format!(
        "{rule}\nException occurred during processing of request from ('{}', {})\nTraceback (most recent call last):\n",
        from.0, from.1
    );
    for (file, line, function, code) in FRAMES {
        text.push_str(&format!("  File \"/usr/lib/python3.11/{file}\", line {line}, in {function}\n    {code}\n"));
    }
    let kind = if errno == Errno::EPIPE { "BrokenPipeError" } else { "ConnectionResetError" };
    format!("{text}{kind}: [Errno {}] {errno}\n{rule}\n", errno.number())
}
