//! `kubectl create`, `run`, `expose`: objects without a file.

use hopwise_cluster::Object;
use hopwise_cluster::object::meta::Labels;
use hopwise_cluster::object::pod::{Container, ContainerPort, EnvVar, PodSpec, PortRef, Protocol};
use hopwise_cluster::object::service::{ServicePort, ServiceSpec};
use hopwise_cluster::object::{Deployment, Namespace, ObjectMeta, Pod, ReplicaSet, Service};
use hopwise_cluster::print::yaml;
use hopwise_cluster::selector::LabelSelector;
use hopwise_machine::Sys;
use serde_json::{Value, json};

use super::args::Args;
use super::select::choose;
use super::{Done, Next, attach, change, named, store};
use crate::kernel::SimKernel;

/// Creates an object, or prints it with `--dry-run=client -o yaml`.
fn put(sys: &mut Sys<'_, SimKernel>, args: &Args, object: Box<dyn Object>, word: &str) -> Result<Done, Done> {
    match (args.get("dry-run"), args.get("output")) {
        (_, Some(form)) if !matches!(form, "yaml" | "json" | "name") => {
            return Err(Done::fail(format!(
                "error: unable to match a printer suitable for the output format {form:?}, allowed formats are: json,name,yaml"
            )));
        }
        (Some("client"), Some("yaml")) => return Ok(Done::ok(yaml::yaml(&as_sent(args, &*object)))),
        (Some("client"), Some("json")) => return Ok(Done::ok(yaml::json(&as_sent(args, &*object)))),
        (Some("server"), Some("yaml" | "json")) => {
            return Err(Done::fail("error: hopwise prints objects with --dry-run=client only"));
        }
        (Some("client" | "server"), Some("name")) => return Ok(Done::ok(format!("{}\n", named(&*object)))),
        (Some(how), _) if !matches!(how, "client" | "server" | "none") => {
            return Err(Done::fail(format!(
                "error: Invalid dry-run value ({how}). Must be \"none\", \"server\", or \"client\"."
            )));
        }
        (Some("client" | "server"), _) => return Ok(Done::ok(format!("{} {word} (dry run)\n", named(&*object)))),
        _ => {}
    }
    match store(sys).create(object) {
        Ok(object) => Ok(Done::ok(match args.get("output") {
            Some("yaml") => yaml::yaml(&object.json()),
            Some("json") => yaml::json(&object.json()),
            Some(_) => format!("{}\n", named(&*object)),
            None => format!("{} {word}\n", named(&*object)),
        })),
        Err(error) => Err(Done::fail(error.to_string())),
    }
}

/// An object as kubectl would send it: with what Go writes of fields that are empty, and without what the server fills in.
fn as_sent(args: &Args, object: &dyn Object) -> Value {
    let mut json = object.json();
    if args.get("namespace").is_none() {
        json.pointer_mut("/metadata").and_then(Value::as_object_mut).map(|meta| meta.shift_remove("namespace"));
    }
    let mut put = |at: &str, field: &str, value: Value| {
        if let Some(Value::Object(map)) = json.pointer_mut(at) {
            map.insert(field.to_owned(), value);
        }
    };
    put("/metadata", "creationTimestamp", Value::Null);
    let spec = match object.info().kind {
        "Deployment" => {
            put("/spec", "strategy", json!({}));
            put("/spec/template/metadata", "creationTimestamp", Value::Null);
            "/spec/template/spec"
        }
        "Pod" => {
            put("/spec", "dnsPolicy", "ClusterFirst".into());
            "/spec"
        }
        "Namespace" => {
            put("", "spec", json!({}));
            put("", "status", json!({}));
            ""
        }
        _ => "",
    };
    let containers = json.pointer_mut(&format!("{spec}/containers")).and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
        container.insert("resources".into(), json!({}));
        let ports = container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten();
        ports.filter_map(Value::as_object_mut).for_each(|port| drop(port.shift_remove("protocol")));
    }
    json
}

