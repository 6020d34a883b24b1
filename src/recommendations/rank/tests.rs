//! What each feature does to a score, alone.

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::recommendations::model::{Peers, Skill, Weights};

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, 1).unwrap()
}

fn learner(attempts: Vec<Attempt>) -> Learner {
    Learner {
        tried: attempts.iter().map(|attempt| attempt.quest_id).collect(),
        attempts,
        levels: None,
        points: HashMap::new(),
        today: today(),
    }
}

fn attempt(number: u128, status: AttemptStatus) -> Attempt {
    Attempt {
        quest_id: Uuid::from_u128(number),
        title: format!("Quest {number}"),
        status,
        completed_at: (status == AttemptStatus::Completed).then(|| DateTime::<Utc>::MIN_UTC + TimeDelta::hours(1)),
        difficulty_level: DifficultyLevel::Beginner,
        subject_id: None,
        skill_tags: Vec::new(),
        rating: None,
        too_easy: false,
        too_difficult: false,
    }
}

fn candidate(number: u128) -> Candidate {
    Candidate {
        id: Uuid::from_u128(number),
        difficulty_level: DifficultyLevel::Beginner,
        subject_id: None,
        skills: Vec::new(),
        created_on: today() - TimeDelta::days(3_000),
        unlocked_on: None,
        places: Vec::new(),
        peers: None,
        ratings: Ratings::default(),
    }
}

fn recipe() -> Recipe {
    Recipe { weights: Weights::default(), diversity: 0.3, points_per_level: 100.0 }
}

fn value(candidate: Candidate, learner: &Learner, vectors: &Vectors, kind: ReasonKind) -> Option<f64> {
    let ranked = ranked(vec![Open { candidate, reached: None }], learner, vectors, &recipe());
    ranked[0].reasons.iter().find(|reason| reason.kind == kind).map(|reason| reason.value)
}

#[test]
fn a_level_is_fit_that_is_a_little_above_what_was_finished() {
    let fit = |level, learner: &Learner| {
        value(Candidate { difficulty_level: level, ..candidate(9) }, learner, &Vectors::new(), ReasonKind::LevelFit)
    };
    let beginner = learner(Vec::new());
    assert_eq!(fit(DifficultyLevel::Beginner, &beginner), Some(0.875));
    assert_eq!(fit(DifficultyLevel::Intermediate, &beginner), Some(0.625));
    let done = |too_easy, too_difficult| {
        let one = Attempt {
            too_easy,
            too_difficult,
            difficulty_level: DifficultyLevel::Intermediate,
            ..attempt(1, AttemptStatus::Completed)
        };
        learner(vec![one.clone(), Attempt { quest_id: Uuid::from_u128(2), ..one }])
    };
    assert_eq!(fit(DifficultyLevel::Intermediate, &done(false, false)), Some(0.875));
    assert_eq!(fit(DifficultyLevel::Advanced, &done(true, false)), Some(0.875), "what was too easy asks for more");
    assert_eq!(fit(DifficultyLevel::Beginner, &done(false, true)), Some(0.875), "and what was too difficult for less");
    // What others find difficult is: half a level, by five of five raters.
    let hard = Candidate { ratings: Ratings { count: 5, sum: 15, too_difficult: 5, too_easy: 0 }, ..candidate(9) };
    assert_eq!(
        value(hard, &beginner, &Vectors::new(), ReasonKind::LevelFit),
        Some(0.875),
        "{}",
        1.0 - (1.5_f64 - 1.25).abs() / 2.0
    );
}

#[test]
fn what_is_like_something_liked_comes_first_and_what_is_like_something_disliked_last() {
    let vectors = Vectors::from([
        (Uuid::from_u128(1), vec![1.0, 0.0, 0.0]),
        (Uuid::from_u128(2), vec![0.0, 1.0, 0.0]),
        (Uuid::from_u128(8), vec![0.9, 0.1, 0.0]),
        (Uuid::from_u128(9), vec![0.0, 1.0, 0.1]),
    ]);
    let of = |one: Option<f64>, two: Option<f64>| {
        let rated = |number, rating| Attempt { rating, ..attempt(number, AttemptStatus::Completed) };
        let learner = learner(vec![rated(1, one), rated(2, two)]);
        let value = |number| value(candidate(number), &learner, &vectors, ReasonKind::SimilarTo);
        (value(8), value(9))
    };
    let (one, two) = of(Some(5.0), Some(1.0));
    assert!(one.unwrap() > 0.9, "{one:?}");
    assert_eq!(two, None);
    let (one, two) = of(Some(3.0), None);
    assert!(one.unwrap() < two.unwrap());
    let liked = learner(vec![
        Attempt { rating: Some(5.0), ..attempt(1, AttemptStatus::Completed) },
        attempt(2, AttemptStatus::InProgress),
    ]);
    assert_eq!(taste(&liked, &vectors), Some(vec![1.0, 0.0, 0.0]));
    assert_eq!(
        taste(&learner(vec![Attempt { rating: Some(1.0), ..attempt(1, AttemptStatus::Completed) }]), &vectors),
        None
    );
}

