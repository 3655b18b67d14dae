//! The control connection: single bytes that say what comes next, and JSON with its length before it. Whatever the other
//! side says, nothing here panics or grows without limit.

use hopwise_machine::Sys;
use hopwise_sim_core::Errno;
use serde_json::Value;

use super::json::Json;
use crate::kernel::SimKernel;
use crate::stream::Stream;

/// What comes next (`iperf_api.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct State(pub(super) u8);

impl State {
    pub(super) const TEST_START: State = State(1);
    pub(super) const TEST_RUNNING: State = State(2);
    pub(super) const TEST_END: State = State(4);
    pub(super) const PARAM_EXCHANGE: State = State(9);
    pub(super) const CREATE_STREAMS: State = State(10);
    pub(super) const SERVER_TERMINATE: State = State(11);
    pub(super) const CLIENT_TERMINATE: State = State(12);
    pub(super) const EXCHANGE_RESULTS: State = State(13);
    pub(super) const DISPLAY_RESULTS: State = State(14);
    pub(super) const IPERF_DONE: State = State(16);
    pub(super) const ACCESS_DENIED: State = State(0xff);
    pub(super) const SERVER_ERROR: State = State(0xfe);
}

/// Bytes of a cookie with the zero behind it.
pub(super) const COOKIE: usize = 37;

/// The longest JSON that is read.
const MAX_JSON: usize = 1 << 20;

/// Why nothing can be read any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    /// The other side has ended the connection.
    Closed,
    /// The connection broke.
    Broken(Errno),
    /// What came is no JSON, or far too long.
    Nonsense,
}

/// Bytes that arrived and were not used yet.
#[derive(Clone, Default, Debug)]
pub(super) struct Inbox(Vec<u8>);

impl Inbox {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// So many bytes, once they are there.
    pub(super) fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        (self.0.len() >= count).then(|| self.0.drain(..count).collect())
    }

    /// A JSON text with its length before it, once it is there.
    pub(super) fn json(&mut self) -> Result<Option<Value>, Trouble> {
        let Some(head) = self.0.first_chunk::<4>() else { return Ok(None) };
        let len = u32::from_be_bytes(*head) as usize;
        if len > MAX_JSON {
            return Err(Trouble::Nonsense);
        }
        match self.take(4 + len) {
            Some(bytes) => serde_json::from_slice(&bytes[4..]).map(Some).map_err(|_| Trouble::Nonsense),
            None => Ok(None),
        }
    }

    /// How many bytes may still be taken up.
    fn room(&self) -> usize {
        (MAX_JSON + 64).saturating_sub(self.0.len())
    }
}

/// The connection.
#[derive(Clone, Debug)]
pub(super) struct Control {
    pub(super) stream: Stream,
    inbox: Inbox,
    outbox: Vec<u8>,
}

impl Control {
    pub(super) fn new(sys: &mut Sys<'_, SimKernel>, stream: Stream) -> Control {
        stream.set_nodelay(sys);
        Control { stream, inbox: Inbox::default(), outbox: Vec::new() }
    }

    /// Takes up what has arrived, sends what could not be sent before. An end is told once everything before it was used.
    fn fill(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Trouble> {
        self.pump(sys);
        loop {
            let room = self.inbox.room();
            if room == 0 {
                return None;
            }
            match self.stream.recv(sys, room) {
                Ok(bytes) if bytes.is_empty() => return Some(Trouble::Closed),
                Ok(bytes) => self.inbox.put(&bytes),
                Err(Errno::EAGAIN) => return None,
                Err(errno) => return Some(Trouble::Broken(errno)),
            }
        }
    }

    /// So many bytes. `None`: not yet.
    pub(super) fn take(&mut self, sys: &mut Sys<'_, SimKernel>, count: usize) -> Result<Option<Vec<u8>>, Trouble> {
        let end = self.fill(sys);
        match (self.inbox.take(count), end) {
            (Some(bytes), _) => Ok(Some(bytes)),
            (None, Some(trouble)) => Err(trouble),
            (None, None) => Ok(None),
        }
    }

    /// What comes next. `None`: nothing was said yet.
    pub(super) fn state(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<State>, Trouble> {
        Ok(self.take(sys, 1)?.and_then(|bytes| bytes.first().copied()).map(State))
    }

    /// A JSON text. `None`: not yet.
    pub(super) fn json(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Value>, Trouble> {
        let end = self.fill(sys);
        match (self.inbox.json()?, end) {
            (Some(json), _) => Ok(Some(json)),
            (None, Some(trouble)) => Err(trouble),
            (None, None) => Ok(None),
        }
    }

    /// Says what comes next.
    pub(super) fn say(&mut self, sys: &mut Sys<'_, SimKernel>, state: State) {
        self.write(sys, &[state.0]);
    }

    /// Sends a JSON text.
    pub(super) fn tell(&mut self, sys: &mut Sys<'_, SimKernel>, json: &Json) {
        let text = json.line();
        self.write(sys, &(text.len() as u32).to_be_bytes());
        self.write(sys, text.as_bytes());
    }

    pub(super) fn write(&mut self, sys: &mut Sys<'_, SimKernel>, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
        self.pump(sys);
    }

    fn pump(&mut self, sys: &mut Sys<'_, SimKernel>) {
        while !self.outbox.is_empty() {
            // Why nothing can be sent is told when something is to be received.
            let Ok(count) = self.stream.send(sys, &self.outbox) else { return };
            self.outbox.drain(..count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_text_comes_in_pieces() {
        let mut inbox = Inbox::default();
        for byte in [0, 0, 0, 8, b'{', b'"', b'a', b'"', b':', b'1', b'2'] {
            inbox.put(&[byte]);
            assert_eq!(inbox.json(), Ok(None));
        }
        inbox.put(b"}\x01");
        assert_eq!(inbox.json(), Ok(Some(serde_json::json!({ "a": 12 }))));
        assert_eq!(inbox.take(1), Some(vec![1]));
        inbox.put(&[0xff; 4]);
        assert_eq!(inbox.json(), Err(Trouble::Nonsense));
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut inbox = Inbox::default();
            inbox.put(&bytes);
            while let Ok(Some(_)) = inbox.json() {}
        }
    }
}
