//! jobs, wait, kill, fg, bg, disown.

use hopwise_sim_core::Time;

use super::{Outcome, Waiting};
use crate::bash::frame::{Kind, Next};
use crate::bash::jobs::Job;
use crate::bash::shell::Shell;
use crate::process::ExitStatus;
use crate::signal::Signal;
use crate::{Kernel, Sys, Wait};

/// A `wait` under way.
#[derive(Clone, Debug)]
pub(in crate::bash) struct WaitFor {
    /// These processes, in order.
    pids: Vec<u32>,
    /// `wait -n`: the first that ends is enough.
    any: bool,
    until: Option<Time>,
}

impl Shell {
    fn job_line(&self, job: &Job, long: bool, sys: &Sys<'_, impl Kernel>) -> String {
        let mark = if self.jobs.current().is_some_and(|j| j.number == job.number) {
            '+'
        } else if self.jobs.previous().is_some_and(|j| j.number == job.number) {
            '-'
        } else {
            ' '
        };
        let stopped = sys.processes().iter().any(|p| p.pid == job.pid && p.state == 'T');
        let state = match job.status {
            None if stopped => "Stopped".to_owned(),
            None => "Running".to_owned(),
            Some(ExitStatus::Code(0)) => "Done".to_owned(),
            Some(ExitStatus::Code(code)) => format!("Exit {code}"),
            Some(ExitStatus::Signal(signal)) => signal.description().to_owned(),
        };
        let pid = if long { format!("{} ", job.pid) } else { String::new() };
        let tail = if job.status.is_none() { " &" } else { "" };
        format!("[{}]{mark}  {pid}{state:<24}{}{tail}\n", job.number, job.text)
    }

