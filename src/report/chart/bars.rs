//! Horizontal rows: bars, stacked bars, and points on a logarithmic axis. Each row is labelled directly.

use super::canvas::{Anchor, Canvas, Ink, LABEL, SMALL};
use super::{Bar, Range, Stack, step};
use crate::report::number::{cut, number};

const WIDTH: i32 = 560;
const TOP: i32 = 8;
const ROW: i32 = 26;
const BAR: i32 = 16;
const GROUP: i32 = 24;
const AXIS: i32 = 40;
/// Height of a further line of the axis label.
const LINE: i32 = 16;
/// Mean width of a character at the label size.
const CHARACTER: i32 = 8;
/// Longest printed label, in characters.
const LONGEST_LABEL: usize = 28;
/// Longest text behind a mark, in characters.
const LONGEST_TEXT: usize = 30;

/// Room for the marks: between the labels at the left and the texts at the right.
struct Frame {
    left: i32,
    right: i32,
    bottom: i32,
}

impl Frame {
    fn new<'a>(labels: impl Iterator<Item = &'a str>, texts: impl Iterator<Item = &'a str>, rows: usize, groups: usize) -> Self {
        let room = |characters: Option<usize>, most: usize| (characters.unwrap_or(0).clamp(5, most) as i32) * CHARACTER + 12;
        let left = room(labels.map(|text| text.chars().count()).max(), LONGEST_LABEL);
        let right = WIDTH - room(texts.map(|text| text.chars().count()).max(), LONGEST_TEXT);
        Self { left, right, bottom: TOP + rows as i32 * ROW + groups as i32 * GROUP }
    }
    fn canvas(&self, axis: &str) -> Canvas {
        Canvas::new(WIDTH, self.bottom + AXIS + LINE * (axis.lines().count() as i32 - 1).max(0))
    }
    fn x(&self, share: f64) -> i32 {
        self.left + (f64::from(self.right - self.left) * share.clamp(0.0, 1.0)).round() as i32
    }
    /// Grid lines from zero, with their numbers, and the axis label.
    fn linear_axis(&self, canvas: &mut Canvas, top: f64, axis: &str) {
        let step = step(top, (f64::from(self.right - self.left) / 60.0).clamp(2.0, 5.0));
        let mut index = 0;
        while f64::from(index) * step <= top * 1.000_001 {
            self.tick(canvas, f64::from(index) * step / top, &number(f64::from(index) * step));
            index += 1;
        }
        self.label(canvas, axis);
    }
    fn tick(&self, canvas: &mut Canvas, share: f64, text: &str) {
        let x = self.x(share);
        canvas.line((x, TOP), (x, self.bottom), Ink::Grid, 1);
        canvas.text(text, (x, self.bottom + 11), SMALL, Ink::Muted, Anchor::Center);
    }
    fn label(&self, canvas: &mut Canvas, axis: &str) {
        for (index, line) in axis.lines().enumerate() {
            let left = if index == 0 { self.left } else { 0 };
            canvas.text(line, (left, self.bottom + 29 + LINE * index as i32), SMALL, Ink::Muted, Anchor::Left);
        }
    }
}

