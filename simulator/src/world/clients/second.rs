//! A second of the clients' life: connections end, clients try, tasks accept or refuse.

use std::collections::BTreeMap;

use super::chance::evenly;
use super::held::Fate;
use super::record::Second;
use super::routes::{Routes, number};
use super::settings::Wait;
use super::waiting::{Batch, Origin, Tries};
use super::{Clients, World};

#[derive(Debug)]
pub(super) struct View {
    routes: Routes,
    fates: Vec<Fate>,
    /// No connection ends but by its client.
    calm: bool,
}

impl Clients {
    /// Checks of the world, which stays as it is for at least a second.
    pub(super) fn check_at(&mut self, world: &World) -> View {
        self.chance.even = world.timings.jitter_percent == 0;
        self.held
            .retain(|held| held.connections > 0 || held.is_alive(world));
        let routes = self.routes(world);
        let fates = self.fates(world);
        let calm = fates.iter().all(|fate| *fate == Fate::Stay);
        View {
            routes,
            fates,
            calm,
        }
    }

    pub(super) fn live(&mut self, view: &mut View) {
        let trying = self.waiting.next();
        let at_s = (self.next_ms - self.begun_ms) / 1_000;
        let mut second = Second {
            at_s,
            ..Second::default()
        };
        let ends = self.scenario.lifetime_seconds.is_some() || !self.sent_away.is_empty();
        if !view.calm || ends {
            self.end_connections(view, &mut second);
        }
        let mut attempts_by_zone = vec![0; self.zones.len()];
        if !trying.is_empty() {
            self.connect(&view.routes, &trying, &mut second, &mut attempts_by_zone);
        }
        second.by_task_set.clone_from(&self.connected);
        self.report(second.attempts, &attempts_by_zone);
        self.record.push(second);
        self.next_ms += 1_000;
    }

    fn end_connections(&mut self, view: &mut View, second: &mut Second) {
        let now_ms = self.next_ms;
        // By how long ago they were, and by the group that their clients stay with.
        let mut cuts: BTreeMap<(u64, Option<usize>), u64> = BTreeMap::new();
        let mut ends: BTreeMap<Option<usize>, u64> = BTreeMap::new();
        let sent_away = self.sent_away();
        for ((held, fate), sent) in self.held.iter_mut().zip(&mut view.fates).zip(sent_away) {
            let cut = match *fate {
                Fate::Stay => 0,
                Fate::Cut { .. } => held.connections,
                Fate::CutUntil { until_ms } => {
                    let seconds_left = until_ms.saturating_sub(now_ms) / 1_000 + 1;
                    self.chance.some(held.connections, 1, seconds_left)
                }
            };
            let mut at_ms = now_ms - 1_000;
            // What is connected from now on was not meant.
            if let Fate::Cut { at_ms: moment } = *fate {
                at_ms = moment.clamp(at_ms, now_ms);
                *fate = Fate::Stay;
            }
            held.connections -= cut;
            let ended = self
                .scenario
                .lifetime_seconds
                .map_or(0, |seconds| self.chance.some(held.connections, 1, seconds));
            let ended = ended.max(sent.min(held.connections));
            held.connections -= ended;
            let sticky = view.routes.is_sticky(&held.group);
            let group = sticky.then(|| number(&mut self.sticky_groups, &held.group));
            if cut > 0 {
                *cuts.entry((now_ms - at_ms, group)).or_insert(0) += cut;
            }
            *ends.entry(group).or_insert(0) += ended;
            // A saved world may have been edited.
            let connected = &mut self.connected[held.task_set];
            *connected = connected.saturating_sub(cut + ended);
            let in_zone = &mut self.connected_by_zone[held.zone];
            *in_zone = in_zone.saturating_sub(cut + ended);
            second.cut += cut;
            second.ended += ended;
        }
        view.calm = view.fates.iter().all(|fate| *fate == Fate::Stay);
        let since_s = self.now_s();
        let like = |group| Tries {
            since_s,
            group,
            ..Tries::default()
        };
        let wait = self.scenario.first_wait();
        for ((ago_ms, group), cut) in cuts {
            self.wait(Origin::Cut, like(group), cut, wait.from(ago_ms));
        }
        for (group, ended) in ends {
            self.wait(Origin::Ended, like(group), ended, wait);
        }
    }

    /// How many connections of each place their application ends in this second: of a task set's, evenly.
    fn sent_away(&self) -> Vec<u64> {
        let mut sent = vec![0; self.held.len()];
        for (task_set, per_second) in &self.sent_away {
            let places = self.held.iter().enumerate();
            let places = places.filter(|(_, held)| held.task_set == *task_set);
            let (places, weights): (Vec<_>, Vec<_>) = places
                .map(|(place, held)| (place, held.connections))
                .unzip();
            let all: u64 = weights.iter().sum();
            if all == 0 {
                continue;
            }
            for (place, share) in places
                .into_iter()
                .zip(evenly(all.min(*per_second), &weights))
            {
                sent[place] = share;
            }
        }
        sent
    }