    pub(super) fn builtin_jobs<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, args: &[String]) -> Outcome {
        self.reap(sys);
        let specs: Vec<&String> = args.iter().filter(|a| !a.starts_with('-')).collect();
        if let Some(option) =
            args.iter().find(|a| a.starts_with('-') && !["-l", "-p", "-r", "-s", "-a", "-h"].contains(&a.as_str()))
        {
            return self.usage(sys, name, option, &format!("{name} [-lnprs] [jobspec ...]"));
        }
        if (name == "fg" || name == "bg") && !self.is_session() && !self.options.monitor {
            return self.fail(sys, &format!("{name}: no job control"), 1);
        }
        let mut chosen: Vec<Job> = Vec::new();
        for spec in &specs {
            match self.find_job(spec) {
                Some(job) => chosen.push(job),
                None => return self.fail(sys, &format!("{name}: {spec}: no such job"), 1),
            }
        }
        match name {
            "jobs" => {
                let list = if specs.is_empty() { self.jobs.list.clone() } else { chosen };
                let (pids, long, running) =
                    (args.iter().any(|a| a == "-p"), args.iter().any(|a| a == "-l"), args.iter().any(|a| a == "-r"));
                let shown = list.iter().filter(|j| !running || j.status.is_none());
                let text: String =
                    shown.map(|j| if pids { format!("{}\n", j.pid) } else { self.job_line(j, long, sys) }).collect();
                // What has ended is told once.
                self.jobs.list.retain(|j| j.status.is_none());
                self.print(sys, name, text.as_bytes())
            }
            "disown" => {
                let numbers: Vec<u32> = if args.iter().any(|a| a == "-a") || specs.is_empty() {
                    self.jobs.current().map(|j| j.number).into_iter().collect()
                } else {
                    chosen.iter().map(|j| j.number).collect()
                };
                if numbers.is_empty() && !args.iter().any(|a| a == "-a") {
                    return self.fail(sys, "disown: current: no such job", 1);
                }
                self.jobs.list.retain(|j| !numbers.contains(&j.number));
                Outcome::Status(0)
            }
            _ => {
                let job = chosen.into_iter().next().or_else(|| self.jobs.current().cloned());
                let Some(job) = job else { return self.fail(sys, &format!("{name}: current: no such job"), 1) };
                let _ = sys.kill_group(job.group, Some(Signal::CONT));
                if name == "bg" {
                    sys.out(&format!("[{}]+ {} &\n", job.number, job.text));
                    return Outcome::Status(0);
                }
                sys.out(&format!("{}\n", job.text));
                Outcome::Run(Kind::Waiting(Box::new(Waiting::Wait(WaitFor {
                    pids: vec![job.pid],
                    any: false,
                    until: None,
                }))))
            }
        }
    }

    fn find_job(&self, spec: &str) -> Option<Job> {
        match spec.parse::<u32>() {
            Ok(pid) => self.jobs.list.iter().find(|j| j.pid == pid).cloned(),
            Err(_) => self.jobs.find(spec).cloned(),
        }
    }

    pub(super) fn builtin_wait<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        self.reap(sys);
        let mut any = false;
        let mut pids = Vec::new();
        let mut status = None;
        for arg in args {
            if arg == "-n" {
                any = true;
            } else if arg == "-f" || arg == "--" {
                // Without job control there is nothing but ends to wait for.
            } else if arg.starts_with('-') {
                return self.usage(sys, "wait", arg, "wait [-fn] [-p var] [id ...]");
            } else if arg.starts_with('%') {
                match self.jobs.find(arg) {
                    Some(job) => pids.push(job.pid),
                    None => {
                        self.complain(sys, &format!("wait: {arg}: no such job"));
                        status = Some(127);
                    }
                }
            } else if let Ok(pid) = arg.parse::<u32>() {
                if self.jobs.is_running(pid) || self.jobs.status(pid).is_some() {
                    pids.push(pid);
                } else {
                    self.complain(sys, &format!("wait: pid {arg} is not a child of this shell"));
                    status = Some(127);
                }
            } else {
                self.complain(sys, &format!("wait: `{arg}': not a pid or valid job spec"));
                status = Some(1);
            }
        }
        if let (Some(status), true) = (status, pids.is_empty()) {
            return Outcome::Status(status);
        }
        let given = args.iter().any(|a| !a.starts_with('-'));
        if !given {
            pids = self.jobs.running().map(|j| j.pid).collect();
            if pids.is_empty() {
                self.jobs.forget_finished();
                return Outcome::Status(if any { 127 } else { 0 });
            }
        }
        let wait = WaitFor { pids, any, until: None };
        // Without arguments the status is 0 whatever the jobs did.
        let kind =
            Kind::Waiting(Box::new(Waiting::Wait(if given || any { wait } else { WaitFor { any: false, ..wait } })));
        self.wait_all = !given && !any;
        Outcome::Run(kind)
    }

    pub(super) fn go_on_waiting<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, wait: &mut WaitFor) -> Next {
        self.reap(sys);
        if let Some(signal) = self.pending.front().copied()
            && (self.traps.contains_key(signal.name()) || signal == Signal::INT)
        {
            return Next::Done(128 + i32::from(signal.number()));
        }
        let ended = |shell: &Shell, pid: u32| {
            shell.jobs.status(pid).or_else(|| (!shell.jobs.is_running(pid)).then_some(ExitStatus::Code(127)))
        };
        if wait.any {
            let first = wait.pids.iter().find_map(|pid| ended(self, *pid).map(|s| (*pid, s)));
            return match first {
                Some((pid, status)) => {
                    self.jobs.take_status(pid);
                    self.jobs.list.retain(|j| j.pid != pid);
                    Next::Done(status.shell_code())
                }
                None => Next::Block(Wait::event().or_until(wait.until)),
            };
        }
        let statuses: Vec<Option<ExitStatus>> = wait.pids.iter().map(|pid| ended(self, *pid)).collect();
        if statuses.iter().any(Option::is_none) {
            return Next::Block(Wait::event().or_until(wait.until));
        }
        let pids = wait.pids.clone();
        self.jobs.list.retain(|j| !pids.contains(&j.pid));
        let last = statuses.last().copied().flatten().map_or(0, ExitStatus::shell_code);
        if std::mem::take(&mut self.wait_all) {
            self.jobs.forget_finished();
            return Next::Done(0);
        }
        Next::Done(last)
    }

    pub(super) fn builtin_kill<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, args: &[String]) -> Outcome {
        let mut signal = Some(Signal::TERM);
        let mut rest = args;
        match rest.first().map(String::as_str) {
            Some("-l" | "-L") => return self.list_signals(sys, "kill", args.get(1..).unwrap_or(&[])),
            Some("-s" | "-n") => {
                let Some(name) = args.get(1) else { return self.fail(sys, "kill: -s: option requires an argument", 1) };
                match Signal::parse(name) {
                    Some(found) => signal = Some(found),
                    None if name == "0" => signal = None,
                    None => return self.fail(sys, &format!("kill: {name}: invalid signal specification"), 1),
                }
                rest = args.get(2..).unwrap_or(&[]);
            }
            Some("--") => rest = args.get(1..).unwrap_or(&[]),
            Some(option) if option.starts_with('-') && option.len() > 1 => {
                let name = option.get(1..).unwrap_or("");
                match Signal::parse(name) {
                    Some(found) => signal = Some(found),
                    None if name == "0" => signal = None,
                    None => return self.fail(sys, &format!("kill: {name}: invalid signal specification"), 1),
                }
                rest = args.get(1..).unwrap_or(&[]);
                if rest.first().is_some_and(|a| a == "--") {
                    rest = rest.get(1..).unwrap_or(&[]);
                }
            }
            _ => {}
        }
        if rest.is_empty() {
            sys.err("kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]\n");
            return Outcome::Status(2);
        }
        let mut status = 0;
        for target in rest {
            let result = if target.starts_with('%') {
                match self.jobs.find(target).map(|j| j.group) {
                    Some(group) => sys.kill_group(group, signal),
                    None => {
                        self.complain(sys, &format!("kill: {target}: no such job"));
                        status = 1;
                        continue;
                    }
                }
            } else {
                match target.parse::<i64>() {
                    Ok(0) => sys.kill_group(sys.group(), signal),
                    Ok(pid) if pid < 0 => sys.kill_group(pid.unsigned_abs() as u32, signal),
                    Ok(pid) => sys.kill(u32::try_from(pid).unwrap_or(u32::MAX), signal),
                    Err(_) => {
                        self.complain(sys, &format!("kill: {target}: arguments must be process or job IDs"));
                        status = 1;
                        continue;
                    }
                }
            };
            if let Err(errno) = result {
                let text = format!("kill: ({target}) - {errno}");
                self.complain(sys, &text);
                status = 1;
            }
        }
        Outcome::Status(status)
    }

    /// `kill -l`, `trap -l`
    pub(super) fn list_signals<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, name: &str, specs: &[String]) -> Outcome {
        if specs.is_empty() {
            let mut text = String::new();
            for signal in Signal::all() {
                let end = if signal.number() % 5 == 0 || signal.number() == 31 { '\n' } else { '\t' };
                text.push_str(&format!("{:2}) SIG{}{end}", signal.number(), signal.name()));
            }
            return self.print(sys, name, text.as_bytes());
        }
        for spec in specs {
            let number = spec.parse::<u32>().ok().map(|n| if n > 128 { n - 128 } else { n });
            let line = match (number.and_then(Signal::from_number), Signal::parse(spec)) {
                (Some(signal), _) => signal.name().to_owned(),
                (None, Some(signal)) => signal.number().to_string(),
                _ => return self.fail(sys, &format!("kill: {spec}: invalid signal specification"), 1),
            };
            sys.out(&format!("{line}\n"));
        }
        Outcome::Status(0)
    }
}
