# What the program may do, what ECS does before it starts, and what the migration may do.

data "aws_iam_policy_document" "trusting_tasks" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:ecs:${local.region}:${local.account}:*"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

data "aws_iam_policy_document" "task" {
  dynamic "statement" {
    for_each = var.database_user_arn != "" ? [1] : []
    content {
      sid       = "LogInAtTheDatabase"
      actions   = ["rds-db:connect"]
      resources = [var.database_user_arn]
    }
  }
  dynamic "statement" {
    for_each = var.database_secret_arn != "" ? [1] : []
    content {
      sid       = "ReadTheDatabaseLogin"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [var.database_secret_arn]
    }
  }
  dynamic "statement" {
    for_each = var.database_secret_arn != "" && length(var.secret_key_arns) > 0 ? [1] : []
    content {
      sid       = "DecryptTheDatabaseLogin"
      actions   = ["kms:Decrypt"]
      resources = var.secret_key_arns
    }
  }
  dynamic "statement" {
    for_each = length(var.stream_arns) > 0 ? [1] : []
    content {
      sid       = "WriteToTheStreams"
      actions   = ["kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:PutRecords"]
      resources = var.stream_arns
    }
  }
  dynamic "statement" {
    for_each = length(var.stream_key_arns) > 0 ? [1] : []
    content {
      sid       = "EncryptWhatIsInTheStreams"
      actions   = ["kms:GenerateDataKey"]
      resources = var.stream_key_arns
    }
  }
  dynamic "statement" {
    for_each = length(var.bucket_arns) > 0 ? [1] : []
    content {
      sid       = "StoreWhatIsTooLargeForAStream"
      actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
      resources = var.object_arns
    }
  }
  dynamic "statement" {
    for_each = length(var.bucket_arns) > 0 ? [1] : []
    content {
      sid       = "SeeThatTheBucketsAreThere"
      actions   = ["s3:ListBucket"]
      resources = var.bucket_arns
    }
  }
  dynamic "statement" {
    for_each = length(var.bucket_key_arns) > 0 ? [1] : []
    content {
      sid       = "EncryptWhatIsInTheBuckets"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = var.bucket_key_arns
    }
  }
  dynamic "statement" {
    for_each = length(var.role_arns) > 0 ? [1] : []
    content {
      sid       = "TakeTheRolesOfSinks"
      actions   = ["sts:AssumeRole"]
      resources = var.role_arns
    }
  }
}

resource "aws_iam_role" "task" {
  name               = "${var.name}-task"
  assume_role_policy = data.aws_iam_policy_document.trusting_tasks.json
}

resource "aws_iam_role_policy" "task" {
  name   = "forwarder"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.task.json
}

data "aws_iam_policy_document" "execution" {
  dynamic "statement" {
    for_each = length(var.secret_arns) > 0 ? [1] : []
    content {
      sid       = "ReadTheSecrets"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = var.secret_arns
    }
  }
  dynamic "statement" {
    for_each = length(var.parameter_arns) > 0 ? [1] : []
    content {
      sid       = "ReadTheParameters"
      actions   = ["ssm:GetParameters"]
      resources = var.parameter_arns
    }
  }
  dynamic "statement" {
    for_each = length(concat(var.secret_arns, var.parameter_arns)) > 0 && length(var.secret_key_arns) > 0 ? [1] : []
    content {
      sid       = "DecryptTheSecrets"
      actions   = ["kms:Decrypt"]
      resources = var.secret_key_arns
    }
  }
  dynamic "statement" {
    for_each = var.repository_arn != "" ? [1] : []
    content {
      sid       = "LogInToTheRegistry"
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }
  dynamic "statement" {
    for_each = var.repository_arn != "" ? [1] : []
    content {
      sid       = "PullTheImage"
      actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      resources = [var.repository_arn]
    }
  }
  statement {
    sid       = "WriteTheLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${local.region}:${local.account}:log-group:${aws_cloudwatch_log_group.logs.name}:log-stream:*"]
  }
}

resource "aws_iam_role" "execution" {
  name               = "${var.name}-execution"
  assume_role_policy = data.aws_iam_policy_document.trusting_tasks.json
}

resource "aws_iam_role_policy" "execution" {
  name   = "forwarder"
  role   = aws_iam_role.execution.id
  policy = data.aws_iam_policy_document.execution.json
}

# Where the migration logs in at the database by AWS, that is all that it may do.
data "aws_iam_policy_document" "migration" {
  dynamic "statement" {
    for_each = var.database_user_arn != "" ? [1] : []
    content {
      sid       = "LogInAtTheDatabase"
      actions   = ["rds-db:connect"]
      resources = [var.database_user_arn]
    }
  }
  dynamic "statement" {
    for_each = var.database_secret_arn != "" ? [1] : []
    content {
      sid       = "ReadTheDatabaseLogin"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [var.database_secret_arn]
    }
  }
  dynamic "statement" {
    for_each = var.database_secret_arn != "" && length(var.secret_key_arns) > 0 ? [1] : []
    content {
      sid       = "DecryptTheDatabaseLogin"
      actions   = ["kms:Decrypt"]
      resources = var.secret_key_arns
    }
  }
}

resource "aws_iam_role" "migration" {
  count              = local.has_database_login ? 1 : 0
  name               = "${var.name}-migration"
  assume_role_policy = data.aws_iam_policy_document.trusting_tasks.json
}

resource "aws_iam_role_policy" "migration" {
  count  = local.has_database_login ? 1 : 0
  name   = "forwarder"
  role   = aws_iam_role.migration[0].id
  policy = data.aws_iam_policy_document.migration.json
}
