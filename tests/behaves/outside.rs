//! Health and ends of tasks that a real load balancer and real processes report.

use ebbtide_simulator::World;
use ebbtide_simulator::world::TaskStatus;

use crate::support::{ALTERNATE, Stage, stage, wait};

const EXACT: &str = r#"{"tasks": 1, "timings": {"jitterPercent": 0}}"#;

/// A replacement whose target waits for its health checks, which are made elsewhere.
struct Waiting {
    stage: Stage,
    task_set: String,
    /// The group's ARN.
    group: String,
    target: String,
    task: String,
}

async fn waiting() -> Waiting {
    let stage = stage(EXACT);
    stage.aws.with_world(World::check_outside);
    let task_set = stage.create_replacement().await.id.expect("an id");
    wait(400).await;
    assert_eq!(
        stage.health(ALTERNATE).await,
        ["initial/Elb.InitialHealthChecking"]
    );
    let (group, target, task) = stage.aws.with_world(|world| {
        let mut groups = world.target_groups();
        let group = groups
            .find(|group| group.name.ends_with('2'))
            .expect("a group");
        let target = group.targets.keys().next().expect("a target");
        let task = world.tasks_of(&task_set)[0];
        (group.arn.clone(), target.clone(), task.arn.clone())
    });
    Waiting {
        stage,
        task_set,
        group,
        target,
        task,
    }
}

impl Waiting {
    fn check(&self, healthy: bool) {
        let aws = &self.stage.aws;
        aws.with_world(|world| world.target_checked(&self.group, &self.target, healthy));
    }

    fn end(&self) {
        self.stage
            .aws
            .with_world(|world| world.task_ended(&self.task));
    }

    fn status(&self) -> TaskStatus {
        self.stage.aws.with_world(|world| {
            let tasks = world.tasks_of(&self.task_set);
            let task = tasks.iter().find(|task| task.arn == self.task);
            task.expect("the task").last_status
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_is_as_healthy_as_it_is_reported() {
    let waiting = waiting().await;
    waiting.check(true);
    assert_eq!(waiting.stage.health(ALTERNATE).await, ["healthy"]);
    waiting.check(false);
    wait(1).await;
    let words = [&waiting.task_set, "failed ELB health checks"];
    Stage::when(&waiting.stage.events(), &words);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_by_itself_has_crashed() {
    let waiting = waiting().await;
    waiting.check(true);
    waiting.end();
    assert_eq!(waiting.status(), TaskStatus::Deprovisioning);
    Stage::when(&waiting.stage.events(), &["crashed"]);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_after_sigterm_has_stopped() {
    let waiting = waiting().await;
    waiting.stage.scale(&waiting.task_set, 0.0).await;
    while waiting.status() != TaskStatus::Stopping {
        wait(1).await;
    }
    waiting.end();
    assert_eq!(waiting.status(), TaskStatus::Deprovisioning);
}
