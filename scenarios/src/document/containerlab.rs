//! Reads a topology from containerlab's schema.

use std::collections::BTreeSet;

use super::schema::{self, Rule, Schema};
use super::topology::{
    DEFAULT_MTU, Endpoint, Fault, Machine, Medium, RESERVED_MACHINE_NAMES, Topology, Wire, plain_name, valid_link_name,
};
use super::units;
use super::yaml::{Key, Node, Value};
use crate::diagnostic::Diagnostic;

/// What the YAML of a lab says.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// `name:`, if it is there.
    pub(super) name: Option<String>,
    /// `topology:`, if it is there.
    pub(super) topology: Option<Topology>,
    /// Where each machine's `exec` commands stand, in the order of [`Machine::exec`]: (first byte, last byte).
    pub(super) exec_spans: Vec<Vec<std::ops::Range<usize>>>,
    /// `cluster:`, which is read when the topology is known.
    pub(super) cluster: Option<Node>,
    /// Keys without effect.
    pub(super) notes: Vec<Diagnostic>,
}

pub(super) type Read<T> = Result<T, Diagnostic>;

/// Reads a whole header. `schema` tells a front matter from a containerlab file.
pub(super) fn header(root: &Node, schema: &Schema) -> Read<Header> {
    let mut header = Header::default();
    for (key, value) in entries(root, schema, &mut header.notes)? {
        match key.text.as_str() {
            "name" => header.name = Some(lab_name(value)?),
            "topology" => topology(value, &mut header)?,
            "cluster" => header.cluster = Some(value.clone()),
            _ => {}
        }
    }
    Ok(header)
}

/// The entries of a mapping that are used; the others are noted or refused.
pub(super) fn entries<'n>(
    node: &'n Node,
    schema: &Schema,
    notes: &mut Vec<Diagnostic>,
) -> Read<Vec<(&'n Key, &'n Node)>> {
    let map = match &node.value {
        Value::Null => return Ok(Vec::new()),
        Value::Map(map) => map,
        _ => return Err(expected(node, schema.what, "a mapping of keys to values")),
    };
    let mut used = Vec::new();
    for (key, value) in map {
        match schema.rule(&key.text) {
            Some(Rule::Used) => used.push((key, value)),
            Some(Rule::Noted(why)) => {
                let title = format!("`{}` has no effect", key.text);
                notes.push(Diagnostic::note(key.span.clone(), title, why));
            }
            Some(Rule::Refused(why)) => {
                let title = format!("`{}` is not supported in {}", key.text, schema.what);
                return Err(Diagnostic::error(key.span.clone(), title, "not supported").help(why));
            }
            None => {
                let title = format!("`{}` is not a key of {}", key.text, schema.what);
                let help = format!("the keys of {} are {}", schema.what, schema.known());
                return Err(Diagnostic::error(key.span.clone(), title, "not known").help(help));
            }
        }
    }
    Ok(used)
}

pub(super) fn expected(node: &Node, what: &str, form: &str) -> Diagnostic {
    Diagnostic::error(node.span.clone(), format!("{what} is not what it should be"), format!("expected {form}"))
}

pub(super) fn text<'n>(node: &'n Node, what: &str) -> Read<&'n str> {
    match &node.value {
        Value::Scalar(text) => Ok(text),
        _ => Err(expected(node, what, "a word")),
    }
}

pub(super) fn items<'n>(node: &'n Node, what: &str) -> Read<&'n [Node]> {
    match &node.value {
        Value::List(items) => Ok(items),
        Value::Null => Ok(&[]),
        _ => Err(expected(node, what, "a list")),
    }
}

const PLAIN: &str = "letters, digits, `_`, `.` and `-`, beginning with a letter or digit, at most 64 characters";

