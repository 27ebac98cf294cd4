//! An hour in the life of clients: how it grows with connections, and with the tasks that hold them.

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

use benches::world;

fn connections(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("an hour of connections");
    group.sample_size(10);
    for (tasks, of_a_task) in [(40, 250), (40, 2_500), (40, 25_000), (500, 2_000)] {
        let world = world(tasks, Some(of_a_task));
        let name = BenchmarkId::from_parameter(format!(
            "{} over {tasks} tasks",
            u64::from(tasks) * of_a_task
        ));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || world.clone(),
                |mut world| {
                    world.advance_to(world.now() + 3_600_000);
                    world
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, connections);
criterion_main!(benches);
