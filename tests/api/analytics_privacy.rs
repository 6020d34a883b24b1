//! What can be worked out of an answer of analytics: everything that its sums leave no choice for.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::harness::text;

/// Learners that hide one another.
const LEAST: i64 = 5;

/// Numbers by their names, times how often they are added.
type Form = Vec<(String, i64)>;

fn of(name: &str) -> Form {
    vec![(name.to_owned(), 1)]
}

fn sum(names: impl IntoIterator<Item = String>) -> Form {
    names.into_iter().map(|name| (name, 1)).collect()
}

fn minus(mut form: Form, other: Form) -> Form {
    form.extend(other.into_iter().map(|(name, times)| (name, -times)));
    form
}

/// Numbers that are told, and sums that are known to hold.
#[derive(Default)]
struct Sums {
    told: BTreeMap<String, i64>,
    /// What is held back, solved for its first name as far as the sums go
    solved: Vec<(String, BTreeMap<String, f64>, f64)>,
}

impl Sums {
    fn tell(&mut self, name: impl Into<String>, value: &Value) {
        if let Some(value) = value.as_i64() {
            self.told.insert(name.into(), value);
        }
    }

    fn reduced(&self, form: &Form) -> (BTreeMap<String, f64>, f64) {
        let (mut hidden, mut rest) = (BTreeMap::new(), 0.0);
        for (name, times) in form {
            let times = f64::from(i32::try_from(*times).unwrap());
            match self.told.get(name) {
                Some(told) => rest += times * f64::from(i32::try_from(*told).unwrap()),
                None => *hidden.entry(name.clone()).or_insert(0.0) += times,
            }
        }
        for (pivot, others, constant) in &self.solved {
            if let Some(times) = hidden.remove(pivot) {
                rest += times * constant;
                for (name, factor) in others {
                    *hidden.entry(name.clone()).or_insert(0.0) += times * factor;
                }
            }
        }
        hidden.retain(|_, times| times.abs() > 1e-9);
        (hidden, rest)
    }

    /// That a form is zero; only after everything has been told.
    fn holds(&mut self, form: &Form) {
        let (mut hidden, rest) = self.reduced(form);
        let Some((pivot, times)) = hidden.pop_first() else { return };
        let others: BTreeMap<String, f64> = hidden.into_iter().map(|(name, of)| (name, -of / times)).collect();
        let constant = -rest / times;
        for (_, known, known_rest) in &mut self.solved {
            if let Some(of) = known.remove(&pivot) {
                *known_rest += of * constant;
                for (name, factor) in &others {
                    *known.entry(name.clone()).or_insert(0.0) += of * factor;
                }
            }
        }
        self.solved.push((pivot, others, constant));
    }

    fn value(&self, form: &Form) -> Option<i64> {
        let (hidden, rest) = self.reduced(form);
        #[expect(clippy::cast_possible_truncation, reason = "a few thousand learners")]
        hidden.is_empty().then_some(rest.round() as i64)
    }

    /// A group of learners must not be known and small.
    #[track_caller]
    fn hides(&self, what: &str, form: &Form, told: &Value) {
        if let Some(learners) = self.value(form) {
            assert!(learners == 0 || learners.abs() >= LEAST, "{learners} {what} can be worked out of {told:#}");
        }
    }

