//! What passing an assessment takes.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::assessment::{AssessmentConfiguration, Form};
use super::assessment_kind::AssessmentKind;
use super::names::names;
use super::numbers::{Bounds, to_json};
use super::reader::{Fields, Node};
use super::validation::MAX_BYTES;
use super::violation::{Findings, Violation};

const MAX_OF: usize = 16;
/// What passes when nothing is said, in percent.
const DEFAULT_PERCENT: i64 = 70;

/// The rule of an assessment (seed: `quest_assessments.passing_criteria`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassingCriteria {
    pub rule: PassRule,
    pub on_fail: OnFail,
}

/// One condition, or several of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum PassRule {
    One(PassLeaf),
    All(Vec<PassLeaf>),
    Any(Vec<PassLeaf>),
}

/// One condition on a graded try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassLeaf {
    /// Percent of the best grade.
    MinPercent(Decimal),
    /// A grade, in the unit of `maxGrade`.
    MinPoints(Decimal),
    /// Items of the quiz that must be right.
    ItemsCorrect(Vec<String>),
    /// Points in one criterion of the rubric.
    RubricMin {
        /// Its id.
        criterion: String,
        min_points: Decimal,
    },
    /// Points in every criterion of the rubric.
    RubricAllMin(Decimal),
    /// Tests of an outside grader.
    TestsPassed {
        /// Percent of them.
        min_percent: Decimal,
        /// Names of tests that must be among them; part of the key.
        required: Vec<String>,
    },
    /// The grader says so.
    GraderDecision,
}

names! {
    /// What becomes of a try that does not pass.
    #[derive(Default)]
    OnFail { #[default] Retry = "retry", Close = "close" }
}

names! {
    Op {
        MinPercent = "minPercent",
        MinPoints = "minPoints",
        ItemsCorrect = "itemsCorrect",
        RubricMin = "rubricMin",
        RubricAllMin = "rubricAllMin",
        TestsPassed = "testsPassed",
        GraderDecision = "graderDecision",
        All = "all",
        Any = "any",
    }
}

/// The conditions that stand alone, or in `all` and `any`.
const LEAVES: [Op; 7] = [
    Op::MinPercent,
    Op::MinPoints,
    Op::ItemsCorrect,
    Op::RubricMin,
    Op::RubricAllMin,
    Op::TestsPassed,
    Op::GraderDecision,
];

impl PassingCriteria {
    /// The document that stands for criteria that are left out: 70 percent.
    pub fn default_document() -> Value {
        json!({"v": 1, "rule": {"op": Op::MinPercent.as_str(), "value": DEFAULT_PERCENT}})
    }

    /// Reads a document strictly, at most [`MAX_BYTES`] of it, and holds it against the configuration
    /// beside it, when that could be read: what is asked for must be there, and within reach.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, at most a hundred violations.
    pub fn parse(value: &Value, beside: Option<&AssessmentConfiguration>) -> Result<Self, Vec<Violation>> {
        Findings::default().document(value, MAX_BYTES, |found| {
            let read = Self::read(&Node::root(value), found)?;
            if let Some(configuration) = beside {
                read.add_unfit(configuration, found);
            }
            Some(read)
        })
    }

    /// Whether a grader's decision has a say.
    pub fn asks_grader(&self) -> bool {
        self.rule.leaves().contains(&PassLeaf::GraderDecision)
    }

    /// Whether nothing but a grader's decision has a say.
    pub fn is_decision_alone(&self) -> bool {
        self.rule.leaves().iter().all(|leaf| *leaf == PassLeaf::GraderDecision)
    }

    /// What a learner may see of it: everything but the names of hidden tests.
    pub fn task(&self) -> Value {
        let leaves = |of: &[PassLeaf]| of.iter().map(PassLeaf::task).collect::<Vec<Value>>();
        let rule = match &self.rule {
            PassRule::One(leaf) => leaf.task(),
            PassRule::All(of) => json!({"op": Op::All.as_str(), "of": leaves(of)}),
            PassRule::Any(of) => json!({"op": Op::Any.as_str(), "of": leaves(of)}),
        };
        json!({"rule": rule, "onFail": self.on_fail.as_str()})
    }

    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        fields.only(&["v", "rule", "onFail"], &[], found);
        if let Some(version) = fields.required("v", found) {
            version.integer(1..=1, found);
        }
        let on_fail = fields
            .optional("onFail")
            .map_or(Some(OnFail::default()), |node| node.choice(OnFail::ALL, OnFail::as_str, found));
        let rule = fields.required("rule", found).and_then(|node| PassRule::read(&node, found));
        Some(Self { rule: rule?, on_fail: on_fail? })
    }

    fn add_unfit(&self, configuration: &AssessmentConfiguration, found: &mut Findings) {
        match &self.rule {
            PassRule::One(leaf) => leaf.add_unfit(configuration, "/rule", found),
            PassRule::All(of) | PassRule::Any(of) => {
                for (index, leaf) in of.iter().enumerate() {
                    leaf.add_unfit(configuration, &format!("/rule/of/{index}"), found);
                }
            }
        }
    }
}

