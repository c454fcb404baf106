//! Two kinds of pictures, as SVG: bars against a target, and counts over time.

use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
const FONT: &str = "font-family='sans-serif' font-size='12'";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn document(height: f64, body: &str) -> String {
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' {FONT}>\n\
         <rect width='100%' height='100%' fill='white'/>\n{body}</svg>\n"
    )
}

/// A bar for each figure: what was measured, its text, and the share of the target that it uses. The line is the target.
pub fn bars(figures: &[(String, String, f64)]) -> String {
    // Where the bars begin, how long the target is, and the height of a figure.
    let (left, target, row) = (20.0, 400.0, 40.0);
    let mut body = String::new();
    let height = 30.0 + row * figures.len() as f64;
    for (index, (what, text, used)) in figures.iter().enumerate() {
        let top = 20.0 + row * index as f64;
        let length = (used * target).clamp(1.0, WIDTH - 2.0 * left);
        let color = if *used <= 1.0 { "#4c9f70" } else { "#c8553d" };
        let _ = writeln!(body, "<text x='{left}' y='{}'>{}: {}</text>", top + 10.0, escaped(what), escaped(text));
        let _ = writeln!(body, "<rect x='{left}' y='{}' width='{length:.1}' height='12' fill='{color}'/>", top + 15.0);
    }
    let x = left + target;
    let _ = writeln!(body, "<line x1='{x}' y1='14' x2='{x}' y2='{height}' stroke='black' stroke-dasharray='4 3'/>");
    let _ = writeln!(body, "<text x='{x}' y='11' text-anchor='middle'>target</text>");
    document(height, &body)
}

/// A line for each kind of event: how many there were by which second.
pub fn timeline(title: &str, lines: &[(&str, Vec<f64>)]) -> String {
    const COLORS: [&str; 7] = ["#888888", "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#17becf"];
    // The drawing area.
    let (left, top, right, bottom) = (60.0, 40.0, 700.0, 400.0);
    let end = lines.iter().flat_map(|(_, times)| times).copied().fold(1.0, f64::max);
    let most = lines.iter().map(|(_, times)| times.len()).max().unwrap_or(1).max(1) as f64;
    let (x, y) = (|time: f64| left + time / end * (right - left), |count: f64| bottom - count / most * (bottom - top));
    let mut body = format!("<text x='{left}' y='20' font-size='14'>{}</text>\n", escaped(title));
    for part in 0..=4 {
        let (time, count) = (end * f64::from(part) / 4.0, most * f64::from(part) / 4.0);
        let (at, height) = (x(time), y(count));
        let _ = writeln!(body, "<line x1='{left}' y1='{height:.1}' x2='{right}' y2='{height:.1}' stroke='#dddddd'/>");
        let _ = writeln!(body, "<text x='{}' y='{:.1}' text-anchor='end'>{count:.0}</text>", left - 6.0, height + 4.0);
        let _ = writeln!(body, "<text x='{at:.1}' y='{}' text-anchor='middle'>{time:.1} s</text>", bottom + 18.0);
    }
    for (index, (name, times)) in lines.iter().enumerate() {
        let color = COLORS.get(index % COLORS.len()).copied().unwrap_or_default();
        let mut times = times.clone();
        times.sort_by(f64::total_cmp);
        let step = (times.len() / 120).max(1);
        let counted = times.iter().enumerate().filter(|(count, _)| count % step == 0 || count + 1 == times.len());
        let points: Vec<String> =
            counted.map(|(count, time)| format!("{:.1},{:.1}", x(*time), y((count + 1) as f64))).collect();
        let _ =
            writeln!(body, "<polyline fill='none' stroke='{color}' stroke-width='2' points='{}'/>", points.join(" "));
        let at = 60.0 + 22.0 * index as f64;
        let _ = writeln!(body, "<text x='{}' y='{at}' fill='{color}'>{}</text>", right + 16.0, escaped(name));
    }
    document(bottom + 40.0, &body)
}
