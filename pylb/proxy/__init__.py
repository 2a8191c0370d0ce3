"""The data plane: the only code that touches clients and backends."""