/// Calls `row` with each row's upper edge, after printing the group headings.
fn each_row<'a, T>(canvas: &mut Canvas, rows: &'a [T], group: impl Fn(&'a T) -> &'a str, mut row: impl FnMut(&mut Canvas, &'a T, i32)) {
    let mut y = TOP;
    for item in rows {
        if !group(item).is_empty() {
            canvas.text(&cut(group(item), 70), (0, y + GROUP / 2 + 2), SMALL, Ink::Muted, Anchor::Left);
            y += GROUP;
        }
        row(canvas, item, y);
        y += ROW;
    }
}

pub fn bars(rows: &[Bar], axis: &str) -> Canvas {
    let groups = rows.iter().filter(|bar| !bar.group.is_empty()).count();
    let frame = Frame::new(rows.iter().map(|bar| bar.label.as_str()), rows.iter().map(|bar| bar.text.as_str()), rows.len(), groups);
    let mut canvas = frame.canvas(axis);
    let top = rows.iter().filter_map(|bar| bar.interval.map(|(_, high)| high).or(bar.value)).fold(0.0, f64::max);
    let top = if top > 0.0 { top } else { 1.0 };
    frame.linear_axis(&mut canvas, top, axis);
    each_row(
        &mut canvas,
        rows,
        |bar| &bar.group,
        |canvas, bar, y| {
            let middle = y + ROW / 2;
            canvas.text(&cut(&bar.label, LONGEST_LABEL), (frame.left - 8, middle), LABEL, Ink::Text, Anchor::Right);
            let mut end = frame.left;
            if let Some(value) = bar.value {
                end = frame.x(value / top).max(frame.left + 1);
                canvas.rectangle((frame.left, middle - BAR / 2), (end, middle + BAR / 2), Ink::Series(bar.series));
            }
            if let Some((low, high)) = bar.interval {
                let (low, high) = (frame.x(low / top), frame.x(high / top));
                canvas.line((low, middle), (high, middle), Ink::Text, 1);
                canvas.line((low, middle - 4), (low, middle + 4), Ink::Text, 1);
                canvas.line((high, middle - 4), (high, middle + 4), Ink::Text, 1);
                end = end.max(high);
            }
            canvas.text(&cut(&bar.text, LONGEST_TEXT), (end + 6, middle), LABEL, Ink::Text, Anchor::Left);
        },
    );
    canvas
}

pub fn stacks(rows: &[Stack], axis: &str) -> Canvas {
    let frame = Frame::new(rows.iter().map(|row| row.label.as_str()), rows.iter().map(|row| row.text.as_str()), rows.len(), 0);
    let mut canvas = frame.canvas(axis);
    let total = |row: &Stack| row.parts.iter().map(|(_, value)| value).sum::<f64>();
    let top = rows.iter().map(total).fold(0.0, f64::max);
    let top = if top > 0.0 { top } else { 1.0 };
    frame.linear_axis(&mut canvas, top, axis);
    each_row(
        &mut canvas,
        rows,
        |_| "",
        |canvas, row, y| {
            let middle = y + ROW / 2;
            canvas.text(&cut(&row.label, LONGEST_LABEL), (frame.left - 8, middle), LABEL, Ink::Text, Anchor::Right);
            let (mut sum, mut end) = (0.0, frame.left);
            for (index, (_, value)) in row.parts.iter().enumerate().filter(|(_, (_, value))| *value > 0.0) {
                sum += value;
                let next = frame.x(sum / top).max(end + 1);
                let gap = i32::from(next - end > 3);
                canvas.rectangle((end, middle - BAR / 2), (next - gap, middle + BAR / 2), Ink::Series(index));
                end = next;
            }
            canvas.text(&cut(&row.text, LONGEST_TEXT), (end + 6, middle), LABEL, Ink::Text, Anchor::Left);
        },
    );
    canvas
}

pub fn ranges(rows: &[Range], axis: &str) -> Canvas {
    let groups = rows.iter().filter(|row| !row.group.is_empty()).count();
    let frame = Frame::new(rows.iter().map(|row| row.label.as_str()), rows.iter().map(|row| row.text.as_str()), rows.len(), groups);
    let mut canvas = frame.canvas(axis);
    let values = || rows.iter().flat_map(|row| row.points.iter().copied()).filter(|value| *value > 0.0);
    let low = values().fold(f64::INFINITY, f64::min).log10().floor();
    let high = values().fold(0.0, f64::max).log10().ceil();
    let (low, high) = if low.is_finite() && high.is_finite() { (low, high.max(low + 1.0)) } else { (0.0, 1.0) };
    let share = |value: f64| (value.log10() - low) / (high - low);
    for power in low as i32..=high as i32 {
        frame.tick(&mut canvas, (f64::from(power) - low) / (high - low), &number(10f64.powi(power)));
    }
    frame.label(&mut canvas, axis);
    each_row(
        &mut canvas,
        rows,
        |row| &row.group,
        |canvas, row, y| {
            let middle = y + ROW / 2;
            canvas.text(&cut(&row.label, LONGEST_LABEL), (frame.left - 8, middle), LABEL, Ink::Text, Anchor::Right);
            let places: Vec<i32> = row.points.iter().filter(|value| **value > 0.0).map(|value| frame.x(share(*value))).collect();
            let ink = Ink::Series(row.series);
            if let (Some(first), Some(last)) = (places.first(), places.last()) {
                canvas.line((*first, middle), (*last, middle), ink, 2);
                for between in &places[1..] {
                    canvas.line((*between, middle - 6), (*between, middle + 6), ink, 2);
                }
                canvas.disc((*first, middle), 5, ink);
            }
            let end = places.last().copied().unwrap_or(frame.left);
            canvas.text(&cut(&row.text, LONGEST_TEXT), (end + 8, middle), LABEL, Ink::Text, Anchor::Left);
        },
    );
    canvas
}
