//! How many routes a channel takes and gives (`channel_notify_limit`).

use hopwise_sim_core::Duration;

use super::{Daemon, State};
use crate::bgp::session::Stop;
use crate::bird::config::LimitAction;
use crate::bird::log::Class;

/// Routes from a protocol, before its filter.
pub(super) const RECEIVE: usize = 0;
/// Routes that the import filter wants.
pub(super) const IMPORT: usize = 1;
/// Routes for a protocol.
pub(super) const EXPORT: usize = 2;

/// How long after the first route too many a protocol begins anew (`proto_schedule_down`). Till then it goes on.
const RESTART_DELAY: Duration = Duration::from_millis(250);

const NAMES: [&str; 3] = ["receive", "import", "export"];

impl Daemon {
    /// How many routes there are that a limit counts.
    fn counted(&self, proto: usize, way: usize) -> u32 {
        let channel = &self.protos[proto].channel;
        match way {
            RECEIVE => channel.imported + channel.filtered,
            IMPORT => channel.imported,
            _ => channel.exported.len() as u32,
        }
    }

    /// Whether one more route is too many. What is full once stays so until the channel is looked at anew.
    pub(super) fn is_full(&mut self, proto: usize, way: usize) -> bool {
        let conf = self.protos[proto].conf.channel.as_ref();
        let Some((limit, action)) = conf.and_then(|channel| channel.limits[way]) else { return false };
        if self.counted(proto, way) >= limit {
            self.hit(proto, way);
        }
        // The limit may have stopped the protocol.
        let channel = &self.protos[proto].channel;
        action != LimitAction::Warn && (channel.hit[way] || !channel.up)
    }

    /// A limit is reached.
    fn hit(&mut self, proto: usize, way: usize) {
        let conf = self.protos[proto].conf.channel.as_ref();
        let Some((limit, action)) = conf.and_then(|channel| channel.limits[way]) else { return };
        // Of a warning it is heard each time that the number is reached.
        let again = action == LimitAction::Warn && self.counted(proto, way) == limit;
        if core::mem::replace(&mut self.protos[proto].channel.hit[way], true) && !again {
            return;
        }
        let (name, word) = (self.protos[proto].conf.name.clone(), NAMES[way]);
        let text = format!("Protocol {name} hits route {word} limit ({limit}), action: {}", action.name());
        self.log(Class::Warning, text);
        if self.protos[proto].state != State::Up {
            return;
        }
        let why = if way == EXPORT { Stop::ExportLimit } else { Stop::RouteLimit };
        match action {
            LimitAction::Warn | LimitAction::Block => {}
            LimitAction::Restart => {
                let at = self.now + RESTART_DELAY;
                self.protos[proto].restart_at.get_or_insert((at, why));
            }
            LimitAction::Disable => {
                self.protos[proto].disabled = true;
                self.stop_proto(proto, &why);
            }
        }
    }

    /// A limit wanted the protocol to begin anew, and it is time (`proto_do_down`).
    pub(super) fn restart_after_limit(&mut self, proto: usize) {
        let due = self.protos[proto].restart_at.take_if(|(at, _)| *at <= self.now);
        let Some((_, why)) = due else { return };
        self.stop_proto(proto, &why);
        // A session begins anew when it has said goodbye.
        if self.protos[proto].session.is_none() {
            self.start_proto(proto);
        }
    }

    /// New limits: what is there may already be too much (`channel_verify_limits`).
    pub(super) fn verify_limits(&mut self, proto: usize) {
        self.protos[proto].channel.hit = [false; 3];
        for way in [RECEIVE, IMPORT, EXPORT] {
            let conf = self.protos[proto].conf.channel.as_ref();
            let limit = conf.and_then(|channel| channel.limits[way]).map_or(u32::MAX, |(limit, _)| limit);
            if self.protos[proto].channel.up && self.counted(proto, way) > limit {
                self.hit(proto, way);
            }
        }
    }

    /// All routes of the protocol come again: they are counted anew.
    pub(super) fn forget_import_limits(&mut self, proto: usize) {
        let hit = &mut self.protos[proto].channel.hit;
        (hit[RECEIVE], hit[IMPORT]) = (false, false);
    }
}
