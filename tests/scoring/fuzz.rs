//! A flood of random documents and claims: whatever comes, nothing panics and no score leaves its range.
//!
//! The generator is a few lines of arithmetic and not proptest, which would spend most of its time on
//! building trees that can shrink; a failure prints its seed, and one seed is one input.

use std::panic::{AssertUnwindSafe, catch_unwind};

use quests::attempts::judge::judge;
use quests::criteria::{Answers, Claim, CodingResult, Observed, StepKind, ValidationCriteria};
use quests::scoring::{score, score_item};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

const KINDS: [&str; 7] =
    ["singleChoice", "multipleChoice", "trueFalse", "shortText", "numeric", "ordering", "matching"];

/// `SplitMix64`.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.roll() % most as u64).unwrap()
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn number(&mut self) -> Value {
        let odd = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            1e-28,
            1e-300,
            7.9e28,
            -7.9e28,
            1e300,
            0.333_333_333_333_333_3,
            999.999_999_999,
        ];
        match self.below(4) {
            0 => json!(self.of(&odd)),
            1 => json!(self.below(1_001)),
            2 => json!(f64::from(u16::try_from(self.below(20_001)).unwrap()) / 100.0 - 100.0),
            _ => json!(f64::from_bits(self.roll())),
        }
    }

    /// A number that mostly lies between two hundredths.
    fn between(&mut self, least: i32, most: i32) -> Value {
        if self.one_in(16) {
            return self.number();
        }
        let span = usize::try_from(most - least).unwrap();
        json!(f64::from(least + i32::try_from(self.below(span + 1)).unwrap()) / 100.0)
    }

    fn text(&mut self) -> &'static str {
        const TEXTS: [&str; 15] = [
            "",
            " ",
            "a",
            "o0",
            "o1",
            "NULL",
            "nu\u{302}ll",
            "ß",
            "İ",
            "\u{feff}x",
            "…",
            "a\u{0}b",
            "\u{10ffff}",
            "💥 💥",
            "İstanbul\u{307}",
        ];
        TEXTS[self.below(TEXTS.len())]
    }

    fn ids(&mut self) -> Value {
        (0..self.below(5)).map(|_| json!(format!("o{}", self.below(5)))).collect()
    }

    fn options(&mut self) -> Value {
        (0..2 + self.below(3)).map(|index| json!({"id": format!("o{index}"), "text": self.text()})).collect()
    }

    fn map(&mut self) -> Value {
        let mut values: Map<String, Value> =
            (0..=self.below(3)).map(|index| (format!("o{index}"), self.between(-100, 100))).collect();
        values.insert("o0".to_owned(), self.between(1, 100));
        json!({"rule": "map", "map": values, "lower": self.between(-100, 0), "upper": self.between(1, 100)})
    }

    fn item(&mut self, index: usize) -> Value {
        let kind = *self.of(&KINDS);
        let points = if self.one_in(8) { self.number() } else { json!(1 + self.below(10)) };
        let mut item = json!({"id": format!("q{index}"), "kind": kind, "prompt": "?", "points": points});
        let own = match kind {
            "singleChoice" => json!({"options": self.options(), "correct": "o0"}),
            "multipleChoice" => {
                let scoring = match self.below(3) {
                    0 => json!({"rule": "match"}),
                    1 => json!({"rule": "map", "map": {"o0": 1, "o1": -0.333_333_333_333_333_3}, "lower": -1}),
                    _ => self.map(),
                };
                json!({"options": self.options(), "correct": ["o0"], "scoring": scoring})
            }
            "trueFalse" => json!({"correct": self.one_in(2)}),
            "shortText" => {
                json!({"accept": [self.text(), "yes"], "normalize": ["trim", "casefold", "collapseWs", "stripPunct"]})
            }
            "numeric" => match self.below(3) {
                0 => json!({"value": self.number()}),
                1 => json!({"value": self.between(-300, 300), "tolerance": {"abs": self.between(0, 300)}}),
                _ => json!({"value": self.number(), "tolerance": {"rel": self.between(0, 100)}}),
            },
            "ordering" => {
                json!({"options": [{"id": "o0", "text": "a"}, {"id": "o1", "text": "b"}, {"id": "o2", "text": "c"}],
                                 "correct": ["o1", "o0", "o2"], "scoring": {"rule": self.of(&["match", "adjacentPairs"])}})
            }
            _ => json!({"left": self.options(), "right": self.options(), "pairs": {"o0": "o1", "o1": "o1"}}),
        };
        item.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        item
    }

    fn document(&mut self, kind: StepKind) -> Value {
        let mut document = match kind {
            StepKind::Reading => json!({"requireAck": self.one_in(2), "minSeconds": self.below(100)}),
            StepKind::Video => json!({"minWatchedPercent": self.between(0, 10_000)}),
            StepKind::Interactive => {
                json!({"moveOn": self.of(&["completed", "passed", "completedAndPassed", "completedOrPassed", "notApplicable"]),
                       "masteryScore": self.between(0, 100)})
            }
            StepKind::Coding => json!({"grader": {"ref": "g", "problemId": "11111111-1111-4111-8111-000000000007"},
                                       "minTestsPassedPercent": self.between(0, 10_000), "requiredTests": ["t"], "languages": ["c"]}),
            StepKind::Quiz => {
                let items: Vec<Value> = (0..=self.below(2)).map(|index| self.item(index)).collect();
                json!({"items": items, "minPercent": self.between(0, 5_000)})
            }
            StepKind::Discussion => {
                json!({"minPosts": self.below(3), "minChars": self.below(9), "meetingRequired": self.one_in(2)})
            }
            StepKind::Submission => json!({"review": self.of(&["none", "manual"]), "accept": [
                {"kind": "text", "minChars": 1 + self.below(3)}, {"kind": "url", "hosts": [self.of(&["example.org", "*.example.org", "[::1]:80", "học.vn"])]},
                {"kind": "file", "mime": ["image/*"], "maxBytes": 1 + self.below(1_000), "maxFiles": 1},
                {"kind": "file", "mime": ["image/png", "text/plain"], "maxBytes": 1 + self.below(1_000), "maxFiles": 1}]}),
            StepKind::Reflection => json!({"minWords": 1 + self.below(3)}),
        };
        document["v"] = json!(1);
        document["type"] = json!(kind.as_str());
        document
    }

    /// Mostly of the item's kind.
    fn answer(&mut self, item: &Value) -> Value {
        let own = KINDS.iter().position(|kind| item["kind"] == *kind).map(|index| [0, 1, 2, 3, 4, 1, 5][index]);
        let kind = own.filter(|_| !self.one_in(8)).unwrap_or_else(|| self.below(7));
        match kind {
            0 => json!(format!("o{}", self.below(4))),
            1 if self.one_in(8) => self.ids(),
            1 => [json!(["o0"]), json!(["o1", "o0"]), json!(["o1", "o0", "o2"]), json!([])][self.below(4)].clone(),
            2 => json!(self.one_in(2)),
            3 if self.one_in(2) => json!("YES "),
            3 => json!(self.text()),
            4 => self.between(-300, 300),
            5 => json!({"o0": format!("o{}", self.below(2)), "o1": "o1"}),
            _ => Value::Null,
        }
    }

    fn claim(&mut self, kind: StepKind, document: &Value) -> Value {
        match kind {
            StepKind::Quiz => {
                let items = document["items"].as_array().unwrap();
                let answers: Map<String, Value> =
                    items.iter().enumerate().map(|(index, item)| (format!("q{index}"), self.answer(item))).collect();
                json!({"answers": answers})
            }
            StepKind::Submission => {
                let files: Vec<Value> = (0..self.below(4))
                    .map(|_| json!({"name": "f", "mime": self.of(&["image/png", "text/plain", "x"]), "bytes": 1 + self.below(1_000),
                                    "sha256": "0".repeat(64), "url": "https://files.example.org/f"}))
                    .collect();
                let link = self.of(&[
                    "https://example.org/a",
                    "http://EXAMPLE.org.:80",
                    "https://a.b.example.org",
                    "http://[::1]/",
                    "https://học.vn",
                    "javascript:1",
                    "https://",
                    "https://a@b",
                ]);
                json!({"text": self.text(), "url": link, "files": files})
            }
            StepKind::Reading => json!({"acknowledged": self.one_in(2), "seconds": self.number()}),
            StepKind::Video => json!({"watchedPercent": self.number()}),
            StepKind::Interactive => {
                json!({"completed": self.one_in(2), "passed": self.one_in(2), "score": self.number()})
            }
            StepKind::Discussion => json!({"posts": self.below(3), "text": self.text()}),
            StepKind::Reflection => json!({"text": self.text()}),
            StepKind::Coding => {
                json!({"status": self.of(&["Accepted", "Wrong"]), "testsPassedPercent": self.between(0, 10_000), "language": self.text()})
            }
        }
    }

    /// Puts something else at a random place of a document.
    fn damage(&mut self, value: &mut Value) {
        let deeper = !self.one_in(4);
        match value {
            Value::Array(elements) if deeper && !elements.is_empty() => {
                let index = self.below(elements.len());
                self.damage(&mut elements[index]);
            }
            Value::Object(fields) if deeper && !fields.is_empty() => {
                let index = self.below(fields.len());
                let (name, mut field) =
                    fields.iter().nth(index).map(|(name, field)| (name.clone(), field.clone())).unwrap();
                if self.one_in(6) {
                    fields.remove(&name);
                    fields.insert(self.text().to_owned(), field);
                } else {
                    self.damage(&mut field);
                    fields.insert(name, field);
                }
            }
            _ => {
                *value = match self.below(6) {
                    0 => Value::Null,
                    1 => json!(self.text()),
                    2 => json!([]),
                    3 => json!({}),
                    4 => self.ids(),
                    _ => self.number(),
                };
            }
        }
    }
}

