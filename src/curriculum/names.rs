//! Criteria name ids in the database and keys in files; here one becomes the other.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::criteria::Violation;
use crate::http::validate::escape;

/// What criteria can name. A chapter is known by its path's key and its own, an assessment by its quest's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Named {
    Quest,
    Chapter,
    Assessment,
    Path,
}

const FIELDS: [(Named, &str, &str); 4] = [
    (Named::Quest, "questId", "questKey"),
    (Named::Chapter, "chapterId", "chapterKey"),
    (Named::Assessment, "assessmentId", "assessmentKey"),
    (Named::Path, "pathId", "pathKey"),
];

/// Ids by key, and keys by id.
#[derive(Debug, Default)]
pub struct Names {
    ids: HashMap<(Named, String), Uuid>,
    keys: HashMap<Uuid, (Named, String)>,
    kept: HashMap<(Named, String), Uuid>,
}

impl Names {
    /// Learns one; what is known stays.
    pub fn add(&mut self, what: Named, key: String, id: Uuid) {
        self.keys.entry(id).or_insert_with(|| (what, key.clone()));
        self.ids.entry((what, key)).or_insert(id);
    }

    /// Keeps the id of what may come back under its key, and which no file names until then.
    pub fn keep(&mut self, what: Named, key: String, id: Uuid) {
        self.kept.entry((what, key)).or_insert(id);
    }

    /// The id that something new gets: the one that it had before, if it had one.
    pub fn add_new(&mut self, what: Named, key: String, id: Uuid) {
        let id = self.kept.get(&(what, key.clone())).copied().unwrap_or(id);
        self.add(what, key, id);
    }

    /// The id of a quest's, path's or qualified key.
    pub fn id(&self, what: Named, key: &str) -> Option<Uuid> {
        self.ids.get(&(what, key.to_owned())).copied()
    }

    /// The key of an id.
    pub fn key(&self, id: Uuid) -> Option<&str> {
        self.keys.get(&id).map(|(_, key)| key.as_str())
    }

    /// Criteria as an export has them: keys for ids, and those of the own path's chapters short. An id that is
    /// nobody's stays an id.
    pub fn to_keys(&self, criteria: &Value, path: &str) -> Value {
        walk(criteria, "", &mut |_, field, text, _| {
            let (what, id, name) = FIELDS.iter().find(|(_, id, key)| *id == field || *key == field)?;
            let key = if *id == field { self.key(text.parse().ok()?)? } else { text };
            let own = key.strip_prefix(path).and_then(|rest| rest.strip_prefix('/'));
            let key = own.filter(|_| *what == Named::Chapter).unwrap_or(key);
            Some(((*name).to_owned(), key.to_owned()))
        })
    }

    /// Criteria of a file as the database has them. `at` is where they stand in the file.
    pub fn to_ids(&self, criteria: &Value, path: &str, at: &str, errors: &mut Vec<Violation>) -> Value {
        walk(criteria, "", &mut |fields, field, text, pointer| {
            let (what, name, _) = FIELDS.iter().find(|(_, _, key)| *key == field)?;
            let id = self.id(*what, &full(*what, text, path));
            let mut fault = |detail: String| errors.push(Violation { pointer: format!("{at}{pointer}"), detail });
            if fields.contains_key(*name) {
                fault(format!("{name} stands there as well; only one of them may"));
            } else if id.is_none() {
                fault(missing(*what).to_owned());
            }
            Some(((*name).to_owned(), id.unwrap_or_default().to_string()))
        })
    }
}

/// What is said of a key that names nothing.
pub fn missing(what: Named) -> &'static str {
    match what {
        Named::Quest => "names no quest, neither of this file nor of the database",
        Named::Chapter => "names no chapter; one of another path is written path/chapter",
        Named::Assessment => "names no assessment; it is written quest/assessment",
        Named::Path => "names no learning path, neither of this file nor of the database",
    }
}

/// The key as [`Names`] knows it: a chapter without a path is one of its own path.
fn full(what: Named, key: &str, path: &str) -> String {
    if what == Named::Chapter && !key.contains('/') { format!("{path}/{key}") } else { key.to_owned() }
}

/// The keys and the ids that criteria of a file name.
pub fn named(criteria: &Value, path: &str) -> (Vec<(Named, String)>, Vec<Uuid>) {
    let (mut keys, mut ids) = (Vec::new(), Vec::new());
    walk(criteria, "", &mut |_, field, text, _| {
        let (what, id, _) = FIELDS.iter().find(|(_, id, key)| *id == field || *key == field)?;
        if *id == field {
            ids.extend(text.parse::<Uuid>());
        } else {
            keys.push((*what, full(*what, text, path)));
        }
        None
    });
    (keys, ids)
}

/// A copy with the fields renamed that `change` renames; it sees the object, the field with its text, and a
/// pointer to the field.
fn walk<F>(value: &Value, pointer: &str, change: &mut F) -> Value
where
    F: FnMut(&Map<String, Value>, &str, &str, &str) -> Option<(String, String)>,
{
    match value {
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, item)| walk(item, &format!("{pointer}/{index}"), change)).collect()
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| {
                let at = format!("{pointer}/{}", escape(name));
                if let Some((name, text)) = field.as_str().and_then(|text| change(fields, name, text, &at)) {
                    return (name, Value::String(text));
                }
                (name.clone(), walk(field, &at, change))
            })
            .collect(),
        other => other.clone(),
    }
}

/// A violation's pointer into criteria with ids, as it is in those of the file.
pub fn pointer_of_file(pointer: &str, criteria: &Value) -> String {
    if criteria.pointer(pointer).is_some() {
        return pointer.to_owned();
    }
    FIELDS.iter().fold(pointer.to_owned(), |pointer, (_, id, key)| {
        pointer.strip_suffix(id).map(|start| format!("{start}{key}")).unwrap_or(pointer)
    })
}
