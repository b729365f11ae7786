//! What the client's machine went through while a load ran: processes that waited for a core, stolen time, full network cards.
//!
//! The main type is [`HostReading`]; the difference of two is a [`HostUse`]. Sources: the kernel's `/proc/pressure/cpu`, `/proc/stat` and
//! `/sys/class/net`. What a machine does not tell is absent.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// The kernel's counters at one moment.
#[derive(Debug, Clone)]
pub struct HostReading {
    at: Instant,
    /// Microseconds in which some process waited for a core.
    pressure_us: Option<u64>,
    /// Stolen ticks, and all.
    steal: Option<(u64, u64)>,
    /// By interface: bytes each way, and bytes per second that it can carry each way.
    cards: BTreeMap<String, ([u64; 2], f64)>,
}

/// Shares of the time between two readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HostUse {
    /// Share of the time in which some process waited for a core, 0 to 1.
    pub pressure: Option<f64>,
    /// Share of the machine's time that its hypervisor gave to others, 0 to 1.
    pub steal: Option<f64>,
    /// The fullest network card and direction, and how full it was, 0 to 1.
    pub fullest_card: Option<(String, f64)>,
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `some avg10=0.00 avg60=0.00 avg300=0.00 total=1234`.
fn pressure(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("some "))?.rsplit_once("total=")?.1.trim().parse().ok()
}

/// `cpu user nice system idle iowait irq softirq steal ...`: guest time is part of user time already.
fn steal(text: &str) -> Option<(u64, u64)> {
    let fields: Vec<u64> = text.lines().next()?.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    Some((*fields.get(7)?, fields.iter().sum()))
}

fn cards() -> BTreeMap<String, ([u64; 2], f64)> {
    let mut cards = BTreeMap::new();
    for entry in std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten() {
        let path = entry.path();
        // Loopback and virtual interfaces have no speed, or one that means nothing.
        let Some(megabits) = number(&path.join("speed")).filter(|speed| *speed > 0 && path.join("device").exists()) else { continue };
        let bytes = ["rx_bytes", "tx_bytes"].map(|name| number(&path.join("statistics").join(name)).unwrap_or(0));
        cards.insert(entry.file_name().to_string_lossy().into_owned(), (bytes, megabits as f64 * 1e6 / 8.0));
    }
    cards
}

impl HostReading {
    /// Reads the counters now.
    pub fn now() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        Self {
            at: Instant::now(),
            pressure_us: read("/proc/pressure/cpu").and_then(|text| pressure(&text)),
            steal: read("/proc/stat").and_then(|text| steal(&text)),
            cards: cards(),
        }
    }
    /// What happened since an earlier reading.
    pub fn since(&self, before: &HostReading) -> HostUse {
        let seconds = self.at.duration_since(before.at).as_secs_f64().max(1e-9);
        let pressure = self.pressure_us.zip(before.pressure_us).map(|(now, then)| now.saturating_sub(then) as f64 / 1e6 / seconds);
        let steal = self.steal.zip(before.steal).filter(|(now, then)| now.1 > then.1);
        let full = |(name, (bytes, speed)): (&String, &([u64; 2], f64))| {
            let (earlier, _) = before.cards.get(name)?;
            let most = (0..2).map(|way| bytes[way].saturating_sub(earlier[way])).max()?;
            Some((name.clone(), most as f64 / seconds / speed))
        };
        HostUse {
            pressure: pressure.map(|share| share.min(1.0)),
            steal: steal.map(|(now, then)| now.0.saturating_sub(then.0) as f64 / (now.1 - then.1) as f64),
            fullest_card: self.cards.iter().filter_map(full).max_by(|a, b| a.1.total_cmp(&b.1)),
        }
    }
}

impl HostUse {
    /// Every reason for which the client's machine, and not the vendor, may have been the limit.
    pub fn limits(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some(share) = self.pressure.filter(|share| *share > 0.10) {
            reasons.push(format!("processes of this machine waited for a core for {:.0} % of the time (limit 10 %)", 100.0 * share));
        }
        if let Some(share) = self.steal.filter(|share| *share > 0.02) {
            reasons.push(format!("{:.1} % of this machine's time was stolen by its hypervisor (limit 2 %)", 100.0 * share));
        }
        if let Some((name, share)) = self.fullest_card.as_ref().filter(|(_, share)| *share >= 0.90) {
            reasons.push(format!("the network card {name} carried {:.0} % of its speed (limit 90 %)", 100.0 * share));
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_kernels_texts_are_read() {
        assert_eq!(pressure("some avg10=1.00 avg60=2.00 avg300=3.00 total=4567\nfull avg10=0.00 total=0\n"), Some(4567));
        assert_eq!(steal("cpu  10 0 20 30 5 0 5 30 0 0\ncpu0 1 2 3\n"), Some((30, 100)));
        assert_eq!((pressure("nothing"), steal("")), (None, None));
    }

    #[test]
    fn a_full_card_stolen_time_and_waiting_processes_are_named() {
        let at = Instant::now();
        let reading = |at, pressure, stolen, bytes| HostReading {
            at,
            pressure_us: Some(pressure),
            steal: Some((stolen, 1000 + stolen)),
            cards: BTreeMap::from([("eth0".to_owned(), ([bytes, 0], 1e9))]),
        };
        let before = reading(at, 0, 0, 0);
        let quiet = reading(at + Duration::from_secs(10), 500_000, 0, 1_000_000_000).since(&before);
        assert_eq!(quiet.limits(), Vec::<String>::new());
        assert!((quiet.fullest_card.as_ref().unwrap().1 - 0.1).abs() < 1e-9);
        let busy = reading(at + Duration::from_secs(10), 5_000_000, 100, 9_500_000_000).since(&before);
        let limits = busy.limits().join("; ");
        for part in ["for 50 %", "100.0 % of this machine's time", "eth0 carried 95 %"] {
            assert!(limits.contains(part), "{part}: {limits}");
        }
    }

    #[test]
    fn this_machine_can_be_read() {
        let before = HostReading::now();
        std::thread::sleep(Duration::from_millis(20));
        let used = HostReading::now().since(&before);
        assert!(used.pressure.is_none_or(|share| (0.0..=1.0).contains(&share)));
        assert!(used.steal.is_none_or(|share| (0.0..=1.0).contains(&share)));
    }
}
