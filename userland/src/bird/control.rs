//! The control socket: `birdc` at the other end.

use hopwise_machine::Sys;
use hopwise_routing::bird::cli::{self, Host, Reply};
use hopwise_routing::bird::daemon::Daemon;
use hopwise_routing::bird::log::Class;
use hopwise_sim_core::Errno;

use crate::kernel::SimKernel;
use crate::unix::{self, UnixStream};

/// The longest command (`CLI_RX_BUF_SIZE`).
const MAX_COMMAND: usize = 4096;

#[derive(Clone, Debug)]
struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    out: Vec<u8>,
    restricted: bool,
    /// Which classes of messages it wants to see.
    echo: u32,
}

/// Those who are connected.
#[derive(Clone, Debug, Default)]
pub(super) struct Control {
    clients: Vec<Client>,
}

impl Control {
    /// Answers what was asked; true if anything was.
    pub(super) fn look(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon, config: &str) -> bool {
        let mut happened = false;
        while let Some(stream) = unix::accept(sys) {
            let out = Reply::of(1, format!("BIRD {} ready.", cli::VERSION)).wire().into_bytes();
            self.clients.push(Client { stream, input: Vec::new(), out, restricted: false, echo: 0 });
            happened = true;
        }
        self.clients.retain_mut(|client| {
            let (alive, busy) = client.look(sys, daemon, config);
            happened |= busy;
            if !alive {
                client.stream.close(sys);
            }
            alive
        });
        happened
    }
}

impl Control {
    /// Tells a message to those who want to see it (`cli_echo`).
    pub(super) fn echo(&mut self, class: Class, text: &str) {
        for client in self.clients.iter_mut().filter(|client| client.echo & class.bit() != 0) {
            client.out.extend(format!("+{text}\n").into_bytes());
        }
    }
}

impl Client {
    /// Whether it is still there, and whether it has asked something.
    fn look(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon, config: &str) -> (bool, bool) {
        let mut busy = false;
        match self.stream.recv(sys) {
            Ok(bytes) if bytes.is_empty() => return (false, false),
            Ok(bytes) => self.input.extend(bytes),
            Err(Errno::EAGAIN) => {}
            Err(_) => return (false, false),
        }
        while let Some(end) = self.input.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.input.drain(..=end).collect();
            busy = true;
            let text = String::from_utf8_lossy(&line).into_owned();
            let mut read = |name: &str| sys.read_file(name).map_err(|errno| errno.to_string());
            let mut host = Host { config, read: &mut read, restricted: self.restricted, echo: self.echo };
            let reply = cli::command(daemon, &text, &mut host);
            (self.restricted, self.echo) = (host.restricted, host.echo);
            self.out.extend(reply.wire().into_bytes());
        }
        if self.input.len() > MAX_COMMAND {
            self.input.clear();
            self.out.extend(Reply::of(9000, "Command too long").wire().into_bytes());
        }
        while !self.out.is_empty() {
            match self.stream.send(sys, &self.out) {
                Ok(taken) => {
                    self.out.drain(..taken);
                }
                Err(Errno::EAGAIN) => break,
                Err(_) => return (false, busy),
            }
        }
        (true, busy)
    }
}
