//! What a mutant does to requests and answers.

use serde::{Deserialize, Serialize};

/// What the changed server overlooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// A signature that does not match, or an unknown key.
    Signature,
    /// A moment that is too far off, or a presigned URL that has expired.
    Time,
    /// A body that does not match its signed hash.
    Payload,
    /// The signature of a chunk or a trailer.
    Chunks,
    /// An `x-amz-*` header that is not signed.
    UnsignedHeader,
    /// A region that is not the server's.
    Region,
    /// A checksum or MD5 that does not fit the body, in a header or a trailer.
    Checksum,
    /// No signature.
    Anonymous,
}

/// Which of several elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The first.
    First,
    /// The last.
    Last,
    /// Each.
    #[default]
    All,
}

/// How the text of elements is spelled anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spelling {
    /// Percent-encoded (once more).
    Encode,
    /// Percent-decoded.
    Decode,
    /// In upper case.
    Upper,
    /// In lower case.
    Lower,
    /// `+` for a space or `%20`.
    Plus,
}

/// One step of what a mutant does. In patterns of text `*` stands for anything, as little as possible; at the end, for the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Change {
    /// Request: remove headers by name or prefix.
    RemoveHeader {
        /// Name, or a prefix that ends in `*`.
        name: String,
    },
    /// Request: set a header.
    SetHeader {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// Request: remove a part of the query.
    RemoveQuery {
        /// Name.
        name: String,
    },
    /// Request: set a part of the query.
    SetQuery {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// Request: replace text in the body, and mend the checksums that fitted.
    ReplaceBody {
        /// Pattern.
        from: String,
        /// Text in its place.
        to: String,
    },
    /// Request: leave members of this name out of a JSON body, at any depth.
    DropMember {
        /// Name.
        name: String,
    },
    /// Request: take a body that ends before its length for the whole body.
    KeepCut {},
    /// Request: flip the lowest bit of a byte of the body, and mend the checksums that fitted.
    FlipBody {
        /// Offset of the byte; from the end where it is negative.
        at: i64,
    },
    /// Request: store an aws-chunked body with its framing.
    KeepFraming {},
    /// Request: send it without the flaw, as if it did not matter.
    Forgive {
        /// Which flaw.
        what: Flaw,
    },
    /// Request: take another account's request for the first account's.
    AsOwner {},
    /// Request: answer it without the server's knowledge, if it was signed right.
    Answer {
        /// Status.
        status: u16,
        /// Body.
        #[serde(default)]
        body: String,
    },
    /// Request: answer success to a PUT of a key that was put before, and do nothing.
    SwallowRepeat {},
    /// Both: give the first successful answer again to each later request of the same target.
    ReplayFirst {},
    /// Answer: another status, the body kept.
    SetStatus {
        /// Status.
        status: u16,
    },
    /// Answer: an error with this status and code in place of it.
    Error {
        /// Status.
        status: u16,
        /// S3 error code.
        code: String,
    },
    /// Answer: success with this body in place of it.
    Success {
        /// Status.
        status: u16,
        /// Body.
        #[serde(default)]
        body: String,
    },
    /// Answer: set a header.
    SetResponseHeader {
        /// Name.
        name: String,
        /// Value.
        value: String,
    },
    /// Answer: remove headers by name or prefix.
    RemoveResponseHeader {
        /// Name, or a prefix that ends in `*`.
        name: String,
    },
    /// Answer: replace text in a header's value.
    ReplaceResponseHeader {
        /// Name.
        name: String,
        /// Pattern.
        from: String,
        /// Text in its place.
        to: String,
    },
    /// Answer: replace text in the body.
    ReplaceText {
        /// Pattern.
        from: String,
        /// Text in its place.
        to: String,
    },
    /// Answer: leave XML elements out.
    DropElement {
        /// Name.
        name: String,
        /// Which.
        #[serde(default)]
        which: Which,
    },
    /// Answer: give an XML element twice.
    RepeatElement {
        /// Name.
        name: String,
        /// Which.
        #[serde(default)]
        which: Which,
    },
    /// Answer: reverse the order of the XML elements of this name.
    ReverseElements {
        /// Name.
        name: String,
    },
    /// Answer: set the text of an XML element; one that is missing is put before the end of the root.
    SetElement {
        /// Name.
        name: String,
        /// Text.
        value: String,
        /// Which.
        #[serde(default)]
        which: Which,
    },
    /// Answer: spell the text of XML elements anew.
    SpellElement {
        /// Name.
        name: String,
        /// How.
        spelling: Spelling,
    },
    /// Answer: leave the last bytes of the body out, with a length that fits.
    ShortenBody {
        /// How many bytes.
        by: usize,
    },
    /// Answer: add text to the body, with a length that fits.
    AppendBody {
        /// The text.
        text: String,
    },
    /// Answer: flip the lowest bit of a byte of the body.
    FlipAnswer {
        /// Offset of the byte; from the end where it is negative.
        at: i64,
    },
    /// Answer: bytes after the head of an answer that must not have a body (HEAD, 304, 204).
    BodyAfterHead {
        /// The bytes.
        text: String,
    },
}

impl Change {
    /// Whether it must see the request as a whole before the server does.
    pub fn is_of_request(&self) -> bool {
        matches!(
            self,
            Self::RemoveHeader { .. }
                | Self::SetHeader { .. }
                | Self::RemoveQuery { .. }
                | Self::SetQuery { .. }
                | Self::ReplaceBody { .. }
                | Self::DropMember { .. }
                | Self::KeepCut {}
                | Self::FlipBody { .. }
                | Self::KeepFraming {}
                | Self::Forgive { .. }
                | Self::AsOwner {}
                | Self::Answer { .. }
                | Self::SwallowRepeat {}
                | Self::ReplayFirst {}
        )
    }
    /// Whether it must see the answer as a whole before the client does.
    pub fn is_of_answer(&self) -> bool {
        matches!(self, Self::ReplayFirst {}) || !self.is_of_request()
    }
}
