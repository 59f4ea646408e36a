//! The embedded broker: a cluster member that executes processes (design §1).

pub mod bpmn;
pub mod engine;
pub mod feel;
