//! A password from a file: its first line.

use std::fmt::Display;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::file;
use crate::failure::Failure;

/// Never shown.
pub struct Password {
    pub text: String,
    /// About the file, for the administrator.
    pub warning: Option<String>,
}

impl Password {
    /// Without a byte order mark, and without the line's end: LF, CR LF or CR.
    pub fn read(option: &str, path: &Path) -> Result<Self, Failure> {
        let unusable =
            |why: &dyn Display| Failure::usage(format!("{option} {}: {why}", path.display()));
        let text = file::read(path).map_err(|error| match error.kind() {
            // Its name is not told: it may be the password itself.
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidFilename => {
                Failure::usage(format!("{option}: no such file"))
                    .hint("give the name of a file whose first line is the password")
            }
            _ => unusable(&error),
        })?;
        let text = String::from_utf8(text).map_err(|_| unusable(&"it is not UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let first = text.split(['\n', '\r']).next().unwrap_or_default();
        if first.is_empty() {
            return Err(unusable(&"its first line is empty"));
        }
        Ok(Self {
            text: first.to_owned(),
            warning: warning_of_readers(option, path),
        })
    }

    /// What to look at when a server does not accept it.
    pub fn doubt(text: &str) -> &'static str {
        match text.ends_with(char::is_whitespace) {
            true => "; the password as given ends with a space",
            false => "",
        }
    }
}

/// The warning that other users can read a file with a secret in it.
pub fn warning_of_readers(option: &str, file: &Path) -> Option<String> {
    let everybody_reads =
        |data: fs::Metadata| data.is_file() && data.permissions().mode() & 0o004 > 0;
    fs::metadata(file).is_ok_and(everybody_reads).then(|| {
        format!(
            "{option} {}: everybody on this machine can read it (chmod o-r)",
            file.display()
        )
    })
}
