//! `show protocols`

use super::{Reply, format};
use crate::bgp::error::LastError;
use crate::bgp::session::{Phase, Session};
use crate::bgp::wire::{Capability, Open};
use crate::bird::config::{Channel, Kind};
use crate::bird::daemon::{Daemon, Proto, State};

pub(super) fn show(daemon: &Daemon, verbose: bool, found: &[usize]) -> Reply {
    let mut reply = Reply::of(2002, "Name       Proto      Table      State  Since         Info");
    for index in found {
        let proto = &daemon.protos[*index];
        reply.line(1002, row(daemon, proto));
        if verbose {
            details(daemon, proto, &mut reply);
            reply.line(1006, "");
        }
    }
    reply.done()
}

fn row(daemon: &Daemon, proto: &Proto) -> String {
    let table = match (&proto.conf.kind, &proto.conf.channel) {
        (Kind::Kernel(_) | Kind::Static { .. }, Some(channel)) => channel.table.as_str(),
        _ => "---",
    };
    let info = proto
        .session
        .as_ref()
        .filter(|_| proto.state != State::Down)
        .map_or_else(String::new, |session| format!("{:<14}{}", state(session), session.last_error()));
    let (name, kind) = (&proto.conf.name, proto.conf.kind.name());
    let since = format::short(proto.since, daemon.now);
    format!("{name:<10} {kind:<10} {table:<10} {:<6} {since:<12}  {info}", proto.state.name())
}

/// The state of the connection that counts, in BIRD's words.
fn state(session: &Session) -> &'static str {
    match session.phase() {
        Phase::Down => "Down",
        Phase::Waiting | Phase::Delayed => "Idle",
        Phase::Starting if session.config().passive && session.state().name() == "Idle" => "Passive",
        _ => session.state().name(),
    }
}

fn details(daemon: &Daemon, proto: &Proto, reply: &mut Reply) {
    let mut line = |text: String| reply.line(1006, text);
    if let Some(text) = &proto.conf.description {
        line(format!("  Description:    {text}"));
    }
    let heard = proto.session.as_ref().and_then(|session| session.message());
    if let Some(text) = proto.message.as_deref().or(heard) {
        line(format!("  Message:        {text}"));
    }
    if let Kind::Bgp(bgp) = &proto.conf.kind {
        line(format!("  BGP state:          {}", proto.session.as_ref().map_or("Down", |session| state(session))));
        line(format!("    Neighbor address: {}", bgp.peer.neighbor));
        if bgp.port != 179 {
            line(format!("    Neighbor port:    {}", bgp.port));
        }
        line(format!("    Neighbor AS:      {}", proto.neighbor_as().unwrap_or(0)));
        line(format!("    Local AS:         {}", bgp.peer.local_as));
        if let Some(session) = &proto.session {
            session_details(daemon, proto, session, reply);
        }
    }
    if let Some(channel) = &proto.conf.channel {
        channel_details(proto, channel, reply);
    }
}

fn session_details(daemon: &Daemon, proto: &Proto, session: &Session, reply: &mut Reply) {
    let mut line = |text: String| reply.line(1006, text);
    let (timers, now) = (session.timers(), daemon.now);
    if proto.state == State::Start {
        if session.phase() == Phase::Delayed {
            line(format!(
                "    Error wait:       {}/{}",
                format::remaining(timers.startup, now),
                session.startup_delay()
            ));
        }
        if session.state().name() == "Active" && timers.connect.is_some() {
            let delay = session.config().times.connect_delay;
            line(format!("    Connect delay:    {}/{delay}", format::remaining(timers.connect, now)));
        }
    } else if let (State::Up, Some(peer), Some((own, theirs, options))) = (proto.state, session.peer(), session.opens())
    {
        line(format!("    Neighbor ID:      {}", peer.remote_id));
        line("    Local capabilities".into());
        capabilities(own).into_iter().for_each(&mut line);
        line("    Neighbor capabilities".into());
        capabilities(theirs).into_iter().for_each(&mut line);
        let config = &peer.config;
        let kind = if peer.is_internal() { "internal" } else { "external" };
        let word = |on: bool, text: &'static str| if on { text } else { "" };
        let multihop = word(config.multihop.is_some(), " multihop");
        let reflector = word(config.rr_client, " route-reflector");
        let server = word(config.rs_client, " route-server");
        line(format!("    Session:          {kind}{multihop}{reflector}{server}{}", word(options.as4, " AS4")));
        line(format!("    Source address:   {}", peer.local_address));
        let (hold, keepalive) = session.agreed_times().unwrap_or_default();
        line(format!("    Hold timer:       {}/{hold}", format::remaining(timers.hold, now)));
        line(format!("    Keepalive timer:  {}/{keepalive}", format::remaining(timers.keepalive, now)));
    }
    if !matches!(session.last_error(), LastError::None | LastError::Manual) {
        line(format!("    Last error:       {}", session.last_error()));
    }
}

