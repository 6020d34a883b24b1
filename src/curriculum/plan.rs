//! A file compared with the database: what would be created, updated, moved, deactivated; pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::file::{Curriculum, FilePath, FilePlace, FileQuest};
use super::state::State;

/// What happens to one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Is not there yet.
    Create,
    /// Some of its fields change.
    Update,
    /// Keeps its content and takes another place.
    Move,
    /// Quests become inactive, steps and assessments are retired, paths become drafts; history stays.
    Deactivate,
    /// Resources, chapters and places in a path, which no history hangs on.
    Delete,
    /// Stays as it is.
    None,
}

/// Of what sort it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    Quest,
    Step,
    Resource,
    Assessment,
    LearningPath,
    Chapter,
    /// A quest's place in a path
    PathQuest,
}

/// One thing of the file, or of the database where the file leaves it out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    pub action: Action,
    pub kind: Kind,
    /// Of what is inside of a quest or path: its key, a slash, the own one
    #[schema(example = "hello-c/your-first-program")]
    pub key: String,
    #[schema(example = "Your first program")]
    pub title: String,
    /// What an update changes
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub fields: Vec<String>,
}

/// Answer of `POST /v1/curriculum/plan`.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Names this plan: file and database as they are; `apply` takes it
    #[schema(example = "7d0f8c1d2f6a4b51a6c6f3c8b7f0e9d2")]
    pub fingerprint: String,
    /// How many of each action
    #[schema(value_type = Object, example = json!({"create": 12, "update": 1, "move": 0, "deactivate": 0, "delete": 0, "none": 47}))]
    pub summary: BTreeMap<&'static str, usize>,
    /// In the order of the file; what it leaves out comes behind its siblings
    pub changes: Vec<Change>,
}

impl Action {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Create, "create"),
        (Self::Update, "update"),
        (Self::Move, "move"),
        (Self::Deactivate, "deactivate"),
        (Self::Delete, "delete"),
        (Self::None, "none"),
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(action, _)| *action == self).map_or("", |(_, name)| name)
    }
}

impl Plan {
    /// What of this kind does not stay as it is, by key.
    pub fn changed(&self, kind: Kind) -> HashMap<&str, &Change> {
        let of_kind = |change: &&Change| change.kind == kind && change.action != Action::None;
        self.changes.iter().filter(of_kind).map(|change| (change.key.as_str(), change)).collect()
    }
}

/// Compares a checked file with what is there.
pub fn plan(file: &Curriculum, state: &State) -> Plan {
    let mut changes = Vec::new();
    for quest in &file.quests {
        compare_quest(quest, state.quest(&quest.key), &mut changes);
    }
    let mut seen: HashSet<&str> = file.quests.iter().map(|quest| quest.key.as_str()).collect();
    for path in &file.learning_paths {
        compare_path(path, state, &mut changes);
    }
    // A quest that left a path of the file, and that the file does not have at all, has no place any more.
    let placed: HashSet<&str> =
        file.learning_paths.iter().flat_map(|path| &path.quests).map(|place| place.quest.as_str()).collect();
    seen.extend(&placed);
    for path in file.learning_paths.iter().filter_map(|path| state.path(&path.key)) {
        for place in &path.quests {
            let Some(quest) = state.quest(&place.quest) else { continue };
            let stays = state.is_in_other_paths(&quest.key) || !quest.is_active;
            if seen.insert(&quest.key) && !stays {
                changes.push(change(Action::Deactivate, Kind::Quest, quest.key.clone(), &quest.title));
            }
        }
    }
    let mut summary: BTreeMap<&'static str, usize> = Action::ALL.iter().map(|(_, name)| (*name, 0)).collect();
    for change in &changes {
        *summary.entry(change.action.as_str()).or_default() += 1;
    }
    Plan { fingerprint: fingerprint(file, state, &changes), summary, changes }
}

