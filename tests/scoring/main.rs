//! Answers to points: every kind of item, the rules that hold for all of them, and a flood of random
//! documents and answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "`make soak` is asked for by the environment")]

mod fuzz;

use proptest::prelude::*;
use quests::criteria::{Answers, Item, ValidationCriteria};
use quests::scoring::{Score, score, score_item};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

fn items(items: &Value) -> Vec<Item> {
    let document = json!({"v": 1, "type": "Quiz", "minPercent": 0, "items": items});
    match ValidationCriteria::parse(&document) {
        Ok(ValidationCriteria::Quiz(quiz)) => quiz.items,
        other => panic!("{document}: {other:?}"),
    }
}

fn options(ids: &[&str]) -> Value {
    ids.iter().map(|id| json!({"id": id, "text": id})).collect()
}

/// An item worth 4 points; `own` is what its kind adds.
fn item(kind: &str, own: &Value) -> Vec<Item> {
    let mut item = json!({"id": "q", "kind": kind, "prompt": "?", "points": 4});
    item.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    items(&json!([item]))
}

fn points(items: &[Item], answer: &Value) -> Decimal {
    let answers =
        Answers::parse(items, &json!({"q": answer}), "").unwrap_or_else(|found| panic!("{answer}: {found:?}"));
    score_item(&items[0], answers.get("q"))
}

#[track_caller]
fn gives(items: &[Item], table: &[(Value, &str)]) {
    for (answer, expected) in table {
        assert_eq!(points(items, answer).normalize().to_string(), *expected, "{answer}");
    }
    assert_eq!(score_item(&items[0], None), Decimal::ZERO, "not answered");
}

#[test]
fn an_item_without_a_scoring_rule_is_right_or_wrong() {
    gives(
        &item("singleChoice", &json!({"options": options(&["a", "b"]), "correct": "b"})),
        &[(json!("b"), "4"), (json!("a"), "0")],
    );
    gives(&item("trueFalse", &json!({"correct": false})), &[(json!(false), "4"), (json!(true), "0")]);
    let pairs =
        json!({"left": options(&["a", "b", "c"]), "right": options(&["x", "y"]), "pairs": {"a": "x", "b": "x"}});
    gives(
        &item("matching", &pairs),
        &[
            (json!({"b": "x", "a": "x"}), "4"),
            (json!({"a": "x"}), "0"),
            (json!({"a": "x", "b": "y"}), "0"),
            (json!({"a": "x", "b": "x", "c": "y"}), "0"),
            (json!({}), "0"),
        ],
    );
}

#[test]
fn a_short_text_is_compared_after_both_were_normalised() {
    let accept =
        json!({"accept": ["The Answer!", "42"], "normalize": ["casefold", "trim", "collapseWs", "stripPunct"]});
    gives(
        &item("shortText", &accept),
        &[(json!("  the   ANSWER "), "4"), (json!("“42”."), "4"), (json!("4 2"), "0"), (json!(""), "0")],
    );
    let exact = item("shortText", &json!({"accept": ["i++"]}));
    gives(&exact, &[(json!("i++"), "4"), (json!("i--"), "0"), (json!(" i++"), "0"), (json!("I++"), "0")]);
}

#[test]
fn a_number_is_right_up_to_its_tolerance_and_no_further() {
    let near = |tolerance: &Value| item("numeric", &json!({"value": -0.3, "tolerance": tolerance}));
    gives(
        &near(&json!({"abs": 0.1})),
        &[(json!(-0.4), "4"), (json!(-0.2), "4"), (json!(-0.400_000_1), "0"), (json!(0.3), "0")],
    );
    gives(&near(&json!({"rel": 0.1})), &[(json!(-0.33), "4"), (json!(-0.27), "4"), (json!(-0.331), "0")]);
    let exact = item("numeric", &json!({"value": 0.3}));
    gives(&exact, &[(json!(0.3), "4"), (json!(0.300_000_000_000_1), "0")]);
    let huge = item("numeric", &json!({"value": -7e28, "tolerance": {"rel": 1}}));
    gives(&huge, &[(json!(7e28), "0"), (json!(-7e28), "4"), (json!(0), "4")]);
}

