//! The job streams of the moment. Not part of the state: they end with the connections.

use std::collections::BTreeMap;

use super::api::JobStream;

/// Registered streams by job type.
#[derive(Debug, Default)]
pub struct Streams {
    by_type: BTreeMap<String, (Vec<JobStream>, usize)>,
}

impl Streams {
    /// Replaces all streams.
    pub fn replace(&mut self, streams: Vec<JobStream>) {
        self.by_type.clear();
        for stream in streams {
            self.by_type.entry(stream.job_type.clone()).or_default().0.push(stream);
        }
    }

    /// The stream whose turn it is to get a job of this type and tenant.
    pub fn next(&mut self, job_type: &str, tenant: &str) -> Option<&JobStream> {
        let (streams, turn) = self.by_type.get_mut(job_type)?;
        let count = streams.len();
        let start = *turn;
        let chosen = (0..count)
            .map(|offset| (start + offset) % count)
            .find(|index| streams.get(*index).is_some_and(|stream| takes(stream, tenant)))?;
        *turn = (chosen + 1) % count;
        streams.get(chosen)
    }
}

fn takes(stream: &JobStream, tenant: &str) -> bool {
    match stream.tenants.is_empty() {
        true => tenant == crate::model::DEFAULT_TENANT,
        false => stream.tenants.iter().any(|listed| listed == tenant),
    }
}
