//! A file that an option names, within a bound: it may be anything.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::limits::FILE_BYTES;

/// All of a regular file, or of what the caller of kamonline has opened (`/dev/stdin`, `<(...)` of a shell). A FIFO that
/// nobody writes to would be waited for.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let is_inherited = ["/dev/fd", "/dev/stdin", "/proc/self/fd"]
        .iter()
        .any(|place| path.starts_with(place));
    if !fs::metadata(path)?.is_file() && !is_inherited {
        return Err(io::Error::other("that is no regular file"));
    }
    read_all(File::open(path)?)
}

/// What somebody else has opened.
pub fn read_all(source: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(FILE_BYTES + 1).read_to_end(&mut text)?;
    match text.len() as u64 > FILE_BYTES {
        true => Err(io::Error::other("it is larger than 1 MiB")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_or_endless_is_refused() {
        let refused = |path: &Path| read(path).unwrap_err().to_string();
        assert_eq!(refused(Path::new("/dev/zero")), "that is no regular file");
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(FILE_BYTES).unwrap();
        assert_eq!(read(file.path()).unwrap().len() as u64, FILE_BYTES);
        file.as_file().set_len(6 << 30).unwrap();
        assert_eq!(refused(file.path()), "it is larger than 1 MiB");
    }
}
