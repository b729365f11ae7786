//! Byte ranges of objects: what a plan reads, joined where little lies between them, cut where they are long.

use serde::Serialize;

/// A range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub len: u64,
}

impl ByteRange {
    /// The byte after the last one.
    pub fn end(self) -> u64 {
        self.start + self.len
    }
    /// Whether every byte of the other one lies within.
    pub fn holds(self, other: ByteRange) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }
}

/// A range of one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ObjectRange {
    /// The object's key below the scenario's prefix.
    pub object: String,
    /// What of it.
    pub range: ByteRange,
}

/// Joins ranges between which at most `gap` bytes lie: fewer requests for more bytes. The answer is sorted and without empty ranges.
pub fn coalesce(ranges: &[ByteRange], gap: u64) -> Vec<ByteRange> {
    let mut sorted: Vec<ByteRange> = ranges.iter().copied().filter(|range| range.len > 0).collect();
    sorted.sort_unstable();
    let mut joined: Vec<ByteRange> = Vec::new();
    for range in sorted {
        match joined.last_mut() {
            Some(last) if range.start <= last.end() + gap => last.len = last.end().max(range.end()) - last.start,
            _ => joined.push(range),
        }
    }
    joined
}

/// Cuts a range into pieces of at most `most` bytes; 0 leaves it whole.
pub fn pieces(range: ByteRange, most: u64) -> Vec<ByteRange> {
    if most == 0 || range.len <= most {
        return if range.len == 0 { Vec::new() } else { vec![range] };
    }
    let starts = (range.start..range.end()).step_by(most as usize);
    starts.map(|start| ByteRange { start, len: most.min(range.end() - start) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn r(start: u64, len: u64) -> ByteRange {
        ByteRange { start, len }
    }

    #[test]
    fn ranges_are_joined_over_gaps_of_at_most_the_given_size() {
        let ranges = [r(100, 10), r(0, 50), r(60, 10), r(5, 0)];
        assert_eq!(coalesce(&ranges, 0), [r(0, 50), r(60, 10), r(100, 10)]);
        assert_eq!(coalesce(&ranges, 10), [r(0, 70), r(100, 10)]);
        assert_eq!(coalesce(&ranges, 30), [r(0, 110)]);
        assert_eq!(coalesce(&[r(0, 50), r(10, 10), r(50, 1)], 0), [r(0, 51)], "one within the other, and neighbours");
    }

    #[test]
    fn a_range_is_cut_into_pieces_that_cover_it() {
        assert_eq!(pieces(r(10, 25), 10), [r(10, 10), r(20, 10), r(30, 5)]);
        assert_eq!(pieces(r(10, 25), 0), [r(10, 25)]);
        assert!(pieces(r(10, 0), 10).is_empty());
    }
}
