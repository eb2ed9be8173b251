terraform {
  required_version = ">= 1.4"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0"
    }
  }
}

data "aws_partition" "current" {}
data "aws_region" "current" {}
data "aws_caller_identity" "current" {}

locals {
  partition          = data.aws_partition.current.partition
  region             = data.aws_region.current.region
  account            = data.aws_caller_identity.current.account_id
  has_database_login = var.database_user_arn != "" || var.database_secret_arn != ""

  # What is empty is left out.
  environment = {
    FORWARDER_HTTP_BIND             = var.http_bind
    FORWARDER_LOG_FORMAT            = "json"
    FORWARDER_METRICS_EMF           = "true"
    FORWARDER_METRICS_SERVICE       = var.metrics_service
    FORWARDER_SINK                  = var.sink
    FORWARDER_DATABASE_AUTH         = var.database_auth == "password" ? "" : var.database_auth
    FORWARDER_DATABASE_SECRET       = var.database_secret
    FORWARDER_DATABASE_REGION       = var.database_region
    FORWARDER_DATABASE_IAM_ENDPOINT = var.database_iam_endpoint
    FORWARDER_DATABASE_URL          = var.plain_database_url
  }
  migration_environment = {
    FORWARDER_LOG_FORMAT            = "json"
    FORWARDER_SINK                  = var.sink
    FORWARDER_DATABASE_AUTH         = var.database_auth == "password" ? "" : var.database_auth
    FORWARDER_DATABASE_SECRET       = var.database_secret
    FORWARDER_DATABASE_REGION       = var.database_region
    FORWARDER_DATABASE_IAM_ENDPOINT = var.database_iam_endpoint
    FORWARDER_DATABASE_URL          = var.plain_database_url
  }
  secrets = {
    FORWARDER_DATABASE_URL = var.database_url
    FORWARDER_HTTP_TOKEN   = var.http_token
  }
  migration_secrets = {
    FORWARDER_DATABASE_URL = var.migration_database_url == "" ? var.database_url : var.migration_database_url
  }

  container = {
    name                   = "forwarder"
    image                  = var.image
    essential              = true
    user                   = "65532:65532"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.logs.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "forwarder"
        mode                  = "non-blocking"
        max-buffer-size       = "4m"
      }
    }
  }
  service_container = {
    command     = ["listen"]
    stopTimeout = var.stop_timeout
    environment = [for name, value in local.environment : { name = name, value = value } if value != ""]
    secrets     = [for name, arn in local.secrets : { name = name, valueFrom = arn } if arn != ""]
    healthCheck = {
      command     = ["CMD", "python", "-P", "-m", "forwarder.status.probe"]
      interval    = 15
      timeout     = 5
      retries     = 3
      startPeriod = 30
    }
  }
  migration_container = {
    command     = var.migrate_command
    environment = [for name, value in local.migration_environment : { name = name, value = value } if value != ""]
    secrets     = [for name, arn in local.migration_secrets : { name = name, valueFrom = arn } if arn != ""]
  }
}

resource "aws_cloudwatch_log_group" "logs" {
  name              = "/ecs/${var.name}"
  retention_in_days = 30
  # What the tasks have written outlives them.
  skip_destroy = true
}

resource "aws_security_group" "tasks" {
  description = "Tasks of forwarder. Nothing connects to them."
  vpc_id      = var.vpc_id
  egress {
    description = "AWS"
    protocol    = "tcp"
    from_port   = 443
    to_port     = 443
    cidr_blocks = ["0.0.0.0/0"]
  }
  egress {
    description = "The database"
    protocol    = "tcp"
    from_port   = var.database_port
    to_port     = var.database_port
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  count                        = var.database_security_group_id == "" ? 0 : 1
  description                  = "forwarder"
  security_group_id            = var.database_security_group_id
  referenced_security_group_id = aws_security_group.tasks.id
  ip_protocol                  = "tcp"
  from_port                    = var.database_port
  to_port                      = var.database_port
}

resource "aws_ecs_cluster" "cluster" {
  name = var.name
}

resource "aws_ecs_task_definition" "service" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn
  container_definitions    = jsonencode([merge(local.container, local.service_container)])
  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }
}

resource "aws_ecs_task_definition" "migration" {
  family                   = "${var.name}-migrate"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = one(aws_iam_role.migration[*].arn)
  container_definitions    = jsonencode([merge(local.container, local.migration_container)])
  runtime_platform {
    cpu_architecture        = var.cpu_architecture
    operating_system_family = "LINUX"
  }
}

# Runs the migration and waits for it, whenever its definition is another; the service comes after it. It takes AWS's CLI where Terraform runs.
resource "terraform_data" "migration" {
  triggers_replace = aws_ecs_task_definition.migration.arn
  depends_on       = [aws_iam_role_policy.execution, aws_iam_role_policy.migration]
  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-ec"]
    environment = {
      AWS_REGION = local.region
      CLUSTER    = aws_ecs_cluster.cluster.name
      DEFINITION = aws_ecs_task_definition.migration.arn
      NETWORK    = "awsvpcConfiguration={subnets=[${join(",", var.subnet_ids)}],securityGroups=[${aws_security_group.tasks.id}]}"
    }
    command = <<-EOT
      TASK=$(aws ecs run-task --cluster "$CLUSTER" --task-definition "$DEFINITION" --launch-type FARGATE --network-configuration "$NETWORK" \
          --query 'tasks[0].taskArn' --output text)
      aws ecs wait tasks-stopped --cluster "$CLUSTER" --tasks "$TASK"
      CODE=$(aws ecs describe-tasks --cluster "$CLUSTER" --tasks "$TASK" --query 'tasks[0].containers[0].exitCode' --output text)
      [ "$CODE" = 0 ] || { echo "forwarder migrate: exit code $CODE; the log of $TASK says why" >&2; exit 1; }
    EOT
  }
}

resource "aws_ecs_service" "service" {
  name                               = var.name
  cluster                            = aws_ecs_cluster.cluster.id
  task_definition                    = aws_ecs_task_definition.service.arn
  desired_count                      = var.desired_count
  launch_type                        = "FARGATE"
  availability_zone_rebalancing      = "ENABLED"
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  wait_for_steady_state              = true
  depends_on                         = [terraform_data.migration, aws_iam_role_policy.task, aws_iam_role_policy.execution]
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  network_configuration {
    subnets         = var.subnet_ids
    security_groups = [aws_security_group.tasks.id]
  }
}
