//! `show status`, `show symbols`, `configure`, `enable`, `disable`, `restart`, `reload`, `debug`.

use super::{Host, Reply, format, named, syntax};
use crate::bird::config;
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

pub(super) fn symbols(daemon: &Daemon, rest: &str) -> Reply {
    let mut reply = Reply::default();
    let class = match rest {
        "table" => "routing table",
        "protocol" => "protocol",
        "template" => "protocol template",
        "filter" | "function" | "" => rest,
        name => {
            let Some(symbol) = daemon.config().symbols.get(name) else {
                return syntax(super::unexpected(daemon, name));
            };
            return Reply { lines: vec![(1010, format!("{name:<8}\t{}", symbol.class()))] }.done();
        }
    };
    for (name, symbol) in &daemon.config().symbols {
        if class.is_empty() || symbol.class() == class {
            reply.line(1010, format!("{name:<8}\t{}", symbol.class()));
        }
    }
    reply.done()
}

/// `configure [soft] [check | confirm | undo | timeout [N]] ["file"]`
pub(super) fn configure(daemon: &mut Daemon, rest: &str, host: &mut Host<'_>) -> Reply {
    let mut words = rest.split_whitespace().peekable();
    let soft = words.next_if_eq(&"soft").is_some();
    let check = words.next_if_eq(&"check").is_some();
    match words.peek() {
        Some(&"undo") => {
            let mut reply = Reply::of(21, "Undo requested");
            if daemon.undo() {
                reply.line(3, "Reconfigured")
            } else {
                reply.line(19, "Nothing to do")
            }
            return reply;
        }
        Some(&"confirm") => {
            return match daemon.undo_at.take() {
                Some(_) => Reply::of(18, "Reconfiguration confirmed"),
                None => Reply::of(19, "Nothing to do"),
            };
        }
        _ => {}
    }
    let mut undo_after = None;
    if words.next_if_eq(&"timeout").is_some() {
        let given = words.peek().and_then(|word| word.parse().ok());
        undo_after = Some(given.unwrap_or(300));
        if given.is_some() {
            words.next();
        }
    }
    let file = words.next().map(|name| name.trim_matches('"')).unwrap_or(host.config).to_owned();

    let mut reply = Reply::of(2, format!("Reading configuration from {file}"));
    let parsed = match (host.read)(&file) {
        Ok(bytes) => config::parse(&file, &String::from_utf8_lossy(&bytes), host.read).map_err(|e| e.to_string()),
        Err(why) => Err(format!("{file}: {why}")),
    };
    match parsed {
        Err(error) => reply.line(8002, error),
        Ok(_) if check => reply.line(20, "Configuration OK"),
        Ok(config) => {
            if let Some(seconds) = undo_after {
                reply.line(22, format!("Undo scheduled in {seconds} s"));
            }
            // Protocols that have to stop first are not waited for (config_commit).
            match daemon.configure(config, undo_after, soft) {
                true => reply.line(4, "Reconfiguration in progress"),
                false => reply.line(3, "Reconfigured"),
            }
        }
    }
    reply
}

/// `enable`, `disable`, `restart`, `reload [in | out]`
pub(super) fn switch(daemon: &mut Daemon, command: &str, rest: &str) -> Reply {
    let (direction, rest) = match rest.split_once(char::is_whitespace) {
        Some((word @ ("in" | "out"), rest)) if command == "reload" => (word, rest.trim()),
        _ => ("", rest),
    };
    // Behind the name a text for the neighbour may stand.
    let name = rest.split_whitespace().next().unwrap_or_default();
    let found = match named(daemon, name, false) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let mut reply = Reply::default();
    for index in found {
        let name = daemon.protos[index].conf.name.clone();
        let (code, text) = match command {
            "disable" => {
                let text = daemon.disable(index);
                (if text == "disabled" { 9 } else { 8 }, text)
            }
            "enable" => {
                let text = daemon.enable(index);
                (if text == "enabled" { 11 } else { 10 }, text)
            }
            "restart" => {
                let text = daemon.restart(index);
                (if text == "restarted" { 12 } else { 8 }, text)
            }
            _ => match reload(daemon, index, direction) {
                Some(answer) => answer,
                None => continue,
            },
        };
        reply.line(code, format!("{name}: {text}"));
    }
    // Codes below 1000 would end the answer: all but the last line continue it.
    reply.done()
}

fn reload(daemon: &mut Daemon, index: usize, direction: &str) -> Option<(u16, &'static str)> {
    if daemon.protos[index].disabled {
        return Some((8, "already disabled"));
    }
    let is_bgp = daemon.protos[index].session.is_some();
    if is_bgp && daemon.protos[index].state != State::Up {
        return None;
    }
    let done = daemon.reload(index, direction != "out", direction != "in");
    Some(if done { (15, "reloading") } else { (8006, "reload failed") })
}

/// `debug NAME all | off | { ... }`
pub(super) fn debug(daemon: &mut Daemon, rest: &str) -> Reply {
    let (name, what) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let found = match named(daemon, name, false) {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let on = match what.trim() {
        "off" => false,
        "all" => true,
        list if list.starts_with('{') && list.ends_with('}') => true,
        "" => {
            let mut reply = Reply::default();
            for index in found {
                let proto = &daemon.protos[index];
                let shown = if proto.debug { "all" } else { "off" };
                reply.line(1004, format!("{}: {shown}", proto.conf.name));
            }
            return reply.done();
        }
        other => return syntax(super::unexpected(daemon, other)),
    };
    for index in found {
        daemon.protos[index].debug = on;
    }
    Reply::default().done()
}
