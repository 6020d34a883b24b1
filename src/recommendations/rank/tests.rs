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
    // What five of five others find too difficult is half a level more; what four find is not told of.
    let hard = |count| Candidate {
        difficulty_level: DifficultyLevel::Intermediate,
        ratings: Ratings { count, sum: 15.0, too_difficult: count, too_easy: 0 },
        ..candidate(9)
    };
    assert_eq!(value(hard(5), &beginner, &Vectors::new(), ReasonKind::LevelFit), Some(0.375));
    assert_eq!(value(hard(4), &beginner, &Vectors::new(), ReasonKind::LevelFit), Some(0.625));
    let text = |level, learner: &Learner| {
        let open = Open { candidate: Candidate { difficulty_level: level, ..candidate(9) }, reached: None };
        ranked(vec![open], learner, &Vectors::new(), &recipe())[0].reasons[0].text.clone()
    };
    assert_eq!(text(DifficultyLevel::Beginner, &beginner), "Beginner: right for the level you work at, 1.0 of 4");
    assert_eq!(text(DifficultyLevel::Advanced, &beginner), "Advanced: above the level you work at, 1.0 of 4");
    // Even what does not fit at all has something to say.
    assert_eq!(text(DifficultyLevel::Expert, &beginner), "Expert: above the level you work at, 1.0 of 4");
}

#[test]
fn what_is_like_something_liked_comes_first_and_what_is_like_something_disliked_last() {
    let vectors = Vectors::from([
        (Uuid::from_u128(1), vec![1.0, 0.0, 0.0]),
        (Uuid::from_u128(2), vec![0.0, 1.0, 0.0]),
        (Uuid::from_u128(8), unit(vec![0.9, 0.1, 0.0])),
        (Uuid::from_u128(9), unit(vec![0.0, 1.0, 0.1])),
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
fn what_few_people_did_or_said_is_neither_told_nor_counted() {
    let learner = learner(vec![attempt(1, AttemptStatus::Completed)]);
    let open =
        |candidate| ranked(vec![Open { candidate, reached: None }], &learner, &Vectors::new(), &recipe()).remove(0);
    let reason = |candidate, kind| {
        let reason = open(candidate).reasons.into_iter().find(|reason| reason.kind == kind);
        reason.map(|reason| (reason.value, reason.text))
    };
    let peers = |went, of| {
        let peers = Some(Peers { after: Uuid::from_u128(1), title: "Quest 1".to_owned(), went, of });
        reason(Candidate { peers, ..candidate(9) }, ReasonKind::PeersDidNext)
    };
    assert_eq!(peers(4, 4), None);
    let told = "Several of the last learners who finished “Quest 1” took it up soon after";
    assert_eq!(peers(5, 9), Some((0.35, told.to_owned())));
    let told = "About 70 % of the last 15 learners who finished “Quest 1” took it up soon after";
    assert_eq!(peers(10, 15), Some((0.5, told.to_owned())));
    let told = "Nearly all of the last 15 learners who finished “Quest 1” took it up soon after";
    assert_eq!(peers(15, 15), Some((0.75, told.to_owned())));
    let rated = |count, sum| Candidate { ratings: Ratings { count, sum, ..Ratings::default() }, ..candidate(9) };
    assert_eq!(reason(rated(4, 20.0), ReasonKind::WellRated), None);
    assert_eq!(reason(rated(10, 48.0), ReasonKind::WellRated), Some((0.6, "Rated about 5.0 of 5".to_owned())));
    assert!(open(rated(10, 10.0)).score < open(rated(4, 4.0)).score, "bad ratings count against it");
}

#[test]
fn what_is_new_or_opened_lately_fades() {
    let learner = learner(Vec::new());
    let reason = |candidate: Candidate, kind| {
        let ranked = ranked(vec![Open { candidate, reached: None }], &learner, &Vectors::new(), &recipe());
        let reason = ranked[0].reasons.iter().find(|reason| reason.kind == kind);
        reason.map(|reason| (reason.value, reason.text.clone()))
    };
    let new = |days| {
        reason(Candidate { created_on: today() - TimeDelta::days(days), ..candidate(9) }, ReasonKind::NewInCatalogue)
    };
    assert_eq!(new(0), Some((1.0, "New: it came today".to_owned())));
    assert_eq!(new(30), Some((0.5, "New: it came 30 days ago".to_owned())));
    assert_eq!(new(60), Some((0.25, "New: it came 60 days ago".to_owned())));
    assert_eq!(new(120), None, "too little to be told");
    let opened = |days| {
        let unlocked_on = Some(today() - TimeDelta::days(days));
        reason(Candidate { unlocked_on, ..candidate(9) }, ReasonKind::UnlockedRecently)
    };
    assert_eq!(opened(1), Some((0.9057, "Unlocked yesterday".to_owned())));
    assert_eq!(opened(14), Some((0.25, "Unlocked 14 days ago".to_owned())));
}

#[test]
fn the_next_of_a_path_is_the_first_that_can_be_started_and_mandatory_ones_come_first() {
    let place = |path: u128, name: &str, is_mandatory, sequence_order| Place {
        learning_path_id: Uuid::from_u128(path),
        name: name.to_owned(),
        is_mandatory,
        sequence_order,
    };
    let open = |number, places| Open { candidate: Candidate { places, ..candidate(number) }, reached: None };
    let all = vec![
        open(1, vec![place(100, "A", false, 1)]),
        open(2, vec![place(100, "A", true, 5), place(200, "B", true, 9)]),
        open(3, vec![place(100, "A", true, 7)]),
        open(4, vec![place(200, "B", true, 3)]),
    ];
    let ranked = ranked(all, &learner(Vec::new()), &Vectors::new(), &recipe());
    let next = |number: u128| {
        let scored = ranked.iter().find(|scored| scored.id == Uuid::from_u128(number)).unwrap();
        let reason = scored.reasons.iter().find(|reason| reason.kind == ReasonKind::NextInPath).unwrap();
        (reason.value, reason.text.clone())
    };
    assert_eq!(next(2), (1.0, "Next in “A”".to_owned()), "the better of two places");
    assert_eq!(next(3), (0.5, "Number 2 of what you can start in “A”".to_owned()));
    assert_eq!(next(1), (0.3333, "Number 3 of what you can start in “A”".to_owned()));
    assert_eq!(next(4), (1.0, "Next in “B”".to_owned()));
}

#[test]
fn a_subject_counts_more_while_a_quest_of_it_is_under_way() {
    let subject = Some(Uuid::from_u128(77));
    let value = |status| {
        let learner = learner(vec![Attempt { subject_id: subject, ..attempt(1, status) }]);
        value(Candidate { subject_id: subject, ..candidate(9) }, &learner, &Vectors::new(), ReasonKind::CurrentSubject)
    };
    assert_eq!(value(AttemptStatus::InProgress), Some(1.0));
    assert_eq!(value(AttemptStatus::Completed), Some(0.6));
    assert_eq!(value(AttemptStatus::Abandoned), None);
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
        (Uuid::from_u128(2), unit(vec![1.0, 0.01])),
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
