//! The lists of addresses that callers and their resolvers have, and when they get new ones.

use serde::{Deserialize, Serialize};

use super::{Caller, Callers, Discovery};
use crate::world::{Registry, World};

/// What one caller's requests weigh: divisible by every number of addresses in a DNS answer.
const WEIGHT: u64 = 840 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lists {
    all: Vec<List>,
    /// Numbers of lists that are no longer anywhere.
    free: Vec<usize>,
    /// By address: how much of the requests go there.
    weights: Vec<u64>,
    /// Whether callers have other lists since the weights were counted.
    changed: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct List {
    addresses: Vec<usize>,
    /// Callers that send by it.
    callers: u64,
    /// Those and resolvers.
    holders: u64,
}

impl Lists {
    pub(super) fn add(&mut self, addresses: Vec<usize>) -> usize {
        let list = List {
            addresses,
            ..List::default()
        };
        if let Some(number) = self.free.pop() {
            self.all[number] = list;
            return number;
        }
        self.all.push(list);
        self.all.len() - 1
    }

    fn hold(&mut self, number: usize, callers: u64) {
        let list = &mut self.all[number];
        list.holders += 1;
        list.callers += callers;
        self.changed |= callers > 0;
    }

    fn drop(&mut self, number: usize, callers: u64) {
        let list = &mut self.all[number];
        list.holders -= 1;
        list.callers -= callers;
        if list.holders == 0 {
            self.free.push(number);
        }
    }

    /// A holder takes another list, as one of so many callers or, with 0, as a resolver.
    fn change(&mut self, held: &mut usize, number: usize, callers: u64) {
        if *held != number {
            self.hold(number, callers);
            self.drop(*held, callers);
            *held = number;
        }
    }

    fn is_empty(&self, number: usize) -> bool {
        self.all[number].addresses.is_empty()
    }

    fn has(&self, number: usize, addresses: &[usize]) -> bool {
        self.all[number].addresses == addresses
    }

    /// How many callers have no address.
    pub(super) fn callers_of_none(&self) -> u64 {
        let empty = self.all.iter().filter(|list| list.addresses.is_empty());
        empty.map(|list| list.callers).sum()
    }

    /// How much of the requests go to each of that many addresses.
    pub(super) fn weights(&mut self, addresses: usize) -> &[u64] {
        if self.changed {
            self.weights.clear();
            self.changed = false;
            self.weights.resize(addresses, 0);
            for list in self.all.iter().filter(|list| list.callers > 0) {
                let each = WEIGHT * list.callers / list.addresses.len().max(1) as u64;
                for address in &list.addresses {
                    self.weights[*address] += each;
                }
            }
        }
        self.weights.resize(addresses, 0);
        &self.weights
    }
}

impl Callers {
    /// All begin with an answer of now.
    pub(super) fn settle(&mut self, world: &World) {
        self.discover(world);
        let Some(registry) = world.registry(&self.registry) else {
            return;
        };
        let (period_s, ttl_s) = self.periods(registry);
        for _ in 0..self.scenario.callers {
            let list = match (self.scenario.discovery, self.all.last()) {
                (Discovery::Api, Some(other)) => other.list,
                (Discovery::Api | Discovery::Dns, _) => self.answer(registry),
            };
            self.lists.hold(list, 1);
            self.lists.hold(list, 0);
            let caller = Caller {
                at_s: self.chance.below(period_s),
                list,
                resolver_at_s: self.chance.below(ttl_s),
                resolver_list: list,
            };
            self.all.push(caller);
        }
    }

    /// After how many seconds callers, and their resolvers, ask again.
    fn periods(&self, registry: &Registry) -> (u64, u64) {
        let ttl_s = registry.ttl_seconds();
        (self.scenario.cache_seconds.max(1), ttl_s.max(1))
    }

    /// What discovery answers now.
    fn answer(&mut self, registry: &Registry) -> usize {
        let addresses = match self.scenario.discovery {
            Discovery::Api => self.discovered.clone(),
            Discovery::Dns => {
                let (all, most) = (self.discovered.len(), registry.most_addresses());
                let chosen = self.chance.choose(all, most).into_iter();
                chosen.map(|place| self.discovered[place]).collect()
            }
        };
        self.lists.add(addresses)
    }

    /// Those whose moment it is get new lists. A caller without any address asks again every second.
    pub(super) fn refresh(&mut self, registry: Option<&Registry>) {
        let Some(registry) = registry else {
            return;
        };
        let at_s = self.next_ms / 1_000;
        let (period_s, ttl_s) = self.periods(registry);
        let by_dns = self.scenario.discovery == Discovery::Dns;
        // The answer to all who ask the API in this second.
        let mut of_api = None;
        for place in 0..self.all.len() {
            let mut caller = self.all[place];
            let of_resolver = caller.resolver_list;
            if by_dns && (at_s % ttl_s == caller.resolver_at_s || self.lists.is_empty(of_resolver))
            {
                let answer = self.answer(registry);
                self.lists.change(&mut caller.resolver_list, answer, 0);
            }
            if at_s % period_s == caller.at_s || self.lists.is_empty(caller.list) {
                let answer = if by_dns {
                    caller.resolver_list
                } else if self.lists.has(caller.list, &self.discovered) {
                    caller.list
                } else {
                    *of_api.get_or_insert_with(|| self.lists.add(self.discovered.clone()))
                };
                self.lists.change(&mut caller.list, answer, 1);
            }
            self.all[place] = caller;
        }
    }
}
