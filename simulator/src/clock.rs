//! Simulated time.

use tokio::time::Instant;

/// Simulated time as a multiple of tokio's: of real time on the port, of virtual time where tokio's
/// clock is paused.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_at_ms: u64,
    speed: f64,
}

impl Clock {
    /// A clock that starts now, at `started_at_ms` simulated milliseconds. `speed` is simulated
    /// seconds a second; what is not a positive number counts as 1.
    pub fn start(started_at_ms: u64, speed: f64) -> Self {
        let usable = speed.is_finite() && speed > 0.0;
        Self {
            started: Instant::now(),
            started_at_ms,
            speed: if usable { speed } else { 1.0 },
        }
    }

    /// Simulated milliseconds: those it was started at, and those that have passed since.
    pub fn now_ms(&self) -> u64 {
        let simulated = self.started.elapsed().as_secs_f64() * self.speed;
        let simulated =
            std::time::Duration::try_from_secs_f64(simulated).unwrap_or(std::time::Duration::MAX);
        let passed = u64::try_from(simulated.as_millis()).unwrap_or(u64::MAX);
        self.started_at_ms.saturating_add(passed)
    }

    pub fn speed(&self) -> f64 {
        self.speed
    }
}
