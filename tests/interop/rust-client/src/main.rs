//! The tour that zeebe-rs, a client nobody here wrote, takes through a running gateway.
//!
//! `BEEGATE_TOUR_GRPC` holds host:port; it is started in the root of the repository. The first failure ends the tour with exit code 1.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use zeebe_rs::{ActivatedJob, Client, WorkerError};

#[derive(Debug, Serialize)]
struct Order {
    #[serde(rename = "orderId")]
    order_id: String,
    amount: i64,
    card: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Charged {
    charged: bool,
}

#[derive(Debug, Serialize)]
struct Signature {
    #[serde(rename = "signedBy")]
    signed_by: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Outcome {
    charged: bool,
    insured: bool,
    #[serde(rename = "signedBy")]
    signed_by: String,
}

#[derive(Debug, Serialize)]
struct Insured {
    insured: bool,
}

struct Checks(u32);

impl Checks {
    fn that(&mut self, holds: bool, what: &str) -> Result<(), Box<dyn Error>> {
        if !holds {
            return Err(what.into());
        }
        self.0 += 1;
        println!("ok {} - {what}", self.0);
        Ok(())
    }
}

async fn charge(_client: Client, job: ActivatedJob) -> Result<Charged, WorkerError<()>> {
    let variables: serde_json::Value =
        job.data().map_err(|e| WorkerError::FailJob(e.to_string()))?;
    if variables["card"] == "stolen" {
        return Err(WorkerError::ThrowError {
            error_code: "CARD_DECLINED".to_owned(),
            error_message: Some("the card is stolen".to_owned()),
        });
    }
    Ok(Charged { charged: true })
}

async fn tour(checks: &mut Checks) -> Result<(), Box<dyn Error>> {
    let address = std::env::var("BEEGATE_TOUR_GRPC")?;
    let (host, port) = address.rsplit_once(':').ok_or("BEEGATE_TOUR_GRPC is not host:port")?;
    let client =
        Client::builder().with_address(&format!("http://{host}"), port.parse()?).build().await?;

    let topology = client.topology().send().await?;
    checks.that(topology.partitions_count() >= 1, "topology is served")?;

    let deployed = client
        .deploy_resource()
        .with_resource_file(PathBuf::from("docs/tour/order.bpmn"))
        .read_resource_files()?
        .send()
        .await?;
    checks.that(deployed.deployments().len() == 1, "a process is deployed")?;

    let workers = [
        tokio::spawn(
            client
                .worker()
                .with_request_timeout(Duration::from_secs(5))
                .with_job_timeout(Duration::from_secs(10))
                .with_max_jobs_to_activate(4)
                .with_concurrency_limit(2)
                .with_job_type("charge-card".to_owned())
                .with_handler(charge)
                .build()
                .run(),
        ),
        tokio::spawn(
            client
                .worker()
                .with_request_timeout(Duration::from_secs(5))
                .with_job_timeout(Duration::from_secs(10))
                .with_max_jobs_to_activate(4)
                .with_concurrency_limit(2)
                .with_job_type("insure-parcel".to_owned())
                .with_handler(|_client, _job| async move {
                    Ok::<_, WorkerError<()>>(Insured { insured: true })
                })
                .build()
                .run(),
        ),
    ];

    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_nanos();
    let order_id = format!("zeebe-rs-{now}");
    let published = client
        .publish_message()
        .with_name("parcel-received".to_owned())
        .with_correlation_key(order_id.clone())
        .with_time_to_live(Duration::from_secs(60))
        .with_variables(Signature { signed_by: "Ada".to_owned() })?
        .send()
        .await?;
    checks.that(published.key() > 0, "a message is published")?;

    let finished = client
        .create_process_instance()
        .with_bpmn_process_id("order".to_owned())
        .with_variables(Order { order_id, amount: 500, card: "visa".to_owned() })?
        .with_result(None)
        .send_with_result::<Outcome>()
        .await?;
    let outcome = finished.data();
    checks.that(outcome.charged && outcome.insured, "both workers' results are in the instance")?;
    checks.that(outcome.signed_by == "Ada", "the message correlated")?;

    let declined = client
        .create_process_instance()
        .with_bpmn_process_id("order".to_owned())
        .with_variables(Order { order_id: "none".to_owned(), amount: 5, card: "stolen".to_owned() })?
        .with_result(None)
        .send_with_result::<Outcome>()
        .await?;
    checks.that(!declined.data().charged, "a thrown error left through its boundary event")?;

    let refused = client
        .create_process_instance()
        .with_bpmn_process_id("no-such-process".to_owned())
        .without_input()
        .send()
        .await;
    checks.that(
        refused.is_err_and(|e| format!("{e:?}").contains("but none found")),
        "an unknown process is refused with the reason",
    )?;
    for worker in workers {
        worker.abort();
    }
    Ok(())
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    println!("# zeebe-rs");
    let mut checks = Checks(0);
    match tokio::time::timeout(Duration::from_secs(60), tour(&mut checks)).await {
        Ok(Ok(())) => {
            println!("{} passed, 0 failed", checks.0);
            std::process::ExitCode::SUCCESS
        }
        Ok(Err(e)) => {
            println!("not ok {} - {e}", checks.0 + 1);
            std::process::ExitCode::FAILURE
        }
        Err(_) => {
            println!("not ok {} - still waiting after 60 s", checks.0 + 1);
            std::process::ExitCode::FAILURE
        }
    }
}
