//! What the API server fills in and refuses of a pod's specification (`ValidatePodSpec`).

use super::{Container, PodSpec};
use crate::object::Invalid;

/// The fields of a pod that an environment variable can have as its value (`validEnvDownwardAPIFieldPathExpressions`).
const ENV_FIELDS: [&str; 7] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.podIP",
];

/// Fills in what a pod's specification leaves to the API server, and refuses what it would. `at` begins the paths in messages.
pub(in crate::object) fn admit_spec(spec: &mut PodSpec, at: &str) -> Result<(), Invalid> {
    if spec.containers.is_empty() {
        return Err(format!("{at}.containers: Required value"));
    }
    let on_host = spec.host_network == Some(true);
    for (index, container) in spec.containers.iter().enumerate() {
        let at = format!("{at}.containers[{index}]");
        admit_container(container, on_host, &at)?;
        if spec.containers[..index].iter().any(|other| other.name == container.name) {
            return Err(format!("{at}.name: Duplicate value: \"{}\"", container.name));
        }
    }
    let fill = |field: &mut String, value: &str| {
        if field.is_empty() {
            value.clone_into(field);
        }
    };
    fill(&mut spec.restart_policy, "Always");
    fill(&mut spec.dns_policy, "ClusterFirst");
    spec.termination_grace_period_seconds.get_or_insert(30);
    one_of(&spec.restart_policy, &format!("{at}.restartPolicy"), &["Always", "OnFailure", "Never"])?;
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(&spec.dns_policy, &format!("{at}.dnsPolicy"), &policies)?;
    if spec.dns_policy == "None" {
        let Some(config) = &spec.dns_config else {
            return Err(format!("{at}.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"));
        };
        if config.nameservers.is_empty() {
            return Err(format!(
                "{at}.dnsConfig.nameservers: Required value: must provide at least one DNS nameserver when `dnsPolicy` is None"
            ));
        }
    }
    Ok(())
}

fn admit_container(container: &Container, on_host: bool, at: &str) -> Result<(), Invalid> {
    if container.name.is_empty() {
        return Err(format!("{at}.name: Required value"));
    }
    if container.image.is_empty() {
        return Err(format!("{at}.image: Required value"));
    }
    for (index, port) in container.ports.iter().enumerate() {
        let at = format!("{at}.ports[{index}]");
        if port.container_port == 0 {
            return Err(format!("{at}.containerPort: Required value"));
        }
        match port.host_port {
            None => {}
            Some(number) if on_host && number == port.container_port => {}
            Some(number) if on_host => {
                return Err(format!(
                    "{at}.containerPort: Invalid value: {}: must match `hostPort` when `hostNetwork` is true ({number})",
                    port.container_port
                ));
            }
            Some(_) => {
                return Err(format!(
                    "{at}.hostPort: Forbidden: hopwise has no plugin `portmap`: use a Service of type NodePort, or hostNetwork"
                ));
            }
        }
    }
    for (index, var) in container.env.iter().enumerate() {
        let Some(source) = &var.value_from else { continue };
        let (at, path) = (format!("{at}.env[{index}].valueFrom"), &source.field_ref.field_path);
        if path.is_empty() {
            return Err(format!(
                "{at}: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            ));
        }
        let is_named =
            |map: &str| path.strip_prefix(map).is_some_and(|key| key.starts_with("['") && key.ends_with("']"));
        if !is_named("metadata.labels") && !is_named("metadata.annotations") {
            one_of(path, &format!("{at}.fieldRef.fieldPath"), &ENV_FIELDS)?;
        }
    }
    Ok(())
}

fn one_of(value: &str, at: &str, words: &[&str]) -> Result<(), Invalid> {
    if words.contains(&value) {
        return Ok(());
    }
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    Err(format!("{at}: Unsupported value: {value:?}: supported values: {}", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use crate::object::decode;

    fn refusal(spec: &str) -> String {
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{{spec}}}\n");
        let mut object = decode::manifests(&text).unwrap().remove(0).object;
        object.admit().err().unwrap_or_default()
    }

    #[test]
    fn what_would_have_no_effect_is_refused() {
        let one = |rest: &str| refusal(&format!("containers: [{{name: c, image: nginx, {rest}}}]"));
        assert!(
            one("ports: [{containerPort: 80, hostPort: 8080}]")
                .starts_with("spec.containers[0].ports[0].hostPort: Forbidden: ")
        );
        assert_eq!(
            refusal(
                "hostNetwork: true, containers: [{name: c, image: nginx, ports: [{containerPort: 80, hostPort: 80}]}]"
            ),
            ""
        );
        let path = |path: &str| one(&format!("env: [{{name: X, valueFrom: {{fieldRef: {{fieldPath: {path}}}}}}}]"));
        assert!(path("status.phase").starts_with(
            "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: \"status.phase\": supported values: "
        ));
        assert_eq!((path("status.podIP"), path("\"metadata.labels['app']\"")), (String::new(), String::new()));
        let dns = |rest: &str| refusal(&format!("{rest}, containers: [{{name: c, image: nginx}}]"));
        assert_eq!(
            dns("dnsPolicy: None"),
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"
        );
        assert_eq!(
            dns("dnsPolicy: None, dnsConfig: {nameservers: [1.1.1.1], options: [{name: ndots, value: '2'}]}"),
            ""
        );
        assert!(dns("dnsPolicy: First").contains("Unsupported value: \"First\""));
    }

    /// Fields of manifests that tutorials have, and that change nothing about the network.
    #[test]
    fn what_does_not_matter_for_the_network_is_taken() {
        let container = "name: c, image: nginx, imagePullPolicy: IfNotPresent, resources: {limits: {cpu: 100m, memory: 64Mi}}, \
            livenessProbe: {httpGet: {path: /, port: 80}}, startupProbe: {exec: {command: [\"true\"]}}, volumeMounts: [{name: v, mountPath: /v}], \
            securityContext: {privileged: true}, lifecycle: {preStop: {exec: {command: [sleep, '5']}}}, stdin: true, tty: true, \
            env: [{name: A, value: b}]";
        let spec = format!(
            "containers: [{{{container}}}], volumes: [{{name: v, emptyDir: {{}}}}], serviceAccountName: x, terminationGracePeriodSeconds: 5, \
             securityContext: {{}}, affinity: {{}}, priorityClassName: x, imagePullSecrets: [{{name: s}}]"
        );
        assert_eq!(refusal(&spec), "");
    }
}