fn lab_name(node: &Node) -> Read<String> {
    let name = text(node, "the lab's name")?;
    if plain_name(name) {
        return Ok(name.to_owned());
    }
    Err(Diagnostic::error(node.span.clone(), format!("`{name}` cannot be a lab's name"), "becomes a folder's name")
        .help(PLAIN))
}

/// Settings of a node, or of `kinds:` and `defaults:` for nodes.
#[derive(Default)]
struct Settings<'n> {
    kind: Option<(&'n str, &'n Node)>,
    exec: Vec<(String, std::ops::Range<usize>)>,
}

fn settings<'n>(node: &'n Node, notes: &mut Vec<Diagnostic>) -> Read<Settings<'n>> {
    let mut settings = Settings::default();
    for (key, value) in entries(node, &schema::NODE, notes)? {
        match key.text.as_str() {
            "kind" => settings.kind = Some((text(value, "a kind")?, value)),
            "exec" => {
                for item in items(value, "`exec`")? {
                    settings.exec.push((text(item, "a command of `exec`")?.to_owned(), item.span.clone()));
                }
            }
            "sysctls" => sysctls(value, &mut settings)?,
            _ => {}
        }
    }
    Ok(settings)
}

/// `sysctls:` is a mapping; each entry is one `sysctl` command before the node's own.
fn sysctls(node: &Node, settings: &mut Settings<'_>) -> Read<()> {
    let Value::Map(map) = &node.value else { return Err(expected(node, "`sysctls`", "a mapping of keys to values")) };
    for (at, (key, value)) in map.iter().enumerate() {
        let command = format!("sysctl -qw {}={}", key.text, quoted(text(value, "a sysctl's value")?));
        settings.exec.insert(at, (command, key.span.clone()));
    }
    Ok(())
}

