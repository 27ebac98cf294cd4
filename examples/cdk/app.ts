// A service that Ebbtide deploys: a Network Load Balancer with two target groups and two listeners, a cluster, and an
// ECS service with the deployment controller EXTERNAL. docs/cdk.md says what to leave out, and why.
import { App, CfnOutput, CfnParameter, RemovalPolicy, Stack, StackProps } from 'aws-cdk-lib';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import * as elbv2 from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Construct } from 'constructs';

// What forwards traffic is a stack of its own, which is seldom updated: stack-policy.json keeps updates away from it.
class TrafficStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const vpcId = new CfnParameter(this, 'VpcId', { type: 'AWS::EC2::VPC::Id' }).valueAsString;
    const subnetIds = new CfnParameter(this, 'SubnetIds', {
      type: 'List<AWS::EC2::Subnet::Id>',
      description: 'Public subnets, in two Availability Zones at least.',
    }).valueAsList;
    const certificateArn = new CfnParameter(this, 'CertificateArn').valueAsString;
    const clients = new CfnParameter(this, 'ClientsCidr', {
      description: 'The addresses that may connect to the production listener.',
      default: '0.0.0.0/0',
    }).valueAsString;
    const testers = new CfnParameter(this, 'TestersCidr', {
      description: 'The addresses that may connect to the test listener.',
    }).valueAsString;

    const ofBalancer = new ec2.CfnSecurityGroup(this, 'LoadBalancerSecurityGroup', {
      groupDescription: 'Clients and testers to the load balancer',
      vpcId,
      securityGroupIngress: [
        { description: 'Production listener', ipProtocol: 'tcp', fromPort: 443, toPort: 443, cidrIp: clients },
        { description: 'Test listener', ipProtocol: 'tcp', fromPort: 8443, toPort: 8443, cidrIp: testers },
      ],
    });
    const ofTasks = new ec2.CfnSecurityGroup(this, 'TaskSecurityGroup', {
      groupDescription: 'The load balancer to tasks',
      vpcId,
      securityGroupIngress: [
        {
          description: 'Connections and health checks',
          ipProtocol: 'tcp',
          fromPort: 8080,
          toPort: 8080,
          sourceSecurityGroupId: ofBalancer.attrGroupId,
        },
      ],
    });

    const balancer = new elbv2.CfnLoadBalancer(this, 'LoadBalancer', {
      type: 'network',
      scheme: 'internet-facing',
      subnets: subnetIds,
      securityGroups: [ofBalancer.attrGroupId],
      loadBalancerAttributes: [{ key: 'load_balancing.cross_zone.enabled', value: 'true' }],
    });

    // One serves, and the other waits for the next task set: which is which changes with every deployment.
    const [groupA, groupB] = ['TargetGroupA', 'TargetGroupB'].map(
      (id) =>
        new elbv2.CfnTargetGroup(this, id, {
          targetType: 'ip',
          protocol: 'TCP',
          port: 8080,
          vpcId,
          healthCheckProtocol: 'HTTP',
          healthCheckPath: '/ready',
          healthCheckIntervalSeconds: 10,
          healthyThresholdCount: 3,
          unhealthyThresholdCount: 3,
          targetGroupAttributes: [{ key: 'deregistration_delay.timeout_seconds', value: '60' }],
        }),
    );

    // Where each forwards to when it is created. From then on a deployment decides.
    for (const [id, port, group] of [
      ['ProductionListener', 443, groupA],
      ['TestListener', 8443, groupB],
    ] as const) {
      const listener = new elbv2.CfnListener(this, id, {
        loadBalancerArn: balancer.ref,
        protocol: 'TLS',
        port,
        certificates: [{ certificateArn }],
        sslPolicy: 'ELBSecurityPolicy-TLS13-1-2-2021-06',
        defaultActions: [{ type: 'forward', targetGroupArn: group.ref }],
      });
      listener.applyRemovalPolicy(RemovalPolicy.RETAIN);
    }

    new CfnOutput(this, 'Nlb', { value: balancer.ref, description: "The first input's nlb." });
    new CfnOutput(this, 'TaskSg', { value: ofTasks.attrGroupId, description: "The first input's task_sg." });
  }
}

class ServiceStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const cluster = new ecs.CfnCluster(this, 'Cluster', { clusterName: 'main' });
    // No task definition, network or load balancer: every task set comes from Ebbtide, the first one too. No
    // desiredCount: an update then keeps the number that Auto Scaling or a person has set (1 at first).
    new ecs.CfnService(this, 'Service', {
      cluster: cluster.ref,
      serviceName: 'chat',
      schedulingStrategy: 'REPLICA',
      deploymentController: { type: 'EXTERNAL' },
    });
  }
}

const app = new App();
new TrafficStack(app, 'chat-traffic');
new ServiceStack(app, 'chat');
