"""Storage: the protocol that a store implements, the store in memory, and the one in a SQL database."""
