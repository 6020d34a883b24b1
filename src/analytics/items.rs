//! Item analysis of quizzes: how hard each question is, how well it tells who can do it, which answers are chosen, and
//! whether its key is likely wrong (docs/insights.md has the formulas).

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::analytics::privacy::{Shield, real, rounded};
use crate::criteria::{Answer, Answers, AssessmentConfiguration, Choice, Form, Item as Asked, Question};
use crate::scoring::score_item;

/// Groups of tries without which a correlation says nothing: four times the least cohort.
const MISKEYED_COHORTS: i64 = 4;

/// A question of a quiz, over the first graded tries of learners. For authors: it shows the key.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ItemFigures)]
pub struct Item {
    pub item_id: String,
    pub prompt: String,
    #[schema(example = "singleChoice")]
    pub kind: &'static str,
    /// Learners whose try had it
    pub tries: Option<i64>,
    /// Mean share of its points, 0 (nobody) to 1 (everybody)
    pub facility: Option<f64>,
    /// Correlation of its points with those of the rest of the quiz, -1 to 1
    pub discrimination: Option<f64>,
    /// Of questions with options: how often each was chosen
    pub options: Vec<OptionUse>,
    /// Who does well in the rest gets this one wrong, and most of them by the same option
    pub is_likely_miskeyed: bool,
    /// The option that the best learners choose instead of the key
    pub suspected_option_id: Option<String>,
    pub is_suppressed: bool,
}

/// How often an option was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptionUse {
    /// `true` and `false` of a true-or-false question; null: not answered
    pub option_id: Option<String>,
    pub text: String,
    pub is_key: bool,
    pub chosen: Option<i64>,
}

/// Equal answers to an item, over the tries that gave them.
#[derive(Debug, Clone)]
pub struct Given {
    pub item_id: String,
    pub answer: Option<Value>,
    pub tries: i64,
    /// Of those, in the best third by the points of the whole quiz
    pub best: i64,
    /// Sum and sum of squares of the points of the whole quiz
    pub total: f64,
    pub squares: f64,
}

/// What a quiz asks.
#[derive(Debug, Default)]
pub struct Questions {
    pub items: Vec<Asked>,
    /// So many in each try
    pub drawn: usize,
}

/// The questions of a quiz; none for anything else.
#[must_use]
pub fn questions(configuration: &Value) -> Questions {
    match AssessmentConfiguration::parse(configuration) {
        Ok(AssessmentConfiguration { form: Form::Quiz(quiz), .. }) => {
            Questions { drawn: quiz.size(), items: quiz.items }
        }
        Ok(_) => Questions::default(),
        Err(violations) => {
            tracing::error!(?violations, "a stored assessment does not parse");
            Questions::default()
        }
    }
}

/// Analyses one item by the answers to it, whose number may be told or not.
#[must_use]
pub fn analyse(shield: Shield, asked: &Asked, given: &[&Given], is_told: bool) -> Item {
    let mut sums = Sums::default();
    let mut uses = uses(asked);
    let (mut right, mut unanswered) = (0, 0);
    for group in given {
        let answer = group.answer.as_ref().and_then(|answer| read(asked, answer));
        let points = score_item(asked, answer.as_ref());
        if points == asked.points {
            right += group.tries;
        }
        sums.add(group, points.try_into().unwrap_or(0.0));
        match &answer {
            None => unanswered += group.tries,
            Some(answer) => {
                for option in uses.iter_mut().filter(|option| is_chosen(answer, &option.id)) {
                    option.add(group);
                }
            }
        }
    }
    let tries = given.iter().map(|group| group.tries).sum();
    let correlation = sums.correlation();
    let suspect = suspect(&uses).filter(|_| {
        tries >= MISKEYED_COHORTS * shield.least && correlation.is_some_and(|correlation| correlation < 0.0)
    });
    let suspected_option_id = suspect.map(|suspect| suspect.id.clone());
    let is_known = is_told && shield.tells(tries);
    let is_single = matches!(asked.question, Question::SingleChoice { .. } | Question::TrueFalse { .. });
    let options = told(shield, &uses, unanswered, tries, is_single, is_known);
    // The share of those who got it right would give away what is held back of the key.
    let is_key_told = !is_single || options.iter().all(|option| !option.is_key || option.chosen.is_some());
    let is_right_told = is_known && is_key_told && shield.part(right, tries).is_some();
    let mean = sums.points / real(tries.max(1)) / asked.points.try_into().unwrap_or(1.0);
    Item {
        item_id: asked.id.clone(),
        prompt: asked.prompt.clone(),
        kind: asked.question.kind().as_str(),
        tries: is_told.then_some(tries),
        facility: rounded(Some(mean), 4).filter(|_| is_right_told),
        discrimination: rounded(correlation, 4).filter(|_| is_right_told && shield.tells_tail(tries)),
        is_suppressed: !is_told
            || (tries > 0 && (!is_right_told || options.iter().any(|option| option.chosen.is_none()))),
        options,
        is_likely_miskeyed: suspected_option_id.is_some(),
        suspected_option_id,
    }
}

