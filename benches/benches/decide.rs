//! One decision of each step.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ebbtide_controller::deployment::{Deployment, Plan, Progress};
use ebbtide_controller::refusal::Refusal;
use ebbtide_controller::turn::Next;
use ebbtide_controller::world::World;
use ebbtide_controller::{
    cleanup, create, finish_swap, leftovers, preflight, ready, rollback, scale_down, swap,
};
use ebbtide_properties::{Scene, Stage};

type Decide = fn(&World, &Plan, &Progress) -> Result<Next, Refusal>;

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    let mut time = |name: &str, stage, next: Decide| {
        let scene = Scene::at(stage);
        group.bench_function(name, |bencher| {
            let Deployment { plan, progress, .. } = &scene.deployment;
            bencher.iter(|| {
                next(
                    black_box(&scene.world),
                    black_box(plan),
                    black_box(progress),
                )
            });
        });
    };
    time("leftovers", Stage::Serving, leftovers::next);
    time("finish-swap", Stage::Committed, finish_swap::next);
    time("create", Stage::Serving, |world, plan, _| {
        create::next(world, plan)
    });
    time("ready", Stage::Created, ready::next);
    time("swap", Stage::Healthy, swap::next);
    time("scale-down", Stage::Swapped, scale_down::next);
    time("cleanup", Stage::Drained, cleanup::next);
    time("rollback", Stage::Swapped, rollback::next);
    let scene = Scene::at(Stage::Serving);
    group.bench_function("preflight", |bencher| {
        bencher.iter(|| {
            let plan = &scene.deployment.plan;
            preflight::check(
                black_box(&plan.id),
                black_box(&plan.request),
                black_box(&scene.world),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
