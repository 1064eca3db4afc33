"""PostgreSQL: connections, and SQL that lives in named ``.sql`` files."""
