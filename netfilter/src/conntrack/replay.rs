//! Random segments of random connections, and what Linux made of them.

use core::time::Duration;

use super::ConnStatus;
use super::proto::Proto;
use crate::testing::{Router, Way, tcp_with};

/// State, seconds, unreplied, assured.
type Shown = (String, i64, bool, bool);

fn shown(router: &mut Router) -> Option<Shown> {
    let now = router.now;
    let conn = router.conns().into_iter().next()?;
    let Proto::Tcp(tcp) = &conn.proto else { return None };
    let unreplied = !conn.status.contains(ConnStatus::SEEN_REPLY);
    let assured = conn.status.contains(ConnStatus::ASSURED);
    Some((tcp.state.to_string(), conn.remaining(now).as_secs() as i64, unreplied, assured))
}

fn expected(text: &str) -> Option<Shown> {
    let [state, seconds, marks] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    Some((state.into(), seconds.parse().unwrap(), marks.contains('U'), marks.contains('A')))
}

#[test]
fn tcp_is_followed_as_linux_does() {
    let mut router = Router::new();
    for (number, line) in include_str!("tcp-on-linux.txt").lines().enumerate().filter(|row| !row.1.starts_with('#')) {
        let Some((segment, after)) = line.split_once(" | ") else {
            router = Router::new();
            continue;
        };
        let numbers: Vec<i64> = segment.split(' ').map(|word| word.parse().unwrap()).collect();
        let [direction, flags, seq, ack, window, scale, bytes] = numbers[..] else { panic!("line {number}") };
        let (a, b) = (("10.77.0.1", 20_000), ("10.77.0.2", 80));
        let (from, to) = if direction == 0 { (a, b) } else { (b, a) };
        let options: Vec<u8> = if scale < 0 { vec![] } else { vec![1, 3, 3, scale as u8, 1, 1, 4, 2] };
        let numbers = (seq as u32, ack as u32, window as u16);
        let payload = vec![b'x'; bytes as usize];
        router.pass(Way::Out, &tcp_with(from, to, flags as u8, numbers, &options, &payload));
        router.now += Duration::from_millis(1);
        match (expected(after), shown(&mut router)) {
            (None, None) => {}
            // The kernel's clock ticks on while its table is read.
            (Some(want), Some(have)) if (want.1 - have.1).abs() <= 1 => {
                assert_eq!((want.0, want.2, want.3), (have.0, have.2, have.3), "line {}", number + 1);
            }
            (want, have) => assert_eq!(want, have, "line {}", number + 1),
        }
    }
}
