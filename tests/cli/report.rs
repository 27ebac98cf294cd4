//! The pages that `--report` writes.

use crate::program::{Ran, assert_has, command, ebbtide, path, read, scratch, scratch_event};

#[test]
fn a_report_of_a_deployment_has_every_plot_and_changes_nothing_that_is_printed() {
    let clients = r#"{"clients": {"newConnectionsPerSecondPerTask": 100}}"#;
    scratch("reported.json", clients);
    let plain = "simulate events/sample.json --scenario @reported.json";
    let reported = ebbtide(&format!("{plain} --report @simulated.html"));
    assert_eq!(reported.done(), ebbtide(plain).done());
    let page = read("simulated.html");
    let parts = [
        "aria-label=\"States. Preflight from 0:00:00, ",
        "aria-label=\"Running tasks. original ecs-svc/",
        "aria-label=\"Healthy targets. original sample-external-deployment-tg-1; replacement ",
        "aria-label=\"Connections. original ecs-svc/",
        "aria-label=\"Reconnects a second. tries of clients that were cut, at most ",
        "\nScaleDown\n</text>",
        "\n10,000\n</text>",
        "SUCCEEDED: service sample-external-deployment runs",
        "simulate events/sample.json --scenario ",
        "seed 1",
    ];
    assert_has(&page, &parts);
    // Each for a screen, and for a phone.
    assert_eq!(page.matches("<svg ").count(), 10);
    assert_has(
        &page,
        &["\nswap\n</text>", "\nstep 1\n</text>", "\nstep 3\n</text>"],
    );
    assert_self_contained(&page);
}

#[test]
fn a_report_of_a_comparison_has_the_table_and_a_plot_for_every_way() {
    let printed = ebbtide("compare events/sample.json --report @compared.html").done();
    let page = read("compared.html");
    for way in ["all at once", "25 % every 60 s", "within 180 s"] {
        assert_has(&printed, &[way]);
        let cell = way.replace(" %", "\u{a0}%");
        assert_has(&page, &[&format!(">{cell}</th>"), &format!("\n{way}: ")]);
    }
    assert_has(&page, &["Recommended: ", "each with a scale of its own"]);
    assert_self_contained(&page);
}

#[test]
fn a_report_of_a_plan_has_its_plots_steps_and_warnings() {
    ebbtide("plan events/drain-within.json --deregistration-delay 1800 --report @planned.html")
        .done();
    let page = read("planned.html");
    let parts = [
        "aria-label=\"Tasks left. as planned, 3 at most\"",
        "aria-label=\"Reconnects a second. as planned, 500 at most\"",
        "1–4</td>",
        "limit: ",
        "Warning: ",
    ];
    assert_has(&page, &parts);
    assert_self_contained(&page);
}

#[test]
fn a_page_holds_nothing_of_a_hostile_name_as_markup() {
    let event = "<img src=x onerror=alert(1)>.json";
    scratch_event(event, "");
    let mut simulate = command("simulate --report @hostile.html");
    Ran::of(simulate.arg(path(event)).arg(path(event))).done();
    let page = read("hostile.html");
    assert!(!page.contains("<img"), "markup");
    assert_has(&page, &["&lt;img src=x onerror=alert(1)&gt;.json"]);
}

#[test]
fn a_day_of_seconds_is_a_report_below_a_megabyte() {
    // Five plots of a whole day; those of a comparison are drawn alike.
    scratch_event("day.json", r#", "drain": {"within": 80000}"#);
    ebbtide("simulate @day.json --tasks 60 --report @day.html").done();
    let bytes = read("day.html").len();
    assert!(bytes < 1_000_000, "{bytes}");
}

/// Nothing is loaded from anywhere, and nothing runs.
fn assert_self_contained(page: &str) {
    for part in "<script <link <img src= href= @import url(".split(' ') {
        assert!(!page.contains(part), "{part}");
    }
}
