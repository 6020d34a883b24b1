//! Several replicas, one database, one broker: the active relay is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use tokio::sync::{RwLock, Semaphore};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::kill::finish;
use super::ledger::{Acknowledged, equals_the_database, until_all_arrived};
use crate::harness::broker::Consumer;
use crate::harness::process::Process;
use crate::harness::{amqp_url, database, rounds, token, verify};

const REPLICAS: usize = 3;

/// Index of the replica that publishes; waits for one.
async fn leader(replicas: &[Process]) -> usize {
    loop {
        for (index, replica) in replicas.iter().enumerate() {
            if replica.leads().await {
                return index;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn of_three_replicas_the_active_relay_is_killed_and_another_takes_over_in_order() {
    let pool = database().await;
    let exchange = format!("test.{}", Uuid::new_v4());
    let consumer = Consumer::start(&amqp_url(), &exchange).await;
    let mut replicas = Vec::new();
    for _ in 0..REPLICAS {
        replicas.push(Process::start(&pool, &amqp_url(), &exchange).await);
    }
    let quest = replicas[0].client_as(Uuid::new_v4(), &["Verified Lecturer"]).quest("Relay", 3, 100).await;
    let bases = Arc::new(RwLock::new(replicas.iter().map(|replica| replica.base.clone()).collect::<Vec<_>>()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for _ in 0..4 {
        let (bases, stop, quest) = (bases.clone(), stop.clone(), quest.clone());
        let mut learner = replicas[0].client_as(Uuid::new_v4(), &["Player"]);
        load.spawn(async move {
            let mut acknowledged = Acknowledged::default();
            while !stop.load(Ordering::Relaxed) {
                // Each call of a learner at another replica; who was interrupted goes on at the next one.
                learner.base = {
                    let bases = bases.read().await;
                    bases[rand::rng().random_range(0..bases.len())].clone()
                };
                let done = finish(&learner, &quest, &mut acknowledged, &Semaphore::new(0)).await;
                if done {
                    learner.id = Uuid::new_v4();
                    learner.token = Some(token(learner.id, &["Player"]));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            acknowledged
        });
    }
    for _ in 0..rounds(3, 20) {
        let active = leader(&replicas).await;
        let moment = Duration::from_micros(rand::rng().random_range(0..200_000));
        tokio::time::sleep(moment).await;
        let killed = replicas.remove(active);
        *bases.write().await = replicas.iter().map(|replica| replica.base.clone()).collect();
        killed.kill().await;
        let died = Instant::now();
        leader(&replicas).await;
        assert!(died.elapsed() < Duration::from_secs(5), "the takeover took {:?}", died.elapsed());
        replicas.push(Process::start(&pool, &amqp_url(), &exchange).await);
        *bases.write().await = replicas.iter().map(|replica| replica.base.clone()).collect();
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Acknowledged::default();
    while let Some(ended) = load.join_next().await {
        acknowledged.extend(ended.unwrap());
    }
    assert!(acknowledged.steps.len() > REPLICAS, "there was no load");
    until_all_arrived(&pool, || consumer.all()).await;
    equals_the_database(&pool, &consumer.all()).await;
    acknowledged.is_kept(&pool).await;
    verify(&pool).await;
    for replica in replicas {
        replica.kill().await;
    }
    consumer.remove(&exchange).await;
}