/// The two documents of an assessment, each read strictly and held against the other. `kind` is the type
/// that is named beside them, if one is.
///
/// # Errors
///
/// Everything that is wrong; pointers begin with `/assessmentType`, `/configuration` or `/passingCriteria`.
pub fn read_assessment(
    kind: Option<AssessmentKind>,
    configuration: &Value,
    passing: &Value,
) -> Result<(AssessmentConfiguration, PassingCriteria), Vec<Violation>> {
    let configuration = AssessmentConfiguration::parse(configuration);
    let passing = PassingCriteria::parse(passing, configuration.as_ref().ok());
    let below = |field: &'static str| {
        move |violation: Violation| Violation { pointer: format!("{field}{}", violation.pointer), ..violation }
    };
    match (configuration, passing) {
        (Ok(configuration), Ok(passing)) => {
            let own = configuration.kind();
            if kind.is_some_and(|kind| kind != own) {
                let detail = format!("must be the type of the configuration, {own}");
                return Err(vec![Violation { pointer: "/assessmentType".to_owned(), detail }]);
            }
            let mut found = Findings::default();
            configuration.add_idle(passing.on_fail, &mut found);
            found
                .conclude(Some((configuration, passing)))
                .map_err(|idle| idle.into_iter().map(below("/configuration")).collect())
        }
        (configuration, passing) => {
            let wrong = configuration.err().into_iter().flatten().map(below("/configuration"));
            Err(wrong.chain(passing.err().into_iter().flatten().map(below("/passingCriteria"))).collect())
        }
    }
}

impl PassRule {
    /// All its conditions.
    pub fn leaves(&self) -> &[PassLeaf] {
        match self {
            Self::One(leaf) => std::slice::from_ref(leaf),
            Self::All(of) | Self::Any(of) => of,
        }
    }

    fn read(node: &Node, found: &mut Findings) -> Option<Self> {
        let fields = node.fields(found)?;
        let op = fields.required("op", found)?.choice(Op::ALL, Op::as_str, found)?;
        if !matches!(op, Op::All | Op::Any) {
            return PassLeaf::read(op, &fields, found).map(Self::One);
        }
        fields.only(&["op"], &["of"], found);
        let of = fields.required("of", found)?.list(1..=MAX_OF, found, |node, found| {
            let fields = node.fields(found)?;
            let op = fields.required("op", found)?.choice(&LEAVES, Op::as_str, found)?;
            PassLeaf::read(op, &fields, found)
        })?;
        Some(if op == Op::All { Self::All(of) } else { Self::Any(of) })
    }
}

impl PassLeaf {
    fn read(op: Op, fields: &Fields, found: &mut Findings) -> Option<Self> {
        let points = |name: &str, found: &mut Findings| {
            fields.required(name, found).and_then(|node| node.number(Bounds::at_least(0), found))
        };
        let own: &[&str] = match op {
            Op::MinPercent | Op::MinPoints => &["value"],
            Op::ItemsCorrect => &["itemIds"],
            Op::RubricMin => &["criterion", "minPoints"],
            Op::RubricAllMin => &["minPoints"],
            Op::TestsPassed => &["minPercent", "required"],
            Op::GraderDecision | Op::All | Op::Any => &[],
        };
        fields.only(&["op"], own, found);
        match op {
            Op::MinPercent => fields.percent("value", found).map(Self::MinPercent),
            Op::MinPoints => points("value", found).map(Self::MinPoints),
            Op::ItemsCorrect => {
                let ids = fields.required("itemIds", found)?;
                ids.distinct(None, found);
                ids.list(1..=usize::MAX, found, Node::key).map(Self::ItemsCorrect)
            }
            Op::RubricMin => {
                let criterion = fields.required("criterion", found).and_then(|node| node.key(found));
                let min_points = points("minPoints", found);
                Some(Self::RubricMin { criterion: criterion?, min_points: min_points? })
            }
            Op::RubricAllMin => points("minPoints", found).map(Self::RubricAllMin),
            Op::TestsPassed => {
                let min_percent = fields.percent("minPercent", found);
                // A test without a name can never be reported as passed.
                let required = fields
                    .optional("required")
                    .map_or(Some(Vec::new()), |tests| tests.list(0..=usize::MAX, found, Node::visible));
                Some(Self::TestsPassed { min_percent: min_percent?, required: required? })
            }
            Op::GraderDecision | Op::All | Op::Any => Some(Self::GraderDecision),
        }
    }

