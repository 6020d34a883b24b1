//! Links, and the hosts that they may lead to.

use url::{Host, Url};

use super::reader::Node;
use super::violation::Findings;

/// The longest link, in bytes.
pub const MAX_URL_BYTES: usize = 2_048;

/// A link that leads where a browser would go: other readers disagree about backslashes, user names
/// and white space, and a host that is only believed to be allowed would be a trap for the reviewer.
pub(super) fn read_link(node: &Node, found: &mut Findings) -> Option<Url> {
    let text = node.str(found)?;
    if text.len() > MAX_URL_BYTES {
        return node.fault(format!("must have at most {MAX_URL_BYTES} bytes"), found);
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\';
    let web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
    let Some(url) = Url::parse(text).ok().filter(|url| web(url) && !text.contains(odd)) else {
        return node.fault("must be an http or https address", found);
    };
    if !url.username().is_empty() || url.password().is_some() {
        return node.fault("must not contain a user name or password", found);
    }
    Some(url)
}

/// A host that links may lead to.
pub(super) struct AllowedHost {
    /// `*.` stood before it: every name below it, and not itself.
    below: bool,
    name: String,
    port: Option<u16>,
}

impl AllowedHost {
    /// Reads `example.org`, `*.example.org` or `example.org:8080`, by the rules of browsers.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (below, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, port)) if !rest.ends_with(']') => (name, Some(port.parse().ok()?)),
            _ => (rest, None),
        };
        let name = plain_host(name).filter(|name| !name.contains('*'))?;
        Some(Self { below, name, port })
    }

    /// Whether a link leads there: to that name and no other, at its usual port unless one is named.
    pub(super) fn takes(&self, url: &Url) -> bool {
        let Some(host) = url.host_str().and_then(plain_host) else { return false };
        let at_port = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        at_port && if self.below { host.ends_with(&format!(".{}", self.name)) } else { host == self.name }
    }
}

/// In lower case, in ASCII, and without the dot that may end it.
fn plain_host(host: &str) -> Option<String> {
    Host::parse(host.trim_end_matches('.')).ok().map(|host| host.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(link: &str, allowed: &str) -> bool {
        AllowedHost::read(allowed).unwrap().takes(&Url::parse(link).unwrap())
    }

    #[test]
    fn a_link_leads_to_its_host_and_to_no_other() {
        for (link, allowed) in [
            ("https://GitHub.com./me", "github.com"),
            ("http://github.com:80/", "GITHUB.com"),
            ("https://me.github.io/x", "*.github.io"),
            ("https://a.b.github.io/x", "*.github.io"),
            ("https://học.vn/", "xn--hc-68s.vn"),
            ("http://localhost:3000/", "localhost:3000"),
            ("https://[::1]/", "[::1]"),
            ("https://[::1]:8443/", "[::1]:8443"),
        ] {
            assert!(leads(link, allowed), "{link} leads to {allowed}");
        }
        for (link, allowed) in [
            ("https://github.com.evil.example/", "github.com"),
            ("https://evil-github.com/", "github.com"),
            ("https://evil.example/github.com", "github.com"),
            ("https://www.github.com/", "github.com"),
            ("https://github.io/", "*.github.io"),
            ("https://evilgithub.io/", "*.github.io"),
            ("https://github.com:8443/", "github.com"),
            ("http://localhost:3001/", "localhost:3000"),
            ("http://localhost/", "localhost:3000"),
        ] {
            assert!(!leads(link, allowed), "{link} does not lead to {allowed}");
        }
        for broken in ["", "*", "*.", "*.*.org", "a.*.org", "exa mple.org", "example.org:", "example.org:http", "[::1"]
        {
            assert!(AllowedHost::read(broken).is_none(), "{broken} is no host");
        }
    }
}
