//! `show status`, `show symbols`, `configure`, `enable`, `disable`, `restart`, `reload`, `debug`.

use super::{Host, Reply, format};
use crate::bird::config::command::{Configure, Switch, Symbols};
use crate::bird::config::{self, Config, Symbol};
use crate::bird::daemon::{Daemon, State};

pub(super) fn status(daemon: &Daemon) -> Reply {
    let mut reply = Reply::of(1000, format!("BIRD {}", super::VERSION));
    reply.line(1011, format!("Router ID is {}", daemon.router_id));
    reply.line(1011, format!("Hostname is {}", daemon.hostname));
    reply.line(1011, format!("Current server time is {}", format::date_time(daemon.now)));
    reply.line(1011, format!("Last reboot on {}", format::date_time(daemon.started)));
    reply.line(1011, format!("Last reconfiguration on {}", format::date_time(daemon.reconfigured)));
    reply.line(13, if daemon.shutting_down { "Shutdown in progress" } else { "Daemon is up and running" });
    reply
}

pub(super) fn symbols(daemon: &Daemon, which: &Symbols) -> Reply {
    let symbols = &daemon.config().symbols;
    if let Symbols::Name(name) = which {
        let class = symbols.get(name).map_or("undefined", Symbol::class);
        return Reply::of(1010, format!("{name:<8}\t{class}"));
    }
    let mut reply = Reply::default();
    let wanted = |symbol: &Symbol| !matches!(which, Symbols::Class(class) if *class != symbol.class());
    for (name, symbol) in symbols.iter().filter(|(_, symbol)| wanted(symbol)) {
        reply.line(1010, format!("{name:<8}\t{}", symbol.class()));
    }
    reply.done()
}

/// `configure`
pub(super) fn configure(daemon: &mut Daemon, what: Configure, host: &mut Host<'_>) -> Reply {
    match what {
        Configure::Undo => {
            let mut reply = Reply::of(21, "Undo requested");
            match daemon.undo() {
                true => reply.line(3, "Reconfigured"),
                false => reply.line(19, "Nothing to do"),
            }
            reply
        }
        Configure::Confirm => match daemon.undo_at.take() {
            Some(_) => Reply::of(18, "Reconfiguration confirmed"),
            None => Reply::of(19, "Nothing to do"),
        },
        Configure::Status => status_of_configuration(daemon),
        Configure::Check(file) => {
            let (mut reply, parsed) = read_config(file, host);
            match parsed {
                Ok(_) => reply.line(20, "Configuration OK"),
                Err(error) => reply.line(8002, error),
            }
            reply
        }
        Configure::Load { soft, file, undo_after } => {
            let (mut reply, parsed) = read_config(file, host);
            match parsed {
                Ok(config) => load(daemon, config, soft, undo_after, &mut reply),
                Err(error) => reply.line(8002, error),
            }
            reply
        }
    }
}

fn status_of_configuration(daemon: &Daemon) -> Reply {
    if daemon.shutting_down {
        return Reply::of(13, "Shutdown in progress");
    }
    let mut reply = Reply::of(3, "Daemon is up and running");
    if let Some(at) = daemon.undo_at {
        reply.line(22, format!("Configuration unconfirmed, undo in {} s", format::remaining(Some(at), daemon.now)));
    }
    reply.done()
}

fn read_config(file: Option<String>, host: &mut Host<'_>) -> (Reply, Result<Config, String>) {
    let file = file.unwrap_or_else(|| host.config.to_owned());
    let parsed = match (host.read)(&file) {
        Ok(bytes) => config::parse(&file, &String::from_utf8_lossy(&bytes), host.read).map_err(|e| e.to_string()),
        Err(why) => Err(format!("{file}: {why}")),
    };
    (Reply::of(2, format!("Reading configuration from {file}")), parsed)
}

fn load(daemon: &mut Daemon, config: Config, soft: bool, undo_after: Option<u32>, reply: &mut Reply) {
    if let Some(seconds) = undo_after {
        reply.line(22, format!("Undo scheduled in {seconds} s"));
    }
    // Protocols that have to stop first are not waited for (config_commit).
    match daemon.configure(config, undo_after, soft) {
        true => reply.line(4, "Reconfiguration in progress"),
        false => reply.line(3, "Reconfigured"),
    }
}

/// `enable`, `disable`, `restart`. The text is for the neighbour, and shown.
pub(super) fn switch(daemon: &mut Daemon, switch: Switch, found: &[usize], text: Option<&str>) -> Reply {
    let mut reply = Reply::default();
    for index in found.iter().copied() {
        let name = daemon.protos[index].conf.name.clone();
        let (code, said) = match switch {
            Switch::Disable => {
                let said = daemon.disable(index, text);
                (if said == "disabled" { 9 } else { 8 }, said)
            }
            Switch::Enable => {
                let said = daemon.enable(index, text);
                (if said == "enabled" { 11 } else { 10 }, said)
            }
            Switch::Restart => {
                let said = daemon.restart(index, text);
                (if said == "restarted" { 12 } else { 8 }, said)
            }
        };
        reply.line(code, format!("{name}: {said}"));
    }
    // Codes below 1000 would end the answer: all but the last line continue it.
    reply.done()
}

/// `reload`
pub(super) fn reload(daemon: &mut Daemon, inward: bool, outward: bool, found: &[usize]) -> Reply {
    let mut reply = Reply::default();
    for index in found.iter().copied() {
        let proto = &daemon.protos[index];
        let name = proto.conf.name.clone();
        let (code, said) = match proto.session.is_some() && proto.state != State::Up {
            _ if proto.disabled => (8, "already disabled"),
            // There is nothing to be reloaded yet.
            true => continue,
            false if daemon.reload(index, inward, outward) => (15, "reloading"),
            false => (8006, "reload failed"),
        };
        reply.line(code, format!("{name}: {said}"));
    }
    reply.done()
}

/// `debug`
pub(super) fn debug(daemon: &mut Daemon, found: &[usize], on: bool) -> Reply {
    for index in found {
        daemon.protos[*index].debug = on;
    }
    Reply::default().done()
}