fn labels(text: &str) -> Labels {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn one_label(key: &str, value: &str) -> Labels {
    Labels::from([(key.to_owned(), value.to_owned())])
}

fn number<T: core::str::FromStr>(args: &Args, flag: &str) -> Result<Option<T>, Done> {
    let parse = |text: &str| {
        let bad = || Done::fail(format!("error: invalid argument {text:?} for \"--{flag}\" flag"));
        text.parse().map_err(|_| bad())
    };
    args.get(flag).map(parse).transpose()
}

fn metadata(args: &Args, name: &str, labels: Labels) -> ObjectMeta {
    ObjectMeta { labels, ..ObjectMeta::named(&args.namespace(), name) }
}

/// `kubectl create -f FILE`, `create deployment|namespace|service`
pub(super) fn create(sys: &mut Sys<'_, SimKernel>, args: &Args, input: &str) -> Result<Next, Done> {
    if args.get("filename").is_some() {
        let mut done = Done::default();
        for (file, manifest) in change::manifests(sys, args, input)? {
            match store(sys).create(manifest.object) {
                Ok(object) => done.out.push_str(&format!("{} created\n", named(&*object))),
                Err(error) => {
                    done.err.push_str(&format!("{}\n", error.text_for(Some(("creating", &file)))));
                    done.status = 1;
                }
            }
        }
        return Ok(done.into());
    }
    let words: Vec<&str> = args.words.iter().skip(1).map(String::as_str).collect();
    let object: Box<dyn Object> = match words.as_slice() {
        ["namespace" | "ns", name] => {
            Box::new(Namespace { metadata: ObjectMeta::named("", name), ..Namespace::default() })
        }
        ["deployment" | "deploy", name] => deployment(args, name)?,
        ["service" | "svc", kind, name] => service(args, kind, name)?,
        [word, ..] => {
            return Err(Done::fail(format!(
                "error: hopwise creates deployments, namespaces and services without a file, not {word:?}: use -f"
            )));
        }
        [] => return Err(Done::fail("error: must specify one of -f and -k")),
    };
    put(sys, args, object, "created").map(Next::Done)
}

fn container(args: &Args, name: &str) -> Result<Container, Done> {
    let image = args.get("image").ok_or_else(|| Done::fail("error: required flag(s) \"image\" not set"))?;
    let port: Option<u16> = number(args, "port")?;
    let ports = port.map(|port| ContainerPort { container_port: port, ..ContainerPort::default() });
    Ok(Container {
        name: name.to_owned(),
        image: image.to_owned(),
        ports: ports.into_iter().collect(),
        ..Container::default()
    })
}

fn deployment(args: &Args, name: &str) -> Result<Box<dyn Object>, Done> {
    let image = args.get("image").unwrap_or_default();
    let plain = image.rsplit('/').next().and_then(|last| last.split([':', '@']).next()).unwrap_or_default();
    let mut container = container(args, plain)?;
    container.command = args.behind.clone().unwrap_or_default();
    let labels = one_label("app", name);
    let mut deployment = Deployment { metadata: metadata(args, name, labels.clone()), ..Deployment::default() };
    deployment.spec.replicas = Some(number(args, "replicas")?.unwrap_or(1));
    deployment.spec.selector = LabelSelector::of(&labels);
    deployment.spec.template.metadata.labels = labels;
    deployment.spec.template.spec.containers = vec![container];
    Ok(Box::new(deployment))
}

fn service(args: &Args, kind: &str, name: &str) -> Result<Box<dyn Object>, Done> {
    let kind = match kind {
        "clusterip" => "ClusterIP",
        "nodeport" => "NodePort",
        "loadbalancer" => "LoadBalancer",
        "externalname" => "ExternalName",
        other => return Err(Done::fail(format!("error: unknown service type {other:?}"))),
    };
    let mut ports = Vec::new();
    for text in args.all("tcp") {
        let (port, target) = text.split_once(':').unwrap_or((text, text));
        let bad = || Done::fail(format!("error: invalid port format {text:?}"));
        let port: u16 = port.parse().map_err(|_| bad())?;
        let target_port = Some(target.parse().map_or_else(|_| PortRef::Name(target.to_owned()), PortRef::Number));
        let name = text.replace(':', "-");
        ports.push(ServicePort {
            name,
            port,
            target_port,
            node_port: number(args, "node-port")?,
            ..ServicePort::default()
        });
    }
    let labels = one_label("app", name);
    let mut service = Service { metadata: metadata(args, name, labels.clone()), ..Service::default() };
    service.spec = ServiceSpec { kind: kind.into(), ports, selector: labels, ..ServiceSpec::default() };
    service.spec.cluster_ip = args.get("clusterip").unwrap_or_default().to_owned();
    service.spec.external_name = args.get("external-name").map(str::to_owned);
    if kind == "ExternalName" && service.spec.external_name.is_none() {
        return Err(Done::fail("error: required flag(s) \"external-name\" not set"));
    }
    if service.spec.ports.is_empty() && kind != "ExternalName" && service.spec.cluster_ip != "None" {
        return Err(Done::fail("error: at least one tcp port specifier must be provided"));
    }
    Ok(Box::new(service))
}

/// `kubectl run NAME --image=IMAGE [-- ARGS]`
pub(super) fn run(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let Some(name) = args.words.get(1) else { return Err(Done::fail("error: NAME is required for run")) };
    let attached = args.has("stdin") || args.has("tty");
    if args.has("rm") && !attached {
        return Err(Done::fail("error: --rm should only be used for attached containers"));
    }
    let mut container = container(args, name)?;
    for pair in args.each("env") {
        let (name, value) = pair.split_once('=').ok_or_else(|| Done::fail(format!("error: invalid env: {pair}")))?;
        container.env.push(EnvVar { name: name.into(), value: value.into(), value_from: None });
    }
    container.image_pull_policy = args.get("image-pull-policy").map(str::to_owned);
    let behind = [args.words.get(2..).unwrap_or_default(), args.behind.as_deref().unwrap_or_default()].concat();
    if attached {
        attach::check(sys, args, &behind)?;
    }
    if args.has("command") {
        container.command = behind;
    } else {
        container.args = behind;
    }
    let labels = args.get("labels").map_or_else(|| one_label("run", name), labels);
    let restart_policy = args.get("restart").unwrap_or("Always").to_owned();
    let ports: Vec<u16> = container.ports.iter().map(|port| port.container_port).collect();
    let spec = PodSpec { containers: vec![container], restart_policy, ..PodSpec::default() };
    let pod = Pod { metadata: metadata(args, name, labels.clone()), spec, ..Pod::default() };
    let mut done = Done::default();
    if args.has("expose") {
        let Some(port) = ports.first() else {
            return Err(Done::fail("error: --port must be set when exposing a service"));
        };
        let target_port = Some(PortRef::Number(*port));
        let ports = vec![ServicePort { port: *port, target_port, ..ServicePort::default() }];
        let spec = ServiceSpec { ports, selector: labels, ..ServiceSpec::default() };
        let service = Service { metadata: metadata(args, name, Labels::new()), spec, ..Service::default() };
        done.out.push_str(&put(sys, args, Box::new(service), "created")?.out);
    }
    let created = put(sys, args, Box::new(pod), "created")?;
    if attached && args.get("dry-run").is_none() {
        return Ok(Next::Later(done, attach::follow(args, name)));
    }
    done.out.push_str(&created.out);
    Ok(done.into())
}

fn external_ips(args: &Args) -> Result<Vec<core::net::Ipv4Addr>, Done> {
    number(args, "external-ip").map(|address| address.into_iter().collect())
}

/// `kubectl expose deployment web --port=80 [--type=NodePort]`
pub(super) fn expose(sys: &mut Sys<'_, SimKernel>, args: &Args, _: &str) -> Result<Next, Done> {
    let chosen = choose(store(sys), args, args.words.get(1..).unwrap_or_default())?;
    if let Some(error) = chosen.missing.first() {
        return Err(Done::fail(error.to_string()));
    }
    let Some(object) = chosen.objects().next() else { return Err(Done::fail("error: no objects passed to expose")) };
    let (selector, containers) = if let Some(deployment) = object.get::<Deployment>() {
        (deployment.spec.selector.match_labels.clone(), deployment.spec.template.spec.containers.clone())
    } else if let Some(set) = object.get::<ReplicaSet>() {
        (set.spec.selector.match_labels.clone(), set.spec.template.spec.containers.clone())
    } else if let Some(pod) = object.get::<Pod>() {
        (pod.metadata.labels.clone(), pod.spec.containers.clone())
    } else if let Some(service) = object.get::<Service>() {
        (service.spec.selector.clone(), Vec::new())
    } else {
        return Err(Done::fail(format!("error: cannot expose a {}", object.info().resource())));
    };
    let protocol = match args.get("protocol") {
        None | Some("TCP") => Protocol::Tcp,
        Some("UDP") => Protocol::Udp,
        Some("SCTP") => Protocol::Sctp,
        Some(other) => return Err(Done::fail(format!("error: unknown protocol {other:?}"))),
    };
    let given: Option<u16> = number(args, "port")?;
    let known = containers.iter().flat_map(|c| &c.ports).map(|p| p.container_port).next();
    let Some(port) = given.or(known) else {
        return Err(Done::fail(
            "error: couldn't find port via --port flag or introspection\nSee 'kubectl expose -h' for help and examples",
        ));
    };
    let target =
        args.get("target-port").map(|t| t.parse().map_or_else(|_| PortRef::Name(t.to_owned()), PortRef::Number));
    let name = args.get("name").unwrap_or(&object.meta().name).to_owned();
    let spec = ServiceSpec {
        kind: args.get("type").unwrap_or_default().to_owned(),
        selector,
        ports: vec![ServicePort {
            port,
            protocol,
            target_port: target.or(Some(PortRef::Number(port))),
            ..ServicePort::default()
        }],
        cluster_ip: args.get("cluster-ip").unwrap_or_default().to_owned(),
        external_ips: external_ips(args)?,
        session_affinity: args.get("session-affinity").unwrap_or_default().to_owned(),
        ..ServiceSpec::default()
    };
    let service = Service { metadata: metadata(args, &name, object.meta().labels.clone()), spec, ..Service::default() };
    put(sys, args, Box::new(service), "exposed").map(Next::Done)
}
