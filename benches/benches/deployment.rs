//! A whole simulated deployment: the shipped state machine, the real functions, the real SDK.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

use benches::{deploy, world};

fn deployments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deployment");
    group.sample_size(10);
    for tasks in [1, 40, 500, 5_000] {
        let world = world(tasks, None);
        group.bench_function(BenchmarkId::new("tasks", tasks), |bencher| {
            bencher.iter_batched(|| world.clone(), deploy, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group!(benches, deployments);
criterion_main!(benches);
