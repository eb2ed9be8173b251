"""Settings that a database may have, and that our sessions must not depend on."""

from __future__ import annotations

from collections.abc import Mapping

from tests.databases import WRITER, Database, connected

# What each setting that we rely on may be instead.
HOSTILE: Mapping[str, str] = {
    "default_transaction_isolation": "serializable",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "on",
    "search_path": "public",
    "quote_all_identifiers": "on",
    "row_security": "on",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "DateStyle": "German, DMY",
    "timezone": "Asia/Tokyo",
    "idle_session_timeout": "5min",
    "idle_in_transaction_session_timeout": "5min",
    "statement_timeout": "5min",
    "lock_timeout": "5min",
    "transaction_timeout": "5min",
    "tcp_keepalives_idle": "100",
    "tcp_keepalives_interval": "100",
    "tcp_keepalives_count": "1",
    "tcp_user_timeout": "5min",
    "client_connection_check_interval": "5min",
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "on",
    "enable_bitmapscan": "on",
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_nestloop": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_hashagg": "off",
    "enable_sort": "off",
    "enable_material": "off",
    "enable_incremental_sort": "off",
    "enable_memoize": "off",
    "enable_tidscan": "off",
    "enable_partition_pruning": "off",
    "constraint_exclusion": "on",
    "enable_partitionwise_join": "on",
    "enable_partitionwise_aggregate": "on",
    "seq_page_cost": "0",
    "random_page_cost": "1000",
    "cpu_tuple_cost": "100",
    "cpu_index_tuple_cost": "1000",
    "cpu_operator_cost": "100",
    "effective_cache_size": "8kB",
    "from_collapse_limit": "1",
    "join_collapse_limit": "1",
    "geqo": "off",
    "geqo_threshold": "2",
    "work_mem": "64kB",
    "hash_mem_multiplier": "1",
    "max_parallel_workers_per_gather": "4",
    "force_parallel_mode": "on",
    "debug_parallel_query": "on",
    "jit": "on",
    "default_table_access_method": "another",
}

# What writers of an application would have to cope with by themselves.
_FOR_WRITERS = {
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    # With so much switched off, each of their statements would be compiled.
    "jit": "off",
}


async def set_for_database(database: Database, settings: Mapping[str, str]) -> None:
    """Give a database these settings, as far as its server knows them; its writers go on as before."""
    async with connected(database.superuser_url) as administrator:
        await administrator.execute("CREATE ACCESS METHOD another TYPE TABLE HANDLER heap_tableam_handler")
        for name, value in settings.items():
            if await administrator.fetchval("SELECT current_setting($1, true)", name) is None:
                continue
            await administrator.execute(f"ALTER DATABASE {database.name} SET {name} = '{value}'")
            if name in _FOR_WRITERS:
                own = _FOR_WRITERS[name]
                await administrator.execute(f"ALTER ROLE {WRITER} IN DATABASE {database.name} SET {name} = '{own}'")
