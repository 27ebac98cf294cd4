//! Points of a deployment at which it can wait for a person, or call a hook.

use std::fmt;

/// A point of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The service has been checked, and the replacement does not exist yet.
    BeforeCreate,
    /// The replacement is steady and healthy.
    AfterHealthy,
    /// The same: requests for tests reach it.
    TestTraffic,
    /// Traffic is about to move.
    BeforeSwap,
    /// A step of a traffic shift is over; without a shift, the one step that moves everything.
    EachShift,
    /// Traffic has moved, and the bake has not begun.
    AfterSwap,
    /// The bake is over, and no task of the original has gone.
    BeforeDrain,
    /// A step of the drain is due, from the second on.
    EachStep,
    /// No task of the original is left.
    AfterDrain,
    /// The deployment has failed, and what could be undone was.
    AfterRollback,
}

/// The lifecycle stages of ECS's own deployments, with the point that is each (AWS documentation). Of two at one
/// point, the last is the name that a hook gets.
pub const STAGES: [(&str, Point); 8] = [
    ("RECONCILE_SERVICE", Point::BeforeCreate),
    ("PRE_SCALE_UP", Point::BeforeCreate),
    ("POST_SCALE_UP", Point::AfterHealthy),
    ("TEST_TRAFFIC_SHIFT", Point::TestTraffic),
    ("POST_TEST_TRAFFIC_SHIFT", Point::TestTraffic),
    ("PRE_PRODUCTION_TRAFFIC_SHIFT", Point::BeforeSwap),
    ("PRODUCTION_TRAFFIC_SHIFT", Point::EachShift),
    ("POST_PRODUCTION_TRAFFIC_SHIFT", Point::AfterSwap),
];

impl Point {
    /// Every point, in the order of a deployment.
    pub const ALL: [Self; 10] = [
        Self::BeforeCreate,
        Self::AfterHealthy,
        Self::TestTraffic,
        Self::BeforeSwap,
        Self::EachShift,
        Self::AfterSwap,
        Self::BeforeDrain,
        Self::EachStep,
        Self::AfterDrain,
        Self::AfterRollback,
    ];

    /// Those at which a deployment can wait for a person.
    pub const OF_PAUSES: [Self; 4] = [
        Self::AfterHealthy,
        Self::BeforeSwap,
        Self::AfterSwap,
        Self::BeforeDrain,
    ];

    /// The value of `at` in the input.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BeforeCreate => "beforeCreate",
            Self::AfterHealthy => "afterHealthy",
            Self::TestTraffic => "testTraffic",
            Self::BeforeSwap => "beforeSwap",
            Self::EachShift => "eachShift",
            Self::AfterSwap => "afterSwap",
            Self::BeforeDrain => "beforeDrain",
            Self::EachStep => "eachStep",
            Self::AfterDrain => "afterDrain",
            Self::AfterRollback => "afterRollback",
        }
    }

    /// The point of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|point| point.as_str() == name)
    }

    /// The lifecycle stage that a hook there is called for: ECS's name, or one of its kind where ECS has none.
    pub(crate) fn stage(self) -> &'static str {
        let stages = STAGES.iter().rev();
        let stage = stages.clone().find(|(_, point)| *point == self);
        match (stage, self) {
            (Some((stage, _)), _) => stage,
            (None, Self::BeforeDrain) => "PRE_DRAIN",
            (None, Self::EachStep) => "DRAIN_STEP",
            (None, Self::AfterDrain) => "POST_DRAIN",
            (None, _) => "POST_ROLLBACK",
        }
    }

    /// Whether it comes before traffic has moved.
    pub(crate) fn is_before_the_swap(self) -> bool {
        self < Self::EachShift
    }

    /// Whether what happens there decides whether the deployment goes on.
    pub(crate) fn decides(self) -> bool {
        self < Self::AfterDrain
    }

    /// Whether a deployment comes to it more than once.
    pub(crate) fn repeats(self) -> bool {
        matches!(self, Self::EachShift | Self::EachStep)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
