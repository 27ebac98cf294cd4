//! Simulated time.

use tokio::time::Instant;

/// Simulated time as a multiple of tokio's: of real time on the port, of virtual time where tokio's
/// clock is paused.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    speed: f64,
}

impl Clock {
    /// A clock that starts now. `speed` is simulated seconds a second; what is not a positive
    /// number counts as 1.
    pub fn start(speed: f64) -> Self {
        let usable = speed.is_finite() && speed > 0.0;
        Self {
            started: Instant::now(),
            speed: if usable { speed } else { 1.0 },
        }
    }

    /// Simulated milliseconds since the clock was started.
    pub fn now_ms(&self) -> u64 {
        let simulated = self.started.elapsed().as_secs_f64() * self.speed;
        let simulated =
            std::time::Duration::try_from_secs_f64(simulated).unwrap_or(std::time::Duration::MAX);
        u64::try_from(simulated.as_millis()).unwrap_or(u64::MAX)
    }

    /// Simulated seconds a second.
    pub fn speed(&self) -> f64 {
        self.speed
    }
}
