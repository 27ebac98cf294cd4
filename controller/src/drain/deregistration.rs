//! How long a target takes to be deregistered.

/// Seconds from a step until a task that it removes gets SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deregistration {
    /// The target group's deregistration delay.
    pub delay: u32,
    /// The least that it takes.
    pub least: u32,
    /// The most that it takes.
    pub most: u32,
}

/// The time that a Network Load Balancer takes even if the delay is shorter, unevenly: two to five minutes
/// (AWS guidance; field reports).
pub const OF_A_NETWORK_LOAD_BALANCER: (u32, u32) = (120, 300);

impl Deregistration {
    /// Of a group with that delay: behind a Network Load Balancer, the larger of the delay and what the
    /// load balancer takes.
    pub fn new(delay: u32, is_network: bool) -> Self {
        let (least, most) = if is_network {
            OF_A_NETWORK_LOAD_BALANCER
        } else {
            (0, 0)
        };
        Self {
            delay,
            least: delay.max(least),
            most: delay.max(most),
        }
    }

    /// Seconds by which the tasks of one step may end apart from one another, and those of several steps
    /// together.
    pub fn spread(self) -> u32 {
        self.most - self.least
    }
}
