//! What is wrong with a document, and where.

use serde_json::Value;

/// More than this many help nobody, and the answer stays small.
const MAX_VIOLATIONS: usize = 100;

/// One fault of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// A JSON pointer (RFC 6901) relative to the document: `""` is the whole, `/items/0/correct` a
    /// part. A field that is missing is named by where it should have been.
    pub pointer: String,
    /// A clause that goes on from the name of the field: "must be a string".
    pub detail: String,
}

/// The faults found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    violations: Vec<Violation>,
}

impl Findings {
    /// Notes one fault; those beyond the first hundred are dropped.
    pub(super) fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation { pointer: pointer.into(), detail: detail.into() });
        }
    }

    /// Notes every entry whose name an earlier entry has already.
    pub(super) fn add_repeated<'a>(&mut self, entries: impl Iterator<Item = (String, &'a str)>) {
        let mut seen = std::collections::HashSet::new();
        for (pointer, name) in entries {
            if !seen.insert(name) {
                self.add(pointer, "is there already, earlier in this list");
            }
        }
    }

    /// Notes every string and field name with U+0000, which a `jsonb` column cannot store.
    pub(super) fn add_unstorable(&mut self, value: &Value, pointer: &str) {
        // Almost no document has one, and looking for it needs no pointers.
        if has_nul(value) {
            self.add_nul(value, pointer);
        }
    }

    fn add_nul(&mut self, value: &Value, pointer: &str) {
        const DETAIL: &str = "must not contain the character U+0000";
        match value {
            Value::String(text) if text.contains('\0') => self.add(pointer, DETAIL),
            Value::Array(elements) => {
                for (index, element) in elements.iter().enumerate() {
                    self.add_nul(element, &format!("{pointer}/{index}"));
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let below = child(pointer, name);
                    if name.contains('\0') {
                        self.add(below.as_str(), DETAIL);
                    }
                    self.add_nul(field, &below);
                }
            }
            _ => {}
        }
    }

    /// Reads a whole document of at most `most` bytes of compact JSON.
    pub(super) fn document<T>(
        mut self,
        value: &Value,
        most: usize,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, Vec<Violation>> {
        let bytes = value.to_string().len();
        if bytes > most {
            self.add("", format!("has {bytes} bytes; at most {most} are taken"));
            return self.conclude(None);
        }
        self.add_unstorable(value, "");
        let read = read(&mut self);
        self.conclude(read)
    }

    /// The result of a reading: it counts only when nothing was found. A reader that gives nothing
    /// has always noted why; were it not so, the document would still be refused.
    pub(super) fn conclude<T>(mut self, read: Option<T>) -> Result<T, Vec<Violation>> {
        match read {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => {
                if self.violations.is_empty() {
                    self.add("", "is not understood");
                }
                Err(self.violations)
            }
        }
    }
}

/// The pointer of a field of what `pointer` points to.
pub(super) fn child(pointer: &str, name: &str) -> String {
    let mut child = String::with_capacity(pointer.len() + 1 + name.len());
    child.push_str(pointer);
    child.push('/');
    if name.contains(['~', '/']) {
        child.push_str(&name.replace('~', "~0").replace('/', "~1"));
    } else {
        child.push_str(name);
    }
    child
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(elements) => elements.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, field)| name.contains('\0') || has_nul(field)),
        _ => false,
    }
}
