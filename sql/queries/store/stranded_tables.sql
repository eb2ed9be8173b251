-- The tables of which a sink has dead letters whose stream could not be written to, by their ids.
--   $1 the sink, $2 their code
SELECT DISTINCT table_id FROM forwarder.dead_letter WHERE sink = $1 AND code = $2
