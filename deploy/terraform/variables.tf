# The parameters of the CloudFormation stack, by the same names. `forwarder ecs --out DIR` writes their values for a configuration into
# DIR/stack-parameters.json.

variable "name" {
  type        = string
  default     = "forwarder"
  description = "Of the service, the cluster, the roles and the log."
}

variable "image" {
  type        = string
  description = "The image with its tag or digest. A new one is a new release - the migration runs first, then the tasks are replaced."
}

variable "cpu_architecture" {
  type        = string
  default     = "ARM64"
  description = "What the image is built for."
}

variable "cpu" {
  type        = number
  default     = 256
  description = "CPU units of a task, 1024 to a core."
}

variable "memory" {
  type        = number
  default     = 512
  description = "MiB of a task."
}

variable "stop_timeout" {
  type        = number
  default     = 30
  description = "Seconds that a task has to stop, five more than stop_timeout_seconds in [listen]."
}

variable "http_bind" {
  type        = string
  default     = "127.0.0.1:8080"
  description = "Where a task answers its health check."
}

variable "sink" {
  type        = string
  default     = ""
  description = "The sink's URL, such as kinesis://changes?region=eu-west-1; empty if the image has a settings file."
}

variable "sink_name" {
  type        = string
  default     = "default"
  description = "The sink that the alarms watch."
}

variable "metrics_namespace" {
  type        = string
  default     = "forwarder"
  description = "As namespace in [metrics]."
}

variable "metrics_service" {
  type        = string
  default     = "forwarder"
  description = "As service in [metrics]; tells several of an account apart."
}

variable "migrate_command" {
  type        = list(string)
  default     = ["migrate", "--table", "public.*"]
  description = "What brings schema and triggers in line before each release."
}

variable "database_url" {
  type        = string
  default     = ""
  description = "The ARN of the secret or the parameter with the database's URL; empty if the task logs in by AWS."
}

variable "database_auth" {
  type        = string
  default     = "password"
  description = "As auth in [database]."
}

variable "plain_database_url" {
  type        = string
  default     = ""
  description = "If the task logs in by AWS, the database's URL, which has no password."
}

variable "database_secret" {
  type        = string
  default     = ""
  description = "As secret in [database]."
}

variable "database_region" {
  type        = string
  default     = ""
  description = "As region in [database]."
}

variable "database_iam_endpoint" {
  type        = string
  default     = ""
  description = "As iam_endpoint in [database]."
}

variable "database_user_arn" {
  type        = string
  default     = ""
  description = "Of rds-iam, arn:aws:rds-db:REGION:ACCOUNT:dbuser:RESOURCE/USER."
}

variable "database_secret_arn" {
  type        = string
  default     = ""
  description = "Of secrets-manager, the ARN of the secret."
}

variable "migration_database_url" {
  type        = string
  default     = ""
  description = "The same for the migration, which may need more rights; empty if it is the same."
}

variable "http_token" {
  type        = string
  default     = ""
  description = "The ARN of the secret or the parameter with the token of [http]; empty for none."
}

variable "secret_arns" {
  type        = list(string)
  default     = []
  description = "The secrets among these, without what stands behind their names."
}

variable "parameter_arns" {
  type        = list(string)
  default     = []
  description = "The parameters among these."
}

variable "secret_key_arns" {
  type        = list(string)
  default     = []
  description = "KMS keys of your own that they are encrypted by."
}

variable "stream_arns" {
  type        = list(string)
  default     = []
  description = "The streams that a task writes to in its own name."
}

variable "stream_key_arns" {
  type        = list(string)
  default     = []
  description = "KMS keys of your own that these are encrypted by."
}

variable "object_arns" {
  type        = list(string)
  default     = []
  description = "Where records go that are too large for a stream, such as arn:aws:s3:::BUCKET/PREFIX/*."
}

variable "bucket_arns" {
  type        = list(string)
  default     = []
  description = "The buckets of these."
}

variable "bucket_key_arns" {
  type        = list(string)
  default     = []
  description = "KMS keys of your own that these are encrypted by."
}

variable "role_arns" {
  type        = list(string)
  default     = []
  description = "Roles that a task takes for sinks with role_arn."
}

variable "repository_arn" {
  type        = string
  default     = ""
  description = "The image's repository at ECR; empty if it is elsewhere."
}

variable "vpc_id" {
  type        = string
  description = "Where the database can be reached."
}

variable "subnet_ids" {
  type        = list(string)
  description = "Two, in two zones."
}

variable "database_security_group_id" {
  type        = string
  default     = ""
  description = "The database's security group, which then lets the tasks in; empty if it does already."
}

variable "database_port" {
  type        = number
  default     = 5432
  description = "The database's port."
}

variable "desired_count" {
  type        = number
  default     = 2
  description = "Tasks; one leads, the others stand by."
}

variable "endpoints_wanted" {
  type        = bool
  default     = false
  description = "Whether to make VPC endpoints of what the tasks need, for subnets without a NAT gateway."
}

variable "route_table_ids" {
  type        = list(string)
  default     = []
  description = "With EndpointsWanted, the route tables of the subnets, for S3."
}

variable "alarm_email" {
  type        = string
  default     = ""
  description = "Who is mailed by the alarms' topic; empty for nobody yet."
}

variable "late_seconds" {
  type        = number
  default     = 300
  description = "How old the oldest undelivered change may be."
}

variable "outbox_bytes" {
  type        = number
  default     = 10737418240
  description = "How large the outbox may be on disk."
}
