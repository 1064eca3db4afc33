"""PostgreSQL and Redis as children of this process, gone when it is gone."""
