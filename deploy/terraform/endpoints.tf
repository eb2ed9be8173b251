# For subnets without a NAT gateway, what the tasks need of AWS.

resource "aws_security_group" "endpoints" {
  count       = var.endpoints_wanted ? 1 : 0
  description = "VPC endpoints for the tasks of forwarder"
  vpc_id      = var.vpc_id
  ingress {
    description     = "forwarder"
    protocol        = "tcp"
    from_port       = 443
    to_port         = 443
    security_groups = [aws_security_group.tasks.id]
  }
}

resource "aws_vpc_endpoint" "interfaces" {
  for_each            = toset(var.endpoints_wanted ? local.endpoint_services : [])
  vpc_endpoint_type   = "Interface"
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_id              = var.vpc_id
  subnet_ids          = var.subnet_ids
  security_group_ids  = [aws_security_group.endpoints[0].id]
  private_dns_enabled = true
}

resource "aws_vpc_endpoint" "s3" {
  count             = var.endpoints_wanted ? 1 : 0
  vpc_endpoint_type = "Gateway"
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_id            = var.vpc_id
  route_table_ids   = var.route_table_ids
}

locals {
  endpoint_services = ["kinesis-streams", "secretsmanager", "ssm", "ecr.api", "ecr.dkr", "logs", "sts"]
}
