//! A plotters SVG backend with the few shapes that charts are made of; colours are replaced by those of the page's theme.

use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, IntoFont, RGBColor, ShapeStyle, TextStyle};

/// A colour of the page's theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    Text,
    Muted,
    Grid,
    Shade,
    Bad,
    Series(usize),
}

/// Number of series colours in the style sheet.
const SERIES: usize = 8;
/// Blue part of the first series' placeholder colour.
const FIRST_SERIES: u8 = 0x10;

impl Ink {
    fn placeholder(self) -> RGBColor {
        let blue = match self {
            Ink::Text => 1,
            Ink::Muted => 2,
            Ink::Grid => 3,
            Ink::Shade => 4,
            Ink::Bad => 5,
            Ink::Series(index) => FIRST_SERIES + (index % SERIES) as u8,
        };
        RGBColor(0, 0, blue)
    }
    fn variable(self) -> String {
        match self {
            Ink::Text => "--ink".into(),
            Ink::Muted => "--muted".into(),
            Ink::Grid => "--grid".into(),
            Ink::Shade => "--shade".into(),
            Ink::Bad => "--bad".into(),
            Ink::Series(index) => format!("--s{}", index % SERIES),
        }
    }
    fn all() -> impl Iterator<Item = Ink> {
        [Ink::Text, Ink::Muted, Ink::Grid, Ink::Shade, Ink::Bad].into_iter().chain((0..SERIES).map(Ink::Series))
    }
}

/// Where a text stands at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Left,
    Center,
    Right,
}

/// The picture under construction. Coordinates are px from the upper left; texts are centred vertically at their point.
pub struct Canvas {
    width: i32,
    height: i32,
    body: String,
}

/// Font size of labels, in px of the picture.
pub const LABEL: f64 = 13.0;
/// Font size of axis texts.
pub const SMALL: f64 = 11.5;

impl Canvas {
    pub fn new(width: i32, height: i32) -> Self {
        Self { width, height, body: String::new() }
    }

    /// Draws with a fresh backend and keeps the elements without the `<svg>` around them.
    fn draw(&mut self, paint: impl FnOnce(&mut SVGBackend<'_>)) {
        let mut buffer = String::new();
        {
            let mut backend = SVGBackend::with_string(&mut buffer, (self.width as u32, self.height as u32));
            paint(&mut backend);
            backend.present().expect("a picture in memory cannot fail to be written");
        }
        let inner = buffer.split_once(">\n").map_or("", |(_, rest)| rest).trim_end().trim_end_matches("</svg>");
        self.body.push_str(inner);
    }

    pub fn rectangle(&mut self, (x0, y0): (i32, i32), (x1, y1): (i32, i32), ink: Ink) {
        let style = ink.placeholder().filled();
        self.draw(|backend| backend.draw_rect((x0, y0), (x1, y1), &style, true).expect("drawing in memory cannot fail"));
    }

    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), ink: Ink, width: u32) {
        let style = ink.placeholder().stroke_width(width);
        self.draw(|backend| backend.draw_line(from, to, &style).expect("drawing in memory cannot fail"));
    }

    pub fn path(&mut self, points: Vec<(i32, i32)>, ink: Ink) {
        let style: ShapeStyle = ink.placeholder().stroke_width(2);
        self.draw(|backend| backend.draw_path(points, &style).expect("drawing in memory cannot fail"));
    }

    pub fn disc(&mut self, center: (i32, i32), radius: u32, ink: Ink) {
        let style = ink.placeholder().filled();
        self.draw(|backend| backend.draw_circle(center, radius, &style, true).expect("drawing in memory cannot fail"));
    }

    pub fn text(&mut self, text: &str, at: (i32, i32), size: f64, ink: Ink, anchor: Anchor) {
        let horizontal = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Center => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        // plotters divides a font's size by 1.24 when it writes it.
        let color = ink.placeholder();
        let style = TextStyle::from(("sans-serif", size * 1.24).into_font()).color(&color).pos(Pos::new(horizontal, VPos::Center));
        self.draw(|backend| backend.draw_text(text, &style, at).expect("drawing in memory cannot fail"));
    }

    /// The `<svg>` element, with theme colours, the page's font, a title and a description.
    pub fn finish(self, id: &str, title: &str, description: &str) -> String {
        let mut body = self.body;
        for ink in Ink::all() {
            let RGBColor(_, _, blue) = ink.placeholder();
            body = body.replace(&format!("\"#0000{blue:02X}\""), &format!("\"var({})\"", ink.variable()));
        }
        // The page's style sheet says these once for all charts: see `figure svg` there.
        let size = format!(" font-size=\"{SMALL}\"");
        for noise in [
            " opacity=\"1\"",
            " stroke=\"none\"",
            " font-family=\"sans-serif\"",
            " stroke-width=\"1\"",
            " dy=\"0.5ex\"",
            " text-anchor=\"start\"",
            &format!("{size} fill=\"var(--muted)\""),
            &size,
        ] {
            body = body.replace(noise, "");
        }
        let label = format!("font-size=\"{LABEL}\"");
        body = body.replace("font-size=\"13.000000000000002\"", &label).replace("\n</text>", "</text>");
        let (id, title, description) = (escape(id), escape(title), escape(description));
        format!(
            "<svg role=\"img\" viewBox=\"0 0 {} {}\" aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{description}</desc>{}</svg>",
            self.width,
            self.height,
            body.replace(">\n", ">").replace('\n', " ").trim(),
        )
    }
}

/// Escapes text for HTML and for attributes.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
