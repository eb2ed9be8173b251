# Who is paged, when, and what one looks at then.

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.alarm_email == "" ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

resource "aws_cloudwatch_metric_alarm" "late" {
  alarm_name          = "${var.name}-late"
  alarm_description   = "A change waits for longer than LateSeconds to be delivered."
  namespace           = var.metrics_namespace
  metric_name         = "OldestUndeliveredSeconds"
  dimensions          = { service = var.metrics_service, sink = var.sink_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.late_seconds
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "nobody_delivers" {
  alarm_name          = "${var.name}-nobody-delivers"
  alarm_description   = "No task leads the sink, or something is in its way."
  namespace           = var.metrics_namespace
  metric_name         = "Delivering"
  dimensions          = { service = var.metrics_service, sink = var.sink_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "Changes were set aside - forwarder dead-letters list shows them."
  namespace           = var.metrics_namespace
  metric_name         = "DeadLetters"
  dimensions          = { service = var.metrics_service, sink = var.sink_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "throttling" {
  alarm_name          = "${var.name}-throttling"
  alarm_description   = "Requests are throttled or fail - the stream may have too few shards."
  namespace           = var.metrics_namespace
  metric_name         = "FailedRequests"
  dimensions          = { service = var.metrics_service, sink = var.sink_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 100
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "outbox" {
  alarm_name          = "${var.name}-outbox"
  alarm_description   = "The outbox takes more than OutboxBytes on disk."
  namespace           = var.metrics_namespace
  metric_name         = "OutboxBytes"
  dimensions          = { service = var.metrics_service, sink = var.sink_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.outbox_bytes
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_dashboard" "dashboard" {
  dashboard_name = var.name
  dashboard_body = <<-EOT
    {"widgets": [
      {"type": "metric", "x": 0, "y": 0, "width": 12, "height": 6, "properties": {"title": "How late the oldest change is, in seconds", "region": "${local.region}", "stat": "Maximum", "period": 60,
        "metrics": [["${var.metrics_namespace}", "OldestUndeliveredSeconds", "service", "${var.metrics_service}", "sink", "${var.sink_name}"]]}},
      {"type": "metric", "x": 12, "y": 0, "width": 12, "height": 6, "properties": {"title": "Changes that wait", "region": "${local.region}", "stat": "Maximum", "period": 60,
        "metrics": [["${var.metrics_namespace}", "UndeliveredChanges", "service", "${var.metrics_service}", "sink", "${var.sink_name}"]]}},
      {"type": "metric", "x": 0, "y": 6, "width": 12, "height": 6, "properties": {"title": "Records delivered", "region": "${local.region}", "stat": "Sum", "period": 60,
        "metrics": [["${var.metrics_namespace}", "DeliveredRecords", "service", "${var.metrics_service}", "sink", "${var.sink_name}"]]}},
      {"type": "metric", "x": 12, "y": 6, "width": 12, "height": 6, "properties": {"title": "Requests that were throttled or failed", "region": "${local.region}", "stat": "Sum", "period": 60,
        "metrics": [["${var.metrics_namespace}", "FailedRequests", "service", "${var.metrics_service}", "sink", "${var.sink_name}"]]}},
      {"type": "metric", "x": 0, "y": 12, "width": 12, "height": 6, "properties": {"title": "Whether somebody delivers", "region": "${local.region}", "stat": "Maximum", "period": 60,
        "metrics": [["${var.metrics_namespace}", "Delivering", "service", "${var.metrics_service}", "sink", "${var.sink_name}"]]}},
      {"type": "metric", "x": 12, "y": 12, "width": 12, "height": 6, "properties": {"title": "Dead letters", "region": "${local.region}", "stat": "Maximum", "period": 60,
        "metrics": [["${var.metrics_namespace}", "DeadLetters", "service", "${var.metrics_service}", "sink", "${var.sink_name}"]]}},
      {"type": "metric", "x": 0, "y": 18, "width": 12, "height": 6, "properties": {"title": "The outbox on disk, in bytes", "region": "${local.region}", "stat": "Maximum", "period": 60,
        "metrics": [["${var.metrics_namespace}", "OutboxBytes", "service", "${var.metrics_service}", "sink", "${var.sink_name}"]]}}
    ]}
  EOT
}

output "log_group" {
  description = "What the tasks write."
  value       = aws_cloudwatch_log_group.logs.name
}

output "task_role_arn" {
  description = "What the policy of a stream, bucket or key of another account has to name."
  value       = aws_iam_role.task.arn
}

output "security_group_id" {
  description = "What the database has to let in."
  value       = aws_security_group.tasks.id
}

output "alarm_topic_arn" {
  description = "Where the alarms go."
  value       = aws_sns_topic.alarms.arn
}
