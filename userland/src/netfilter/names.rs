//! The names that rules may use, as the machine's files in `/etc` have them.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_netfilter::names::Names;

use crate::kernel::SimKernel;
use crate::resolve::{by_addr, by_name};

/// The texts of the files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    hosts: String,
    services: String,
    protocols: String,
    passwd: String,
    group: String,
}

impl Files {
    /// Reads them; a file that is not there is empty.
    pub(crate) fn read(sys: &mut Sys<'_, SimKernel>) -> Files {
        let mut text = |path: &str| String::from_utf8_lossy(&sys.read_file(path).unwrap_or_default()).into_owned();
        Files {
            hosts: text("/etc/hosts"),
            services: text("/etc/services"),
            protocols: text("/etc/protocols"),
            passwd: text("/etc/passwd"),
            group: text("/etc/group"),
        }
    }
}

/// The lines of a table of words; remarks are left out.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default().split_ascii_whitespace().collect())
}

/// `NAME:x:NUMBER:...`: the number of a name.
fn number_in(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        (parts.next() == Some(name)).then(|| parts.nth(1)?.parse().ok())?
    })
}

/// The name of a number.
fn name_in(text: &str, number: u32) -> Option<String> {
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse() == Ok(number)).then(|| name.to_owned())
    })
}

impl Names for Files {
    fn addrs_of(&self, host: &str) -> Vec<Ipv4Addr> {
        by_name(&self.hosts, host).map(|found| found.0).into_iter().collect()
    }

    fn host_name(&self, addr: Ipv4Addr) -> Option<String> {
        by_addr(&self.hosts, addr)
    }

    fn port_of(&self, service: &str, protocol: Option<u8>) -> Option<u16> {
        let protocol = protocol.and_then(|number| self.protocol_name(number));
        rows(&self.services).find_map(|row| {
            let (port, of) = row.get(1)?.split_once('/')?;
            let named = row[0] == service || row[2..].contains(&service);
            (named && protocol.as_deref().is_none_or(|wanted| wanted == of)).then(|| port.parse().ok())?
        })
    }

    fn port_name(&self, port: u16, protocol: u8) -> Option<String> {
        let protocol = self.protocol_name(protocol)?;
        let found = rows(&self.services).find(|row| {
            let of = row.get(1).and_then(|word| word.split_once('/'));
            of.is_some_and(|(number, of)| of == protocol && number.parse() == Ok(port))
        });
        found.map(|row| row[0].to_owned())
    }

    fn protocol_of(&self, name: &str) -> Option<u8> {
        rows(&self.protocols).find(|row| row.len() > 1 && (row[0] == name || row[2..].contains(&name)))?[1].parse().ok()
    }

    fn protocol_name(&self, number: u8) -> Option<String> {
        rows(&self.protocols).find(|row| row.len() > 1 && row[1].parse() == Ok(number)).map(|row| row[0].to_owned())
    }

    fn uid_of(&self, user: &str) -> Option<u32> {
        number_in(&self.passwd, user)
    }

    fn user_name(&self, uid: u32) -> Option<String> {
        name_in(&self.passwd, uid)
    }

    fn gid_of(&self, group: &str) -> Option<u32> {
        number_in(&self.group, group)
    }

    fn group_name(&self, gid: u32) -> Option<String> {
        name_in(&self.group, gid)
    }
}
