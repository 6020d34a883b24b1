//! What is handed in: text, a link, files by reference; and whether it is what is taken.

use serde_json::{Value, json};
use url::Url;

use super::accept::Accept;
use super::check::Unmet;
use super::claims::MAX_CLAIM_TEXT_CHARS;
use super::links::{AllowedHost, read_link};
use super::reader::{Fields, Node};
use super::violation::Findings;

/// The most files of one submission.
pub const MAX_FILES: usize = 80;

const MAX_FILE_NAME_CHARS: usize = 255;
const MAX_MIME_BYTES: usize = 127;

/// Work as it was handed in. We store no files: where they are and their checksum is all we keep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Work {
    /// A text, as it was typed.
    pub text: Option<String>,
    /// A link, http or https, read as browsers read it.
    pub url: Option<Url>,
    /// Files, at most [`MAX_FILES`].
    pub files: Vec<WorkFile>,
}

/// A file that lies elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkFile {
    /// Its name, 1 to 255 characters.
    pub name: String,
    /// Its media type.
    pub mime: String,
    /// Its size, at least 1.
    pub bytes: u32,
    /// Its checksum, 64 hexadecimal digits in lower case.
    pub sha256: String,
    /// Where it lies, http or https.
    pub url: Url,
}

impl Work {
    pub(super) const FIELDS: [&str; 3] = ["text", "url", "files"];

    pub(super) fn read(fields: &Fields, found: &mut Findings) -> Self {
        fields.only(&Self::FIELDS, &[], found);
        let text = fields.optional("text").and_then(|node| {
            let text = node.str(found)?;
            if text.chars().count() > MAX_CLAIM_TEXT_CHARS {
                return node.fault(format!("must have at most {MAX_CLAIM_TEXT_CHARS} characters"), found);
            }
            Some(text.to_owned())
        });
        let url = fields.optional("url").and_then(|node| read_link(&node, found));
        let files = fields.optional("files").and_then(|node| node.list(0..=MAX_FILES, found, WorkFile::read));
        Self { text, url, files: files.unwrap_or_default() }
    }

    /// Holds the work against the forms that are taken. One form is enough, but all that is handed
    /// in must fit one.
    pub fn check(&self, accept: &[Accept]) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        // White space alone is nothing.
        let text = self.text.as_deref().map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() && self.url.is_none() && self.files.is_empty() {
            unmet.push(not_taken("", "Hand something in.", accept));
        }
        if let Some(text) = text {
            check_text(text, accept, &mut unmet);
        }
        if let Some(url) = &self.url {
            check_url(url, accept, &mut unmet);
        }
        if !self.files.is_empty() {
            check_files(&self.files, accept, &mut unmet);
        }
        unmet
    }
}

impl WorkFile {
    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["name", "mime", "bytes", "sha256", "url"], &[], found);
        let name = fields.required("name", found).and_then(|node| {
            let name = node.visible(found)?;
            if name.chars().count() > MAX_FILE_NAME_CHARS || name.contains(char::is_control) {
                return node.fault(format!("must have 1 to {MAX_FILE_NAME_CHARS} printable characters"), found);
            }
            Some(name)
        });
        let mime = fields.required("mime", found).and_then(|node| {
            let mime = node.str(found)?;
            if mime.len() > MAX_MIME_BYTES || !is_media_type(mime) {
                return node.fault("must be a media type, such as application/pdf", found);
            }
            Some(mime.to_owned())
        });
        let bytes = fields.required("bytes", found).and_then(|node| node.integer(1..=u32::MAX, found));
        let sha256 = fields.required("sha256", found).and_then(|node| {
            let sum = node.str(found)?;
            let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if sum.len() != 64 || !sum.bytes().all(digit) {
                return node.fault("must be a SHA-256 as 64 hexadecimal digits in lower case", found);
            }
            Some(sum.to_owned())
        });
        let url = fields.required("url", found).and_then(|node| read_link(&node, found));
        Some(Self { name: name?, mime: mime?, bytes: bytes?, sha256: sha256?, url: url? })
    }

    fn fits(&self, form: &Accept) -> bool {
        let Accept::File { mime, max_bytes, .. } = form else { return false };
        self.bytes <= *max_bytes && mime.iter().any(|taken| is_of_type(&self.mime, taken))
    }
}

fn is_media_type(mime: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    matches!(mime.split_once('/'), Some((kind, subtype)) if token(kind) && token(subtype))
}

