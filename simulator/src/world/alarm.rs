//! CloudWatch alarms: states that change when a scenario says so.

use serde::{Deserialize, Serialize};

use super::agenda::Due;
use super::name::page;
use super::{ApiError, EventKind, Page, World};

/// An alarm. Only its state is simulated, not what it watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Its name, unique in account and region over both types.
    pub name: String,
    pub alarm_type: AlarmType,
    pub state: AlarmState,
    pub(crate) state_updated_at_ms: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AlarmType {
    #[default]
    MetricAlarm,
    CompositeAlarm,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AlarmState {
    #[default]
    Ok,
    Alarm,
    InsufficientData,
}

impl AlarmState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct DescribeAlarms {
    /// At most 100. An empty list is no filter: every alarm of the account is described.
    pub(crate) alarm_names: Vec<String>,
    /// Without it, metric alarms only are described.
    pub(crate) alarm_types: Vec<AlarmType>,
    pub(crate) state_value: Option<AlarmState>,
    /// Alarms on a page, 1 to 100.
    pub max_records: Option<usize>,
    pub next_token: Option<String>,
}

/// The most names in one request, and the most alarms on one page (Model).
const MOST: usize = 100;

impl World {
    /// Makes an alarm, or gives one a state.
    pub fn put_alarm(
        &mut self,
        name: &str,
        alarm_type: AlarmType,
        state: AlarmState,
    ) -> Result<(), ApiError> {
        if name.is_empty() || name.chars().count() > 255 {
            let message = format!("an alarm's name has 1 to 255 characters: '{name}'");
            return Err(ApiError::validation(message));
        }
        let alarm = Alarm {
            name: name.to_owned(),
            alarm_type,
            state,
            state_updated_at_ms: self.now_ms,
        };
        self.alarms.insert(name.to_owned(), alarm);
        Ok(())
    }

    pub fn delete_alarm(&mut self, name: &str) {
        self.alarms.remove(name);
    }

    /// Has an alarm change its state, in that many milliseconds. One that is not there by then does
    /// nothing.
    pub fn change_alarm_in(&mut self, delay_ms: u64, name: &str, state: AlarmState) {
        let alarm = name.to_owned();
        self.schedule_in(delay_ms, Due::AlarmChanges { alarm, state });
    }

    pub(crate) fn alarm_changes(&mut self, name: &str, state: AlarmState) {
        let now_ms = self.now_ms;
        let Some(alarm) = self.alarms.get_mut(name) else {
            return;
        };
        if alarm.state == state {
            return;
        }
        alarm.state = state;
        alarm.state_updated_at_ms = now_ms;
        self.record(EventKind::AlarmChanged {
            alarm: name.to_owned(),
            state: state.as_str().to_owned(),
        });
    }

    /// `DescribeAlarms`: metric alarms before composite ones, by name. Names of alarms that do not exist are
    /// omitted silently.
    pub fn describe_alarms(&self, request: &DescribeAlarms) -> Result<Page<&Alarm>, ApiError> {
        let names = &request.alarm_names;
        if names.len() > MOST {
            return Err(ApiError::validation(format!(
                "Value '{} names' at 'alarmNames' failed to satisfy constraint: Member must have \
                 length less than or equal to {MOST}",
                names.len()
            )));
        }
        let size = request.max_records.unwrap_or(self.limits.alarms_page);
        if !(1..=MOST).contains(&size) {
            return Err(ApiError::validation(format!(
                "Value '{size}' at 'maxRecords' failed to satisfy constraint: Member must have \
                 value from 1 to {MOST}"
            )));
        }
        let types: &[AlarmType] = match &request.alarm_types[..] {
            [] => &[AlarmType::MetricAlarm],
            types => types,
        };
        let mut found: Vec<&Alarm> = self
            .alarms
            .values()
            .filter(|alarm| names.is_empty() || names.contains(&alarm.name))
            .filter(|alarm| types.contains(&alarm.alarm_type))
            .filter(|alarm| request.state_value.is_none_or(|state| state == alarm.state))
            .collect();
        found.sort_by_key(|alarm| alarm.alarm_type);
        let token = request.next_token.as_deref();
        page(found, token, size, ApiError::invalid_next_token)
    }

    pub fn alarm(&self, name: &str) -> Option<&Alarm> {
        self.alarms.get(name)
    }
}
