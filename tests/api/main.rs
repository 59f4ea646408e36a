//! The surfaces as clients see them: real sockets, real servers.

mod bad_input;
mod deliveries;
mod grpc;
mod http;
mod identity;
mod management;
mod monitoring;
mod replay;
mod rest;
mod rest_broker;
mod rest_documents;
mod rest_jobs;
mod vectors;
