//! Program versions as members announce them.

use std::fmt;
use std::str::FromStr;

/// Version of a program, compared by all four parts (cluster-protocol §3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Major number.
    pub major: i32,
    /// Minor number.
    pub minor: i32,
    /// Patch number.
    pub patch: i32,
    /// What follows the hyphen, such as `SNAPSHOT`; none for a release.
    pub pre_release: Option<String>,
}

impl Version {
    /// A release.
    #[must_use]
    pub const fn new(major: i32, minor: i32, patch: i32) -> Self {
        Self { major, minor, patch, pre_release: None }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        match &self.pre_release {
            Some(text) => write!(f, "-{text}"),
            None => Ok(()),
        }
    }
}

/// Text is not `major.minor.patch[-pre]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of the form major.minor.patch")]
pub struct InvalidVersion(pub String);

impl FromStr for Version {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let invalid = || InvalidVersion(text.to_owned());
        // Build metadata after a plus is not compared and not sent.
        let plain = text.split('+').next().unwrap_or(text);
        let (numbers, pre_release) = match plain.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(pre.to_owned())),
            None => (plain, None),
        };
        let mut parts = numbers.split('.').map(str::parse::<u16>);
        let mut next = || parts.next().and_then(Result::ok).map(i32::from).ok_or_else(invalid);
        let (major, minor, patch) = (next()?, next()?, next()?);
        match parts.next() {
            None => Ok(Self { major, minor, patch, pre_release }),
            Some(_) => Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        assert_eq!("8.6.0".parse(), Ok(Version::new(8, 6, 0)));
        let snapshot: Version = "8.7.1-SNAPSHOT+abc".parse().unwrap();
        assert_eq!(snapshot.to_string(), "8.7.1-SNAPSHOT");
        for text in ["", "8", "8.6", "8.6.x", "8.6.0.1", "-1.0.0"] {
            assert_eq!(text.parse::<Version>(), Err(InvalidVersion(text.to_owned())));
        }
    }
}
