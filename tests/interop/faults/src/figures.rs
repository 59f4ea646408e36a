//! What a run of the load tells: one column per gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tonic::Code;

use crate::load::{Kind, Sample};
use crate::stage::Side;

/// When what happened, since the load began, and to which partitions.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When it struck.
    pub at: Duration,
    /// Partitions whose leader it struck.
    pub affected: BTreeSet<i32>,
    /// Who led each partition right before.
    pub leaders: BTreeMap<i32, u16>,
}

/// What one gateway made of one group of requests.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Answered well.
    pub ok: usize,
    /// Failed, by code and message.
    pub failed: BTreeMap<(String, String), usize>,
    /// The longest request.
    pub longest: Duration,
    /// 99 of 100 took no longer before the fault.
    pub p99_before: Duration,
    /// And after it.
    pub p99_after: Duration,
    /// From the fault to the first answer to a request sent after it; the slowest partition counts.
    pub first_success: Option<Duration>,
    /// The longest time after the fault without a good answer.
    pub pause: Duration,
}

impl Group {
    fn of(samples: &[&Sample], at: Duration) -> Self {
        let (before, after): (Vec<&Sample>, Vec<&Sample>) =
            samples.iter().copied().partition(|sample| sample.end() <= at);
        let mut group = Self {
            p99_before: p99(&before),
            p99_after: p99(&after),
            longest: after.iter().map(|sample| sample.took).max().unwrap_or_default(),
            pause: longest_pause(&after, at),
            ..Self::default()
        };
        for sample in &after {
            match &sample.failure {
                None => group.ok += 1,
                Some((code, message)) => {
                    let kind = (code_name(*code), message.clone());
                    *group.failed.entry(kind).or_default() += 1;
                }
            }
        }
        group
    }

    /// How many failed.
    pub fn failures(&self) -> usize {
        self.failed.values().sum()
    }

    /// Failed requests by code.
    fn codes(&self) -> String {
        let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
        for ((code, _), count) in &self.failed {
            *codes.entry(code).or_default() += count;
        }
        let told: Vec<String> = codes.iter().map(|(code, n)| format!("{code} {n}")).collect();
        if told.is_empty() { "none".to_owned() } else { told.join(", ") }
    }
}

/// What one gateway made of a fault.
#[derive(Clone, Debug)]
pub struct Column {
    /// Keyed commands to partitions that lost their leader.
    pub affected: Group,
    /// Keyed commands to the others.
    pub others: Group,
    /// Creations.
    pub creates: Group,
}

impl Column {
    /// Sorts one gateway's samples by what the fault meant for them.
    pub fn of(side: Side, samples: &[Sample], fault: &Fault) -> Self {
        let group = |wanted: &dyn Fn(Kind) -> bool| -> Vec<&Sample> {
            samples.iter().filter(|s| s.side == side && wanted(s.kind)).collect()
        };
        let hit = |kind| matches!(kind, Kind::Keyed(p) if fault.affected.contains(&p));
        let spared = |kind| matches!(kind, Kind::Keyed(p) if !fault.affected.contains(&p));
        let hit_samples = group(&hit);
        let mut affected = Group::of(&hit_samples, fault.at);
        affected.first_success = fault
            .affected
            .iter()
            .map(|&partition| first_success(&hit_samples, partition, fault.at))
            .collect::<Option<Vec<_>>>()
            .and_then(|firsts| firsts.into_iter().max());
        Self {
            affected,
            others: Group::of(&group(&spared), fault.at),
            creates: Group::of(&group(&|kind| kind == Kind::Create), fault.at),
        }
    }
}

fn first_success(samples: &[&Sample], partition: i32, at: Duration) -> Option<Duration> {
    samples
        .iter()
        .filter(|s| s.kind == Kind::Keyed(partition) && s.start >= at && s.failure.is_none())
        .map(|sample| sample.end() - at)
        .min()
}

fn longest_pause(samples: &[&Sample], at: Duration) -> Duration {
    let mut ends: Vec<Duration> =
        samples.iter().filter(|s| s.failure.is_none()).map(|s| s.end()).collect();
    ends.push(at);
    ends.sort_unstable();
    ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// The time that 99 of 100 requests did not exceed.
fn p99(samples: &[&Sample]) -> Duration {
    let mut times: Vec<Duration> = samples.iter().map(|sample| sample.took).collect();
    times.sort_unstable();
    let index = (times.len() * 99).div_ceil(100).saturating_sub(1);
    times.get(index).copied().unwrap_or_default()
}

fn code_name(code: Code) -> String {
    // `Unavailable` → `UNAVAILABLE`, `DeadlineExceeded` → `DEADLINE_EXCEEDED`.
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

/// Prints the columns side by side, and what the failures said.
pub fn print(columns: &[(Side, Column)]) {
    let row = |name: &str, told: &dyn Fn(&Column) -> String| {
        let cells: Vec<String> =
            columns.iter().map(|(_, column)| format!("{:>38}", told(column))).collect();
        println!("  {name:<42}{}", cells.join(""));
    };
    let heads: Vec<String> =
        columns.iter().map(|(side, _)| format!("{:>38}", side.to_string())).collect();
    println!("  {:<42}{}", "after the fault", heads.join(""));
    row("affected partitions: answered well", &|c| c.affected.ok.to_string());
    row("  failed", &|c| c.affected.codes());
    row("  longest, ms", &|c| ms(c.affected.longest));
    row("  first success after the fault, ms", &|c| {
        c.affected.first_success.map_or("never".to_owned(), ms)
    });
    row("other partitions: answered well", &|c| c.others.ok.to_string());
    row("  failed", &|c| c.others.codes());
    row("  p99 before / after, ms", &|c| {
        format!("{} / {}", ms(c.others.p99_before), ms(c.others.p99_after))
    });
    row("  longest, ms", &|c| ms(c.others.longest));
    row("creations: answered well", &|c| c.creates.ok.to_string());
    row("  failed", &|c| c.creates.codes());
    row("  p99 before / after, ms", &|c| {
        format!("{} / {}", ms(c.creates.p99_before), ms(c.creates.p99_after))
    });
    row("  longest, ms", &|c| ms(c.creates.longest));
    row("  longest time without a success, ms", &|c| ms(c.creates.pause));
    for (side, column) in columns {
        for group in [&column.affected, &column.others, &column.creates] {
            for ((code, message), count) in &group.failed {
                println!("    {side}: {count} × {code} {message}");
            }
        }
    }
}

/// Whole milliseconds.
pub fn ms(duration: Duration) -> String {
    duration.as_millis().to_string()
}
