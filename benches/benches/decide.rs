//! One decision of each step.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ebbtide_controller::decision::Decision;
use ebbtide_controller::deployment::Deployment;
use ebbtide_controller::observation::Observation;
use ebbtide_controller::{
    cleanup, create, finish_swap, leftovers, preflight, ready, rollback, scale_down, swap,
};
use ebbtide_properties::{Scene, Stage};

type Decide = fn(&Observation, &Deployment) -> Decision;

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    let mut time = |name: &str, stage, decide: Decide| {
        let scene = Scene::at(stage);
        group.bench_function(name, |bencher| {
            bencher.iter(|| decide(black_box(&scene.observation), black_box(&scene.deployment)));
        });
    };
    time("leftovers", Stage::Serving, leftovers::decide);
    time("finish-swap", Stage::Committed, finish_swap::decide);
    time("create", Stage::Serving, create::decide);
    time("ready", Stage::Created, ready::decide);
    time("swap", Stage::Healthy, swap::decide);
    time("scale-down", Stage::Swapped, scale_down::decide);
    time("cleanup", Stage::Drained, cleanup::decide);
    time("rollback", Stage::Swapped, rollback::decide);
    let scene = Scene::at(Stage::Serving);
    group.bench_function("preflight", |bencher| {
        bencher.iter(|| {
            let deployment = &scene.deployment;
            preflight::check(
                black_box(&deployment.id),
                black_box(&deployment.request),
                black_box(&scene.observation),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
