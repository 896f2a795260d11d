//! A walk over a request that checks every count and length against the bytes that are there,
//! before the decoder of the message crate reserves memory for them, and says how much that is.
//!
//! Each API has a table of its fields by version, just enough to find the next length. Wherever the
//! decoder goes on, the walk has read the same bytes; where the walk is stricter or laxer, the
//! other one refuses. Tests compare the two over every API and version.

mod table;

use crate::Api;
use crate::cursor::Cursor;

/// Most elements of all arrays of one request: bounds what decoding it takes to 40 MiB. A cluster
/// of 100,000 partitions asks with fewer.
const MOST_ELEMENTS: usize = 262_144;

/// Memory for one element of an array, in bytes, strings without their text: the largest, a topic
/// to create, has 112, and the allocator rounds up by a quarter. A test compares with all of them.
const ELEMENT_BYTES: usize = 160;

/// Most tagged fields of one request, Kafka's own number.
const MOST_TAGS: usize = 10_000;

/// Memory for one tagged field, in bytes: the decoder keeps those that it does not know in a tree,
/// and a node of it has room for eleven (36 bytes each) even where it holds one.
const TAG_BYTES: usize = 512;

/// Why a request is not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a count or length reaches beyond the end")]
    Truncated,
    #[error("more than {MOST_ELEMENTS} elements")]
    TooMany,
    #[error("more than {MOST_TAGS} tagged fields")]
    TooManyTags,
    #[error("tagged field {tag} does not have its size")]
    TagSize { tag: u32 },
}

/// What stands at one place of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A number, boolean or uuid of so many bytes.
    Fixed(usize),
    /// A string, maybe null.
    Text,
    /// A blob of bytes, maybe null.
    Blob,
    /// An array of numbers of so many bytes.
    Numbers(usize),
    /// An array of strings.
    Texts,
    /// An array of structs.
    Array(&'static Shape),
    /// A struct that may be null, behind a byte that says so.
    Nullable(&'static Shape),
    /// A struct; only as a tagged field.
    Struct(&'static Shape),
}

/// One field and the versions that have it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    first: i16,
    last: i16,
    kind: Kind,
}

/// The fields of a struct, and the tagged ones that its decoder knows.
#[derive(Debug)]
pub(crate) struct Shape {
    rows: &'static [Row],
    tags: &'static [(u32, Kind)],
}

/// Walks the body of a request of a version that we serve. The bytes of memory that its decoder
/// takes at most, beside the body, of which strings and blobs are slices.
pub(crate) fn check(api: Api, version: i16, body: &[u8]) -> Result<usize, Fault> {
    let mut walk = Walk::new(Cursor::new(body), version, api.is_flexible(version));
    walk.fields(table::of(api))?;
    Ok(walk.decoded + walk.tags * TAG_BYTES)
}

/// Walks what follows the correlation id in a request header.
pub(crate) fn header_fits(cursor: Cursor<'_>, flexible: bool) -> bool {
    let mut walk = Walk::new(cursor, 0, false);
    // The client id keeps its old length even where everything else is compact.
    let client_id = walk.field(Kind::Text);
    walk.flexible = flexible;
    client_id.is_ok() && walk.tags(&[]).is_ok()
}

struct Walk<'a> {
    cursor: Cursor<'a>,
    version: i16,
    flexible: bool,
    elements: usize,
    /// Memory that the elements take once they are decoded.
    decoded: usize,
    tags: usize,
}

impl<'a> Walk<'a> {
    fn new(cursor: Cursor<'a>, version: i16, flexible: bool) -> Self {
        Self {
            cursor,
            version,
            flexible,
            elements: 0,
            decoded: 0,
            tags: 0,
        }
    }

    fn fields(&mut self, shape: &Shape) -> Result<(), Fault> {
        for row in shape.rows {
            if (row.first..=row.last).contains(&self.version) {
                self.field(row.kind)?;
            }
        }
        self.tags(shape.tags)
    }

