//! HTTP heads, bodies in chunks and DNS messages.

use hopwise_userland::dns::message::Message;
use hopwise_userland::http::{Head, quote, status_line, unquote};

/// Parses `data` as each of them.
pub fn run(data: &[u8]) {
    if let Some(head) = Head::parse(data) {
        assert!(head.len <= data.len(), "a head is no longer than its input");
        let _ = status_line(&head.first);
        assert_eq!(unquote(&quote(&head.first)), head.first.as_bytes(), "what is quoted comes back");
    }
    if let Some(message) = Message::parse(data) {
        let built = message.build();
        // Names with dots in their labels, or labels that are not ASCII, cannot come back; all else does.
        if message.answers.is_empty() && message.questions.iter().all(|q| is_plain(&q.name)) {
            let again = Message::parse(&built).expect("what was built can be read");
            assert_eq!(again.questions, message.questions, "questions come back");
        }
    }
}

fn is_plain(name: &str) -> bool {
    name.split('.').all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric()))
}