    fn hidden(&self, names: impl Iterator<Item = String>) -> Vec<String> {
        names.filter(|name| !self.told.contains_key(name)).collect()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Buckets of a series: what became of those of each, and of those together of which something is held back.
#[track_caller]
fn series_hides(sums: &Sums, buckets: usize, whole: &str, parts: &[&str], told: &Value) {
    let all: Vec<usize> = (0..buckets).collect();
    let mut sets: Vec<Vec<usize>> = all.iter().map(|at| vec![*at]).collect();
    for part in std::iter::once(&whole).chain(parts) {
        sets.push(all.iter().copied().filter(|at| !sums.told.contains_key(&format!("{part} {at}"))).collect());
    }
    sets.push(all);
    for set in sets {
        let over = |name: &str| sum(set.iter().map(|at| format!("{name} {at}")));
        sums.hides("of buckets", &over(whole), told);
        let mut rest = over(whole);
        for part in parts {
            sums.hides(part, &over(part), told);
            sums.hides("of buckets without a part", &minus(over(whole), over(part)), told);
            rest = minus(rest, over(part));
        }
        if whole == "attempts" {
            sums.hides("of buckets in no part", &rest, told);
        } else {
            sums.hides("started and not through", &minus(over(parts[0]), over(parts[1])), told);
        }
    }
}

/// No small group of a quest's learners shows in its analytics, nor follows from them.
#[track_caller]
pub fn quest_hides(told: &Value) {
    let mut sums = Sums::default();
    let cohort = &told["cohort"];
    let stands = ["started", "completed", "abandoned", "idle", "open", "left", "leftBeforeSteps", "leftAfterSteps"];
    for name in stands {
        sums.tell(name, &cohort[name]);
    }
    let steps = list(&told["steps"]);
    for (at, step) in steps.iter().enumerate() {
        for name in ["started", "completed", "skipped", "leftHere"] {
            sums.tell(format!("{name} at {at}"), &step[name]);
        }
    }
    let series = list(&told["series"]);
    for (at, point) in series.iter().enumerate() {
        sums.tell(format!("attempts {at}"), &point["totalAttempts"]);
        sums.tell(format!("completions {at}"), &point["successfulCompletions"]);
        let rate = point["abandonmentRate"].as_f64().or((point["totalAttempts"] == 0).then_some(0.0));
        if let (Some(rate), Some(attempts)) = (rate, point["totalAttempts"].as_f64()) {
            #[expect(clippy::cast_possible_truncation, reason = "a few thousand learners")]
            sums.told.insert(format!("gone {at}"), (rate * attempts).round() as i64);
        }
    }
    for (at, assessment) in list(&told["assessments"]).iter().enumerate() {
        sums.tell(format!("tried {at}"), &assessment["tried"]);
        sums.tell(format!("passed {at}"), &assessment["passed"]);
        for item in list(&assessment["items"]) {
            sums.tell(format!("tries {at} {}", text(&item["itemId"])), &item["tries"]);
        }
    }

    let each = |name: &str, count: usize| sum((0..count).map(|at| format!("{name} {at}")));
    sums.holds(&minus(of("started"), sum(["completed", "left", "open"].map(str::to_owned))));
    sums.holds(&minus(of("left"), sum(["abandoned", "idle"].map(str::to_owned))));
    let mut places = each("leftHere at", steps.len());
    places.extend(sum(["leftBeforeSteps", "leftAfterSteps"].map(str::to_owned)));
    sums.holds(&minus(of("left"), places.clone()));
    if !series.is_empty() {
        for (name, whole) in [("attempts", "started"), ("completions", "completed"), ("gone", "abandoned")] {
            sums.holds(&minus(of(whole), each(name, series.len())));
        }
    }

    for name in stands {
        sums.hides(name, &of(name), told);
        sums.hides("of the rest", &minus(of("started"), of(name)), told);
    }
    // Who has come to a place of the way is one of those who had come to each before.
    let mut way: Vec<(Form, Form)> = vec![(of("started"), of("leftBeforeSteps"))];
    for (at, step) in steps.iter().enumerate() {
        let [began, done, skipped, left] =
            ["started", "completed", "skipped", "leftHere"].map(|name| of(&format!("{name} at {at}")));
        for group in [&began, &done, &skipped, &left] {
            sums.hides("at a step", group, told);
        }
        sums.hides("who have not completed a step", &minus(began.clone(), done.clone()), told);
        let still = minus(minus(began.clone(), done.clone()), left.clone());
        if sums.value(&still).is_some_and(|still| still > 0) {
            sums.hides("still at a step", &still, told);
        }
        if step["isOptional"] == false {
            way.push((began, left));
        } else {
            way.last_mut().unwrap().1.extend(left);
        }
    }
    let last = (0..steps.len()).rev().find(|at| steps[*at]["isOptional"] == false);
    if let Some(last) = last {
        way.push((of(&format!("completed at {last}")), of("leftAfterSteps")));
    }
    way.push((of("completed"), Vec::new()));
    for from in 0..way.len() {
        let mut left = Vec::new();
        for to in from + 1..way.len() {
            left.extend(way[to - 1].1.clone());
            sums.hides("between two places", &minus(way[from].0.clone(), way[to].0.clone()), told);
            let stay = minus(minus(way[from].0.clone(), way[to].0.clone()), left.clone());
            sums.hides("who stay between two places", &stay, told);
        }
    }
    let hidden = sums.hidden(places.into_iter().map(|(name, _)| name));
    sums.hides("who left where it is held back", &sum(hidden), told);
    for (at, assessment) in list(&told["assessments"]).iter().enumerate() {
        for item in list(&assessment["items"]) {
            let tries = of(&format!("tries {at} {}", text(&item["itemId"])));
            sums.hides("who got an item", &tries, told);
            for whole in [of("started"), of(&format!("tried {at}"))] {
                sums.hides("who got no such item", &minus(whole, tries.clone()), told);
            }
        }
        let (tried, passed) = (of(&format!("tried {at}")), of(&format!("passed {at}")));
        for (whole, part) in [("started", &tried), ("completed", &passed), ("completed", &tried)] {
            sums.hides("who tried or passed", part, told);
            sums.hides("besides those who tried or passed", &minus(of(whole), part.clone()), told);
        }
        sums.hides("who tried and have not passed", &minus(tried, passed), told);
    }
    if !series.is_empty() {
        series_hides(&sums, series.len(), "attempts", &["completions", "gone"], told);
    }
    waits_hide(&sums, told);
    for assessment in list(&told["assessments"]) {
        let is_hidden = |item: &Value| item["tries"] != 0 && item["facility"].is_null();
        if list(&assessment["items"]).iter().any(is_hidden) {
            assert!(assessment["meanPercent"].is_null(), "the mean gives an item away: {assessment:#}");
        }
    }
}

#[track_caller]
fn waits_hide(sums: &Sums, told: &Value) {
    for wait in list(&told["waits"]) {
        let Some(learners) = wait["learners"].as_i64() else { continue };
        let among = if wait["kind"] == "tries" { &["started"][..] } else { &["started", "open"] };
        let mut wholes: Vec<Form> = among.iter().map(|name| of(name)).collect();
        if let Some(at) = list(&told["steps"]).iter().position(|step| step["stepId"] == wait["stepId"]) {
            wholes.push(minus(of(&format!("started at {at}")), of(&format!("completed at {at}"))));
        }
        for whole in wholes {
            if let Some(whole) = sums.value(&whole) {
                let others = whole - learners;
                assert!(others == 0 || others.abs() >= LEAST, "{others} do not wait: {wait} of {told:#}");
            }
        }
        assert!(learners >= LEAST && told["cohort"]["started"].is_i64(), "{wait} of {told:#}");
    }
    let waiting: i64 = list(&told["waits"])
        .iter()
        .filter(|wait| wait["kind"] != "tries")
        .filter_map(|wait| wait["learners"].as_i64())
        .sum();
    if let Some(open) = sums.value(&of("open")).filter(|_| waiting > 0) {
        let others = open - waiting;
        assert!(others == 0 || others.abs() >= LEAST, "{others} wait for nobody: {told:#}");
    }
}

/// No small group of a path's learners shows in its analytics, nor follows from them.
#[track_caller]
pub fn path_hides(told: &Value) {
    let mut sums = Sums::default();
    let stands = ["enrolled", "started", "completed", "left"];
    for name in stands {
        sums.tell(name, &told["cohort"][name]);
    }
    let quests = list(&told["quests"]);
    for (at, quest) in quests.iter().enumerate() {
        for name in ["started", "completed", "abandoned", "locked"] {
            sums.tell(format!("{name} at {at}"), &quest[name]);
        }
    }
    let series = list(&told["series"]);
    for (at, point) in series.iter().enumerate() {
        for name in ["enrolled", "started", "completed"] {
            sums.tell(format!("{name} {at}"), &point[name]);
        }
    }
    for name in ["enrolled", "started", "completed"] {
        sums.holds(&minus(of(name), sum((0..series.len()).map(|at| format!("{name} {at}")))));
    }
    for name in stands {
        sums.hides(name, &of(name), told);
        sums.hides("of the rest", &minus(of("enrolled"), of(name)), told);
    }
    sums.hides("on the way", &minus(of("enrolled"), sum(["completed", "left"].map(str::to_owned))), told);
    let mut rungs = vec![of("started"), of("completed")];
    for (at, quest) in quests.iter().enumerate() {
        let [began, done, gone, locked] =
            ["started", "completed", "abandoned", "locked"].map(|name| of(&format!("{name} at {at}")));
        for group in [&began, &done, &gone, &locked] {
            sums.hides(text(&quest["title"]), group, told);
            sums.hides("of the rest", &minus(of("enrolled"), group.clone()), told);
        }
        sums.hides("who started the path elsewhere", &minus(of("started"), began.clone()), told);
        sums.hides("who go on", &minus(minus(began.clone(), done.clone()), gone), told);
        sums.hides("who could begin", &minus(minus(of("enrolled"), began.clone()), locked), told);
        if quest["isMandatory"] == true {
            rungs.extend([began, done]);
        }
    }
    for one in &rungs {
        for other in &rungs {
            sums.hides("between two quests", &minus(one.clone(), other.clone()), told);
        }
    }
    series_hides(&sums, series.len(), "enrolled", &["started", "completed"], told);
    path_waits_hide(told);
}

/// Who waits at a quest is one of those for whom it is locked, and waits at no other.
#[track_caller]
fn path_waits_hide(told: &Value) {
    let hides = |what: &str, learners: i64| {
        assert!(learners == 0 || learners.abs() >= LEAST, "{learners} {what} can be worked out of {told:#}");
    };
    let mut at_quests = 0;
    for quest in list(&told["quests"]) {
        let by: Vec<(&Value, i64)> =
            list(&quest["lockedBy"]).iter().filter_map(|by| Some((&by["questId"], by["learners"].as_i64()?))).collect();
        let waits = list(&told["waits"]).iter().filter(|wait| wait["questId"] == quest["questId"]);
        let waits: Vec<(&Value, i64)> =
            waits.filter_map(|wait| Some((&wait["byQuestId"], wait["learners"].as_i64()?))).collect();
        at_quests += waits.iter().map(|(_, learners)| *learners).max().unwrap_or(0);
        for (needed, learners) in &waits {
            for (_, locked) in by.iter().filter(|(other, _)| other == needed) {
                hides("lack it and do not wait", locked - learners);
            }
        }
        let Some(locked) = quest["locked"].as_i64() else { continue };
        for (_, learners) in waits.iter().filter(|(needed, _)| !needed.is_null()) {
            hides("do not wait", locked - learners);
        }
        if let [(_, one), (_, other)] = by[..] {
            hides("lack both", one + other - locked);
        }
    }
    if let Some(enrolled) = told["cohort"]["enrolled"].as_i64() {
        hides("wait nowhere", enrolled - at_quests);
    }
}

/// Days of a period and its weeks or months, beside each other.
#[track_caller]
pub fn buckets_hide(by_day: &Value, told: &Value) {
    let (days, buckets) = (list(&by_day["series"]), list(&told["series"]));
    for (at, bucket) in buckets.iter().enumerate() {
        let until = buckets.get(at + 1).map_or("9999", |next| text(&next["from"]));
        let inside = |day: &&Value| text(&day["from"]) >= text(&bucket["from"]) && text(&day["from"]) < until;
        for name in ["totalAttempts", "successfulCompletions", "enrolled", "started", "completed"] {
            let Some(whole) = bucket[name].as_i64() else { continue };
            let hidden = whole - days.iter().filter(inside).filter_map(|day| day[name].as_i64()).sum::<i64>();
            assert!(hidden == 0 || hidden >= LEAST, "{hidden} {name}: {bucket} of {by_day:#}");
        }
    }
}

#[test]
fn the_solver_finds_what_a_single_null_hides() {
    let mut sums = Sums::default();
    sums.tell("whole", &Value::from(41));
    sums.tell("one", &Value::from(30));
    sums.tell("other", &Value::Null);
    let form = minus(of("whole"), sum(["one", "other"].map(str::to_owned)));
    assert_eq!(sums.value(&of("other")), None);
    sums.holds(&form);
    assert_eq!(sums.value(&of("other")), Some(11));
    assert_eq!(sums.value(&minus(of("other"), of("unknown"))), None);
}