    fn field(&mut self, kind: Kind) -> Result<(), Fault> {
        match kind {
            Kind::Fixed(bytes) => self.skip(bytes),
            Kind::Text => {
                let length = self.text_length()?;
                self.skip(length)
            }
            Kind::Blob => {
                let length = self.count()?;
                self.skip(length)
            }
            Kind::Numbers(bytes) => {
                let count = self.elements(bytes)?;
                self.skip(count.checked_mul(bytes).ok_or(Fault::Truncated)?)
            }
            Kind::Texts => {
                for _ in 0..self.elements(ELEMENT_BYTES)? {
                    self.field(Kind::Text)?;
                }
                Ok(())
            }
            Kind::Array(shape) => {
                for _ in 0..self.elements(ELEMENT_BYTES)? {
                    self.fields(shape)?;
                }
                Ok(())
            }
            Kind::Nullable(shape) => match self.cursor.i8().ok_or(Fault::Truncated)? {
                1 => self.fields(shape),
                _ => Ok(()),
            },
            Kind::Struct(shape) => self.fields(shape),
        }
    }

    /// The tagged fields at the end of a struct. The decoder reads those that it knows by their
    /// type, not by the size in front of them: both must agree, or it would go on elsewhere.
    fn tags(&mut self, known: &[(u32, Kind)]) -> Result<(), Fault> {
        if !self.flexible {
            return Ok(());
        }
        let count = self.cursor.unsigned_varint().ok_or(Fault::Truncated)?;
        self.tags = self.tags.saturating_add(count as usize);
        if self.tags > MOST_TAGS {
            return Err(Fault::TooManyTags);
        }
        for _ in 0..count {
            let tag = self.cursor.unsigned_varint().ok_or(Fault::Truncated)?;
            let size = self.cursor.unsigned_varint().ok_or(Fault::Truncated)? as usize;
            let before = self.cursor.remaining();
            match known.iter().find(|(number, _)| *number == tag) {
                None => self.skip(size)?,
                Some((_, kind)) => {
                    self.field(*kind)?;
                    if before.checked_sub(self.cursor.remaining()) != Some(size) {
                        return Err(Fault::TagSize { tag });
                    }
                }
            }
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Fault> {
        self.cursor.take(bytes).map(|_| ()).ok_or(Fault::Truncated)
    }

    fn text_length(&mut self) -> Result<usize, Fault> {
        if self.flexible {
            return self.count();
        }
        let length = self.cursor.i16().ok_or(Fault::Truncated)?;
        non_negative(i32::from(length))
    }

    /// A count or length; null counts as 0.
    fn count(&mut self) -> Result<usize, Fault> {
        if self.flexible {
            let count = self.cursor.unsigned_varint().ok_or(Fault::Truncated)?;
            return Ok((count as usize).saturating_sub(1));
        }
        non_negative(self.cursor.i32().ok_or(Fault::Truncated)?)
    }

    /// The count of an array whose elements take a byte or more each, and in memory as many as are
    /// given.
    fn elements(&mut self, in_memory: usize) -> Result<usize, Fault> {
        let count = self.count()?;
        self.admit(count)?;
        // Admitted, so it is no large number.
        self.decoded += count * in_memory;
        Ok(count)
    }

    fn admit(&mut self, count: usize) -> Result<(), Fault> {
        if count > self.cursor.remaining() {
            return Err(Fault::Truncated);
        }
        self.elements = self.elements.saturating_add(count);
        if self.elements > MOST_ELEMENTS {
            Err(Fault::TooMany)
        } else {
            Ok(())
        }
    }
}

/// -1 stands for null, which has no elements.
fn non_negative(length: i32) -> Result<usize, Fault> {
    match length {
        -1 => Ok(0),
        length => usize::try_from(length).map_err(|_| Fault::Truncated),
    }
}

#[cfg(test)]
mod tests;
