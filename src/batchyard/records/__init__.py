"""The metadata database: SQLite in a home, PostgreSQL for several servers; one SQLAlchemy Core code for both."""
