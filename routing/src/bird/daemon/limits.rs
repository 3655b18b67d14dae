//! How many routes a channel takes and gives (`channel_notify_limit`).

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
        let stops = matches!(action, LimitAction::Restart | LimitAction::Disable);
        if stops && self.protos[proto].state == State::Up {
            self.protos[proto].disabled |= action == LimitAction::Disable;
            self.stop_proto(proto, if way == EXPORT { &Stop::ExportLimit } else { &Stop::RouteLimit });
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
