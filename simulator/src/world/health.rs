//! The health of targets: registering, health checks, draining.

use super::agenda::Due;
use super::load_balancer::Kind;
use super::target::{Phase, Registration, Target, TargetRef};
use super::target_group::TargetGroup;
use super::{EventKind, Task, TaskStatus, World};

impl World {
    /// Registers a target; registering one that is draining brings it back.
    pub(crate) fn register_target(&mut self, place: &Registration, zone: Option<&str>) {
        let generation = self.next_ordinal();
        let Some(group) = self.target_groups.get_mut(&place.group) else {
            return;
        };
        let key = place.key();
        let known = group.targets.get(&key);
        if known.is_some_and(|target| target.phase != Phase::Draining) {
            return;
        }
        let target = Target {
            id: place.id.clone(),
            port: place.port,
            zone: zone.map(str::to_owned),
            phase: Phase::Unused,
            generation,
            passed: 0,
            failed: 0,
            check_is_due: false,
        };
        group.targets.insert(key.clone(), target);
        self.record(EventKind::TargetRegistered {
            target_group: place.group.clone(),
            target: key.clone(),
        });
        self.begin_registration(&place.group, &key);
    }

    /// Begins what the load balancer does before its health checks, if one uses the group.
    fn begin_registration(&mut self, group: &str, key: &str) {
        let kinds = self.kinds_using(group).into_iter();
        let delays = kinds.map(|kind| match kind {
            Kind::Network => self.timings.nlb_registration_ms,
            Kind::Application => self.timings.alb_registration_ms,
        });
        let Some(delay) = delays.max() else {
            return;
        };
        let generation = self.next_ordinal();
        let Some(target) = self.target_mut(group, key) else {
            return;
        };
        target.phase = Phase::Registering;
        target.generation = generation;
        (target.passed, target.failed) = (0, 0);
        target.check_is_due = false;
        let delay = self.jittered(delay);
        let target = TargetRef {
            group: group.to_owned(),
            target: key.to_owned(),
            generation,
        };
        self.schedule_in(delay, Due::TargetRegistered(target));
    }

    pub(crate) fn target_registered(&mut self, at: &TargetRef) {
        let Some(target) = self.same_target(at) else {
            return;
        };
        target.phase = Phase::Checking;
        self.record(EventKind::TargetHealthChecking {
            target_group: at.group.clone(),
            target: at.target.clone(),
        });
        self.check_next(&at.group, &at.target);
    }

    /// The next health check, one interval from now, unless one is due already.
    fn check_next(&mut self, group: &str, key: &str) {
        let Some(known) = self.target_groups.get_mut(group) else {
            return;
        };
        let interval = known.health_check.interval_seconds;
        let Some(target) = known.targets.get_mut(key) else {
            return;
        };
        let checked = matches!(
            target.phase,
            Phase::Checking | Phase::Healthy | Phase::Unhealthy
        );
        if !checked || target.check_is_due || self.checked_outside {
            return;
        }
        target.check_is_due = true;
        let target = TargetRef {
            group: group.to_owned(),
            target: key.to_owned(),
            generation: target.generation,
        };
        self.schedule_in(interval * 1_000, Due::HealthCheck(target));
    }

    /// One health check of a target; whether its health is another after it.
    pub(crate) fn health_check(&mut self, at: &TargetRef) -> bool {
        if self.checked_outside {
            return false;
        }
        let task = self.task_at(&at.group, &at.target);
        let passes = task.is_some_and(|task| self.passes_health_checks(task));
        let Some(group) = self.target_groups.get_mut(&at.group) else {
            return false;
        };
        let check = &group.health_check;
        let same = |target: &&mut Target| target.generation == at.generation;
        let target = group.targets.get_mut(&at.target).filter(same);
        let Some(target) = target else {
            return false;
        };
        target.check_is_due = false;
        if passes {
            (target.passed, target.failed) = (target.passed + 1, 0);
        } else {
            (target.passed, target.failed) = (0, target.failed + 1);
        }
        let before = target.phase;
        if target.passed >= check.healthy_threshold {
            target.phase = Phase::Healthy;
        } else if target.failed >= check.unhealthy_threshold {
            target.phase = Phase::Unhealthy;
        }
        let after = target.phase;
        let decided = match after {
            Phase::Healthy => passes,
            Phase::Unhealthy => !passes,
            Phase::Unused | Phase::Registering | Phase::Checking | Phase::Draining => false,
        };
        if before != after {
            self.health_changed(&at.group, &at.target, after);
        }
        // What is decided is checked again when the task changes: see `task_health_changes`.
        if !decided {
            self.check_next(&at.group, &at.target);
        }
        before != after
    }

