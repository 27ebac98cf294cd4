//! What Cloud Map, `CreateTaskSet` and a scenario refuse of a registry.

use ebbtide_simulator::world::ServiceRegistry;
use ebbtide_simulator::{Names, Scenario};
use serde_json::json;

use crate::registries::{ask, healths, instances, registered, registry, world};
use crate::support::{cases, scenario};

#[test]
fn cloud_map_refuses_by_the_names_of_its_model() {
    let mut world = world(&json!({"tasks": 1, "registry": {"customHealth": false}}));
    let id = instances(&mut world)[0]["Id"].clone();
    let srv = registry(&world);
    for (case, words) in cases(
        r#"
["ListInstances", {}] => InvalidInput: missing field `ServiceId`
["ListInstances", {"ServiceId": "SRV", "Filter": 1}] => InvalidInput: unknown field `Filter`
["ListInstances", {"ServiceId": "SRV", "MaxResults": 101}] => InvalidInput: MaxResults is from 1 to 100
["ListInstances", {"ServiceId": "SRV", "NextToken": "elsewhere"}] => InvalidInput: The NextToken
["ListInstances", {"ServiceId": "srv-elsewhere"}] => ServiceNotFound
["ListInstances", {"ServiceId": "arn:aws:servicediscovery:eu-west-1:1:service/SRV"}] => ServiceNotFound
["GetInstancesHealthStatus", {"ServiceId": "srv-elsewhere"}] => ServiceNotFound
["GetInstancesHealthStatus", {"ServiceId": "SRV", "Instances": []}] => InvalidInput: Instances
["GetInstancesHealthStatus", {"ServiceId": "SRV", "Instances": ["ID", "other"]}] => InstanceNotFound: Instance with id other
["UpdateInstanceCustomHealthStatus", {"ServiceId": "SRV", "InstanceId": "other", "Status": "HEALTHY"}] => InstanceNotFound
["UpdateInstanceCustomHealthStatus", {"ServiceId": "SRV", "InstanceId": "ID", "Status": "HEALTHY"}] => CustomHealthNotFound
["UpdateInstanceCustomHealthStatus", {"ServiceId": "SRV", "InstanceId": "ID", "Status": "SICK"}] => InvalidInput: unknown variant `SICK`
["GetInstance", {"ServiceId": "SRV", "InstanceId": "other"}] => InstanceNotFound
["GetService", {"Id": "srv-elsewhere"}] => ServiceNotFound
["DeleteService", {"Id": "SRV"}] => ResourceInUse
["GetOperation", {"OperationId": "other"}] => OperationNotFound
["RegisterInstance", {"ServiceId": "SRV", "InstanceId": "a b", "Attributes": {"AWS_INSTANCE_IPV4": "10.0.0.1"}}] => InvalidInput: An InstanceId
["RegisterInstance", {"ServiceId": "SRV", "InstanceId": "a", "Attributes": {}}] => InvalidInput: The attribute AWS_INSTANCE_IPV4
["CreateService", {"Name": "x"}] => InvalidInput: NamespaceId
["CreateService", {"Name": "x", "NamespaceId": "ns-elsewhere"}] => NamespaceNotFound
["CreateService", {"Name": "chat", "NamespaceId": "NS"}] => ServiceAlreadyExists
["CreateService", {"Name": "x", "NamespaceId": "NS", "DnsConfig": {"DnsRecords": [{"Type": "A", "TTL": 1}, {"Type": "SRV", "TTL": 1}]}}] => InvalidInput: DnsRecords
["CreatePrivateDnsNamespace", {"Name": "internal", "Vpc": "vpc-1"}] => NamespaceAlreadyExists
["DiscoverInstances", {}] => UnknownOperationException: The operation DiscoverInstances is not simulated
"#,
    ) {
        let operation = case[0].as_str().expect("an operation");
        let namespace = world.namespaces().next().expect("one").id.clone();
        let input = case[1].to_string().replace("SRV\"", &format!("{srv}\""));
        let input = input.replace(&format!("\"Type\":\"{srv}\""), "\"Type\":\"SRV\"");
        let input = input.replace("\"NS\"", &format!("\"{namespace}\""));
        let input = input.replace("\"ID\"", &id.to_string());
        let input = serde_json::from_str(&input).expect("JSON");
        let refused = ask(&mut world, operation, &input).expect_err("refused");
        assert!(refused.starts_with(words), "{refused} is not {words}");
    }
    assert_eq!(healths(&mut world), ["UNKNOWN"]);
}