/// An answer that no longer fits the item counts as none: it may have been edited since.
fn read(asked: &Asked, answer: &Value) -> Option<Answer> {
    let own = std::slice::from_ref(asked);
    let answers = Answers::parse(own, &serde_json::json!({ asked.id.as_str(): answer }), "").ok()?;
    answers.get(&asked.id).cloned()
}

fn is_chosen(answer: &Answer, option: &str) -> bool {
    match answer {
        Answer::Choice(chosen) => chosen == option,
        Answer::Choices(chosen) => chosen.iter().any(|chosen| chosen == option),
        Answer::Truth(said) => said.to_string() == option,
        Answer::Text(_) | Answer::Number(_) | Answer::Pairs(_) => false,
    }
}

/// One option, and who chose it.
#[derive(Debug)]
struct Use {
    id: String,
    text: String,
    is_key: bool,
    chosen: i64,
    best: i64,
    total: f64,
}

impl Use {
    fn add(&mut self, group: &Given) {
        self.chosen += group.tries;
        self.best += group.best;
        self.total += group.total;
    }

    /// Mean points of the whole quiz.
    fn mean(&self) -> f64 {
        self.total / real(self.chosen.max(1))
    }
}

fn uses(asked: &Asked) -> Vec<Use> {
    let new = |id: &str, text: &str, is_key| Use {
        id: id.to_owned(),
        text: text.to_owned(),
        is_key,
        chosen: 0,
        best: 0,
        total: 0.0,
    };
    let of = |options: &[Choice], correct: &dyn Fn(&String) -> bool| -> Vec<Use> {
        options.iter().map(|option| new(&option.id, &option.text, correct(&option.id))).collect()
    };
    match &asked.question {
        Question::SingleChoice { options, correct } => of(options, &|id| id == correct),
        Question::MultipleChoice { options, correct, .. } => of(options, &|id| correct.contains(id)),
        Question::TrueFalse { correct } => {
            vec![new("true", "True", *correct), new("false", "False", !*correct)]
        }
        Question::ShortText { .. }
        | Question::Numeric { .. }
        | Question::Ordering { .. }
        | Question::Matching { .. } => Vec::new(),
    }
}

/// The wrong option that the best third chooses more often than any right one, and whose choosers do better in the
/// whole quiz than those of the right ones, although these have the item's points.
fn suspect(uses: &[Use]) -> Option<&Use> {
    let keys: Vec<&Use> = uses.iter().filter(|option| option.is_key).collect();
    let best_of_keys = keys.iter().map(|key| key.best).max()?;
    let mean_of_keys = keys.iter().map(|key| key.mean()).fold(f64::MIN, f64::max);
    let wrong = uses.iter().filter(|option| !option.is_key && option.best > best_of_keys);
    wrong.filter(|option| option.mean() > mean_of_keys).max_by(|one, other| {
        (one.best, one.chosen).cmp(&(other.best, other.chosen)).then_with(|| other.id.cmp(&one.id))
    })
}

/// How often each option was chosen, with those who chose none where only one can be.
fn told(shield: Shield, uses: &[Use], unanswered: i64, tries: i64, is_single: bool, is_known: bool) -> Vec<OptionUse> {
    let mut counts: Vec<i64> = uses.iter().map(|option| option.chosen).collect();
    let counts: Vec<Option<i64>> = if is_single {
        counts.push(unanswered);
        shield.parts(&counts, tries)
    } else {
        counts.into_iter().map(|chosen| shield.part(chosen, tries)).collect()
    };
    let mut options: Vec<OptionUse> = uses
        .iter()
        .zip(&counts)
        .map(|(option, chosen)| OptionUse {
            option_id: Some(option.id.clone()),
            text: option.text.clone(),
            is_key: option.is_key,
            chosen: chosen.filter(|_| is_known),
        })
        .collect();
    if let Some(chosen) = counts.get(uses.len()) {
        let text = "Not answered".to_owned();
        options.push(OptionUse { option_id: None, text, is_key: false, chosen: chosen.filter(|_| is_known) });
    }
    options
}

/// Sums over tries of an item's points and of the points of the rest of the quiz.
#[derive(Debug, Default)]
struct Sums {
    tries: f64,
    points: f64,
    points_squared: f64,
    rest: f64,
    rest_squared: f64,
    product: f64,
}

impl Sums {
    /// All of the group got the same points, so that sums over the whole quiz give those over its rest.
    fn add(&mut self, group: &Given, points: f64) {
        let tries = real(group.tries);
        let rest = group.total - tries * points;
        self.tries += tries;
        self.points += tries * points;
        self.points_squared += tries * points * points;
        self.rest += rest;
        self.rest_squared += group.squares - 2.0 * points * group.total + tries * points * points;
        self.product += points * rest;
    }

    /// Pearson's correlation; none where everybody got the same.
    fn correlation(&self) -> Option<f64> {
        let spread = |sum: f64, squares: f64| squares - sum * sum / self.tries.max(1.0);
        let (points, rest) = (spread(self.points, self.points_squared), spread(self.rest, self.rest_squared));
        let least = 1e-9 * self.tries;
        if points <= least || rest <= least {
            return None;
        }
        let together = self.product - self.points * self.rest / self.tries;
        Some((together / (points * rest).sqrt()).clamp(-1.0, 1.0))
    }
}
