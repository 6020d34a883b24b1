//! Handing out reviews is fair, never to oneself, and as much as can be.

use proptest::prelude::*;

use super::*;

fn learner(n: u32) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1)
}

fn work(n: u32) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1_000_000)
}

fn class(size: u32) -> (Vec<OpenWork>, Vec<Reviewer>) {
    let works = (0..size).map(|n| OpenWork { submission: work(n), author: learner(n), reviews: 0 }).collect();
    let reviewers = (0..size).map(|n| Reviewer { learner: learner(n), reviews: 0 }).collect();
    (works, reviewers)
}

#[test]
fn in_a_class_everybody_gets_and_gives_the_same_number() {
    for size in [4, 5, 7, 30] {
        let (works, reviewers) = class(size);
        let given = allocate(works, reviewers, Pairs::new(), (3, 3));
        assert_eq!(given.len(), size as usize * 3);
        for n in 0..size {
            assert_eq!(given.iter().filter(|(submission, _)| *submission == work(n)).count(), 3, "{size}");
            assert_eq!(given.iter().filter(|(_, reviewer)| *reviewer == learner(n)).count(), 3, "{size}");
        }
    }
}

#[test]
fn one_alone_has_nobody_and_two_have_each_other() {
    let (works, reviewers) = class(1);
    assert!(allocate(works, reviewers, Pairs::new(), (3, 3)).is_empty());
    let (works, reviewers) = class(2);
    let given = allocate(works, reviewers, Pairs::new(), (3, 3));
    assert_eq!(given, [(work(0), learner(1)), (work(1), learner(0))]);
}

#[test]
fn who_comes_later_gets_reviews_from_who_has_room() {
    let (mut works, mut reviewers) = class(3);
    works[0].reviews = 2;
    works[1].reviews = 2;
    reviewers[0].reviews = 1;
    reviewers[1].reviews = 2;
    let known = Pairs::from([(work(0), learner(1)), (work(1), learner(0))]);
    let given = allocate(works, reviewers, known, (2, 2));
    assert_eq!(given, [(work(2), learner(0))], "the second has no room, and nobody reviews own work");
}

proptest! {
    #[test]
    fn nobody_reviews_own_work_or_one_twice_and_no_bound_is_passed(
        size in 0u32..25, needed in 1u32..6, owed in 1u32..6, loads in prop::collection::vec((0u32..4, 0u32..4), 25)
    ) {
        let (mut works, mut reviewers) = class(size);
        for (n, (reviews, given)) in loads.iter().enumerate().take(size as usize) {
            works[n].reviews = *reviews;
            reviewers[n].reviews = *given;
        }
        let given = allocate(works.clone(), reviewers.clone(), Pairs::new(), (needed, owed));
        let distinct: HashSet<_> = given.iter().collect();
        prop_assert_eq!(distinct.len(), given.len());
        for n in 0..size {
            prop_assert!(!given.contains(&(work(n), learner(n))));
            let got = given.iter().filter(|(submission, _)| *submission == work(n)).count();
            let gave = given.iter().filter(|(_, reviewer)| *reviewer == learner(n)).count();
            let (before, gave_before) = loads[n as usize];
            prop_assert!(got == 0 || got + before as usize <= needed as usize);
            prop_assert!(gave == 0 || gave + gave_before as usize <= owed as usize);
        }
    }
}
