//! What the operating system says of this process. Only Linux tells; elsewhere it is unknown.

use std::fs;

use crate::metrics::{Exposition, Kind};

/// Clock ticks per second in `/proc`: fixed by the kernel's interface.
const TICKS_PER_SECOND: f64 = 100.0;

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number = line.trim_start_matches(':').trim().strip_suffix("kB")?;
    number.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Memory this process has in RAM, bytes.
pub(super) fn resident_bytes() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "VmRSS")
}

/// Memory this process may use, bytes: its control group's limit, or what the machine has.
pub(super) fn memory_limit_bytes() -> Option<u64> {
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok());
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.and_then(|text| kilobytes(&text, "MemTotal"));
    group.into_iter().chain(machine).min()
}

/// Seconds of processor time used.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The command's name may contain blanks; what follows it does not.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

/// Appends the process's families.
pub(super) fn expose(out: &mut Exposition, uptime_seconds: f64) {
    out.family("process_uptime_seconds", Kind::Gauge, "The uptime of the process.");
    out.sample("process_uptime_seconds", &[], uptime_seconds);
    if let Some(seconds) = cpu_seconds() {
        out.family("process_cpu_seconds_total", Kind::Counter, "Processor time used.");
        out.sample("process_cpu_seconds_total", &[], seconds);
    }
    if let Some(bytes) = resident_bytes() {
        out.family("process_resident_memory_bytes", Kind::Gauge, "Memory in RAM.");
        out.sample("process_resident_memory_bytes", &[], bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let text = "Name:\tx\nVmRSS:\t   12 kB\nVmHWM:\t 99 kB\n";
        assert_eq!(kilobytes(text, "VmRSS"), Some(12 * 1024));
        assert_eq!(kilobytes(text, "VmSwap"), None);
    }
}
