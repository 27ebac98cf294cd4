//! How large a payload may be.

use std::io;

use serde_json::Value;

/// A state's input or output is at most 256 KiB of UTF-8 (Step Functions' service quotas).
const MAX_PAYLOAD: usize = 262_144;

pub(super) fn fits(payload: &Value) -> bool {
    let mut room = Room(MAX_PAYLOAD);
    serde_json::to_writer(&mut room, payload).is_ok()
}

/// Counts down instead of writing: a payload is measured at every state.
struct Room(usize);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(io::ErrorKind::WriteZero)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_counts_bytes_of_utf8_with_the_quotes() {
        assert!(fits(&Value::from("x".repeat(MAX_PAYLOAD - 2))));
        assert!(!fits(&Value::from("x".repeat(MAX_PAYLOAD - 1))));
        assert!(!fits(&Value::from("é".repeat(MAX_PAYLOAD / 2))));
    }
}
