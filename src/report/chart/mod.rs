//! Charts as inline SVG, drawn with plotters: real text, a title and a description, colours of the page's theme, no ids but its own.
//!
//! The main type is [`Chart`]: plain data that a section's view holds and a template hands to `chart(of=...)`.

mod bars;
mod canvas;
mod lines;

use serde::{Deserialize, Serialize};

/// What a chart shows. Every value also stands in a table next to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Unique in the report; prefix of the ids inside the SVG.
    pub id: String,
    /// Short title, also the SVG's `<title>`.
    pub title: String,
    /// One sentence for those who cannot see it, with the extremes.
    pub description: String,
    /// Axis label with unit and which way is better; further lines qualify it.
    pub axis: String,
    /// The marks.
    pub marks: Marks,
}

/// The marks of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Marks {
    /// Horizontal bars from zero, one per row, with whiskers for the interval.
    Bars(Vec<Bar>),
    /// Horizontal stacked bars from zero.
    Stacks(Vec<Stack>),
    /// Points on a logarithmic axis, joined per row.
    Ranges(Vec<Range>),
    /// Lines over time, with shaded spans.
    Lines(Timeline),
}

/// One bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Heading above the bar where a new group begins; empty otherwise.
    pub group: String,
    /// Name at its left.
    pub label: String,
    /// Place of the vendor, which picks the colour.
    pub series: usize,
    /// Length; `None` draws no bar, only the text.
    pub value: Option<f64>,
    /// Ends of the whisker.
    pub interval: Option<(f64, f64)>,
    /// Printed at its end, with everything that qualifies it.
    pub text: String,
}

/// One stacked bar.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    /// Name at its left.
    pub label: String,
    /// Parts from the axis outwards: name and length.
    pub parts: Vec<(String, f64)>,
    /// Printed at its end.
    pub text: String,
}

/// Points of one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Heading above the row where a new group begins; empty otherwise.
    pub group: String,
    /// Name at its left.
    pub label: String,
    /// Place of the vendor, which picks the colour.
    pub series: usize,
    /// Ascending values, each above zero: the first is drawn as a disc, the last as a bar.
    pub points: Vec<f64>,
    /// Printed at its end.
    pub text: String,
}

/// Lines over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// End of the time axis, in s.
    pub end_s: f64,
    /// Top of the value axis.
    pub top: f64,
    /// Lines.
    pub lines: Vec<Line>,
    /// Shaded spans: label, start and end in s.
    pub shades: Vec<(String, f64, f64)>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Printed at its last point.
    pub label: String,
    /// Place in the palette; `None` = the colour of errors, drawn with discs.
    pub series: Option<usize>,
    /// Time in s and value.
    pub points: Vec<(f64, f64)>,
}

impl Chart {
    /// The chart as an `<svg>` element. The same chart gives the same bytes.
    pub fn svg(&self) -> String {
        let canvas = match &self.marks {
            Marks::Bars(rows) => bars::bars(rows, &self.axis),
            Marks::Stacks(rows) => bars::stacks(rows, &self.axis),
            Marks::Ranges(rows) => bars::ranges(rows, &self.axis),
            Marks::Lines(timeline) => lines::lines(timeline, &self.axis),
        };
        canvas.finish(&self.id, &self.title, &self.description)
    }
}

/// A round step that splits `top` into at most `most` parts.
fn step(top: f64, most: f64) -> f64 {
    let raw = (top / most).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].iter().map(|factor| factor * power).find(|step| *step >= raw * 0.999_999).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(value: Option<f64>) -> Chart {
        let text = if value.is_some() { "12 <MiB/s>" } else { "not tested" };
        Chart {
            id: "c1".into(),
            title: "Throughput & more".into(),
            description: "minio 12".into(),
            axis: "MiB/s, higher is better".into(),
            marks: Marks::Bars(vec![Bar {
                group: "get".into(),
                label: "minio".into(),
                series: 0,
                value,
                interval: value.map(|v| (v - 1.0, v + 1.0)),
                text: text.into(),
            }]),
        }
    }

    #[test]
    fn a_chart_is_an_image_with_title_and_description_and_theme_colours_only() {
        let svg = bar(Some(12.0)).svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"), "{svg}");
        assert!(svg.contains("role=\"img\"") && svg.contains("<title id=\"c1-t\">Throughput &amp; more</title>"), "{svg}");
        assert!(svg.contains("12 &lt;MiB/s&gt;") && svg.contains("var(--s0)"), "{svg}");
        assert!(!svg.contains("=\"#") && !svg.contains("xmlns"), "a fixed colour would not follow the theme: {svg}");
    }

    #[test]
    fn a_missing_value_is_a_text_and_not_a_bar_of_length_zero() {
        let svg = bar(None).svg();
        assert!(svg.contains("not tested") && !svg.contains("var(--s0)"), "{svg}");
    }

    #[test]
    fn steps_are_round() {
        assert_eq!((step(10.0, 5.0), step(7.3, 5.0), step(1234.0, 4.0)), (2.0, 2.0, 500.0));
    }
}
