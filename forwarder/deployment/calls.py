"""Which actions of AWS the program's calls take: the one list that all policies are made of.

``tests/integration/test_ecs.py`` compares it with the calls that are in the code, and ``tests/integration/test_minimal_policies.py`` takes each
action away and sees a call fail.
"""

# Of a stream: who it is, its shards, and records into it. An empty PutRecords and one with DryRun take the same action.
STREAM = ("kinesis:DescribeStreamSummary", "kinesis:ListShards", "kinesis:PutRecords")
# Kinesis makes the data keys of an encrypted stream in the name of who writes to it.
STREAM_KEY = ("kms:GenerateDataKey",)

# An object whole, or in parts, which are deleted if they do not become one.
OBJECTS = ("s3:PutObject", "s3:AbortMultipartUpload")
# HeadBucket has no action of its own.
BUCKET = ("s3:ListBucket",)
# S3 has to read the parts of an object to put them together.
BUCKET_KEY = ("kms:GenerateDataKey", "kms:Decrypt")

ROLE = ("sts:AssumeRole",)

DATABASE_USER = ("rds-db:connect",)
SECRET = ("secretsmanager:GetSecretValue",)
PARAMETER = ("ssm:GetParameters",)
SECRET_KEY = ("kms:Decrypt",)

# What ECS does before the program starts.
REGISTRY = ("ecr:GetAuthorizationToken",)
IMAGE = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