    pub(crate) fn health_changed(&mut self, group: &str, key: &str, phase: Phase) {
        let (target_group, target) = (group.to_owned(), key.to_owned());
        if phase == Phase::Healthy {
            self.record(EventKind::TargetHealthy {
                target_group,
                target,
            });
            return;
        }
        for clients in &mut self.clients {
            clients.target_became_unhealthy(&target_group, &target);
        }
        self.record(EventKind::TargetUnhealthy {
            target_group,
            target,
        });
        let Some(task) = self.task_at(group, key) else {
            return;
        };
        let service = self.service(&task.cluster, &task.service);
        let grace = service.map_or(0, |known| known.health_check_grace_period_seconds);
        let ignored_until = task.started_at_ms.unwrap_or(self.now_ms) + grace * 1_000;
        let due = Due::UnhealthyTask {
            task: task.arn.clone(),
            group: group.to_owned(),
        };
        self.schedule_in(ignored_until.saturating_sub(self.now_ms), due);
    }

    pub(crate) fn task_health_changes(&mut self, arn: &str) {
        let task = self.tasks.get(arn);
        let registrations = task.map(|task| task.registrations.clone());
        for place in registrations.unwrap_or_default() {
            self.check_next(&place.group, &place.key());
        }
        self.report_container_health(arn);
    }

    /// Deregisters a target: `draining` for the deregistration delay, and with an NLB at least for the time
    /// of its own that it takes, which is another for each. One that no listener uses has nothing to drain.
    pub(crate) fn deregister_target(&mut self, place: &Registration) {
        let least_ms = if self.kinds_using(&place.group).contains(&Kind::Network) {
            let most_ms = self.timings.nlb_deregistration_ms;
            self.between(most_ms * 2 / 5, most_ms)
        } else {
            0
        };
        let generation = self.next_ordinal();
        let group = self.target_groups.get(&place.group);
        let delay_ms = group.map_or(0, TargetGroup::deregistration_delay_seconds) * 1_000;
        let key = place.key();
        let Some(target) = self.target_mut(&place.group, &key) else {
            return;
        };
        match target.phase {
            Phase::Draining => return,
            Phase::Unused => {
                self.remove_target(&place.group, &key);
                return;
            }
            Phase::Registering | Phase::Checking | Phase::Healthy | Phase::Unhealthy => {}
        }
        target.phase = Phase::Draining;
        target.generation = generation;
        self.record(EventKind::TargetDraining {
            target_group: place.group.clone(),
            target: key.clone(),
        });
        let target = TargetRef {
            group: place.group.clone(),
            target: key,
            generation,
        };
        self.schedule_in(delay_ms.max(least_ms), Due::TargetDrained(target));
    }

    pub(crate) fn target_drained(&mut self, at: &TargetRef) {
        if self.same_target(at).is_some() {
            self.remove_target(&at.group, &at.target);
        }
    }

    pub(super) fn remove_target(&mut self, group: &str, key: &str) {
        let owner = self.task_at(group, key).map(|task| task.arn.clone());
        if let Some(group) = self.target_groups.get_mut(group) {
            group.targets.remove(key);
        }
        self.record(EventKind::TargetDeregistered {
            target_group: group.to_owned(),
            target: key.to_owned(),
        });
        if let Some(task) = owner {
            self.terminate_if_deregistered(&task);
        }
    }

    /// The group came into use, or went out of it: its targets start anew, or are no longer checked.
    pub(crate) fn use_changed(&mut self, group: &str, used: bool) {
        let Some(known) = self.target_groups.get(group) else {
            return;
        };
        let targets = known.targets.iter();
        let staying = targets.filter(|(_, target)| target.phase != Phase::Draining);
        let keys: Vec<_> = staying.map(|(key, _)| key.clone()).collect();
        for key in keys {
            if used {
                self.begin_registration(group, &key);
                continue;
            }
            let generation = self.next_ordinal();
            if let Some(target) = self.target_mut(group, &key) {
                target.phase = Phase::Unused;
                target.generation = generation;
                target.check_is_due = false;
            }
            self.record(EventKind::TargetUnused {
                target_group: group.to_owned(),
                target: key,
            });
        }
    }

    /// Whether ECS still waits for a target of the task to be `unused` or gone.
    pub(crate) fn is_registered(&self, task: &Task) -> bool {
        let mut places = task.registrations.iter();
        places.any(|place| !matches!(self.phase_of(place), None | Some(Phase::Unused)))
    }

    pub(crate) fn is_healthy(&self, place: &Registration) -> bool {
        self.phase_of(place) == Some(Phase::Healthy)
    }

    pub(crate) fn is_unhealthy(&self, place: &Registration) -> bool {
        self.phase_of(place) == Some(Phase::Unhealthy)
    }

    fn phase_of(&self, place: &Registration) -> Option<Phase> {
        let group = self.target_groups.get(&place.group)?;
        Some(group.targets.get(&place.key())?.phase)
    }

    pub(crate) fn task_at(&self, group: &str, key: &str) -> Option<&Task> {
        let mut tasks = self.tasks.at(group, key);
        tasks.find(|task| task.last_status != TaskStatus::Stopped)
    }

    fn target_mut(&mut self, group: &str, key: &str) -> Option<&mut Target> {
        self.target_groups.get_mut(group)?.targets.get_mut(key)
    }

    fn same_target(&mut self, at: &TargetRef) -> Option<&mut Target> {
        self.target_mut(&at.group, &at.target)
            .filter(|target| target.generation == at.generation)
    }
}
