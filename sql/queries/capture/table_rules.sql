-- The rules for tables that come later, in their order, each as a JSON object: forwarder.capture.table_rules.TableRule says what is in it.
SELECT json_build_object(
    'schema_pattern', rule.schema_pattern,
    'table_pattern', rule.table_pattern,
    'excluded', rule.excluded,
    'options', rule.options::text,
    'before', rule.before_image,
    'triggers', rule.triggers::text
)::text
FROM forwarder.table_rule AS rule
ORDER BY rule.place