#[test]
fn a_skill_gap_goes_by_levels_and_by_points_while_they_are_unknown() {
    let skill = |tag: &str, points| Skill { tag: tag.to_owned(), points };
    let quest = Candidate {
        difficulty_level: DifficultyLevel::Intermediate,
        skills: vec![skill("Loops", 30), skill("Arrays", 10)],
        ..candidate(9)
    };
    let gap = |learner: &Learner| value(quest.clone(), learner, &Vectors::new(), ReasonKind::SkillGap);
    let mut learner = learner(Vec::new());
    assert_eq!(gap(&learner), Some(1.0));
    learner.points = HashMap::from([("loops".to_owned(), 100)]);
    assert_eq!(gap(&learner), Some(0.625));
    learner.levels = Some(HashMap::from([("loops".to_owned(), 2)]));
    assert_eq!(gap(&learner), Some(0.25));
    learner.levels = Some(HashMap::from([("loops".to_owned(), 5), ("arrays".to_owned(), 2)]));
    assert_eq!(gap(&learner), None, "nothing is missing");
}

#[test]
fn a_few_peers_or_raters_are_not_spoken_of() {
    let learner = learner(vec![attempt(1, AttemptStatus::Completed)]);
    let peers = |went| Candidate { peers: Some(Peers { after: Uuid::from_u128(1), went, of: 15 }), ..candidate(9) };
    assert_eq!(value(peers(2), &learner, &Vectors::new(), ReasonKind::PeersDidNext), None);
    assert_eq!(value(peers(10), &learner, &Vectors::new(), ReasonKind::PeersDidNext), Some(0.5));
    let rated = |count, sum| Candidate { ratings: Ratings { count, sum, ..Ratings::default() }, ..candidate(9) };
    assert_eq!(value(rated(2, 10), &learner, &Vectors::new(), ReasonKind::WellRated), None);
    assert_eq!(value(rated(10, 50), &learner, &Vectors::new(), ReasonKind::WellRated), Some(0.6667));
    let score =
        |candidate| ranked(vec![Open { candidate, reached: None }], &learner, &Vectors::new(), &recipe())[0].score;
    assert!(score(rated(10, 10)) < score(rated(2, 2)), "bad ratings count against it");
}

#[test]
fn variety_puts_what_is_alike_further_down_and_diversity_0_does_not() {
    let scored = |number: u128, score| Scored {
        id: Uuid::from_u128(number),
        score,
        reasons: Vec::new(),
        tags: vec!["t".to_owned()],
    };
    let all = vec![scored(1, 1.0), scored(2, 0.95), scored(3, 0.7)];
    let vectors = Vectors::from([
        (Uuid::from_u128(1), vec![1.0, 0.0]),
        (Uuid::from_u128(2), vec![1.0, 0.01]),
        (Uuid::from_u128(3), vec![0.0, 1.0]),
    ]);
    let order = |vectors: &Vectors, diversity, limit| -> Vec<u128> {
        spread(all.clone(), vectors, diversity, limit).iter().map(|scored| scored.id.as_u128()).collect()
    };
    assert_eq!(order(&vectors, 0.3, 3), [1, 3, 2]);
    assert_eq!(order(&vectors, 0.0, 3), [1, 2, 3]);
    assert_eq!(order(&vectors, 0.3, 1), [1]);
    // Without vectors tags decide: here all have the same.
    assert_eq!(order(&Vectors::new(), 0.3, 9), [1, 2, 3]);
}

#[test]
fn weights_are_read_strictly() {
    let weights: Weights = "nextInPath=0.5; newInCatalogue = 0 ;".parse().unwrap();
    assert!((weights.of(ReasonKind::NextInPath) - 0.5).abs() < f64::EPSILON);
    assert!(weights.of(ReasonKind::NewInCatalogue).abs() < f64::EPSILON);
    assert_eq!(weights.of(ReasonKind::SimilarTo).to_bits(), Weights::default().of(ReasonKind::SimilarTo).to_bits());
    for wrong in ["nextInPath", "luck=1", "nextInPath=-1", "nextInPath=11", "nextInPath=NaN", "nextInPath=x"] {
        assert!(wrong.parse::<Weights>().is_err(), "{wrong}");
    }
}
