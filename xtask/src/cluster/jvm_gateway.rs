//! A JVM gateway alone, in front of brokers that somebody else runs, or of none.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{START_LIMIT, Shape, folder, start_gateway, stop, wait_until_ready};
use crate::gateway::get;
use crate::zeebe;

/// A JVM gateway that is stopped when the value goes.
pub struct JvmGateway {
    shape: Shape,
    folder: PathBuf,
}

impl JvmGateway {
    /// Starts one of the shape's version, ports and settings, and waits until it is ready.
    pub fn start(shape: Shape, contact_points: &[String]) -> Result<Self> {
        let gateway = Self::launch(shape, contact_points)?;
        let management = gateway.shape.jvm_gateway_management();
        wait_until_ready("JVM gateway", management, Instant::now(), &gateway.folder)?;
        Ok(gateway)
    }

    /// Starts one that will find no broker, and waits until it serves REST.
    pub fn start_alone(shape: Shape, contact_points: &[String]) -> Result<Self> {
        let gateway = Self::launch(shape, contact_points)?;
        let (_, rest, _) = gateway.ports();
        let began = Instant::now();
        while began.elapsed() < START_LIMIT {
            if get(rest, "/v2/topology").is_ok_and(|status| status == 200) {
                return Ok(gateway);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!("no REST after {START_LIMIT:?}; the log is in {}", gateway.folder.display())
    }

    fn launch(shape: Shape, contact_points: &[String]) -> Result<Self> {
        let folder = folder(shape.ports)?;
        stop(&folder)?;
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder)?;
        let home = zeebe::distribution(&shape.version)?;
        let java = zeebe::java_home()?;
        let gateway = Self { shape, folder };
        let contact_points = contact_points.join(",");
        start_gateway(&gateway.shape, &home, &java, &contact_points, &gateway.folder)?;
        Ok(gateway)
    }

    /// gRPC, REST and management port.
    pub fn ports(&self) -> (u16, u16, u16) {
        let (grpc, rest) = self.shape.jvm_gateway_ports();
        (grpc, rest, self.shape.jvm_gateway_management())
    }
}

impl Drop for JvmGateway {
    fn drop(&mut self) {
        if let Err(error) = stop(&self.folder) {
            eprintln!("xtask: the JVM gateway may still run: {error:#}");
        }
    }
}