#[test]
fn a_task_set_names_a_registry_that_is_there_and_a_port_for_its_srv_record() {
    for (record, change, words) in [
        (
            "SRV",
            json!({"containerName": null, "containerPort": null}),
            Some("A port, or a container name and port"),
        ),
        (
            "SRV",
            json!({"containerName": null, "containerPort": null, "port": 8080}),
            None,
        ),
        (
            "SRV",
            json!({"containerPort": 81}),
            Some("container port of the service registry"),
        ),
        (
            "A",
            json!({"registryArn": "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1"}),
            Some("does not exist"),
        ),
        ("A", json!({}), None),
    ] {
        let mut world = world(&json!({"registry": {"record": record}}));
        let mut named = json!(registered(&world));
        for (field, value) in change.as_object().expect("fields") {
            named[field] = value.clone();
        }
        let named: ServiceRegistry = serde_json::from_value(named).expect("a registry");
        let request = Names::default().task_set_in(None, Some(&named));
        let created = world.create_task_set(&request);
        match (created, words) {
            (Ok(_), None) => {}
            (Err(refused), Some(words)) => {
                assert_eq!(refused.code, "InvalidParameterException");
                assert!(refused.message.contains(words), "{refused}");
            }
            (created, words) => panic!("{created:?} instead of {words:?}"),
        }
    }
}

#[test]
fn scenarios_with_a_registry_say_what_is_wrong_with_them() {
    for (json, words) in cases(
        r#"
{"registry": {"ttlSeconds": 90000}} => registry: ttlSeconds is from 0 to 86400, not 90000
{"registry": {"ecsRestoresHealthAfterSeconds": 90000}} => ecsRestoresHealthAfterSeconds
{"registry": {"callers": {"callers": 0}}} => callers: callers is from 1 to 100000, not 0
{"registry": {"callers": {"requestsPerSecond": 0}}} => requestsPerSecond
{"registry": {"callers": {"cacheSeconds": 90000}}} => cacheSeconds
{"registry": {}, "clients": {}} => besideLoadBalancer
"#,
    ) {
        let refused = scenario(&json.to_string()).world();
        let refused = refused.expect_err("a refusal");
        let mut said = refused.to_string();
        let mut source = std::error::Error::source(&refused);
        while let Some(error) = source {
            said = format!("{said}: {error}");
            source = error.source();
        }
        assert!(said.contains(words), "{said}");
    }
    for json in [
        r#"{"registry": {"ttl": 4}}"#,
        r#"{"registry": {"record": "CNAME"}}"#,
        r#"{"registry": {"callers": {"cache": 4}}}"#,
    ] {
        serde_json::from_str::<Scenario>(json).expect_err("an unknown field or value");
    }
}

#[test]
fn a_registry_has_the_arn_that_is_asked_for_if_it_can_be_one_of_the_account() {
    let world = |registry: &str| {
        let names = Names {
            registry: Some(ServiceRegistry {
                registry_arn: registry.to_owned(),
                ..ServiceRegistry::default()
            }),
            ..Names::default()
        };
        scenario(r#"{"registry": {}}"#).world_for(&names)
    };
    let wanted = "arn:aws:servicediscovery:us-east-1:555555555555:service/srv-1";
    let built = world(wanted).expect("a world");
    let set = built.task_sets_of("main", "chat").remove(0);
    assert_eq!(set.service_registries[0].registry_arn, wanted);
    for other in [
        "arn:aws:servicediscovery:eu-west-1:555555555555:service/srv-1",
        "arn:aws:servicediscovery:us-east-1:555555555555:service/",
        "srv-1",
    ] {
        let refused = world(other).expect_err("a refusal").to_string();
        assert!(
            refused.contains("is not the ARN of a Cloud Map"),
            "{refused}"
        );
    }
}
