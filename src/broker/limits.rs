//! What the broker refuses to hold more of.

/// Limits of a broker. The defaults suit development on one machine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Commands of one partition that wait for its engine; more are answered with
    /// RESOURCE_EXHAUSTED, except those that finish work (command-api §5.2).
    pub queued_commands: usize,
    /// Bytes of the values of those, without exception.
    pub queued_bytes: usize,
    /// Requests of one partition whose answer waits for something to happen, such as a process
    /// instance's end.
    pub held_requests: usize,
    /// Messages of other partitions that wait for an engine. More are dropped; they come again.
    pub queued_messages: usize,
    /// Largest command payload in bytes, like the `maxMessageSize` of a JVM broker.
    pub command_bytes: usize,
    /// Largest frame that is read at all, in bytes. What is between this and `command_bytes` gets
    /// an answer, what is above ends the connection.
    pub frame_bytes: usize,
    /// Connections per port.
    pub connections: usize,
    /// Registered job streams.
    pub job_streams: usize,
    /// Job pushes under way at a time; jobs beyond it become activatable again at once.
    pub pushes: usize,
    /// Members of the cluster.
    pub members: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queued_commands: 4096,
            queued_bytes: 64 << 20,
            held_requests: 16 << 10,
            queued_messages: 16 << 10,
            command_bytes: 4 << 20,
            frame_bytes: 32 << 20,
            connections: 1024,
            job_streams: 10_000,
            pushes: 1024,
            members: 1000,
        }
    }
}