/// Whether a capability is a certain one.
type Test = fn(&Capability) -> bool;

/// What an OPEN says its sender can do (`bgp_show_capabilities`).
fn capabilities(open: &Open) -> Vec<String> {
    let mut lines = Vec::new();
    let has = |wanted: fn(&Capability) -> bool| open.capabilities.iter().any(wanted);
    if has(|c| matches!(c, Capability::Multiprotocol(_))) {
        lines.push("      Multiprotocol".into());
        lines.push("        AF announced: ipv4".into());
    }
    let plain: [(Test, &str); 6] = [
        (|c| matches!(c, Capability::RouteRefresh), "Route refresh"),
        (|c| matches!(c, Capability::ExtendedMessage), "Extended message"),
        (|c| matches!(c, Capability::GracefulRestart { .. }), "Graceful restart"),
        (|c| matches!(c, Capability::FourOctetAs(_)), "4-octet AS numbers"),
        (|c| matches!(c, Capability::EnhancedRefresh), "Enhanced refresh"),
        (|c| matches!(c, Capability::LongLived(_)), "Long-lived graceful restart"),
    ];
    lines.extend(plain.iter().filter(|(wanted, _)| has(*wanted)).map(|(_, text)| format!("      {text}")));
    lines
}

fn channel_details(proto: &Proto, channel: &Channel, reply: &mut Reply) {
    let mut line = |text: String| reply.line(1006, text);
    let state = &proto.channel;
    line("  Channel ipv4".into());
    line(format!("    State:          {}", if state.up { "UP" } else { "DOWN" }));
    line(format!("    Table:          {}", channel.table));
    line(format!("    Preference:     {}", channel.preference));
    line(format!("    Input filter:   {}", channel.import.shown()));
    line(format!("    Output filter:  {}", channel.export.shown()));
    for (i, name) in ["Receive limit:", "Import limit:", "Export limit:"].into_iter().enumerate() {
        if let Some((limit, action)) = channel.limits[i] {
            let hit = if state.hit[i] { " [HIT]" } else { "" };
            line(format!("    {name:<16}{limit}{hit}"));
            line(format!("      Action:       {}", action.name()));
        }
    }
    if state.up {
        counters(proto, channel, reply);
    }
    let mut line = |text: String| reply.line(1006, text);
    if let Kind::Bgp(bgp) = &proto.conf.kind {
        if let Some(table) = channel.igp_table.as_ref().filter(|_| channel.gateway_recursive == Some(true)) {
            line(format!("    IGP IPv4 table: {table}"));
        }
        let own = proto.session.as_ref().and_then(|session| session.peer()).map(|peer| peer.local_address);
        if let Some(addr) = bgp.peer.next_hop_address.or(own).filter(|_| state.up) {
            line(format!("    BGP Next hop:   {addr}"));
        }
    }
}

fn counters(proto: &Proto, channel: &Channel, reply: &mut Reply) {
    let state = &proto.channel;
    let mut line = |text: String| reply.line(1006, text);
    let filtered = if channel.keep_filtered { format!("{} filtered, ", state.filtered) } else { String::new() };
    let preferred = state.preferred;
    let exported = state.exported.len();
    line(format!(
        "    Routes:         {} imported, {filtered}{exported} exported, {preferred} preferred",
        state.imported
    ));
    line("    Route change stats:     received   rejected   filtered    ignored   accepted".into());
    let n = |value: u32| format!("{value:>10}");
    let none = || format!("{:>10}", "---");
    let mut counts = |name: &str, columns: [String; 5]| line(format!("      {name:<20}{}", columns.join(" ")));
    let [updates, withdraws] = state.import;
    counts(
        "Import updates:",
        [n(updates.received), n(updates.rejected), n(updates.filtered), n(updates.ignored), n(updates.accepted)],
    );
    counts(
        "Import withdraws:",
        [n(withdraws.received), n(withdraws.rejected), none(), n(withdraws.ignored), n(withdraws.accepted)],
    );
    let [updates, withdraws] = state.export;
    counts(
        "Export updates:",
        [n(updates.received), n(updates.rejected), n(updates.filtered), none(), n(updates.accepted)],
    );
    counts("Export withdraws:", [n(withdraws.received), none(), none(), none(), n(withdraws.accepted)]);
}