/// Media types do not distinguish case; `image/*` takes all images.
fn is_of_type(mime: &str, taken: &str) -> bool {
    mime.eq_ignore_ascii_case(taken)
        || match (mime.split_once('/'), taken.split_once('/')) {
            (Some((kind, _)), Some((wanted, "*"))) => wanted == "*" || kind.eq_ignore_ascii_case(wanted),
            _ => false,
        }
}

fn check_text(text: &str, accept: &[Accept], unmet: &mut Vec<Unmet>) {
    let limits = accept.iter().find_map(|form| match form {
        Accept::Text { min_chars, max_chars } => Some((*min_chars, *max_chars)),
        _ => None,
    });
    let Some((least, most)) = limits else {
        unmet.push(not_taken("/text", "No text is taken here.", accept));
        return;
    };
    let chars = text.chars().count();
    let mut wrong = |code, target: u32, detail| {
        unmet.push(Unmet {
            code,
            pointer: "/text".to_owned(),
            detail,
            current: Value::from(chars),
            target: Value::from(target),
        });
    };
    if let Some(least) = least.filter(|least| chars < *least as usize) {
        wrong("minChars", least, format!("Write at least {least} characters; so far it is {chars}."));
    }
    if let Some(most) = most.filter(|most| chars > *most as usize) {
        wrong("maxChars", most, format!("Write at most {most} characters; it is {chars}."));
    }
}

fn check_url(url: &Url, accept: &[Accept], unmet: &mut Vec<Unmet>) {
    let hosts = accept.iter().find_map(|form| match form {
        Accept::Url { hosts } => Some(hosts.as_deref()),
        _ => None,
    });
    match hosts {
        None => unmet.push(not_taken("/url", "No link is taken here.", accept)),
        Some(Some(hosts)) if !hosts.iter().filter_map(|host| AllowedHost::read(host)).any(|host| host.takes(url)) => {
            unmet.push(Unmet {
                code: "hosts",
                pointer: "/url".to_owned(),
                detail: format!("The link must lead to {}.", hosts.join(" or ")),
                current: Value::from(url.host_str()),
                target: Value::from(hosts),
            });
        }
        Some(_) => {}
    }
}

/// Every file needs a form that has room for it. Which one may matter, when forms overlap, so a file
/// moves on to another form if that makes room.
fn check_files(files: &[WorkFile], accept: &[Accept], unmet: &mut Vec<Unmet>) {
    if !accept.iter().any(|form| matches!(form, Accept::File { .. })) {
        unmet.push(not_taken("/files", "No files are taken here.", accept));
        return;
    }
    let mut placed: Vec<Vec<usize>> = vec![Vec::new(); accept.len()];
    for (index, file) in files.iter().enumerate() {
        if !accept.iter().any(|form| file.fits(form)) {
            unmet.push(Unmet {
                code: "file",
                pointer: format!("/files/{index}"),
                detail: format!("{} of {} bytes is not taken here.", file.mime, file.bytes),
                current: json!({"mime": file.mime, "bytes": file.bytes}),
                target: forms(accept),
            });
        } else if !place(index, files, accept, &mut placed, &mut vec![false; accept.len()]) {
            unmet.push(Unmet {
                code: "maxFiles",
                pointer: format!("/files/{index}"),
                detail: "There are more files of this kind than are taken.".to_owned(),
                current: Value::from(files.len()),
                target: forms(accept),
            });
        }
    }
}

fn place(
    index: usize,
    files: &[WorkFile],
    accept: &[Accept],
    placed: &mut Vec<Vec<usize>>,
    tried: &mut Vec<bool>,
) -> bool {
    for (at, form) in accept.iter().enumerate() {
        let Accept::File { max_files, .. } = form else { continue };
        if tried[at] || !files[index].fits(form) {
            continue;
        }
        tried[at] = true;
        let room = max_files.is_none_or(|most| placed[at].len() < most as usize);
        let moved = if room {
            None
        } else {
            let held = placed[at].clone();
            held.into_iter().find(|other| place(*other, files, accept, placed, tried))
        };
        if let Some(moved) = moved {
            placed[at].retain(|held| *held != moved);
        } else if !room {
            continue;
        }
        placed[at].push(index);
        return true;
    }
    false
}

fn not_taken(pointer: &str, what: &str, accept: &[Accept]) -> Unmet {
    Unmet {
        code: "accept",
        pointer: pointer.to_owned(),
        detail: what.to_owned(),
        current: Value::Null,
        target: forms(accept),
    }
}

fn forms(accept: &[Accept]) -> Value {
    accept.iter().map(Accept::task).collect()
}
