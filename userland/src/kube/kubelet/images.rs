//! Images: no image is pulled, but what some well-known ones run is here.

use hopwise_machine::Program;

use super::super::container::{self, Answer};
use crate::kernel::SimKernel;

/// Where nginx keeps its pages. Every pod has its own.
pub(crate) const HTML: &str = "/usr/share/nginx/html";

/// An image whose programs are here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Image {
    /// The last part of its name, without tag.
    name: &'static str,
    /// What always runs; arguments come behind it.
    pub(crate) entrypoint: &'static [&'static str],
    /// What runs if there are no arguments.
    pub(crate) command: &'static [&'static str],
}

const fn image(name: &'static str, entrypoint: &'static [&'static str], command: &'static [&'static str]) -> Image {
    Image { name, entrypoint, command }
}

/// The images, one line each.
const IMAGES: &[Image] = &[
    image("agnhost", &["/agnhost"], &["pause"]),
    image("alpine", &[], &["/bin/sh"]),
    image("busybox", &[], &["sh"]),
    image("coredns", &["/coredns"], &[]),
    image("curl", &["curl"], &[]),
    image("debian", &[], &["bash"]),
    image("echoserver", &[], &["nginx", "-g", "daemon off;"]),
    image("httpd", &[], &["httpd-foreground"]),
    image("netshoot", &[], &["/bin/bash"]),
    image("network-multitool", &[], &["nginx", "-g", "daemon off;"]),
    image("nginx", &[], &["nginx", "-g", "daemon off;"]),
    image("nginx-unprivileged", &[], &["nginx-unprivileged", "-g", "daemon off;"]),
    image("pause", &["/pause"], &[]),
    image("python", &[], &["python3"]),
    image("ubuntu", &[], &["/bin/bash"]),
    image("whoami", &["/whoami"], &[]),
];

/// The image of a name: registry, folders and tag do not matter.
pub(crate) fn find(name: &str) -> Option<Image> {
    let name = name.split('@').next().unwrap_or(name);
    let last = name.rsplit('/').next().unwrap_or(name);
    let plain = last.split(':').next().unwrap_or(last);
    IMAGES.iter().copied().find(|image| image.name == plain)
}

/// Their names, for messages.
pub(crate) fn names() -> Vec<&'static str> {
    IMAGES.iter().map(|image| image.name).collect()
}

/// The program of a container that is not one of the machine's, but comes with the image.
pub(crate) fn program(argv: &[String], image: Option<&Image>) -> Option<Box<dyn Program<SimKernel>>> {
    image?;
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let flag = |name: &str, or: u16| {
        let given = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix(name)?.strip_prefix('=') {
            Some(value) => Some(value),
            None if *word == name => words.get(at + 1).copied(),
            None => None,
        });
        given.and_then(|value| value.trim_start_matches(':').parse().ok()).unwrap_or(or)
    };
    let server = |answer, port| Some(container::http(answer, port));
    match *words.first()? {
        "nginx" => server(Answer::Nginx, 80),
        "nginx-unprivileged" => server(Answer::Nginx, 8080),
        "httpd-foreground" => server(Answer::Httpd, 80),
        "/whoami" => server(Answer::Whoami, flag("--port", 80)),
        "/pause" => Some(container::pause()),
        "/coredns" => Some(super::super::coredns::start()),
        "/agnhost" => match *words.get(1)? {
            "pause" => Some(container::pause()),
            "serve-hostname" => server(Answer::Hostname, flag("--port", 9376)),
            "netexec" => server(Answer::Netexec, flag("--http-port", 8080)),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        for name in ["nginx", "nginx:1.25", "docker.io/library/nginx:latest", "localhost:5000/nginx@sha256:00"] {
            assert_eq!(find(name).map(|image| image.name), Some("nginx"), "{name}");
        }
        assert_eq!(find("registry.k8s.io/e2e-test-images/agnhost:2.45").map(|image| image.name), Some("agnhost"));
        assert_eq!(find("postgres"), None);
    }
}
