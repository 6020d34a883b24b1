//! What may be handed in: text, a link, files.

use serde_json::{Value, json};

use super::links::AllowedHost;
use super::reader::Node;
use super::violation::Findings;

const MAX_CHARS: u32 = 100_000;
const MAX_FILE_BYTES: u32 = 1 << 30;
const MAX_HOST_BYTES: usize = 253;

/// One form of work that is taken. Several file forms may stand side by side (large archives, small
/// images); text and link appear at most once, since a submission carries one of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    /// A text typed in.
    Text {
        /// The least number of characters.
        min_chars: Option<u32>,
        /// The largest number of characters.
        max_chars: Option<u32>,
    },
    /// A link.
    Url {
        /// The hosts it may lead to; any host when left out.
        hosts: Option<Vec<String>>,
    },
    /// Files, by reference and checksum.
    File {
        /// Media types, such as `application/pdf`.
        mime: Vec<String>,
        /// The largest size of one file, in bytes.
        max_bytes: u32,
        /// How many files at most.
        max_files: Option<u32>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Url,
    File,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Text, Self::Url, Self::File];

    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Url => "url",
            Self::File => "file",
        }
    }
}

impl Accept {
    pub(super) fn read_list(node: &Node, found: &mut Findings) -> Option<Vec<Self>> {
        // A file form may be repeated with other limits, the other two may not.
        found.add_repeated(node.elements().filter_map(|form| {
            let kind = form.value.get("kind")?.as_str()?;
            (kind != Kind::File.as_str()).then_some((form.pointer, kind))
        }));
        node.list(1..=4, found, Self::read)
    }

    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        let kind = fields.required("kind", found)?.choice(&Kind::ALL, Kind::as_str, found)?;
        let mut integer = |name: &str, most: u32| {
            let node = fields.optional(name)?;
            node.integer(1..=most, found)
        };
        match kind {
            Kind::Text => {
                let min_chars = integer("minChars", MAX_CHARS);
                let max_chars = integer("maxChars", MAX_CHARS);
                fields.only(&["kind"], &["minChars", "maxChars"], found);
                if let (Some(min), Some(max)) = (min_chars, max_chars)
                    && min > max
                {
                    let pointer = format!("{}/maxChars", node.pointer);
                    found.add(pointer, "must not be less than minChars");
                }
                Some(Self::Text { min_chars, max_chars })
            }
            Kind::Url => {
                fields.only(&["kind"], &["hosts"], found);
                let hosts = fields.optional("hosts").and_then(|hosts| hosts.list(1..=usize::MAX, found, read_host));
                Some(Self::Url { hosts })
            }
            Kind::File => {
                let max_files = integer("maxFiles", 20);
                fields.only(&["kind"], &["mime", "maxBytes", "maxFiles"], found);
                let mime = fields.required("mime", found).and_then(|mime| mime.list(1..=usize::MAX, found, read_mime));
                let max_bytes =
                    fields.required("maxBytes", found).and_then(|bytes| bytes.integer(1..=MAX_FILE_BYTES, found));
                Some(Self::File { mime: mime?, max_bytes: max_bytes?, max_files })
            }
        }
    }

    /// Nothing in it is secret: the learner must know what to hand in.
    pub(super) fn task(&self) -> Value {
        let mut form = match self {
            Self::Text { min_chars, max_chars } => {
                json!({"kind": "text", "minChars": min_chars, "maxChars": max_chars})
            }
            Self::Url { hosts } => json!({"kind": "url", "hosts": hosts}),
            Self::File { mime, max_bytes, max_files } => json!({
                "kind": "file", "mime": mime, "maxBytes": max_bytes, "maxFiles": max_files,
            }),
        };
        if let Value::Object(fields) = &mut form {
            fields.retain(|_, value| !value.is_null());
        }
        form
    }
}

/// A host name alone: with a scheme or a path it would match no link, and the step could never be
/// done.
fn read_host(node: &Node, found: &mut Findings) -> Option<String> {
    let host = node.visible(found)?;
    let foreign = |c: char| c.is_whitespace() || "/\\?#@".contains(c);
    if host.len() > MAX_HOST_BYTES || host.contains(foreign) || AllowedHost::read(&host).is_none() {
        return node.fault("must be a host name alone, such as example.org", found);
    }
    Some(host)
}

fn read_mime(node: &Node, found: &mut Findings) -> Option<String> {
    let mime = node.string(found)?;
    let token = |part: &str| !part.is_empty() && !part.contains(char::is_whitespace);
    match mime.split_once('/') {
        Some((kind, subtype)) if token(kind) && token(subtype) && !subtype.contains('/') => Some(mime),
        _ => node.fault("must be a media type, such as application/pdf", found),
    }
}
