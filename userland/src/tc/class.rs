//! `tc class`: `tc_class.c` of iproute2. The classes are those that disciplines have by themselves.

use hopwise_devices::qdisc::{Discipline, Qdisc};
use hopwise_sim_core::Errno;
use hopwise_stack::NlError;

use super::device;
use super::qdisc::tail;
use crate::ip::args::{self, Args, Done, Fail};
use crate::ip::{Ip, Options, Out};

const USAGE: &str = "Usage: tc class show [ dev STRING ]\n";

pub(super) fn run(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let word = args.next().unwrap_or_else(|| "show".into());
    let is = |full| args::matches(&word, full);
    match () {
        () if is("add") || is("change") || is("replace") || is("delete") => {
            let Some(name) = device(args) else { return Err(NlError::from(Errno::ENODEV).into()) };
            ip.need_link(&name)?;
            Err(NlError::from(Errno::EOPNOTSUPP).into())
        }
        () if is("list") || is("show") || is("lst") => show(ip, args),
        () if is("help") => Err(Fail::as_is(0, USAGE.to_owned())),
        () => Err(Fail::new(255, format!("Command \"{word}\" is unknown, try \"tc class help\"."))),
    }
}

/// Without a link nothing is shown.
fn show(ip: &mut Ip<'_, '_>, args: &mut Args) -> Done {
    let Some(name) = device(args) else { return Ok(()) };
    let link = ip.need_link(&name)?;
    let Ip { sys, opt, out, ns, .. } = ip;
    if let Some(queue) =
        sys.kernel.net.ns(*ns).and_then(|space| space.devs.get(link)).and_then(|dev| dev.queue.as_ref())
    {
        classes(out, opt, &queue.qdisc);
    }
    Ok(())
}

fn classes(out: &mut Out, opt: &Options, qdisc: &Qdisc) {
    let (kind, major) = (qdisc.kind(), qdisc.handle);
    let mut line = |minor: u16, child: Option<&Qdisc>| {
        let leaf = child.map_or(0, |child| child.handle);
        let leaf = if leaf == 0 { String::new() } else { format!("leaf {leaf:x}: ") };
        // The classes of mq are the link's queues: they have no parent, and count what their disciplines do (mq_dump_class).
        let parent = if kind == "mq" { "root".to_owned() } else { format!("parent {major:x}:") };
        out.text(format_args!("class {kind} {major:x}:{minor:x} {parent} {leaf}"));
        match child.filter(|_| kind == "mq") {
            Some(child) => tail(out, opt, child.stats, child.backlog()),
            None => {
                out.line();
                if opt.stats > 0 {
                    out.line();
                }
            }
        }
    };
    match &qdisc.discipline {
        Discipline::Prio(prio) => (1..).zip(&prio.bands).for_each(|(minor, band)| line(minor, Some(band))),
        Discipline::Tbf(tbf) => line(1, tbf.inner.as_deref()),
        Discipline::Netem(netem) => netem.inner.iter().for_each(|inner| line(1, Some(inner))),
        Discipline::Mq(mq) => (1..).zip(&mq.queues).for_each(|(minor, queue)| line(minor, Some(queue))),
        // The queues of fq_codel are classes only while a filter chooses among them.
        _ => {}
    }
    for child in qdisc.children().filter(|child| child.handle != 0) {
        classes(out, opt, child);
    }
}