/// A word as the shell must read it.
fn quoted(word: &str) -> String {
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "._-,:/".contains(c)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn topology(node: &Node, header: &mut Header) -> Read<()> {
    let mut nodes = None;
    let mut links = None;
    let mut defaults = Settings::default();
    let mut kinds: Vec<(&str, Settings<'_>)> = Vec::new();
    for (key, value) in entries(node, &schema::TOPOLOGY, &mut header.notes)? {
        match key.text.as_str() {
            "nodes" => nodes = Some(value),
            "links" => links = Some(value),
            "defaults" => defaults = settings(value, &mut header.notes)?,
            "kinds" => {
                let Value::Map(map) = &value.value else { return Err(expected(value, "`kinds`", "a mapping")) };
                for (kind, value) in map {
                    linux_only(&kind.text, &kind.span)?;
                    kinds.push((&kind.text, settings(value, &mut header.notes)?));
                }
            }
            _ => {}
        }
    }
    let mut topology = Topology::default();
    let Some(Node { value: Value::Map(map), .. }) = nodes else {
        return Err(expected(nodes.unwrap_or(node), "a topology's `nodes`", "a mapping of machine names"));
    };
    for (key, value) in map {
        machine_name(key)?;
        let own = settings(value, &mut header.notes)?;
        let kind = own.kind.or(defaults.kind);
        if let Some((kind, at)) = kind {
            linux_only(kind, &at.span)?;
        }
        // containerlab runs the commands of `defaults`, then those of the kind, then the node's own.
        let of_kind = kinds.iter().filter(|(name, _)| *name == kind.map_or("linux", |(kind, _)| kind));
        let commands = defaults.exec.iter().chain(of_kind.flat_map(|(_, s)| &s.exec)).chain(&own.exec).cloned();
        let (exec, spans) = commands.unzip();
        topology.machines.push(Machine { name: key.text.clone(), exec });
        header.exec_spans.push(spans);
    }
    if topology.machines.is_empty() {
        return Err(expected(node, "a topology", "at least one node"));
    }
    wires(links, &mut topology, &mut header.notes)?;
    header.topology = Some(topology);
    Ok(())
}

fn linux_only(kind: &str, at: &std::ops::Range<usize>) -> Read<()> {
    if kind == "linux" {
        return Ok(());
    }
    let error = Diagnostic::error(at.clone(), format!("there is no kind `{kind}`"), "not supported");
    Err(match kind {
        "bridge" | "ovs-bridge" => {
            error.help("a node is a Linux machine; make a bridge in one with `ip link add br0 type bridge`")
        }
        _ => error.help("the only kind is `linux`"),
    })
}

fn machine_name(key: &Key) -> Read<()> {
    let name = &key.text;
    let refuse = |why: &str| {
        let title = format!("`{name}` cannot be a machine's name");
        Err(Diagnostic::error(key.span.clone(), title, "becomes a folder's name and a prompt").help(why))
    };
    if !plain_name(name) {
        return refuse(PLAIN);
    }
    if RESERVED_MACHINE_NAMES.contains(&name.as_str()) {
        return refuse("a file of this name is written beside the machines' folders");
    }
    Ok(())
}

fn wires(links: Option<&Node>, topology: &mut Topology, notes: &mut Vec<Diagnostic>) -> Read<()> {
    let mut taken = BTreeSet::new();
    for link in links.map_or(Ok(&[][..]), |links| items(links, "`links`"))? {
        let wire = wire(link, topology, notes, &mut taken)?;
        topology.wires.push(wire);
    }
    Ok(())
}

fn wire(link: &Node, topology: &Topology, notes: &mut Vec<Diagnostic>, taken: &mut BTreeSet<Endpoint>) -> Read<Wire> {
    let mut ends = Vec::new();
    let mut mtu = DEFAULT_MTU;
    let mut medium = Medium::default();
    let mut faults = Vec::new();
    for (key, value) in entries(link, &schema::LINK, notes)? {
        let quantity = |units| quantity(key, value, units);
        match key.text.as_str() {
            "endpoints" => {
                for end in items(value, "`endpoints`")? {
                    ends.push(endpoint(end, topology, notes, taken)?);
                }
            }
            "mtu" => mtu = parse_mtu(value)?,
            "delay" => medium.delay_ns = quantity(units::TIME)?,
            "jitter" => medium.jitter_ns = quantity(units::TIME)?,
            "rate" => medium.rate_bits = quantity(units::RATE)?,
            "loss" => medium.loss_ppm = share(quantity(units::SHARE)?, value)?,
            "faults" => {
                for item in items(value, "`faults`")? {
                    faults.push(fault(item, notes)?);
                }
            }
            "type" if text(value, "`type`")? != "veth" => {
                let title = format!("there is no link type `{}`", text(value, "`type`")?);
                let help = "a link joins two machines of this lab (`type: veth`): the real machine is out of reach";
                return Err(Diagnostic::error(value.span.clone(), title, "not supported").help(help));
            }
            _ => {}
        }
    }
    if medium.jitter_ns > medium.delay_ns {
        return Err(Diagnostic::error(link.span.clone(), "a link's jitter is greater than its delay", "this link"));
    }
    match <[Endpoint; 2]>::try_from(ends) {
        Ok(ends) => Ok(Wire { ends, mtu, medium, faults }),
        Err(ends) => {
            let title = format!("a link has two endpoints, this one has {}", ends.len());
            Err(Diagnostic::error(link.span.clone(), title, "this link").help(r#"endpoints: ["a:eth1", "b:eth1"]"#))
        }
    }
}

/// A value with its unit.
fn quantity(key: &Key, value: &Node, units: units::Units) -> Read<u64> {
    let what = text(value, &format!("`{}`", key.text))?;
    let title = format!("`{what}` is not a value for `{}`", key.text);
    units::parse(what, units).map_err(|why| Diagnostic::error(value.span.clone(), title, why))
}

/// Something that happens to a link: `{at: 10s, state: down}`, `{at: 1m, loss: 5%}`.
fn fault(node: &Node, notes: &mut Vec<Diagnostic>) -> Read<Fault> {
    let mut fault = Fault::default();
    let mut at = None;
    for (key, value) in entries(node, &schema::FAULT, notes)? {
        let quantity = |units| quantity(key, value, units);
        match key.text.as_str() {
            "at" => at = Some(quantity(units::TIME)?),
            "state" => {
                fault.up = Some(match text(value, "`state`")? {
                    "up" => true,
                    "down" => false,
                    other => {
                        let title = format!("`{other}` is not a state of a link");
                        return Err(Diagnostic::error(value.span.clone(), title, "expected `up` or `down`"));
                    }
                });
            }
            "delay" => fault.delay_ns = Some(quantity(units::TIME)?),
            "jitter" => fault.jitter_ns = Some(quantity(units::TIME)?),
            "rate" => fault.rate_bits = Some(quantity(units::RATE)?),
            "loss" => fault.loss_ppm = Some(share(quantity(units::SHARE)?, value)?),
            _ => {}
        }
    }
    let Some(at) = at else { return Err(expected(node, "a fault", "`at`, the time when it happens")) };
    if fault == Fault::default() {
        return Err(expected(node, "a fault", "something that happens: `state`, `delay`, `jitter`, `rate` or `loss`"));
    }
    Ok(Fault { at_ns: at, ..fault })
}

/// `dev_set_mtu()` of an Ethernet device: ETH_MIN_MTU to 65535.
fn parse_mtu(node: &Node) -> Read<u32> {
    let what = text(node, "`mtu`")?;
    what.parse().ok().filter(|mtu| (68..=65535).contains(mtu)).ok_or_else(|| {
        Diagnostic::error(node.span.clone(), format!("`{what}` is not an MTU"), "expected a number from 68 to 65535")
    })
}

fn share(ppm: u64, node: &Node) -> Read<u32> {
    u32::try_from(ppm).ok().filter(|ppm| *ppm <= 1_000_000).ok_or_else(|| {
        Diagnostic::error(node.span.clone(), "more than everything cannot be lost", "expected 0% to 100%")
    })
}

fn endpoint(
    node: &Node,
    topology: &Topology,
    notes: &mut Vec<Diagnostic>,
    taken: &mut BTreeSet<Endpoint>,
) -> Read<Endpoint> {
    let (machine, link) = match &node.value {
        Value::Scalar(text) => text.split_once(':').ok_or_else(|| expected(node, "an endpoint", "MACHINE:LINK"))?,
        _ => {
            let (mut machine, mut link) = (None, None);
            for (key, value) in entries(node, &schema::ENDPOINT, notes)? {
                *(if key.text == "node" { &mut machine } else { &mut link }) = Some(text(value, "an endpoint")?);
            }
            machine.zip(link).ok_or_else(|| expected(node, "an endpoint", "MACHINE:LINK"))?
        }
    };
    let refuse = |title: String, label: &str, help: String| {
        Err(Diagnostic::error(node.span.clone(), title, label.to_owned()).help(help))
    };
    if !topology.has_machine(machine) {
        if schema::REAL_ENDPOINTS.contains(&machine) {
            let help = "a link joins two machines of this lab".to_owned();
            return refuse(format!("`{machine}:` would reach the real machine"), "not supported", help);
        }
        let help = format!("the machines are {}", topology.names());
        return refuse(format!("there is no machine `{machine}`"), "not a node of this topology", help);
    }
    if !valid_link_name(link) || link == "lo" {
        let help = "1 to 15 characters without `/`, `:` and blanks, not `lo`".to_owned();
        return refuse(format!("`{link}` cannot be a NIC's name"), "Linux refuses it", help);
    }
    let end = Endpoint { machine: machine.to_owned(), link: link.to_owned() };
    if !taken.insert(end.clone()) {
        return refuse(format!("`{end}` has a wire already"), "second wire", "a NIC takes one wire".to_owned());
    }
    Ok(end)
}
