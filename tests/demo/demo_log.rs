//! The output of the demo, and the results of its checks.

use crate::cluster::Cluster;
use std::fmt::Display;
use std::time::Instant;

/// The demo's log: steps, commands, and the results of checks.
pub struct DemoLog {
    begun: Instant,
    seen: Vec<(bool, String)>,
}

impl DemoLog {
    /// An empty log.
    pub fn new() -> Self {
        Self { begun: Instant::now(), seen: vec![] }
    }

    /// Prints the title of a step.
    pub fn step(&self, title: &str) {
        println!("\n=== {title} ({:.1} s)", self.begun.elapsed().as_secs_f32());
    }

    /// Runs a command and prints its output.
    pub fn kubectl(cluster: &Cluster, args: &[&str]) -> Result<String, String> {
        println!("$ kubectl {}", args.join(" "));
        let output = cluster.run(args, None)?;
        println!("{}", output.trim_end());
        Ok(output)
    }

    /// Records and prints the result of a check.
    pub fn check(&mut self, seen: bool, what: impl Display) {
        println!("  {} {what}", if seen { "✓" } else { "✗" });
        self.seen.push((seen, what.to_string()));
    }

    /// Prints the summary; true if all checks succeeded.
    pub fn print_summary(&self) -> bool {
        println!("\n=== Summary ({:.1} s)", self.begun.elapsed().as_secs_f32());
        for (seen, what) in &self.seen {
            println!("  {} {what}", if *seen { "✓" } else { "✗" });
        }
        !self.seen.is_empty() && self.seen.iter().all(|(seen, _)| *seen)
    }
}
