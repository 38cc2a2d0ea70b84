"""The relational database: tables, transactions, and one query file per noun."""