/// What a flood has met; each must have come about, or the flood says nothing.
#[derive(Debug, Default)]
struct Tally {
    refused: u64,
    malformed: u64,
    checked: u64,
    scored: u64,
    right: u64,
}

fn one(seed: u64, tally: &mut Tally) {
    let mut dice = Dice(seed);
    let kind = if dice.one_in(2) { StepKind::Quiz } else { *dice.of(&StepKind::ALL) };
    let mut document = dice.document(kind);
    let mut data = dice.claim(kind, &document);
    if dice.one_in(4) {
        dice.damage(&mut document);
    }
    if dice.one_in(4) {
        dice.damage(&mut data);
    }
    let Ok(criteria) = ValidationCriteria::parse(&document) else {
        tally.refused += 1;
        return;
    };
    let task = criteria.task();
    assert!(task.get("type").is_some());
    if let ValidationCriteria::Coding(coding) = &criteria
        && let Ok(result) = serde_json::from_value::<CodingResult>(data.clone())
    {
        tally.checked += 1;
        let _ = coding.check(&result);
    }
    let Ok(claim) = Claim::parse(criteria.kind(), Some(&data)) else {
        tally.malformed += 1;
        return;
    };
    if let (ValidationCriteria::Quiz(quiz), Claim::Quiz { answers }) = (&criteria, &claim)
        && let Ok(answers) = Answers::parse(&quiz.items, answers, "")
    {
        tally.scored += 1;
        let total = score(&quiz.items, &answers);
        assert!(total.points >= Decimal::ZERO && total.points <= total.max_points, "{total:?}");
        assert!(total.percent() >= Decimal::ZERO && total.percent() <= Decimal::ONE_HUNDRED, "{total:?}");
        for item in &quiz.items {
            assert!(score_item(item, answers.get(&item.id)) <= item.points);
        }
        tally.right += u64::from(total.points > Decimal::ZERO);
    }
    let observed = Observed {
        elapsed_seconds: i64::try_from(dice.below(1_000)).unwrap(),
        video_duration_seconds: Some(Decimal::from(dice.below(1_000))),
        max_playback_rate: Decimal::TWO,
    };
    let _ = judge(Some(&criteria), &claim, &observed);
    tally.checked += 1;
}

fn flood(from: u64, inputs: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in from..from + inputs {
        let outcome = catch_unwind(AssertUnwindSafe(|| one(seed, &mut tally)));
        assert!(outcome.is_ok(), "seed {seed} fails");
    }
    tally
}

#[test]
fn a_flood_of_random_criteria_and_claims_never_panics() {
    let inputs: u64 = if std::env::var("QUESTS_SOAK").is_ok() { 10_000_000 } else { 100_000 };
    let threads = 2;
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let share = inputs / threads;
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || flood(thread * share, share))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for tally in tallies {
        let Tally { refused, malformed, checked, scored, right } = tally;
        let least = inputs / threads / 50;
        assert!([refused, malformed, checked, scored, right].into_iter().all(|count| count > least), "{tally:?}");
    }
}
