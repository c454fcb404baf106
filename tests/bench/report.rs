//! The figures of a run: as a table, as JSON and as a picture.

use crate::measure;
use crate::svg::bars;
use serde_json::{Value, json};
use std::path::Path;

/// What a figure should be.
#[derive(Clone, Copy)]
pub enum Target {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
    /// It is only reported.
    None,
}

/// One figure.
pub struct Figure {
    /// What was measured, with the number of its part.
    pub what: String,
    /// The value; none if the measurement was skipped.
    pub value: Option<f64>,
    /// The unit of value and target; empty for a ratio or a number.
    pub unit: &'static str,
    /// What the value should be.
    pub target: Target,
    /// How the value came about, if that helps to read it; or why it was skipped.
    pub detail: String,
}

/// A figure, which is printed at once.
pub fn figure(what: &str, (value, unit): (f64, &'static str), target: Target) -> Figure {
    figure_of(what, (value, unit), target, String::new())
}

/// The same with details.
pub fn figure_of(what: &str, (value, unit): (f64, &'static str), target: Target, detail: String) -> Figure {
    let figure = Figure { what: what.to_owned(), value: Some(value), unit, target, detail };
    eprintln!("bench: {}: {}", figure.what, figure.measured());
    figure
}

/// A figure that was not measured, which is said at once.
pub fn skipped(what: &str, unit: &'static str, target: Target, why: &str) -> Figure {
    eprintln!("bench: {what}: skipped: {why}");
    Figure { what: what.to_owned(), value: None, unit, target, detail: why.to_owned() }
}

impl Figure {
    fn number(value: f64) -> String {
        let digits = if value.abs() >= 100.0 || value.fract() == 0.0 { 0 } else { 2 };
        format!("{value:.digits$}")
    }

    fn with_unit(&self) -> String {
        let value = self.value.map_or_else(|| "skipped".to_owned(), Self::number);
        format!("{value} {}", self.unit).trim().to_owned()
    }

    fn measured(&self) -> String {
        let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        self.with_unit() + &detail
    }

    fn target(&self) -> String {
        let (sign, value) = match self.target {
            Target::AtMost(value) => ("<=", value),
            Target::AtLeast(value) => (">=", value),
            Target::None => return "-".to_owned(),
        };
        format!("{sign} {} {}", Self::number(value), self.unit).trim().to_owned()
    }

    fn is_met(&self) -> Option<bool> {
        match (self.target, self.value?) {
            (Target::AtMost(most), value) => Some(value <= most),
            (Target::AtLeast(least), value) => Some(value >= least),
            (Target::None, _) => None,
        }
    }

    /// The share of the target that is used: 1 is the target, and less is better.
    fn used(&self) -> Option<f64> {
        match (self.target, self.value?) {
            (Target::AtMost(most), value) if most > 0.0 => Some(value / most),
            (Target::AtLeast(least), value) if value > 0.0 => Some(least / value),
            _ => None,
        }
    }

    fn json(&self) -> Value {
        let target = match self.target {
            Target::AtMost(most) => json!({"atMost": most}),
            Target::AtLeast(least) => json!({"atLeast": least}),
            Target::None => Value::Null,
        };
        json!({
            "what": self.what, "value": self.value, "unit": self.unit, "target": target, "met": self.is_met(),
            "detail": self.detail,
        })
    }
}

/// Prints the table.
pub fn print(figures: &[Figure]) {
    println!("\nmachine: {}, shared by all components\n", measure::machine());
    println!("| figure | measured | target | |\n|---|---|---|---|");
    for figure in figures {
        let rating = figure.is_met().map_or("", |met| if met { "met" } else { "**missed**" });
        println!("| {} | {} | {} | {rating} |", figure.what, figure.measured(), figure.target());
    }
}

/// Writes `bench.json` and `bench.svg` into this folder.
pub fn write(figures: &[Figure], folder: &Path) {
    let all: Vec<Value> = figures.iter().map(Figure::json).collect();
    let json = json!({"machine": measure::machine(), "figures": all});
    let shown: Vec<(String, String, f64)> = figures
        .iter()
        .filter_map(|figure| {
            Some((figure.what.clone(), format!("{} ({})", figure.with_unit(), figure.target()), figure.used()?))
        })
        .collect();
    std::fs::create_dir_all(folder).expect("a folder");
    for (name, text) in [("bench.json", format!("{json:#}\n")), ("bench.svg", bars(&shown))] {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        eprintln!("bench: wrote {}", path.display());
    }
}
