# A service that Ebbtide deploys: a Network Load Balancer with two target groups and two listeners, a cluster, and
# an ECS service with the deployment controller EXTERNAL. docs/terraform.md says why each `lifecycle` is there.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {
  # Ebbtide's record of which listener and which target group is production.
  ignore_tags {
    keys         = ["isProduction", "taskSetId"]
    key_prefixes = ["ebbtide:"]
  }
}

variable "vpc_id" {
  description = "VPC of the load balancer and the tasks."
  type        = string
}

variable "subnet_ids" {
  description = "Public subnets, in two Availability Zones at least."
  type        = list(string)
}

variable "clients_cidr" {
  description = "The addresses that may connect to the production listener."
  type        = string
  default     = "0.0.0.0/0"
}

variable "testers_cidr" {
  description = "The addresses that may connect to the test listener."
  type        = string
}

variable "certificate_arn" {
  description = "Certificate of both listeners."
  type        = string
}

resource "aws_security_group" "load_balancer" {
  name        = "chat-load-balancer"
  description = "Clients and testers to the load balancer"
  vpc_id      = var.vpc_id

  ingress {
    description = "Production listener"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = [var.clients_cidr]
  }

  ingress {
    description = "Test listener"
    protocol    = "tcp"
    from_port   = 8443
    to_port     = 8443
    cidr_blocks = [var.testers_cidr]
  }

  egress {
    description = "Tasks"
    protocol    = "tcp"
    from_port   = 8080
    to_port     = 8080
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_security_group" "tasks" {
  name        = "chat-tasks"
  description = "The load balancer to tasks"
  vpc_id      = var.vpc_id

  ingress {
    description     = "Connections and health checks"
    protocol        = "tcp"
    from_port       = 8080
    to_port         = 8080
    security_groups = [aws_security_group.load_balancer.id]
  }

  egress {
    description = "Images, logs and what the service calls"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "chat" {
  name                             = "chat"
  load_balancer_type               = "network"
  subnets                          = var.subnet_ids
  security_groups                  = [aws_security_group.load_balancer.id]
  enable_cross_zone_load_balancing = true
}

# One serves, and the other waits for the next task set: which is which changes with every deployment.
resource "aws_lb_target_group" "chat" {
  for_each = toset(["a", "b"])

  name                 = "chat-${each.key}"
  target_type          = "ip"
  protocol             = "TCP"
  port                 = 8080
  vpc_id               = var.vpc_id
  deregistration_delay = 60

  health_check {
    protocol            = "HTTP"
    path                = "/ready"
    interval            = 10
    healthy_threshold   = 3
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "production" {
  load_balancer_arn = aws_lb.chat.arn
  protocol          = "TLS"
  port              = 443
  certificate_arn   = var.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  # Where it forwards to when it is created. From then on a deployment decides.
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.chat["a"].arn
  }

  lifecycle {
    ignore_changes = [default_action]
  }
}

resource "aws_lb_listener" "test" {
  load_balancer_arn = aws_lb.chat.arn
  protocol          = "TLS"
  port              = 8443
  certificate_arn   = var.certificate_arn
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.chat["b"].arn
  }

  lifecycle {
    ignore_changes = [default_action]
  }
}

resource "aws_ecs_cluster" "main" {
  name = "main"
}

# No task definition, network or load balancer: every task set comes from Ebbtide, the first one too.
resource "aws_ecs_service" "chat" {
  name          = "chat"
  cluster       = aws_ecs_cluster.main.id
  desired_count = 4

  deployment_controller {
    type = "EXTERNAL"
  }

  lifecycle {
    # The count is Auto Scaling's. The rest is what a deployment copies from the task set to the service.
    ignore_changes = [
      desired_count,
      task_definition,
      load_balancer,
      network_configuration,
      launch_type,
      capacity_provider_strategy,
      platform_version,
    ]
  }
}

# terraform output -raw deploy > deploy.json
output "deploy" {
  description = "The input of the first deployment; --task-definition adds the revision. Later ones need cluster and serviceName only."
  value = jsonencode({
    cluster        = aws_ecs_cluster.main.name
    serviceName    = aws_ecs_service.chat.name
    nlb            = aws_lb.chat.arn
    subnets        = var.subnet_ids
    task_sg        = aws_security_group.tasks.id
    assignPublicIp = "ENABLED"
  })
}