    /// The second that is lived through, in seconds since the Unix epoch.
    pub(super) fn now_s(&self) -> u64 {
        self.next_ms / 1_000
    }

    /// Has clients like those try again.
    fn wait(&mut self, origin: Origin, like: Tries, clients: u64, wait: Wait) {
        if clients > 0 {
            let number = |seconds| usize::try_from(seconds).unwrap_or(usize::MAX);
            let shares = match wait.weights() {
                Some(weights) => self.chance.by_weight(clients, &weights),
                None => self.chance.among(clients, number(wait.among)),
            };
            self.waiting.add(origin, like, number(wait.after), &shares);
        }
    }

    /// Has clients try: the listeners choose a group (or the client has one already), the group a target, and the
    /// target accepts or refuses.
    fn connect(
        &mut self,
        routes: &Routes,
        trying: &Batch,
        second: &mut Second,
        attempts_by_zone: &mut [u64],
    ) {
        second.reconnects = trying.iter().map(|tries| tries.cut).sum();
        let others: u64 = trying.iter().map(|tries| tries.ended).sum();
        second.attempts = second.reconnects + others;
        if second.attempts == 0 {
            return;
        }
        self.attempts.resize(self.task_sets.len(), 0);
        let most = self.scenario.new_connections_per_second_per_task;
        let (free, stuck) = self.by_stickiness(routes, trying);
        let weights = routes.weights(self.next_ms);
        let by_group = match count(&free) {
            0 => vec![0; weights.len()],
            attempts => self.chance.by_weight(attempts, &weights),
        };
        let mut refused = by_group[routes.groups.len()];
        for (number, targets) in routes.groups.iter().enumerate() {
            let stuck = stuck.get(&number);
            let stuck_attempts = stuck.map_or(0, count);
            let attempts = by_group[number] + stuck_attempts;
            if attempts == 0 {
                continue;
            }
            let mut accepted_in_all = 0;
            let by_target = match targets.len() {
                0 => Vec::new(),
                targets => self.chance.among(attempts, targets),
            };
            for (target, attempts) in targets.iter().zip(by_target) {
                let Some(held) = target.map(|place| &mut self.held[place]) else {
                    continue;
                };
                let accepted = most.map_or(attempts, |most| attempts.min(most));
                held.connections += accepted;
                self.connected[held.task_set] += accepted;
                self.connected_by_zone[held.zone] += accepted;
                attempts_by_zone[held.zone] += attempts;
                self.attempts[held.task_set] += attempts;
                self.record.bear(held.task_set, attempts, held.connections);
                accepted_in_all += accepted;
            }
            let shares = evenly(
                attempts - accepted_in_all,
                &[by_group[number], stuck_attempts],
            );
            refused += shares[0];
            second.refused += shares[1];
            if let Some(stuck) = stuck {
                self.back_off(stuck, shares[1]);
            }
        }
        // Those that reach no target come in at the load balancer's nodes as well.
        let lost = second.attempts - attempts_by_zone.iter().sum::<u64>();
        let lost_by_zone = evenly(lost, &vec![1; attempts_by_zone.len()]);
        for (attempts, lost) in attempts_by_zone.iter_mut().zip(lost_by_zone) {
            *attempts += lost;
        }
        second.refused += refused;
        self.back_off(&free, refused);
    }

    /// Those that any group may get, and those that stay with one, by its number among the routes.
    fn by_stickiness(&self, routes: &Routes, trying: &Batch) -> (Batch, BTreeMap<usize, Batch>) {
        let (mut free, mut stuck) = (Batch::new(), BTreeMap::<usize, Batch>::new());
        for tries in trying {
            let without = self.now_s().saturating_sub(tries.since_s);
            let group = tries.group.map(|group| &self.sticky_groups[group]);
            match group.and_then(|group| routes.keep(group, without)) {
                Some(number) => stuck.entry(number).or_default().push(*tries),
                None => free.push(*tries),
            }
        }
        (free, stuck)
    }

    /// Has those who were refused wait longer than before: everyone was refused as likely.
    fn back_off(&mut self, trying: &Batch, refused: u64) {
        let counts: Vec<u64> = trying
            .iter()
            .flat_map(|tries| [tries.cut, tries.ended])
            .collect();
        let shares = evenly(refused, &counts);
        let most = self.scenario.backoff.most_refusals();
        for (tries, shares) in trying.iter().zip(shares.chunks_exact(2)) {
            if tries.cut > shares[0] {
                let without = self.now_s().saturating_sub(tries.since_s);
                let longest = &mut self.record.longest_without;
                *longest = without.max(*longest);
            }
            let refusals = (tries.refusals + 1).min(most);
            let wait = self.scenario.backoff.wait(refusals);
            let like = Tries { refusals, ..*tries };
            self.wait(Origin::Cut, like, shares[0], wait);
            self.wait(Origin::Ended, like, shares[1], wait);
        }
    }
}

fn count(batch: &Batch) -> u64 {
    batch.iter().map(|tries| tries.cut + tries.ended).sum()
}
