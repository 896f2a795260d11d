//! Lines of standard input, read on a thread of their own: a terminal or a pipe may block for ever.

use std::io::{self, BufRead, Read};

use bytes::Bytes;
use holdfast_runtime::{Class, Tasks};
use tokio::sync::mpsc;

/// The longest line; beyond what any topic takes by default, and small beside the memory here.
const LINE_BYTES: usize = 16 << 20;

/// Bytes after which lines are handed over together.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks on their way.
const CHUNKS: usize = 4;

/// Lines without their ends, or why reading failed.
pub(super) type Chunk = io::Result<Vec<Bytes>>;

/// Starts reading. The channel ends with the input.
pub(super) fn read(tasks: &Tasks) -> io::Result<mpsc::Receiver<Chunk>> {
    let (sender, receiver) = mpsc::channel(CHUNKS);
    tasks.spawn_thread("lines", Class::Job, move || {
        let mut input = io::BufReader::with_capacity(CHUNK_BYTES, io::stdin());
        loop {
            let chunk = next_chunk(&mut input);
            let last = chunk.as_ref().map_or(true, Vec::is_empty);
            if chunk.as_ref().is_ok_and(Vec::is_empty) || sender.blocking_send(chunk).is_err() {
                return;
            }
            if last {
                return;
            }
        }
    })?;
    Ok(receiver)
}

/// The lines that are there, at least one; none at the end of the input.
fn next_chunk<R: Read>(input: &mut io::BufReader<R>) -> Chunk {
    let mut lines = Vec::new();
    let mut bytes = 0;
    while bytes < CHUNK_BYTES {
        let Some(line) = next_line(input)? else {
            break;
        };
        bytes += line.len() + 1;
        lines.push(line);
        // What is not there yet may never come: a person types, or a pipe is slow.
        if !input.buffer().contains(&b'\n') {
            break;
        }
    }
    Ok(lines)
}

fn next_line<R: Read>(input: &mut io::BufReader<R>) -> io::Result<Option<Bytes>> {
    let mut line = Vec::new();
    let limit = LINE_BYTES as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
    } else if line.len() > LINE_BYTES {
        let reason = format!("a line has more than {LINE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(Some(line.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &[u8]) -> io::Result<Vec<Bytes>> {
        let mut input = io::BufReader::with_capacity(8, input);
        let mut all = Vec::new();
        loop {
            let chunk = next_chunk(&mut input)?;
            if chunk.is_empty() {
                return Ok(all);
            }
            all.extend(chunk);
        }
    }

    #[test]
    fn every_line_comes_once_whatever_it_holds() {
        assert_eq!(
            all(b"a\n\nlonger than the buffer\nx").unwrap(),
            [&b"a"[..], b"", b"longer than the buffer", b"x"]
        );
        assert_eq!(all(b"").unwrap(), Vec::<Bytes>::new());
        assert_eq!(all(&[0xff, b'\n', 0]).unwrap(), [&[0xff][..], &[0]]);
    }

    #[test]
    fn a_line_without_end_is_refused_before_it_fills_the_memory() {
        let endless = vec![b'x'; LINE_BYTES + 10];
        let error = all(&endless).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