    fn task(&self) -> Value {
        match self {
            Self::MinPercent(value) => json!({"op": Op::MinPercent.as_str(), "value": to_json(*value)}),
            Self::MinPoints(value) => json!({"op": Op::MinPoints.as_str(), "value": to_json(*value)}),
            Self::ItemsCorrect(ids) => json!({"op": Op::ItemsCorrect.as_str(), "itemIds": ids}),
            Self::RubricMin { criterion, min_points } => {
                json!({"op": Op::RubricMin.as_str(), "criterion": criterion, "minPoints": to_json(*min_points)})
            }
            Self::RubricAllMin(points) => json!({"op": Op::RubricAllMin.as_str(), "minPoints": to_json(*points)}),
            Self::TestsPassed { min_percent, .. } => {
                json!({"op": Op::TestsPassed.as_str(), "minPercent": to_json(*min_percent)})
            }
            Self::GraderDecision => json!({"op": Op::GraderDecision.as_str()}),
        }
    }

    /// Notes what the configuration cannot give.
    fn add_unfit(&self, configuration: &AssessmentConfiguration, at: &str, found: &mut Findings) {
        let form = &configuration.form;
        let kind = configuration.kind();
        match self {
            Self::MinPercent(percent) => {
                if let Form::Quiz(quiz) = form
                    && quiz.best_percent() < *percent
                {
                    let best = to_json(quiz.best_percent().round_dp(2));
                    found
                        .add(format!("{at}/value"), format!("cannot be reached: the best answers give {best} percent"));
                }
            }
            Self::MinPoints(points) => {
                let most = match form {
                    Form::Quiz(quiz) => configuration.max_grade * quiz.best_percent() / Decimal::ONE_HUNDRED,
                    _ => configuration.max_grade,
                };
                if *points > most {
                    let (best, max) = (to_json(most.round_dp(2)), to_json(configuration.max_grade));
                    found.add(format!("{at}/value"), format!("cannot be reached: the best grade is {best} of {max}"));
                }
            }
            Self::ItemsCorrect(ids) => {
                let Form::Quiz(quiz) = form else {
                    return found.add(at, format!("needs items, which {kind} has not"));
                };
                for (index, id) in ids.iter().enumerate() {
                    let why = match quiz.items.iter().find(|item| item.id == *id) {
                        None => "is not the id of an item",
                        Some(item) if item.best_share() < Decimal::ONE => "is an item that never gives all its points",
                        Some(_) => continue,
                    };
                    found.add(format!("{at}/itemIds/{index}"), why);
                }
                if quiz.size() < quiz.items.len() {
                    found.add(format!("{at}/itemIds"), "may be left out of a try by pick, which could then not pass");
                }
            }
            Self::RubricMin { criterion, min_points } => {
                let Some(rubric) = form.rubric() else {
                    return found.add(at, "needs a rubric");
                };
                match rubric.criterion(criterion) {
                    None => found.add(format!("{at}/criterion"), "is not the id of a criterion of the rubric"),
                    Some(judged) if *min_points > judged.most() => {
                        let most = to_json(judged.most());
                        found.add(format!("{at}/minPoints"), format!("cannot be reached: it has {most} at most"));
                    }
                    Some(_) => {}
                }
            }
            Self::RubricAllMin(min_points) => {
                let Some(rubric) = form.rubric() else {
                    return found.add(at, "needs a rubric");
                };
                if let Some(judged) = rubric.criteria.iter().find(|judged| *min_points > judged.most()) {
                    let (id, most) = (&judged.id, to_json(judged.most()));
                    found.add(format!("{at}/minPoints"), format!("cannot be reached: {id} has {most} at most"));
                }
            }
            Self::TestsPassed { .. } => {
                if !matches!(form, Form::AutoGraded(_)) {
                    found.add(at, format!("needs the tests of an outside grader, which {kind} has not"));
                }
            }
            Self::GraderDecision => {
                if matches!(form, Form::Quiz(_) | Form::AutoGraded(_) | Form::PeerReview { .. }) {
                    found.add(at, format!("needs a type that a grader always looks at, which {kind} is not"));
                }
            }
        }
    }
}
