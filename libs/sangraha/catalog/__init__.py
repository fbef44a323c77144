"""What became of every request and where every object is: SQL on PostgreSQL or SQLite."""
