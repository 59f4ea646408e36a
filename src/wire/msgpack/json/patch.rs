//! Putting right what one pass cannot know: sizes of big containers, and duplicate entries.
//!
//! The converter writes a one-byte header for every container and fills in its size at the end.
//! Sizes from 16 on need a longer header; those and removed entries are noted here and applied at
//! once, so that each byte moves at most twice whatever the nesting.

/// Changes to make to converted MsgPack. Offsets are those of the unpatched bytes.
#[derive(Default)]
pub(super) struct Patches {
    /// Offset and size of containers whose header is too short.
    large: Vec<(u32, u32)>,
    /// Ranges to remove; one may contain others.
    dead: Vec<(u32, u32)>,
}

impl Patches {
    /// The container whose header is at `at` has 16 entries or more.
    pub fn enlarge(&mut self, at: u32, size: u32) {
        self.large.push((at, size));
    }

    /// The bytes `start..end` are superseded.
    pub fn remove(&mut self, start: u32, end: u32) {
        self.dead.push((start, end));
    }

    /// Makes the changes.
    pub fn apply(mut self, out: &mut Vec<u8>) {
        // Noted at the end of each container, so inner ones come before outer ones.
        self.large.sort_unstable();
        if !self.dead.is_empty() {
            self.dead.sort_unstable();
            self.compact(out);
        }
        if !self.large.is_empty() {
            self.expand(out);
        }
    }

    /// Moves what stays over what goes, front to back, and the noted headers with it.
    fn compact(&mut self, out: &mut Vec<u8>) {
        let mut kept = 0;
        let mut read = 0;
        let mut headers = std::mem::take(&mut self.large).into_iter().peekable();
        let end = out.len() as u32;
        for (start, stop) in self.dead.iter().copied().chain([(end, end)]) {
            if start < read {
                continue;
            }
            while let Some((at, size)) = headers.next_if(|(at, _)| *at < start) {
                self.large.push((at - read + kept, size));
            }
            out.copy_within(read as usize..start as usize, kept as usize);
            kept += start - read;
            read = stop;
            while headers.next_if(|(at, _)| *at < stop).is_some() {}
        }
        out.truncate(kept as usize);
    }

    /// Makes room for long headers, back to front.
    fn expand(&self, out: &mut Vec<u8>) {
        let mut read_end = out.len();
        let extra: usize = self.large.iter().map(|(_, size)| header_len(*size) - 1).sum();
        out.reserve_exact(extra);
        out.resize(read_end + extra, 0);
        let mut write_end = out.len();
        for (at, size) in self.large.iter().rev() {
            let at = *at as usize;
            let is_map = out[at] == super::from_json::EMPTY_MAP;
            let content = read_end - (at + 1);
            write_end -= content;
            out.copy_within(at + 1..read_end, write_end);
            write_end -= header_len(*size);
            let header = &mut out[write_end..];
            match u16::try_from(*size) {
                Ok(size) => {
                    header[0] = if is_map { 0xde } else { 0xdc };
                    header[1..3].copy_from_slice(&size.to_be_bytes());
                }
                Err(_) => {
                    header[0] = if is_map { 0xdf } else { 0xdd };
                    header[1..5].copy_from_slice(&size.to_be_bytes());
                }
            }
            read_end = at;
        }
    }
}

const fn header_len(size: u32) -> usize {
    if size <= u16::MAX as u32 { 3 } else { 5 }
}
