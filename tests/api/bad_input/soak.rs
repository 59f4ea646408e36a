//! Much ordinary work: nothing may stay of it.

use super::stand::{Stand, complete, creation, take, task_process};

/// Calls under way at a time.
const WIDTH: usize = 32;

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kib << 10
}

/// Creates and completes so many instances.
async fn work(stand: &Stand, instances: usize) {
    let client = stand.client().await;
    let mut left = instances;
    while left > 0 {
        let batch = left.min(WIDTH);
        let created = (0..batch).map(|_| {
            let mut client = client.clone();
            async move { client.create_process_instance(creation("p", r#"{"a":[1,"x"]}"#)).await }
        });
        for created in futures::future::join_all(created).await {
            created.expect("creates");
        }
        let mut worker = client.clone();
        let mut completed = 0;
        while completed < batch {
            let jobs = take(&mut worker, "t", i32::try_from(WIDTH).expect("small")).await;
            completed += jobs.len();
            let completions = jobs.iter().map(|job| {
                let mut client = client.clone();
                async move { complete(&mut client, job.key).await }
            });
            for completion in futures::future::join_all(completions).await {
                completion.expect("completes");
            }
        }
        left -= batch;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_are_empty_after_the_work() {
    let stand = Stand::start(|_| ()).await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    work(&stand, 500).await;
    stand.engines_empty().await;
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute, and measures the process, so it must run alone"]
async fn memory_does_not_grow_with_the_work_done() {
    /// Less than 400 bytes of each of 20,000 instances.
    const GROWTH_MAX: u64 = 8 << 20;
    let stand = Stand::start(|_| ()).await;
    stand.deploy(&task_process("p", "t")).await.expect("deploys");
    work(&stand, 4_000).await;
    let before = resident();
    work(&stand, 20_000).await;
    let after = resident();
    println!("resident before={before} after={after}");
    assert!(after < before + GROWTH_MAX, "from {before} to {after} bytes");
    stand.engines_empty().await;
    stand.end().await;
}
