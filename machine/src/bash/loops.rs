//! if, while, until, for: one round after the other.

use super::ast::Kind as Node;
use super::expand::Stop;
use super::frame::{Frame, Kind, Next, Phase};
use super::shell::Shell;
use crate::{Kernel, Sys};

impl Shell {
    pub(super) fn advance_condition(&mut self, frame: &mut Frame) -> Next {
        match &mut frame.kind {
            Kind::If { node, arm, in_condition } => {
                let node = node.clone();
                let Node::If { arms, otherwise } = &node.kind else { return Next::Done(0) };
                if !*in_condition {
                    if *arm == usize::MAX {
                        return Next::Done(self.status);
                    }
                    if let Some((condition, _)) = arms.get(*arm) {
                        *in_condition = true;
                        let kind = Shell::list_frame(condition);
                        self.enter_condition(frame);
                        return Next::Push(kind);
                    }
                    *arm = usize::MAX;
                    return match otherwise {
                        Some(list) => Next::Push(Shell::list_frame(list)),
                        None => Next::Done(0),
                    };
                }
                *in_condition = false;
                let chosen = if self.status == 0 { arms.get(*arm).map(|a| Shell::list_frame(&a.1)) } else { None };
                *arm = if chosen.is_some() { usize::MAX } else { *arm + 1 };
                self.leave_condition(frame);
                chosen.map_or(Next::Stay, Next::Push)
            }
            Kind::Loop { node, in_condition, ran, last } => {
                let node = node.clone();
                let Node::Loop { until, condition, body } = &node.kind else { return Next::Done(0) };
                if *in_condition {
                    *in_condition = false;
                    let last = *last;
                    let go_on = (self.status == 0) != *until;
                    *ran = go_on;
                    self.leave_condition(frame);
                    if !go_on {
                        return Next::Done(last);
                    }
                    return Next::Push(Shell::list_frame(body));
                }
                if std::mem::take(ran) {
                    *last = self.status;
                }
                *in_condition = true;
                self.enter_condition(frame);
                Next::Push(Shell::list_frame(condition))
            }
            _ => Next::Stay,
        }
    }

    pub(super) fn enter_condition(&mut self, frame: &mut Frame) {
        if !frame.ignores_errexit {
            frame.ignores_errexit = true;
            self.ignore_errexit += 1;
        }
    }

    pub(super) fn leave_condition(&mut self, frame: &mut Frame) {
        if frame.ignores_errexit {
            frame.ignores_errexit = false;
            self.ignore_errexit -= 1;
        }
    }

    pub(super) fn advance_for<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::For { node, words, at } = &mut frame.kind else { return Next::Stay };
        let node = node.clone();
        let Node::For { name, words: source, body, .. } = &node.kind else { return Next::Done(0) };
        let Some(list) = words else {
            let memo = std::mem::take(&mut frame.memo);
            let expanded = match source {
                None => Ok(self.args.clone()),
                Some(source) => self.attempt(sys, &memo, |x| {
                    let mut out = Vec::new();
                    source.iter().try_for_each(|w| x.fields(w, &mut out))?;
                    Ok(out)
                }),
            };
            match expanded {
                Ok(list) => {
                    if list.is_empty() {
                        return Next::Done(0);
                    }
                    *words = Some(list);
                    return Next::Stay;
                }
                Err(Stop::Substitution(substitution)) => {
                    frame.memo = memo;
                    return self.start_substitution(sys, &substitution);
                }
                Err(stop) => return self.expansion_failed(sys, stop),
            }
        };
        let Some(word) = list.get(*at) else { return Next::Done(self.status) };
        let word = word.clone();
        if self.options.xtrace {
            let line =
                format!("for {name} in {}", list.iter().map(|w| super::quote::traced(w)).collect::<Vec<_>>().join(" "));
            self.trace(sys, &line);
        }
        *at += 1;
        if let Err(error) = self.vars.set(name, None, word) {
            self.complain(sys, &format!("{}: readonly variable", error.0));
            return Next::Done(1);
        }
        Next::Push(Shell::list_frame(body))
    }

    pub(super) fn advance_arith_for<K: Kernel>(&mut self, sys: &mut Sys<'_, K>, frame: &mut Frame) -> Next {
        let Kind::ArithFor { node, phase, last } = &mut frame.kind else { return Next::Stay };
        let node = node.clone();
        let Node::ArithFor { parts: [init, condition, update], body } = &node.kind else { return Next::Done(0) };
        let (expression, next) = match phase {
            Phase::Init => (init, Phase::Condition),
            Phase::Condition => (condition, Phase::Body),
            Phase::Body => {
                *phase = Phase::Update;
                return Next::Push(Shell::list_frame(body));
            }
            Phase::Update => {
                *last = self.status;
                (update, Phase::Condition)
            }
        };
        let was = *phase;
        *phase = next;
        let Some(expression) = expression else { return Next::Stay };
        let last = *last;
        let memo = std::mem::take(&mut frame.memo);
        match self.attempt(sys, &memo, |x| x.arithmetic(expression)) {
            Ok(0) if was == Phase::Condition => Next::Done(last),
            Ok(_) => Next::Stay,
            Err(Stop::Substitution(substitution)) => {
                frame.memo = memo;
                if let Kind::ArithFor { phase, .. } = &mut frame.kind {
                    *phase = was;
                }
                self.start_substitution(sys, &substitution)
            }
            Err(Stop::Error { message, .. }) => {
                self.complain(sys, &format!("((: {message}"));
                Next::Done(1)
            }
        }
    }
}
