//! What the demo prints, and what it has seen.

use crate::cluster::Cluster;
use std::fmt::Display;
use std::time::Instant;

/// The demo's log: steps, commands, and what each showed.
pub struct DemoLog {
    begun: Instant,
    seen: Vec<(bool, String)>,
}

impl DemoLog {
    /// An empty one.
    pub fn new() -> Self {
        Self { begun: Instant::now(), seen: vec![] }
    }

    /// A new step.
    pub fn step(&self, title: &str) {
        println!("\n=== {title} ({:.1} s)", self.begun.elapsed().as_secs_f32());
    }

    /// Shows a command and its output.
    pub fn kubectl(cluster: &Cluster, args: &[&str]) -> Result<String, String> {
        println!("$ kubectl {}", args.join(" "));
        let output = cluster.run(args, None)?;
        println!("{}", output.trim_end());
        Ok(output)
    }

    /// Notes whether something was seen.
    pub fn check(&mut self, seen: bool, what: impl Display) {
        println!("  {} {what}", if seen { "✓" } else { "✗" });
        self.seen.push((seen, what.to_string()));
    }

    /// The summary; true if all was seen.
    pub fn print_summary(&self) -> bool {
        println!("\n=== Summary ({:.1} s)", self.begun.elapsed().as_secs_f32());
        for (seen, what) in &self.seen {
            println!("  {} {what}", if *seen { "✓" } else { "✗" });
        }
        !self.seen.is_empty() && self.seen.iter().all(|(seen, _)| *seen)
    }
}
