use super::filter::{Parser, States};
use super::table::Table;
use hopwise_protocols::tcp::State;

#[test]
fn columns_are_as_wide_as_their_entries() {
    let mut table = Table::default();
    table.push(["tcp", "LISTEN", "0     ", "5     ", "0.0.0.0:", "80", "0.0.0.0:", "*", ""].map(str::to_owned));
    let mut hidden = [false; 9];
    hidden[0] = true;
    let text = table.clone().render(true, hidden);
    assert_eq!(
        text,
        "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\n\
         LISTEN 0      5            0.0.0.0:80        0.0.0.0:*          \n"
    );
    assert_eq!(table.render(false, hidden), "LISTEN 0      5      0.0.0.0:80 0.0.0.0:*\n");
}

#[test]
fn conditions_are_read() {
    let parse = |text: &str| {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        Parser::new(&words, &|name| (name == "http").then_some(80)).whole()
    };
    for good in
        ["sport = :80", "( sport = :http or dport != 22 ) and dst 10.0.0.0/8", "src 1.2.3.4:80", "not dport gt 5"]
    {
        assert!(parse(good).is_some(), "{good}");
    }
    for bad in ["foo bar", "sport", "( sport = 1", "dst 10.0.0.0/33", "sport = :nope"] {
        assert!(parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn states_have_names() {
    assert!(States::named("connected").unwrap().has(State::TimeWait));
    assert!(!States::CONNECTED.has(State::TimeWait) && States::LISTENING.has(State::Close));
    assert_eq!(States::named("foo"), None);
}
