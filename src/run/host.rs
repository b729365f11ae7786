//! What is recorded of the client machine.

use crate::model::HostFacts;

/// The client machine as the operating system describes it; unknown parts are empty.
pub fn facts() -> HostFacts {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    HostFacts {
        name: text(system.nodename()),
        system: format!("{} {} {}", text(system.sysname()), text(system.release()), text(system.machine())),
        cpu: field(&read("/proc/cpuinfo"), "model name"),
        cores: std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
        memory_bytes: crate::load::memory_bytes(),
        clock_domain: read("/proc/sys/kernel/random/boot_id").trim().to_owned(),
    }
}

fn field(text: &str, name: &str) -> String {
    text.lines().find_map(|line| line.strip_prefix(name)?.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_memory_and_a_clock() {
        let host = facts();
        assert!(host.cores >= 1 && host.memory_bytes > 1 << 26 && !host.clock_domain.is_empty(), "{host:?}");
    }
}
