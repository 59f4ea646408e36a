//! Membership with real brokers: joining through any one of them, leaving, and two of one name.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use xtask::gateway::{self, Behind, Gateway, ask};

use crate::Options;
use crate::figures::ms;
use crate::stage::{Stage, start_beegate};
use crate::verdict::Verdicts;

/// The promise: joined within 2 s. Starting the process on a busy machine is part of it.
const JOIN: Duration = Duration::from_secs(2);
/// A member that says goodbye is dropped at once; one that just goes, after 10 s and more.
const LEAVE: Duration = Duration::from_secs(5);
/// Both hear of each other with the next gossip or sync, at the latest after the sync interval.
const CONFLICT: Duration = Duration::from_secs(30);

/// Plays all of them that are wanted.
pub async fn play(stage: &Stage, options: &Options, verdicts: &mut Verdicts) {
    if !options.wants("membership", false) {
        return;
    }
    verdicts.begin("membership");
    for done in [join(stage, verdicts), leave(stage, verdicts), twins(stage, verdicts)] {
        done.unwrap_or_else(|error| verdicts.broke(&error));
    }
}

/// Any one live broker is enough to find all.
fn join(stage: &Stage, verdicts: &mut Verdicts) -> Result<()> {
    let binary = gateway::build()?;
    let log = xtask::cache()?.join("faults-join.log");
    for point in stage.cluster.shape.contact_points() {
        let points = [point.clone()];
        let joined = Gateway::start(&binary, Behind::Cluster(&points), &[], log.clone())?;
        let began = Instant::now();
        let wanted = usize::from(stage.cluster.shape.brokers);
        let seen = wait_for(JOIN, || Ok(brokers(&joined)? == wanted));
        verdicts.check(
            &format!("joins through {point} alone and sees every broker"),
            joined.ready_after < JOIN && seen.is_ok(),
            &format!(
                "ready {} ms after exec, all seen {} ms later",
                ms(joined.ready_after),
                ms(began.elapsed())
            ),
        );
        joined.stop()?;
    }
    Ok(())
}

/// SIGTERM: everybody drops the member at once, without suspecting it first.
fn leave(stage: &Stage, verdicts: &mut Verdicts) -> Result<()> {
    let id = "faults-leaver";
    let setting = format!("cluster.member_id={id}");
    let leaver = start_beegate(&stage.cluster, id, &[&setting])?;
    wait_for(CONFLICT, || Ok(members(&stage.beegate)?.iter().any(|member| member == id)))
        .context("the new member was never seen")?;
    let log = || Ok::<_, anyhow::Error>(std::fs::read_to_string(stage.cluster.jvm_gateway_log())?);
    let logged = log()?.len();
    let took = leaver.stop()?;
    let began = Instant::now();
    let dropped =
        wait_for(LEAVE, || Ok(members(&stage.beegate)?.iter().all(|member| member != id)));
    verdicts.check(
        "a gateway that stops is dropped at once",
        dropped.is_ok(),
        &format!("stopped in {} ms, dropped {} ms later", ms(took), ms(began.elapsed())),
    );
    let removed = format!("Member removed {id}");
    let jvm_dropped = wait_for(LEAVE, || Ok(log()?[logged..].contains(&removed)));
    verdicts.check(
        "the JVM gateway drops it, too",
        jvm_dropped.is_ok(),
        &format!("{} ms later", ms(began.elapsed())),
    );
    Ok(())
}

/// Two gateways of one name: at least one of them says so, with the setting to change.
fn twins(stage: &Stage, verdicts: &mut Verdicts) -> Result<()> {
    let setting = ["cluster.member_id=faults-twin"];
    let first = start_beegate(&stage.cluster, "faults-twin-1", &setting)?;
    let second = start_beegate(&stage.cluster, "faults-twin-2", &setting)?;
    let began = Instant::now();
    let told = |gateway: &Gateway| gateway.log_text().contains("event=member_id_conflict");
    let seen = wait_for(CONFLICT, || Ok(told(&first) || told(&second)));
    verdicts.check(
        "two gateways of one name are reported",
        seen.is_ok(),
        &format!(
            "after {} ms, by the first: {}, by the second: {}",
            ms(began.elapsed()),
            told(&first),
            told(&second)
        ),
    );
    second.stop()?;
    first.stop()?;
    Ok(())
}

fn wait_for(limit: Duration, met: impl Fn() -> Result<bool>) -> Result<()> {
    let began = Instant::now();
    while !met()? {
        anyhow::ensure!(began.elapsed() < limit, "not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn cluster_of(gateway: &Gateway) -> Result<serde_json::Value> {
    let (_, body) = ask("GET", gateway.admin, "/cluster", Duration::from_secs(5))?;
    Ok(serde_json::from_str(&body)?)
}

fn brokers(gateway: &Gateway) -> Result<usize> {
    Ok(cluster_of(gateway)?["brokers"].as_array().context("no brokers")?.len())
}

/// Ids of the members that a gateway sees.
fn members(gateway: &Gateway) -> Result<Vec<String>> {
    let cluster = cluster_of(gateway)?;
    let members = cluster["members"].as_array().context("no members")?;
    Ok(members.iter().filter_map(|m| m["id"].as_str().map(str::to_owned)).collect())
}
