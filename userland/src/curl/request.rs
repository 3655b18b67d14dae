//! The request that curl sends.

use super::options::Options;
use super::url::Url;

/// The method: the one told, or what the options mean.
pub(super) fn method(options: &Options, redirected: bool) -> String {
    match &options.method {
        Some(method) => method.clone(),
        None if options.head => "HEAD".into(),
        None if options.data.is_some() && !options.get && !redirected => "POST".into(),
        None => "GET".into(),
    }
}

/// The request's head and body.
pub(super) fn build(options: &Options, url: &Url, http10: bool, redirected: bool) -> (String, String) {
    let own = |name: &str| options.fields.iter().any(|field| is_field(field, name));
    let version = if http10 || options.http10 { "1.0" } else { "1.1" };
    let mut target = url.target.clone();
    let data = options.data.as_deref().filter(|_| !redirected);
    if let (true, Some(data)) = (options.get, data) {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(data);
    }
    let mut text = format!("{} {target} HTTP/{version}\r\n", method(options, redirected));
    let mut put = |name: &str, value: &str| {
        if !own(name) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    };
    put("Host", &url.host_field());
    if let Some(user) = options.user.as_deref().or(url.user.as_deref()) {
        put("Authorization", &format!("Basic {}", base64(user.as_bytes())));
    }
    if let Some(range) = &options.range {
        put("Range", &format!("bytes={range}"));
    }
    match options.agent.as_deref() {
        None => put("User-Agent", "curl/7.88.1"),
        Some("") => {}
        Some(agent) => put("User-Agent", agent),
    }
    put("Accept", "*/*");
    if let Some(referer) = &options.referer {
        put("Referer", referer);
    }
    // `Host` told by hand keeps its place.
    for field in options.fields.iter().filter(|field| !is_empty(field)) {
        let line = format!("{}\r\n", field.replace("; ", ";").trim_end_matches(';'));
        let line = if field.contains(':') { format!("{field}\r\n") } else { line };
        if is_field(field, "Host") {
            let at = text.find("\r\n").map_or(0, |at| at + 2);
            text.insert_str(at, &line);
        } else {
            text.push_str(&line);
        }
    }
    let body = data.filter(|_| !options.get && !options.head).unwrap_or_default();
    if data.is_some() && !options.get && !options.head {
        if !own("Content-Length") {
            text.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        if !own("Content-Type") {
            text.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
        }
    }
    text.push_str("\r\n");
    (text, body.to_owned())
}

/// Whether a `-H` is about this field.
fn is_field(field: &str, name: &str) -> bool {
    field.split([':', ';']).next().is_some_and(|n| n.trim().eq_ignore_ascii_case(name))
}

/// `-H 'Name:'` only takes the field away.
fn is_empty(field: &str) -> bool {
    field.split_once(':').is_some_and(|(_, value)| value.trim().is_empty())
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let word = part.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for place in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * place)) as usize & 63];
            text.push(if place > part.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(line: &str) -> String {
        let options = Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>()).unwrap();
        let url = Url::parse(&options.urls[0]).unwrap();
        let (head, body) = build(&options, &url, false, false);
        (head + &body).replace("\r\n", "|")
    }

    #[test]
    fn the_requests_of_curl() {
        assert_eq!(
            request("10.0.0.2/small"),
            "GET /small HTTP/1.1|Host: 10.0.0.2|User-Agent: curl/7.88.1|Accept: */*||"
        );
        assert_eq!(request("-H Host:foo -A x -H A:b h:81"), "GET / HTTP/1.1|Host:foo|User-Agent: x|Accept: */*|A:b||");
        assert_eq!(
            request("-u a:b -e ref -d x=1 h"),
            "POST / HTTP/1.1|Host: h|Authorization: Basic YTpi|User-Agent: curl/7.88.1|Accept: */*|Referer: ref|\
             Content-Length: 3|Content-Type: application/x-www-form-urlencoded||x=1"
        );
        assert_eq!(
            request("-r 0-3 h"),
            "GET / HTTP/1.1|Host: h|Range: bytes=0-3|User-Agent: curl/7.88.1|Accept: */*||"
        );
        assert!(request("-G -d x=1 h").starts_with("GET /?x=1 "));
        assert!(!request("-H Accept: h").contains("Accept"));
    }

    #[test]
    fn base64_of_all_lengths() {
        assert_eq!(["", "a", "ab", "abc"].map(|t| base64(t.as_bytes())), ["", "YQ==", "YWI=", "YWJj"]);
    }
}
