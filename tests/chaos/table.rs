//! What is printed.

use crate::run::ChaosResult;
use std::fmt;
use std::sync::atomic::Ordering;

impl ChaosResult {
    /// Whether the run shows what it should.
    pub fn is_clean(&self) -> bool {
        self.report.is_clean() && self.panics == 0 && self.at_work * 2 >= self.plan.kills + self.plan.pair_kills
    }
}

impl fmt::Display for ChaosResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plan, tally, verdict) = (&self.plan, &self.counters, &self.report);
        writeln!(f, "{:<44} {:>7} {:>8}", "phase", "kills", "seconds")?;
        for (phase, kills, took) in &self.phases {
            writeln!(f, "{phase:<44} {kills:>7} {:>8.0}", took.as_secs_f32())?;
        }
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed).to_string();
        let took: f32 = self.phases.iter().map(|(_, _, took)| took.as_secs_f32()).sum();
        for (what, value) in [
            ("seed", plan.seed.to_string()),
            ("operators killed", (plan.kills + plan.pair_kills).to_string()),
            ("of these at work, their caches filled", self.at_work.to_string()),
            ("operators frozen", plan.freezes.to_string()),
            ("API server and etcd killed", plan.outages.to_string()),
            ("objects created", count(&tally.created)),
            ("edits", count(&tally.edited)),
            ("rotations and replacements asked for", count(&tally.rotated)),
            ("objects deleted", count(&tally.deleted)),
            ("Secrets deleted", count(&tally.secrets_deleted)),
            ("objects at the end", verdict.objects.to_string()),
            ("tokens minted before the end", self.minted.to_string()),
            ("tokens live", verdict.live.to_string()),
            ("tokens leaked", verdict.leaked.len().to_string()),
            ("tokens lost", verdict.lost.len().to_string()),
            ("objects not as they should be", verdict.mismatches.len().to_string()),
            ("panics", self.panics.to_string()),
            ("seconds in all", format!("{took:.0}")),
        ] {
            writeln!(f, "{what:<44} {value:>16}")?;
        }
        for (what, names) in [("leaked", &verdict.leaked), ("lost", &verdict.lost)] {
            names.iter().try_for_each(|name| writeln!(f, "{what}: {name}"))?;
        }
        verdict.mismatches.iter().try_for_each(|why| writeln!(f, "wrong: {why}"))
    }
}