#[test]
fn several_choices_are_all_or_nothing_or_valued_by_a_map() {
    let choose = |scoring: &Value| {
        item(
            "multipleChoice",
            &json!({"options": options(&["a", "b", "c"]), "correct": ["a", "b"], "scoring": scoring}),
        )
    };
    gives(
        &choose(&json!({"rule": "match"})),
        &[(json!(["b", "a"]), "4"), (json!(["a"]), "0"), (json!(["a", "b", "c"]), "0"), (json!([]), "0")],
    );
    let map = json!({"a": 0.5, "b": 0.7, "c": -0.9});
    gives(
        &choose(&json!({"rule": "map", "map": map})),
        &[
            (json!(["a"]), "2"),
            (json!(["b", "c"]), "0"),
            (json!(["a", "b"]), "4"),
            (json!(["a", "b", "c"]), "1.2"),
            (json!([]), "0"),
        ],
    );
    let bounded = choose(&json!({"rule": "map", "map": map, "lower": -0.25, "upper": 0.6}));
    gives(&bounded, &[(json!(["c"]), "-1"), (json!(["b"]), "2.4"), (json!(["a"]), "2")]);
}

#[test]
fn an_order_is_right_as_a_whole_or_by_its_neighbours() {
    let order = |rule: &str| {
        let own = json!({"options": options(&["a", "b", "c", "d"]), "correct": ["d", "b", "a", "c"], "scoring": {"rule": rule}});
        item("ordering", &own)
    };
    gives(
        &order("match"),
        &[(json!(["d", "b", "a", "c"]), "4"), (json!(["b", "d", "a", "c"]), "0"), (json!(["d", "b", "a"]), "0")],
    );
    gives(
        &order("adjacentPairs"),
        &[
            (json!(["d", "b", "a", "c"]), "4"),
            (json!(["a", "c", "d", "b"]), "2.6666666666666666666666666667"),
            (json!(["c", "a", "b", "d"]), "0"),
            (json!(["b", "a"]), "1.3333333333333333333333333333"),
            (json!([]), "0"),
        ],
    );
}

#[test]
fn points_taken_away_by_one_item_do_not_sink_the_whole_below_nothing() {
    let own = |id: &str| {
        json!({"id": id, "kind": "multipleChoice", "prompt": "?", "points": 10, "options": options(&["a", "b"]), "correct": ["a"],
               "scoring": {"rule": "map", "map": {"a": 1, "b": -1}, "lower": -1}})
    };
    let items = items(&json!([own("one"), own("two")]));
    let scored = |answers: Value| score(&items, &Answers::parse(&items, &answers, "").unwrap());
    assert_eq!(scored(json!({"one": ["b"], "two": ["b"]})).points, Decimal::ZERO);
    assert_eq!(scored(json!({"one": ["a"], "two": ["b"]})).points, Decimal::ZERO);
    assert_eq!(scored(json!({"one": ["a"]})), Score { points: Decimal::TEN, max_points: Decimal::from(20) });
}

#[test]
fn answers_of_the_wrong_kind_are_refused_where_they_are() {
    let all = items(&json!([
        {"id": "one", "kind": "singleChoice", "prompt": "?", "points": 1, "options": options(&["a", "b"]), "correct": "a"},
        {"id": "many", "kind": "ordering", "prompt": "?", "points": 1, "options": options(&["a", "b"]), "correct": ["a", "b"], "scoring": {"rule": "match"}},
        {"id": "text", "kind": "shortText", "prompt": "?", "points": 1, "accept": ["x"]},
        {"id": "pairs", "kind": "matching", "prompt": "?", "points": 1, "left": options(&["a", "b"]), "right": options(&["x", "y"]), "pairs": {"a": "x"}},
    ]));
    for (answers, at) in [
        (json!([]), "/answers"),
        (json!({"one": "c"}), "/answers/one"),
        (json!({"one": null}), "/answers/one"),
        (json!({"one": ["a"]}), "/answers/one"),
        (json!({"many": ["a", "a"]}), "/answers/many/1"),
        (json!({"many": ["a", "z"]}), "/answers/many/1"),
        (json!({"many": "a"}), "/answers/many"),
        (json!({"text": 5}), "/answers/text"),
        (json!({"text": "x".repeat(2_001)}), "/answers/text"),
        (json!({"pairs": {"z": "x"}}), "/answers/pairs/z"),
        (json!({"pairs": {"a": "z"}}), "/answers/pairs/a"),
        (json!({"other": 1}), "/answers/other"),
    ] {
        let found = Answers::parse(&all, &answers, "/answers").unwrap_err();
        assert!(found.iter().any(|violation| violation.pointer == at), "{answers}: {found:?}");
    }
}

/// Multiple choice with values in hundredths: the map, the bounds, what was chosen.
#[derive(Debug, Clone)]
struct Valued {
    points: u32,
    values: Vec<i32>,
    lower: i32,
    upper: i32,
    chosen: Vec<bool>,
}

