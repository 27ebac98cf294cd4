//! The simulated AWS behaves as `AWS_FACTS.md` says. One file an idea; [`support`] is the stage.

mod alarms;
mod alarms_and_metrics_over_cbor;
mod clients;
mod clients_stage;
mod connections;
mod conservation;
mod events;
mod executions;
mod faults;
mod health;
mod integrations;
mod listeners;
mod metrics;
mod pages;
mod primary;
mod refusals;
mod replay;
mod rules;
mod scale;
mod scenarios;
mod services;
mod speaking;
mod support;
mod tables;
mod task_sets;
mod tasks;
