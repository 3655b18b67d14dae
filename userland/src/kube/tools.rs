//! What agents do to namespaces: the same control operations as a typed line, without starting a process for it.

use std::sync::Arc;

use hopwise_machine::Sys;
use hopwise_netfilter::hook::TableId;
use hopwise_netfilter::sets::command::{self as sets, Place};
use hopwise_netfilter::xtables::kept::{ChainPurposes, Purposes};
use hopwise_netfilter::xtables::{Answer, Tool, command};
use hopwise_sim_core::{NsId, OriginId};

use crate::ip::{Args, Options, Out};
use crate::kernel::SimKernel;
use crate::netfilter::{Files, with_rules_of};

/// Who acts, and why: what is told of the routes that are made.
pub type Reason<'a> = (&'static str, &'a str);

/// Carries out `ip WORDS` in a namespace; blanks separate the words. Gives what it prints.
///
/// # Errors
/// What it would print on standard error.
pub fn ip(sys: &mut Sys<'_, SimKernel>, ns: NsId, words: &str) -> Result<String, String> {
    ip_as(sys, ns, OriginId::NONE, words)
}

/// The same for a reason: [`ip`] is for what makes no routes.
///
/// # Errors
/// What it would print on standard error.
pub fn ip_for(sys: &mut Sys<'_, SimKernel>, ns: NsId, (by, why): Reason<'_>, words: &str) -> Result<String, String> {
    let origin = sys.kernel.net.origins.add(by, why);
    ip_as(sys, ns, origin, words)
}

fn ip_as(sys: &mut Sys<'_, SimKernel>, ns: NsId, by: OriginId, words: &str) -> Result<String, String> {
    let mut args = Args::new(words.split_whitespace().map(str::to_owned).collect());
    let (opt, out) = (Options::default(), Out::text_mode(false));
    let mut ip = crate::ip::Ip { sys, opt, ns, out, plan: None, by: Some(by) };
    crate::ip::command(&mut ip, &mut args).map_err(|fail| fail.text)?;
    Ok(ip.out.take())
}

/// Carries out several lines of [`ip_for`], up to the first that fails.
///
/// # Errors
/// What the failing line would print on standard error.
pub fn ip_all(sys: &mut Sys<'_, SimKernel>, ns: NsId, why: Reason<'_>, lines: &[&str]) -> Result<(), String> {
    lines.iter().try_for_each(|line| ip_for(sys, ns, why, line).map(|_| ()))
}

/// Carries out `bridge WORDS` in a namespace.
///
/// # Errors
/// What it would print on standard error.
pub fn bridge(sys: &mut Sys<'_, SimKernel>, ns: NsId, words: &str) -> Result<String, String> {
    let words = words.split_whitespace().map(str::to_owned).collect();
    crate::bridge::run_in(sys, ns, words).map_err(|fail| fail.text)
}

/// Carries out `iptables WORDS` in a namespace, the words given one by one.
///
/// # Errors
/// What it would print on standard error.
pub fn iptables(
    sys: &mut Sys<'_, SimKernel>,
    ns: NsId,
    (by, why): Reason<'_>,
    words: &[&str],
) -> Result<String, String> {
    let files = Files::read(sys);
    let tool = Tool { name: "iptables", names: &files, by: sys.kernel.net.origins.add(by, why) };
    done(with_rules_of(sys, ns, |rules| command::run(rules, words, tool)))
}

/// Gives a text to `iptables-restore --noflush` in a namespace.
///
/// # Errors
/// What it would print on standard error.
pub fn iptables_restore(sys: &mut Sys<'_, SimKernel>, ns: NsId, reason: Reason<'_>, text: &str) -> Result<(), String> {
    iptables_restore_shared(sys, ns, reason, &text.into(), None)
}