/// Of file and database, and of the changes as well: these look at more, such as other paths with a quest.
fn fingerprint(file: &Curriculum, state: &State, changes: &[Change]) -> String {
    let mut hash = Sha256::new();
    for part in [file.clone().sorted(), state.file.clone().sorted()] {
        hash.update(super::format::write(super::Format::Json, &part));
    }
    hash.update(serde_json::to_vec(changes).unwrap_or_default());
    hash.finalize().iter().take(16).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn change(action: Action, kind: Kind, key: String, title: &str) -> Change {
    Change { action, kind, key, title: title.to_owned(), fields: Vec::new() }
}

fn compare_quest(quest: &FileQuest, before: Option<&FileQuest>, changes: &mut Vec<Change>) {
    let Some(before) = before else {
        changes.push(change(Action::Create, Kind::Quest, quest.key.clone(), &quest.title));
        let key = |own: &str| format!("{}/{own}", quest.key);
        let steps = quest.steps.iter().map(|step| change(Action::Create, Kind::Step, key(&step.key), &step.title));
        changes.extend(steps);
        let resources = &quest.resources;
        changes
            .extend(resources.iter().map(|each| change(Action::Create, Kind::Resource, key(&each.key), &each.title)));
        let assessments = quest.assessments.iter();
        changes.extend(assessments.map(|each| change(Action::Create, Kind::Assessment, key(&each.key), "")));
        return;
    };
    let fields = differing(&head(quest), &head(before));
    let action = match fields.as_slice() {
        [] => Action::None,
        [field] if field == "isActive" && !quest.is_active => Action::Deactivate,
        _ => Action::Update,
    };
    let listed = if action == Action::Update { fields } else { Vec::new() };
    changes.push(Change { fields: listed, ..change(action, Kind::Quest, quest.key.clone(), &quest.title) });
    compare_list(
        List { kind: Kind::Step, parent: &quest.key, gone: Action::Deactivate, is_ordered: true },
        &entries(&quest.steps, |step| (&step.key, &step.title)),
        &entries(&before.steps, |step| (&step.key, &step.title)),
        changes,
    );
    compare_list(
        List { kind: Kind::Resource, parent: &quest.key, gone: Action::Delete, is_ordered: true },
        &entries(&quest.resources, |resource| (&resource.key, &resource.title)),
        &entries(&before.resources, |resource| (&resource.key, &resource.title)),
        changes,
    );
    compare_list(
        List { kind: Kind::Assessment, parent: &quest.key, gone: Action::Deactivate, is_ordered: false },
        &entries(&quest.assessments, |assessment| (&assessment.key, "")),
        &entries(&before.assessments, |assessment| (&assessment.key, "")),
        changes,
    );
}

fn compare_path(path: &FilePath, state: &State, changes: &mut Vec<Change>) {
    let before = state.path(&path.key);
    let none = FilePath { chapters: Vec::new(), quests: Vec::new(), ..path.clone() };
    let fields = before.map(|before| differing(&path_head(path), &path_head(before)));
    let action = match fields.as_deref() {
        None => Action::Create,
        Some([]) => Action::None,
        Some([field]) if field == "isPublished" && !path.is_published => Action::Deactivate,
        Some(_) => Action::Update,
    };
    let fields = fields.filter(|_| action == Action::Update).unwrap_or_default();
    changes.push(Change { fields, ..change(action, Kind::LearningPath, path.key.clone(), &path.name) });
    let before = before.unwrap_or(&none);
    compare_list(
        List { kind: Kind::Chapter, parent: &path.key, gone: Action::Delete, is_ordered: true },
        &entries(&path.chapters, |chapter| (&chapter.key, &chapter.title)),
        &entries(&before.chapters, |chapter| (&chapter.key, &chapter.title)),
        changes,
    );
    // Criteria may be written in several ways; those of the database are in one.
    let criteria = |place: &FilePlace| Some(state.names.to_keys(place.unlock_criteria.as_ref()?, &path.key));
    let place = |place: &FilePlace| FilePlace { unlock_criteria: criteria(place), ..place.clone() };
    let places: Vec<FilePlace> = path.quests.iter().map(place).collect();
    compare_list(
        List { kind: Kind::PathQuest, parent: &path.key, gone: Action::Delete, is_ordered: true },
        &entries(&places, |place| (&place.quest, "")),
        &entries(&before.quests, |place| (&place.quest, "")),
        changes,
    );
}

/// The quest without what is compared on its own.
fn head(quest: &FileQuest) -> Value {
    let mut prerequisites = quest.prerequisites.clone();
    prerequisites.sort_unstable();
    let head =
        FileQuest { prerequisites, steps: Vec::new(), resources: Vec::new(), assessments: Vec::new(), ..quest.clone() };
    serde_json::to_value(head).unwrap_or_default()
}

fn path_head(path: &FilePath) -> Value {
    let head = FilePath { chapters: Vec::new(), quests: Vec::new(), ..path.clone() };
    serde_json::to_value(head).unwrap_or_default()
}

/// Names of the fields that are not the same.
fn differing(after: &Value, before: &Value) -> Vec<String> {
    let (Value::Object(after), Value::Object(before)) = (after, before) else { return Vec::new() };
    let mut names: Vec<&String> = after.keys().chain(before.keys().filter(|name| !after.contains_key(*name))).collect();
    names.retain(|name| after.get(*name) != before.get(*name));
    names.into_iter().cloned().collect()
}

/// What is compared, and what becomes of what the file leaves out.
#[derive(Clone, Copy)]
struct List<'a> {
    kind: Kind,
    parent: &'a str,
    gone: Action,
    is_ordered: bool,
}

