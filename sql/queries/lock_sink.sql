-- A sink's position, so that nobody moves it meanwhile, and whether it is of this cluster.
SELECT sink.delivered, sink.floor_seq, sink.system_identifier = control.system_identifier AS is_ours
FROM forwarder.sink AS sink, pg_catalog.pg_control_system() AS control
WHERE sink.name = $1
FOR UPDATE OF sink