/// The same with a text that other nodes get, too: they share what comes of it. The chains of a table that have a purpose are told
/// it; those that are not there are passed over.
///
/// # Errors
/// What it would print on standard error.
pub fn iptables_restore_shared(
    sys: &mut Sys<'_, SimKernel>,
    ns: NsId,
    (by, why): Reason<'_>,
    text: &Arc<str>,
    purposes: Option<(TableId, &ChainPurposes)>,
) -> Result<(), String> {
    let files = Files::read(sys);
    let mut origins = core::mem::take(&mut sys.kernel.net.origins);
    let tool = Tool { name: "iptables-restore", names: &files, by: origins.add(by, why) };
    let mut kept = core::mem::take(&mut sys.kernel.kube.restored);
    let mut say = |purpose: &str| origins.add(by, purpose);
    let purposes = purposes.map(|(table, chains)| Purposes { table, chains, say: &mut say });
    let answer = with_rules_of(sys, ns, |rules| kept.restore(rules, text, tool, purposes));
    sys.kernel.kube.restored = kept;
    sys.kernel.net.origins = origins;
    done(answer).map(|_| ())
}

/// Says what chains of a table are for. Chains that are not there are passed over.
pub fn purposes(
    sys: &mut Sys<'_, SimKernel>,
    ns: NsId,
    table: TableId,
    by: &'static str,
    chains: Vec<(String, String)>,
) {
    let Some(space) = sys.kernel.net.ns(ns) else { return };
    let there =
        |chain: &str| space.rules.as_ref().is_some_and(|r| r.table(table).is_some_and(|t| t.find(chain).is_some()));
    let chains: Vec<_> = chains.into_iter().filter(|(chain, _)| there(chain)).collect();
    let origins = &mut sys.kernel.net.origins;
    let said: Vec<_> = chains.into_iter().map(|(chain, why)| (chain, origins.add(by, why))).collect();
    with_rules_of(sys, ns, |rules| {
        for (chain, purpose) in said {
            rules.table_mut(table).set_purpose(&chain, purpose);
        }
    });
}

/// Gives a text to `ipset restore -exist` in a namespace.
///
/// # Errors
/// What it would print on standard error.
pub fn ipset_restore(sys: &mut Sys<'_, SimKernel>, ns: NsId, text: &str) -> Result<(), String> {
    let (names, now) = (Files::read(sys), sys.now());
    done(with_rules_of(sys, ns, |rules| sets::restore(&mut Place { rules, names: &names, now }, text, true)))
        .map(|_| ())
}

/// Writes a setting: `sysctl(sys, ns, "net.ipv4.ip_forward", "1")`.
///
/// # Errors
/// The setting and why it could not be written.
pub fn sysctl(sys: &mut Sys<'_, SimKernel>, ns: NsId, name: &str, value: &str) -> Result<(), String> {
    match sys.kernel.net.sysctl_set(ns, name, value) {
        Some(Ok(())) => Ok(()),
        Some(Err(errno)) => Err(format!("{name}: {errno}")),
        None => Err(format!("{name}: No such file or directory")),
    }
}

/// Writes a file, after making the folders it lies in.
///
/// # Errors
/// Path and reason.
pub fn write_file(sys: &mut Sys<'_, SimKernel>, path: &str, text: &str) -> Result<(), String> {
    for (at, _) in path.match_indices('/').skip(1) {
        // It may be there already; what else is wrong shows when the file is written.
        let _ = sys.mkdir(&path[..at], 0o755);
    }
    sys.write_file(path, text.as_bytes()).map_err(|errno| format!("{path}: {errno}"))
}

/// Reads a file; empty if it is not there.
pub fn read_file(sys: &mut Sys<'_, SimKernel>, path: &str) -> String {
    String::from_utf8_lossy(&sys.read_file(path).unwrap_or_default()).into_owned()
}

/// Adds a line to an agent's log, `/var/log/NAME.log`.
pub fn log(sys: &mut Sys<'_, SimKernel>, name: &str, line: &str) {
    let path = format!("/var/log/{name}.log");
    if let Ok(fd) = sys.open(&path, hopwise_machine::Open::Append) {
        // A log that cannot be written is no reason to stop.
        let _ = sys.write(fd, format!("{line}\n").as_bytes());
        sys.close(fd);
    }
}

fn done(answer: Answer) -> Result<String, String> {
    if answer.status == 0 { Ok(answer.out) } else { Err(answer.err) }
}
