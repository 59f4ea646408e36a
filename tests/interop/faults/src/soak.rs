//! The soak: mixed load through beegate for minutes; memory must not grow and nothing may fail.

mod load;
mod process;
mod rest;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Options;
use crate::stage::{self, Side, Stage};
use crate::verdict::Verdicts;
use load::Mix;
use process::{Sampled, cpu, rss_kb, slope};

/// How long the gateways do nothing while their CPU is watched.
const IDLE: Duration = Duration::from_secs(60);
/// Between two looks at the memory.
const SAMPLE: Duration = Duration::from_secs(5);
/// What the memory may grow by, in KB per minute, over ten minutes: 1 MB a minute would be 1.4 GB a
/// day; what settles in the allocator after the start is less.
const SLOPE_MAX: f64 = 300.0;

/// Runs it and prints.
pub async fn run(options: &Options) -> Result<()> {
    let mut verdicts = Verdicts::default();
    let cluster = stage::cluster(options.ports, options.reuse)?;
    let points = cluster.shape.contact_points();
    let stage = Stage::set(cluster, &points, &[]).await?;
    let minutes = options.minutes;
    idle(&stage, minutes).await?;
    verdicts.begin(&format!("{minutes} minutes of mixed load"));
    let mix = Mix::start(&stage).await?;
    let samples = watch(&stage, Duration::from_secs(60 * minutes)).await?;
    let (done, failed) = mix.finish().await;
    for (what, count) in &done {
        println!("  {what:<28}{count:>8}");
    }
    let settled = &samples[samples.len() / 3..];
    let grows = slope(settled);
    let last = samples.last().map_or(0, |sample| sample.rss_kb);
    println!(
        "  beegate: RSS {} KB at first, {last} KB at last; {grows:.1} KB/min over the last two thirds",
        samples.first().map_or(0, |sample| sample.rss_kb),
    );
    println!("  JVM gateway, without load: RSS {} KB", rss_kb(stage.cluster.jvm_gateway_pid()?)?);
    for ((what, code, message), count) in &failed {
        println!("    {what}: {count} × {code} {message}");
    }
    verdicts.check("nothing failed", failed.is_empty(), &failed.values().sum::<usize>());
    let quiet: Vec<&String> = done.iter().filter(|(_, n)| **n == 0).map(|(what, _)| what).collect();
    verdicts.check("every kind of call was made", quiet.is_empty(), &format!("missing: {quiet:?}"));
    // Over a shorter time the first minutes weigh more.
    let bound = SLOPE_MAX * (10.0 / minutes.max(1) as f64).max(1.0);
    verdicts.check(
        "memory does not grow",
        grows < bound,
        &format!("{grows:.1} KB/min, bound {bound:.0}"),
    );
    verdicts.conclude()
}

/// What the gateways cost when nobody asks for anything.
async fn idle(stage: &Stage, minutes: u64) -> Result<()> {
    let span = IDLE.min(Duration::from_secs(20 * minutes));
    let pids =
        [(Side::Beegate, stage.beegate.pid()), (Side::Jvm, stage.cluster.jvm_gateway_pid()?)];
    let before: Vec<Duration> = pids.iter().map(|(_, pid)| cpu(*pid)).collect::<Result<_>>()?;
    let began = Instant::now();
    tokio::time::sleep(span).await;
    for ((side, pid), before) in pids.iter().zip(before) {
        let used = cpu(*pid)? - before;
        let share = 100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64();
        println!(
            "  {side}, idle for {} s: {share:.2} % of a core, RSS {} KB",
            span.as_secs(),
            rss_kb(*pid)?
        );
    }
    Ok(())
}

async fn watch(stage: &Stage, span: Duration) -> Result<Vec<Sampled>> {
    let began = Instant::now();
    let mut samples = Vec::new();
    while began.elapsed() < span {
        let rss_kb = rss_kb(stage.beegate.pid())?;
        samples.push(Sampled { at: began.elapsed(), rss_kb });
        tokio::time::sleep(SAMPLE).await;
    }
    Ok(samples)
}
