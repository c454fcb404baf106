//! The printed result.

use super::run::ChaosResult;
use std::fmt;
use std::sync::atomic::Ordering;

impl ChaosResult {
    /// Whether the run succeeded.
    pub fn is_clean(&self) -> bool {
        self.report.is_clean() && self.panics == 0 && self.at_work * 2 >= self.plan.kills + self.plan.pair_kills
    }
}

impl fmt::Display for ChaosResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, counters, report) = (&self.plan, &self.counters, &self.report);
        writeln!(f, "{:<44} {:>7} {:>8}", "phase", "kills", "seconds")?;
        for (phase, kills, took) in &self.phases {
            writeln!(f, "{phase:<44} {kills:>7} {:>8.0}", took.as_secs_f32())?;
        }
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed).to_string();
        let took: f32 = self.phases.iter().map(|(_, _, took)| took.as_secs_f32()).sum();
        for (what, value) in [
            ("seed", plan.seed.to_string()),
            ("operators killed", (plan.kills + plan.pair_kills).to_string()),
            ("of these with synced caches", self.at_work.to_string()),
            ("operators frozen", plan.freezes.to_string()),
            ("API server and etcd killed", plan.outages.to_string()),
            ("objects created", count(&counters.created)),
            ("edits", count(&counters.edited)),
            ("rotations and replacements requested", count(&counters.rotated)),
            ("objects deleted", count(&counters.deleted)),
            ("Secrets deleted", count(&counters.secrets_deleted)),
            ("objects at the end", report.objects.to_string()),
            ("tokens created before the end", self.minted.to_string()),
            ("live tokens", report.live.to_string()),
            ("leaked tokens", report.leaked.len().to_string()),
            ("lost tokens", report.lost.len().to_string()),
            ("objects with errors", report.mismatches.len().to_string()),
            ("panics", self.panics.to_string()),
            ("total seconds", format!("{took:.0}")),
        ] {
            writeln!(f, "{what:<44} {value:>16}")?;
        }
        for (what, names) in [("leaked", &report.leaked), ("lost", &report.lost)] {
            names.iter().try_for_each(|name| writeln!(f, "{what}: {name}"))?;
        }
        report.mismatches.iter().try_for_each(|why| writeln!(f, "wrong: {why}"))
    }
}
