-- The numbers of the loads that have not ended, and of those that have failed and were not asked for again; 1,000 at most, those that run first.
SELECT load.number
FROM forwarder.load AS load
WHERE (load.finished_at IS NULL OR load.state = 'failed')
  AND (
      load.finished_at IS NULL
      OR NOT EXISTS (
          SELECT FROM forwarder.load AS newer
          WHERE newer.sink = load.sink AND newer.table_id = load.table_id AND newer.number > load.number
      )
  )
ORDER BY load.state <> 'running', load.state = 'waiting', load.number
LIMIT 1000
