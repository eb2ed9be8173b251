-- The processes that have announced themselves, each as a JSON object: forwarder.store.listeners.Listener says what is in it.
SELECT json_build_object(
    'id', id,
    'host', host,
    'pid', pid,
    'version', version,
    'started_at', started_at,
    'seen_at', seen_at,
    'silent_seconds', extract(epoch FROM clock_timestamp() - seen_at)::double precision,
    'says', says
)::text
FROM forwarder.listener
ORDER BY started_at, id
LIMIT 1000
