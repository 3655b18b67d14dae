//! What can go wrong, with its numbers (RFC 4271 section 4.5 and the IANA registry) and in BIRD's words.

use core::fmt;

use hopwise_sim_core::Errno;

/// A code and subcode of a NOTIFICATION.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ErrorCode {
    /// The kind of message that had the error, or 4, 5, 6 for timer, state machine and cease.
    pub code: u8,
    /// Which error of this kind; 0 is unspecific.
    pub subcode: u8,
}

macro_rules! codes {
    ($($name:ident $code:literal $subcode:literal $text:literal,)*) => {
        impl ErrorCode {
            $(#[doc = $text] pub const $name: ErrorCode = ErrorCode { code: $code, subcode: $subcode };)*
        }
        const TABLE: &[(u8, u8, &str)] = &[$(($code, $subcode, $text),)*];
    };
}

codes! {
    HEADER 1 0 "Invalid message header",
    NOT_SYNCHRONIZED 1 1 "Connection not synchronized",
    BAD_LENGTH 1 2 "Bad message length",
    BAD_TYPE 1 3 "Bad message type",
    OPEN 2 0 "Invalid OPEN message",
    BAD_VERSION 2 1 "Unsupported version number",
    BAD_PEER_AS 2 2 "Bad peer AS",
    BAD_IDENTIFIER 2 3 "Bad BGP identifier",
    BAD_PARAMETER 2 4 "Unsupported optional parameter",
    AUTHENTICATION 2 5 "Authentication failure",
    BAD_HOLD_TIME 2 6 "Unacceptable hold time",
    MISSING_CAPABILITY 2 7 "Required capability missing",
    NO_FAMILY 2 8 "No supported AFI/SAFI",
    ROLE_MISMATCH 2 11 "Role mismatch",
    UPDATE 3 0 "Invalid UPDATE message",
    MALFORMED_LIST 3 1 "Malformed attribute list",
    UNRECOGNIZED 3 2 "Unrecognized well-known attribute",
    MISSING_ATTRIBUTE 3 3 "Missing mandatory attribute",
    BAD_FLAGS 3 4 "Invalid attribute flags",
    BAD_ATTRIBUTE_LENGTH 3 5 "Invalid attribute length",
    BAD_ORIGIN 3 6 "Invalid ORIGIN attribute",
    AS_LOOP 3 7 "AS routing loop",
    BAD_NEXT_HOP 3 8 "Invalid NEXT_HOP attribute",
    OPTIONAL_ATTRIBUTE 3 9 "Optional attribute error",
    BAD_NETWORK 3 10 "Invalid network field",
    BAD_AS_PATH 3 11 "Malformed AS_PATH",
    HOLD_TIMER 4 0 "Hold timer expired",
    STATE_MACHINE 5 0 "Finite state machine error",
    UNEXPECTED_IN_OPEN_SENT 5 1 "Unexpected message in OpenSent state",
    UNEXPECTED_IN_OPEN_CONFIRM 5 2 "Unexpected message in OpenConfirm state",
    UNEXPECTED_IN_ESTABLISHED 5 3 "Unexpected message in Established state",
    CEASE 6 0 "Cease",
    TOO_MANY_PREFIXES 6 1 "Maximum number of prefixes reached",
    ADMIN_SHUTDOWN 6 2 "Administrative shutdown",
    DECONFIGURED 6 3 "Peer de-configured",
    ADMIN_RESET 6 4 "Administrative reset",
    REJECTED 6 5 "Connection rejected",
    CONFIG_CHANGE 6 6 "Other configuration change",
    COLLISION 6 7 "Connection collision resolution",
    OUT_OF_RESOURCES 6 8 "Out of Resources",
    REFRESH 7 0 "Invalid ROUTE-REFRESH message",
    BAD_REFRESH_LENGTH 7 1 "Invalid ROUTE-REFRESH message length",
}

impl ErrorCode {
    /// The error with these numbers, known or not.
    pub const fn new(code: u8, subcode: u8) -> Self {
        ErrorCode { code, subcode }
    }

    /// Cease: an end without an error (RFC 4486).
    pub const fn is_cease(self) -> bool {
        self.code == 6
    }

    /// Whether its data is a text (RFC 9003).
    pub const fn has_message(self) -> bool {
        self.code == 6 && (self.subcode == 2 || self.subcode == 4)
    }
}

impl fmt::Display for ErrorCode {
    /// `Hold timer expired`; `Unknown error 9.1` for what is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TABLE.iter().find(|(code, subcode, _)| (*code, *subcode) == (self.code, self.subcode)) {
            Some((_, _, text)) => f.write_str(text),
            None => write!(f, "Unknown error {}.{}", self.code, self.subcode),
        }
    }
}

/// Why a session ended or did not come to be. `Display` prints it as the last column of `show protocols`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LastError {
    /// Nothing happened yet, or the session is established.
    #[default]
    None,
    /// The neighbour is no longer on the segment.
    NeighborLost,
    /// The link to the neighbour is down.
    LinkDown,
    /// Nobody listens for the neighbour.
    NoSocket,
    /// The neighbour restarts.
    GracefulRestart,
    /// TCP ended: with an error, or closed by the neighbour.
    Socket(Option<Errno>),
    /// The neighbour's NOTIFICATION.
    Received(ErrorCode),
    /// A NOTIFICATION to the neighbour.
    Sent(ErrorCode),
    /// More routes than allowed.
    RouteLimit,
    /// Somebody wanted it so.
    Manual,
}

impl fmt::Display for LastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LastError::None | LastError::Manual => Ok(()),
            LastError::NeighborLost => f.write_str("Error: Neighbor lost"),
            LastError::LinkDown => f.write_str("Error: Link down"),
            LastError::NoSocket => f.write_str("Error: No listening socket"),
            LastError::GracefulRestart => f.write_str("Error: Graceful restart"),
            LastError::Socket(None) => f.write_str("Socket: Connection closed"),
            LastError::Socket(Some(errno)) => write!(f, "Socket: {errno}"),
            LastError::Received(code) => write!(f, "Received: {code}"),
            LastError::Sent(code) => write!(f, "BGP Error: {code}"),
            LastError::RouteLimit => f.write_str("Automatic shutdown: Route limit exceeded"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_bird() {
        let cases = [
            (LastError::Socket(Some(Errno::ECONNREFUSED)), "Socket: Connection refused"),
            (LastError::Socket(None), "Socket: Connection closed"),
            (LastError::Received(ErrorCode::ADMIN_SHUTDOWN), "Received: Administrative shutdown"),
            (LastError::Sent(ErrorCode::HOLD_TIMER), "BGP Error: Hold timer expired"),
            (LastError::NeighborLost, "Error: Neighbor lost"),
            (LastError::Received(ErrorCode::new(9, 1)), "Received: Unknown error 9.1"),
            (LastError::Manual, ""),
        ];
        for (error, text) in cases {
            assert_eq!(error.to_string(), text);
        }
    }
}