struct Entry {
    key: String,
    title: String,
    content: Value,
}

fn entries<'a, T: Serialize>(items: &'a [T], name: impl Fn(&'a T) -> (&'a str, &'a str)) -> Vec<Entry> {
    let entry = |item: &'a T| {
        let (key, title) = name(item);
        let content = serde_json::to_value(item).unwrap_or_default();
        Entry { key: key.to_owned(), title: title.to_owned(), content }
    };
    items.iter().map(entry).collect()
}

fn compare_list(list: List, after: &[Entry], before: &[Entry], changes: &mut Vec<Change>) {
    let key = |own: &str| format!("{}/{own}", list.parent);
    let old: HashMap<&str, (usize, &Value)> =
        before.iter().enumerate().map(|(place, entry)| (entry.key.as_str(), (place, &entry.content))).collect();
    let places: Vec<Option<usize>> =
        after.iter().map(|entry| old.get(entry.key.as_str()).map(|(place, _)| *place)).collect();
    let moved = if list.is_ordered { moved(&places) } else { HashSet::new() };
    for (index, entry) in after.iter().enumerate() {
        let (action, fields) = match old.get(entry.key.as_str()) {
            None => (Action::Create, Vec::new()),
            Some((_, content)) => {
                let mut fields = differing(&entry.content, content);
                match (fields.is_empty(), moved.contains(&index)) {
                    (true, true) => (Action::Move, fields),
                    (true, false) => (Action::None, fields),
                    (false, has_moved) => {
                        fields.extend(has_moved.then(|| "order".to_owned()));
                        (Action::Update, fields)
                    }
                }
            }
        };
        changes.push(Change { fields, ..change(action, list.kind, key(&entry.key), &entry.title) });
    }
    let kept: HashSet<&str> = after.iter().map(|entry| entry.key.as_str()).collect();
    let gone = before.iter().filter(|entry| !kept.contains(entry.key.as_str()));
    changes.extend(gone.map(|entry| change(list.gone, list.kind, key(&entry.key), &entry.title)));
}

/// The fewest that have to move, so that the others keep their order: all but a longest ascending run.
fn moved(places: &[Option<usize>]) -> HashSet<usize> {
    let known: Vec<(usize, usize)> =
        places.iter().enumerate().filter_map(|(index, place)| Some((index, (*place)?))).collect();
    // For each length the smallest last place, with the element that has it; each knows the one before it.
    let (mut ends, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
    for (element, (_, place)) in known.iter().enumerate() {
        let length = ends.partition_point(|end| known[*end].1 < *place);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() { ends.push(element) } else { ends[length] = element }
    }
    let mut moved: HashSet<usize> = known.iter().map(|(index, _)| *index).collect();
    let mut at = ends.last().copied();
    while let Some(element) = at {
        moved.remove(&known[element].0);
        at = before[element];
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::moved;

    #[test]
    fn only_what_changes_its_place_among_the_others_moves() {
        let moves = |places: &[Option<usize>]| {
            let mut moved: Vec<usize> = moved(places).into_iter().collect();
            moved.sort_unstable();
            moved
        };
        assert!(moves(&[Some(0), None, Some(1), Some(5)]).is_empty(), "what is new or gone moves nobody");
        assert_eq!(moves(&[Some(3), Some(0), Some(1), Some(2)]), [0]);
        assert_eq!(moves(&[Some(1), Some(0)]).len(), 1);
        assert_eq!(moves(&[Some(2), Some(1), Some(0)]).len(), 2);
        assert!(moves(&[]).is_empty());
    }
}
