//! The neighbour's graceful restart (RFC 4724 section 4.2): TCP ends without a word, the routes stay for a while.
//!
//! The own restart is not modelled: a daemon that begins knows nothing of what was before, and says so.

use hopwise_sim_core::{Duration, Time};

use super::{Action, Phase, Session, State, Way};
use crate::bgp::error::{ErrorCode, LastError};

impl Session {
    /// TCP is gone although nobody has ended the session. To be called before the connection becomes idle.
    pub(super) fn begin_restart(&mut self, now: Time) {
        self.trace("Neighbor graceful restart detected");
        let told = self.opens().and_then(|(_, other, _)| other.restart_time());
        self.restarting = true;
        self.restart_timer = Some(now + Duration::from_secs(told.unwrap_or_default().into()));
        self.phase = Phase::Starting;
        self.actions.push_back(Action::Restarting);
    }

    /// The neighbour opens a connection while it seems established: it has restarted, and its end of TCP was lost.
    pub(super) fn restarted_unseen(&mut self, now: Time) {
        let Some(way) = self.active.filter(|_| self.restartable) else { return };
        self.store_error(None, LastError::GracefulRestart);
        self.begin_restart(now);
        self.idle(now, way);
        if self.conns[Way::Incoming as usize].state > State::Active {
            self.idle(now, Way::Incoming);
        }
    }

    /// The neighbour has told again all it knows, or has forgotten what it told before.
    pub(super) fn end_restart(&mut self) {
        if core::mem::take(&mut self.restarting) {
            self.trace("Neighbor graceful restart done");
            self.actions.push_back(Action::RefreshEnded);
        }
    }

    /// The neighbour did not come back in time.
    pub(super) fn end_patience(&mut self, now: Time) {
        self.trace("Neighbor graceful restart timeout");
        self.stop_conns(now, ErrorCode::CEASE.into());
    }
}
