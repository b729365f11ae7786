//! Lines over time with shaded spans, e.g. the rate of operations around a fault.

use super::canvas::{Anchor, Canvas, Ink, SMALL};
use super::{Timeline, step};
use crate::report::number::{cut, number};

const WIDTH: i32 = 560;
const LEFT: i32 = 46;
const RIGHT: i32 = WIDTH - 66;
const TOP: i32 = 22;
const BOTTOM: i32 = 150;
const HEIGHT: i32 = BOTTOM + 40;
/// Height of a further line of the axis label.
const LINE: i32 = 16;

pub fn lines(timeline: &Timeline, axis: &str) -> Canvas {
    let mut canvas = Canvas::new(WIDTH, HEIGHT + LINE * (axis.lines().count() as i32 - 1).max(0));
    let end = if timeline.end_s > 0.0 { timeline.end_s } else { 1.0 };
    let top = if timeline.top > 0.0 { timeline.top * 1.05 } else { 1.0 };
    let x = |seconds: f64| LEFT + (f64::from(RIGHT - LEFT) * (seconds / end).clamp(0.0, 1.0)).round() as i32;
    let y = |value: f64| BOTTOM - (f64::from(BOTTOM - TOP) * (value / top).clamp(0.0, 1.0)).round() as i32;

    for (label, from, to) in &timeline.shades {
        canvas.rectangle((x(*from), TOP), (x(*to).max(x(*from) + 2), BOTTOM), Ink::Shade);
        canvas.text(&cut(label, 24), ((x(*from) + x(*to)) / 2, TOP - 10), SMALL, Ink::Text, Anchor::Center);
    }
    let rise = step(top, 3.0);
    for index in 0..=(top / rise) as i32 {
        let value = f64::from(index) * rise;
        canvas.line((LEFT, y(value)), (RIGHT, y(value)), Ink::Grid, 1);
        canvas.text(&number(value), (LEFT - 6, y(value)), SMALL, Ink::Muted, Anchor::Right);
    }
    let stride = step(end, 8.0);
    for index in 0..=(end / stride) as i32 {
        let seconds = f64::from(index) * stride;
        canvas.line((x(seconds), BOTTOM), (x(seconds), BOTTOM + 4), Ink::Muted, 1);
        canvas.text(&number(seconds), (x(seconds), BOTTOM + 13), SMALL, Ink::Muted, Anchor::Center);
    }
    for (index, line) in format!("time in s; {axis}").lines().enumerate() {
        canvas.text(line, (if index == 0 { LEFT } else { 0 }, BOTTOM + 30 + LINE * index as i32), SMALL, Ink::Muted, Anchor::Left);
    }
    let mut last_label = -100;
    for line in &timeline.lines {
        let ink = line.series.map_or(Ink::Bad, Ink::Series);
        let points: Vec<(i32, i32)> = line.points.iter().map(|(seconds, value)| (x(*seconds), y(*value))).collect();
        let Some(end) = points.last().copied() else { continue };
        if line.series.is_none() {
            line.points.iter().zip(&points).filter(|((_, value), _)| *value > 0.0).for_each(|(_, point)| canvas.disc(*point, 3, ink));
        }
        canvas.path(points, ink);
        let place = if (end.1 - last_label).abs() < 14 { last_label - 14 } else { end.1 };
        canvas.text(&cut(&line.label, 9), (end.0 + 5, place), SMALL, Ink::Text, Anchor::Left);
        last_label = place;
    }
    canvas
}