fn valued() -> impl Strategy<Value = Valued> {
    (1..=100_000_u32, prop::collection::vec((-100..=100_i32, any::<bool>()), 2..27), -100..=0_i32, 1..=100_i32)
        .prop_map(|(points, options, lower, upper)| {
            let (mut values, chosen): (Vec<_>, Vec<_>) = options.into_iter().unzip();
            // An option that gives something, or nobody could score.
            values[0] = values[0].abs().max(1);
            Valued { points, values, lower, upper, chosen }
        })
}

fn hundredth(number: impl Into<i64>) -> Decimal {
    Decimal::new(number.into(), 2)
}

fn number(hundredths: impl Into<i64>) -> Value {
    serde_json::to_value(f64::try_from(hundredth(hundredths)).unwrap()).unwrap()
}

impl Valued {
    fn id(index: usize) -> String {
        format!("o{index}")
    }

    fn document(&self, id: usize, order: &[usize]) -> Value {
        let map: Map<String, Value> =
            self.values.iter().enumerate().map(|(index, value)| (Self::id(index), number(*value))).collect();
        let options: Vec<Value> = order.iter().map(|index| json!({"id": Self::id(*index), "text": "?"})).collect();
        json!({"id": format!("q{id}"), "kind": "multipleChoice", "prompt": "?", "points": number(self.points), "options": options,
               "correct": ["o0"], "scoring": {"rule": "map", "map": map, "lower": number(self.lower), "upper": number(self.upper)}})
    }

    fn answer(&self, order: &[usize]) -> Value {
        order.iter().filter(|index| self.chosen[**index]).map(|index| json!(Self::id(*index))).collect()
    }

    /// In ten-thousandths of a point, by integers alone.
    fn expected(&self) -> i64 {
        let chosen = self.values.iter().zip(&self.chosen).filter(|(_, chosen)| **chosen);
        let sum = chosen.map(|(value, _)| *value).sum::<i32>().clamp(self.lower, self.upper);
        i64::from(sum) * i64::from(self.points)
    }
}

fn shuffled(length: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..length).collect::<Vec<_>>()).prop_shuffle()
}

fn valued_in_orders() -> impl Strategy<Value = (Valued, Vec<usize>, Vec<usize>)> {
    valued().prop_flat_map(|valued| {
        let length = valued.values.len();
        (Just(valued), shuffled(length), shuffled(length))
    })
}

proptest! {
    #[test]
    fn map_scoring_clamps_and_the_sum_is_exact(all in prop::collection::vec(valued(), 1..6)) {
        let documents: Vec<Value> = all.iter().enumerate()
            .map(|(index, valued)| valued.document(index, &(0..valued.values.len()).collect::<Vec<_>>())).collect();
        let answers: Map<String, Value> = all.iter().enumerate()
            .map(|(index, valued)| (format!("q{index}"), valued.answer(&(0..valued.values.len()).collect::<Vec<_>>()))).collect();
        let items = items(&json!(documents));
        let scored = score(&items, &Answers::parse(&items, &json!(answers), "").unwrap());
        let exact = all.iter().map(Valued::expected).sum::<i64>().max(0);
        prop_assert_eq!(scored.points, Decimal::new(exact, 4));
        prop_assert_eq!(scored.max_points, hundredth(all.iter().map(|valued| i64::from(valued.points)).sum::<i64>()));
        prop_assert!(scored.points >= Decimal::ZERO && scored.points <= scored.max_points);
        prop_assert!(scored.percent() >= Decimal::ZERO && scored.percent() <= Decimal::ONE_HUNDRED);
    }

    #[test]
    fn the_order_of_options_and_of_what_is_chosen_is_irrelevant((valued, one, other) in valued_in_orders()) {
        let points = |order: &[usize], said: &[usize]| {
            let items = items(&json!([valued.document(0, order)]));
            score_item(&items[0], Answers::parse(&items, &json!({"q0": valued.answer(said)}), "").unwrap().get("q0"))
        };
        prop_assert_eq!(points(&one, &other), points(&other, &one));
    }

    #[test]
    fn reaching_a_percentage_agrees_with_integers(points in 0..=100_000_i64, most in 1..=100_000_i64, percent in 0..=10_000_i64) {
        let score = Score { points: hundredth(points.min(most)), max_points: hundredth(most) };
        prop_assert_eq!(score.reaches(hundredth(percent)), points.min(most) * 10_000 >= percent * most);
    }
}
