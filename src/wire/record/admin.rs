//! The brokers' clock and backups.

use super::define::record;

record! {
    /// Pinning or resetting the clock.
    pub struct ClockRecord {
        time: i64 = "time" or 0;
    }

    /// Reply to a backup request.
    pub struct CheckpointRecord {
        id: i64 = "id" or -1;
        position: i64 = "position" or -1;
    }
}
